"""Checks the mappings of the routes, each mistake with its line and column, and numbers with too many digits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Protocol

from connector.settings.model import FUNCTION, by_receiver
from connector.settings.problems import Problems, did_you_mean
from connector.settings.yaml_file import Path

__all__ = ["CheckMapping", "check_mappings", "check_numbers", "mappings_to", "unchecked"]


class MappingProblem(Protocol):
    """A mistake in a mapping: in the key at `path`, or in its value."""

    @property
    def path(self) -> Path:
        """Keys and list positions, starting at the root of the mapping."""

    @property
    def text(self) -> str:
        """A description on one line."""

    @property
    def at_key(self) -> bool:
        """True if the mistake is in the key and not in the value."""


CheckMapping = Callable[[Mapping[str, Any], str, Mapping[str, Any]], Iterable[MappingProblem]]
"""Finds the mistakes of a mapping, given its tree, the type of its receiver, and the code tables."""


def unchecked(_tree: Mapping[str, Any], _kind: str, _tables: Mapping[str, Any]) -> Iterable[MappingProblem]:
    """Report no mistakes; for callers that do not know the receiver types."""
    return ()


def check_mappings(values: Mapping[str, Any], check: CheckMapping, problems: Problems) -> None:
    """Check the mapping of every route; parts of a wrong type are left to the schema."""
    routes, tables = values.get("routes"), values.get("tables")
    tables = {name: rows for name, rows in tables.items() if isinstance(rows, dict)} if isinstance(tables, dict) else {}
    check_numbers(tables, ("tables",), problems)
    for index, route in enumerate(routes if isinstance(routes, list) else ()):
        mapping = route.get("mapping") if isinstance(route, dict) else None
        if not isinstance(mapping, dict):
            continue
        path: Path = ("routes", index, "mapping")
        check_numbers(mapping, path, problems)
        _check_references(mapping, path, problems)
        named = [name for key in ("receivers", "optional") for name in _list(route.get(key)) if isinstance(name, str)]
        for name, tree, at in _trees(mapping, named, path, problems):
            receiver = _dict(_dict(values.get("receivers")).get(name))
            kind = receiver.get("type")
            for problem in check(tree, kind if isinstance(kind, str) else "", tables):
                place = (*at, *problem.path)
                text = problem.text
                if place in problems.filled:  # the filled-in value may be a secret
                    text = "the receiver does not accept the value filled in here"
                problems.add(place, text, at_key=problem.at_key)


def mappings_to(receiver: str, values: Mapping[str, Any]) -> list[Any]:
    """Return the mapping of each route that leads to a receiver; None stands for the receiver's default mapping."""
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
    mapping: dict[str, Any], named: list[str], path: Path, problems: Problems
) -> Iterable[tuple[str, dict[str, Any], Path]]:
    """Yield, for each receiver of a route, its name, the tree of its mapping, and the place of that tree."""
    if not named:
        return
    if not by_receiver(mapping, named):
        yield named[0], mapping, path
        return
    for name, own in mapping.items():
        at = (*path, name)
        if name not in named:
            hint = did_you_mean(name, named) or f"; the receivers are {', '.join(named)}"
            text = f"a route with several receivers has its mappings under the receivers' names{hint}"
            problems.add(at, text, at_key=True)
        elif isinstance(own, dict):
            yield name, own, at
        elif not (own is None or (isinstance(own, str) and FUNCTION.fullmatch(own))):
            problems.add(at, "must be a mapping, or text of the form module:function")


def check_numbers(value: Any, path: Path, problems: Problems) -> None:
    """Report numbers that a float cannot hold exactly: an amount must never change on its way."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            check_numbers(inner, (*path, key), problems)
    elif isinstance(value, float) and path not in problems.filled and not problems.is_broken(path):
        written = Decimal(problems.document.written[path].replace("_", ""))
        if written != Decimal(repr(value)):
            problems.add(path, "this number has too many digits to be kept exactly; write it in quotes")


def _check_references(value: Any, path: Path, problems: Problems) -> None:
    """Report expressions that contain references: a filled-in value stays text and is never evaluated."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            _check_references(inner, (*path, key), problems)
    elif path in problems.filled and isinstance(value, str) and value.startswith("="):
        if problems.document.written[path].startswith("="):
            problems.break_at(
                path, "an expression cannot contain ${...}; move the value to a key of its own, or to a table"
            )
        else:
            problems.break_at(path, "the value filled in here begins with = and would be read as an expression")


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
