"""
Generated shipments of a Norwegian carrier, in Zendera's form.

The vendor publishes no schema (vendors.md 3), so the names of fields are those of its order import v3, or else of the
seed's text. Empty fields are left out, as protobuf does.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

__all__ = ["seed_shipment", "zendera_shipments"]

Shipment = dict[str, Any]

FIRST_DAY = datetime(2026, 6, 11, tzinfo=UTC)
FIRST_SHIPMENT = 700_001
A_DAY = 60
"""Orders per day."""
LATER = 37
"""The number of orders between the two shipments of an order, so that they are often on different pages."""


class Goods(NamedTuple):
    """One article: its barcode, name, weight in kilograms, and size in centimetres."""

    barcode: str
    name: str
    weight: str
    size: tuple[int, int, int]


GOODS = (
    Goods("7038010009457", "Kaffetrakter Åre", "3.2", (40, 30, 38)),
    Goods("7038010021459", "Oppvaskmaskin 60 cm", "42.5", (85, 65, 62)),
    Goods("7038010033017", "Sengeramme Bjørk 160", "38", (210, 40, 18)),
    Goods("7038010040008", "Spisestol, eske med 2", "11.4", (95, 52, 48)),
    Goods("7038010051370", "Lenestol Fløy", "24.75", (90, 82, 104)),
    Goods("7038010062000", "Dekk 205/55 R16", "8.6", (63, 63, 21)),
    Goods("7038010073112", "Terrassebord 28x120, bunt", "61", (420, 24, 17)),
    Goods("7038010084101", "TV 65 tommer", "27.3", (160, 17, 98)),
)
SENDERS = (
    ("Nordlys Møbler AS", "Lagerveien 12", "4033", "Stavanger", "Ingrid", "Sæther"),
    ("Fjord Hvitevarer AS", "Østensjøveien 79", "0667", "Oslo", "Bjørn", "Løkken"),
    ("Trønder Byggsenter AS", "Ladebekken 4", "7066", "Trondheim", "Åse", "Nygård"),
)
PLACES = (
    ("0155", "Oslo"),
    ("3015", "Drammen"),
    ("4004", "Stavanger"),
    ("5003", "Bergen"),
    ("6002", "Ålesund"),
    ("7010", "Trondheim"),
    ("8006", "Bodø"),
    ("9008", "Tromsø"),
)
STREETS = ("Storgata", "Kirkegata", "Bjørnsons gate", "Skippergata", "Elvebakken", "Markveien", "Øvre Slottsgate")
FIRST_NAMES = ("Håkon", "Ingrid", "Sølvi", "Øyvind", "Kari", "Ole-Martin", "Åshild", "Jon")
LAST_NAMES = ("Ødegård", "Hansen", "Bråten", "Sæther", "Moen", "Løkken", "Kvåle", "Haugen")
COMPANIES = ("{} Entreprenør AS", "{} Eiendom AS", "Kafé {}")
SERVICES = (("HOME", "Hjemlevering"), ("CURB", "Til fortauskant"), ("INHOUSE", "Innbæring med montering"))


def seed_shipment(**changes: Any) -> Shipment:
    """Return a shipment of the seed's order 12345, with every known field."""
    return {
        "id": 700001,
        "orderId": 12345,
        "orderExternalId": "WEB-100234",
        "reference": "PO 4711",
        "references": [{"type": "customer", "value": "K-88"}],
        "createdAt": "2026-06-10T08:12:00Z",
        "customer": {"id": 123, "businessName": "Nordlys Møbler AS"},
        "sender": {
            "name": "Nordlys Møbler AS",
            "address": {"address1": "Lagerveien 12", "postalCode": "4033", "city": "Stavanger", "country": "Norway"},
            "earliest": "2026-06-11T06:00:00Z",
            "latest": "2026-06-11T08:00:00Z",
            "contacts": [{"firstName": "Ingrid", "lastName": "Sæther", "phoneNumber": "+4751000000"}],
        },
        "delivery": {
            "name": "Bråten Eiendom AS",
            "address": {
                "address1": "Øvre Slottsgate 3",
                "address2": "2. etasje",
                "postalCode": "0155",
                "city": "Oslo",
                "country": "Norway",
            },
            "earliest": "2026-06-11T12:00:00Z",
            "latest": "2026-06-11T16:00:00Z",
            "contacts": [
                {
                    "firstName": "John",
                    "lastName": "Smith",
                    "phoneNumber": "+4722000000",
                    "emailAddress": "john@example.com",
                }
            ],
            "instructions": "Ring på to ganger",
        },
        "parcels": [
            {
                "id": 900001,
                "name": "Pall",
                "quantity": 1,
                "weight": Decimal("73.40"),
                "length": 120,
                "width": 80,
                "height": Decimal("150.5"),
                "barcodeId": "370380100000000017",
                "externalId": "PALL-1",
                "atomType": "colli",
                "metadata": {"orderRow": "10"},
                "contributorMetadata": [{"orderRow": "20"}, {"orderRow": "30"}],
            },
            {
                "id": 900002,
                "name": "Lenestol Fløy",
                "quantity": 2,
                "weight": Decimal("24.75"),
                "barcodeId": "7038010051370",
                "externalId": "ROW-20",
                "parentExternalId": "PALL-1",
                "atomType": "trade item",
                "metadata": {"orderRow": "20"},
            },
        ],
        "carrierService": {"code": "INHOUSE", "name": "Innbæring med montering"},
        "cashOnDelivery": {"amount": Decimal("1499.00"), "currency": "NOK", "reference": "KID 2345678"},
        **changes,
    }


