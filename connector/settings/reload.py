"""
Reloads settings while the connector runs: selects the changes that apply at once, and reports those that need a
restart.

A route's mapping, `split_street` and `totals`, the code tables, and secrets together with the account names that belong
to them (`username`, `client_id`) apply at once, the secrets where the endpoint supports it. Everything else applies
after a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import msgspec

from connector.settings.model import EndpointSettings, RouteSettings, Settings
from connector.settings.values import Secret

__all__ = ["Reloaded", "SupportsSecretRotation", "changed_keys", "with_new_parts"]

ACCOUNTS = ("username", "client_id")
"""Keys that are not secrets, but belong to the secret beside them."""
OF_ROUTES = ("mapping", "split_street", "totals")

S = TypeVar("S", bound=EndpointSettings)


@runtime_checkable
class SupportsSecretRotation(Protocol):
    """A source or receiver that accepts new secrets while it runs."""

    def rotate_secrets(self, settings: Any) -> None:
        """
        Use the secrets of `settings` from the next call on; the struct is the
        same and nothing else in it has changed.
        """


class Reloaded(msgspec.Struct, frozen=True):
    """
    The result of a reload: the number of orders released, and the keys that changed.

    `taken` apply now; `at_restart` apply after a restart. Both list paths as in the file, with routes named by their
    source.
    """

    released: int
    taken: Sequence[str] = ()
    at_restart: Sequence[str] = ()


def with_new_parts(old: Settings, new: Settings, rotates: Callable[[str], bool]) -> Settings:
    """
    Return `old` with every part of `new` that applies at once; `rotates(name)` is True for endpoints that accept new
    secrets.
    """
    routes = {route.source: route for route in new.routes}
    return msgspec.structs.replace(
        old,
        tables=new.tables,
        routes=[_route(route, routes.get(route.source)) for route in old.routes],
        sources=_endpoints(old.sources, new.sources, rotates),
        receivers=_endpoints(old.receivers, new.receivers, rotates),
    )


def changed_keys(old: Settings, new: Settings) -> list[str]:
    """Return the paths of all keys that differ, without their values."""
    return sorted(_differing(_by_source(old), _by_source(new), ""))


def _route(old: RouteSettings, new: RouteSettings | None) -> RouteSettings:
    if new is None or (old.receivers, old.optional) != (new.receivers, new.optional):
        return old  # the mapping may be per receiver, so it changes only together with the receivers
    return msgspec.structs.replace(old, **{name: getattr(new, name) for name in OF_ROUTES})


def _endpoints(old: Mapping[str, S], new: Mapping[str, S], rotates: Callable[[str], bool]) -> dict[str, S]:
    return {
        name: _with_secrets(own, new[name]) if name in new and type(new[name]) is type(own) and rotates(name) else own
        for name, own in old.items()
    }


def _with_secrets(old: S, new: S) -> S:
    fresh = {}
    for name in old.__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        is_account = name in ACCOUNTS and isinstance(before, str) and isinstance(after, str)
        if is_account or (isinstance(before, Secret) and isinstance(after, Secret)):
            fresh[name] = after
    return msgspec.structs.replace(old, **fresh)


def _by_source(settings: Settings) -> dict[str, Any]:
    every = {name: getattr(settings, name) for name in settings.__struct_fields__}
    return every | {"routes": {route.source: route for route in settings.routes}}


def _differing(old: Any, new: Any, path: str) -> Iterator[str]:
    if isinstance(old, msgspec.Struct) and type(old) is type(new):
        old, new = ({name: getattr(each, name) for name in each.__struct_fields__} for each in (old, new))
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in (*old, *(key for key in new if key not in old)):
            yield from _differing(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif old != new:
        yield path
