"""
Fills `${VAR}`, `${VAR:-default}` and `${file:/run/secrets/x}` into values after the YAML was parsed.

A filled-in value stays text and can never become YAML. `$${` is a literal `${`. As in a shell, the default also
replaces a variable that is set but empty. A default contains neither `}` nor another reference.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from pathlib import Path as FilePath

import msgspec

__all__ = ["Filled", "fill"]

LARGEST = 64 * 1024
"""The largest size, in bytes, of a file that the settings refer to."""

LONGEST_NAME = 200
"""The most characters of a name that a message repeats; after an unclosed quote, a name runs to the end of the file."""

REFERENCE = re.compile(
    r"(?P<escape>\$\$\{)"
    r"|\$\{(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>(?:(?!\$\{)[^}])*))?|file:(?P<file>[^}$]+))\}"
    r"|(?P<broken>\$\{)"
)


class Filled(msgspec.Struct, frozen=True):
    """
    A text with its references filled in.

    `references` is True if the text contained any; `outside` is True if any part came from the environment or another
    file.
    """

    text: str
    references: bool = False
    outside: bool = False


def fill(written: str, environ: Mapping[str, str], folder: FilePath) -> Filled:
    """
    Fill in the references of one text; relative file names are resolved against `folder`.

    Raises:
        ValueError: a reference cannot be filled in; the message names the variable or file and repeats nothing else.
    """
    parts: list[str] = []
    end, references, outside = 0, False, False
    for found in REFERENCE.finditer(written):
        parts.append(written[end : found.start()])
        end = found.end()
        if found["escape"]:
            parts.append("${")
            continue
        if found["broken"]:
            raise ValueError("a reference is ${VAR}, ${VAR:-default} or ${file:/path}; write $${ for a literal ${")
        references = True
        if found["file"]:
            parts.append(_from_file(found["file"], folder))
            outside = True
        elif value := environ.get(found["name"]) or "":
            parts.append(value)
            outside = True
        elif found["default"] is not None:
            parts.append(found["default"])
        elif found["name"] in environ:
            outside = True
        else:
            raise ValueError(
                f"the environment variable {found['name'][:LONGEST_NAME]} is not set; set it or add a default"
            )
    parts.append(written[end:])
    return Filled("".join(parts), references, outside)


def _from_file(name: str, folder: FilePath) -> str:
    path, name = folder / name, name[:LONGEST_NAME]
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError(f"{name} is not a regular file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as exc:
        raise ValueError(f"the file {name} cannot be read: {exc.strerror}") from None
    if len(content) > LARGEST:
        raise ValueError(f"the file {name} is larger than 64 KiB")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ValueError(f"the file {name} is not text in UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r")
