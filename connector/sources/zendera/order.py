"""
Maps Zendera's shipments of one order to the canonical order (seed 003; vendors.md 3, and 6 for the readings).

The schema is inferred (wire.py), so an unreadable value is never reported to the dispatcher as a failure: a wrong
inference would cost every order one of its five export attempts. Reported are only defects that a dispatcher can see
and correct.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from connector.errors import Unmappable
from connector.mapping.iso_codes import read_country
from connector.mapping.money import exact
from connector.order import Address, Contact, Customer, Order
from connector.sources.parsing import flat, number_of, postal_code
from connector.sources.zendera import wire
from connector.sources.zendera.parcels import lines, parcels
from connector.sources.zendera.wire import CANCELLED, Group, Shipment, Stop, identity, moment, text

__all__ = ["CashStated", "to_order"]

CashStated = Literal["each", "once"]

_decode = msgspec.json.Decoder(Group, float_hook=exact).decode


def to_order(source: str, raw: bytes, *, zone: ZoneInfo, cash_stated: CashStated | None = None) -> Order:
    """
    Map one order, as `fetch` composed it, to the canonical order. Pure; raises `Unmappable` and nothing else.

    - `zone`: the calendar on which the delivery window's day is read.
    - `cash_stated`: the meaning of the cash on delivery of several shipments. Each states its own amount, or each the
      order's; None holds such an order.
    """
    try:
        group = _decode(raw)
    except (ValueError, RecursionError) as exc:  # ValueError: msgspec's errors, and invalid UTF-8
        raise Unmappable("unreadable order", str(exc), ours=True) from None
    order_id, shipments = identity(group.order_id), group.shipments
    if not order_id or not shipments or any(identity(each.order_id) != order_id for each in shipments):
        raise Unmappable("unreadable order", "the shipments do not name one order", ours=True)

    stops = [_delivery(each) for each in shipments]
    address = _one_address(shipments, stops)
    cash = [_cash_of(shipment) for shipment in shipments]
    amount, currency, cash_currency = _cash(shipments, cash, cash_stated)
    references = _references(shipments)
    comments = [note for shipment in shipments for note in (shipment.notes, shipment.comment)]
    notes = _distinct([*comments, *(stop.instructions for stop in stops if stop)])
    sender = _sender_address(shipments)
    return Order(
        source=source,
        order_id=order_id,
        kind="shipment",
        reference=references[0] if references else order_id,
        references=tuple(references[1:]),
        created_at=min((at for s in shipments if (at := _time(s.created_at, "createdAt"))), default=None),
        currency=currency,
        customer=_customer(shipments),
        contact=Contact(name=address.person or address.company, email=address.email, phone=address.phone),
        contacts=_contacts(stops, address),
        delivery_address=address,
        sender=sender,
        lines=lines(shipments),
        notes="\n".join(notes),
        requested_delivery_date=_day(shipments, stops, zone),
        parcels=parcels(shipments),
        cash_on_delivery=amount,
        cash_on_delivery_currency=cash_currency,
        cash_on_delivery_reference=", ".join(_distinct(text(each.reference) for each in cash)),
        cancelled=_cancelled(shipments),
        metadata=_metadata(shipments, stops, references, cash, sender or Address()),
        raw=raw,
    )


def _delivery(shipment: Shipment) -> Stop | None:
    """Return the delivery side, in either of its forms; None if it is missing."""
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

    A missing address is the dispatcher's to complete, unless no delivery side was found at all: then our reading may be
    wrong. Contacts may differ; the first one counts.
    """
    found: list[Address] = []
    for shipment, stop in zip(shipments, stops, strict=True):
        address = _address(stop) if stop else Address()
        if not (address.street or address.street2 or address.postal_code or address.city):
            detail = f"shipment {_id(shipment)}" if _id(shipment) else ""
            raise Unmappable("missing field: delivery_address", detail, ours=stop is None)
        found.append(address)
    if len(found) > 1 and len({_place(address) for address in found}) > 1:
        cities = ", ".join(_distinct(address.city for address in found))
        raise Unmappable("shipments of one order go to different addresses", cities)
    return found[0]


def _place(address: Address) -> tuple[str, ...]:
    parts = (address.company, address.street, address.street2, address.postal_code, address.city, address.country)
    return tuple(" ".join(part.casefold().split()) for part in parts)


