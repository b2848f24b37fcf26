"""
Generates the JSON Schema of the settings from the structs.

`schema_of` describes one struct after its references are filled in; the loader validates against it. `schema` describes
the whole file as it is written, references included, for editors. msgspec's own generator is not used because it cannot
write a default that is a duration.

Keys that begin with `x-` are ours: `x-kind` names a type of values.py, `x-form` describes a pattern in words, `x-least`
is the shortest duration accepted.
"""

from __future__ import annotations

import inspect as python_inspect
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import inspect

from connector.settings.echo import plain
from connector.settings.model import ReceiverSettings, Settings, SourceSettings
from connector.settings.paths import local_path
from connector.settings.values import Duration, Rate, Secret, Url

__all__ = ["KINDS", "schema", "schema_of"]

KINDS: dict[str, Callable[[Any], object]] = {
    "secret": Secret,
    "duration": Duration.parse,
    "rate": Rate.parse,
    "url": Url.parse,
    "path": local_path,
}
"""The parser of each kind of value in values.py; each raises `ValueError`."""

CUSTOM: dict[type, dict[str, Any]] = {
    Secret: {"type": "string", "minLength": 1, "writeOnly": True, "x-kind": "secret"},
    Duration: {
        "type": ["string", "number"],
        "pattern": r"^\s*[0-9]+(\.[0-9]+)?\s*(ms|s|m|h)?\s*$",
        "minimum": 0,
        "x-kind": "duration",
    },
    Rate: {"type": "string", "pattern": r"^\s*[0-9]+\s*/\s*[a-z]+\s*$", "x-kind": "rate"},
    Url: {"type": "string", "x-kind": "url"},
}

PLAIN: dict[type[inspect.Type], dict[str, Any]] = {
    inspect.AnyType: {},
    inspect.NoneType: {"type": "null"},
    inspect.BoolType: {"type": "boolean"},
    inspect.IntType: {"type": "integer"},
    inspect.FloatType: {"type": "number"},
    inspect.StrType: {"type": "string"},
    inspect.DecimalType: {"type": ["string", "number"]},
    inspect.DateType: {"type": "string"},
    inspect.DateTimeType: {"type": "string"},
}

LIMITS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
}


def schema_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the schema of one struct, with nested structs inline."""
    return _schema(inspect.type_info(struct))


def schema(
    sources: Mapping[str, type[SourceSettings]], receivers: Mapping[str, type[ReceiverSettings]]
) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of settings.yaml for these types of sources and receivers."""
    whole = {**_as_written(schema_of(Settings)), "description": "Settings of the connector."}
    definitions: dict[str, Any] = {
        "reference": {
            "type": "string",
            "pattern": r"\$\{",
            "description": "A reference, filled in when the settings are loaded.",
        }
    }
    for family, structs in (("sources", sources), ("receivers", receivers)):
        choices = []
        for name, struct in sorted(structs.items()):
            definitions[f"{family}.{name}"] = _as_written(schema_of(struct))
            here = {"properties": {"type": {"const": name}}, "required": ["type"]}
            choices.append({"if": here, "then": {"$ref": f"#/$defs/{family}.{name}"}})
        whole["properties"][family]["additionalProperties"] = {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"enum": sorted(structs), "description": "The type of system."}},
            "allOf": choices,
        }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **whole, "$defs": definitions}


def _schema(info: inspect.Type) -> dict[str, Any]:
    if isinstance(info, inspect.Metadata):
        return {**_schema(info.type), **(info.extra_json_schema or {})}
    if isinstance(info, inspect.StructType):
        return _struct(info)
    if isinstance(info, inspect.CustomType):
        return dict(CUSTOM[info.cls])
    if isinstance(info, inspect.LiteralType):
        return {"enum": list(info.values)}
    if isinstance(info, inspect.EnumType):
        return {"enum": [member.value for member in info.cls]}
    if isinstance(info, inspect.UnionType):
        return _union([_schema(inner) for inner in info.types])
    if isinstance(info, inspect.DictType):
        names = {key: value for key, value in _schema(info.key_type).items() if key not in ("type", "description")}
        limits = {"minProperties": info.min_length, "maxProperties": info.max_length, "propertyNames": names or None}
        return _given({"type": "object", "additionalProperties": _schema(info.value_type), **limits})
    if isinstance(info, inspect.CollectionType):
        unique = isinstance(info, inspect.SetType | inspect.FrozenSetType) or None
        limits = {"minItems": info.min_length, "maxItems": info.max_length, "uniqueItems": unique}
        return _given({"type": "array", "items": _schema(info.item_type), **limits})
    limits = {word: getattr(info, name, None) for name, word in LIMITS.items()}
    return {**PLAIN[type(info)], **_given(limits)}


def _given(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if value is not None}


def _struct(info: inspect.StructType) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    if info.tag_field is not None and info.tag is not None:
        properties[info.tag_field] = {"const": info.tag, "description": "The type of system."}
        required.append(info.tag_field)
    for field in info.fields:
        properties[field.encode_name] = found = _schema(field.type)
        if field.required:
            required.append(field.encode_name)
        elif field.default is not msgspec.NODEFAULT:
            default = plain(field.default)
        else:
            default = plain(field.default_factory())
        if not field.required and default is not None and found.get("x-kind") != "secret":
            found["default"] = default
    doc = python_inspect.cleandoc(info.cls.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    return {
        "type": "object",
        "description": doc,
        "properties": properties,
        "required": required,
        "additionalProperties": not info.cls.__struct_config__.forbid_unknown_fields,
    }


def _union(branches: list[dict[str, Any]]) -> dict[str, Any]:
    """Write an optional value as one schema, so that a mistake in it is reported once and not once per branch."""
    real = [branch for branch in branches if branch != {"type": "null"}]
    if len(real) > 1:
        return {"anyOf": branches}
    (only,) = real
    if len(real) == len(branches):
        return only
    if "enum" in only:
        return {**only, "enum": [*only["enum"], None]}
    kinds = only["type"] if isinstance(only["type"], list) else [only["type"]]
    return {**only, "type": [*kinds, "null"]}


def _as_written(found: dict[str, Any]) -> dict[str, Any]:
    """Allow a reference wherever a value is not plain text, and remove the keys that are ours."""
    found = {key: value for key, value in found.items() if not key.startswith("x-")}
    if "properties" in found:
        found["properties"] = {key: _as_written(value) for key, value in found["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            found[key] = _as_written(found[key])
    if "propertyNames" in found:
        found["propertyNames"] = {key: value for key, value in found["propertyNames"].items() if key != "x-form"}
    if "anyOf" in found:
        found["anyOf"] = [_as_written(each) for each in found["anyOf"]]
    kinds = found.get("type", [])
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    if kinds & {"object", "array"} or not (kinds or "enum" in found or "anyOf" in found):
        return found
    if "string" in kinds and "pattern" not in found:
        return found
    about: dict[str, Any] = {key: found.pop(key) for key in ("description", "default") if key in found}
    return {**about, "anyOf": [found, {"$ref": "#/$defs/reference"}]}
