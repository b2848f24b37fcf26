"""The ways in which a target is fed: an order, a page of a feed, an answer to an acknowledgement or to any call."""

from __future__ import annotations

import atexit
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import msgspec

from connector.ack import Acknowledgement
from connector.clock import SystemClock
from connector.errors import (
    AuthError,
    ConflictError,
    EndpointError,
    InDoubtError,
    RejectedError,
    TransientError,
    Unmappable,
)
from connector.order import Order
from connector.pipeline.ingest.intake import arrival_of
from connector.receivers import RECEIVERS
from connector.receivers.base import Delivery
from connector.receivers.ewarehousing.receiver import EwarehousingReceiver
from connector.receivers.file.columns import defaults
from connector.receivers.file.rows import CsvRows, JsonLines
from connector.receivers.webhook.receiver import WebhookReceiver
from connector.settings.values import Secret, Url
from connector.sources.base import FeedItem, Page
from connector.sources.bisection import Bisection, SingleReads
from tests.fuzz.target import Line, Target, sound

__all__ = [
    "AT",
    "BASE",
    "KEYS",
    "RECEIVER",
    "SOURCE",
    "acks",
    "called",
    "feed",
    "folder",
    "orders",
    "reader",
    "told",
    "walked",
    "warehouse",
]

TYPES: Mapping[str, Any] = RECEIVERS
AT = datetime(2026, 6, 11, 10, 0, tzinfo=UTC)
BASE = Url("https://vendor.example")
KEYS: dict[str, Any] = {"username": "u", "password": Secret("p" * 8), "wms_code": "DEV", "customer_code": "C"}
SOURCE = (TransientError, InDoubtError, RejectedError, AuthError, EndpointError)
"""Errors that a source may raise, by its protocol."""
RECEIVER = (*SOURCE, ConflictError)
UNFORESEEN = "while reading it"
"""The end of the detail of an order on which our own code failed, and that is held for it."""


def acks(*ids: str, outcome: Any = "exported") -> list[Acknowledgement]:
    """Return acknowledgements of these orders."""
    return [Acknowledgement(key=1, order_id=each, outcome=outcome, at=AT, message="ORD1") for each in ids]


def folder() -> Path:
    """Return a new folder, which goes when the process ends."""
    path = Path(mkdtemp(prefix="fuzz-"))
    atexit.register(rmtree, path, ignore_errors=True)
    return path


def warehouse() -> EwarehousingReceiver:
    """Return a receiver that makes no call by itself."""
    return EwarehousingReceiver("wms", TYPES["ewarehousing"].settings(**KEYS), SystemClock())


def receivers() -> list[Any]:
    """Return a receiver of each form: orders are mapped for them as far as the wire."""
    own = TYPES["webhook"].settings(url=BASE, secret=Secret("s" * 24))
    return [warehouse(), WebhookReceiver("erp", own, SystemClock())]


@cache
def _columns() -> tuple[str, ...]:
    return defaults(per_line=True)


def reader(source: Any) -> Callable[[FeedItem], list[Any]]:
    """Return a feeder of orders: the journal's row, then the request for each receiver, and the file's lines."""
    takers = receivers()
    csv, lines = CsvRows(_columns(), per_line=True), JsonLines()

    def read(item: FeedItem) -> list[Any]:
        arrival, order = arrival_of(source, item, [("wms", True)])
        assert arrival.order_id
        assert len(arrival.cause) <= 200
        assert len(arrival.detail) <= 500
        assert not arrival.detail.endswith(UNFORESEEN), arrival.detail
        made: list[Any] = [arrival]
        for receiver in takers if order is not None else ():
            try:
                body = msgspec.json.encode(receiver.default(order))
            except Unmappable:
                continue
            made.append(body)
            if receiver.name == "erp":
                delivery = Delivery(arrival.external_id, body)
                assert csv.written(delivery).endswith(b"\n")
                assert lines.written(delivery).count(b"\n") == 1
        return made

    return read


def orders(name: str, source: Any, *samples: bytes) -> Target:
    """Return the reading of one order, as it stands in the journal."""
    read = reader(source)

    async def feed(body: bytes, status: int) -> object:
        del status
        try:
            order = source.to_order(body)
        except Unmappable:
            return read(FeedItem("1", body))
        made = read(FeedItem(order.order_id, body))  # of another id it would be held
        assert isinstance(order, Order)
        assert source.to_order(body) == order
        return [msgspec.structs.replace(order, raw=b""), made]

    return Target(name, samples, feed, (), source)


def feed(name: str, source: Any, line: Line, *samples: bytes) -> Target:
    """Return a walk over a feed, whose every page is the body; the listed orders are accepted."""
    return walked(name, source, line, lambda: source.fetch(lambda: 0), *samples)


def walked(name: str, source: Any, line: Line, walk: Callable[[], AsyncGenerator[Page]], *samples: bytes) -> Target:
    """
    Return any walk over a feed, likewise.

    One that fails is made again, as by the next poll: that may read the page in parts. Each body stands for itself, so
    the source's memory of rows that it could not read is cleared before the next.
    """
    read = reader(source)
    line.join(source.endpoint)

    async def poll() -> list[Any]:
        made: list[Any] = []
        async for page in walk():
            made += [read(item) for item in page.items]
            assert page.total is None or 0 <= page.total < 2**63
            sound(page.unreadable)
        return made

    async def take(body: bytes, status: int) -> object:
        line.put(body, status)
        _forget(source)
        try:
            return await poll()
        except (TransientError, RejectedError):
            return await poll()

    return Target(name, samples, take, SOURCE, line=line)


def _forget(source: Any) -> None:
    getattr(getattr(source, "_search", source), "_bisections", {}).clear()
    bisection, lone = getattr(source, "_bisection", None), getattr(source, "_single_reads", None)
    if isinstance(bisection, Bisection):
        bisection._known.clear()
        bisection._suspect = -1
    if isinstance(lone, SingleReads):
        lone._known.clear()


def told(name: str, source: Any, line: Line, about: Sequence[Acknowledgement], *samples: bytes) -> Target:
    """Return the answer to an acknowledgement."""
    line.join(source.endpoint)

    async def feed(body: bytes, status: int) -> object:
        line.put(body, status)
        outcomes = await source.acknowledge(about)
        assert set(outcomes) <= {ack.order_id for ack in about}
        return outcomes

    return Target(name, samples, feed, SOURCE, line=line)


def called(
    name: str,
    line: Line,
    endpoint: Any,
    call: Callable[[], Any],
    *samples: bytes,
    allowed: tuple[type[Exception], ...] = RECEIVER,
) -> Target:
    """Return one call whose answer is the body."""
    line.join(endpoint)

    async def feed(body: bytes, status: int) -> object:
        line.put(body, status)
        return await call()

    return Target(name, samples, feed, allowed, line=line)
