"""
Sets `external_id`, the identity of an order, in requests, and detects receivers that alter it.

The connector looks orders up by this id. If it were missing or changed, the look-up would find nothing, and the order
would be created again and again; likewise if the receiver stored it differently. So the connector sets it, and no
mapping can.
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
REFUSAL = "the connector sets external_id itself, because it looks orders up by it; remove the key"

Identify = Callable[[Any, Order], Any]


def carries_identity(request: Any) -> bool:
    """Return True if requests of the type `request` have an `external_id`; those of free form always do."""
    return getattr(request, "free_form", False) or _field(request) is not None


def identified(request: Any, by: str) -> Identify:
    """
    Return a function that sets an order's identity in a request of the type `request`, made by the mapping `by`.

    Raises:
        Unmappable: (the returned function) the request already has another identity.
    """
    if not carries_identity(request):
        return lambda made, _order: made
    field = _field(request) or ID

    def identify(made: Any, order: Order) -> Any:
        is_struct = isinstance(made, msgspec.Struct)
        if not is_struct and not isinstance(made, Mapping):
            return made  # not a request; it is rejected later
        given = getattr(made, field, None) if is_struct else made.get(ID)
        if given == order.external_id:
            return made
        if given is not None:
            why = f"it sets {readable(repr(given), 200)} for the order {order.external_id}: {REFUSAL}"
            raise Unmappable(f"{by} sets external_id", why, ours=True)
        if is_struct:
            return msgspec.structs.replace(made, **{field: order.external_id}) if hasattr(made, field) else made
        return {ID: order.external_id, **{key: value for key, value in made.items() if key != ID}}

    return identify


def folded(external_id: str) -> str:
    """Return an id without the features that a receiver may alter: case, width and spaces."""
    return "".join(unicodedata.normalize("NFKC", external_id).casefold().split())


def refuse_altered(name: str, external_id: str, shown: Iterable[str]) -> None:
    """
    Check the ids of records that are not `external_id` for an altered form of it.

    Raises:
        ConflictError: there is one; `name` is the receiver.
    """
    wanted = folded(external_id)
    for other in shown:
        if other != external_id and folded(other) == wanted:
            raise ConflictError(
                f"{name} has a record with the external id {other!r}, the look-up was for {external_id!r}: it seems "
                "to store ids differently from the way they are sent"
            )


def _field(request: Any) -> str | None:
    """Return the name of the struct's field that is `external_id` on the wire, or None."""
    if not (isinstance(request, type) and issubclass(request, msgspec.Struct)):
        return None
    return next((field.name for field in msgspec.structs.fields(request) if field.encode_name == ID), None)
