"""
Propeller's order search: its parameters and results (seed 000; vendors.md section 1).

Undocumented parameters are refused, so that a mistake of a client shows in tests and not in production.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = ["DEFAULT_PAGE", "EXPORT_STATUSES", "PropellerBadRequest", "expanded", "search"]

Order = dict[str, Any]
Test = Callable[[Order], bool]

DEFAULT_PAGE = 12
EXPORT_STATUSES = frozenset({"exported", "finished", "failed"})
EXPANDS = frozenset({"ORDER_ITEMS", "ADDRESSES", "SOURCES", "SHIPMENTS", "SHIPMENT_ITEMS", "TRACK_AND_TRACES"})
TYPES = frozenset({"dropshipment", "purchase", "quotation", "stock"})
TERM_FIELDS = ("id", "uuid", "email", "reference", "remarks", "recipientCompany")


class PropellerBadRequest(Exception):
    """Propeller's 400 response; `code` is one of its documented error codes."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def expanded(values: Iterable[str]) -> frozenset[str]:
    """
    Return the groups of the query parameter `expands`, in upper case.

    Names are separated by commas, in upper or lower case, because the vendor's documents use both. Raises
    `PropellerBadRequest` (10007) for an unknown group.
    """
    groups = frozenset(name.strip().upper() for value in values for name in value.split(",") if name.strip())
    if unknown := groups - EXPANDS:
        raise PropellerBadRequest(10007, f"expands: unknown value {', '.join(sorted(unknown))}")
    return groups


