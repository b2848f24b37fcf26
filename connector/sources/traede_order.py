"""
Traede's order as it comes over the wire, and the canonical order that it becomes.

Seed 001 does not show the order object, and its own page could not be found (vendors.md section 2, Order object).
Known are `order_id`, `lines`, and from the 3PL pages `order_number`, `order_type`, `reference`, `currency`,
`customer_number`, `invoice_address`, `delivery_address` and `order_meta`. All other names here are the plausible
spellings; the first that has a value counts. Totals are left empty: nobody says which of them would include tax.
"""

from __future__ import annotations

from decimal import Decimal

from connector.errors import Unmappable
from connector.order import Address, Contact, Customer, Line, Order
from connector.sources.traede_reading import Wire, day, decoded, first, moment, number, order_id, part, text, yes

__all__ = ["ID_KEYS", "article", "cancelled", "code", "listed_lines", "to_order"]

ID_KEYS = ("order_id", "id")
"""Where the id is; the mark calls it `order_id`."""


def to_order(source: str, raw: bytes) -> Order:
    """
    Turn one order of the feed into the canonical form. Pure; raises `Unmappable` and nothing else.

    An order without `lines` came from a call that did not include them: an error, and not an empty order (vendors.md
    6, seeds 001/002, #11). Whoever reads `reference` on a screen wants the order's number; the customer's own
    reference goes to the metadata. A missing address is the receiver's concern, not ours.
    """
    wire = decoded(raw)
    found = order_id(first(wire, *ID_KEYS))
    if found is None:
        raise Unmappable("unreadable order", "the id is not a number from 1 to 2^63-1")
    customer = part(wire, "customer")
    order_type = text(wire, "order_type")
    private = order_type.casefold() == "b2c"
    delivery = _address(wire, private, "delivery_address", "shipping_address")
    invoice = _address(wire, private, "invoice_address", "billing_address")
    order_number, reference = text(wire, "order_number", "number"), text(wire, "reference", "customer_reference")
    metadata = {
        "status": text(wire, "status"),
        "order_type": order_type,
        "customer_reference": reference if order_number else "",
        "internal_comments": text(wire, "internal_comments", "internal_comment"),
        **{f"order_meta_{key}": text(part(wire, "order_meta"), key) for key in part(wire, "order_meta")},
    }
    both = [address for address in (delivery, invoice) if address]
    return Order(
        source=source,
        order_id=found,
        reference=order_number or reference or found,
        created_at=moment(wire, "created_at", "order_date", "date"),
        currency=code(wire, "currency", "currency_code"),
        language=code(wire, "language", "locale") or code(customer, "language", "locale"),
        customer=Customer(
            id=text(wire, "customer_number")
            or text(customer, "customer_number", "number", "id")
            or text(wire, "customer_id"),
            name=text(wire, "customer_name") or text(customer, "name", "company", "company_name"),
            vat_number=text(customer, "vat_number", "vat_no", "vat", "cvr"),
        ),
        contact=Contact(
            name=text(wire, "contact_person", "contact_name", "contact")
            or text(customer, "contact_person", "contact_name", "contact")
            or next((name for address in both if (name := address.person)), ""),
            email=text(wire, "email", "customer_email", "contact_email")
            or next((address.email for address in both if address.email), "")
            or text(customer, "email"),
            phone=text(wire, "phone", "customer_phone", "contact_phone")
            or next((phone for address in both if (phone := address.phone or address.mobile)), "")
            or text(customer, "phone"),
        ),
        delivery_address=delivery,
        invoice_address=invoice,
        lines=tuple(_line(each) for each in listed_lines(wire)),
        notes=text(wire, "external_comments", "comments", "comment", "customer_comment"),
        requested_delivery_date=day(wire, "requested_delivery_date", "delivery_date"),
        cancelled=cancelled(wire),
        metadata={key: value for key, value in metadata.items() if value},
        raw=raw,
    )


def listed_lines(wire: Wire) -> list[Wire]:
    """Return the order's lines; raise `Unmappable` if they did not come, if there are none, or if one is no line."""
    lines = wire.get("lines")
    if lines is None:
        raise Unmappable("missing field: lines", "the export was asked for includes[]=lines, and gave none")
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
        raise Unmappable("unreadable order", "lines is not a list of lines")
    if not lines:
        raise Unmappable("no lines")
    return lines


def article(line: Wire, quantity: Decimal | None, unit_price: Decimal | None) -> Line:
    """
    Return a line: its article by the line's own fields, else by its variant, else by its product.

    The EAN stands in for an sku that is missing. Raises `Unmappable` for a line without a quantity.
    """
    if quantity is None:
        raise Unmappable("missing field: lines.quantity")
    variant, product = part(line, "variant"), part(line, "product")
    ean = text(line, "ean", "barcode") or text(variant, "ean", "barcode")
    names = [text(line, "product_name") or text(product, "name"), text(line, "variant_name") or text(variant, "name")]
    metadata = {
        "product_id": text(line, "product_id") or text(product, "id"),
        "variant_id": text(line, "variant_id") or text(variant, "id"),
        "ean": ean,
    }
    return Line(
        line_id=text(line, "order_line_id", "line_id", "id"),
        sku=text(line, "sku") or text(variant, "sku") or text(line, "variant_sku") or ean or text(product, "sku"),
        name=text(line, "name") or ", ".join(name for name in names if name) or text(line, "description"),
        quantity=quantity,
        unit_price=unit_price,
        tax_percentage=number(line, "lines.vat_rate", "vat_rate", "vat_percentage", "tax_rate", "tax_percentage"),
        metadata={key: value for key, value in metadata.items() if value},
    )


def cancelled(wire: Wire) -> bool:
    """Tell whether the order is cancelled: by its flag, its status, or the time that it happened at."""
    if yes(wire, "cancelled", "canceled", "is_cancelled"):
        return True
    if text(wire, "status").casefold() in ("cancelled", "canceled"):
        return True
    return moment(wire, "cancelled_at", "canceled_at") is not None


def code(wire: Wire, *names: str) -> str:
    """Return a code that may also come as an object with its code inside (a currency, a country)."""
    return text(wire, *names) or text(part(wire, *names), "code", "iso", "iso_code", "iso2", "alpha2")


def _line(line: Wire) -> Line:
    quantity = number(line, "lines.quantity", "quantity", "qty")
    return article(line, quantity, number(line, "lines.price", "unit_price", "price"))


def _address(wire: Wire, private: bool, *names: str) -> Address | None:
    """
    Return an address, or None where there is none.

    A `name` beside no company is the company's, unless the order is `b2c`. Persons' names and house numbers are not
    taken apart: where the vendor does not separate them, nobody can.
    """
    found = part(wire, *names)
    if not found:
        return None
    company, name = text(found, "company", "company_name"), text(found, "name")
    person = text(found, "attention", "att", "contact_person", "contact_name", "contact", "last_name")
    if not company and not private:
        company, name = name, ""
    return Address(
        company=company,
        first_name=text(found, "first_name"),
        last_name=person or name,
        street=text(found, "address", "address1", "address_1", "address_line_1", "street", "street1"),
        number=text(found, "house_number", "street_number", "number"),
        street2=text(found, "address2", "address_2", "address_line_2", "street2"),
        postal_code=text(found, "zip", "zipcode", "zip_code", "postal_code", "postcode"),
        city=text(found, "city", "town"),
        region=text(found, "state", "region", "province"),
        country=text(found, "country_code", "country_iso") or code(found, "country"),
        email=text(found, "email"),
        phone=text(found, "phone", "telephone", "phone_number"),
        mobile=text(found, "mobile", "mobile_number"),
    )
