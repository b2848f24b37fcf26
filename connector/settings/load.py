"""
From settings.yaml to `Settings`, or to the list of everything that is wrong with it.

Read (yaml_file.py), fill in references (interpolation.py), check each part against its own schema (validation.py),
check what must hold between the parts (route_checks.py, mapping_checks.py), convert. A mistake in one part never hides
those in another.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

import msgspec

from connector.errors import SettingsError
from connector.settings.endpoints import endpoints
from connector.settings.file_checks import check_files
from connector.settings.interpolation import fill
from connector.settings.mapping_checks import CheckMapping, check_mappings, unchecked
from connector.settings.model import ReceiverSettings, Settings, SourceSettings
from connector.settings.paths import absolute_paths, folder_of
from connector.settings.problems import Findings
from connector.settings.route_checks import check_names, check_routes, check_sandbox
from connector.settings.schema import of
from connector.settings.validation import check, converted
from connector.settings.witness_checks import check_witness
from connector.settings.yaml_file import Path, read

__all__ = ["load", "parse"]

LARGEST = 1024 * 1024
"""Bytes that a settings file may have."""


def load(
    path: str | os.PathLike[str],
    *,
    sources: Mapping[str, type[SourceSettings]],
    receivers: Mapping[str, type[ReceiverSettings]],
    environ: Mapping[str, str] = os.environ,
    mappings: CheckMapping = unchecked,
) -> Settings:
    """
    Load a settings file; `sources` and `receivers` say which struct each `type:` has, `mappings` checks a mapping.

    Raises `SettingsError` with every mistake, one line each: `settings.yaml:LINE:COLUMN: path: what is wrong`.
    """
    name = os.fspath(path)
    content, problem = b"", ""
    try:
        with FilePath(path).open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        problem = f"{name}: there is no such file; `connector init` writes one"
    except (OSError, ValueError) as exc:
        problem = f"{name}: the file cannot be read: {getattr(exc, 'strerror', None) or 'not a path'}"
    if len(content) > LARGEST:
        problem = f"{name}: the file is larger than 1 MiB"
    if problem:
        raise SettingsError([problem])
    text = _text(content, name)
    return parse(text, name, sources=sources, receivers=receivers, environ=environ, mappings=mappings)


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as exc:
        before = content[: exc.start].decode("utf-8").split("\n")
    raise SettingsError([f"{name}:{len(before)}:{len(before[-1]) + 1}: this is not text in UTF-8"])


def parse(
    text: str,
    name: str = "settings.yaml",
    *,
    sources: Mapping[str, type[SourceSettings]],
    receivers: Mapping[str, type[ReceiverSettings]],
    environ: Mapping[str, str] = os.environ,
    mappings: CheckMapping = unchecked,
) -> Settings:
    """Do what `load` does with the text of a file called `name`, in whose folder relative paths begin."""
    document = read(text)
    findings = Findings(name, document)
    if not isinstance(document.values, dict):
        findings.raise_any()
    values = _filled(document.values, (), findings, environ, folder_of(name))
    values = check(values, of(Settings), (), findings)
    production = values.get("environment") == "production"
    from_here = endpoints("sources", values, sources, findings, production=production)
    to_here = endpoints("receivers", values, receivers, findings, production=production)
    check_routes(values, findings)
    check_names(values, from_here, findings)
    check_files(values, to_here, findings)
    check_witness(values, receivers, findings)
    check_mappings(values, mappings, findings)
    if isinstance(values.get("routes"), list):
        check_sandbox(values["routes"], from_here, to_here, findings)
    findings.raise_any()
    settings = converted(absolute_paths(values, of(Settings), folder_of(name)), Settings, (), findings)
    findings.raise_any()
    assert settings is not None  # noqa: S101 - else there was a finding
    return msgspec.structs.replace(settings, sources=from_here, receivers=to_here)


def _filled(value: Any, path: Path, findings: Findings, environ: Mapping[str, str], folder: FilePath) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, (*path, key), findings, environ, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, (*path, index), findings, environ, folder) for index, inner in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        found = fill(value, environ, folder)
    except ValueError as exc:
        findings.break_at(path, str(exc))
        return value
    if found.references:
        findings.filled[path] = found
    return found.text
