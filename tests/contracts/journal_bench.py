"""The tools of the contract of all journals: open one, and an order's steps in one call each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

from connector.ack import Acknowledgement, AckOutcome, Confirmed
from connector.journal.records import AckResult, Arrival, Delivered, Intent, Listing, Outcome, Settled, Settlement
from connector.journal.sqlite import SqliteJournal

__all__ = [
    "HASH",
    "JournalBench",
    "acknowledged",
    "arrival",
    "at",
    "delivered",
    "deliveries",
    "found",
    "ingest",
    "intend",
    "is_open",
    "notes",
    "place",
    "place_ack",
    "rows",
    "settle",
    "settle_ack",
]

HASH = b"\x01" * 32


class JournalBench(ABC):
    """The journal that is tested."""

    journal: ClassVar[type[SqliteJournal]]

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[SqliteJournal]:
        """Open an empty journal; leaving closes it."""


def at(seconds: float = 0) -> datetime:
    """Return the moment `seconds` after the test began."""
    return datetime(2026, 3, 24, 9, 0, tzinfo=UTC) + timedelta(seconds=seconds)


def arrival(
    order_id: str = "1",
    revision: str = "a",
    *,
    receivers: tuple[tuple[str, bool], ...] = (("wms", True),),
    state: Literal["new", "held", "skipped", "cancelled"] = "new",
    cause: str = "",
    raw: bytes = b'{"id": 1}',
) -> Arrival:
    """Return an order as a feed of `shop` lists it."""
    return Arrival(
        order_id=order_id,
        external_id=f"shop-{order_id}",
        revision=revision,
        raw=raw,
        receivers=receivers,
        state=state,
        cause=cause,
    )


async def ingest(journal: SqliteJournal, *page: Arrival, now: float = 0, listed: float | None = None) -> list[str]:
    """Record a page that was requested at `listed` (`now` if it is not given); return the arrivals of its orders."""
    answers = await journal.orders.ingest(
        "shop", page, Listing(asked_at=at(now if listed is None else listed)), at(now)
    )
    return [answer.what for answer in answers]


async def found(
    journal: SqliteJournal, order_id: str = "1", *, receivers: tuple[tuple[str, bool], ...] = (("wms", True),)
) -> int:
    """Take one new order in; return its key."""
    (answer,) = await journal.orders.ingest(
        "shop", [arrival(order_id, receivers=receivers)], Listing(asked_at=at()), at()
    )
    assert answer.what == "new"
    return answer.key


async def intend(
    journal: SqliteJournal,
    key: int,
    *,
    receiver: str = "wms",
    revision: str = "a",
    now: float = 1,
    asked: bool = True,
) -> bool:
    """Request one intent; return True if it was granted. `asked`: the receiver was looked up just before."""
    (granted,) = await journal.deliveries.intend([Intent(key, receiver, revision, HASH, asked)], at(now))
    return granted


async def settle(
    journal: SqliteJournal, key: int, outcome: Outcome, *, receiver: str = "wms", now: float = 2
) -> Settled:
    """Record one outcome."""
    (answer,) = await journal.deliveries.settle([Settlement(key, receiver, outcome)], at(now))
    return answer


async def delivered(
    journal: SqliteJournal, key: int, *, receiver: str = "wms", revision: str = "a", now: float = 2
) -> Acknowledgement | None:
    """Deliver one order to one receiver; return the acknowledgement that this made due."""
    assert await intend(journal, key, receiver=receiver, revision=revision, now=now)
    answer = await settle(journal, key, Delivered(f"id-{key}", f"R{key}"), receiver=receiver, now=now)
    assert answer.applied
    return answer.ack


async def settle_ack(
    journal: SqliteJournal, key: int, outcome: AckOutcome, *, next_try: float = 0, now: float = 3
) -> None:
    """Record the outcome of one acknowledgement."""
    await journal.acks.settle([AckResult(key, outcome, at(next_try))], at(now))


async def acknowledged(journal: SqliteJournal, key: int, *, now: float = 3) -> None:
    """Send the acknowledgement of one order, and have it confirmed at `now`."""
    assert await journal.acks.claim([key], at(now)) == [True]
    await settle_ack(journal, key, Confirmed(), now=now)


async def rows(journal: SqliteJournal, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Read tables, for facts that no method of a journal returns."""
    return await journal.read(lambda db: db.execute(sql, values).fetchall())


async def deliveries(journal: SqliteJournal, key: int) -> dict[str, str]:
    """Return the state of an order's deliveries by receiver."""
    return dict(await rows(journal, "SELECT receiver, state FROM deliveries WHERE key = ? ORDER BY receiver", key))


async def notes(journal: SqliteJournal, key: int) -> list[str]:
    """Return the unusual events in an order's life."""
    return [what for (what,) in await rows(journal, "SELECT what FROM history WHERE key = ? ORDER BY id", key)]


async def is_open(journal: SqliteJournal) -> tuple[dict[str, int], dict[str, int]]:
    """Return the counts of unfinished work: deliveries by receiver, acknowledgements by source."""
    work = await journal.open_work()
    return dict(work.deliveries), dict(work.acks)


async def place(journal: SqliteJournal, state: str) -> int:
    """Put an order's delivery into `state`, whatever way leads there; return its key."""
    key = await found(journal)
    await rows(journal, "DELETE FROM deliveries WHERE key = ?", key)
    await rows(
        journal,
        "INSERT INTO deliveries (key, receiver, state, receipt, cause) VALUES (?, 'wms', ?, ?, ?)",
        key,
        state,
        "id" if state == "delivered" else None,
        "cause" if state in ("held", "rejected", "skipped") else None,
    )
    return key


async def place_ack(journal: SqliteJournal, state: str, outcome: str = "exported") -> int:
    """Put an order's acknowledgement into `state`, whatever way leads there; return its key."""
    key = await found(journal)
    (row,) = await rows(journal, "SELECT order_id, external_id, revision FROM orders WHERE key = ?", key)
    for table in ("deliveries", "payloads", "orders"):
        await rows(journal, f"DELETE FROM {table} WHERE key = ?", key)  # noqa: S608 - three names
    told = (None, None, None) if state == "none" else (outcome, "wms: R1", 0)
    await rows(
        journal,
        "INSERT INTO orders (key, source, order_id, external_id, revision, found_at, updated_at, ack_state,"
        " ack_outcome, ack_message, ack_at) VALUES (?, 'shop', ?, ?, ?, 0, 0, ?, ?, ?, ?)",
        key,
        *row,
        state,
        *told,
    )
    return key
