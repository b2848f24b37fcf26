"""A connection to SQLite that reports when which of the journal's transactions is about to commit, or has."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, Literal

__all__ = ["KINDS", "Kind", "Place", "Watched", "watch"]

Kind = Literal["ingest", "intent", "delivered", "claim", "told", "recovery"]
Place = Literal["in", "after"]

KINDS: dict[str, Kind] = {
    "INSERT INTO orders": "ingest",
    "SET state = 'intent'": "intent",
    "SET state = 'delivered'": "delivered",
    "SET ack_state = 'sending'": "claim",
    "SET ack_state = 'confirmed'": "told",
    "DELETE FROM receivers": "recovery",
}
"""The journal's transactions by the words that only one of them has. A group of several callers may be of several."""


class Watched(sqlite3.Connection):
    """Calls `reached` with the kind of each transaction before its COMMIT, and after it."""

    reached: Callable[[Kind, Place], None]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._kinds: set[Kind] = set()

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        """Execute one statement."""
        word = sql.lstrip()[:6].upper()
        if word.startswith("BEGIN"):
            self._kinds = set()
        elif word == "COMMIT":
            kinds = self._kinds
            for kind in kinds:
                self.reached(kind, "in")
            done = super().execute(sql, *rest)
            for kind in kinds:
                self.reached(kind, "after")
            return done
        else:
            self._note(sql)
        return super().execute(sql, *rest)

    def executemany(self, sql: str, rows: Iterable[Any], /) -> sqlite3.Cursor:
        """Execute one statement for each of `rows`."""
        rows = list(rows)
        if rows:
            self._note(sql)
        return super().executemany(sql, rows)

    def _note(self, sql: str) -> None:
        for words, kind in KINDS.items():
            if words in sql:
                self._kinds.add(kind)


def watch(reached: Callable[[Kind, Place], None]) -> None:
    """Watch every connection that is opened in this process from now on."""
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    class Ours(Watched):
        pass

    Ours.reached = staticmethod(reached)

    def watched(*arguments: Any, **options: Any) -> sqlite3.Connection:
        return connect(*arguments, factory=Ours, **options)

    sqlite3.connect = watched  # type: ignore[assignment]
