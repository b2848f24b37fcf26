"""
Loads settings.yaml into `Settings`, or reports everything that is wrong with it.

The steps: parse (yaml_file.py), fill in references (interpolation.py), validate each part against its own schema
(validation.py), check the parts against each other (route_checks.py, mapping_checks.py), convert to structs. A mistake
in one part never hides mistakes in another.
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
from connector.settings.json_schema import schema_of
from connector.settings.mapping_checks import CheckMapping, check_mappings, unchecked
from connector.settings.model import ReceiverSettings, Settings, SourceSettings
from connector.settings.paths import absolute_paths, folder_of
from connector.settings.problems import Problems
from connector.settings.route_checks import check_names, check_routes, check_sandbox
from connector.settings.validation import check, to_struct
from connector.settings.witness_checks import check_witness
from connector.settings.yaml_file import Path, read

__all__ = ["load", "parse"]

LARGEST = 1024 * 1024
"""The largest size of a settings file, in bytes."""


def load(
    path: str | os.PathLike[str],
    *,
    sources: Mapping[str, type[SourceSettings]],
    receivers: Mapping[str, type[ReceiverSettings]],
    environ: Mapping[str, str] = os.environ,
    mappings: CheckMapping = unchecked,
) -> Settings:
    """
    Load a settings file.

    `sources` and `receivers` map each `type:` to its struct; `mappings` validates a route's mapping.

    Raises:
        SettingsError: with every mistake, one line each: `settings.yaml:LINE:COLUMN: path: text`.
    """
    name = os.fspath(path)
    content, problem = b"", ""
    try:
        with FilePath(path).open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        problem = f"{name}: there is no such file; `connector init` creates one"
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
    raise SettingsError(
        [f"{name}:{len(before)}:{len(before[-1]) + 1}: this is not text in UTF-8; save the file as UTF-8"]
    )


def parse(
    text: str,
    name: str = "settings.yaml",
    *,
    sources: Mapping[str, type[SourceSettings]],
    receivers: Mapping[str, type[ReceiverSettings]],
    environ: Mapping[str, str] = os.environ,
    mappings: CheckMapping = unchecked,
) -> Settings:
    """
    Load settings from `text`, as `load` does from a file called `name`;
    relative paths start in the folder of `name`.
    """
    document = read(text)
    problems = Problems(name, document)
    if not isinstance(document.values, dict):
        problems.raise_any()
    values = _filled(document.values, (), problems, environ, folder_of(name))
    values = check(values, schema_of(Settings), (), problems)
    production = values.get("environment") == "production"
    from_here = endpoints("sources", values, sources, problems, production=production)
    to_here = endpoints("receivers", values, receivers, problems, production=production)
    check_routes(values, problems)
    check_names(values, from_here, problems)
    check_files(values, to_here, problems)
    check_witness(values, receivers, problems)
    check_mappings(values, mappings, problems)
    if isinstance(values.get("routes"), list):
        check_sandbox(values["routes"], from_here, to_here, problems)
    problems.raise_any()
    settings = to_struct(absolute_paths(values, schema_of(Settings), folder_of(name)), Settings, (), problems)
    problems.raise_any()
    assert settings is not None  # noqa: S101 - otherwise a problem was raised
    return msgspec.structs.replace(settings, sources=from_here, receivers=to_here)


def _filled(value: Any, path: Path, problems: Problems, environ: Mapping[str, str], folder: FilePath) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, (*path, key), problems, environ, folder) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, (*path, index), problems, environ, folder) for index, inner in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        found = fill(value, environ, folder)
    except ValueError as exc:
        problems.break_at(path, str(exc))
        return value
    if found.references:
        problems.filled[path] = found
    return found.text
