"""
Reads settings.yaml into plain values, with the line and column of each.

Accepts YAML 1.2, restricted to the part that is obvious to a reader of the file: no anchors, aliases, tags, merge keys
or second documents. `NO`, `22:30` and dates are text. Every mistake is recorded with its place, so that one does not
hide the next; reading stops only at a file that is not YAML at all.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, DocumentStartEvent, NodeEvent
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

__all__ = ["Path", "Place", "YamlDocument", "read"]

Path = tuple[str | int, ...]
"""The location of a value in the tree: keys and list positions from the root."""

Place = tuple[int, int]
"""Line and column, both counted from 1."""

DEEPEST = 24
"""The deepest nesting accepted; the settings need six levels."""

TAG = "tag:yaml.org,2002:"


class YamlDocument(msgspec.Struct):
    """
    The contents of a file. `broken` holds the paths of values that could not be
    read; no more is reported about them.
    """

    values: Any = None
    places: dict[Path, Place] = msgspec.field(default_factory=dict)
    keys: dict[Path, Place] = msgspec.field(default_factory=dict)
    written: dict[Path, str] = msgspec.field(default_factory=dict)
    broken: set[Path] = msgspec.field(default_factory=set)
    problems: list[tuple[Place, Path, str]] = msgspec.field(default_factory=list)

    def place(self, path: Path) -> Place:
        """Return the place of the value at `path`, or of the nearest value around it that has one."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))

    def key_place(self, path: Path) -> Place:
        """Return the place of the key of `path`; for an item of a list, the place of the item."""
        while path and path not in self.places:
            path = path[:-1]
        return self.keys.get(path) or self.place(path) if path else (1, 1)


def read(text: str) -> YamlDocument:
    """Parse `text`. Never raises: mistakes are in `problems`, and `values` is None if nothing could be read."""
    document = YamlDocument()
    text = text.removeprefix("\ufeff")
    try:
        if not _find_unsupported(text, document):
            return document
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReusedAnchorWarning)  # every anchor has already been reported
            root = YAML(typ="safe", pure=True).compose(text)
    except YAMLError as exc:
        if not document.problems:
            document.problems.append((_place_of(exc, text), (), _explain(exc)))
        return document
    if not isinstance(root, MappingNode):
        state = "the file is empty" if root is None else "the file is not a mapping"
        document.problems.append(
            (_start(root) if root else (1, 1), (), f"{state}; write sources:, receivers:, routes:")
        )
        return document
    document.values = _value(root, (), document, set())
    return document


def _find_unsupported(text: str, document: YamlDocument) -> bool:
    """Record everything that is valid YAML but not allowed in settings; return True if the tree may be built."""
    depth = documents = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        place = _start(event)
        if isinstance(event, DocumentStartEvent):
            documents += 1
            if documents > 1:
                document.problems.append((place, (), "a second document begins here; settings are one document"))
                return False
            if event.version or event.tags:
                document.problems.append((place, (), "a % directive is not accepted; remove it, the file is YAML 1.2"))
                return False
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        elif isinstance(event, CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                document.problems.append((place, (), f"nested more than {DEEPEST} levels deep"))
                return False
        # The text after the sign is never repeated: it may be a password that lacks its quotes.
        if isinstance(event, AliasEvent):
            document.problems.append((place, (), "aliases are not accepted; if the * belongs to text, use quotes"))
        elif isinstance(event, NodeEvent):
            if event.anchor is not None:
                document.problems.append((place, (), "anchors are not accepted; if the & belongs to text, use quotes"))
            if getattr(event, "ctag", None) is not None:
                document.problems.append((place, (), "tags are not accepted; if the ! belongs to text, use quotes"))
    return True


def _value(node: Any, path: Path, document: YamlDocument, seen: set[int]) -> Any:
    document.places[path] = _start(node)
    if id(node) in seen:  # an alias, already reported; following it might never end
        document.broken.add(path)
        return None
    seen.add(id(node))
    if isinstance(node, MappingNode):
        return _mapping(node, path, document, seen)
    if isinstance(node, SequenceNode):
        return [_value(item, (*path, index), document, seen) for index, item in enumerate(node.value)]
    return _scalar(node, path, document)


def _mapping(node: MappingNode, path: Path, document: YamlDocument, seen: set[int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        place = _start(key_node)
        key: Hashable = key_node.value if isinstance(key_node, ScalarNode) else None
        if not isinstance(key, str) or key_node.tag == TAG + "null" or not key.isprintable() or not key:
            document.problems.append((place, path, "a key must be plain text on one line"))
            continue
        if key_node.tag == TAG + "merge":
            if value_node.anchor is None:  # otherwise the alias has been reported
                document.problems.append((place, path, "merge keys are not accepted; write the keys out"))
            continue
        if key_node.tag not in (TAG + "str", TAG + "timestamp", TAG + "value"):
            text = f'YAML does not read the key {key} as text; write it in quotes: "{key}"'
            document.problems.append((place, path, text))
        if key in found:
            first = document.keys[(*path, key)][0]
            document.problems.append(
                (place, (*path, key), f"this key is already used in line {first}; remove one of the two")
            )
        else:
            document.keys[(*path, key)] = place
            found[key] = _value(value_node, (*path, key), document, seen)
            if isinstance(value_node, ScalarNode) and not value_node.value and value_node.style is None:
                document.places[(*path, key)] = place  # the value is empty: point at the key
    return found


def _scalar(node: ScalarNode, path: Path, document: YamlDocument) -> object:
    text: str = node.value
    document.written[path] = text
    kind = str(node.tag).removeprefix(TAG)
    if node.style is not None or kind in ("str", "timestamp", "value", "merge"):
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    try:
        number = _number(kind, text)
    except ValueError:
        number = math.nan
    if number is None:  # a custom tag, reported by _find_unsupported
        document.broken.add(path)
    elif len(text) > 40 or not math.isfinite(number):
        document.problems.append((_start(node), path, "this number cannot be used; if it is text, write it in quotes"))
        document.broken.add(path)
    return number


def _number(kind: str, text: str) -> float | None:
    digits = text.replace("_", "")
    if kind == "int":
        base = {"0x": 16, "0o": 8, "0b": 2}.get(digits.lstrip("+-")[:2].lower(), 10)
        return int(digits, base)
    return float(digits) if kind == "float" else None


def _start(thing: Any) -> Place:
    return thing.start_mark.line + 1, thing.start_mark.column + 1


def _place_of(exc: YAMLError, text: str) -> Place:
    mark = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
    if mark is not None:
        return mark.line + 1, mark.column + 1
    before = text[: getattr(exc, "position", 0)]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _explain(exc: YAMLError) -> str:
    """Describe a syntax error without the library's excerpt of the line, which may show a secret."""
    if not isinstance(exc, MarkedYAMLError):
        return "the file contains a control character; remove it"
    problem = str(exc.problem or exc.context or "the text cannot be parsed")
    if "'\\t'" in problem or "'\t'" in problem:
        return "tabs are not accepted here; indent with spaces"
    return f"this is not YAML: {problem}; text with special characters needs quotes"
