"""Checks the routes: names that exist, one route per source, and no production source that feeds a sandbox receiver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector.settings.model import EndpointSettings
from connector.settings.problems import Problems, did_you_mean, nearest
from connector.settings.values import Url
from connector.settings.yaml_file import Path

__all__ = ["check_names", "check_routes", "check_sandbox"]


def check_routes(values: Mapping[str, Any], problems: Problems) -> None:
    """Check the names in the routes of the file; parts of a wrong type are left to the schema."""
    sources, receivers, routes = (values.get(key) for key in ("sources", "receivers", "routes"))
    if not isinstance(sources, dict) or not isinstance(routes, list) or not routes:
        return
    first: dict[str, int] = {}
    complete = True  # every route names its source
    for index, route in enumerate(routes):
        path: Path = ("routes", index)
        source = route.get("source") if isinstance(route, dict) else None
        if isinstance(source, str) and source in sources:
            if source in first:
                line = problems.document.place(("routes", first[source], "source"))[0]
                text = f"the source '{source}' already has a route in line {line}; list all its receivers in one route"
                problems.add((*path, "source"), text)
            first.setdefault(source, index)
        elif isinstance(source, str):
            _unknown("source", source, sources, (*path, "source"), problems)
            if (path_meant := nearest(source, sources)) is not None:
                first.setdefault(path_meant, index)
        else:
            complete = False
        if isinstance(route, dict) and isinstance(receivers, dict):
            _check_receivers(route, receivers, path, problems)
    for name in sources:
        if isinstance(receivers, dict) and name in receivers:
            # Breakers, logs and `status` identify an endpoint by its name alone.
            problems.add(("sources", name), "a receiver has the same name; rename one of the two", at_key=True)
        if complete and name not in first:
            problems.add(
                ("sources", name),
                "no route uses this source, so its orders would go nowhere; add a route or remove the source",
                at_key=True,
            )


def check_names(values: Mapping[str, Any], sources: Mapping[str, EndpointSettings], problems: Problems) -> None:
    """
    Report two sources whose orders could get the same external id: `shop` with order `a-1`, and `shop-a` with order
    `1`.

    This cannot happen where order ids are whole numbers.
    """
    names = values.get("sources")
    for name, own in sources.items():
        if getattr(own, "numeric_ids", False) or not isinstance(names, dict):
            continue
        for other in names:
            if other.startswith(f"{name}-"):
                text = (
                    f"an order of {name} and one of this source could get the same external id; rename one of the two"
                )
                problems.add(("sources", other), text, at_key=True)


def _check_receivers(route: Mapping[str, Any], known: Mapping[str, Any], path: Path, problems: Problems) -> None:
    before: list[str] = []
    for place, name in _named(route, path):
        if not isinstance(name, str):
            continue
        if name not in known:
            _unknown("receiver", name, known, place, problems)
        elif name in before:
            problems.add(place, f"the receiver {problems.shown(place, name)} is listed twice; remove one of the two")
        before.append(name)


def _named(route: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the receivers of a route with their places."""
    for key in ("receivers", "optional"):
        names = route.get(key)
        for position, name in enumerate(names if isinstance(names, list) else ()):
            yield (*path, key, position), name


def _unknown(role: str, name: str, known: Mapping[str, Any], path: Path, problems: Problems) -> None:
    hint = "" if path in problems.filled else did_you_mean(name, known)
    listed = "" if hint else f"; the {role}s are {', '.join(known)}" if known else f"; there are no {role}s"
    problems.add(path, f"there is no {role} {problems.shown(path, name)}{hint}{listed}")


def check_sandbox(
    routes: list[Any],
    sources: Mapping[str, EndpointSettings],
    receivers: Mapping[str, EndpointSettings],
    problems: Problems,
) -> None:
    """
    Report a route from a production source to a sandbox receiver (design.md, section 5), in either environment.

    An endpoint is a test system if it says so (`test_system`), if its host is one that the vendor names as such, or if
    it is on this machine although the vendor's own is not: then it is a stand-in.
    """
    for index, route in enumerate(routes):
        if not isinstance(route, dict):
            continue
        name = str(route.get("source"))
        source = sources.get(name)
        if source is None or not source.usable or _is_test_system(source, local=True):
            continue
        for place, receiver in _named(route, ("routes", index)):
            own = receivers.get(str(receiver))
            if own is not None and _is_test_system(own, local=bool(own.sandbox_hosts) and not own.allow_private):
                problems.add(
                    place,
                    "orders of a production source would be acknowledged after delivery to a sandbox receiver; "
                    f"if the source is a test system too, add test_system: true to sources.{name}",
                )


def _is_test_system(endpoint: EndpointSettings, *, local: bool) -> bool:
    """Return True for a test system; with `local`, an endpoint on this machine is one."""
    if endpoint.test_system:
        return True
    address = getattr(endpoint, "base_url", None)
    if not isinstance(address, Url):
        return False
    return address.host in endpoint.sandbox_hosts or (local and address.reach == "machine")
