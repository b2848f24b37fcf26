"""
The filters, the sort order and the pages of `GET /wms/orders/` (seed 004).

Undocumented parameters are refused. The real vendor may ignore them and return every order, which a look-up must
never mistake for a result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from connector.sandbox.ewarehousing.validation import EwarehousingBadRequest, day

__all__ = ["OrderIndex", "choice", "cut", "listed"]

T = TypeVar("T")
Order = dict[str, Any]

DEFAULT_LIMIT = 50
LARGEST_LIMIT = 100

_EXACT = ("reference", "external_reference", "external_id", "status")
_SORT_FIELDS = {
    "createdAt": "created_at",
    "status": "status",
    "modifiedAt": "modified_at",
    "requestedDeliveryDate": "requested_delivery_date",
}
_PARAMETERS = frozenset(
    {*_EXACT, "is_business_to_business", "requested_delivery_date_gte", "limit", "page", "direction", "sort"}
)
_SHOWN = (
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
    "currency",
)


class OrderIndex:
    """
    An index of orders by a field that never changes.

    It is rebuilt when the number of orders differs, because tests add and remove orders directly.
    """

    def __init__(self, field: str) -> None:
        self._field = field
        self._ids: dict[str, list[str]] = {}
        self._size = 0

    def add(self, order: Order) -> None:
        """Add a new order to the index."""
        self._ids.setdefault(order.get(self._field, ""), []).append(order["id"])
        self._size += 1

    def find(self, orders: Mapping[str, Order], value: str) -> list[Order]:
        """Return the orders whose field is `value`, in order of creation."""
        if self._size != len(orders):
            self._ids, self._size = {}, 0
            for order in orders.values():
                self.add(order)
        found = (orders.get(order_id) for order_id in self._ids.get(value, ()))
        return [order for order in found if order is not None and order.get(self._field) == value]


def listed(orders: Iterable[Order], query: Mapping[str, str], *, page_base: int, fuzzy: bool) -> list[Order]:
    """
    Return the page of `orders` (given in order of creation) that `query` selects.

    - `page_base`: the number of the first page; `page` without `limit` is ignored, as older documentation says.
    - `fuzzy`: the `external_id` filter matches by prefix.

    Raises: `EwarehousingBadRequest` for an undocumented parameter or value.
    """
    for name in query:
        if name not in _PARAMETERS:
            raise EwarehousingBadRequest((name, "This parameter is not known."))
    found = list(orders)
    for test in _tests(query, fuzzy=fuzzy):
        found = [order for order in found if test(order)]
    field = _SORT_FIELDS.get(query.get("sort", "createdAt"))
    if field is None:
        raise EwarehousingBadRequest(("sort", f"Must be one of {', '.join(_SORT_FIELDS)}."))
    found.sort(key=lambda order: order.get(field, ""))
    if choice(query, "direction", ("asc", "desc"), "desc") == "desc":
        found.reverse()
    return [_summary(order) for order in cut(found, query, page_base=page_base)]


def cut(found: Sequence[T], query: Mapping[str, str], *, page_base: int) -> Sequence[T]:
    """Return the page given by `limit` and `page`; raises `EwarehousingBadRequest` for an invalid one."""
    limit = min(_number(query, "limit", DEFAULT_LIMIT, least=1), LARGEST_LIMIT)
    page = _number(query, "page", page_base, least=page_base) - page_base if "limit" in query else 0
    return found[page * limit : (page + 1) * limit]


def _summary(order: Order) -> Order:
    return {name: order[name] for name in _SHOWN if name in order}


def _tests(query: Mapping[str, str], *, fuzzy: bool) -> list[Callable[[Order], bool]]:
    tests: list[Callable[[Order], bool]] = []
    for name in _EXACT:
        if name in query:
            same = _starts(name, query[name]) if fuzzy and name == "external_id" else _equals(name, query[name])
            tests.append(same)
    if "is_business_to_business" in query:
        wanted = choice(query, "is_business_to_business", ("true", "false", "1", "0"), "") in ("true", "1")
        tests.append(lambda order: bool(order.get("business_to_business", False)) is wanted)
    if "requested_delivery_date_gte" in query:
        first = query["requested_delivery_date_gte"]
        if day(first) is None:
            raise EwarehousingBadRequest(("requested_delivery_date_gte", "This value is not a valid date."))
        tests.append(lambda order: order["requested_delivery_date"][:10] >= first)
    return tests


def _equals(name: str, value: str) -> Callable[[Order], bool]:
    return lambda order: order.get(name) == value


def _starts(name: str, value: str) -> Callable[[Order], bool]:
    return lambda order: str(order.get(name, "")).startswith(value)


def choice(query: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    """Return a parameter that must be one of `allowed`; raises `EwarehousingBadRequest` for any other value."""
    value = query.get(name, default)
    if value not in allowed:
        raise EwarehousingBadRequest((name, f"Must be one of {', '.join(allowed)}."))
    return value


def _number(query: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    value = query.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value) >= least):
        raise EwarehousingBadRequest((name, f"Must be a number from {least}."))
    return int(value)
