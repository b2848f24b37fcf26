"""One family of endpoints: each is checked against the struct that its own `type` names, and converted."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from connector.settings.mapping_checks import mappings_to
from connector.settings.model import EndpointSettings, ReceiverSettings, SourceSettings
from connector.settings.paths import absolute_paths, folder_of
from connector.settings.problems import Findings, did_you_mean, nearest
from connector.settings.schema import of
from connector.settings.validation import check, check_keys, converted, parts, report
from connector.settings.values import Url
from connector.settings.yaml_file import Path

__all__ = ["endpoints"]

FAMILIES: dict[str, type[EndpointSettings]] = {"sources": SourceSettings, "receivers": ReceiverSettings}

HARMLESS = {"secret": "unreadable", "url": "https://unreadable.invalid", "rate": "1/s", "duration": "1s", "path": "x"}

E = TypeVar("E", bound=EndpointSettings)


def endpoints(
    family: str, values: dict[str, Any], known: Mapping[str, type[E]], findings: Findings, *, production: bool
) -> dict[str, E]:
    """Return the endpoints of a family that have no mistake; the mistakes of the others are in `findings`."""
    found: dict[str, E] = {}
    if not isinstance(values.get(family), dict):
        return found
    for name, value in values[family].items():
        path: Path = (family, name)
        before = len(findings)
        struct = _struct(value, path, known, findings)
        if struct is None:
            check(value, _common(FAMILIES[family]), path, findings)
            continue
        schema = of(struct)
        value = check(value, schema, path, findings)
        sound = len(findings) == before and not findings.breaks_in(path)
        if production:  # where a secret is written hides nothing that is wrong elsewhere
            _check_secrets(value, schema, path, findings)
        if not sound:
            value = _mended(value, schema, path, findings)
        if value is not None:
            value = absolute_paths(value, schema, folder_of(findings.name))
        settings = converted(value, struct, path, findings) if value is not None else None
        if settings is not None:
            check_keys(settings, path, findings)
            _check_reach(settings, path, findings, production=production)
            if settings.ca_file is not None and not findings.blames((*path, "ca_file")):
                for text in _ca_file_problems(settings.ca_file):
                    findings.add((*path, "ca_file"), text)
            if isinstance(settings, ReceiverSettings):
                report(settings.problems_with(mappings_to(name, values)), path, findings)
            if sound:
                found[name] = settings
    return found


def _struct(value: Any, path: Path, known: Mapping[str, type[E]], findings: Findings) -> type[E] | None:
    if not isinstance(value, dict):
        return None
    kind, at, listed = value.get("type"), (*path, "type"), ", ".join(sorted(known))
    if "type" not in value:
        typo = nearest("type", [key for key in value if key not in FAMILIES[str(path[0])].__struct_fields__])
        if typo is not None:
            findings.add((*path, typo), "unknown key, did you mean 'type'?", at_key=True)
        else:
            findings.add(path, f"the key 'type' is missing; it is one of {listed}", at_key=True)
    elif not isinstance(kind, str):
        findings.add(at, f"must be text, not {findings.shown(at, kind)}; it is one of {listed}")
    elif kind not in known:
        hint = "" if at in findings.filled else did_you_mean(kind, known)
        findings.add(at, f"unknown type {findings.shown(at, kind)} (known: {listed}){hint}")
    elif not findings.is_broken(at):
        return known[kind]
    return None


def _mended(value: Any, schema: dict[str, Any], path: Path, findings: Findings) -> dict[str, Any] | None:
    """
    Return an endpoint with something harmless in the place of each mistake; None if nothing fits.

    It shows what is wrong between its other keys; nothing more is said about the keys that were mended.
    """
    known = schema["properties"]
    unknown = [key for key in value if key not in known]
    wrong = {key for key in value if key in known and findings.blames((*path, key))}
    absent = [key for key in known if key not in value]
    meant = {found for key in unknown if (found := nearest(key, absent)) is not None}
    missing = {key for key in schema["required"] if key not in value}
    mended = {key: each for key, each in value.items() if key in known and key not in wrong}
    for key in wrong | meant | missing:
        if "default" not in known[key]:
            mended[key] = harmless = _harmless(known[key])
            if harmless is None:
                return None
        findings.document.broken.add((*path, key))
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
    """Return what can be checked of an endpoint whose type is not known: the keys that all have."""
    schema = of(family)
    properties = {key: each for key, each in schema["properties"].items() if key != "type"}
    return {**schema, "properties": properties, "required": [], "additionalProperties": {}}


def _check_reach(settings: EndpointSettings, path: Path, findings: Findings, *, production: bool) -> None:
    """Report addresses that are nearer than one usually means: a slip, or somebody's way into a private network."""
    if settings.allow_private:
        return
    for at, address in _addresses(settings, path):
        if address.reach == "private":
            findings.add(at, "this address is on a private network; if that is meant, add allow_private: true")
        elif address.reach != "public" and production:
            text = "in production an address on this machine needs allow_private: true; or is a variable missing?"
            findings.add(at, text)


def _addresses(value: Any, path: Path) -> Iterator[tuple[Path, Url]]:
    """Yield the addresses of an endpoint, also those in its lists and parts."""
    for at, each in parts(value, path):
        if isinstance(each, Url):
            yield at, each
        elif isinstance(each, msgspec.Struct):
            yield from _addresses(each, at)


def _check_secrets(value: Any, schema: dict[str, Any], path: Path, findings: Findings) -> None:
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        others = others if isinstance(others, dict) else {}
        for key, inner in value.items():
            _check_secrets(inner, known.get(key, others), (*path, key), findings)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check_secrets(inner, schema.get("items", {}), (*path, index), findings)
    elif schema.get("x-kind") == "secret" and isinstance(value, str):
        filled = findings.filled.get(path)
        if filled is None or not filled.outside:
            text = "in production a secret is not in this file: put it in an environment variable or a file of its own"
            findings.add(path, text)


def _ca_file_problems(ca_file: str) -> Iterator[str]:
    """Yield what is wrong with a file of authorities; nothing if it can be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=ca_file)
    except ssl.SSLError:  # an OSError, so it is asked first
        yield "this file holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    except (OSError, ValueError) as exc:
        yield f"the file cannot be read: {getattr(exc, 'strerror', None) or 'not a path'}"
