"""The files that are written: the journal, its witness and those of receivers, each a file of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from connector.settings.model import ReceiverSettings, files_of_journal
from connector.settings.paths import folder_of
from connector.settings.problems import Findings
from connector.settings.yaml_file import Path

__all__ = ["check_files"]


def check_files(values: Mapping[str, Any], receivers: Mapping[str, ReceiverSettings], findings: Findings) -> None:
    """Refuse a witness or a receiver's file that something else writes, or that is this settings file."""
    folder = folder_of(findings.name)
    taken = {str(folder / FilePath(findings.name).name): "the settings file"}
    journal = values.get("journal", "connector.db")
    if isinstance(journal, str):
        taken |= dict.fromkeys(files_of_journal(_absolute(folder, journal)), "a file of the journal itself")
    at, witness = _witness(values)
    if isinstance(witness, str) and witness:
        path = _absolute(folder, witness)
        if path in taken:
            findings.add(at, f"this is {taken[path]}; name one on another volume")
        taken.setdefault(path, "the witness")
    for name, settings in receivers.items():
        for key in settings.writes:
            path = _absolute(folder, getattr(settings, key))
            if path in taken:
                findings.add(("receivers", name, key), f"this is {taken[path]}; name a file of its own")
            taken.setdefault(path, f"what the receiver {name} writes")


def _witness(values: Mapping[str, Any]) -> tuple[Path, Any]:
    """Return the path of the witness, and where that stands."""
    witness = values.get("witness")
    return (("witness", "path"), witness.get("path")) if isinstance(witness, dict) else (("witness",), witness)


def _absolute(folder: FilePath, path: str) -> str:
    return os.path.normpath(folder / path)
