"""
The quick reading of an order of one shipment, written as Zendera's own samples write it (seed 003).

What is not as in `zendera_usual`, and whatever else is odd about an order, is left to the careful reading of
`zendera_shipment`, which also says what is wrong. What comes of this one is what would have come of that one, and a
test holds the two together: a field that is to be read in another way is changed in both.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from connector.order import Address, Contact, Customer, Line, Order, Parcel
from connector.sources import zendera_usual as usual
from connector.sources.zendera_wire import CANCELLED, COUNTRIES, identity, moment

__all__ = ["single"]

LONGEST_TIME = 40
LONGEST_NUMBER = 12
"""Characters of a time that may be remembered, and of a number that can be reckoned with beyond doubt."""

NOBODY, NOWHERE = usual.Contact(), Address()


class _Odd(Exception):
    """This is no case for the quick reading."""


_decode = msgspec.json.Decoder(usual.Group).decode


def single(source: str, raw: bytes, zone: ZoneInfo) -> Order | None:
    """Return the order, or None if it has to be read with care. Pure; raises nothing."""
    try:
        group = _decode(raw)
        return _order(source, raw, group.order_id, group.shipments[0], zone)
    except (_Odd, ValueError, ArithmeticError, RecursionError):  # ArithmeticError: a number beyond all measure
        return None


def _order(source: str, raw: bytes, order_id: str, shipment: usual.Shipment, zone: ZoneInfo) -> Order:
    """Read the fields; `zendera_shipment` says why each is what it is."""
    status, delivery, party = shipment.status, shipment.delivery, shipment.customer
    if str(shipment.order_id) != order_id or not identity(order_id) or status.strip().casefold() in CANCELLED:
        raise _Odd
    address = _address(delivery)
    if not (address.street or address.street2 or address.postal_code or address.city):
        raise _Odd
    currency, cash = shipment.currency.strip().upper(), shipment.cash_on_delivery
    amount = None
    if cash is not None and (amount := _measure(cash.amount)) is not None:
        told = cash.currency.strip().upper()
        if currency and told and told != currency:
            raise _Odd
        currency = currency or told
    references = [shipment.reference.strip()]
    references += [_reference(each) for each in shipment.references]
    references.append(shipment.order_external_id.strip() or shipment.external_id.strip())
    references = _distinct(references)
    lines, parcels = _goods(shipment)
    notes = (shipment.notes.strip(), shipment.comment.strip(), delivery.instructions.strip())
    return Order(
        source=source,
        order_id=order_id,
        kind="shipment",
        reference=references[0] if references else order_id,
        created_at=moment(shipment.created_at),
        currency=currency,
        customer=Customer(id=str(party.id).strip(), name=party.business_name.strip() or party.name.strip())
        if party
        else Customer(),
        contact=Contact(name=address.person or address.company, email=address.email, phone=address.phone),
        delivery_address=address,
        lines=lines,
        notes="\n".join(_distinct(notes)) if any(notes) else "",
        requested_delivery_date=_day(_window(delivery.earliest)[0], zone),
        parcels=parcels,
        cash_on_delivery=amount,
        metadata=_metadata(shipment, references),
        raw=raw,
    )


def _address(stop: usual.Stop) -> Address:
    place, contact = stop.address, stop.contacts[0] if stop.contacts else NOBODY
    country = place.country_code.strip() or place.country.strip()
    first, last = contact.first_name.strip(), contact.last_name.strip()
    return Address(
        company=stop.name.strip() or place.name.strip(),
        first_name=first,
        last_name=last if first or last else contact.name.strip(),
        street=place.address1.strip() or place.street.strip(),
        street2=place.address2.strip(),
        postal_code=place.postal_code.strip(),
        city=place.city.strip(),
        region=place.state.strip(),
        country=COUNTRIES.get(country.casefold(), country),
        email=contact.email_address.strip() or contact.email.strip(),
        phone=contact.phone_number.strip() or contact.phone.strip(),
    )


def _goods(shipment: usual.Shipment) -> tuple[tuple[Line, ...], tuple[Parcel, ...]]:
    """Return the rows as lines and as parcels: none lies in another one, so each is both."""
    lines: list[Line] = []
    parcels: list[Parcel] = []
    codes = ""
    for row in shipment.parcels:
        row_id, barcode, external_id = str(row.id).strip(), row.barcode_id.strip(), row.external_id.strip()
        name, description = row.name.strip(), row.description.strip()
        quantity = _sound(row.quantity)
        metadata = row.metadata
        if not all(metadata.values()):
            metadata = {key: value for key, value in metadata.items() if value}
        parcels.append(
            Parcel(
                parcel_id=row_id or external_id,
                description=description or name,
                quantity=quantity,
                weight=_measure(row.weight),
                length=_measure(row.length),
                width=_measure(row.width),
                height=_measure(row.height),
                barcode=barcode,
                metadata=metadata,
            )
        )
        metadata = metadata.copy()
        if barcode:
            metadata["barcode_id"] = barcode
        if external_id:
            metadata["external_id"] = external_id
        if kind := row.atom_type.strip():
            metadata["atom_type"] = kind
        code = barcode or external_id
        codes = codes or code
        lines.append(Line(line_id=row_id, sku=code, name=name or description, quantity=quantity, metadata=metadata))
    return tuple(lines) if codes else (), tuple(parcels)


def _metadata(shipment: usual.Shipment, references: list[str]) -> dict[str, str]:
    sender, delivery, cash = shipment.sender, shipment.delivery, shipment.cash_on_delivery
    address = _address(sender) if sender else NOWHERE
    found = {
        "shipment_ids": str(shipment.id).strip() or str(shipment.shipment_id).strip(),
        "references": ", ".join(references) if len(references) > 1 else "",
        "sender_name": address.company,
        "sender_contact": address.person,
        "sender_street": address.street,
        "sender_street2": address.street2,
        "sender_postal_code": address.postal_code,
        "sender_city": address.city,
        "sender_country": address.country,
        "sender_email": address.email,
        "sender_phone": address.phone,
        "pickup_earliest": _window(sender.earliest)[1] if sender and sender.earliest else "",
        "pickup_latest": _window(sender.latest)[1] if sender and sender.latest else "",
        "delivery_earliest": _window(delivery.earliest)[1],
        "delivery_latest": _window(delivery.latest)[1] if delivery.latest else "",
    }
    for key, value in shipment.carrier_service.items():
        found[f"carrier_service_{key}"] = value.strip()
    if cash is not None:
        found["cash_on_delivery_reference"] = cash.reference.strip()
    for key in [key for key, value in found.items() if not value]:
        del found[key]
    return found


@lru_cache(maxsize=1024)
def _window(value: str) -> tuple[datetime, str]:
    """Return one end of a window of time, which many orders have in common, and how it is written in the metadata."""
    if len(value) > LONGEST_TIME or (at := moment(value)) is None:
        raise _Odd
    return at, at.isoformat()


@lru_cache(maxsize=1024)
def _day(at: datetime, zone: ZoneInfo) -> date:
    return at.astimezone(zone).date()


def _reference(listed: dict[str, str]) -> str:
    if "value" not in listed:
        raise _Odd
    return listed["value"].strip()


def _distinct(texts: tuple[str, ...] | list[str]) -> list[str]:
    return list(dict.fromkeys(filter(None, texts)))


def _sound(value: Decimal) -> Decimal:
    if len(written := str(value)) > LONGEST_NUMBER or "E" in written or not value.is_finite():
        raise _Odd
    return value


def _measure(value: Decimal | None) -> Decimal | None:
    """Return a measure; 0 is none."""
    return None if value is None else _sound(value) or None
