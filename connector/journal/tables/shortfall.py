"""What a source's last poll could not see: orders that are counted and not listed, and rows that cannot be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import msgspec

__all__ = ["Shortfall", "UnreadableRow", "keep", "kept", "shortfalls"]


class UnreadableRow(msgspec.Struct, frozen=True):
    """
    A row of a feed that makes every page fail that it is on, or an `order` that cannot be read alone.

    Of a row the order is not known. `position` counts from 0. `after` and `before` are the orders that the feed lists
    beside it; empty where there is none, or where it cannot be read either.
    """

    position: int
    after: str
    before: str
    reason: str
    order: str = ""

    def __str__(self) -> str:
        if self.order:
            return f"order {self.order}"
        beside = [f"{word} order {order}" for word, order in (("after", self.after), ("before", self.before)) if order]
        return f"row {self.position + 1} of the feed" + (f" ({', '.join(beside)})" if beside else "")


class Shortfall(msgspec.Struct, frozen=True, omit_defaults=True):
    """`unlisted`: how many more orders the source states than it lists, poll after poll; `baseline`: at least."""

    unlisted: int = 0
    baseline: int | None = None
    unreadable: tuple[UnreadableRow, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Shortfall).decode


def kept(source: str, db: sqlite3.Connection) -> Shortfall:
    """Return what the last poll of `source` could not see."""
    return shortfalls(db).get(source, Shortfall())


def keep(source: str, shortfall: Shortfall, db: sqlite3.Connection) -> None:
    """Write down what the last poll of `source`, which has a row, could not see. It runs inside a transaction."""
    text = _encode(shortfall).decode()
    db.execute("UPDATE sources SET shortfall = ?2 WHERE name = ?1 AND shortfall <> ?2", (source, text))


def shortfalls(db: sqlite3.Connection) -> Mapping[str, Shortfall]:
    """Return, by source, what the last poll could not see, where there is something."""
    rows = db.execute("SELECT name, shortfall FROM sources WHERE shortfall <> ''").fetchall()
    return {name: _decode(text) for name, text in rows}
