"""What a receiver refused since it last accepted something, kept for the next start."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

import msgspec

__all__ = ["Refusal", "Rejections", "SqliteRejections"]

T = TypeVar("T")


class Refusal(msgspec.Struct, frozen=True):
    """An order that was refused, `times` in that revision. `number` is its place; `held`: it waits for a person."""

    key: int
    revision: str
    times: int
    number: int
    held: bool
    reason: str


class Rejections(Protocol):
    """The part of a journal that is about it. See `connector.journal.base` for what holds for every write."""

    async def refused(self, receiver: str) -> list[Refusal]:
        """Return what was kept, in order."""

    async def keep_refused(self, receiver: str, refusals: Sequence[Refusal]) -> None:
        """Keep `refusals`, and nothing else, of this receiver."""


class SqliteRejections(ABC):
    """The methods of `Rejections` over whatever writes and reads."""

    @abstractmethod
    async def _write(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run `operation` in a transaction; return its result once it is durable."""

    @abstractmethod
    async def _read(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        """Run `operation`, which only reads."""

    async def refused(self, receiver: str) -> list[Refusal]:
        """See `Rejections.refused`."""
        return await self._read(partial(_refused, receiver))

    async def keep_refused(self, receiver: str, refusals: Sequence[Refusal]) -> None:
        """See `Rejections.keep_refused`."""
        await self._write(partial(_keep, receiver, refusals))


def _refused(receiver: str, db: sqlite3.Connection) -> list[Refusal]:
    rows = db.execute(
        "SELECT key, revision, times, number, held, reason FROM refusals WHERE receiver = ? ORDER BY number",
        (receiver,),
    )
    return [
        Refusal(key, revision, times, number, bool(held), reason) for key, revision, times, number, held, reason in rows
    ]


def _keep(receiver: str, refusals: Sequence[Refusal], db: sqlite3.Connection) -> None:
    db.execute("DELETE FROM refusals WHERE receiver = ?", (receiver,))
    db.executemany(
        "INSERT INTO refusals (receiver, key, revision, times, number, held, reason) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(receiver, *msgspec.structs.astuple(each)) for each in refusals],
    )
