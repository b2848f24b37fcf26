"""
Changes of the settings while the connector runs: what is taken at once, new secrets among it, and what needs a restart.

Mappings, code tables, totals and `split_street` of a route are read anew, and so are secrets with the names that belong
to them (`username`, `client_id`) where the endpoint can take new ones. Everything else counts from the next start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import msgspec

from connector.settings.model import EndpointSettings, RouteSettings, Settings
from connector.settings.values import Secret

__all__ = ["Reloaded", "SupportsSecretRotation", "changed_keys", "with_new_parts"]

ACCOUNTS = ("username", "client_id")
"""Keys that are no secrets, and mean nothing without the one beside them."""
OF_ROUTES = ("mapping", "split_street", "totals")

S = TypeVar("S", bound=EndpointSettings)


@runtime_checkable
class SupportsSecretRotation(Protocol):
    """A source or receiver that takes new secrets while it works."""

    def rotate_secrets(self, settings: Any) -> None:
        """Use the secrets of `settings`, which is of the same struct and has no other change, from the next call on."""


class Reloaded(msgspec.Struct, frozen=True):
    """
    How a reload ended: how many orders it released, and which keys changed.

    `taken` are in use now; `at_restart` count from the next start. Both are paths as in the file, routes by source.
    """

    released: int
    taken: Sequence[str] = ()
    at_restart: Sequence[str] = ()


def with_new_parts(old: Settings, new: Settings, rotates: Callable[[str], bool]) -> Settings:
    """Return `old` with all of `new` that can be taken at once; `rotates` tells which endpoints take new secrets."""
    routes = {route.source: route for route in new.routes}
    return msgspec.structs.replace(
        old,
        tables=new.tables,
        routes=[_route(route, routes.get(route.source)) for route in old.routes],
        sources=_endpoints(old.sources, new.sources, rotates),
        receivers=_endpoints(old.receivers, new.receivers, rotates),
    )


def changed_keys(old: Settings, new: Settings) -> list[str]:
    """Return the paths of all keys that differ; values are never shown."""
    return sorted(_differing(_by_source(old), _by_source(new), ""))


def _route(old: RouteSettings, new: RouteSettings | None) -> RouteSettings:
    if new is None or (old.receivers, old.optional) != (new.receivers, new.optional):
        return old  # its mapping may be by receiver: all of it changes together
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
