"""From values that have passed their schema to a struct; what only the struct can refuse is a mistake like others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from connector.settings.problems import Findings
from connector.settings.values import Duration, Rate, Secret, Url
from connector.settings.yaml_file import Path

__all__ = ["check_keys", "converted", "parts", "report"]

S = TypeVar("S", bound=msgspec.Struct)

READERS = {Secret: Secret, Duration: Duration.parse, Rate: Rate.parse, Url: Url.parse}


def converted(value: Any, struct: type[S], path: Path, findings: Findings) -> S | None:
    """Convert the value at `path`; return None, with a finding, if the struct does not take it."""
    try:
        return msgspec.convert(value, struct, dec_hook=lambda kind, inner: READERS[kind](inner))
    except msgspec.ValidationError as exc:
        message = str(exc)
    text, _, where = message.partition(" - at `$")
    steps = re.findall(r"\.([A-Za-z_]\w*)|\[(\d+)\]", where)
    at: Path = (*path, *(key or int(index) for key, index in steps))
    key, colon, rest = text.partition(": ")
    if colon and key in struct.__struct_fields__:  # as a __post_init__ names the key that it refuses
        at, text = (*path, key), rest
    findings.add(at, _scrubbed(text, findings))
    return None


def check_keys(struct: msgspec.Struct, path: Path, findings: Findings) -> None:
    """Report what a struct, or one inside it, says in `problems()` about its keys together."""
    report(getattr(struct, "problems", list)(), path, findings)
    for at, inner in parts(struct, path):
        if isinstance(inner, msgspec.Struct):
            check_keys(inner, at, findings)


def parts(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield what is in a struct, a mapping or a list of the settings, with its place; lists are looked into."""
    if isinstance(value, msgspec.Struct):
        inner: list[tuple[str | int, Any]] = [(name, getattr(value, name)) for name in value.__struct_fields__]
    elif isinstance(value, Mapping):
        inner = list(value.items())
    else:
        inner = list(enumerate(value))
    for key, each in inner:
        if isinstance(each, list | tuple | dict):
            yield from parts(each, (*path, key))
        else:
            yield (*path, key), each


def report(problems: Iterable[tuple[str, str]], path: Path, findings: Findings) -> None:
    """Report what a struct at `path` says of its keys."""
    for key, text in problems:
        at: Path = (*path, *key.split(".")) if key else path
        findings.add(at, _scrubbed(text, findings), at_key=not key or at not in findings.document.places)


def _scrubbed(text: str, findings: Findings) -> str:
    """Take out of a text that was written elsewhere what references were filled with: it may be a secret."""
    for path, filled in findings.filled.items():
        written = re.sub(r":-[^}]*", "", findings.document.written[path])
        for value, instead in ((repr(filled.text), f"'{written}'"), (filled.text, written)):
            if len(value) > 3:
                text = text.replace(value, instead)
    return text
