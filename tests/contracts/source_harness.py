"""The test bench of the sources' contract: the source, its vendor, and faults on the line between them."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from connector.sandbox.server import Fault
from connector.sources.base import Acknowledgement, AckOutcome, FeedItem, Page, Source

__all__ = ["Call", "SourceBench", "SourceHarness", "closed_port", "numbers"]

Call = Literal["fetch", "ack"]

DELIVERED = datetime(2026, 3, 24, 10, 0, tzinfo=UTC)


class SourceHarness(ABC):
    """One source and the vendor at the other end of a real socket."""

    source: Source

    @property
    @abstractmethod
    def secrets(self) -> tuple[str, ...]:
        """The texts that no error may hold: passwords, keys, and tokens."""

    @abstractmethod
    def acknowledged(self) -> list[str]:
        """Return the ids of the orders that the vendor accepted acknowledgements of, each time."""

    @abstractmethod
    def spoil(self, order_id: str) -> None:
        """Make one order of the feed unreadable, and leave it in the feed."""

    @abstractmethod
    def fault(self, call: Call, fault: Fault, *, times: int = 1) -> None:
        """Let `fault` befall the next `times` calls of this kind."""

    async def listed(self, gone: Callable[[], int] = lambda: 0) -> list[FeedItem]:
        """Poll the feed once; return its orders."""
        return [item for page in await self.pages(gone) for item in page.items]

    async def pages(self, gone: Callable[[], int] = lambda: 0) -> list[Page]:
        """Walk the feed once; return its pages."""
        return [page async for page in self.source.fetch(gone)]

    async def acknowledge(self, ids: Sequence[str]) -> dict[str, AckOutcome]:
        """Acknowledge `ids`, in as few calls as the source allows."""
        outcomes: dict[str, AckOutcome] = {}
        limit = self.source.ack_limit
        for start in range(0, len(ids), limit):
            batch = [self.acknowledgement(order_id) for order_id in ids[start : start + limit]]
            outcomes.update(await self.source.acknowledge(batch))
        return outcomes

    def acknowledgement(self, order_id: str) -> Acknowledgement:
        """Return the pipeline's acknowledgement of a delivered order."""
        return Acknowledgement(key=1, order_id=order_id, outcome="exported", at=DELIVERED, message=f"id = {order_id}")

    async def do(self, call: Call) -> object:
        """Make one call of this kind."""
        return await self.listed() if call == "fetch" else await self.acknowledge(["1"])


class SourceBench(ABC):
    """The source under test, and a factory for it and its vendor."""

    source: ClassVar[type[Any]]
    page_limit: ClassVar[int]
    """The number of orders on a page of the source that `make` makes."""
    logs_in: ClassVar[bool] = False
    """True if calls carry a token that can be renewed."""

    @abstractmethod
    def make(self, ids: list[str], *, up: bool = True) -> AbstractAsyncContextManager[SourceHarness]:
        """
        Serve a vendor whose feed holds exactly the orders `ids`, and point a fresh source at it.

        `up=False`: nothing listens at its address.
        """

    @abstractmethod
    def offline(self) -> Source:
        """Return a source that will make no call."""

    @abstractmethod
    def sample(self) -> bytes:
        """Return one order as the feed lists it, with as much in it as the vendor documents."""


def numbers(count: int) -> list[str]:
    """Return `count` ids that every vendor can have."""
    return [str(number) for number in range(1, count + 1)]


@contextmanager
def closed_port() -> Iterator[str]:
    """Yield an address at which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
