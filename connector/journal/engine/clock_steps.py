"""
The effect of a step of the machine's clock on the journal's times. Functions run inside a transaction.

Every column that holds a time is one of two kinds. A *record* says when something happened, by the machine's clock as
it stood then; it is shown to people, or sent, and never changes. A *deadline* says until when something waits. It is in
the time of the process that wrote it (`connector.clock.SteadyClock`), in which the clock does not step, and the row of
`clock` says by how much the machine's clock is ahead of that: whoever shows a deadline to people adds it. While the
process lives a step changes that row only; the next process moves the deadlines, once, into its own time, before it
does anything else.

A step that a process did not live to note is found by the next one where the machine says how long it has run. After a
restart of the machine the time that has passed is unknown: calls that may have been applied wait a whole settle time.
"""

# ruff: noqa: S608 - the SQL is put together from our own words; every value is a parameter.

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from connector.clock import SteadyClock
from connector.journal.engine.codec import millis
from connector.journal.records import Listing

__all__ = [
    "DEADLINES",
    "RECORDS",
    "UNUSED",
    "ClockMark",
    "ClockTable",
    "Deadline",
    "begin",
    "comparable",
    "comparable_from",
    "note",
]

T = TypeVar("T")

_NEARLY = 500
"""Milliseconds by which two readings of the same may differ."""
_FAR = 253_402_300_799_000
"""A time that never comes: a start pulls such deadlines in to the limits of the settings (`Journal.recover`)."""


class Deadline(NamedTuple):
    """
    A column that says until when something waits; 0 is for nothing.

    `open` are the rows that wait, in the words of the partial index that holds them; `doubt` those of them that wait
    for a call to have been applied, or not: that must never be cut short.
    """

    table: str
    column: str
    open: str
    doubt: str


DEADLINES = (
    Deadline(
        "deliveries",
        "next_try_at",
        "state IN ('new', 'ready', 'intent', 'in_doubt')",
        "state IN ('new', 'ready', 'intent', 'in_doubt') AND state = 'in_doubt'",
    ),
    Deadline("orders", "ack_next", "ack_state IN ('pending', 'sending', 'in_doubt')", "0"),  # nobody asks before settle
    Deadline("changes", "next_try_at", "state = 'due'", "0"),  # never before `doubt_until`
    Deadline("changes", "doubt_until", "doubt_until > 0", "doubt_until > 0"),
    Deadline(
        "reports",
        "next_try_at",
        "state IN ('pending', 'sending', 'in_doubt')",
        "state IN ('pending', 'sending', 'in_doubt') AND state = 'in_doubt'",
    ),
    Deadline("lookup_first", "until", "1", "1"),
)
"""The columns that a start moves when the clock was set since the last one."""

RECORDS = frozenset(
    {
        ("orders", "found_at"),
        ("orders", "updated_at"),
        ("orders", "ack_at"),  # sent to the source, the same bytes each time; its age counts from `ack_at + ack_moved`
        ("orders", "ack_done_at"),
        ("deliveries", "intent_at"),
        ("deliveries", "delivered_at"),
        ("reports", "made_at"),
        ("reports", "done_at"),
        ("reports", "dropped_at"),
        ("history", "at"),
        ("sources", "last_poll"),
        ("receivers", "since"),
        ("replays", "since"),  # requested by a person
        ("replays", "made_at"),
        ("replays", "done_at"),
        ("ack_terms", "due_at"),  # compared with `ack_at`, and with nothing else
        ("ack_terms", "before"),
        ("relisted", "since"),  # its age counts from `since + moved`
        ("relisted", "moved"),
        ("relisted", "last_at"),
        ("clock", "base"),
        ("clock", "comparable"),
    }
)
"""The times of events, which never change."""

UNUSED = frozenset({("deliveries", "lease_until"), ("leases", "until")})
"""For more than one process (design.md, section 10), whose clocks are not one: nobody writes them yet."""


class ClockMark(NamedTuple):
    """The machine's clock, in milliseconds: `ahead` of the deadlines, and `base`, its time at the machine's start."""

    ahead: int
    boot: str
    base: int


class Beginning(NamedTuple):
    """
    The result of moving the journal into the time of a new process.

    The deadlines were `moved` by so many milliseconds. `certain`: the machine's clock was not set since the last
    process began, as far as anybody knows, and the machine was not started anew. `comparable` is the machine's time
    from which on its records can be compared with those to come.
    """

    moved: int
    certain: bool
    comparable: int


def begin(mark: ClockMark, now: int, db: sqlite3.Connection) -> Beginning:
    """Move the deadlines into the time of a process that starts `now`, by the machine's clock."""
    last, since = _last(db), comparable(db)
    _put(mark, db)
    if last is None:
        return Beginning(0, True, since)
    moved = last.ahead
    if last.boot and last.boot == mark.boot and abs(mark.base - last.base) >= _NEARLY:
        moved += mark.base - last.base
    if moved:
        for each in DEADLINES:
            db.execute(
                f"UPDATE {each.table} SET {each.column} = max(1, {each.column} + ?)"
                f" WHERE {each.open} AND {each.column} > 0",
                (moved,),
            )
        _age(moved - last.ahead, None, db)
    if last.boot and mark.boot and last.boot != mark.boot:
        for each in DEADLINES:
            db.execute(f"UPDATE {each.table} SET {each.column} = ? WHERE {each.doubt} AND {each.column} > 0", (_FAR,))
    certain = not moved and last.boot == mark.boot
    if not certain:  # for good: a later process has to know as well
        since = now
        comparable_from(now, db)
    return Beginning(moved, certain, since)


