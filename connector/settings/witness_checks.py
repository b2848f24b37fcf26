"""The receivers that are to tell whether the journal is an older copy: each is there, and can be asked for that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.settings.model import ReceiverSettings
from connector.settings.problems import Findings, did_you_mean
from connector.settings.yaml_file import Path

__all__ = ["check_witness"]


def check_witness(values: Mapping[str, Any], types: Mapping[str, type[ReceiverSettings]], findings: Findings) -> None:
    """Refuse a witness that names nothing, or a receiver that is not there, has no route or cannot be asked."""
    witness, known = values.get("witness"), values.get("receivers")
    if not isinstance(witness, dict):
        return
    names = witness.get("receivers", [])
    if not names and witness.get("path") is None and witness.keys() <= {"path", "receivers"}:
        findings.add(("witness",), "name a path on another volume, receivers that are asked, or both", at_key=True)
    if not isinstance(names, list) or not isinstance(known, dict):
        return
    for index, name in enumerate(names):
        at: Path = ("witness", "receivers", index)
        if not isinstance(name, str):
            continue
        if name not in known:
            hint = "" if at in findings.filled else did_you_mean(name, known)
            listed = "" if hint else f"; there is {', '.join(known) or 'none'}"
            findings.add(at, f"there is no receiver {findings.shown(at, name)}{hint}{listed}")
        elif name in names[:index]:
            findings.add(at, f"the receiver {findings.shown(at, name)} is there twice")
        elif not _can_be_asked(known[name], types):
            able = ", ".join(sorted(each for each, struct in types.items() if struct.lists_newest)) or "none"
            findings.add(at, f"a receiver of its type cannot be asked for its newest orders; those that can: {able}")
        elif not _has_a_route(name, values.get("routes")):
            findings.add(at, "no route leads to this receiver, so it has no orders of this journal")


def _can_be_asked(receiver: Any, types: Mapping[str, type[ReceiverSettings]]) -> bool:
    """Tell whether a receiver's type lists its newest orders; of one that is not known, nothing is said."""
    kind = receiver.get("type") if isinstance(receiver, dict) else None
    struct = types.get(kind) if isinstance(kind, str) else None
    return struct is None or struct.lists_newest or not struct.usable


def _has_a_route(name: str, routes: Any) -> bool:
    """Tell whether a route names a receiver; of routes that cannot be read, nothing is said."""
    if not isinstance(routes, list) or not all(isinstance(route, dict) for route in routes):
        return True
    named = [route.get(key) for route in routes for key in ("receivers", "optional")]
    return any(isinstance(each, list) and name in each for each in named)
