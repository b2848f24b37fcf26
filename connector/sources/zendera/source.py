"""
Zendera, orders export v1: fetches the shipments to export, acknowledges orders, and reports their progress.

Seed 003; vendors.md section 3, and section 6 for the readings of its ambiguous places.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import anyio
import msgspec

from connector.clock import Clock
from connector.errors import RejectedError, TransientError, Unmappable
from connector.http.endpoint import Answer, Effect, Endpoint, segment
from connector.order import Order
from connector.progress import Progress
from connector.sources.base import (
    Acknowledgement,
    AckOutcome,
    Confirmed,
    Denied,
    Page,
    Refused,
    SourceTraits,
    UnreadableRow,
)
from connector.sources.bisection import Bisection
from connector.sources.parsing import count
from connector.sources.zendera import paging as feed
from connector.sources.zendera import timeline
from connector.sources.zendera.acks import check_address, complaints, denials, reason, status
from connector.sources.zendera.order import to_order
from connector.sources.zendera.reports import encode_report, to_report
from connector.sources.zendera.settings import ZenderaSettings

__all__ = ["ZenderaSource"]

EXPORT = "/v1/orders/export"
STATUS = "/v1/orders/export/status"
UPDATE = "/v1/exported-order/update"
UPDATES = "/v2/orders/{}/external-updates"

READINGS = 3
"""Readings of a feed that keeps changing; then the orders count on which the last two readings agree."""
NO_TIMELINE = frozenset({400, 403, 404, 501})
"""Responses after which an order's timeline is unknown: an unpublished route may be missing, or closed to this key."""


_page = msgspec.json.Decoder(feed.FeedPage)
_any = msgspec.json.Decoder()


def _credentials(settings: ZenderaSettings) -> tuple[dict[str, str], list[str]]:
    """Return the header with the secret, and the secret."""
    key = settings.api_key.reveal()
    return {"Authorization": f"apikey {key}"}, [key]