def _address(stop: Stop, *, held: bool = True) -> Address:
    """
    Return a stop's address. The street keeps its number, as no rule says where to split it (vendors.md 6/004).

    The person is the first contact; a missing phone or e-mail address is taken from the stop's next one.
    """
    place = stop.address or wire.Address()
    people = _people(stop)
    contact = people[0] if people else wire.Contact()
    country = read_country(text(place.country_code) or text(place.country))
    first, last, name = text(contact.first_name), text(contact.last_name), text(contact.name)
    company, street = text(stop.name) or text(place.name), text(place.address1) or text(place.street)
    second, *further = _distinct(
        each
        for each in (place.address2, place.street2, place.address3, place.street, place.name)
        if text(each) not in (company, street)
    ) or [""]
    code = next((each for each in _postal_codes(place) if each not in (None, "")), None)
    return Address(
        company=company,
        first_name=first,
        last_name=last if first or last else name,
        street=street,
        street2=second,
        extra=", ".join(further),
        postal_code=postal_code(code, country, ours=True, held=held),
        city=text(place.city),
        region=text(place.state),
        country=country,
        email=next((found for each in people if (found := _email(each))), ""),
        phone=next((found for each in people if (found := _phone(each))), ""),
        mobile=next((found for each in people if (found := text(each.mobile))), ""),
        attention=name if (first or last) and name != f"{first} {last}".strip() else "",
    )


def _postal_codes(place: wire.Address) -> tuple[wire.Text, ...]:
    return place.postal_code, place.postcode, place.zip_code, place.zipcode, place.zip


def _people(stop: Stop) -> list[wire.Contact]:
    return [*(stop.contacts or ()), *([stop.contact] if stop.contact else ())]


def _email(contact: wire.Contact) -> str:
    return text(contact.email_address) or text(contact.email)


def _phone(contact: wire.Contact) -> str:
    return text(contact.phone_number) or text(contact.phone)


def _contact(found: wire.Contact) -> Contact:
    name = " ".join(filter(None, (text(found.first_name), text(found.last_name)))) or text(found.name)
    return Contact(name=name, email=_email(found), phone=_phone(found) or text(found.mobile))


def _contacts(stops: Sequence[Stop | None], address: Address) -> tuple[Contact, ...]:
    """Return the people at the delivery address besides the first one, each once."""
    people = [_contact(each) for stop in stops if stop for each in _people(stop)]
    first = people[:1]
    known = Contact(name=address.person, email=address.email, phone=address.phone or address.mobile)
    return tuple(each for each in dict.fromkeys(people) if each not in (*first, known, Contact()))


def _sender_address(shipments: Sequence[Shipment]) -> Address | None:
    """Return the address where the goods are collected, with the instructions for the carrier."""
    for shipment in shipments:
        if (stop := _sender(shipment)) is not None:
            found = msgspec.structs.replace(_address(stop, held=False), notes=text(stop.instructions))
            return None if found == Address() else found
    return None


def _customer(shipments: Sequence[Shipment]) -> Customer:
    for shipment in shipments:
        if (party := shipment.customer) is not None:
            return Customer(
                id=text(party.id),
                name=text(party.business_name) or text(party.name),
                vat_number=text(party.vat_number) or text(party.organization_number),
                email=text(party.email),
                phone=text(party.phone),
            )
    return Customer()


def _references(shipments: Sequence[Shipment]) -> list[str]:
    """Return the order's references, the best known first: its reference, further ones, its id in the shop."""
    found = [text(shipment.reference) for shipment in shipments]
    for shipment in shipments:
        listed = shipment.references if isinstance(shipment.references, list) else [shipment.references]
        for each in listed:  # a text, or an object with a type and a value
            found += flat(each.get("value", each) if isinstance(each, dict) else each).values()
    found += [text(shipment.order_external_id) or text(shipment.external_id) for shipment in shipments]
    return _distinct(found)


def _kinds(shipments: Sequence[Shipment]) -> Iterator[tuple[str, str]]:
    """Yield the references that have a type, with it."""
    for shipment in shipments:
        for each in shipment.references if isinstance(shipment.references, list) else ():
            if isinstance(each, dict) and isinstance(each.get("type"), str) and isinstance(each.get("value"), str):
                yield each["type"].strip(), each["value"]


def _cash_of(shipment: Shipment) -> wire.Cash:
    """Return a shipment's cash on delivery, which is an object, or the amount alone."""
    stated = shipment.cash_on_delivery
    if not isinstance(stated, dict):
        return wire.Cash(amount=stated)
    try:
        return msgspec.convert(stated, wire.Cash)
    except ValueError as exc:
        raise Unmappable("unreadable order", f"cashOnDelivery: {exc}", ours=True) from None


