"""Maps Propeller's order (seed 000) to the canonical order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from connector.errors import Unmappable
from connector.mapping.iso_codes import read_country
from connector.order import Address, Contact, Customer, Order, Totals
from connector.sources.parsing import day_on, number_of, postal_code, present, scalar_text, whole_number_id
from connector.sources.propeller import wire
from connector.sources.propeller.lines import lines_of
from connector.sources.propeller.wire import Text

__all__ = ["TIMEZONE", "to_order"]

TIMEZONE = "Europe/Amsterdam"
"""The calendar on which a requested day is read, unless the settings name another."""
CENT = Decimal("0.01")
NO_SUMS = wire.Total()
NO_POSTAGE = wire.Postage()
NO_PAYMENT = wire.Payment()
ALLOWED: dict[object, bool] = {"Y": True, "N": False, "y": True, "n": False, True: True, False: False}
SELDOM = {
    name: "order_source" if name == "source" else name
    for name in (
        *("external_id", "company_id", "debtor_id", "channel_id", "site_id"),
        *("origin", "source", "action_code", "extra3", "extra4"),
    )
}
"""Fields that few orders have, and their names in the metadata."""
_ZONE = ZoneInfo(TIMEZONE)


def to_order(source: str, raw: bytes, cancelled: frozenset[str] = frozenset(), zone: ZoneInfo = _ZONE) -> Order:
    """
    Map one order of the feed to the canonical order. Pure; raises `Unmappable` and nothing else.

    - `cancelled`: the tenant's statuses, in lower case, that mean cancelled.
    - `zone`: the calendar on which the requested day is read.

    vendors.md 6, seed 000: line prices exclude tax; `paymentData` is never added to anything (#6); the sums are kept as
    given (#5); only products become lines (#12). A missing address is left to the receiver.
    """
    try:
        found = wire.decode(raw)
    except (ValueError, RecursionError) as exc:  # ValueError: msgspec's errors, and invalid UTF-8
        raise Unmappable("unreadable order", str(exc)) from None
    key = whole_number_id(found.id)
    if key is None:
        raise Unmappable("unreadable order", "the id is not a number from 1 to 2^63-1")
    if found.items is None:
        raise Unmappable("the order came without its lines", "the search asks for ORDER_ITEMS, and got none")
    lines, other_rows = lines_of(found.items)
    delivery, invoice, other_addresses = _addresses(found.addresses or ())
    postage = found.postage_data or NO_POSTAGE
    metadata = _metadata(found, postage) | other_addresses
    if other_rows or len(lines) < len(found.items):
        metadata |= other_rows | {"other_rows": str(len(found.items) - len(lines))}
    return Order(
        source=source,
        order_id=key,
        reference=_text(found.reference).strip() or key,
        created_at=_time(found.date or found.created_at),
        currency=found.currency or "",
        language=found.language or "",
        customer=Customer(id=_text(found.user_id), name=_name(invoice) or _name(delivery)),
        contact=_contact(found, delivery, invoice),
        delivery_address=delivery,
        invoice_address=invoice,
        lines=lines,
        totals=_totals(found.total or NO_SUMS, postage),
        notes=found.remarks or "",
        requested_delivery_date=_day(postage.request_date, zone),
        delivery_method=scalar_text(postage.method),
        carrier=scalar_text(postage.carrier),
        pickup_location=scalar_text(postage.pick_up_location_id),
        partial_delivery=ALLOWED.get(postage.partial_delivery_allowed),
        cancelled=(found.status or "").casefold() in cancelled,
        metadata=metadata,
        raw=raw,
    )


def _metadata(found: wire.Order, postage: wire.Postage) -> dict[str, str]:
    """Return the order's values that no canonical field holds."""
    payment = found.payment_data or NO_PAYMENT
    allowed = postage.partial_delivery_allowed
    seldom = {}
    if any(getattr(found, name) is not None for name in SELDOM):
        seldom = {label: scalar_text(getattr(found, name)) for name, label in SELDOM.items()}
    return present(
        seldom
        | {
            "status": found.status or "",
            "type": found.type or "",
            "uuid": found.uuid or "",
            "delivery_method": scalar_text(postage.method),
            "postage_tax": scalar_text(postage.tax),
            "postage_tax_percentage": scalar_text(postage.tax_percentage),
            "postage_overruled": scalar_text(postage.overruled),
            "partial_delivery": "" if allowed in ALLOWED else scalar_text(allowed),
            "payment_method": scalar_text(payment.method),
            "payment_status": scalar_text(payment.status),
            "payment_gross": scalar_text(payment.gross),
            "payment_net": scalar_text(payment.net),
            "payment_tax": scalar_text(payment.tax),
            "payment_tax_percentage": scalar_text(payment.tax_percentage),
            "payment_overruled": scalar_text(payment.overruled),
            "discount_type": _discount_type(found.total or NO_SUMS),
        }
    )


def _discount_type(total: wire.Total) -> str:
    """Return a discount's type, except for an amount (A), a percentage (P) and none (N)."""
    return "" if total.discount_type in ("A", "P", "N") else total.discount_type or ""


def _totals(total: wire.Total, postage: wire.Postage) -> Totals:
    """
    Return the order's sums.

    The seed's sample has tax in `gross`, the vendor's other pages have it in `net` (vendors.md 6, seed 000, #4). The
    names are therefore ignored: the larger absolute value includes tax, and the difference must be the tax.
    """
    excluding, including = _sides(total, "total")
    tax = number_of(total.tax, "total.tax")
    if excluding is not None and including is not None and tax is not None:
        signed = -abs(tax) if including < 0 else tax  # a credit may state its tax with either sign
        if abs(including - excluding - signed) > CENT:
            raise Unmappable(
                "totals do not add up", f"gross {total.gross}, net {total.net}, tax {total.tax} differ by over a cent"
            )
    shipping, shipping_with_tax = _sides(postage, "postageData")
    discount = number_of(total.discount_value, "total.discountValue")
    return Totals(
        excluding_tax=excluding,
        including_tax=including,
        tax=tax,
        shipping_excluding_tax=shipping,
        shipping_including_tax=shipping_with_tax,
        discount=discount if total.discount_type == "A" else None,
        discount_percentage=discount if total.discount_type == "P" else None,
    )


def _sides(sums: wire.Total | wire.Postage, field: str) -> tuple[Decimal | None, Decimal | None]:
    """Return a sum without and with tax; neither if only one is given, as it may be either."""
    gross, net = number_of(sums.gross, f"{field}.gross"), number_of(sums.net, f"{field}.net")
    if gross is None or net is None:
        return None, None
    return (net, gross) if abs(net) <= abs(gross) else (gross, net)


def _addresses(found: Sequence[wire.Address]) -> tuple[Address | None, Address | None, dict[str, str]]:
    """
    Return the delivery address, the invoice address, and all others as metadata.

    Raises `Unmappable` for two different delivery addresses.
    """
    delivery = invoice = None
    others: dict[str, str] = {}
    for each in found:
        kind = (each.type or "").strip().casefold()
        address = _address(each, held=kind == "delivery")
        if kind == "delivery" and delivery is None:
            delivery = address
        elif kind == "invoice" and invoice is None:
            invoice = address
        elif kind == "delivery" and address != delivery:
            cities = [each.city or "" for each in found if (each.type or "").strip().casefold() == "delivery"]
            raise Unmappable("several delivery addresses", ", ".join(cities))
        elif kind not in ("delivery", "invoice") or address != invoice:
            _add(others, f"{kind or 'other'}_address", address)
    return delivery, invoice, others


def _add(pairs: dict[str, str], name: str, address: Address) -> None:
    """Add an address to the metadata, under a free name."""
    prefix, number = name, 1
    while any(key.startswith(f"{prefix}_") for key in pairs):
        number += 1
        prefix = f"{name}_{number}"
    for part in Address.__struct_fields__:
        if value := getattr(address, part):
            pairs[f"{prefix}_{part}"] = value


def _address(found: wire.Address, *, held: bool) -> Address:
    street2, extra = _text(found.street2), _text(found.extra)
    country = read_country(found.country or "")
    return Address(
        company=found.company or "",
        first_name=found.first_name or "",
        middle_name=found.middle_name or "",
        last_name=found.last_name or "",
        street=found.street or "",
        number=_text(found.number),
        number_addition=_text(found.number_extension),
        street2=street2 or extra,
        extra=extra if street2 else "",
        postal_code=postal_code(found.postal_code, country, held=held),
        city=found.city or "",
        region=found.region or "",
        country=country,
        email=found.email or "",
        phone=_text(found.phone),
        mobile=_text(found.mobile),
        fax=_text(found.fax),
        notes=found.notes or "",
    )


def _name(address: Address | None) -> str:
    return (address.company or address.person) if address else ""


def _contact(found: wire.Order, delivery: Address | None, invoice: Address | None) -> Contact:
    """
    Return the person (else the company) at the delivery address; at the invoice address, if the other names nobody.

    All values belong to one party: the carrier would call another party's phone (a dropshipment is invoiced to somebody
    else). The order's own e-mail address comes before an address's.
    """
    first = delivery if _name(delivery) else invoice
    if first is None:
        party = delivery
        return Contact(email=found.email or (party.email if party else ""), phone=_phone(party))
    same = delivery is not None and invoice is not None and _same(delivery, invoice)
    other = invoice if same else None
    return Contact(
        name=first.person or first.company,
        email=found.email or first.email or (other.email if other else ""),
        phone=_phone(first) or _phone(other),
    )


def _phone(address: Address | None) -> str:
    return (address.phone or address.mobile) if address else ""


def _same(one: Address, other: Address) -> bool:
    """Return whether two addresses name the same party."""
    return (one.company.casefold(), one.person.casefold()) == (other.company.casefold(), other.person.casefold())


def _text(value: Text) -> str:
    return "" if value is None else str(value)


def _day(value: str | None, zone: ZoneInfo) -> date | None:
    if not value or not value.strip():
        return None
    try:
        return day_on(value.strip(), zone)
    except (ValueError, OverflowError) as exc:
        raise Unmappable("unreadable order", f"postageData.requestDate: {exc}") from None


def _time(value: str | None) -> datetime | None:
    """Return a time in UTC; one without a zone is in UTC. It never decides which orders to read next."""
    if not value:
        return None
    try:
        at = datetime.fromisoformat(value)
        # `replace` takes ten times as long.
        return datetime.combine(at, at.time(), UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise Unmappable("unreadable order", f"date: {exc}") from None