def search(orders: Mapping[int, Order], body: Any, expands: frozenset[str], *, largest_page: int) -> dict[str, Any]:
    """
    Return one page of the orders that `body` selects, in id order by default. A page past the end is empty.

    Raises: `PropellerBadRequest` with code 10007 for an undocumented key or value, and 10015 for an invalid page.
    """
    if not isinstance(body, dict):
        raise PropellerBadRequest(10007, "the body must be an object")
    page, size = _paging(body, largest_page)
    tests = [_test(key, body) for key in body if key not in _SHAPING]
    found = list(orders.values())
    for test in tests:
        found = [order for order in found if test(order)]
    found.sort(key=_SORT_KEYS["ID"])
    for key, descending in reversed(_sorting(body.get("sortInputs", []))):
        found.sort(key=key, reverse=descending)

    first = (page - 1) * size
    shown = found[first : first + size]
    hidden = {name for name, group in (("items", "ORDER_ITEMS"), ("addresses", "ADDRESSES")) if group not in expands}
    return {
        "items": [{k: v for k, v in order.items() if k not in hidden} for order in shown] if hidden else shown,
        "itemsFound": len(found),
        "offset": size,
        "page": page,
        "pages": -(-len(found) // size),
        "start": first + 1 if shown else 0,
        "end": first + len(shown) if shown else 0,
    }


_SHAPING = frozenset({"page", "offset", "sortInputs", "termFields"})


def _test(key: str, body: dict[str, Any]) -> Test:
    """Return the filter for the search key `key`."""
    value = body[key]
    if key == "status":
        return _one_of("status", _list(key, value, str))
    if key == "types":
        return _one_of("type", _list(key, value, str, TYPES))
    if key == "userIds":
        return _one_of("userId", _list(key, value, int))
    if key == "companyIds":
        return _one_of("companyId", _list(key, value, int))
    if key == "exportStatuses":
        statuses = _list(key, value, str, EXPORT_STATUSES | {""}) or frozenset({""})
        return lambda order: (order["exportStatus"] or "") in statuses
    if key == "createdAt":
        return _between(key, value, lambda order: order["date"])
    if key == "lastModifiedAt":
        return _between(key, value, _modified)
    if key == "term":
        return _mentions(value, body.get("termFields"))
    raise PropellerBadRequest(10007, f"{key}: unknown field")


def _list(key: str, value: Any, kind: type, allowed: frozenset[str] | None = None) -> frozenset[Any]:
    if not isinstance(value, list) or not all(type(item) is kind for item in value):
        raise PropellerBadRequest(10007, f"{key}: must be a list of {'numbers' if kind is int else 'strings'}")
    if allowed is not None and (unknown := set(value) - allowed):
        raise PropellerBadRequest(10007, f"{key}: unknown value {', '.join(sorted(unknown))}")
    return frozenset(value)


def _one_of(field: str, values: frozenset[Any]) -> Test:
    """Return a filter for one of `values`; an empty list selects all orders (but see `exportStatuses`)."""
    return lambda order: not values or order.get(field) in values


def _between(key: str, value: Any, moment: Callable[[Order], str]) -> Test:
    """Return a filter for a period: `from` and `to` (guide), or `greaterThan` and `lessThan` (vendor's client)."""
    if not isinstance(value, dict) or not value or value.keys() - {"from", "to", "greaterThan", "lessThan"}:
        raise PropellerBadRequest(10007, f"{key}: must be an object of from and to")
    bounds = {name: _moment(key, text) for name, text in value.items()}

    def test(order: Order) -> bool:
        at = _moment(key, moment(order))
        return (
            ("from" not in bounds or bounds["from"] <= at)
            and ("to" not in bounds or at <= bounds["to"])
            and ("greaterThan" not in bounds or bounds["greaterThan"] < at)
            and ("lessThan" not in bounds or at < bounds["lessThan"])
        )

    return test


def _moment(key: str, text: Any) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise PropellerBadRequest(10007, f"{key}: {text!r} is not a date") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _modified(order: Order) -> str:
    """Return the time of the order's last known change: its export, or else its creation."""
    return str(order["exportedAt"] or order["date"])


def _company(order: Order) -> str:
    return next((str(address.get("company") or "") for address in order["addresses"]), "")


def _mentions(term: Any, fields: Any) -> Test:
    if not isinstance(term, str):
        raise PropellerBadRequest(10007, "term: must be a string")
    names = TERM_FIELDS if fields is None else _list("termFields", fields, str, frozenset(TERM_FIELDS))
    sought = term.casefold()

    def test(order: Order) -> bool:
        texts = (_company(order) if name == "recipientCompany" else str(order.get(name) or "") for name in names)
        return any(sought in text.casefold() for text in texts)

    return test


_SORT_KEYS: Mapping[str, Callable[[Order], Any]] = {
    "ID": lambda order: order["id"],
    "CREATED_AT": lambda order: order["date"],
    "LAST_MODIFIED_AT": _modified,
    "STATUS": lambda order: order["status"],
    "COMPANY": _company,
    "TOTAL_GROSS": lambda order: order["total"]["gross"],
}


def _sorting(inputs: Any) -> list[tuple[Callable[[Order], Any], bool]]:
    if not isinstance(inputs, list):
        raise PropellerBadRequest(10007, "sortInputs: must be a list")
    keys = []
    for entry in inputs:
        if not isinstance(entry, dict) or entry.keys() - {"field", "order"}:
            raise PropellerBadRequest(10007, "sortInputs: must hold objects of field and order")
        field, order = entry.get("field"), entry.get("order", "ASC")
        if not isinstance(field, str) or field not in _SORT_KEYS or order not in ("ASC", "DESC"):
            raise PropellerBadRequest(10007, f"sortInputs: cannot sort by {field!r} {order!r}")
        keys.append((_SORT_KEYS[field], order == "DESC"))
    return keys


def _paging(body: dict[str, Any], largest_page: int) -> tuple[int, int]:
    page, size = body.get("page", 1), body.get("offset", DEFAULT_PAGE)
    if type(page) is not int or page < 1:
        raise PropellerBadRequest(10015, "page: must be a number from 1")
    if type(size) is not int or not 1 <= size <= largest_page:
        raise PropellerBadRequest(10015, f"offset: must be a number from 1 to {largest_page}")
    return page, size
