"""What must hold between the parts of the settings: names that exist, one route to a source, no sandbox by mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector.settings.model import EndpointSettings
from connector.settings.problems import Findings, did_you_mean, nearest
from connector.settings.values import Url
from connector.settings.yaml_file import Path

__all__ = ["check_names", "check_routes", "check_sandbox"]


def check_routes(values: Mapping[str, Any], findings: Findings) -> None:
    """Check the names in the routes of the file as it was read; parts of a wrong type are left to the schema."""
    sources, receivers, routes = (values.get(key) for key in ("sources", "receivers", "routes"))
    if not isinstance(sources, dict) or not isinstance(routes, list) or not routes:
        return
    first: dict[str, int] = {}
    complete = True  # whether every route says which source it means
    for index, route in enumerate(routes):
        path: Path = ("routes", index)
        source = route.get("source") if isinstance(route, dict) else None
        if isinstance(source, str) and source in sources:
            if source in first:
                line = findings.document.place(("routes", first[source], "source"))[0]
                text = f"the source '{source}' has a route already, in line {line}; list several receivers in one route"
                findings.add((*path, "source"), text)
            first.setdefault(source, index)
        elif isinstance(source, str):
            _unknown("source", source, sources, (*path, "source"), findings)
            if (path_meant := nearest(source, sources)) is not None:
                first.setdefault(path_meant, index)
        else:
            complete = False
        if isinstance(route, dict) and isinstance(receivers, dict):
            _check_receivers(route, receivers, path, findings)
    for name in sources:
        if isinstance(receivers, dict) and name in receivers:
            # Breakers, logs and `status` call an endpoint by its name alone.
            findings.add(("sources", name), "a receiver has this name, too; give one of them another", at_key=True)
        if complete and name not in first:
            findings.add(("sources", name), "no route uses this source: its orders would go nowhere", at_key=True)


def check_names(values: Mapping[str, Any], sources: Mapping[str, EndpointSettings], findings: Findings) -> None:
    """
    Refuse two sources whose orders could get one external id: `shop` with order `a-1`, and `shop-a` with order `1`.

    Where order ids are whole numbers this cannot be.
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
                findings.add(("sources", other), text, at_key=True)


def _check_receivers(route: Mapping[str, Any], known: Mapping[str, Any], path: Path, findings: Findings) -> None:
    before: list[str] = []
    for place, name in _named(route, path):
        if not isinstance(name, str):
            continue
        if name not in known:
            _unknown("receiver", name, known, place, findings)
        elif name in before:
            findings.add(place, f"the receiver {findings.shown(place, name)} is there twice")
        before.append(name)


def _named(route: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the receivers of a route, with their places."""
    for key in ("receivers", "optional"):
        names = route.get(key)
        for position, name in enumerate(names if isinstance(names, list) else ()):
            yield (*path, key, position), name


def _unknown(what: str, name: str, known: Mapping[str, Any], path: Path, findings: Findings) -> None:
    hint = "" if path in findings.filled else did_you_mean(name, known)
    listed = "" if hint else f"; there is {', '.join(known) or 'none'}"
    findings.add(path, f"there is no {what} {findings.shown(path, name)}{hint}{listed}")


def check_sandbox(
    routes: list[Any],
    sources: Mapping[str, EndpointSettings],
    receivers: Mapping[str, EndpointSettings],
    findings: Findings,
) -> None:
    """
    Refuse a route from a production source to a sandbox receiver (design.md, section 5), in either environment.

    A test system is one that says so (`test_system`), that is at an address which the vendor names as such, or that is
    on this machine where the vendor's own is elsewhere: a stand-in.
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
                findings.add(
                    place,
                    "a production source would be acknowledged for a sandbox receiver; is the source a test system, "
                    f"too, say test_system: true at sources.{name}",
                )


def _is_test_system(endpoint: EndpointSettings, *, local: bool) -> bool:
    """Tell whether an endpoint is a test system; `local`: one on this machine is."""
    if endpoint.test_system:
        return True
    address = getattr(endpoint, "base_url", None)
    if not isinstance(address, Url):
        return False
    return address.host in endpoint.sandbox_hosts or (local and address.reach == "machine")
