"""
Resolves the paths in a settings file against the folder of the file, whatever directory a command runs in.

The schema marks a key whose value is a path (`LOCAL_PATH`), in the settings of plugins too.
"""

from __future__ import annotations

import os
from pathlib import Path as FilePath
from typing import Any

from msgspec import Meta

__all__ = ["LOCAL_PATH", "absolute_paths", "folder_of", "local_path"]

LOCAL_PATH = Meta(extra_json_schema={"minLength": 1, "x-kind": "path"})
"""Marks text as a path on this machine: `Annotated[str, LOCAL_PATH, Meta(description=...)]`."""


def folder_of(name: str) -> FilePath:
    """
    Return the folder of the settings file `name` with symbolic links resolved, so that one folder has one name.

    The file itself may be a symbolic link (in a Kubernetes ConfigMap it is); the folder is that of the link.
    """
    return FilePath(os.path.realpath(FilePath(name).parent))


def local_path(value: Any) -> str:
    """
    Validate a path and return it.

    Raises:
        ValueError: it is no usable path; the message says why.
    """
    if value == "":
        raise ValueError("a path must not be empty")
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("a path is text on one line, without control characters")
    return value


def absolute_paths(value: Any, schema: dict[str, Any], folder: FilePath) -> Any:
    """Return `value` with all paths that its schema marks made absolute, including paths from defaults."""
    if schema.get("x-kind") == "path" and isinstance(value, str):
        return os.path.join(folder, value)  # noqa: PTH118 - keeps a trailing slash, which is reported as a mistake
    for branch in schema.get("anyOf", ()):
        if branch.get("x-kind") == "path" and isinstance(value, str):
            return absolute_paths(value, branch, folder)
        if branch.get("type") == "object" and isinstance(value, dict):
            return absolute_paths(value, branch, folder)
    if isinstance(value, list):
        return [absolute_paths(inner, schema.get("items", {}), folder) for inner in value]
    if not isinstance(value, dict):
        return value
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    others = others if isinstance(others, dict) else {}
    paths = {key: each["default"] for key, each in known.items() if each.get("x-kind") == "path" and "default" in each}
    return {
        key: absolute_paths(inner, known.get(key, others), folder)
        for key, inner in {**{key: each for key, each in paths.items() if key not in value}, **value}.items()
    }
