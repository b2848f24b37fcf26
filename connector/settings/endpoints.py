"""Validates the sources or the receivers: each against the struct that its own `type` names."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from connector.settings.json_schema import schema_of
from connector.settings.mapping_checks import mappings_to
from connector.settings.model import EndpointSettings, ReceiverSettings, SourceSettings
from connector.settings.paths import absolute_paths, folder_of
from connector.settings.problems import Problems, did_you_mean, nearest
from connector.settings.validation import add_reported, check, check_keys, parts, to_struct
from connector.settings.values import Url
from connector.settings.yaml_file import Path

__all__ = ["endpoints"]

FAMILIES: dict[str, type[EndpointSettings]] = {"sources": SourceSettings, "receivers": ReceiverSettings}

HARMLESS = {"secret": "unreadable", "url": "https://unreadable.invalid", "rate": "1/s", "duration": "1s", "path": "x"}

E = TypeVar("E", bound=EndpointSettings)


def endpoints(
    family: str, values: dict[str, Any], known: Mapping[str, type[E]], problems: Problems, *, production: bool
) -> dict[str, E]:
    """Return the endpoints of a family that have no mistakes; the mistakes of the others are added to `problems`."""
    found: dict[str, E] = {}
    if not isinstance(values.get(family), dict):
        return found
    for name, value in values[family].items():
        path: Path = (family, name)
        before = len(problems)
        struct = _struct(value, path, known, problems)
        if struct is None:
            check(value, _common(FAMILIES[family]), path, problems)
            continue
        schema = schema_of(struct)
        value = check(value, schema, path, problems)
        sound = len(problems) == before and not problems.breaks_in(path)
        if production:  # a secret in the wrong place must not hide other mistakes
            _check_secrets(value, schema, path, problems)
        if not sound:
            value = _mended(value, schema, path, problems)
        if value is not None:
            value = absolute_paths(value, schema, folder_of(problems.name))
        settings = to_struct(value, struct, path, problems) if value is not None else None
        if settings is not None:
            check_keys(settings, path, problems)
            _check_reach(settings, path, problems, production=production)
            if settings.ca_file is not None and not problems.blames((*path, "ca_file")):
                for text in _ca_file_problems(settings.ca_file):
                    problems.add((*path, "ca_file"), text)
            if isinstance(settings, ReceiverSettings):
                add_reported(settings.problems_with(mappings_to(name, values)), path, problems)
            if sound:
                found[name] = settings
    return found


def _struct(value: Any, path: Path, known: Mapping[str, type[E]], problems: Problems) -> type[E] | None:
    if not isinstance(value, dict):
        return None
    kind, at, listed = value.get("type"), (*path, "type"), ", ".join(sorted(known))
    if "type" not in value:
        typo = nearest("type", [key for key in value if key not in FAMILIES[str(path[0])].__struct_fields__])
        if typo is not None:
            problems.add((*path, typo), "unknown key, did you mean 'type'?", at_key=True)
        else:
            problems.add(path, f"the key 'type' is missing; write type: with one of {listed}", at_key=True)
    elif not isinstance(kind, str):
        problems.add(at, f"must be text, not {problems.shown(at, kind)}; write one of {listed}")
    elif kind not in known:
        hint = "" if at in problems.filled else did_you_mean(kind, known)
        problems.add(at, f"unknown type {problems.shown(at, kind)} (known: {listed}){hint}")
    elif not problems.is_broken(at):
        return known[kind]
    return None


def _mended(value: Any, schema: dict[str, Any], path: Path, problems: Problems) -> dict[str, Any] | None:
    """
    Return an endpoint with a harmless value in place of each mistake, or None if there is no such value.

    The result is used to find mistakes between the other keys; no further problems are reported for the replaced keys.
    """
    known = schema["properties"]
    unknown = [key for key in value if key not in known]
    wrong = {key for key in value if key in known and problems.blames((*path, key))}
    absent = [key for key in known if key not in value]
    meant = {found for key in unknown if (found := nearest(key, absent)) is not None}
    missing = {key for key in schema["required"] if key not in value}
    mended = {key: each for key, each in value.items() if key in known and key not in wrong}
    for key in wrong | meant | missing:
        if "default" not in known[key]:
            mended[key] = harmless = _harmless(known[key])
            if harmless is None:
                return None
        problems.document.broken.add((*path, key))
    return mended


def _harmless(schema: dict[str, Any]) -> Any:
    kind = schema.get("type", ())
    kinds = {kind} if isinstance(kind, str) else set(kind)
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("x-kind") in HARMLESS:
        return HARMLESS[schema["x-kind"]]
    if "string" in kinds and re.search(schema.get("pattern", ""), "unreadable"):
        return "unreadable"
    if kinds & {"integer", "number"}:
        return schema.get("minimum", 1)
    return False if "boolean" in kinds else [] if "array" in kinds and "minItems" not in schema else None


def _common(family: type[EndpointSettings]) -> dict[str, Any]:
    """Return the schema of the keys that all endpoints of a family have, for one whose type is unknown."""
    schema = schema_of(family)
    properties = {key: each for key, each in schema["properties"].items() if key != "type"}
    return {**schema, "properties": properties, "required": [], "additionalProperties": {}}


def _check_reach(settings: EndpointSettings, path: Path, problems: Problems, *, production: bool) -> None:
    """Report addresses that are closer than usual: a slip, or an attempt to reach into a private network."""
    if settings.allow_private:
        return
    for at, address in _addresses(settings, path):
        if address.reach == "private":
            problems.add(at, "this address is on a private network; if that is intended, add allow_private: true")
        elif address.reach != "public" and production:
            text = "in production an address on this machine needs allow_private: true; is a variable missing?"
            problems.add(at, text)


def _addresses(value: Any, path: Path) -> Iterator[tuple[Path, Url]]:
    """Yield the addresses of an endpoint, including those in its lists and nested structs."""
    for at, each in parts(value, path):
        if isinstance(each, Url):
            yield at, each
        elif isinstance(each, msgspec.Struct):
            yield from _addresses(each, at)


def _check_secrets(value: Any, schema: dict[str, Any], path: Path, problems: Problems) -> None:
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        others = others if isinstance(others, dict) else {}
        for key, inner in value.items():
            _check_secrets(inner, known.get(key, others), (*path, key), problems)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_secrets(inner, schema.get("items", {}), (*path, index), problems)
    elif schema.get("x-kind") == "secret" and isinstance(value, str):
        filled = problems.filled.get(path)
        if filled is None or not filled.outside:
            text = "in production a secret must not be written in this file; use ${VARIABLE} or ${file:/path}"
            problems.add(path, text)


def _ca_file_problems(ca_file: str) -> Iterator[str]:
    """
    Yield the problems of a file of certificate authorities; it is read with the
    settings so that mistakes show at once.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError:  # a subclass of OSError, so it comes first
        yield "this file contains no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    except (OSError, ValueError) as exc:
        yield f"the file cannot be read: {getattr(exc, 'strerror', None) or 'not a path'}"
