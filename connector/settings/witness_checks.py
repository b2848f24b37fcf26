"""
Checks the receivers that serve as witnesses of the journal: each exists, has
a route, and can list its newest orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.settings.model import ReceiverSettings
from connector.settings.problems import Problems, did_you_mean
from connector.settings.yaml_file import Path

__all__ = ["check_witness"]


def check_witness(values: Mapping[str, Any], types: Mapping[str, type[ReceiverSettings]], problems: Problems) -> None:
    """
    Report a witness that names nothing, or a receiver that is unknown, has no
    route, or cannot list its newest orders.
    """
    witness, known = values.get("witness"), values.get("receivers")
    if not isinstance(witness, dict):
        return
    names = witness.get("receivers", [])
    if not names and witness.get("path") is None and witness.keys() <= {"path", "receivers"}:
        problems.add(
            ("witness",),
            "write path: with a file on another volume, receivers: with a list of names, or both",
            at_key=True,
        )
    if not isinstance(names, list) or not isinstance(known, dict):
        return
    for index, name in enumerate(names):
        at: Path = ("witness", "receivers", index)
        if not isinstance(name, str):
            continue
        if name not in known:
            hint = "" if at in problems.filled else did_you_mean(name, known)
            listed = "" if hint else f"; the receivers are {', '.join(known)}" if known else "; there are no receivers"
            problems.add(at, f"there is no receiver {problems.shown(at, name)}{hint}{listed}")
        elif name in names[:index]:
            problems.add(at, f"the receiver {problems.shown(at, name)} is listed twice; remove one of the two")
        elif not _lists_newest(known[name], types):
            able = ", ".join(sorted(each for each, struct in types.items() if struct.lists_newest)) or "none"
            problems.add(at, f"a receiver of this type cannot list its newest orders; types that can: {able}")
        elif not _has_a_route(name, values.get("routes")):
            problems.add(at, "no route leads to this receiver, so it has no orders from this journal; name another one")


def _lists_newest(receiver: Any, types: Mapping[str, type[ReceiverSettings]]) -> bool:
    """Return False for a receiver whose type cannot list its newest orders; unknown types count as able."""
    kind = receiver.get("type") if isinstance(receiver, dict) else None
    struct = types.get(kind) if isinstance(kind, str) else None
    return struct is None or struct.lists_newest or not struct.usable


def _has_a_route(name: str, routes: Any) -> bool:
    """Return False for a receiver that no route names; True if the routes cannot be read."""
    if not isinstance(routes, list) or not all(isinstance(route, dict) for route in routes):
        return True
    named = [route.get(key) for route in routes for key in ("receivers", "optional")]
    return any(isinstance(each, list) and name in each for each in named)
