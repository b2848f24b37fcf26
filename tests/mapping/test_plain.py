"""The plain order: the canonical order as JSON, for receivers without a format of their own."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connector.errors import Unmappable
from connector.mapping.plain import PlainOrder, plain_order
from connector.order import Document, Line, Order, Parcel
from tests.contracts.receiver_harness import EXAMPLE


def shown(**more: Any) -> dict[str, Any]:
    """Return the example order with changes, decoded from its JSON."""
    content = json.loads(msgspec.json.encode(plain_order(msgspec.structs.replace(EXAMPLE, **more))))
    assert isinstance(content, dict)
    return content


def test_every_field_of_the_canonical_order_is_there_but_the_raw_bytes() -> None:
    """Under its own name; the external id comes first, and absent fields are left out."""
    fields = set(PlainOrder.__struct_fields__)
    assert fields == {"external_id", *Order.__struct_fields__} - {"raw"}
    content = shown(raw=b"secret of the source")
    assert list(content)[:3] == ["external_id", "source", "order_id"]
    assert not {"raw", "parcels", "documents", "cancelled"} & set(content)
    assert "secret of the source" not in str(content)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("49.99", "49.99"),
        ("100", "100"),
        ("1E+2", "100"),
        ("0.0000001", "0.0000001"),
        ("1.50", "1.50"),
        ("-5.00", "-5.00"),
        ("-0.00", "0.00"),
        ("1234567890123456.78", "1234567890123456.78"),
    ],
)
def test_an_amount_is_a_text_with_its_digits(amount: str, text: str) -> None:
    """No float, no exponent: every reader finds the same number."""
    content = shown(lines=(Line(sku="A", quantity=Decimal(amount), unit_price=Decimal(amount)),))
    assert content["lines"] == [{"sku": "A", "quantity": text, "unit_price": text}]


@pytest.mark.attack(13)
@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "1E+400000000", "1E-400000000", "0E-400000000"])
def test_an_amount_that_is_no_number_or_beyond_all_measure_holds_the_order(amount: str) -> None:
    """In any field, and before any calculation."""
    for more in (
        {"lines": (Line(quantity=Decimal(amount)),)},
        {"parcels": (Parcel(weight=Decimal(amount)),)},
        {"cash_on_delivery": Decimal(amount)},
    ):
        with pytest.raises(Unmappable, match="amount out of range"):
            shown(**more)


def test_a_time_is_utc() -> None:
    """Times of other zones are converted."""
    east = timezone(timedelta(hours=2))
    assert shown(created_at=datetime(2026, 3, 24, 11, 26, 7, tzinfo=east))["created_at"] == "2026-03-24T09:26:07Z"
    for odd in (datetime(2026, 3, 24), datetime.min.replace(tzinfo=east)):  # noqa: DTZ001 - without a zone on purpose
        with pytest.raises(Unmappable, match="time"):
            shown(created_at=odd)


def test_documents_travel_as_base64() -> None:
    """Labels arrive unchanged."""
    content = shown(documents=(Document(title="label", content=b"%PDF", shipping_label=True),), cancelled=True)
    assert content["documents"] == [{"title": "label", "content": "JVBERg==", "shipping_label": True}]
    assert content["cancelled"] is True


@pytest.mark.attack(15)
def test_text_that_is_not_unicode_holds_the_order() -> None:
    """A lone surrogate cannot be encoded."""
    with pytest.raises(Unmappable, match="unwritable order"):
        shown(notes="\ud800")
