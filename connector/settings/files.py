"""The files that receivers write: none may be the journal's, the settings' own, or another receiver's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any

from connector.settings.findings import Findings
from connector.settings.paths import folder_of
from connector.settings.structs import ReceiverSettings, files_of_journal

__all__ = ["check_files"]


def check_files(values: Mapping[str, Any], receivers: Mapping[str, ReceiverSettings], findings: Findings) -> None:
    """Refuse a receiver's file that something else writes, or that is this settings file."""
    folder = folder_of(findings.name)
    taken = {str(folder / FilePath(findings.name).name): "the settings file"}
    journal, witness = values.get("journal", "connector.db"), values.get("witness")
    if isinstance(journal, str):
        taken |= dict.fromkeys(files_of_journal(_absolute(folder, journal)), "a file of the journal")
    if isinstance(witness, str):
        taken[_absolute(folder, witness)] = "the witness"
    for name, settings in receivers.items():
        for key in settings.writes:
            path = _absolute(folder, getattr(settings, key))
            if path in taken:
                findings.add(("receivers", name, key), f"this is {taken[path]}; name a file of its own")
            taken.setdefault(path, f"what the receiver {name} writes")


def _absolute(folder: FilePath, path: str) -> str:
    return os.path.normpath(folder / path)