def _cash(
    shipments: Sequence[Shipment], cash: Sequence[wire.Cash], stated: CashStated | None
) -> tuple[Decimal | None, str, str]:
    """Return the order's cash on delivery, the order's currency, and that of the cash."""
    currencies = [text(shipment.currency).upper() for shipment in shipments]
    found = [(each, number_of(each.amount, "cashOnDelivery", ours=True)) for each in cash]
    amounts = [amount for _, amount in found if amount]
    cash_currencies = [text(each.currency).upper() for each, amount in found if amount]
    known = _distinct([*currencies, *cash_currencies])
    if len(known) > 1:
        raise Unmappable("several currencies in one order", ", ".join(known), ours=True)
    currency = known[0] if known else ""
    if len(amounts) > 1 and (stated is None or (stated == "once" and len(set(amounts)) > 1)):
        listed = ", ".join(str(amount) for amount in amounts)
        raise Unmappable("several shipments of one order state cash on delivery", listed, ours=True)
    if not amounts:
        return None, currency, ""
    return sum(amounts, Decimal(0)) if stated == "each" else amounts[0], currency, currency


def _cancelled(shipments: Sequence[Shipment]) -> bool:
    """Return whether the order is cancelled [INF]; a partly cancelled one is left to an operator."""
    cancelled = {text(shipment.status).casefold() in CANCELLED for shipment in shipments}
    if len(cancelled) > 1:
        raise Unmappable("some shipments of the order are cancelled", ours=True)
    return cancelled == {True}


def _day(shipments: Sequence[Shipment], stops: Sequence[Stop | None], zone: ZoneInfo) -> date | None:
    """
    Return the first day of the delivery windows, on the calendar of `zone`.

    Without a window, the day of the transport. Without that and a time of creation to count from, the first day of a
    pick-up.
    """
    times = _beginnings(stops) or [at for s in shipments if (at := _dated(s.date, zone))]
    if not times and not any(s.created_at for s in shipments):
        times = _beginnings([_sender(shipment) for shipment in shipments])
    try:
        return min(times).astimezone(zone).date() if times else None
    except OverflowError as exc:
        raise Unmappable("unreadable order", f"delivery window: {exc}", ours=True) from None


def _beginnings(stops: Sequence[Stop | None]) -> list[datetime]:
    windows = [_time(stop.earliest, "earliest") or _time(stop.latest, "latest") for stop in stops if stop]
    return [at for at in windows if at]


def _dated(value: str | None, zone: ZoneInfo) -> datetime | None:
    """Return a time, or the start of a day in `zone`."""
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


def _metadata(
    shipments: Sequence[Shipment],
    stops: Sequence[Stop | None],
    references: Sequence[str],
    cash: Sequence[wire.Cash],
    sender: Address,
) -> dict[str, str]:
    """Return the values without a field: the place of the goods, the time windows, the carrier's service."""
    senders = [stop for shipment in shipments if (stop := _sender(shipment))]
    further = [_contact(each) for stop in senders for each in _people(stop)][1:]
    found = {
        "status": ", ".join(_distinct(shipment.status for shipment in shipments)),
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
        "sender_contacts": "; ".join(_distinct(", ".join(filter(None, msgspec.structs.astuple(e))) for e in further)),
    }
    for name, side in (("pickup", senders), ("delivery", [stop for stop in stops if stop])):
        earliest = [at for stop in side if (at := _time(stop.earliest, "earliest"))]
        latest = [at for stop in side if (at := _time(stop.latest, "latest"))]
        found[f"{name}_earliest"] = min(earliest).isoformat() if earliest else ""
        found[f"{name}_latest"] = max(latest).isoformat() if latest else ""
    services: dict[str, list[str]] = {}
    for kind, value in _kinds(shipments):
        services.setdefault(f"reference_{kind}", []).append(value)
    for shipment in shipments:
        for key, value in flat(shipment.carrier_service, "carrier_service").items():
            services.setdefault(key, []).append(value)
    services["cash_on_delivery_reference"] = [text(each.reference) for each in cash]
    found |= {key: ", ".join(_distinct(values)) for key, values in services.items()}
    return {key: value for key, value in found.items() if value}


def _id(shipment: Shipment) -> str:
    return text(shipment.id) or text(shipment.shipment_id)


def _distinct(values: Iterable[str | None]) -> list[str]:
    """Return the texts that are not empty, each once, in their order."""
    return list(dict.fromkeys([stripped for value in values if value and (stripped := text(value))]))
