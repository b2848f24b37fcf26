"""eWarehousing's records of orders and documents, and their form in responses (seed 004, "Response models")."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from connector.sandbox.ewarehousing.validation import EwarehousingBadRequest

__all__ = [
    "CREATED",
    "EXPAND",
    "UPDATED",
    "change",
    "document",
    "full_document",
    "groups",
    "listed_document",
    "new_order",
    "shown",
    "stamp",
]

Order = dict[str, Any]

CUSTOMER = "be62c27e-2aac-4ac1-902e-f770d64f8dce"
SHIPPING_METHOD = "9eb93dd6-6929-4b91-8419-8a619a72905b"

CREATED = (
    "id",
    "created_at",
    "requested_delivery_date",
    "customer",
    "external_reference",
    "external_id",
    "po_number",
    "reference",
    "status",
    "shipping_method",
    "language",
    "note",
    "customer_note",
    "order_amount",
    "assured_amount",
    "inco_terms",
    "currency",
)
"""Fields of the response to a create, and of a single order. Unset fields are left out, as in the seed's examples."""
UPDATED = ("id", "external_reference", "external_id", "po_number", "status", "note", "shipping_method")
"""Fields of the response to an update."""
EXPAND = frozenset(
    {
        "shipping_address",
        "order_lines",
        "documents",
        "serial_numbers",
        "variants",
        "meta_data",
        "order_line_meta_data",
    }
)
"""The groups of the `expand` header for a single order. `variants` has no effect: lines always contain them."""

_MAGIC = ((b"%PDF", "application/pdf"), (b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


def stamp(moment: datetime) -> str:
    """Return `moment` in the vendor's format."""
    return moment.isoformat(timespec="seconds")


def new_order(body: Mapping[str, Any], number: int, customer_code: str, now: datetime) -> Order:
    """Return the order for a valid create body. The same number gives the same id."""
    reference = f"ORD{number:011d}"
    order: Order = {
        "id": str(uuid5(NAMESPACE_URL, f"{customer_code}/{reference}")),
        "created_at": stamp(now),
        "customer": CUSTOMER,
        "reference": reference,
        "status": "created",
        "shipping_method": SHIPPING_METHOD,
        "shipping_address": {},
        "documents": [],
        "meta_data": {},
    }
    change(order, body, now)
    return order


def change(order: Order, body: Mapping[str, Any], now: datetime) -> None:
    """
    Apply a valid create or update body to `order`.

    Order lines replace the old ones (seed 004). Addresses and metadata are merged key by key. Documents are added.
    """
    for name, value in body.items():
        if name == "requested_delivery_date":
            order[name] = f"{value}T00:00:00+00:00"
        elif name in ("shipping_address", "meta_data"):
            order[name] |= value
        elif name == "order_lines":
            order[name] = [_line(line) for line in value]
        elif name == "shipping_contactperson":
            order["shipping_address"] |= {"contact_person": value}
        elif name == "shipping_email":
            order["shipping_address"] |= {"email_address": value}
        elif name != "documents":
            order[name] = value
    order["modified_at"] = stamp(now)


def _line(line: Mapping[str, Any]) -> Order:
    code = line["article_code"]
    variant = {"id": str(uuid5(NAMESPACE_URL, f"variant/{code}")), "article_code": code, "name": line["description"]}
    return {
        "variant": variant,
        "quantity": line["quantity"],
        "description": line["description"],
        "serial_numbers": [],
        "meta_data": dict(line.get("meta_data", {})),
        "price": line.get("price"),
    }


def document(body: Mapping[str, Any], order_id: str, number: int, content: bytes) -> Order:
    """Return the record of an order's document with the number `number`."""
    kind = next((kind for magic, kind in _MAGIC if content.startswith(magic)), "application/octet-stream")
    return {
        "id": str(uuid5(NAMESPACE_URL, f"{order_id}/documents/{number}")),
        "title": body["title"],
        "mime_type": kind,
        "quantity": body.get("quantity", 1),
        "is_shipping_label": body.get("shipping_label", False),
        "order_price": body.get("order_price", 0),
    }


def listed_document(record: Mapping[str, Any]) -> Order:
    """Return a document as the routes below an order show it."""
    return {name: record[name] for name in ("id", "title", "mime_type", "quantity")}


def full_document(record: Mapping[str, Any]) -> Order:
    """Return a document as `/wms/documents/:id/` shows it, with a signed link that expires (vendors.md, section 4)."""
    return {**record, "url": f"https://documents.invalid/{record['id']}?expires=600&signature=sandbox"}


def groups(header: str, known: frozenset[str] = EXPAND) -> frozenset[str]:
    """Return the groups of an `expand` header; raises `EwarehousingBadRequest` for an unknown group."""
    named = frozenset(name.strip() for name in header.split(",") if name.strip())
    if unknown := named - known:
        listed = ", ".join(sorted(unknown)).encode("ascii", "replace").decode()  # a header may have invalid UTF-8
        raise EwarehousingBadRequest(("", f"Unknown expand group: {listed}"))
    return named


def shown(order: Mapping[str, Any], expand: frozenset[str]) -> Order:
    """Return a single order with the requested groups."""
    content = {name: order[name] for name in CREATED if name in order}
    for name in ("shipping_address", "documents", "meta_data"):
        if name in expand:
            content[name] = order[name]
    if "order_lines" in expand:
        names = ["variant", "quantity", "description"]
        names += ["serial_numbers"] if "serial_numbers" in expand else []
        names += ["meta_data"] if "order_line_meta_data" in expand else []
        content["order_lines"] = [{name: line[name] for name in names} for line in order["order_lines"]]
    return content
