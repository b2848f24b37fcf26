"""eWarehousing's shipments: `GET /wms/shipments/` (vendors.md, section 4; not in the seed)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from connector.sandbox.ewarehousing.listing import choice, cut
from connector.sandbox.ewarehousing.orders import groups, stamp
from connector.sandbox.ewarehousing.validation import EwarehousingBadRequest, day

__all__ = ["new_shipment", "shipments"]

Shipment = dict[str, Any]

EXPAND = frozenset(
    {
        "shipment_lines",
        "shipment_labels",
        "shipping_address",
        "shipping_method",
        "serial_numbers",
        "variant",
        "administration_code",
    }
)
"""The groups of the `expand` header for shipments; the stand-in has no data for some of them."""

_REFERENCE = ("order_external_reference", "order_external_reference[]")
_PARAMETERS = frozenset({*_REFERENCE, "from", "to", "limit", "page", "direction", "sort"})
_SORT_FIELDS = {"reference": "reference", "createdAt": "created_at"}


def new_shipment(order: Mapping[str, Any], number: int, tracking_code: str, now: datetime) -> Shipment:
    """Return a shipment of the whole `order` as one parcel."""
    reference = f"SHP{number:011d}"
    return {
        "id": str(uuid5(NAMESPACE_URL, f"{order['id']}/{reference}")),
        "customer": order["customer"],
        "created_at": stamp(now),
        "modified_at": stamp(now),
        "order_id": order["id"],
        "order_external_reference": [order["external_reference"]],
        "reference": reference,
        "shipping_method": {"id": order["shipping_method"], "shipper": "PostNL", "shipper_code": "PNL", "code": "3085"},
        "shipment_labels": [
            {
                "label_code": f"L{number:07d}",
                "tracking_code": tracking_code,
                "tracking_url": f"https://tracking.invalid/{tracking_code}",
            }
        ],
        "shipment_lines": [
            {
                "shipped_quantity": line["quantity"],
                "shipped_article_code": line["variant"]["article_code"],
                "shipped_sku": line["variant"]["article_code"],
                "shipped_ean": "",
                "serial_numbers": line["serial_numbers"],
            }
            for line in order["order_lines"]
        ],
    }


def shipments(
    known: Sequence[Shipment], parameters: Sequence[tuple[str, str]], expand: str, *, page_base: int
) -> list[Shipment]:
    """
    Return the page of the shipments `known` that the query `parameters` select, sorted by reference by default.

    Raises: `EwarehousingBadRequest` for a parameter that is not documented.
    """
    query = dict(parameters)
    for name in query:
        if name not in _PARAMETERS:
            raise EwarehousingBadRequest((name, "This parameter is not known."))
    shown = groups(expand, EXPAND)
    wanted = {value for name, value in parameters if name in _REFERENCE}
    found = [one for one in known if not wanted or not wanted.isdisjoint(one["order_external_reference"])]
    first, last = _day(query, "from", "0000-00-00"), _day(query, "to", "9999-99-99")
    found = [one for one in found if first <= one["created_at"][:10] <= last]
    field = _SORT_FIELDS[choice(query, "sort", tuple(_SORT_FIELDS), "reference")]
    found.sort(key=lambda one: str(one[field]), reverse=choice(query, "direction", ("asc", "desc"), "desc") == "desc")
    hidden = EXPAND - shown
    return [{k: v for k, v in one.items() if k not in hidden} for one in cut(found, query, page_base=page_base)]


def _day(query: Mapping[str, str], name: str, default: str) -> str:
    if name in query and day(query[name]) is None:
        raise EwarehousingBadRequest((name, "This value is not a valid date."))
    return query.get(name, default)
