"""
How often the journal was written to because something was about to be sent, and the sentinel that remembers it.

An older copy of the journal is dangerous for what it does not know was sent. So each intent to create, each claim of an
acknowledgement and each claim of a report counts one on in its own transaction, and the sentinel notes the number when
that is on the disk and nothing has left yet. The note costs no sync: after a crash of the process it is there, and
after one of the machine it may be behind, which means nothing.
"""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from connector.journal.engine.sentinel import Sentinel

__all__ = ["Sending"]

T = TypeVar("T")

_COUNT = "UPDATE identity SET value = max(value, ?) WHERE name = 'sends'"


class Sending(ABC):
    """The part of the journal in SQLite that writes what goes before a call."""

    _sentinel: Sentinel | None = None
    _witness: Sentinel | None = None

    @abstractmethod
    async def _write(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run `operation` in a transaction; return its result once it is durable."""

    @abstractmethod
    async def _read(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run `operation` on the journal's thread, outside of a transaction."""

    async def _before_sending(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run `operation` in a transaction; return its result once it is durable, and the sentinel knows of it."""
        sentinel = self._sentinel
        if sentinel is None:
            return await self._write(operation)
        number = sentinel.count()
        result = await self._write(partial(_counted, number, operation))
        sentinel.note(number)
        if (witness := self._witness) is not None:
            await self._read(lambda _db: witness.note(number))
        return result


def _counted(number: str, operation: Callable[[sqlite3.Connection], T], db: sqlite3.Connection) -> T:
    db.execute(_COUNT, (number,))
    return operation(db)
