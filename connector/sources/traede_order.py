"""
Traede's order as the canonical order.

Seed 001 does not show the order object, and its own page could not be found (vendors.md section 2, Order object).
Known are `order_id`, `lines`, and from the 3PL pages `order_number`, `order_type`, `reference`, `currency`,
`customer_number`, `invoice_address`, `delivery_address` and `order_meta`. All other names are the plausible spellings
(`traede_wire`); the first that has a value counts. Totals are left empty: nobody says which of them would include tax.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from connector.errors import Unmappable
from connector.order import Address, Contact, Customer, Line, Order
from connector.sources import traede_wire as wire
from connector.sources.traede_decoding import NO_ADDRESS, Decoded, lenient, typed
from connector.sources.traede_reading import Unusual, day, first, moment, named, number, order_id, yes

__all__ = ["ID_KEYS", "NOBODY", "article", "cancelled", "code", "listed_lines", "read", "to_order"]

ID_KEYS = ("order_id", "id")
"""Where the id is; the mark calls it `order_id`."""

NOBODY = wire.Party()
NOTHING = wire.Article()
NOWHERE = Address()


def to_order(source: str, raw: bytes) -> Order:
    """
    Turn one order of the feed into the canonical form. Pure; raises `Unmappable` and nothing else.

    An order without `lines` came from a call that did not include them: an error, and not an empty order (vendors.md
    6, seeds 001/002, #11). Whoever reads `reference` on a screen wants the order's number; the customer's own
    reference goes to the metadata. A missing address is the receiver's concern, not ours.
    """
    return read(wire.Order, _order, source, raw)


def read(kind: type[Decoded], to_order: Callable[[str, bytes, Decoded], Order], source: str, raw: bytes) -> Order:
    """
    Decode an order as it should be; if anything is odd about it, decode it again whatever it is.

    So what is wrong with an order is always said by the second way, and what comes of the first is what would have
    come of the second.
    """
    try:
        return to_order(source, raw, typed(kind, raw))
    except (Unmappable, Unusual, ValueError, RecursionError):
        return to_order(source, raw, lenient(kind, raw))


def _order(source: str, raw: bytes, found: wire.Order) -> Order:
    key = order_id(first(found.order_id, found.id))
    if key is None:
        raise Unmappable("unreadable order", "the id is not a number from 1 to 2^63-1")
    customer = found.customer or NOBODY
    order_type = found.order_type or ""
    private = order_type.casefold() == "b2c"
    delivery_address = _address(found.delivery_address, found.shipping_address, private)
    invoice_address = _address(found.invoice_address, found.billing_address, private)
    delivery, invoice = delivery_address or NOWHERE, invoice_address or NOWHERE
    order_number = str(found.order_number or found.number or "")
    reference = str(found.reference or found.customer_reference or "")
    metadata = {
        "status": found.status or "",
        "order_type": order_type,
        "customer_reference": reference if order_number else "",
        "internal_comments": found.internal_comments or found.internal_comment or "",
    }
    if type(found.order_meta) is dict:
        metadata |= {f"order_meta_{name}": named(found.order_meta, name) for name in found.order_meta}
    return Order(
        source=source,
        order_id=key,
        reference=order_number or reference or key,
        created_at=moment("created_at", found.created_at, found.order_date, found.date),
        currency=code(found.currency, found.currency_code),
        language=code(found.language, found.locale) or code(customer.language, customer.locale),
        customer=Customer(
            id=str(
                found.customer_number
                or customer.customer_number
                or customer.number
                or customer.id
                or found.customer_id
                or ""
            ),
            name=found.customer_name or customer.name or customer.company or customer.company_name or "",
            vat_number=str(customer.vat_number or customer.vat_no or customer.vat or customer.cvr or ""),
        ),
        contact=Contact(
            name=found.contact_person
            or found.contact_name
            or found.contact
            or customer.contact_person
            or customer.contact_name
            or customer.contact
            or delivery.person
            or invoice.person,
            email=found.email
            or found.customer_email
            or found.contact_email
            or delivery.email
            or invoice.email
            or customer.email
            or "",
            phone=str(
                found.phone
                or found.customer_phone
                or found.contact_phone
                or delivery.phone
                or delivery.mobile
                or invoice.phone
                or invoice.mobile
                or customer.phone
                or ""
            ),
        ),
        delivery_address=delivery_address,
        invoice_address=invoice_address,
        lines=tuple([_line(each) for each in listed_lines(found)]),
        notes=found.external_comments or found.comments or found.comment or found.customer_comment or "",
        requested_delivery_date=day("requested_delivery_date", found.requested_delivery_date, found.delivery_date),
        cancelled=cancelled(found),
        metadata={name: value for name, value in metadata.items() if value},
        raw=raw,
    )


def listed_lines(found: wire.Order | wire.Production) -> list[wire.Line]:
    """Return the order's lines; raise `Unmappable` if they did not come, if there are none, or if one is no line."""
    if found.lines is None:
        raise Unmappable("missing field: lines", "the export was asked for includes[]=lines, and gave none")
    if not isinstance(found.lines, list):
        raise Unmappable("unreadable order", "lines is not a list of lines")
    if not found.lines:
        raise Unmappable("no lines")
    return found.lines


def article(line: wire.Line, quantity: Decimal | None, unit_price: Decimal | None) -> Line:
    """
    Return a line: its article by the line's own fields, else by its variant, else by its product.

    The EAN stands in for an sku that is missing. Raises `Unmappable` for a line without a quantity.
    """
    if quantity is None:
        raise Unmappable("missing field: lines.quantity")
    variant, product = line.variant or NOTHING, line.product or NOTHING
    ean = str(line.ean or line.barcode or variant.ean or variant.barcode or "")
    product_name, variant_name = line.product_name or product.name or "", line.variant_name or variant.name or ""
    names = f"{product_name}, {variant_name}" if product_name and variant_name else product_name or variant_name
    metadata = {}
    if product_id := str(line.product_id or product.id or ""):
        metadata["product_id"] = product_id
    if variant_id := str(line.variant_id or variant.id or ""):
        metadata["variant_id"] = variant_id
    if ean:
        metadata["ean"] = ean
    return Line(
        line_id=str(line.order_line_id or line.line_id or line.id or ""),
        sku=str(line.sku or variant.sku or line.variant_sku or ean or product.sku or ""),
        name=line.name or names or line.description or "",
        quantity=quantity,
        unit_price=unit_price,
        tax_percentage=number("lines.vat_rate", line.vat_rate, line.vat_percentage, line.tax_rate, line.tax_percentage),
        metadata=metadata,
    )


def cancelled(found: wire.Order | wire.Production) -> bool:
    """Tell whether the order is cancelled: by its flag, its status, or the time that it happened at."""
    if yes(found.cancelled, found.canceled, found.is_cancelled):
        return True
    if (found.status or "").casefold() in ("cancelled", "canceled"):
        return True
    return moment("cancelled_at", found.cancelled_at, found.canceled_at) is not None


def code(*values: wire.Code) -> str:
    """Return the first code; it may also come as an object with its code inside (a currency, a country)."""
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


def _address(found: wire.Address | None, other: wire.Address | None, private: bool) -> Address | None:
    """
    Return an address, or None where there is none.

    A `name` beside no company is the company's, unless the order is `b2c`. Persons' names and house numbers are not
    taken apart: where the vendor does not separate them, nobody can.
    """
    if found is None:
        found = other
    if found is None or found is NO_ADDRESS:
        return None
    if found == NO_ADDRESS:
        raise Unusual  # either an empty object, which is no address, or one whose keys we do not know
    company, name = found.company or found.company_name or "", (found.name or "")
    person = (
        found.attention
        or found.att
        or found.contact_person
        or found.contact_name
        or found.contact
        or found.last_name
        or ""
    )
    if not company and not private:
        company, name = name, ""
    return Address(
        company=company,
        first_name=found.first_name or "",
        last_name=person or name,
        street=(
            found.address
            or found.address1
            or found.address_1
            or found.address_line_1
            or found.street
            or found.street1
            or ""
        ),
        number=str(found.house_number or found.street_number or found.number or ""),
        street2=found.address2 or found.address_2 or found.address_line_2 or found.street2 or "",
        postal_code=str(found.zip or found.zipcode or found.zip_code or found.postal_code or found.postcode or ""),
        city=found.city or found.town or "",
        region=found.state or found.region or found.province or "",
        country=found.country_code or found.country_iso or code(found.country),
        email=found.email or "",
        phone=str(found.phone or found.telephone or found.phone_number or ""),
        mobile=str(found.mobile or found.mobile_number or ""),
    )
