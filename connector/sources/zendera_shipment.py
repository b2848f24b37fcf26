"""
From Zendera's shipments of one order to the canonical order (seed 003; vendors.md 3, and 6 for the readings).

The schema is inferred (zendera_wire.py), so what cannot be read is never told to the dispatcher as a failure: were the
inference wrong, every order would lose one of its five export attempts. Only what a dispatcher can see and correct is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from connector.errors import Unmappable
from connector.mapping.money import exact
from connector.order import Address, Contact, Customer, Order
from connector.sources import zendera_wire as wire
from connector.sources.zendera_parcel import checked, flat, lines, parcels
from connector.sources.zendera_single import single
from connector.sources.zendera_wire import CANCELLED, COUNTRIES, Group, Shipment, Stop, identity, moment, text

__all__ = ["CashStated", "careful", "to_order"]

CashStated = Literal["each", "once"]

_decode = msgspec.json.Decoder(Group, float_hook=exact).decode


def to_order(source: str, raw: bytes, *, zone: ZoneInfo, cash_stated: CashStated | None = None) -> Order:
    """
    Turn one order, as `fetch` put it together, into the canonical form. Pure; raises `Unmappable` and nothing else.

    `zone` is the calendar on which the delivery window's day is read. `cash_stated` says what the cash on delivery of
    several shipments means: each its own amount, or each the order's; where it is None such an order is held.
    """
    return single(source, raw, zone) or careful(source, raw, zone=zone, cash_stated=cash_stated)


def careful(source: str, raw: bytes, *, zone: ZoneInfo, cash_stated: CashStated | None = None) -> Order:
    """As `to_order`, of an order in any form. Nearly all have the usual one, and have been read by `single` by then."""
    try:
        group = _decode(raw)
    except (ValueError, RecursionError) as exc:  # ValueError: msgspec's errors, and invalid UTF-8
        raise Unmappable("unreadable order", str(exc), ours=True) from None
    order_id, shipments = identity(group.order_id), group.shipments
    if not order_id or not shipments or any(identity(each.order_id) != order_id for each in shipments):
        raise Unmappable("unreadable order", "the shipments do not name one order", ours=True)

    stops = [_delivery(each) for each in shipments]
    address = _one_address(shipments, stops)
    amount, currency = _cash(shipments, cash_stated)
    references = _references(shipments)
    told = [note for shipment in shipments for note in (shipment.notes, shipment.comment)]
    notes = _distinct([*told, *(stop.instructions for stop in stops if stop)])
    return Order(
        source=source,
        order_id=order_id,
        kind="shipment",
        reference=references[0] if references else order_id,
        created_at=min((at for s in shipments if (at := _time(s.created_at, "createdAt"))), default=None),
        currency=currency,
        customer=_customer(shipments),
        contact=Contact(name=address.person or address.company, email=address.email, phone=address.phone),
        delivery_address=address,
        lines=lines(shipments),
        notes="\n".join(notes),
        requested_delivery_date=_day(shipments, stops, zone),
        parcels=parcels(shipments),
        cash_on_delivery=amount,
        cancelled=_cancelled(shipments),
        metadata=_metadata(shipments, stops, references),
        raw=raw,
    )


def _delivery(shipment: Shipment) -> Stop | None:
    """Return the delivery side, whichever way it is written; None if there is nothing of it."""
    if shipment.delivery is not None:
        return shipment.delivery
    return _composed(shipment.delivery_address, shipment.delivery_contact)


def _sender(shipment: Shipment) -> Stop | None:
    if (found := shipment.sender or shipment.pickup) is not None:
        return found
    return _composed(shipment.sender_address, shipment.sender_contact)


def _composed(address: wire.Address | None, contact: wire.Contact | None) -> Stop | None:
    return Stop(address=address, contact=contact) if address or contact else None


def _one_address(shipments: Sequence[Shipment], stops: Sequence[Stop | None]) -> Address:
    """
    Return the address that all shipments of the order go to.

    One without an address is for the dispatcher to complete, unless nothing of a delivery side was found in it: then
    it may be our reading that is wrong. Contacts may differ; the first one counts.
    """
    found: list[Address] = []
    for shipment, stop in zip(shipments, stops, strict=True):
        address = _address(stop) if stop else Address()
        if not (address.street or address.street2 or address.postal_code or address.city):
            detail = f"shipment {_id(shipment)}" if _id(shipment) else ""
            raise Unmappable("missing field: delivery_address", detail, ours=stop is None)
        found.append(address)
    if len({_place(address) for address in found}) > 1:
        cities = ", ".join(_distinct(address.city for address in found))
        raise Unmappable("shipments of one order go to different addresses", cities)
    return found[0]


def _place(address: Address) -> tuple[str, ...]:
    parts = (address.company, address.street, address.street2, address.postal_code, address.city, address.country)
    return tuple(" ".join(part.casefold().split()) for part in parts)


def _address(stop: Stop) -> Address:
    """Return a stop's address. The street keeps its number: where to split it, nobody can tell (vendors.md 6/004)."""
    place = stop.address or wire.Address()
    contact = next(iter(stop.contacts or ()), None) or stop.contact or wire.Contact()
    country = text(place.country_code) or text(place.country)
    first, last = text(contact.first_name), text(contact.last_name)
    return Address(
        company=text(stop.name) or text(place.name),
        first_name=first,
        last_name=last if first or last else text(contact.name),
        street=text(place.address1) or text(place.street),
        street2=text(place.address2),
        postal_code=text(place.postal_code),
        city=text(place.city),
        region=text(place.state),
        country=COUNTRIES.get(country.casefold(), country),
        email=text(contact.email_address) or text(contact.email),
        phone=text(contact.phone_number) or text(contact.phone),
    )


