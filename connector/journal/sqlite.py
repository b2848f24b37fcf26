"""The journal in SQLite: the protocol's methods, each one transaction of the functions beside this file."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from connector.ack import Acknowledgement
from connector.clock import Clock, SystemClock
from connector.errors import JournalError
from connector.journal import holds
from connector.journal.base import (
    AckResult,
    Arrival,
    Change,
    ChangeOutcome,
    Ingested,
    Intent,
    Job,
    Listing,
    Relisted,
    Settled,
    Settlement,
    Shortfall,
    Waiting,
)
from connector.journal.engine.codec import millis, moment
from connector.journal.engine.connection import Database, InlineDatabase, unusable
from connector.journal.engine.group_commit import GroupCommit, uncancellable
from connector.journal.engine.lock import InstanceLock
from connector.journal.engine.opening import check_folder, patiently
from connector.journal.engine.sentinel import Seen as Noted
from connector.journal.engine.sentinel import Sentinel, Start, identify, raise_epoch
from connector.journal.engine.stall import Stall, StallRetry
from connector.journal.lookup_first import LookupRule, OrderAt
from connector.journal.replays import Answer, Request
from connector.journal.sqlite_backlog import SqliteBacklog
from connector.journal.tables import acks, changes, deliveries, deliveries_unmappable, identity, lookup_first, payloads
from connector.journal.tables import orders as arrivals
from connector.journal.tables import replays as requests
from connector.journal.tables.ack_terms import keep
from connector.journal.tables.rejections import SqliteRejections
from connector.journal.tables.shortfall import kept

__all__ = ["SqliteJournal"]

T = TypeVar("T")

logger = logging.getLogger(__name__)


class SqliteJournal(SqliteBacklog, SqliteRejections):
    """A `Journal` over one SQLite connection. Use `open`."""

    def __init__(
        self,
        database: Database | InlineDatabase,
        lock: InstanceLock | None = None,
        clock: Clock | None = None,
        name: str = "memory",
    ) -> None:
        self._database = database
        self._lock = lock
        self._commits = GroupCommit(database)
        self._writing, self._reading = (
            StallRetry(name, what, clock or SystemClock(), self._stalled) for what in ("written", "read")
        )
        self._marked_at = 0

    @classmethod
    async def open(
        cls,
        path: str | Path,
        clock: Clock,
        *,
        accept_new: bool = False,
        restored: bool = False,
        witness: str | Path | None = None,
    ) -> SqliteJournal:
        """
        Open the file for this process alone, creating it if need be, but not its folder.

        A restored backup is taken, and said in the log: what it may not know is looked up, see `LookupFirst.begin`. So
        is any journal with `restored`, and one that is behind the file `witness`.

        Raises:
        - `JournalBusy` when another process has it;
        - `JournalStalled` when it could not be opened for a minute for a cause that may pass, such as a full disk;
        - `JournalError` when it cannot be used: also when the one that was in use is gone, or another one is in its
          place, unless `accept_new`.
        """
        path = Path(path)
        second = None if witness is None else Sentinel(path, Path(witness))
        return await patiently(partial(cls._open, path, clock, second, accept_new, restored), clock)

    @classmethod
    async def _open(
        cls, path: Path, clock: Clock, witness: Sentinel | None, accept_new: bool, restored: bool
    ) -> SqliteJournal:
        check_folder(path, "the journal")
        if witness is not None:
            check_folder(witness.path, "the witness")
        lock = InstanceLock(path)
        lock.acquire(clock.now().isoformat(timespec="seconds"))
        try:
            sentinel = Sentinel(path)
            start = Start(
                seen=sentinel.before(accept=accept_new),
                witness=None if witness is None else witness.before(accept=accept_new),
                accept=accept_new,
                restored=restored,
            )
            journal = cls(await Database.open(path), lock, clock, str(path))
        except BaseException:
            lock.release()
            raise
        try:
            noted = await journal._commits.transact(partial(identify, path, start))
            journal._sentinel, journal._witness = sentinel, witness
            await journal._say(noted, strictly=True)
        except BaseException as exc:
            journal._sentinel = journal._witness = None  # what is said of one that cannot be used stays as it was
            for each in (sentinel, witness):
                if each is not None:
                    each.close()
            await journal.aclose()
            if isinstance(exc, sqlite3.Error):
                raise unusable(path, exc) from exc
            raise
        if witness is not None and start.witness is None:
            logger.warning("%s: there was no witness here, so it was made; see that this is its volume", witness.path)
        return journal

    async def begin(self, ways: Sequence[LookupRule], now: datetime) -> None:
        """See `LookupFirst.begin`."""
        self._comparable_from = await self._write(partial(lookup_first.begin, ways, millis(now)))

    async def compare_newest(self, receiver: str, orders: Sequence[OrderAt]) -> list[OrderAt]:
        """See `LookupFirst.compare_newest`."""
        return await self._write(partial(identity.compare, receiver, orders))

    async def distrust(self) -> bool:
        """See `LookupFirst.distrust`."""
        return await self._write(identity.distrust)

    async def keep_terms(self, terms: Mapping[str, str]) -> dict[str, int]:
        """See `Terms.keep_terms`."""
        return await self._write(partial(keep, terms))

    async def to_look_up(self, receiver: str, now: datetime, limit: int) -> list[str]:
        """See `LookupFirst.to_look_up`."""
        return await self._read(partial(lookup_first.due, receiver, millis(now), limit))

    async def mark(self) -> None:
        """See `LookupFirst.mark`."""
        if self._sentinel is not None and self._commits.commits > self._marked_at:
            await self._say(await self._write(partial(raise_epoch, 0)))

    async def _say(self, seen: Noted, *, strictly: bool = False) -> None:
        """Let sentinel and witness say how far the journal is, now that it is. `strictly`: a witness has to."""
        self._marked_at = self._commits.commits
        if (sentinel := self._sentinel) is not None:
            await self._read(lambda _db: sentinel.write(seen))
            sentinel.follow(seen)
        if (witness := self._witness) is not None:
            try:
                await self._read(lambda _db: witness.renew(seen))
            except JournalError as exc:
                if strictly:
                    raise
                logger.warning("%s; until then nobody knows if the journal's volume is put back", exc)

    async def recover(self, now: datetime, settle: Mapping[str, float], longest: float) -> int:
        """See `Journal.recover`."""
        settle_ms = {receiver: round(seconds * 1000) for receiver, seconds in settle.items()}
        return await self._write(partial(deliveries.recover, millis(now), settle_ms, round(longest * 1000)))

    async def ingest(self, source: str, page: Sequence[Arrival], listing: Listing, now: datetime) -> list[Ingested]:
        """See `Journal.ingest`."""
        return await self._write(partial(arrivals.ingest, source, page, self._listed(listing, now), self._kept(now)))

    async def relist(self, source: str, orders: Sequence[Relisted], now: datetime) -> list[Ingested]:
        """See `Journal.relist`."""
        return await self._write(partial(payloads.relist, source, orders, self._kept(now)))

    async def intend(self, intents: Sequence[Intent], now: datetime) -> list[bool]:
        """See `Journal.intend`."""
        return await self._before_sending(partial(deliveries.intend, intents, self._kept(now)))

    async def reject_unfit(self, receiver: str, mapped: Sequence[int], now: datetime) -> list[str]:
        """See `Journal.reject_unfit`."""
        if not await self._read(partial(deliveries_unmappable.waiting, receiver)):
            return []
        return await self._write(partial(deliveries_unmappable.believe, receiver, mapped, self._kept(now)))

    async def settle(self, settlements: Sequence[Settlement], now: datetime) -> list[Settled]:
        """See `Journal.settle`."""
        return await self._write(partial(deliveries.settle, settlements, self._kept(now)))

    async def due(self, receiver: str, states: Sequence[Waiting], now: datetime, limit: int) -> list[Job]:
        """See `Journal.due`."""
        return await self._read(partial(deliveries.due, receiver, states, millis(now), limit))

    async def next_due(self, receiver: str, states: Sequence[Waiting], after: datetime) -> datetime | None:
        """See `Journal.next_due`."""
        return _moment(await self._read(partial(deliveries.next_due, receiver, states, millis(after))))

    async def claim_acks(self, keys: Sequence[int], now: datetime, failures: Mapping[int, datetime] = {}) -> list[bool]:
        """See `Journal.claim_acks`."""
        return await self._before_sending(partial(acks.claim, keys, failures))

    async def settle_acks(self, results: Sequence[AckResult], now: datetime) -> None:
        """See `Journal.settle_acks`."""
        await self._write(partial(acks.settle, results, self._kept(now)))

    async def acks_due(
        self, source: str, state: Literal["pending", "in_doubt"], now: datetime
    ) -> list[Acknowledgement]:
        """See `Journal.acks_due`."""
        return await self._read(partial(acks.due, source, state, millis(now)))

    async def next_ack(self, source: str, after: datetime) -> datetime | None:
        """See `Journal.next_ack`."""
        return _moment(await self._read(partial(acks.next_due, source, millis(after))))

    async def changes_due(self, receiver: str, now: datetime, limit: int) -> list[Change]:
        """See `Journal.changes_due`."""
        return await self._read(partial(changes.due, receiver, millis(now), limit))

    async def next_change(self, receiver: str) -> datetime | None:
        """See `Journal.next_change`."""
        return _moment(await self._read(partial(changes.next_due, receiver)))

    async def claim_change(self, receiver: str, change: Change) -> bool:
        """See `Journal.claim_change`."""
        return await self._before_sending(partial(changes.claim, change, receiver))

    async def settle_change(self, receiver: str, change: Change, outcome: ChangeOutcome, now: datetime) -> bool:
        """See `Journal.settle_change`."""
        return await self._write(partial(changes.settle, change, receiver, outcome, self._kept(now)))

    async def open_requests(self) -> list[Request]:
        """See `Asked.open_requests`."""
        return await self._read(requests.waiting)

    async def answer_request(self, request: int, answer: Answer, now: datetime) -> bool:
        """See `Asked.answer_request`."""
        return await self._write(partial(requests.answer, request, answer, self._kept(now)))

    async def changed_elsewhere(self) -> int:
        """See `Journal.changed_elsewhere`."""
        return await self._read(holds.changed_elsewhere)

    async def polled(
        self,
        source: str,
        at: datetime,
        error: str,
        *,
        complete: bool = False,
        shortfall: Shortfall | None = None,
    ) -> None:
        """See `Journal.polled`."""
        kept, now = self._kept(at), millis(at)
        await self._write(partial(arrivals.polled, source, kept, now, error, complete=complete, shortfall=shortfall))

    async def shortfall(self, source: str) -> Shortfall:
        """See `Journal.shortfall`."""
        return await self._read(partial(kept, source))

    async def endpoint_changed(self, receiver: str, state: str, reason: str, at: datetime) -> None:
        """See `Journal.endpoint_changed`."""
        await self._write(partial(_endpoint_changed, receiver, state, reason, self._kept(at)))

    async def read(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Ask one of the questions of `connector.journal.views.status` on this connection."""
        return await self._read(question)

    async def aclose(self) -> None:
        """Finish what was asked for and close. Idempotent."""
        try:
            await self._commits.finish()
            await self._mark_the_end()
        finally:
            try:
                await self._database.close()
            finally:
                if self._lock is not None:
                    self._lock.release()

    @property
    def stalled(self) -> Stall | None:
        """See `Journal.stalled`."""
        return self._writing.stall or self._reading.stall

    def _stalled(self, stall: Stall | None) -> None:
        """Let `status` in another process know: it cannot be written into the journal."""
        if self._lock is not None:
            self._lock.note("" if stall is None else f"{stall.why}, since {stall.since.isoformat(timespec='seconds')}")

    async def _mark_the_end(self) -> None:
        """Note how far it is; without that, the next start takes it for what it is all the same."""
        try:
            if self._sentinel is not None and not self._writing.failing:
                await self._say(await self._commits.transact(partial(raise_epoch, 0)))
        except (JournalError, sqlite3.Error) as exc:
            logger.warning("%s", exc)
        for each in (self._sentinel, self._witness):
            if each is not None:
                each.close()
        self._sentinel = self._witness = None

    async def _write(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        try:
            try:
                return await self._commits.transact(operation)
            except sqlite3.Error as exc:
                return await self._writing.again(partial(self._commits.transact, operation), exc)
        except sqlite3.Error as exc:
            raise JournalError(f"the journal could not be written: {exc}; nothing of it was done") from exc

    async def _read(self, operation: Callable[[sqlite3.Connection], T]) -> T:
        try:
            try:
                return await uncancellable(self._database.submit(operation))
            except sqlite3.Error as exc:
                return await self._reading.again(lambda: uncancellable(self._database.submit(operation)), exc)
        except sqlite3.Error as exc:
            raise JournalError(f"the journal could not be read: {exc}") from exc


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else moment(ms)


def _endpoint_changed(receiver: str, state: str, reason: str, at: int, db: sqlite3.Connection) -> None:
    db.execute(
        "INSERT INTO receivers (name, breaker, reason, since) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE"
        " SET breaker = excluded.breaker, reason = excluded.reason, since = excluded.since",
        (receiver, state, reason, at),
    )