class ZenderaSource:
    """A Zendera organisation as a source. Implements `Source`, `SupportsAckLookup` and `SupportsReports`."""

    settings: ClassVar[type[ZenderaSettings]] = ZenderaSettings
    ack_limit: ClassVar[int] = 50
    traits: ClassVar[SourceTraits] = SourceTraits(
        accepts_failures=True,
        feed_shrinks=True,
        ack_idempotent=False,  # each FAILED is a strike
        export_idempotent=True,  # an order that was dispatched again is acknowledged again (vendors.md 6, seed 003, #6)
    )

    def __init__(self, name: str, settings: ZenderaSettings, clock: Clock) -> None:
        self.name = name
        self._settings = settings
        self._zone = ZoneInfo(settings.timezone)
        self._still = anyio.Lock()
        self._bisection: Bisection[msgspec.Raw] = Bisection(clock, feed.order_of)
        self._pitch = settings.page_size
        """Rows from one page to the next, as the vendor stated last."""
        headers, secrets = _credentials(settings)
        self.endpoint = Endpoint(name, settings.base_url, settings, clock, headers=headers, secrets=secrets)

    def rotate_secrets(self, settings: ZenderaSettings) -> None:
        """Use the API key of `settings`; see `SupportsSecretRotation`."""
        self._settings = settings
        self.endpoint.rotate_secrets(*_credentials(settings))

    async def fetch(self, gone: Callable[[], int]) -> AsyncGenerator[Page, None]:
        """
        Read the whole feed, then yield its orders, each with all of its shipments; see `Source.fetch`.

        While the pages are read, this source acknowledges nothing (vendors.md 6, seed 003, #4), so `gone` is not
        needed. A feed that changes all the same is read again. If it keeps changing, the orders are yielded that two
        readings in a row listed with the same shipments, and the stated total shows that there are more. A shipment
        that makes its page fail is left out; the orders next to it, of which it may be one, wait for it.

        Raises:
            TransientError: no two readings agree on any order, or a page could not be read; nothing was yielded.
        """
        del gone
        reading, sure = await self._read()
        if not reading.whole and not sure:
            raise TransientError(f"{self.name}: the feed changed while it was read, {READINGS} times in a row")
        waiting = reading.beside_unreadable()
        items = [item for item in reading.items() if item.order_id in sure and item.order_id not in waiting]
        unreadable = _explained(reading.unreadable.values(), waiting)
        total, size = len(reading) - len(waiting), self._settings.page_size
        for start in range(0, max(len(items), 1), size):
            yield Page(items[start : start + size], total, continued=start > 0, unreadable=() if start else unreadable)

    async def acknowledge(self, batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        """
        Acknowledge exported and failed orders; see `Source.acknowledge`.

        The response's body is not published: any 2xx confirms all orders, except those that it names with an error. A
        body that reports a failure without naming an order denies all.
        """
        body = msgspec.json.encode({"create": [status(ack) for ack in batch]})
        refused: dict[str, str] = {}

        def judge(answer: Answer) -> None:
            check_address(answer, [ack.order_id for ack in batch])
            refused.update(complaints(answer))

        async with self._still:
            answer = await self.endpoint.call(
                "POST", STATUS, effect=Effect.WRITE, body=body, expected={404}, judge=judge
            )
        denied = denials(answer, [ack.order_id for ack in batch])
        return {
            ack.order_id: Refused(refused[ack.order_id])
            if ack.order_id in refused
            else Denied(denied[ack.order_id])
            if ack.order_id in denied
            else Confirmed()
            for ack in batch
        }

    async def is_acknowledged(self, order_ids: Sequence[str | Acknowledgement]) -> Mapping[str, bool]:
        """
        Return for each order whether Zendera has its acknowledgement; leave out the uncertain ones.

        Given the acknowledgement itself, the outcome is compared: an earlier failure of the same order counts neither
        for a later one nor for its success. Given an id only, an order that failed before is left out. Reads the
        timeline of each order (faults.md #95), and the feed.
        """
        reading: feed.Reading | None = None
        known: dict[str, bool] = {}
        for asked in order_ids:
            ack = asked if isinstance(asked, Acknowledgement) else None
            order_id = asked.order_id if isinstance(asked, Acknowledgement) else asked
            recorded: bool | None = None
            if ack is not None and ack.outcome == "failed":
                attempts = await self._attempts(order_id)
                if attempts is not None:
                    recorded = timeline.failure_recorded(
                        attempts, since=ack.at, reason=reason(ack.message), before=ack.failures
                    )
            else:
                if reading is None:
                    reading, _ = await self._read()
                listed = True if order_id in reading else False if reading.certain else None
                attempts = None if ack and listed else await self._attempts(order_id)
                recorded = timeline.export_recorded(attempts or [], listed=listed)
                if ack is None and attempts != [] and not recorded:
                    recorded = None  # the meaning of its attempts depends on the outcome that was sent
            if recorded is not None:
                known[order_id] = recorded
        return known

    async def report(self, order_id: str, body: bytes) -> None:
        """
        Report one event; see `SupportsReports.report`.

        No key makes a repeat safe: an event that is sent twice is on the timeline twice (vendors.md 6, seed 003, #11).
        """

        def judge(answer: Answer) -> None:
            check_address(answer, [order_id])
            if order_id in (refused := complaints(answer)):
                raise RejectedError(f"{answer.what}: {refused[order_id]}")
            if failure := denials(answer, [order_id]).get(order_id):
                raise answer.unusable(failure)

        await self.endpoint.call("POST", UPDATE, effect=Effect.WRITE, body=body, expected={404}, judge=judge)

    async def reported(self, order_id: str) -> Sequence[Mapping[str, Any]] | None:
        """Return the order's external-updates timeline, oldest first; None if Zendera shows none."""
        answer = await self._timeline(order_id)
        return None if answer is None else _events(answer)

    def encode_report(self, order_id: str, report: object) -> bytes:
        """Encode a report (reports.py), or a `Progress`, as the body of its call. Pure; raises `Unmappable`."""
        try:
            native = to_report(report) if isinstance(report, Progress) else report
        except ValueError as exc:
            raise Unmappable("not a report that Zendera takes", str(exc)) from None
        return encode_report(order_id, native)

    def to_order(self, raw: bytes) -> Order:
        """Map one order of the feed to the canonical order. Pure; raises `Unmappable` and nothing else."""
        return to_order(self.name, raw, zone=self._zone, cash_stated=self._settings.cash_on_delivery)

    async def check(self) -> str:
        """Read one shipment; see `Source.check`. The right to acknowledge cannot be proved without doing it."""
        total = count((await self._listed(1, 1)).total) or 0
        return f"the feed can be read, {total} shipments to export"

    async def aclose(self) -> None:
        """Release the connections. Idempotent."""
        await self.endpoint.aclose()

    async def _read(self) -> tuple[feed.Reading, set[str]]:
        """Read the feed until it stops changing; return the last reading, and the orders that are complete."""
        async with self._still:
            last: feed.Reading | None = None
            agreed: set[str] = set()
            for _ in range(READINGS):
                self._bisection.begin()
                reading = await feed.read(self._page)
                if reading.whole:
                    return reading, set(reading)
                agreed = reading.same(last) if last is not None else set()
                if last is not None and agreed and len(agreed) == len(reading) == len(last):
                    reading.whole = True  # the feed is stable; its stated total does not count its shipments
                    break
                last = reading
        return reading, agreed

    async def _page(self, number: int) -> feed.FeedPage:
        """Return a page, or its readable part."""
        size = self._settings.page_size
        answers: list[feed.FeedPage] = []

        async def read(number: int, many: int) -> Sequence[msgspec.Raw]:
            answers.append(await self._listed(number + 1, many))
            return answers[-1].shipments or []

        rows = await self._bisection.page(read, number - 1, size, min(size, self._pitch))
        last = answers[-1] if answers else feed.FeedPage()
        if rows is last.shipments or not (rows or last.shipments):
            self._pitch = count(last.per_page) or size
            return last
        total = count(last.total)
        return feed.PartialPage(
            shipments=[row for row in rows if not isinstance(row, UnreadableRow)],
            total=total,
            total_pages=None if total is None else -(-total // size),
            unreadable=[row for row in rows if isinstance(row, UnreadableRow)],
        )

    async def _listed(self, number: int, size: int) -> feed.FeedPage:
        answer = await self.endpoint.call(
            "GET", EXPORT, effect=Effect.READ, query=[("page", str(number)), ("perPage", str(size))]
        )
        page = answer.decode(_page)
        if not page.is_one:
            raise answer.unusable("no shipments, but an error")
        return page

    async def _attempts(self, order_id: str) -> list[timeline.Export] | None:
        """Return the attempts at exporting an order; None if its timeline cannot be read."""
        answer = await self._timeline(order_id)
        try:
            return None if answer is None else timeline.exports(_events(answer))
        except TransientError:
            return None

    async def _timeline(self, order_id: str) -> Answer | None:
        """Read an order's timeline; None if there is none, which is no failure of the endpoint."""
        path = UPDATES.format(segment(order_id))
        answer = await self.endpoint.call("GET", path, effect=Effect.READ, expected=NO_TIMELINE)
        return None if answer.status in NO_TIMELINE else answer


def _explained(rows: Iterable[UnreadableRow], waiting: Iterable[str]) -> list[UnreadableRow]:
    """Return the unreadable rows, with the orders that wait for them."""
    held = set(waiting)
    found = []
    for row in rows:
        beside = list(dict.fromkeys(order for order in (row.after, row.before) if order in held))
        said = f"; {' and '.join(beside)} wait: it may be a shipment of theirs" if beside else ""
        found.append(msgspec.structs.replace(row, reason=row.reason + said))
    return found


def _events(answer: Answer) -> list[dict[str, Any]]:
    """Return a timeline's events. Raises for an empty body, which does not show that there are none."""
    try:
        return timeline.events(answer.decode(_any))
    except ValueError as exc:
        raise answer.unusable(str(exc)) from None