def zendera_shipments(
    orders: int, *, seed: int = 1, first_id: int = 12345, without_address: int = 0, split: float = 0.15
) -> list[Shipment]:
    """
    Return the shipments of `orders` orders, with order ids from `first_id`, in the order of the feed.

    The same arguments give the same shipments. `without_address` orders have an empty delivery address. A share of
    `split` orders has two shipments, the second one much later in the feed.

    Raises: `ValueError` if `without_address` is more than `orders`.
    """
    if without_address > orders:
        raise ValueError(f"{without_address} addresses of {orders} orders")
    lacking = {(2 * number + 1) * orders // (2 * without_address) for number in range(without_address)}
    random = Random(seed)
    placed: list[tuple[int, Shipment]] = []
    for number in range(orders):
        halves = 2 if random.random() < split else 1
        common = _order(random, number, first_id + number)
        if number in lacking:
            common["delivery"] = {**common["delivery"], "address": {}}
        for half in range(halves):
            service, name = random.choice(SERVICES)
            shipment = {**common, "parcels": _parcels(random, f"{first_id + number}-{half + 1}")}
            shipment["carrierService"] = {"code": service, "name": name}
            if not half and random.random() < 0.08:
                cash = Decimal(random.randrange(9900, 900000, 100)) / 100
                shipment["cashOnDelivery"] = {"amount": cash, "currency": "NOK"}
            placed.append((number + half * LATER, shipment))
    placed.sort(key=lambda each: each[0])
    return [{"id": FIRST_SHIPMENT + place, **shipment} for place, (_, shipment) in enumerate(placed)]


def _order(random: Random, number: int, order_id: int) -> Shipment:
    """Return the fields that all shipments of an order share."""
    day = FIRST_DAY + timedelta(days=number // A_DAY)
    sender, street, code, city, first, last = random.choice(SENDERS)
    start = day + timedelta(hours=random.choice((6, 8, 10, 12, 14)))
    return {
        "orderId": order_id,
        "orderExternalId": f"WEB-{100_000 + order_id}",
        "reference": f"PO {random.randrange(1000, 9999)}",
        "createdAt": _z(day - timedelta(hours=random.randrange(12, 40))),
        "customer": {"id": 100 + len(sender), "businessName": sender},
        "sender": {
            "name": sender,
            "address": {"address1": street, "postalCode": code, "city": city, "country": "Norway"},
            "earliest": _z(day + timedelta(hours=4)),
            "latest": _z(day + timedelta(hours=6)),
            "contacts": [{"firstName": first, "lastName": last, "phoneNumber": "+4751000000"}],
        },
        "delivery": {**_recipient(random), "earliest": _z(start), "latest": _z(start + timedelta(hours=4))},
    }


def _recipient(random: Random) -> Shipment:
    code, city = random.choice(PLACES)
    first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
    contact = {
        "firstName": first,
        "lastName": last,
        "phoneNumber": f"+479{random.randrange(10_000_000):07}",
        "emailAddress": f"kunde{random.randrange(1000, 10000)}@example.com",
    }
    address = {
        "address1": f"{random.choice(STREETS)} {random.randrange(1, 140)}{random.choice(('', '', '', 'A', 'B'))}",
        "postalCode": code,
        "city": city,
        "country": "Norway",
    }
    found = {"address": address, "contacts": [contact]}
    return {"name": random.choice(COMPANIES).format(last), **found} if random.random() < 0.4 else found


def _parcels(random: Random, name: str) -> list[Shipment]:
    rows = []
    for number, goods in enumerate(random.sample(GOODS, random.choice((1, 1, 1, 2, 3))), 1):
        length, width, height = goods.size
        rows.append(
            {
                "id": int(name.replace("-", "")) * 10 + number,
                "name": goods.name,
                "quantity": random.choice((1, 1, 1, 2, 4)),
                "weight": Decimal(goods.weight),
                "length": length,
                "width": width,
                "height": height,
                "barcodeId": goods.barcode,
                "externalId": f"ROW-{name}-{number}",
                "atomType": "trade item",
                "metadata": {"orderRow": str(number * 10)},
            }
        )
    return rows


def _z(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
