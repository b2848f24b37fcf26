"""In-memory ends of the flow, held to the same contracts as the real ones; and a clock on the event loop's time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import anyio
import msgspec
from msgspec.structs import replace

from connector.ack import Acknowledgement, AckOutcome, Confirmed
from connector.clock import Boot
from connector.errors import ConflictError, ConnectorError, InDoubtError, RejectedError, TransientError, Unmappable
from connector.http.attribution import KINDS, Attribution
from connector.http.breaker import Breaker
from connector.http.endpoint import Endpoint
from connector.order import Document, Line, Order, Totals
from connector.progress import Progress
from connector.receivers.base import Delivery, Receipt, ReceiverTraits
from connector.settings.model import ReceiverSettings, SourceSettings
from connector.sources.base import FeedItem, Page, SourceTraits, next_page

EPOCH = datetime(2026, 3, 24, 9, 0, tzinfo=UTC)


class LoopClock:
    """A clock that shows the event loop's time from a fixed day on, and a seeded generator."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._start: float | None = None

    def now(self) -> datetime:
        """Return the day plus what the loop has run."""
        return EPOCH + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Return the seconds that the loop has run."""
        try:
            time = asyncio.get_running_loop().time()
        except RuntimeError:
            return 0.0
        if self._start is None:
            self._start = time
        return time - self._start

    async def sleep(self, seconds: float) -> None:
        """Wait on the loop."""
        await anyio.sleep(seconds)

    def uniform(self, low: float, high: float) -> float:
        """Return a seeded number."""
        return self._random.uniform(low, high)


class SteppingClock(LoopClock):
    """A `LoopClock` of a machine whose wall clock is set now and then: by `skew` seconds in all."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(seed)
        self.skew = 0.0
        self.booted = "once"

    def now(self) -> datetime:
        """Return what the machine's clock shows."""
        return super().now() + timedelta(seconds=self.skew)

    def boot(self) -> Boot | None:
        """Return how long the machine has run."""
        return Boot(self.booted, self.monotonic()) if self.booted else None


class Link(Endpoint):
    """An endpoint that is only its breaker: the double behind it does not go over the wire."""

    def __init__(self, name: str, clock: LoopClock, *, first: float = 1.0, longest: float = 300.0) -> None:
        self.name = name
        self.listen = lambda _state, _reason: None
        self.breaker = Breaker(
            clock, first=first, longest=longest, listen=lambda state, reason: self.listen(state, reason)
        )
        self.attributions = {kind: Attribution(clock, first=first, longest=longest) for kind in KINDS}

    def guard(self) -> None:
        """Raise what a paused endpoint raises."""
        if (wait := self.breaker.wait()) > 0:
            raise TransientError(f"{self.name} is paused", retry_after=wait)

    def report(self, exc: BaseException | None) -> None:
        """Count a call as the real endpoint does."""
        if exc is None:
            self.breaker.succeeded()
        else:
            self.breaker.failed(str(exc))


class DoubleSourceSettings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="double"):
    """Settings of the double."""

    page_size: int = 50


class DoubleReceiverSettings(ReceiverSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="double"):
    """Settings of the double."""


