"""Collects the evidence: polls the feeds, reads the journal, looks orders up at the receivers, and changes nothing."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime

import anyio
import msgspec

from connector.clock import Clock
from connector.errors import ConflictError, ConnectorError, InDoubtError, TransientError, readable
from connector.journal.views import audit
from connector.order import external_id
from connector.pipeline.ingest.intake import arrival_of, takes_cancelled
from connector.receivers.base import Receiver, SupportsBulkFind
from connector.reconcile.compare import Compared, Rules, compare
from connector.reconcile.evidence import (
    Conflicting,
    JournalEvidence,
    Listed,
    LookupResult,
    NoAnswer,
    ReceiverEvidence,
    SourceEvidence,
)
from connector.reconcile.findings import KINDS, ReconcileReport, Unreached
from connector.settings import Settings
from connector.sources.base import Page, Source, SupportsReplay

__all__ = ["Sides", "reconcile"]

BULK_SIZE = 500
"""Orders per bulk look-up, at receivers that support it."""
BY_ABSENCE = frozenset({"missing_from_feed", "orphan_ack"})
"""Findings about orders that a feed does not list; shifting pages may hide an order that it does list."""


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """The three sides of the comparison: the selected sources, all receivers, and the journal opened for reading."""

    settings: Settings
    sources: Mapping[str, Source]
    receivers: Mapping[str, Receiver]
    journal: sqlite3.Connection
    clock: Clock


async def reconcile(sides: Sides, since: datetime, limit: int) -> ReconcileReport:
    """
    Compare the three sides for every order that is unfinished, unacknowledged, in a feed, or delivered since `since`.

    Of the acknowledged orders, and of those that the journal does not know, only the `limit` latest are looked up.
    Findings are checked a second time, so that work in progress of a running connector is not reported.
    """
    collector = _Collector(sides, since, limit)
    await collector.poll(sides.sources)
    collector.read_journal()
    await collector.look_up()
    found = collector.compare()
    if found.findings:
        await collector.poll({each.source for each in found.findings if each.kind in BY_ABSENCE})
        collector.read_journal()
        before = {each.subject for each in found.findings}
        found = collector.compare()
        found = msgspec.structs.replace(found, findings=[each for each in found.findings if each.subject in before])
    return collector.report(found)


class _Collector:
    def __init__(self, sides: Sides, since: datetime, limit: int) -> None:
        self._sides = sides
        self._since = since
        self._limit = limit
        self._cancelled = {
            route.source
            for route in sides.settings.routes
            if route.source in sides.sources and takes_cancelled(sides.sources[route.source], route)
        }
        self._routes = {
            route.source: (*((name, True) for name in route.receivers), *((name, False) for name in route.optional))
            for route in sides.settings.routes
        }
        self._sources: dict[str, SourceEvidence] = {}
        self._receivers: dict[str, ReceiverEvidence] = {}
        self._journal = JournalEvidence()
        self._keys: list[int] | None = None
        self._left_out = 0
        self._errors: dict[str, Exception] = {}

    async def poll(self, names: Iterable[str]) -> None:
        """Read the feeds of these sources; orders listed by an earlier poll stay listed."""
        async with anyio.create_task_group() as tg:
            for name in names:
                tg.start_soon(self._poll, name, name=f"poll {name}")

    async def _poll(self, name: str) -> None:
        source, asked_at = self._sides.sources[name], self._sides.clock.now()
        exported: dict[str, Listed] = {}
        listed: dict[str, Listed] = {}
        error = ""
        try:
            # Exported orders first: an order exported between the two reads is then in neither, not wrongly in both.
            if isinstance(source, SupportsReplay) and source.traits.feed_shrinks:
                await self._list(source, source.refetch(self._since), exported)
            await self._list(source, source.fetch(lambda: 0), listed)
        except Exception as exc:  # noqa: BLE001 - a defect in a vendor file must not affect other sources
            error = _message(exc)
            self._errors[name] = exc
        before = self._sources.get(name)
        listed = {**(before.listed if before is not None else {}), **listed}
        self._sources[name] = SourceEvidence(
            listed=listed,
            exported={order_id: each for order_id, each in exported.items() if order_id not in listed and not error},
            shrinks=source.traits.feed_shrinks,
            asked_at=asked_at,
            error=error,
        )

    async def _list(self, source: Source, pages: AsyncGenerator[Page], into: dict[str, Listed]) -> None:
        asked_at = self._sides.clock.now()
        async with aclosing(pages):
            async for page in pages:
                known = audit.ids(self._sides.journal, source.name, [item.order_id for item in page.items])
                for item in page.items:
                    arrival, _ = arrival_of(
                        source, item, self._routes.get(source.name, ()), cancelled=source.name in self._cancelled
                    )
                    into[item.order_id] = Listed(
                        asked_at=asked_at,
                        skip_reason=arrival.cause if arrival.state in ("skipped", "cancelled") else "",
                        arrival=None if item.order_id in known else arrival,
                    )
                asked_at = self._sides.clock.now()

    def read_journal(self) -> None:
        """Read the orders to compare from the journal."""
        db = self._sides.journal
        if self._keys is None:
            orders, self._left_out = audit.to_audit(db, self._since, self._limit)
            orders = [each for each in orders if each.source in self._sides.sources]
            self._keys = [each.key for each in orders]
        else:
            orders = audit.of_keys(db, self._keys)
        found = {(each.source, each.order_id): each for each in orders}
        for name, evidence in self._sources.items():
            unknown = [order_id for order_id, each in evidence.exported.items() if each.arrival is not None]
            there = audit.known(db, name, [*evidence.listed, *unknown])
            found |= {(each.source, each.order_id): each for each in there}
        self._journal = JournalEvidence(orders=found, polled=audit.polled(db))

    async def look_up(self) -> None:
        """Look orders up at each of their receivers that has a look-up."""
        wanted: dict[str, dict[str, None]] = {name: {} for name in self._sides.receivers}
        for order in self._journal.orders.values():
            for delivery in order.deliveries:
                if delivery.state != "skipped" and delivery.receiver in wanted:
                    wanted[delivery.receiver][order.external_id] = None
        for name, evidence in self._sources.items():
            unknown = [
                order_id
                for order_id, each in {**evidence.listed, **evidence.exported}.items()
                if each.arrival is not None and not each.skip_reason and (name, order_id) not in self._journal.orders
            ]
            self._left_out += max(0, len(unknown) - self._limit)
            for order_id in unknown[: self._limit]:
                for to, _ in self._routes.get(name, ()):
                    wanted[to][external_id(name, order_id)] = None
        async with anyio.create_task_group() as tg:
            for name, receiver in self._sides.receivers.items():
                if receiver.traits.can_find and wanted[name]:
                    tg.start_soon(self._look_up, receiver, list(wanted[name]), name=f"look up at {name}")

    async def _look_up(self, receiver: Receiver, external_ids: Sequence[str]) -> None:
        answers: dict[str, LookupResult] = {}
        self._receivers[receiver.name] = ReceiverEvidence(answers=answers, asked_at=self._sides.clock.now())
        if isinstance(receiver, SupportsBulkFind):
            for start in range(0, len(external_ids), BULK_SIZE):
                part = external_ids[start : start + BULK_SIZE]
                try:
                    answers.update(await receiver.find_many(part))
                except Exception as exc:  # noqa: BLE001 - see `_look_up_one`
                    answers.update(self._failed(receiver.name, part, exc))
        left = deque(each for each in external_ids if each not in answers)

        async def one_by_one() -> None:
            while left:
                external_id = left.popleft()
                answers[external_id] = await self._look_up_one(receiver, external_id)

        async with anyio.create_task_group() as tg:
            for number in range(min(self._sides.settings.receivers[receiver.name].concurrency, len(left))):
                tg.start_soon(one_by_one, name=f"look up at {receiver.name}, {number + 1}")

    async def _look_up_one(self, receiver: Receiver, external_id: str) -> LookupResult:
        try:
            return await receiver.find(external_id)
        except ConflictError as exc:
            return Conflicting(str(exc))
        except Exception as exc:  # noqa: BLE001 - a failed look-up must not stop the others
            return self._failed(receiver.name, [external_id], exc)[external_id]

    def _failed(self, name: str, external_ids: Sequence[str], exc: Exception) -> dict[str, LookupResult]:
        self._errors.setdefault(name, exc)
        return dict.fromkeys(external_ids, NoAnswer(_message(exc)))

    def compare(self) -> Compared:
        """Compare the evidence collected so far."""
        own = self._sides.settings
        rules = Rules(
            now=self._sides.clock.now(),
            settle={name: float(each.settle) for name, each in own.receivers.items()},
            timeout={name: float(each.timeout) for name, each in own.receivers.items()},
            poll={name: float(own.sources[name].poll_interval) for name in self._sides.sources},
            receivers=self._routes,
            believed={name: float(own.sources[name].settle) for name in self._sides.sources},
            once=[name for name, source in self._sides.sources.items() if source.traits.confirms_once],
        )
        return compare(self._sources, self._journal, self._receivers, rules)

    def report(self, found: Compared) -> ReconcileReport:
        """Return the report of the findings and of the endpoints that could not be read."""
        missing = {
            name: sum(isinstance(answer, NoAnswer) for answer in evidence.answers.values())
            for name, evidence in self._receivers.items()
        }
        return ReconcileReport(
            since=self._since,
            findings=sorted(found.findings, key=lambda each: list(KINDS).index(each.kind)),
            agreed=found.agreed,
            fresh=found.fresh,
            unreached=[Unreached(name, _message(exc), missing.get(name, 0)) for name, exc in self._errors.items()],
            later=all(isinstance(exc, TransientError | InDoubtError) for exc in self._errors.values()),
            left_out=self._left_out,
            blind=[name for name, receiver in self._sides.receivers.items() if not receiver.traits.can_find],
        )


def _message(exc: Exception) -> str:
    return str(exc) if isinstance(exc, ConnectorError) else readable(f"{type(exc).__name__}: {exc}")