def note(mark: ClockMark, since: int, now: int, db: sqlite3.Connection) -> int:
    """
    Note how far the clock is ahead; return by how many milliseconds that has changed.

    `since` and `now`, by the machine's clock: acknowledgements that fell due between them did so after the step.
    """
    last = _last(db)
    _put(mark, db)
    by = mark.ahead - (last.ahead if last is not None else 0)
    _age(by, (since, now), db)
    return by


def _age(by: int, but: tuple[int, int] | None, db: sqlite3.Connection) -> None:
    """Keep the ages of acknowledgements, except of those that fell due within a time."""
    if by:
        db.execute(
            "UPDATE orders SET ack_moved = ack_moved + ? WHERE ack_state IN ('pending', 'sending', 'in_doubt')"
            " AND CASE WHEN ack_done_at IS NULL THEN ack_at ELSE updated_at END NOT BETWEEN ? AND ?",
            (by, *(but or (-2, -1))),
        )
        db.execute("UPDATE relisted SET moved = moved + ? WHERE since NOT BETWEEN ? AND ?", (by, *(but or (-2, -1))))


def _last(db: sqlite3.Connection) -> ClockMark | None:
    row = db.execute("SELECT ahead, boot, base FROM clock").fetchone()
    return None if row is None else ClockMark(*row)


def comparable_from(now: int, db: sqlite3.Connection) -> None:
    """Compare no list with a record from before `now`: later events may be in a newer journal only."""
    db.execute("UPDATE clock SET comparable = ?", (now,))


def comparable(db: sqlite3.Connection) -> int:
    """Return the machine's time, in milliseconds, from which on records are comparable with later lists."""
    row = db.execute("SELECT comparable FROM clock").fetchone()
    return 0 if row is None else int(row[0])


def _put(mark: ClockMark, db: sqlite3.Connection) -> None:
    db.execute(
        "INSERT INTO clock (id, ahead, boot, base) VALUES (1, ?1, ?2, ?3)"
        " ON CONFLICT (id) DO UPDATE SET ahead = ?1, boot = ?2, base = ?3",
        mark,
    )


class Write(Protocol):
    """Runs an operation in a transaction; returns its result once it is durable."""

    def __call__(self, operation: Callable[[sqlite3.Connection], T]) -> Coroutine[Any, Any, T]:
        """Run `operation`."""


class ClockTable:
    """
    The table `clock`, and this process's view of time. Before `follow` its time is that of the machine.

    `steady` is the clock of the process.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self.steady: SteadyClock | None = None
        self._follows: datetime | None = None
        """The start of this process, by its own clock."""
        self._began: datetime | None = None
        """The start of this process, if the clock may have been set since the records before it were made."""
        self._comparable_from = 0
        """The machine's time, in milliseconds, from which on the records before this process are comparable."""
        self._ahead = timedelta()
        """The machine's clock is ahead by so much, as the journal has it."""

    async def follow(self, clock: SteadyClock) -> timedelta:
        """Use `clock` for all times from now on; return by how much earlier deadlines were moved."""
        mark, now = _mark(clock, timedelta()), millis(clock.now())
        begun = await self._write(lambda db: begin(mark, now, db))
        self.steady, self._ahead, self._comparable_from = clock, timedelta(), begun.comparable
        self._follows = clock.now()
        self._began = None if begun.certain else self._follows
        return timedelta(milliseconds=begun.moved)

    async def note(self) -> timedelta:
        """Note how far the machine's clock is ahead, if that has changed; return by how much."""
        clock = self.steady
        if clock is None or (ahead := clock.look()) == self._ahead:
            return timedelta()
        since, now = millis((clock.stepped_at or clock.now()) + ahead), millis(clock.now() + ahead)
        mark = _mark(clock, ahead)
        by = await self._write(lambda db: note(mark, since, now, db))
        self._ahead = ahead
        return timedelta(milliseconds=by)

    def comparable_from(self, ms: int) -> None:
        """Compare no list with a record from before `ms`, by the machine's clock."""
        self._comparable_from = ms

    def listed(self, listing: Listing, now: datetime) -> Listing:
        """
        Return the circumstances of a page in terms of the records.

        Records from before this process, or from before a step of the clock in it, are compared with the page only
        where that proves something.
        """
        if self.steady is None or self._follows is None:
            return listing
        return msgspec.structs.replace(
            listing,
            asked_at=self.steady.shown(listing.asked_at),
            steady=(listing.asked_at, self._follows, now),
            certain=self.comparable(listing.asked_at, listing.again.settle),
            comparable=self._comparable_from,
        )

    def comparable(self, at: datetime, settle: float) -> bool:
        """Return whether a time less `settle` seconds is comparable with records: no step lies in between."""
        stepped_at = self._stepped_at
        return stepped_at is None or at - timedelta(seconds=settle) > stepped_at

    @property
    def _stepped_at(self) -> datetime | None:
        """The time at which the machine's clock was set last, as far as this process knows; None if it never was."""
        steady = self.steady
        return self._began if steady is None or steady.stepped_at is None else steady.stepped_at


def _mark(clock: SteadyClock, ahead: timedelta) -> ClockMark:
    boot = clock.boot()
    if boot is None:
        return ClockMark(_millis(ahead), "", 0)
    return ClockMark(_millis(ahead), boot.id, millis(clock.now() + ahead) - round(boot.seconds * 1000))


def _millis(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=1))