class MemorySource:
    """A feed in memory that shrinks as it is acknowledged. `failures` are raised by the next acknowledgements."""

    settings = DoubleSourceSettings
    ack_limit: ClassVar[int] = 10
    traits = SourceTraits(accepts_failures=False, feed_shrinks=True, ack_idempotent=True)

    def __init__(self, name: str, clock: LoopClock, *, page_size: int = 50) -> None:
        self.name = name
        self.feed: dict[str, dict[str, Any]] = {}
        self.archive: dict[str, dict[str, Any]] = {}
        self.outcomes: list[tuple[str, str, str]] = []
        self.calls: list[tuple[str, ...]] = []
        self.told: Counter[str] = Counter()
        self.messages: dict[str, str] = {}
        self.walks = 0
        self.fetch_failures: deque[ConnectorError] = deque()
        self.failures: deque[ConnectorError] = deque()
        self.lost: deque[ConnectorError] = deque()
        """Raised after the acknowledgement was applied."""
        self._page_size = page_size
        self._link = Link(name, clock)

    @property
    def endpoint(self) -> Endpoint | None:
        """Its breaker."""
        return self._link

    def put(self, *ids: str, **content: Any) -> None:
        """List orders."""
        for order_id in ids:
            self.feed[order_id] = {"id": order_id, **content}

    async def fetch(self, gone: Callable[[], int]) -> AsyncGenerator[Page]:
        """Walk the feed; a page is read when it is asked for."""
        self.walks += 1
        listed: set[str] = set()
        stale = 0
        while stale < 3:
            self._link.guard()
            if self.fetch_failures:
                exc = self.fetch_failures.popleft()
                self._link.report(exc)
                raise exc
            await anyio.sleep(0.001)
            start = (next_page(len(listed), gone(), self._page_size) + stale) * self._page_size
            ids = list(self.feed)[start : start + self._page_size]
            self._link.report(None)
            if not ids:
                return
            fresh = [order_id for order_id in ids if order_id not in listed]
            stale = 0 if fresh else stale + 1
            listed.update(fresh)
            yield Page([FeedItem(i, msgspec.json.encode(self.feed[i]), self.feed[i].get("skip", "")) for i in fresh])

    async def acknowledge(self, batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        """Take orders out of the feed."""
        assert 1 <= len(batch) <= self.ack_limit
        self._link.guard()
        await anyio.sleep(0.001)
        if self.failures:
            raise self.failures.popleft()
        self.calls.append(tuple(ack.order_id for ack in batch))
        for ack in batch:
            self.told[ack.order_id] += 1
            self.messages[ack.order_id] = ack.message
            self.outcomes.append((ack.order_id, ack.outcome, ack.message))
            content = self.feed.get(ack.order_id)
            if content is not None and ack.outcome == "exported":
                self.archive[ack.order_id] = self.feed.pop(ack.order_id)
        if self.lost:
            raise self.lost.popleft()
        return {ack.order_id: Confirmed() for ack in batch}

    async def is_acknowledged(self, acks: Sequence[Acknowledgement]) -> Mapping[str, bool]:
        """Tell what has left the feed."""
        return {ack.order_id: ack.order_id not in self.feed for ack in acks}

    def to_order(self, raw: bytes) -> Order:
        """Decode the double's own form."""
        try:
            content = msgspec.json.decode(raw, type=dict[str, Any])
            content["id"].encode()
        except (ValueError, RecursionError, KeyError, AttributeError) as exc:
            raise Unmappable("unreadable order", str(exc)) from None
        if missing := content.get("missing"):
            raise Unmappable(f"missing field: {missing}")
        return Order(
            source=self.name,
            order_id=str(content["id"]),
            notes=str(content.get("notes", "")),
            cancelled=bool(content.get("cancelled")),
            lines=(Line(sku="a", quantity=Decimal(1), unit_price=Decimal(content["unit_price"])),)
            if "unit_price" in content
            else (),
            totals=Totals(excluding_tax=Decimal(content["total"])) if "total" in content else Totals(),
            documents=tuple(Document(title=title, content=b"%PDF") for title in content.get("documents", ())),
            raw=raw,
        )

    def refetch(self, since: datetime) -> AsyncGenerator[Page]:
        """List everything that was ever listed, as it is now."""
        return self._walk_all()

    async def _walk_all(self) -> AsyncGenerator[Page]:
        await anyio.sleep(0.001)
        yield Page([FeedItem(i, msgspec.json.encode(content)) for i, content in (self.archive | self.feed).items()])

    async def check(self) -> str:
        """Change nothing."""
        if self.fetch_failures:
            raise self.fetch_failures.popleft()
        return "ok"

    async def aclose(self) -> None:
        """Nothing to close."""


class MemoryRequest(msgspec.Struct, frozen=True):
    """What the double takes."""

    external_id: str
    notes: str = ""


class MemoryReceiver:
    """
    A receiver in memory that takes duplicates, as the worst of them do. `delay` is seconds for a create to answer.

    `failures` are raised by the next creates before anything is done, `lost` after it was done.
    """

    settings = DoubleReceiverSettings
    traits = ReceiverTraits(can_find=True)
    request: ClassVar[type[msgspec.Struct]] = MemoryRequest

    def __init__(self, name: str, clock: LoopClock, *, delay: float = 0.001) -> None:
        self.name = name
        self.delay = delay
        self.orders: list[tuple[str, bytes]] = []
        self.creates: list[str] = []
        self.finds_of: list[str] = []
        self.failures: deque[ConnectorError] = deque()
        self.lost: deque[ConnectorError] = deque()
        self.find_failures: deque[ConnectorError] = deque()
        self.down = False
        self.withdrawn: set[int] = set()
        """Numbers of orders that somebody cancelled."""
        self.most_at_once = 0
        self._at_once = 0
        self._link = Link(name, clock)

    @property
    def endpoint(self) -> Endpoint | None:
        """Its breaker."""
        return self._link

    def default(self, order: Order) -> MemoryRequest:
        """Map the two things that matter here."""
        try:
            f"{order.external_id}{order.notes}".encode()
        except UnicodeEncodeError as exc:
            raise Unmappable("not a text", str(exc)) from None
        if order.notes == "unmappable":
            raise Unmappable("missing field: street")
        return MemoryRequest(order.external_id, order.notes)

    async def find(self, external_id: str) -> Receipt | None:
        """Look among the orders."""
        self._link.guard()
        self.finds_of.append(external_id)
        await anyio.sleep(self.delay)
        if self.down:
            self._link.report(TransientError("down"))
            raise TransientError(f"{self.name} is down")
        if self.find_failures:
            raise self.find_failures.popleft()
        self._link.report(None)
        found = [number for number, (external, _) in enumerate(self.orders) if external == external_id]
        if self.withdrawn & set(found):
            raise ConflictError(f"{external_id} was cancelled")
        if len(found) > 1:
            raise ConflictError(f"{len(found)} orders are {external_id}")
        return Receipt(id=str(found[0]), reference=f"R{found[0]}") if found else None

    async def create(self, delivery: Delivery) -> Receipt:
        """Take an order."""
        self._link.guard()
        self._at_once += 1
        self.most_at_once = max(self._at_once, self.most_at_once)
        try:
            self.creates.append(delivery.external_id)
            await anyio.sleep(self.delay)
            if self.down:
                self._link.report(TransientError("down"))
                raise TransientError(f"{self.name} is down")
            if self.failures:
                raise self.failures.popleft()
            self.orders.append((delivery.external_id, delivery.body))
            self._link.report(None)
            if self.lost:
                raise self.lost.popleft()
        finally:
            self._at_once -= 1
        number = len(self.orders) - 1
        return Receipt(id=str(number), reference=f"R{number}")

    async def check(self) -> str:
        """Change nothing."""
        return "ok"

    async def aclose(self) -> None:
        """Nothing to close."""

    def count(self) -> Counter[str]:
        """Return how many times each order is here."""
        return Counter(external for external, _ in self.orders)


class OnceSource(MemorySource):
    """A source at which telling twice does something twice."""

    traits = replace(MemorySource.traits, ack_idempotent=False)


class FailingSource(MemorySource):
    """A source that has a word for "failed", and keeps listing what it was told has."""

    traits = replace(MemorySource.traits, accepts_failures=True)


class AmendableReceiver(MemoryReceiver):
    """A receiver whose orders can be changed, while they are `open`, and given documents."""

    def __init__(self, name: str, clock: LoopClock, *, delay: float = 0.001) -> None:
        super().__init__(name, clock, delay=delay)
        self.closed: set[str] = set()
        self.cancelled: list[str] = []
        self.updates: list[tuple[str, bytes]] = []
        self.documents: dict[str, list[str]] = {}
        self.amend_failures: deque[ConnectorError] = deque()

    async def update(self, receipt: Receipt, delivery: Delivery) -> Receipt:
        """Put a new form in the place of the old."""
        self._open(receipt)
        self.updates.append((receipt.id, delivery.body))
        self.orders[int(receipt.id)] = (delivery.external_id, delivery.body)
        return receipt

    async def cancel(self, receipt: Receipt) -> None:
        """Cancel."""
        self._open(receipt)
        self.cancelled.append(receipt.id)

    async def attach(self, receipt: Receipt, documents: Sequence[Document]) -> None:
        """Attach what is not there."""
        there = self.documents.setdefault(receipt.id, [])
        for document in documents:
            if document.title not in there:
                there.append(document.title)
                self._fail()

    def _open(self, receipt: Receipt) -> None:
        self._fail()
        if receipt.id in self.closed:
            raise RejectedError("the order is processing")

    def _fail(self) -> None:
        if self.amend_failures:
            raise self.amend_failures.popleft()


def lost_answer() -> InDoubtError:
    """Return what a lost answer raises."""
    return InDoubtError("the answer was lost")


class ReportingSource(MemorySource):
    """
    A source that is told about progress, and shows each entry that it was given, repeated ones too.

    `report_failures` are raised by the next reports before anything is done, `report_lost` after it was done. Some
    time passes before an entry is there, and after.
    """

    def __init__(self, name: str, clock: LoopClock, *, page_size: int = 50, delay: float = 0.001) -> None:
        super().__init__(name, clock, page_size=page_size)
        self.delay = delay
        self.timeline: dict[str, list[dict[str, Any]]] = {}
        self.report_failures: deque[ConnectorError] = deque()
        self.report_lost: deque[ConnectorError] = deque()
        self.read_back: list[str] = []
        self.mute = False
        self.at_once: Counter[str] = Counter()

    def said(self, order_id: str) -> list[str]:
        """Return the comments of what was told about an order, oldest first."""
        return [str(event["comment"]) for event in self.timeline.get(order_id, [])]

    async def report(self, order_id: str, body: bytes) -> None:
        """Add an entry."""
        self._link.guard()
        self.at_once[order_id] += 1
        assert self.at_once[order_id] == 1, "one at a time for each order"
        try:
            await anyio.sleep(self.delay)
            if self.report_failures:
                raise self.report_failures.popleft()
            self.timeline.setdefault(order_id, []).append(msgspec.json.decode(body))
            await anyio.sleep(self.delay)
            if self.report_lost:
                raise self.report_lost.popleft()
        finally:
            self.at_once[order_id] -= 1

    async def reported(self, order_id: str) -> Sequence[Mapping[str, Any]] | None:
        """Show the entries, if it can."""
        self.read_back.append(order_id)
        await anyio.sleep(self.delay)
        return None if self.mute else list(self.timeline.get(order_id, []))

    def encode_report(self, order_id: str, report: Any) -> bytes:
        """Encode the neutral kind, which is the only one here."""
        if not isinstance(report, Progress):
            raise Unmappable("not a report", type(report).__name__)
        event = {"status": report.status, "location": report.location, "date": report.at, "comment": report.comment}
        return msgspec.json.encode(event)


class FollowedReceiver(MemoryReceiver):
    """A receiver that tells how far its orders are, by external id; `created` where `statuses` says nothing."""

    def __init__(self, name: str, clock: LoopClock, *, delay: float = 0.001) -> None:
        super().__init__(name, clock, delay=delay)
        self.statuses: dict[str, str] = {}
        self.asked: list[list[str]] = []

    async def progress(self, receipts: Sequence[Receipt]) -> Mapping[str, str]:
        """Look the statuses up."""
        assert 1 <= len(receipts) <= 50
        self._link.guard()
        names = {receipt.id: self.orders[int(receipt.id)][0] for receipt in receipts}
        self.asked.append(list(names.values()))
        await anyio.sleep(self.delay)
        if self.down:
            raise TransientError(f"{self.name} is down")
        return {number: self.statuses.get(name, "created") for number, name in names.items()}
