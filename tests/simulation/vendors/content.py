"""
The content of orders: oddities that real ones have, and what of an order has to be at the warehouse.

`content_of` is worked out from the vendor's own form, and shares no code with the connector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["ODDITIES", "Content", "at_the_warehouse", "content_of", "meant", "odd", "unfinished", "worded"]

ODDITIES = ("plain", "reserved country code", "postal code as a number", "free gift", "EAN only", "dropshipment")
"""What is odd about an order of the shop, by the remainder of its id."""

CODES = {"UK": "GB", "Norway": "NO", "Norge": "NO", "Sweden": "SE", "Sverige": "SE", "Denmark": "DK", "Danmark": "DK"}
COSTS = ("incentive", "payment", "postage", "surcharge")


class Content(NamedTuple):
    """What of an order can be compared: its articles, where it goes, and whose phone it has."""

    lines: Mapping[str, int]
    place: tuple[str, str, str]
    phones: frozenset[str]
    free: frozenset[str] = frozenset()
    """Articles that cost nothing."""


def worded(number: int) -> str:
    """Return what is odd about the order of that number."""
    return ODDITIES[number % len(ODDITIES)]


def odd(order: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return an order of the shop with its oddity."""
    what = worded(number)
    made = {
        **order,
        "items": [dict(item) for item in order["items"]],
        "addresses": [dict(a) for a in order["addresses"]],
    }
    if what == "reserved country code":
        _move(made, postalCode="SW1A 1AA", city="London", country="UK")
    elif what == "postal code as a number":
        _move(made, postalCode=1067, city="Dresden", country="DE")
    elif what == "free gift":
        gift = {
            "id": 90_001,
            "class": "product",
            "isBonus": "Y",
            "sku": "GIFT",
            "quantity": 1,
            "price": 2.77,
            "name": "Gift",
        }
        free = {
            "id": 90_002,
            "class": "incentive",
            "sku": "free",
            "quantity": 1,
            "price": -2.77,
            "parentOrderItemId": 90_001,
        }
        made["items"] += [gift, free]
    elif what == "EAN only":
        made["items"][-1] |= {"sku": "", "eanCode": "8712345678906"}
    elif what == "dropshipment":
        made["addresses"] = [
            {**each, "company": "Dropshipper B.V.", "phone": "+31200000000"} if each["type"] == "invoice" else each
            for each in made["addresses"]
        ]
    return made


def unfinished(order: Mapping[str, Any]) -> dict[str, Any]:
    """Return an order of the shop with a row of a class that nobody knows: it has to wait for a person."""
    row = {"id": 90_003, "class": "configuration", "sku": "CFG-9", "quantity": 1, "price": 500}
    return {**order, "items": [*order["items"], row]}


def _move(order: dict[str, Any], **parts: Any) -> None:
    order["addresses"] = [{**each, **parts} if each["type"] == "delivery" else each for each in order["addresses"]]


def meant(order: Mapping[str, Any]) -> dict[str, Any]:
    """Return an order of the shop without its oddities, as a person reads it."""
    items: list[dict[str, Any]] = []
    for row in order["items"]:
        less = [each["price"] for each in order["items"] if each.get("parentOrderItemId") == row.get("id", "")]
        price = row["price"] if not less else row["price"] + sum(less)
        items.append({**row, "sku": row.get("sku") or row.get("eanCode", ""), "price": price})
    addresses = [
        {
            **each,
            "country": CODES.get(each["country"], each["country"]),
            "postalCode": f"{each['postalCode']:05}" if isinstance(each["postalCode"], int) else each["postalCode"],
        }
        for each in order["addresses"]
    ]
    return {**order, "items": items, "addresses": addresses}


def content_of(source: str, order: Any) -> Content | None:
    """Return what has to be at the warehouse of an order in its vendor's form; None if it cannot be there."""
    if source == "shop":
        return _shop(order)
    return _wholesale(order) if source == "wholesale" else _transport(order)


def _shop(order: Mapping[str, Any]) -> Content | None:
    lines: Counter[str] = Counter()
    free = {row.get("parentOrderItemId") for row in order["items"] if row.get("class") == "incentive"}
    for row in order["items"]:
        kind = row.get("class") or "product"
        if kind not in COSTS and kind != "product":
            return None
        if kind == "product":
            lines[row.get("sku") or row["eanCode"]] += row["quantity"]
    to = next((each for each in order["addresses"] if each["type"] == "delivery"), None)
    if to is None:
        return None
    code = to["postalCode"]
    place = (to["city"], f"{code:05}" if isinstance(code, int) else code, CODES.get(to["country"], to["country"]))
    gifts = frozenset(row["sku"] for row in order["items"] if row.get("id") in free and row.get("sku"))
    phones = {to.get("phone", ""), to.get("mobile", "")}
    # Of the same party at the invoice address, a phone is as good.
    others = [each for each in order["addresses"] if each.get("company") == to.get("company")]
    phones |= {each.get("phone", "") for each in others}
    return Content(lines, place, frozenset(phones), gifts)


def _wholesale(order: Mapping[str, Any]) -> Content | None:
    lines: Counter[str] = Counter()
    for row in order["lines"]:
        lines[row["sku"]] += row["quantity"]
    to = order["delivery_address"]
    return Content(lines, (to["city"], to["zip"], to["country"]), frozenset({to.get("phone", "")})) if lines else None


def _transport(shipments: Sequence[Mapping[str, Any]]) -> Content | None:
    lines: Counter[str] = Counter()
    for shipment in shipments:
        holding = {row.get("parentExternalId") for row in shipment["parcels"]} - {None, ""}
        for row in shipment["parcels"]:
            if row.get("externalId") not in holding:
                lines[row.get("barcodeId") or row["externalId"]] += row.get("quantity", 1)
    to, people = shipments[0]["delivery"]["address"], shipments[0]["delivery"].get("contacts", [])
    if not to or CODES.get(to["country"], to["country"]) == "Nowhere":
        return None
    phones = frozenset(each.get("phoneNumber", "") for each in people)
    return Content(lines, (to["city"], to["postalCode"], CODES.get(to["country"], to["country"])), phones)


def at_the_warehouse(record: Mapping[str, Any], expected: Content) -> str:
    """Return how the warehouse's record differs from what its source says; an empty text if it does not."""
    lines: Counter[str] = Counter()
    for line in record["order_lines"]:
        code = line["variant"]["article_code"]
        lines[code] += line["quantity"]
        if code in expected.free and line.get("price"):
            return f"{code} is free, and costs {line['price']}"
    if lines != expected.lines:
        return f"lines {dict(lines)}, and its source says {dict(expected.lines)}"
    address = record["shipping_address"]
    place = (address["city"], address.get("zipcode") or "", address["country"])
    if place != expected.place:
        return f"goes to {place}, and its source says {expected.place}"
    phone = address.get("phone_number") or ""
    return f"has the phone {phone} of somebody else" if phone and phone not in expected.phones else ""
