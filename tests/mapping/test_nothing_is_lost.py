"""All content of an order is in the request to every receiver, or the order is held."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from msgspec.structs import replace

from connector.clients.ewarehousing.requests import CreateOrder
from connector.errors import Unmappable
from connector.mapping.mapper import mapper
from connector.mapping.money import exact
from connector.mapping.plain import PlainOrder, partial_plain, plain_order
from connector.order import Address, Contact, Line, Order, Totals
from connector.receivers.ewarehousing.mapping import PICKUP, create_order, partial_order
from connector.sandbox.propeller.orders import propeller_orders
from connector.sandbox.traede.orders import traede_orders
from connector.sandbox.zendera.shipments import zendera_shipments
from connector.sources.ewarehousing import order as ewarehousing_order
from connector.sources.propeller import order as propeller_order
from connector.sources.traede import order as traede_order
from connector.sources.traede import production_order
from connector.sources.zendera import order as zendera_shipment
from tests.clients.ewarehousing import seed
from tests.mapping.leaves import absent, filled, leaves
from tests.receivers.ewarehousing.test_mapping import PROPELLER, SEED_000
from tests.sources.traede import bench as traede_bench
from tests.sources.zendera import bench as zendera_bench

METHOD = "9eb93dd6-6929-4b91-8419-8a619a72905b"
LATER = ("documents[",)
"""Documents are added to an order after it was created (`SupportsAttachments.attach`)."""

SAID_TWICE = ("cash_on_delivery_currency", "sender_country", "invoice_country", "partial_delivery", "cancelled")
"""Codes and flags that occur elsewhere in an order in which everything is filled."""

_read = msgspec.json.Decoder(float_hook=exact).decode
_encode = msgspec.json.encode


def warehouse(order: Order, tree: dict[str, Any] | None = None) -> Any:
    """Return the request to eWarehousing, as eWarehousing decodes it."""
    return _read(mapper(tree, CreateOrder, create_order, {}, partial_order)(order))


def plain(order: Order) -> Any:
    """Return the request to a webhook or a file."""
    return _read(mapper(None, PlainOrder, plain_order, {}, partial_plain)(order))


def examples() -> Iterator[tuple[str, Order]]:
    """Yield the canonical form of every vendor's own examples, and of the stand-ins' orders."""
    yield "seed 000", propeller_order.to_order("shop", SEED_000)
    yield "seed 000, canonical", PROPELLER
    yield "seed 001", traede_order.to_order("wholesale", _encode(traede_bench.order(1)))
    yield "seed 002", production_order.to_order("erp", _encode(traede_bench.production_order(1)))
    zone = ZoneInfo("Europe/Oslo")
    raw = zendera_bench.group(zendera_bench.shipment(12345))
    yield "seed 003", zendera_shipment.to_order("transport", raw, zone=zone)
    yield "seed 004", ewarehousing_order.to_order("mirror", seed.RETRIEVE)
    for number, each in enumerate(propeller_orders(30, seed=5)):
        yield f"propeller {number}", propeller_order.to_order("shop", _encode(each))
    for number, each in enumerate(traede_orders(30, seed=5)):
        yield f"traede {number}", traede_order.to_order("wholesale", _encode(each))
    for number, each in enumerate(zendera_shipments(30, seed=5, split=0)):
        raw = _encode({"orderId": str(each["orderId"]), "shipments": [each]})
        yield f"zendera {number}", zendera_shipment.to_order("transport", raw, zone=zone)


EXAMPLES = dict(examples())


def lost(order: Order, request: Any) -> list[str]:
    """Return the leaves of an order that are nowhere in a request, except those that follow it."""
    return [leaf for leaf in absent(order, request) if not leaf.startswith(LATER)]


@pytest.mark.fault(147)
def test_every_field_of_an_order_reaches_the_warehouse() -> None:
    """Each is in a field of the request or in its meta data; a new field of the order fails here until it is."""
    order = filled()
    assert len(list(leaves(order))) > 100
    with pytest.raises(Unmappable, match=PICKUP):
        warehouse(order)

    assert lost(order, warehouse(order, {"shipping_method": METHOD})) == []


@pytest.mark.fault(147)
def test_every_field_of_an_order_is_in_its_plain_form() -> None:
    """Under the same path, without substitutions. Documents are base64."""
    order = filled()
    content = plain(order)
    assert lost(order, content) == []
    plain_paths = {path for path, _ in leaves(msgspec.convert(content, PlainOrder))}
    assert {path for path, _ in leaves(order)} <= plain_paths


@pytest.mark.fault(147)
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_leaf_of_an_example_reaches_every_receiver(name: str) -> None:
    """
    For each vendor's own examples, and for orders of many kinds; orders that
    the warehouse cannot accept are held.
    """
    order = EXAMPLES[name]
    assert lost(order, plain(order)) == []
    if name == "seed 002":
        with pytest.raises(Unmappable, match="missing field: shipping_address"):
            warehouse(order)  # a production order goes to no address
    else:
        assert lost(order, warehouse(order)) == []


def test_a_leaf_that_is_dropped_is_found() -> None:
    """The method of this test works: a request without one of its texts lacks that leaf."""
    order = filled()
    request = warehouse(order, {"shipping_method": METHOD})
    elsewhere = {"source", "source_order_id", *SAID_TWICE}
    for key in request["meta_data"].keys() - elsewhere:
        rest = {name: text for name, text in request["meta_data"].items() if name != key}
        assert lost(order, {**request, "meta_data": rest}), key


@pytest.mark.parametrize("currency", ["", "EUR"])
@pytest.mark.parametrize("line_price", ["cents", "units"])
def test_no_amount_is_lost(currency: str, line_price: Any) -> None:
    """With a currency in a field, without one as text; also fractions of a cent."""
    line = Line(sku="A", quantity=Decimal(2), unit_price=Decimal("0.0045"), tax_percentage=Decimal("8.1"))
    order = replace(PROPELLER, currency=currency, lines=(line,), totals=Totals(including_tax=Decimal("129.24")))
    request = msgspec.json.decode(_encode(msgspec.to_builtins(create_order(order, line_price=line_price))))
    assert lost(replace(order, lines=()), request) == []
    (sent,) = request["order_lines"]
    price = sent.get("price") or sent["meta_data"]["unit_price"]
    assert Decimal(price) == Decimal("0.45" if currency and line_price == "cents" else "0.0045")


@pytest.mark.fault(153)
def test_two_rows_of_one_article_are_two_rows() -> None:
    """Neither merged nor dropped, even with the same id: the sums sent are those of the order."""
    row = Line(line_id="7", sku="A-1", name="one", quantity=Decimal(2), unit_price=Decimal(10))
    order = replace(PROPELLER, lines=(row, row, replace(row, quantity=Decimal(3), line_id="")))
    for request in (warehouse(order)["order_lines"], plain(order)["lines"]):
        assert [Decimal(each["quantity"]) for each in request] == [2, 2, 3]
    assert [each.get("meta_data") for each in warehouse(order)["order_lines"]] == [
        {"line_id": "7"},
        {"line_id": "7"},
        None,
    ]


@pytest.mark.fault(147)
def test_what_the_source_calls_by_a_name_of_ours_is_kept_beside_it() -> None:
    """Equal texts are sent once, others as `metadata_NAME`."""
    pairs = {"source": "google", "carrier": "DHL", "kind": "gift", "metadata_kind": "b", "total_tax": "23.26"}
    order = replace(PROPELLER, metadata=pairs, carrier="DHL", kind="shipment")
    sent = warehouse(order)["meta_data"]
    assert (sent["source"], sent["metadata_source"], sent["carrier"]) == ("shop", "google", "DHL")
    assert (sent["kind"], sent["metadata_kind"], sent["metadata_kind_"]) == ("shipment", "b", "gift")
    assert "metadata_carrier" not in sent
    assert "metadata_total_tax" not in sent


@pytest.mark.fault(149)
def test_a_phone_of_somebody_else_is_not_put_on_the_address() -> None:
    """The contact's number goes into the meta data with the contact's name, and not to the address."""
    buyer = Contact(name="The Buyer", email="buyer@example.com", phone="+31 20")
    sent = warehouse(replace(PROPELLER, contact=buyer))
    assert "phone_number" not in sent["shipping_address"]
    assert (sent["meta_data"]["contact_name"], sent["meta_data"]["contact_phone"]) == ("The Buyer", "+31 20")
    same = warehouse(replace(PROPELLER, contact=replace(buyer, name="Jan de Vries")))
    assert same["shipping_address"]["phone_number"] == "+31 20"
    assert "contact_phone" not in same["meta_data"]


def test_further_lines_of_an_address_are_read_on_the_label() -> None:
    """Care-of, building and floor are in the second line, in this order."""
    where = replace(
        PROPELLER.delivery_address or Address(), attention="c/o Hansen", street2="Gebouw C", extra="3e etage"
    )
    assert warehouse(replace(PROPELLER, delivery_address=where))["shipping_address"]["street2"] == (
        "c/o Hansen, Gebouw C, 3e etage"
    )
    named = replace(where, attention="Jan de Vries", street2="", extra="")
    assert "street2" not in warehouse(replace(PROPELLER, delivery_address=named))["shipping_address"]


@pytest.mark.parametrize("method", ["PICKUP", "Pick-up", "pick_up", "Click & Collect", "CLICK_AND_COLLECT", "Afhalen"])
def test_an_order_that_its_customer_collects_is_held_without_a_shipping_method(method: str) -> None:
    """Otherwise it would be shipped as a parcel; a method from the mapping, or an explicit null, sends it."""
    for order in (replace(PROPELLER, delivery_method=method), replace(PROPELLER, pickup_location="12")):
        with pytest.raises(Unmappable) as caught:
            warehouse(order)
        assert (caught.value.cause, caught.value.ours) == (PICKUP, True)
        sent = warehouse(order, {"shipping_method": METHOD})
        assert sent["shipping_method"] == METHOD
        assert lost(order, sent) == []
        assert "shipping_method" not in warehouse(order, {"shipping_method": None})
    assert "shipping_method" not in warehouse(replace(PROPELLER, delivery_method="DELIVERY"))


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        ("1250.5", "NOK", "1250.50"),
        ("1250", "NOK", "1250.00"),
        ("1250.505", "NOK", "1250.505"),
        ("1250", "JPY", "1250"),
    ],
)
def test_cash_on_delivery_has_the_decimals_of_its_currency(amount: str, currency: str, expected: str) -> None:
    """The amount is what the driver collects; the currency is its own, or else the order's."""
    own = replace(PROPELLER, cash_on_delivery=Decimal(amount), cash_on_delivery_currency=currency)
    shared = replace(PROPELLER, cash_on_delivery=Decimal(amount), currency=currency)
    for order in (own, shared):
        sent = warehouse(order)["meta_data"]
        assert (sent["cash_on_delivery_amount"], sent["cash_on_delivery_currency"]) == (expected, currency)
