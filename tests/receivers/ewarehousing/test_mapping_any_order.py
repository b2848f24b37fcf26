"""The default mapping to eWarehousing under generated, improbable orders."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.clients.ewarehousing.requests import CreateOrder, encode
from connector.errors import Unmappable
from connector.order import Address, Contact, Line, Totals
from connector.receivers.ewarehousing.mapping import create_order
from tests.receivers.ewarehousing.test_mapping import PROPELLER

odd_text = st.one_of(st.text(max_size=8), st.sampled_from(["NL", "EUR", "", "\x00", "\ud800", " "]))
odd_number = st.one_of(st.none(), st.decimals(allow_nan=True, allow_infinity=True))


@settings(max_examples=300, deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "order_id": odd_text,
            "reference": odd_text,
            "currency": odd_text,
            "language": odd_text,
            "notes": odd_text,
            "created_at": st.one_of(st.none(), st.datetimes(timezones=st.just(UTC)), st.datetimes()),
            "requested_delivery_date": st.one_of(st.none(), st.dates()),
            "metadata": st.dictionaries(odd_text, odd_text, max_size=3),
            "contact": st.builds(Contact, name=odd_text, email=odd_text, phone=odd_text),
            "totals": st.builds(Totals, including_tax=odd_number),
            "delivery_address": st.one_of(
                st.none(),
                st.builds(Address, company=odd_text, street=odd_text, city=odd_text, country=odd_text, number=odd_text),
            ),
            "lines": st.lists(
                st.builds(
                    Line,
                    sku=odd_text,
                    name=odd_text,
                    quantity=st.decimals(allow_nan=True, allow_infinity=True),
                    unit_price=odd_number,
                    metadata=st.dictionaries(odd_text, odd_text, max_size=2),
                ),
                max_size=2,
            ).map(tuple),
        },
    )
)
def test_any_order_becomes_a_valid_request_or_is_held(changes: dict[str, Any]) -> None:
    """The mapping raises `Unmappable` and nothing else, and whatever it returns passes the documented fields."""
    try:
        request = create_order(msgspec.structs.replace(PROPELLER, **changes))
    except Unmappable:
        return

    assert msgspec.json.decode(encode(request), type=CreateOrder) == request
