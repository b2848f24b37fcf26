"""Bugs about the files that outlive a process: a volume that is put back, and the witnesses that recognise it."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from pathlib import Path

import msgspec

from connector.journal.engine.sentinel import Seen, Start, identify
from tests.simulation import incarnation
from tests.simulation.bugs.planting import FROM, bug, put

__all__: list[str] = []

FROM |= {"a_witness_is_not_asked": 150, "a_start_forgets_that_it_was_told": 60}


@bug
def a_witness_is_not_asked(stack: ExitStack) -> None:
    """A start goes by the sentinel beside the journal alone, which was put back with it."""

    def deaf(path: Path, start: Start, db: sqlite3.Connection) -> Seen:
        return identify(path, msgspec.structs.replace(start, witness=None), db)

    put(stack, incarnation, "identify", deaf)


@bug
def a_start_forgets_that_it_was_told(stack: ExitStack) -> None:
    """`--restored` changes nothing."""

    def forgetful(path: Path, start: Start, db: sqlite3.Connection) -> Seen:
        return identify(path, msgspec.structs.replace(start, restored=False), db)

    put(stack, incarnation, "identify", forgetful)
