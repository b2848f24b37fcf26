"""
Orders in Propeller's form: the example of seed 000, and generated orders like it.

Amounts are `Decimal`, or `int` for whole numbers, as in the seed (`"tax": 22`, never `22.00`). Encode them with
`connector.sandbox.server.encode`, which keeps every digit and writes JSON numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any
from uuid import UUID

from connector.sandbox.catalogue import ARTICLES, COUNTRIES, Country
from connector.sandbox.server import decode

__all__ = ["propeller_orders", "seed_order"]

Order = dict[str, Any]
Number = Decimal | int

FIRST_PLACED = datetime(2026, 1, 2, 6, 0, tzinfo=UTC)
LAST_PLACED = datetime(2026, 12, 30, tzinfo=UTC)
GAP = timedelta(minutes=20)
"""The usual time between two orders, shortened for large numbers of orders, so that all are within the year."""
ITEM_ID_OFFSET = 10433
"""The difference between the item ids and the order ids of the seed."""
CUSTOMERS = 240
CENT = Decimal("0.01")

_SEED_ORDER = b"""
{
  "id": 20106,
  "uuid": "019d1f2a-6cbb-7590-9f18-bf40ce127ec4",
  "status": "NEW",
  "type": "dropshipment",
  "email": "customer@example.com",
  "currency": "EUR",
  "language": "NL",
  "date": "2026-03-24T09:26:07.333Z",
  "postageData": {
    "method": "DELIVERY",
    "taxPercentage": 21,
    "gross": 7.25,
    "net": 5.99,
    "tax": 1.26,
    "partialDeliveryAllowed": "N",
    "overruled": "N"
  },
  "paymentData": {
    "net": 99.99,
    "gross": 121.99,
    "tax": 22,
    "taxPercentage": 21,
    "method": "rekening",
    "status": "unknown",
    "overruled": "N"
  },
  "total": {"gross": 129.24, "net": 105.98, "tax": 23.26, "discountValue": 0, "discountType": "A"},
  "items": [
    {
      "productId": 408,
      "sku": "#117",
      "name": "voorbeeld artikel",
      "quantity": 2,
      "originalPrice": 49.99,
      "price": 49.99,
      "priceTotal": 99.98,
      "taxPercentage": 21,
      "taxCode": "H",
      "id": 30539,
      "orderId": 20106
    }
  ],
  "addresses": [
    {
      "type": "invoice",
      "firstName": "Jan",
      "lastName": "de Vries",
      "company": "Voorbeeld B.V.",
      "street": "Keizersgracht",
      "number": "100",
      "postalCode": "1015AA",
      "city": "Amsterdam",
      "country": "NL"
    },
    {
      "type": "delivery",
      "firstName": "Jan",
      "lastName": "de Vries",
      "company": "Voorbeeld B.V.",
      "street": "Keizersgracht",
      "number": "100",
      "postalCode": "1015AA",
      "city": "Amsterdam",
      "country": "NL"
    }
  ],
  "userId": 174112,
  "exportedAt": null,
  "exportStatus": "",
  "exportMessage": null
}
"""


def seed_order() -> Order:
    """Return a copy of the example order of seed 000. Its sums are wrong by a cent, as in the seed."""
    order: Order = decode(_SEED_ORDER)
    return order


def propeller_orders(
    count: int, *, seed: int = 1, first_id: int = 20106, without_address: int = 0, quotations: int = 0
) -> list[Order]:
    """
    Return `count` orders that are not exported yet, with ids from `first_id` and later dates for higher ids.

    The same arguments give the same orders. `without_address` of them have no address, and `quotations` are of that
    type in the same status; both are spread over the list. Orders have every key of the seed's example, and their sums
    are correct: gross includes tax, net does not.

    Raises: `ValueError` if `without_address` plus `quotations` is more than `count`.
    """
    if without_address + quotations > count:
        raise ValueError(f"{without_address} + {quotations} orders of {count}")
    places = _spread(count, without_address + quotations)
    lacking = {places[place] for place in _spread(len(places), without_address)}
    quoted = set(places) - lacking
    step = min(GAP, (LAST_PLACED - FIRST_PLACED) / max(count, 1))
    random = Random(seed)
    people = [_person(random) for _ in range(CUSTOMERS)]
    items = iter(range(first_id + ITEM_ID_OFFSET, first_id + ITEM_ID_OFFSET + count * 5))
    orders = []
    for place in range(count):
        placed = FIRST_PLACED + step * (place + random.random() * 0.9)
        order = _order(random, first_id + place, placed, random.choice(people), items)
        if place in lacking:
            order["addresses"] = []
        if place in quoted:
            order["type"] = "quotation"
        orders.append(order)
    return orders


def _spread(length: int, count: int) -> list[int]:
    """Return `count` different positions of a list, evenly spaced."""
    return [(2 * number + 1) * length // (2 * count) for number in range(count)]


def _person(random: Random) -> Order:
    """Return the fields that all orders of one customer share."""
    country = random.choices(COUNTRIES, weights=[country.share for country in COUNTRIES])[0]
    first, last = random.choice(country.first_names), random.choice(country.last_names)
    name = {"firstName": first, "lastName": last, "company": random.choice(country.companies).format(last)}
    invoice = {**name, **_place(random, country)}
    elsewhere = random.random() < 0.2
    return {
        "userId": random.randrange(170000, 180000),
        "email": f"inkoop{random.randrange(1000, 10000)}@example.com",
        "language": country.language,
        "invoice": invoice,
        "delivery": {**name, **_place(random, country)} if elsewhere else invoice,
    }


def _place(random: Random, country: Country) -> Order:
    city, code = random.choice(country.cities)
    number = str(random.randrange(1, 190)) + random.choices(("", "A", "B", "-2"), weights=(85, 8, 4, 3))[0]
    return {
        "street": random.choice(country.streets),
        "number": number,
        "postalCode": "".join(
            str(random.randrange(10)) if sign == "#" else random.choice("ABCDEHKLPRSTVWX") if sign == "X" else sign
            for sign in code
        ),
        "city": city,
        "country": country.code,
    }


def _order(random: Random, order_id: int, placed: datetime, person: Order, item_ids: Iterator[int]) -> Order:
    date = placed.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    articles = random.sample(ARTICLES, random.choices((1, 2, 3, 4, 5), weights=(40, 28, 17, 10, 5))[0])
    items, net, tax = [], Decimal(0), Decimal(0)
    for article in articles:
        quantity = random.choices((1, 2, 3, 4, 6, 10, 12, 24), weights=(30, 25, 12, 10, 8, 6, 5, 4))[0]
        price = _cents(article.price * Decimal("0.9")) if random.random() < 0.1 else article.price
        net += price * quantity
        tax += _cents(price * quantity * article.vat / 100)
        items.append(
            {
                "productId": article.product_id,
                "sku": article.sku,
                "name": article.name,
                "quantity": quantity,
                "originalPrice": _number(article.price),
                "price": _number(price),
                "priceTotal": _number(price * quantity),
                "taxPercentage": article.vat,
                "taxCode": "H" if article.vat == 21 else "L",
                "id": next(item_ids),
                "orderId": order_id,
            }
        )
    postage = Decimal(0) if net >= 250 else Decimal("5.99")
    postage_tax = _cents(postage * 21 / 100)
    return {
        "id": order_id,
        "uuid": _uuid7(random, placed),
        "status": "NEW",
        "type": random.choices(("dropshipment", "stock"), weights=(7, 3))[0],
        "email": person["email"],
        "currency": "EUR",
        "language": person["language"],
        "date": date,
        "postageData": {
            "method": "DELIVERY",
            "taxPercentage": 21,
            "gross": _number(postage + postage_tax),
            "net": _number(postage),
            "tax": _number(postage_tax),
            "partialDeliveryAllowed": random.choice("NY"),
            "overruled": "N",
        },
        "paymentData": {
            "net": _number(net),
            "gross": _number(net + tax),
            "tax": _number(tax),
            "taxPercentage": max(article.vat for article in articles),
            "method": random.choice(("rekening", "ideal", "creditcard")),
            "status": "unknown",
            "overruled": "N",
        },
        "total": {
            "gross": _number(net + tax + postage + postage_tax),
            "net": _number(net + postage),
            "tax": _number(tax + postage_tax),
            "discountValue": 0,
            "discountType": "A",
        },
        "items": items,
        "addresses": [{"type": "invoice", **person["invoice"]}, {"type": "delivery", **person["delivery"]}],
        "userId": person["userId"],
        "exportedAt": None,
        "exportStatus": "",
        "exportMessage": None,
    }


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)


def _number(amount: Decimal) -> Number:
    """Return `amount` as JavaScript writes it: without trailing zeros, and as an integer if it is whole."""
    return int(amount) if amount == amount.to_integral_value() else amount.normalize()


def _uuid7(random: Random, moment: datetime) -> str:
    """Return a version 7 UUID like that of the seed: a timestamp followed by random bits."""
    milliseconds = int(moment.timestamp() * 1000)
    value = milliseconds << 80 | 0x7 << 76 | random.getrandbits(12) << 64 | 0b10 << 62 | random.getrandbits(62)
    return str(UUID(int=value))
