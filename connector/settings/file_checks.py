"""Checks that the journal, its witness and the receivers each write to a file of their own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from connector.settings.model import ReceiverSettings, files_of_journal
from connector.settings.paths import folder_of
from connector.settings.problems import Problems
from connector.settings.yaml_file import Path

__all__ = ["check_files"]


def check_files(values: Mapping[str, Any], receivers: Mapping[str, ReceiverSettings], problems: Problems) -> None:
    """Report a witness or a receiver's file that something else writes too, or that is the settings file itself."""
    folder = folder_of(problems.name)
    taken = {str(folder / FilePath(problems.name).name): "the settings file"}
    journal = values.get("journal", "connector.db")
    if isinstance(journal, str):
        taken |= dict.fromkeys(files_of_journal(_absolute(folder, journal)), "a file of the journal itself")
    at, witness = _witness(values)
    if isinstance(witness, str) and witness:
        path = _absolute(folder, witness)
        if path in taken:
            problems.add(at, f"this path is {taken[path]}; name a file on another volume")
        taken.setdefault(path, "the witness")
    for name, settings in receivers.items():
        for key in settings.writes:
            path = _absolute(folder, getattr(settings, key))
            if path in taken:
                problems.add(("receivers", name, key), f"this path is {taken[path]}; name another file")
            taken.setdefault(path, f"the file of the receiver {name}")


def _witness(values: Mapping[str, Any]) -> tuple[Path, Any]:
    """Return the place and the value of the witness's path."""
    witness = values.get("witness")
    return (("witness", "path"), witness.get("path")) if isinstance(witness, dict) else (("witness",), witness)


def _absolute(folder: FilePath, path: str) -> str:
    return os.path.normpath(folder / path)
