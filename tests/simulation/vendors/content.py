"""Oddities that real orders of the shop have, and such an order as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["ODDITIES", "meant", "odd", "unfinished", "worded"]

ODDITIES = ("plain", "reserved country code", "postal code as a number", "free gift", "EAN only", "dropshipment")
"""The oddity of an order of the shop, by the remainder of its id."""

CODES = {"UK": "GB", "Norway": "NO", "Norge": "NO", "Sweden": "SE", "Sverige": "SE", "Denmark": "DK", "Danmark": "DK"}


def worded(number: int) -> str:
    """Return the oddity of the order of that number."""
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
    """Return an order of the shop with a row of an unknown class: it has to wait for a person."""
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
