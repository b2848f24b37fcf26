"""
Orders in their vendors' form, and the values that must be kept of each: the sources' side.

`cases.json` has the orders, with the expected values in words.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from connector.errors import Unmappable
from connector.mapping.iso_codes import is_country
from connector.order import Address, Order
from connector.sources.propeller import order as propeller_order
from connector.sources.traede import order as traede_order
from connector.sources.zendera import order as zendera_shipment

CASES: dict[str, dict[str, Any]] = {
    case["name"]: case for case in json.loads(Path(__file__).with_name("cases.json").read_text("utf-8"))
}


def read(name: str) -> Order:
    """Read the order of a case."""
    case = CASES[name]
    raw = msgspec.json.encode(case["order"])
    match case["source"]:
        case "propeller":
            return propeller_order.to_order("shop", raw)
        case "traede":
            return traede_order.to_order("wholesale", raw)
        case _:
            return zendera_shipment.to_order("transport", raw, zone=ZoneInfo("Europe/Oslo"))


def delivered_to(order: Order) -> Address:
    """Return the delivery address, which each of the orders has."""
    assert order.delivery_address is not None
    return order.delivery_address


@pytest.mark.fault(147)
def test_cash_on_delivery() -> None:
    """The amount, its currency and the reference."""
    order = read("cash_on_delivery")
    assert (order.cash_on_delivery, order.cash_on_delivery_currency) == (Decimal("1250.5"), "NOK")
    assert order.cash_on_delivery_reference == order.metadata["cash_on_delivery_reference"] == "KID 123"


@pytest.mark.fault(147)
def test_pickup_and_request_date() -> None:
    """The order does not look like an ordinary parcel."""
    order = read("pickup_and_request_date")
    assert order.requested_delivery_date == date(2026, 7, 20)
    assert (order.delivery_method, order.pickup_location, order.carrier) == ("PICKUP", "12", "DHL")
    assert order.partial_delivery is False
    assert order.metadata["delivery_method"] == "PICKUP"


@pytest.mark.fault(148)
def test_unknown_row_class() -> None:
    """Never exported without that row."""
    with pytest.raises(Unmappable) as caught:
        read("unknown_row_class")
    assert caught.value.cause == "unknown row class: configuration"


@pytest.mark.fault(149)
def test_attention_beside_names() -> None:
    """The person is one, and whom it is in care of stands beside."""
    address = delivered_to(read("attention_beside_names"))
    assert (address.person, address.attention) == ("Bo Ek", "c/o Hansen")


@pytest.mark.fault(150)
def test_country_uk() -> None:
    """A code that is reserved for a country is read as the country's own."""
    assert delivered_to(read("country_uk")).country == "GB"
    assert not is_country("QQ")


@pytest.mark.fault(148)
def test_free_gift() -> None:
    """An incentive belongs to the row that it names as its parent."""
    prices = {line.sku: line.unit_price for line in read("free_gift").lines}
    assert prices == {"A-1": Decimal(10), "GIFT": Decimal(0)}


@pytest.mark.fault(151)
def test_unit_price_below_a_cent() -> None:
    """It has all of its digits."""
    (line,) = read("unit_price_below_a_cent").lines
    assert (line.unit_price, line.quantity) == (Decimal("0.0045"), Decimal(10000))


@pytest.mark.fault(152)
def test_date_stated_in_utc() -> None:
    """An instant is read on a calendar."""
    assert read("date_stated_in_utc").requested_delivery_date == date(2026, 7, 1)


@pytest.mark.fault(151)
def test_postal_code_as_number() -> None:
    """It has its zero again."""
    assert delivered_to(read("postal_code_as_number")).postal_code == "01067"


@pytest.mark.fault(147)
def test_notes_of_lines_and_addresses() -> None:
    """Each has its place."""
    order = read("notes_of_lines_and_addresses")
    assert [line.notes for line in order.lines] == ["Graveren: Voor Oma"]
    assert (delivered_to(order).notes, order.notes) == ("Poort 3", "Bel aan")


@pytest.mark.fault(147)
def test_sender_instructions_second_contact() -> None:
    """Instructions are carried, and the phone is the second contact's where the first has none."""
    order = read("sender_instructions_second_contact")
    assert order.sender is not None
    assert (order.sender.company, order.sender.city, order.sender.notes) == ("Lager AS", "Ski", "Port 4, kode 1234")
    assert delivered_to(order).person == "Kari Moe"
    assert delivered_to(order).phone == order.contact.phone == "+4700000003"
    assert [contact.name for contact in order.contacts] == ["Ola Moe"]


@pytest.mark.fault(147)
def test_order_meta_of_any_type() -> None:
    """Flattened, as Zendera's metadata is."""
    metadata = read("order_meta_of_any_type").metadata
    assert {key: text for key, text in metadata.items() if key.startswith("order_meta")} == {
        "order_meta_rush": "true",
        "order_meta_tags_1": "fragile",
        "order_meta_delivery_method": "pickup",
        "order_meta_gift": "yes",
    }


@pytest.mark.fault(147)
def test_comment_fields() -> None:
    """All, in the order of the document."""
    assert read("comment_fields").notes == "Ring først\nLevér bagindgang\nGavepapir"


@pytest.mark.fault(147)
@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("second_address_line", ("Dam 1", "Gebouw C", "3e etage, app. 12")),
        ("second_address_line_traede", ("Søndergade 4", "Baghuset", "2. sal th")),
    ],
)
def test_second_address_line(name: str, lines: tuple[str, ...]) -> None:
    """Nothing of the address is lost."""
    address = delivered_to(read(name))
    assert (address.street, address.street2, address.extra) == lines


@pytest.mark.fault(150)
def test_country_without_postal_codes() -> None:
    """None is made up."""
    address = delivered_to(read("country_without_postal_codes"))
    assert (address.country, address.postal_code) == ("CW", "")


@pytest.mark.fault(149)
def test_dropshipment_phone() -> None:
    """The phone of who pays is not that of who receives."""
    order = read("dropshipment_phone")
    assert (order.contact.name, order.contact.phone, delivered_to(order).phone) == ("Bos", "", "")
    assert order.invoice_address is not None
    assert order.invoice_address.phone == "+31200000000"


@pytest.mark.fault(147)
def test_customer_po() -> None:
    """The customer's own number of the order."""
    order = read("customer_po")
    assert (order.reference, order.purchase_order) == ("10201", "PO 9117")


@pytest.mark.fault(147)
def test_created_at_only() -> None:
    """Where `date` is missing."""
    assert read("created_at_only").created_at == datetime(2026, 6, 10, 9, tzinfo=UTC)


@pytest.mark.fault(147)
def test_ean_only() -> None:
    """The EAN is the article's code where the sku is empty."""
    (line,) = read("ean_only").lines
    assert (line.sku, line.metadata["ean"]) == ("8712345678906", "8712345678906")


def test_every_case_has_its_test() -> None:
    """A new case belongs into this file."""
    tests: dict[str, Callable[..., None]] = {name[5:]: test for name, test in globals().items() if name[:5] == "test_"}
    assert {name.removesuffix("_traede") for name in CASES} <= set(tests)
