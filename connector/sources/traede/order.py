"""
Maps Traede's order to the canonical order.

Seed 001 does not show the order object, and the vendor's own page could not be found (vendors.md section 2, Order
object). Known are `order_id`, `lines`, and from the 3PL pages `order_number`, `order_type`, `reference`, `currency`,
`customer_number`, `invoice_address`, `delivery_address` and `order_meta`. All other names are plausible spellings
(`wire`); the first one with a value counts. Totals are left empty, as no document states which of them include tax.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from zoneinfo import ZoneInfo

from connector.errors import Unmappable
from connector.mapping.iso_codes import read_country
from connector.order import Address, Contact, Customer, Line, Order
from connector.sources.parsing import flat, postal_code, present, scalar_text, whole_number_id
from connector.sources.traede import wire
from connector.sources.traede.parsing import day, decoded, first, moment, number, yes

__all__ = ["ID_KEYS", "NOBODY", "TIMEZONE", "ZONE", "article", "cancelled", "code", "listed_lines", "to_order"]

ID_KEYS = ("order_id", "id")
"""The keys of the id; a mark calls it `order_id`."""

NOBODY = wire.Party()
NOTHING = wire.Article()
NOWHERE = Address()
NO_ONE = Contact()
TIMEZONE = "Europe/Copenhagen"
"""The calendar on which a requested day is read, unless the settings name another."""
ZONE = ZoneInfo(TIMEZONE)
COMMENTS = (
    "external_comments",
    "external_comment",
    "comments",
    "comment",
    "customer_comment",
    "customer_comments",
    "notes",
    "note",
)


def to_order(source: str, raw: bytes, zone: ZoneInfo = ZONE) -> Order:
    """
    Map one order of the feed to the canonical order. Pure; raises `Unmappable` and nothing else.

    - An order without `lines` comes from a call that did not include them: an error, and not an empty order (vendors.md
      6, seeds 001/002, #11).
    - `reference` is the order's number; the customer's own reference is the `purchase_order`.
    - `zone` is the calendar on which the requested day is read.
    - A missing address is left to the receiver.
    """
    return _order(source, raw, wire.decode(wire.Order, raw), zone)


def _order(source: str, raw: bytes, found: wire.Order, zone: ZoneInfo) -> Order:
    key = whole_number_id(first(found.order_id, found.id))
    if key is None:
        raise Unmappable("unreadable order", "the id is not a number from 1 to 2^63-1")
    customer = found.customer or NOBODY
    order_type = found.order_type or ""
    private = order_type.casefold() == "b2c"
    delivery_address = _address(found.delivery_address, found.shipping_address, private, held=True)
    invoice_address = _address(found.invoice_address, found.billing_address, private, held=False)
    order_number = found.order_number or found.number or ""
    reference = found.reference or found.customer_reference or ""
    purchase_order, references = _references(found, order_number or reference or key)
    buyer = _customer(found, customer)
    contact, contacts = _contacts(found, customer, buyer, delivery_address or NOWHERE, invoice_address or NOWHERE)
    metadata = {
        "status": found.status or "",
        "order_type": order_type,
        "customer_reference": reference if order_number else "",
        "internal_comments": _joined(found.internal_comments, found.internal_comment),
        "delivery_terms": found.delivery_terms or "",
        "payment_terms": found.payment_terms or "",
    }
    if found.order_meta:
        metadata |= flat(found.order_meta, "order_meta")
    return Order(
        source=source,
        order_id=key,
        reference=order_number or reference or key,
        references=references,
        purchase_order=purchase_order,
        created_at=moment("created_at", found.created_at, found.order_date, found.date),
        currency=code(found.currency, found.currency_code),
        language=code(found.language, found.locale) or code(customer.language, customer.locale),
        customer=buyer,
        contact=contact,
        contacts=contacts,
        delivery_address=delivery_address,
        invoice_address=invoice_address,
        lines=tuple([_line(each) for each in listed_lines(found)]),
        notes=_notes(raw, found),
        requested_delivery_date=day(
            "requested_delivery_date", zone, found.requested_delivery_date, found.delivery_date
        ),
        delivery_method=found.delivery_method or found.shipping_method or "",
        carrier=found.carrier or "",
        cancelled=cancelled(found),
        metadata={name: value for name, value in metadata.items() if value},
        raw=raw,
    )


def _references(found: wire.Order, reference: str) -> tuple[str, tuple[str, ...]]:
    """Return the customer's own order number, and the other references besides `reference`."""
    theirs = [
        each
        for each in (
            found.po_number,
            found.purchase_order_number,
            found.purchase_order,
            found.customer_order_number,
            found.customer_reference,
            found.reference,
        )
        if each
    ]
    if not theirs:
        return "", ()
    others = dict.fromkeys(each for each in theirs[1:] if each not in (theirs[0], reference))
    return theirs[0], tuple(others)


def _customer(found: wire.Order, customer: wire.Party) -> Customer:
    return Customer(
        id=found.customer_number
        or customer.customer_number
        or customer.number
        or customer.id
        or found.customer_id
        or "",
        name=found.customer_name or customer.name or customer.company or customer.company_name or "",
        vat_number=customer.vat_number or customer.vat_no or customer.vat or customer.cvr or "",
        email=found.customer_email or customer.email or "",
        phone=found.customer_phone or customer.phone or "",
    )


def _contacts(
    found: wire.Order, customer: wire.Party, buyer: Customer, delivery: Address, invoice: Address
) -> tuple[Contact, tuple[Contact, ...]]:
    """
    Return the contact for the order, and further contacts.

    The contact is the order's own, else the customer's, else the person at the delivery address, else at the invoice
    address. It is one person: the order's own e-mail and phone go with any of them, all other values only with their
    owner. If nobody is named, e-mail and phone come from the first place that has one, the delivery address first.
    """
    email, phone = found.email or found.contact_email or "", found.phone or found.contact_phone or ""
    own = found.contact_person or found.contact_name or found.contact or ""
    theirs = Contact(
        name=customer.contact_person or customer.contact_name or customer.contact or "",
        email=buyer.email,
        phone=buyer.phone,
    )
    at_delivery = Contact(name=delivery.person, email=delivery.email, phone=delivery.phone or delivery.mobile)
    at_invoice = Contact(name=invoice.person, email=invoice.email, phone=invoice.phone or invoice.mobile)
    if own:
        others = (theirs,) if theirs.name and theirs.name != own else ()
        same = [each for each in (theirs, at_delivery, at_invoice) if each.name == own]
        return _filled_from(Contact(name=own, email=email, phone=phone), same), others
    for party in (theirs, at_delivery, at_invoice):
        if party.name:
            same = [each for each in (theirs, at_delivery, at_invoice) if each.name == party.name]
            return _filled_from(Contact(name=party.name, email=email, phone=phone), same), ()
    first_party = (
        at_delivery if delivery.company else next((e for e in (at_delivery, theirs, at_invoice) if e != NO_ONE), NO_ONE)
    )
    if delivery.company and buyer.name.casefold() == delivery.company.casefold():
        return _filled_from(Contact(email=email, phone=phone), [first_party, theirs]), ()
    return _filled_from(Contact(email=email, phone=phone), [first_party]), ()


def _filled_from(contact: Contact, others: Sequence[Contact]) -> Contact:
    """Return a contact with its missing values taken from others of the same person."""
    email, phone = contact.email, contact.phone
    for other in others:
        email, phone = email or other.email, phone or other.phone
    return Contact(name=contact.name, email=email, phone=phone)


def _notes(raw: bytes, found: wire.Order) -> str:
    """Return all comments that are not internal, in document order."""
    comments = [(name, text) for name in COMMENTS if (text := getattr(found, name))]
    if len(comments) > 1:
        places = {name: place for place, name in enumerate(decoded(raw))}
        comments.sort(key=lambda each: places.get(each[0], 0))
    return _joined(*[text for _, text in comments])


def _joined(*texts: str | None) -> str:
    return "\n".join(dict.fromkeys([text for text in texts if text])) if any(texts) else ""


def listed_lines(found: wire.Order | wire.Production) -> list[wire.Line]:
    """Return the order's lines; raise `Unmappable` if they are missing, none, or not a list of objects."""
    if found.lines is None:
        raise Unmappable("missing field: lines", "the export was asked for includes[]=lines, and gave none")
    if not isinstance(found.lines, list):
        raise Unmappable("unreadable order", "lines is not a list of lines")
    if not found.lines:
        raise Unmappable("no lines")
    return found.lines


def article(line: wire.Line, quantity: Decimal | None, unit_price: Decimal | None) -> Line:
    """
    Return a line: its article by the line's own fields, else by its variant, else, without a variant, by its product.

    The EAN replaces a missing sku. A product's sku is that of a style, and any size of the style might be sent for it,
    so it is never the article of a line with a variant. Raises `Unmappable` for a line without a quantity.
    """
    if quantity is None:
        raise Unmappable("missing field: lines.quantity")
    variant, product = line.variant or NOTHING, line.product or NOTHING
    ean = line.ean or line.barcode or variant.ean or variant.barcode or ""
    product_name, variant_name = line.product_name or product.name or "", line.variant_name or variant.name or ""
    names = f"{product_name}, {variant_name}" if product_name and variant_name else product_name or variant_name
    has_variant = bool(line.variant or line.variant_id or line.variant_name or line.variant_sku)
    sku = line.sku or variant.sku or line.variant_sku or ean or ""
    product_sku = product.sku or ""
    name = line.name or names or line.description or ""
    metadata = {
        "product_id": line.product_id or product.id or "",
        "variant_id": line.variant_id or variant.id or "",
        "ean": ean,
    }
    extra = {
        "product_sku": product_sku if has_variant or sku else "",
        "variant_sku": line.variant_sku or variant.sku or "",
        "product_name": product_name,
        "variant_name": variant_name,
        "description": line.description or "",
        "size": line.size or "",
        "color": line.color or "",
    }
    metadata |= {key: value for key, value in extra.items() if value not in (sku, name) and value not in name}
    if line.discount is not None or line.discount_percentage is not None:
        metadata["discount"] = scalar_text(line.discount)
        metadata["discount_percentage"] = scalar_text(line.discount_percentage)
    return Line(
        line_id=line.order_line_id or line.line_id or line.id or "",
        sku=sku or ("" if has_variant else product_sku),
        name=name,
        quantity=quantity,
        unit_price=unit_price,
        tax_percentage=number("lines.vat_rate", line.vat_rate, line.vat_percentage, line.tax_rate, line.tax_percentage),
        notes=_joined(line.comments, line.comment, line.notes, line.note),
        metadata=present(metadata),
    )


def cancelled(found: wire.Order | wire.Production) -> bool:
    """Return whether the order is cancelled, by its flag, its status, or the time of its cancellation."""
    if yes(found.cancelled, found.canceled, found.is_cancelled):
        return True
    if (found.status or "").casefold() in ("cancelled", "canceled"):
        return True
    return moment("cancelled_at", found.cancelled_at, found.canceled_at) is not None


def code(*values: wire.Code) -> str:
    """Return the first code; a currency or a country may also be an object with a code."""
    nested = None
    for value in values:
        if isinstance(value, wire.Coded):
            nested = nested or value
        elif value:
            return value
    return (nested.code or nested.iso or nested.iso_code or nested.iso2 or nested.alpha2 or "") if nested else ""


def _line(line: wire.Line) -> Line:
    quantity = number("lines.quantity", line.quantity, line.qty)
    return article(line, quantity, number("lines.price", line.unit_price, line.price))


def _address(found: wire.Place, other: wire.Place, private: bool, *, held: bool) -> Address | None:
    """
    Return an address, or None.

    - A `name` without a company is the company's, unless the order is `b2c`.
    - Persons' names and house numbers are not taken apart if the vendor does not separate them.
    - The person is the first and last name, else the first of the contact names; all other names go to `attention`,
      because no person is composed of two.
    """
    if found is None:
        found = other
    if not found:
        return None
    company, name = found.company or found.company_name or "", found.name or ""
    if not company and not private:
        company, name = name, ""
    first_name, last_name = found.first_name or "", found.last_name or ""
    named = [found.attention, found.att, found.contact_person, found.contact_name, found.contact, name]
    persons = list(dict.fromkeys([each for each in named if each]))
    if not (first_name or last_name):
        last_name = persons.pop(0) if persons else ""
    elif persons:
        own = f"{first_name} {last_name}".strip()
        persons = [each for each in persons if each not in (own, company)]
    street, street2, extra = _street(found)
    country = read_country(found.country_code or found.country_iso or code(found.country))
    zipcode = found.zip or found.zipcode or found.zip_code or found.postal_code or found.postcode
    return Address(
        company=company,
        first_name=first_name,
        last_name=last_name,
        street=street,
        number=found.house_number or found.street_number or found.number or "",
        street2=street2,
        extra=extra,
        postal_code=postal_code(zipcode or None, country, held=held),
        city=found.city or found.town or "",
        region=found.state or found.region or found.province or "",
        country=country,
        email=found.email or "",
        phone=found.phone or found.telephone or found.phone_number or "",
        mobile=found.mobile or found.mobile_number or "",
        fax=found.fax or "",
        attention=", ".join(persons) if persons else "",
        notes=_joined(found.notes, found.comment),
    )


def _street(found: wire.Address) -> tuple[str, str, str]:
    """Return the street, the second line, and all further ones; no line is lost, and none is repeated."""
    lines = (
        found.address,
        found.address1,
        found.address_1,
        found.address_line_1,
        found.street,
        found.street1,
        found.address2,
        found.address_2,
        found.address_line_2,
        found.street2,
        found.address3,
        found.address_3,
        found.address_line_3,
        found.street3,
    )
    distinct = list(dict.fromkeys([line for line in lines if line]))
    if not any(lines[:6]):
        distinct.insert(0, "")
    return distinct[0], distinct[1] if len(distinct) > 1 else "", ", ".join(distinct[2:])
