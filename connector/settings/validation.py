"""Validates values against their schemas, converts them to structs, and describes every mistake in words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from connector.settings.json_schema import KINDS
from connector.settings.problems import Problems, did_you_mean, nearest
from connector.settings.values import Duration, Rate, Secret, Url
from connector.settings.yaml_file import Path

__all__ = ["add_reported", "check", "check_keys", "parts", "to_struct"]

S = TypeVar("S", bound=msgspec.Struct)

Strict = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)
"""JSON Schema, except that 8.0 is not a whole number, because the structs do not accept it as one."""

WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}

FORMS = {
    "duration": "a duration such as 30s",
    "rate": "a rate such as 60/min",
    "url": "an address such as https://api.example.com",
}

LIMITS = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
}

SIZES = {
    "minLength": "must have at least {} character(s)",
    "maxLength": "must have at most {} character(s)",
    "minItems": "must have at least {} item(s)",
    "maxItems": "must have at most {} item(s)",
    "minProperties": "must have at least {} entry",
    "maxProperties": "must have at most {} entries",
}

READERS = {Secret: Secret, Duration: Duration.parse, Rate: Rate.parse, Url: Url.parse}


def check(value: Any, schema: dict[str, Any], path: Path, problems: Problems) -> Any:
    """
    Add every mistake in `value` to `problems`; return the value with filled-in
    texts converted to the types required.
    """
    value = _typed(value, schema, path, problems)
    for error in Strict(schema).iter_errors(value):
        _report_error(error, path, problems)
    return value


def _typed(value: Any, schema: dict[str, Any], path: Path, problems: Problems) -> Any:
    wanted = _kinds(schema)
    if isinstance(value, str) and path in problems.filled and wanted and "string" not in wanted:
        value = _coerced(value, wanted)
    if "anyOf" in schema:
        fitting = (each for each in schema["anyOf"] if _fits(value, _kinds(each)))
        return _typed(value, next(fitting, {}), path, problems)
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        others = others if isinstance(others, dict) else {}
        return {key: _typed(inner, known.get(key, others), (*path, key), problems) for key, inner in value.items()}
    if isinstance(value, list):
        items = schema.get("items", {})
        return [_typed(inner, items, (*path, index), problems) for index, inner in enumerate(value)]
    if "x-kind" in schema and value is not None and _fits(value, wanted):
        _check_kind(value, schema, path, problems)
    return value


def _check_kind(value: Any, schema: dict[str, Any], path: Path, problems: Problems) -> None:
    kind = schema["x-kind"]
    try:
        read = KINDS[kind](value)
        if isinstance(read, float) and read < schema.get("x-least", 0):
            raise ValueError("it must be greater than 0")
    except ValueError as exc:
        # An address may contain a password by mistake.
        shown = "" if kind in ("secret", "url") else f"{problems.shown(path, value)} is not valid: "
        problems.add(path, f"{shown}{exc}")


def _coerced(text: str, wanted: set[str]) -> Any:
    """Convert a filled-in text to one of the types in `wanted`; return it unchanged if it is none of them."""
    text = text.strip()
    if not text and "null" in wanted:
        return None
    if "boolean" in wanted and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if wanted & {"integer", "number"} and re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
        return int(text)
    if "number" in wanted and re.fullmatch(r"[+-]?\d{1,18}\.\d{1,18}", text, re.ASCII):
        return float(text)
    return text


def _kinds(schema: dict[str, Any]) -> set[str]:
    if "anyOf" in schema:
        return set().union(*(_kinds(each) for each in schema["anyOf"]))
    if "enum" in schema:
        return set().union(*(_names(each) for each in schema["enum"]))
    kinds = schema.get("type", [])
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _names(value: Any) -> set[str]:
    if value is None:
        return {"null"}
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, int):
        return {"integer", "number"}
    if isinstance(value, float):
        return {"number"} if math.isfinite(value) else set()
    return {"string"} if isinstance(value, str) else {"array"} if isinstance(value, list) else {"object"}


def _fits(value: Any, wanted: set[str]) -> bool:
    return bool(_names(value) & wanted)


def _report_error(error: ValidationError, root: Path, problems: Problems) -> None:
    path: Path = (*root, *error.absolute_path)
    schema: dict[str, Any] = dict(error.schema) if isinstance(error.schema, Mapping) else {}
    value: Any = error.instance
    rule = error.validator
    secret = schema.get("x-kind") == "secret"
    if "propertyNames" in error.absolute_schema_path:
        problems.add((*path, value), f"'{value}' is not a valid name; a name has {schema.get('x-form')}", at_key=True)
    elif rule == "additionalProperties":
        for key in value.keys() - schema["properties"].keys():
            hint = _hint(key, value, schema)
            known = ", ".join(schema["properties"])
            problems.add((*path, key), f"unknown key{hint or f'; the keys here are {known}'}", at_key=True)
    elif rule == "required":
        meant = {_meant(key, value, schema) for key in value.keys() - schema["properties"].keys()}
        for key in schema["required"]:
            if key not in value and key not in meant:
                problems.add(path, f"the key '{key}' is missing; add it", at_key=True)
    elif rule in ("type", "anyOf", "enum") and not _fits(value, _kinds(schema)):
        problems.add(path, _wrong_type(value, path, schema, problems, secret=secret))
    elif rule == "anyOf":
        for inner in error.context or ():
            if _fits(value, _kinds(schema["anyOf"][int(inner.relative_schema_path[0])])):
                _report_error(inner, root, problems)
    elif "x-kind" in schema or rule in ("const", "type"):
        pass  # reported by _check_kind, or when the struct was chosen
    else:
        problems.add(path, _wrong_value(error, path, schema, problems))


def _wrong_type(value: Any, path: Path, schema: dict[str, Any], problems: Problems, *, secret: bool) -> str:
    wanted = _kinds(schema)
    words = FORMS.get(schema.get("x-kind", "")) or " or ".join(
        word for kind, word in WORDS.items() if kind in wanted and not (kind == "integer" and "number" in wanted)
    )
    scalar = wanted & {"string", "integer", "number", "boolean"}
    text = f"must be {words}" + (f", not {problems.shown(path, value)}" if scalar and not secret else "")
    if path in problems.filled or value is None or isinstance(value, dict | list):
        return text
    if "string" in wanted and schema.get("x-kind", "secret") == "secret":
        return text + ("; write it in quotes" + ("" if secret else f': "{problems.document.written[path]}"'))
    return text + ("; write it in [ ], or as lines that begin with - " if "array" in wanted else "")


def _wrong_value(error: ValidationError, path: Path, schema: dict[str, Any], problems: Problems) -> str:
    value, rule, limit = error.instance, str(error.validator), error.validator_value
    shown = problems.shown(path, value)
    if rule == "enum":
        known = [str(each) for each in schema["enum"] if each is not None]
        hint = did_you_mean(value, known) if isinstance(value, str) and path not in problems.filled else ""
        return f"{shown} is not one of {', '.join(known)}{hint}"
    if rule == "pattern":
        return f"{shown} is not {_form(schema)}"
    if rule in LIMITS:
        return f"{LIMITS[rule].format(limit)}, not {shown}"
    if rule in SIZES:
        return SIZES[rule].format(limit)
    return "the same item is listed twice; remove one" if rule == "uniqueItems" else f"breaks the rule {rule}"


def _form(schema: dict[str, Any]) -> str:
    return f"of the form {schema.get('x-form') or schema['pattern']}"


def _meant(key: str, value: dict[str, Any], schema: dict[str, Any]) -> str | None:
    known = list(schema["properties"])
    return nearest(key, [each for each in known if each not in value]) or nearest(key, known)


def _hint(key: str, value: dict[str, Any], schema: dict[str, Any]) -> str:
    meant = _meant(key, value, schema)
    return f", did you mean '{meant}'?" if meant else ""


def to_struct(value: Any, struct: type[S], path: Path, problems: Problems) -> S | None:
    """Convert the value at `path` to `struct`; add a problem and return None if the struct does not accept it."""
    try:
        return msgspec.convert(value, struct, dec_hook=lambda kind, inner: READERS[kind](inner))
    except msgspec.ValidationError as exc:
        message = str(exc)
    text, _, where = message.partition(" - at `$")
    steps = re.findall(r"\.([A-Za-z_]\w*)|\[(\d+)\]", where)
    at: Path = (*path, *(key or int(index) for key, index in steps))
    key, colon, rest = text.partition(": ")
    if colon and key in struct.__struct_fields__:  # a __post_init__ names the key that it rejects
        at, text = (*path, key), rest
    problems.add(at, _scrubbed(text, problems))
    return None


def check_keys(struct: msgspec.Struct, path: Path, problems: Problems) -> None:
    """Add the problems that a struct, and the structs inside it, report in `problems()` about combinations of keys."""
    add_reported(getattr(struct, "problems", list)(), path, problems)
    for at, inner in parts(struct, path):
        if isinstance(inner, msgspec.Struct):
            check_keys(inner, at, problems)


def parts(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """
    Yield the parts of a struct, mapping or list of the settings with their paths; nested lists and mappings are
    expanded.
    """
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


def add_reported(reported: Iterable[tuple[str, str]], path: Path, problems: Problems) -> None:
    """Add the problems that the struct at `path` reports about its keys."""
    for key, text in reported:
        at: Path = (*path, *key.split(".")) if key else path
        problems.add(at, _scrubbed(text, problems), at_key=not key or at not in problems.document.places)


def _scrubbed(text: str, problems: Problems) -> str:
    """Replace the values of references in a message that was written elsewhere: they may be secrets."""
    for path, filled in problems.filled.items():
        written = re.sub(r":-[^}]*", "", problems.document.written[path])
        for value, instead in ((repr(filled.text), f"'{written}'"), (filled.text, written)):
            if len(value) > 3:
                text = text.replace(value, instead)
    return text
