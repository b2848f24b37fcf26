"""
The identity in a request, `external_id`, which the connector sets, and no mapping; and what a receiver made of it.

A receiver is asked by it whether it has an order. Were it left out or changed on the way, the receiver would say that
it has nothing, and the order would be created again and again. So would a receiver that stores it differently.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from connector.errors import ConflictError, Unmappable, readable
from connector.order import Order

__all__ = ["ID", "REFUSAL", "carries_identity", "folded", "identified", "refuse_altered"]

ID = "external_id"
REFUSAL = "the connector sets external_id itself, for it asks the receiver by it; leave it out"

Identify = Callable[[Any, Order], Any]


def carries_identity(request: Any) -> bool:
    """Tell whether requests of the type `request` have an `external_id`; those of free form all have."""
    return getattr(request, "free_form", False) or _field(request) is not None


def identified(request: Any, by: str) -> Identify:
    """
    Return what puts an order's identity into what `by`, a mapping, made for a receiver that takes `request`.

    Raises:
        Unmappable: (the returned function) for a request that names another identity already.
    """
    if not carries_identity(request):
        return lambda made, _order: made
    field = _field(request) or ID

    def identify(made: Any, order: Order) -> Any:
        is_struct = isinstance(made, msgspec.Struct)
        if not is_struct and not isinstance(made, Mapping):
            return made  # what is no request is refused as such
        given = getattr(made, field, None) if is_struct else made.get(ID)
        if given == order.external_id:
            return made
        if given is not None:
            why = f"it gives {readable(repr(given), 200)} to the order {order.external_id}: {REFUSAL}"
            raise Unmappable(f"{by} sets external_id", why, ours=True)
        if is_struct:
            return msgspec.structs.replace(made, **{field: order.external_id}) if hasattr(made, field) else made
        return {ID: order.external_id, **{key: value for key, value in made.items() if key != ID}}

    return identify


def folded(external_id: str) -> str:
    """Return an id without what a receiver may change in it."""
    return "".join(unicodedata.normalize("NFKC", external_id).casefold().split())


def refuse_altered(name: str, external_id: str, shown: Iterable[str]) -> None:
    """
    Look among the ids of records that are not `external_id` for one that may be it, altered.

    Raises:
        ConflictError: there is one; `name` is the receiver.
    """
    wanted = folded(external_id)
    for other in shown:
        if other != external_id and folded(other) == wanted:
            raise ConflictError(
                f"{name} holds a record whose external id is {other!r}, and it was asked for {external_id!r}: it seems "
                "to store ids differently from how they are sent"
            )


def _field(request: Any) -> str | None:
    """Return the name of the struct's field that is `external_id` on the wire, if it has one."""
    if not (isinstance(request, type) and issubclass(request, msgspec.Struct)):
        return None
    return next((field.name for field in msgspec.structs.fields(request) if field.encode_name == ID), None)
