"""Mistakes in the routes' mappings, each at the line and column of its leaf; and numbers that would not keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol

from connector.settings.model import FUNCTION, by_receiver
from connector.settings.problems import Findings, did_you_mean
from connector.settings.yaml_file import Path

__all__ = ["CheckMapping", "check_mappings", "check_numbers", "mappings_to", "unchecked"]


class Mistake(Protocol):
    """What is wrong at a path in a mapping: in the key there, or in its value."""

    @property
    def path(self) -> Path:
        """Keys and list positions from the mapping's own root."""

    @property
    def text(self) -> str:
        """One line."""

    @property
    def at_key(self) -> bool:
        """Whether it is about the key."""


CheckMapping = Callable[[Mapping[str, Any], str, Mapping[str, Any]], Iterable[Mistake]]
"""Finds the mistakes of a mapping: its tree, the type of its receiver, the tables."""


def unchecked(_tree: Mapping[str, Any], _kind: str, _tables: Mapping[str, Any]) -> Iterable[Mistake]:
    """Find nothing; for who knows no receivers."""
    return ()


def check_mappings(values: Mapping[str, Any], check: CheckMapping, findings: Findings) -> None:
    """Check the mapping of every route; parts of a wrong type are left to the schema."""
    routes, tables = values.get("routes"), values.get("tables")
    tables = {name: rows for name, rows in tables.items() if isinstance(rows, dict)} if isinstance(tables, dict) else {}
    check_numbers(tables, ("tables",), findings)
    for index, route in enumerate(routes if isinstance(routes, list) else ()):
        mapping = route.get("mapping") if isinstance(route, dict) else None
        if not isinstance(mapping, dict):
            continue
        path: Path = ("routes", index, "mapping")
        check_numbers(mapping, path, findings)
        _check_references(mapping, path, findings)
        named = [name for key in ("receivers", "optional") for name in _list(route.get(key)) if isinstance(name, str)]
        for name, tree, at in _trees(mapping, named, path, findings):
            receiver = _dict(_dict(values.get("receivers")).get(name))
            kind = receiver.get("type")
            for mistake in check(tree, kind if isinstance(kind, str) else "", tables):
                place = (*at, *mistake.path)
                text = mistake.text
                if place in findings.filled:  # what it was filled with may be a secret
                    text = "the receiver does not take what this is filled with"
                findings.add(place, text, at_key=mistake.at_key)


def mappings_to(receiver: str, values: Mapping[str, Any]) -> list[Any]:
    """Return the mapping of each route that leads to a receiver; None is its default."""
    found = []
    for route in _list(values.get("routes")):
        listed = [name for key in ("receivers", "optional") for name in _list(_dict(route).get(key))]
        named = [name for name in listed if isinstance(name, str)]
        if receiver in named:
            mapping = route.get("mapping")
            found.append(
                mapping.get(receiver) if isinstance(mapping, dict) and by_receiver(mapping, named) else mapping
            )
    return found


def _trees(
    mapping: dict[str, Any], named: list[str], path: Path, findings: Findings
) -> Iterable[tuple[str, dict[str, Any], Path]]:
    """Yield the name of a receiver, its tree, and where that is."""
    if not named:
        return
    if not by_receiver(mapping, named):
        yield named[0], mapping, path
        return
    for name, own in mapping.items():
        at = (*path, name)
        if name not in named:
            hint = did_you_mean(name, named) or f"; they are {', '.join(named)}"
            text = f"where a route has several receivers, its mapping stands under their names{hint}"
            findings.add(at, text, at_key=True)
        elif isinstance(own, dict):
            yield name, own, at
        elif not (own is None or (isinstance(own, str) and FUNCTION.fullmatch(own))):
            findings.add(at, "must be a mapping, or of the form module:function")


def check_numbers(value: Any, path: Path, findings: Findings) -> None:
    """Refuse numbers with more digits than are kept: an amount is never changed on its way."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            check_numbers(inner, (*path, key), findings)
    elif isinstance(value, float) and path not in findings.filled and not findings.is_broken(path):
        written = Decimal(findings.document.written[path].replace("_", ""))
        if written != Decimal(repr(value)):
            findings.add(path, "this number has more digits than can be kept; write it in quotes")


def _check_references(value: Any, path: Path, findings: Findings) -> None:
    """Refuse expressions with references in them: what is filled in stays text, and is never read as an expression."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            _check_references(inner, (*path, key), findings)
    elif path in findings.filled and isinstance(value, str) and value.startswith("="):
        if findings.document.written[path].startswith("="):
            findings.break_at(path, "an expression holds no ${...}; give the value a key of its own, or a table")
        else:
            findings.break_at(path, "what this is filled with begins with =, which is no text here")


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
