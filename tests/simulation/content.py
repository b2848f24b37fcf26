"""
The content of an order in its source's own words, and the content that arrived: compared at each create and change.

Read by hand, without the connector's own readers and mappings. The orders that the stand-ins make are plain, so some of
them get more content: notes on every level, cash on delivery, two rows of one article, prices below a cent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Any

import msgspec

from tests.simulation.vendors.base import SourceVendor, Truth
from tests.simulation.vendors.content import meant

__all__ = ["EXTRAS", "enrich", "said", "wrong", "wrong_plain"]

EXTRAS = ("notes on every level", "two rows of one article", "a price below a cent", "cash on delivery", "unseen signs")
"""The content that the world adds to orders."""

SHARE = 0.3
CENT = Decimal("0.01")
UNSEEN = "\u200b"

Row = tuple[str, Decimal, Decimal | None]
"""Article code, quantity, price in units of the currency."""

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Content(msgspec.Struct, frozen=True):
    """
    An order: its rows one by one, its cost in cents, its address, and texts that have to be somewhere.

    `phones` are those that the receiver may be given for the person at that place.
    """

    rows: Sequence[Row]
    amount: int | None
    place: Sequence[str]
    texts: Sequence[str]
    phones: Sequence[str]


def said(source: SourceVendor, truth: Truth) -> bytes:
    """Return an order as its source has it now; nothing while it is incomplete."""
    if truth.broken:
        return b""
    vendor: Any = source
    key = int(truth.order_id)
    if source.name == "transport":
        return msgspec.json.encode([each for each in vendor.shipments if each["orderId"] == key])
    return msgspec.json.encode(vendor.orders[key], order="deterministic")


def wrong(truth: Truth, record: dict[str, Any], *, whole: bool) -> str:
    """
    Return how the warehouse's record differs from each form that the order ever had; nothing if it is as one was.

    Unless the mapping leaves the `whole` order in, only articles, quantities and where they go are compared.
    """
    lines, address = record["order_lines"], record["shipping_address"]
    shown = Content(
        rows=[(each["variant"]["article_code"], Decimal(each["quantity"]), _units(each["price"])) for each in lines],
        amount=record.get("order_amount"),
        place=_place(address, "addressed_to", "street", "street_number", "zipcode", "city", "country"),
        texts=list(_texts(record)),
        phones=[address.get("phone_number") or ""],
    )
    forms = [form for form in truth.said if form]
    if not forms:
        return "it is incomplete, and was sent"
    return _unlike(truth.source, forms, shown, _differs if whole else _differs_in_goods)


def wrong_plain(truth: Truth, body: bytes) -> str:
    """Return the same of an order in its plain form."""
    order = _decode(body)
    address = order.get("delivery_address", {})
    person = " ".join(filter(None, (address.get(key) for key in ("first_name", "middle_name", "last_name"))))
    name = {"name": address.get("company") or person}
    total = order.get("totals", {}).get("including_tax")
    lines = order.get("lines", [])
    shown = Content(
        rows=[(each["sku"], Decimal(each["quantity"]), _number(each.get("unit_price"))) for each in lines],
        amount=None if total is None else int((Decimal(total) / CENT).quantize(Decimal(1), ROUND_HALF_UP)),
        place=_place(address | name, "name", "street", "number", "postal_code", "city", "country"),
        texts=[each.replace(UNSEEN, "") for each in _texts(order)],
        phones=[address.get("phone") or ""],
    )
    if b"" in truth.said:
        return ""  # what was incomplete can be sent to who takes it so
    return _unlike(truth.source, truth.said, shown, _differs)


def enrich(source: SourceVendor, truth: Truth, chance: Random) -> list[str]:
    """Add content to an order that was just placed; return the additions."""
    added = [extra for extra in EXTRAS if chance.random() < SHARE]
    if truth.broken:
        return []
    vendor: Any = source
    key = int(truth.order_id)
    more = {"shop": _more_of_propeller, "wholesale": _more_of_traede, "transport": _more_of_zendera}[source.name]
    orders = [each for each in vendor.shipments if each["orderId"] == key] if source.name == "transport" else None
    return [extra for extra in added if more(orders[0] if orders else vendor.orders[key], extra)]


def _more_of_propeller(order: dict[str, Any], extra: str) -> bool:
    items = order["items"]
    if extra == "notes on every level":
        order["remarks"] = "Bel aan\nbij de buren"
        items[0]["notes"] = "Graveren: Voor Oma"
        order["addresses"] = [{**each, "notes": "Poort 3", "extra": "3e etage"} for each in order["addresses"]]
    elif extra == "two rows of one article":
        items.append(dict(items[0]))
    elif extra == "a price below a cent":
        items.append({**items[0], "sku": "SCREW", "quantity": 10000, "price": Decimal("0.0045")})
    elif extra == "unseen signs":
        items[0]["name"] = f"Schroe{UNSEEN}ven"
    else:
        return False
    return True


def _more_of_traede(order: dict[str, Any], extra: str) -> bool:
    lines = order["lines"]
    if extra == "notes on every level":
        order |= {"external_comments": "Ring først", "customer_comment": "Gavepapir"}
        order["delivery_address"] = {**(order["delivery_address"] or {}), "address2": "Baghuset"}
    elif extra == "two rows of one article":
        lines.append(dict(lines[0]))
    elif extra == "a price below a cent":
        lines.append({**lines[0], "sku": "SCREW", "quantity": 10000, "price": "0.0045"})
    elif extra == "unseen signs":
        lines[0]["product_name"] = f"Kni{UNSEEN}v"
    else:
        return False
    return True


def _more_of_zendera(shipment: dict[str, Any], extra: str) -> bool:
    parcels = shipment["parcels"]
    if extra == "notes on every level":
        shipment["notes"] = "Ring to ganger"
        contacts = [*shipment["delivery"]["contacts"], {"firstName": "Ola", "lastName": "Moe"}]
        shipment["delivery"] = {**shipment["delivery"], "contacts": contacts}
        shipment["sender"] = {**shipment["sender"], "instructions": "Port 4, kode 1234"}
    elif extra == "two rows of one article":
        shipment["parcels"] = [*parcels, dict(parcels[-1])]
    elif extra == "cash on delivery":
        shipment["cashOnDelivery"] = {"amount": Decimal("1250.5"), "currency": "NOK", "reference": "KID 123"}
    elif extra == "unseen signs":
        shipment["parcels"] = [{**parcels[0], "name": f"Lene{UNSEEN}stol"}, *parcels[1:]]
    else:
        return False
    return True


def _unlike(source: str, forms: Sequence[bytes], shown: Content, differs: Callable[[Content, Content], str]) -> str:
    found = [differs(_READERS[source](_decode(form)), shown) for form in dict.fromkeys(forms)]
    return " | ".join(found) if all(found) else ""


def _differs_in_goods(stated: Content, shown: Content) -> str:
    rows, others = ([(code, quantity) for code, quantity, _ in each.rows] for each in (stated, shown))
    if rows != others:
        return f"rows {others} for {rows}"
    return "" if stated.place[3:] == shown.place[3:] else f"address {shown.place} for {stated.place}"


def _differs(stated: Content, shown: Content) -> str:
    if list(stated.rows) != list(shown.rows):
        return f"rows {shown.rows} for {stated.rows}"
    if stated.amount != shown.amount:
        return f"amount {shown.amount} for {stated.amount}"
    if stated.place != shown.place:
        return f"address {shown.place} for {stated.place}"
    if strange := set(shown.phones) - {*stated.phones, ""}:
        return f"the phone {strange} of somebody else"
    missing = [text for text in stated.texts if not any(text in each for each in shown.texts)]
    return f"without {missing}" if missing else ""


def _propeller(stated: dict[str, Any]) -> Content:
    order = meant(stated)
    items = [each for each in order["items"] if each.get("class") in (None, "product")]
    (delivery,) = [each for each in order["addresses"] if each["type"] == "delivery"]
    # Of the same party at the invoice address, a phone is as good.
    same = [each for each in order["addresses"] if each.get("company") == delivery.get("company")]
    name = delivery.get("company") or f"{delivery['firstName']} {delivery['lastName']}"
    texts = [order["uuid"], order["paymentData"]["method"], *(order.get("remarks") or "").splitlines()]
    texts += [each[key] for each in items for key in ("name", "notes") if each.get(key)]
    texts += [delivery[key] for key in ("notes", "extra") if delivery.get(key)]
    return Content(
        rows=[(each["sku"], Decimal(each["quantity"]), _number(each["price"])) for each in items],
        amount=int((Decimal(order["total"]["gross"]) / CENT).quantize(Decimal(1), ROUND_HALF_UP)),
        place=_place({**delivery, "name": name}, "name", "street", "number", "postalCode", "city", "country"),
        texts=[text.replace(UNSEEN, "") for text in texts],
        phones=[delivery.get("mobile", ""), *(each.get("phone", "") for each in same)],
    )


def _traede(order: dict[str, Any]) -> Content:
    address = order["delivery_address"]
    lines = order["lines"]
    texts = [order["order_number"], order["reference"], *order["order_meta"].values(), address.get("address2", "")]
    texts += [order.get("external_comments", ""), order.get("customer_comment", "")]
    texts += [each[key] for each in lines for key in ("ean", "product_name")]
    return Content(
        rows=[(each["sku"], Decimal(each["quantity"]), _number(each["price"])) for each in lines],
        amount=None,
        place=_place(address, "name", "address", "-", "zip", "city", "country"),
        texts=[text.replace(UNSEEN, "") for text in texts if text],
        phones=[address.get("phone", "")],
    )


def _zendera(shipments: list[dict[str, Any]]) -> Content:
    rows: list[Row] = []
    texts: list[str] = []
    for shipment in shipments:
        parents = {each.get("parentExternalId") for each in shipment["parcels"]} - {None, ""}
        for each in shipment["parcels"]:
            texts += [str(each[key]) for key in ("name", "weight", "length") if each.get(key)]
            if each.get("externalId") not in parents:
                rows.append((each.get("barcodeId") or each.get("externalId") or "", Decimal(each["quantity"]), None))
        cash = shipment.get("cashOnDelivery")
        texts += (
            [f"{Decimal(cash['amount']).normalize():f}", cash["currency"], cash.get("reference", "")] if cash else []
        )
        texts += [shipment["reference"], shipment.get("notes", ""), shipment["carrierService"]["code"]]
        texts += [shipment["sender"]["name"], shipment["sender"].get("instructions", "")]
        texts += [f"{each['firstName']} {each['lastName']}" for each in shipment["delivery"]["contacts"]]
    delivery = shipments[0]["delivery"]
    place, (contact, *_) = delivery["address"], delivery["contacts"]
    named = {**place, "name": delivery.get("name") or f"{contact['firstName']} {contact['lastName']}", "code": "NO"}
    return Content(
        rows=rows,
        amount=None,
        place=_place(named, "name", "address1", "-", "postalCode", "city", "code"),
        texts=[text.replace(UNSEEN, "") for text in texts if text],
        phones=[each.get("phoneNumber", "") for each in delivery["contacts"]],
    )


_READERS: dict[str, Any] = {"shop": _propeller, "wholesale": _traede, "transport": _zendera}


def _place(address: dict[str, Any], *keys: str) -> list[str]:
    return [str(address.get(key) or "") for key in keys]


def _number(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value).normalize()


def _units(cents: Any) -> Decimal | None:
    return None if cents is None else (Decimal(cents) * CENT).normalize()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value
