"""
Generated wholesale orders of a fashion brand, and its production orders, in Traede's form.

The vendor's page about the order object could not be found (vendors.md section 2), so fields beyond the known ones are
guesses. Production orders have the documented fields. Amounts are `Decimal`; encode them with
`connector.sandbox.server.encode`, which keeps every digit.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

__all__ = ["production_orders", "traede_orders"]

Order = dict[str, Any]

FIRST = datetime(2026, 1, 5, 7, 30, tzinfo=UTC)
LAST = datetime(2026, 12, 18, tzinfo=UTC)
GAP = timedelta(minutes=47)
"""The usual time between two orders, shortened for large numbers of orders, so that all are within the year."""
SIZES = ("XS", "S", "M", "L", "XL")


class _Style(NamedTuple):
    code: str
    name: str
    price: Decimal
    """The wholesale price in Danish kroner."""
    colours: tuple[str, ...]


STYLES = (
    _Style("FJ-1042", "Fjord Knit", Decimal("349.50"), ("Oat", "Navy")),
    _Style("SK-2210", "Skagen Wind Jacket", Decimal("799.00"), ("Sand", "Black")),
    _Style("LO-3307", "Lolland Linen Shirt", Decimal("279.95"), ("White", "Sky")),
    _Style("MO-1180", "Mols Tee", Decimal("119.00"), ("White", "Black", "Moss")),
    _Style("TH-4415", "Thy Wool Coat", Decimal("1249.00"), ("Camel", "Charcoal")),
    _Style("AE-2764", "Ærø Wide Trousers", Decimal("389.25"), ("Ecru", "Black")),
    _Style("SA-5021", "Samsø Midi Dress", Decimal("459.00"), ("Rust", "Midnight")),
    _Style("RI-6003", "Ribe Merino Scarf", Decimal("164.90"), ("Grey", "Bordeaux")),
)

SHOPS = (
    ("Butik Nørregade ApS", "Nørregade 14", "1165", "København K", "DK"),
    ("Tøjhuset Søndergård", "Søndergade 41, st.", "8000", "Aarhus C", "DK"),
    ("Lindqvist & Döttrar AB", "Linnégatan 22", "413 04", "Göteborg", "SE"),
    ("Ødegård Mote AS", "Markveien 35", "0554", "Oslo", "NO"),
    ("Modehaus Krüger GmbH", "Königsallee 60", "40212", "Düsseldorf", "DE"),
    ("Weiß & Schäfer oHG", "Marienstraße 7", "70178", "Stuttgart", "DE"),
    ("De Kledingkast B.V.", "Haarlemmerstraat 88-H", "1013 EV", "Amsterdam", "NL"),
    ("Maison Élise SRL", "Rue Antoine Dansaert 19", "1000", "Bruxelles", "BE"),
    ("Concept Store O'Hara Ltd", "12 Drury Street", "D02 K8P5", "Dublin", "IE"),
)

SUPPLIERS = (
    (71, "Têxteis Oliveira Lda", "producao@oliveira.example", "EUR"),
    (72, "Ege Tekstil A.Ş.", "orders@egetekstil.example", "EUR"),
    (73, "Vilnius Knitwear UAB", "orders@vilniusknit.example", "EUR"),
)


def traede_orders(count: int, *, seed: int = 1, first_id: int = 48201, without_lines: int = 0) -> list[Order]:
    """
    Return `count` approved orders that are not exported yet, with ids from `first_id` and later dates for higher ids.

    The same arguments give the same orders. `without_lines` of them, spread over the list, have no lines.

    Raises: `ValueError` if `without_lines` is more than `count`.
    """
    if without_lines > count:
        raise ValueError(f"{without_lines} orders without lines, of {count}")
    random = Random(seed)
    empty = {(2 * number + 1) * count // (2 * without_lines) for number in range(without_lines)}
    orders = [
        _order(random, first_id + place, at, random.randrange(len(SHOPS)))
        for place, at in enumerate(_times(random, count))
    ]
    for place in empty:
        orders[place]["lines"] = []
    return orders


def production_orders(count: int, *, seed: int = 1, first_id: int = 3101) -> list[Order]:
    """
    Return `count` open production orders that are not exported yet, with all nested resources.

    Ids start at `first_id`, and higher ids have later dates. The same arguments give the same orders.
    """
    random = Random(seed)
    return [_production(random, first_id + place, at) for place, at in enumerate(_times(random, count))]


def _times(random: Random, count: int) -> list[datetime]:
    step = min(GAP, (LAST - FIRST) / max(count, 1))
    return [FIRST + step * (place + random.random() * 0.9) for place in range(count)]


def _order(random: Random, order_id: int, at: datetime, shop: int) -> Order:
    name, street, code, city, country = SHOPS[shop]
    address = {
        "name": name,
        "address": street,
        "zip": code,
        "city": city,
        "country": country,
        "email": f"inkoeb{shop}@example.com",
        "phone": f"+45 33 {random.randrange(10, 100)} {random.randrange(10, 100)} 20",
    }
    return {
        "order_id": order_id,
        "order_number": f"{order_id - 38000}",
        "order_type": "b2b",
        "reference": random.choice(("", f"PO {random.randrange(1000, 9999)}", "Showroom CIFF")),
        "status": "approved",
        "currency": "DKK",
        "customer_number": f"{10200 + shop}",
        "customer": {"id": 900 + shop, "customer_number": f"{10200 + shop}", "name": name},
        "invoice_address": address,
        "delivery_address": {**address, "attention": "Varemodtagelsen"} if random.random() < 0.3 else address,
        "order_meta": {"season": random.choice(("SS26", "AW26"))},
        "external_comments": random.choice(("", "", "", "Leveres samlet, tak.")),
        "internal_comments": "",
        "approved_at": _text(at + timedelta(minutes=9)),
        "cancelled_at": None,
        "archived_at": None,
        "created_at": _text(at),
        "updated_at": _text(at + timedelta(minutes=9)),
        "lines": [
            {
                "id": order_id * 100 + place,
                "product_id": product["id"],
                "product_name": product["name"],
                "variant_id": variant["id"],
                "variant_name": variant["name"],
                "sku": variant["sku"],
                "ean": variant["ean"],
                "quantity": random.choice((1, 2, 2, 3, 4, 6, 8)),
                "price": style.price,
            }
            for place, (style, product, variant) in enumerate(_articles(random, random.randrange(1, 7)), 1)
        ],
    }


def _production(random: Random, order_id: int, at: datetime) -> Order:
    supplier_id, name, email, currency = random.choice(SUPPLIERS)
    lines = []
    for place, (style, product, variant) in enumerate(_articles(random, random.randrange(2, 9)), 1):
        ordered = random.choice((50, 100, 120, 200))
        lines.append(
            {
                "id": order_id * 100 + place,
                "product_id": product["id"],
                "variant_id": variant["id"],
                "ordered": ordered,
                "quantity": ordered,
                "in_production": ordered,
                "in_delivery": 0,
                "on_the_way": 0,
                "received": 0,
                "unit_price": (style.price / 22).quantize(Decimal("0.01")),
                "created_at": _text(at),
                "updated_at": _text(at),
                "product": product,
                "variant": variant,
            }
        )
    sale = _order(random, 48201 + order_id, at, random.randrange(len(SHOPS)))
    return {
        "production_order_id": order_id,
        "production_order_number": f"PRD-{order_id}",
        "status": random.choice(("in_production", "in_production", "partially_sent", "sent")),
        "supplier_id": supplier_id,
        "expected_delivery": _text((at + timedelta(days=75)).replace(hour=0, minute=0, second=0)),
        "external_comments": random.choice(("", "Hangtags are sent separately.")),
        "internal_comments": random.choice(("", "Margin agreed with the buyer.")),
        "created_at": _text(at),
        "updated_at": _text(at),
        "lines": lines,
        "supplier": {"id": supplier_id, "name": name, "email": email, "currency": currency},
        "salesOrders": [
            {
                "order_id": sale["order_id"],
                "order_number": sale["order_number"],
                "delivery": {"id": order_id + 7000, "name": "Drop 1"},
                "shop": {"id": 1, "name": "Wholesale"},
                "lines": [
                    {
                        "id": each["id"],
                        "quantity": each["quantity"],
                        "product": {"id": each["product_id"]},
                        "variant": {"id": each["variant_id"], "sku": each["sku"]},
                    }
                    for each in sale["lines"]
                ],
            }
        ],
        "deliveryNotes": [{"id": order_id + 9000, "status": "open", "lines": []}],
    }


def _articles(random: Random, count: int) -> list[tuple[_Style, Order, Order]]:
    """Return `count` different articles of the collection: style, product and variant."""
    found = []
    for pick in sorted(random.sample(range(len(STYLES) * len(SIZES)), count)):
        number, size = divmod(pick, len(SIZES))
        style = STYLES[number]
        colour = random.randrange(len(style.colours))
        variant_id = 20_000 + number * 100 + colour * 10 + size
        variant = {
            "id": variant_id,
            "name": f"{style.colours[colour]}, {SIZES[size]}",
            "sku": f"{style.code}-{style.colours[colour][:3].upper()}-{SIZES[size]}",
            "ean": _ean(570_0000_00000 + variant_id),
        }
        found.append((style, {"id": 500 + number, "name": style.name}, variant))
    return found


def _ean(number: int) -> str:
    """Return an EAN-13: twelve digits and their check digit."""
    digits = f"{number:012d}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