def _customer(shipments: Sequence[Shipment]) -> Customer:
    for shipment in shipments:
        if (party := shipment.customer) is not None:
            return Customer(id=text(party.id), name=text(party.business_name) or text(party.name))
    return Customer()


def _references(shipments: Sequence[Shipment]) -> list[str]:
    """Return what people call the order, the best first: its reference, further ones, its id in the shop."""
    found = [text(shipment.reference) for shipment in shipments]
    for shipment in shipments:
        listed = shipment.references if isinstance(shipment.references, list) else [shipment.references]
        for each in listed:  # a text, or what names its kind beside it
            found += flat(each.get("value", each) if isinstance(each, dict) else each).values()
    found += [text(shipment.order_external_id) or text(shipment.external_id) for shipment in shipments]
    return _distinct(found)


def _cash(shipments: Sequence[Shipment], stated: CashStated | None) -> tuple[Decimal | None, str]:
    """Return the cash on delivery of the whole order, and the currency."""
    amounts: list[Decimal] = []
    currencies = [text(shipment.currency).upper() for shipment in shipments]
    for shipment in shipments:
        cash = shipment.cash_on_delivery
        amount = cash.amount if isinstance(cash, wire.Cash) else cash
        if amount is not None and checked(amount, "cashOnDelivery"):
            amounts.append(amount)
            currencies.append(text(cash.currency).upper() if isinstance(cash, wire.Cash) else "")
    known = _distinct(currencies)
    if len(known) > 1:
        raise Unmappable("several currencies in one order", ", ".join(known), ours=True)
    currency = known[0] if known else ""
    if len(amounts) > 1 and (stated is None or (stated == "once" and len(set(amounts)) > 1)):
        listed = ", ".join(str(amount) for amount in amounts)
        raise Unmappable("several shipments of one order state cash on delivery", listed, ours=True)
    if not amounts:
        return None, currency
    return sum(amounts, Decimal(0)) if stated == "each" else amounts[0], currency


def _cancelled(shipments: Sequence[Shipment]) -> bool:
    """Tell whether the order is cancelled [INF]; half an order is for a person to look at."""
    cancelled = {text(shipment.status).casefold() in CANCELLED for shipment in shipments}
    if len(cancelled) > 1:
        raise Unmappable("some shipments of the order are cancelled", ours=True)
    return cancelled == {True}


def _day(shipments: Sequence[Shipment], stops: Sequence[Stop | None], zone: ZoneInfo) -> date | None:
    """Return the first day of the delivery windows, else the day of the transport, on the calendar of `zone`."""
    windows = [_time(s.earliest, "earliest") or _time(s.latest, "latest") for s in stops if s]
    times = [at for at in windows if at] or [at for s in shipments if (at := _dated(s.date, zone))]
    try:
        return min(times).astimezone(zone).date() if times else None
    except OverflowError as exc:
        raise Unmappable("unreadable order", f"delivery window: {exc}", ours=True) from None


def _dated(value: str | None, zone: ZoneInfo) -> datetime | None:
    """Return a time, or the beginning of a day in `zone`."""
    if value and len(value) == len("2026-06-11"):
        try:
            return datetime.fromisoformat(value).replace(tzinfo=zone)
        except ValueError as exc:
            raise Unmappable("unreadable order", f"date: {exc}", ours=True) from None
    return _time(value, "date")


def _time(value: object, field: str) -> datetime | None:
    try:
        return moment(value)
    except ValueError as exc:
        raise Unmappable("unreadable order", f"{field}: {exc}", ours=True) from None


def _metadata(shipments: Sequence[Shipment], stops: Sequence[Stop | None], references: Sequence[str]) -> dict[str, str]:
    """Return what has no field of its own: where the goods are, the windows of time, the carrier's service."""
    senders = [stop for shipment in shipments if (stop := _sender(shipment))]
    sender = _address(senders[0]) if senders else Address()
    found = {
        "shipment_ids": ", ".join(_distinct(_id(shipment) for shipment in shipments)),
        "references": ", ".join(references) if len(references) > 1 else "",
        "sender_name": sender.company,
        "sender_contact": sender.person,
        "sender_street": sender.street,
        "sender_street2": sender.street2,
        "sender_postal_code": sender.postal_code,
        "sender_city": sender.city,
        "sender_country": sender.country,
        "sender_email": sender.email,
        "sender_phone": sender.phone,
    }
    for name, side in (("pickup", senders), ("delivery", [stop for stop in stops if stop])):
        earliest = [at for stop in side if (at := _time(stop.earliest, "earliest"))]
        latest = [at for stop in side if (at := _time(stop.latest, "latest"))]
        found[f"{name}_earliest"] = min(earliest).isoformat() if earliest else ""
        found[f"{name}_latest"] = max(latest).isoformat() if latest else ""
    services: dict[str, list[str]] = {}
    for shipment in shipments:
        for key, value in flat(shipment.carrier_service, "carrier_service").items():
            services.setdefault(key, []).append(value)
        if isinstance(shipment.cash_on_delivery, wire.Cash):
            reference = text(shipment.cash_on_delivery.reference)
            services.setdefault("cash_on_delivery_reference", []).append(reference)
    found |= {key: ", ".join(_distinct(values)) for key, values in services.items()}
    return {key: value for key, value in found.items() if value}


def _id(shipment: Shipment) -> str:
    return text(shipment.id) or text(shipment.shipment_id)


def _distinct(values: Iterable[str | None]) -> list[str]:
    """Return the texts that there are, each once, in the order in which they came."""
    return list(dict.fromkeys(stripped for value in values if (stripped := text(value))))
