"""What a source is: a system that lists un-exported orders and takes acknowledgements."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Protocol, runtime_checkable

import msgspec

from connector.ack import Acknowledgement, AckOutcome, Confirmed, Denied, NotApplied, Refused, Unknown
from connector.http.endpoint import Endpoint
from connector.journal.records import UnreadableRow
from connector.order import Order

__all__ = [
    "AckOutcome",
    "Acknowledgement",
    "Confirmed",
    "Denied",
    "FeedItem",
    "LimitedReplay",
    "NotApplied",
    "Page",
    "Refused",
    "Source",
    "SourceTraits",
    "SupportsAckLookup",
    "SupportsAckTerms",
    "SupportsReplay",
    "SupportsReports",
    "Unknown",
    "UnreadableRow",
    "next_page",
]


class FeedItem(msgspec.Struct, frozen=True):
    """
    One order of a feed page, still as the vendor's bytes: one bad order must never lose its page.

    `skip` names why the order is none of ours (a quotation, say); empty means that it is.
    """

    order_id: str
    raw: bytes
    skip: str = ""


class Page(msgspec.Struct, frozen=True):
    """
    One page of a feed. `total` is how many orders the vendor says the feed holds, where it says so.

    `continued` says that the vendor was not asked for it: it was read together with the page before. What was
    confirmed since then may still be on it. `unreadable` are the rows in its place that cannot be read.
    """

    items: Sequence[FeedItem]
    total: int | None = None
    continued: bool = False
    unreadable: Sequence[UnreadableRow] = ()


class SourceTraits(msgspec.Struct, frozen=True, kw_only=True):
    """
    The properties of a source on which the flow's decisions depend.

    - `accepts_failures`: the source accepts the acknowledgement that an order could not be exported.
    - `feed_shrinks`: an order leaves the feed once it is acknowledged. Elsewhere, a repeated listing has no meaning.
    - `ack_idempotent`: an acknowledgement may be sent again after a lost response without doing anything twice.
    - `export_idempotent`: the acknowledgement of an export may be sent again, even if that of a failure may not.
    - `exports_cancelled`: the settings request orders that were cancelled before their export.
    """

    accepts_failures: bool
    feed_shrinks: bool
    ack_idempotent: bool
    export_idempotent: bool = False
    exports_cancelled: bool = False

    @property
    def confirms_once(self) -> bool:
        """An order that is confirmed and listed again is left to a person: another acknowledgement may do harm."""
        return not (self.ack_idempotent or self.export_idempotent)


class Source(Protocol):
    """
    A system that lists un-exported orders (the feed) and takes acknowledgements.

    `fetch`, `acknowledge` and `check` raise only `TransientError`, `InDoubtError`, `RejectedError`, `AuthError` and
    `EndpointError`. Retries, rate limits, breakers and concurrency are around a source, never in it.
    """

    name: str
    """The source's name in settings.yaml."""

    ack_limit: ClassVar[int]
    """How many orders one `acknowledge` may carry: the vendor's limit."""

    @property
    def traits(self) -> SourceTraits:
        """The properties of this source under its settings; constant for its life."""

    @property
    def endpoint(self) -> Endpoint | None:
        """The connection, whose breaker the flow obeys; None for a source that has none."""

    def fetch(self, gone: Callable[[], int]) -> AsyncGenerator[Page]:
        """
        Walk the feed once, page by page, and end where it ends.

        Called once per pass; the caller stops reading while it has no room. `gone()` tells how many orders of this
        pass have left the feed since the pass began (we acknowledged them): a feed that is paged by number has
        shrunk by that many, see `next_page`. The walk ends on an empty page, on the vendor's last page, and on a
        page that brings nothing new, so that lying metadata cannot keep it going for ever. An order that the vendor
        lists although it is exported already is left out.
        """

    async def acknowledge(self, batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        """
        Tell the source about 1 to `ack_limit` orders in one call; return what became of each, by order id.

        An order that is missing from the answer counts as `Unknown`. A raised `TransientError`, `AuthError` or
        `EndpointError` means that nothing was applied, `RejectedError` that the call as a whole was refused,
        `InDoubtError` that nobody knows.
        """

    def to_order(self, raw: bytes) -> Order:
        """Turn one order of the feed into the canonical form. Pure; raises `Unmappable` and nothing else."""

    async def check(self) -> str:
        """Prove address, credentials and rights without changing anything; return one line for the operator."""

    async def aclose(self) -> None:
        """Release the connections. Idempotent."""


@runtime_checkable
class SupportsAckLookup(Protocol):
    """A source that can be asked what it knows, for acknowledgements whose answer was lost."""

    async def is_acknowledged(self, acks: Sequence[Acknowledgement]) -> Mapping[str, bool]:
        """Tell by order id whether the source knows; leave out the ones about which it cannot be certain."""


@runtime_checkable
class SupportsAckTerms(Protocol):
    """
    A source that is told under terms that its settings state: what is told means something else under others.

    An acknowledgement that waits while they change keeps its own, see `Acknowledgement.terms`; `acknowledge` gets only
    those of one kind in a call, `is_acknowledged` may get several. `traits.ack_idempotent` is about the terms of now.
    """

    @property
    def terms(self) -> str:
        """The terms of now, as a short text without secrets; the same settings make the same text for ever."""

    def is_idempotent(self, ack: Acknowledgement) -> bool:
        """Return whether `ack`, under its own terms, may be sent again without doing anything twice."""


@runtime_checkable
class SupportsReplay(Protocol):
    """A source that lists orders again that it was told about before."""

    def refetch(self, since: datetime) -> AsyncGenerator[Page]:
        """
        Walk what was exported at or after `since` (UTC), and what was not exported yet.

        As `fetch`, but orders that are marked as exported are yielded too. For replays only: which orders are known
        is decided by the journal, never by this.
        """


@runtime_checkable
class LimitedReplay(Protocol):
    """A source whose replay cannot list everything that was exported since a time."""

    replay_omits: ClassVar[str]
    """The orders that a replay leaves out, in words for an operator."""


@runtime_checkable
class SupportsReports(Protocol):
    """A source that is told what happens to an order after it was delivered."""

    async def report(self, order_id: str, body: bytes) -> None:
        """Tell about one event; `body` is what `encode_report` made. Not to be repeated blindly: see `reported`."""

    async def reported(self, order_id: str) -> Sequence[Mapping[str, Any]] | None:
        """Return the events that the source shows for the order, oldest first; None if it cannot show them."""

    def encode_report(self, order_id: str, report: Any) -> bytes:
        """Turn a report into the bytes of its call. Pure; raises `Unmappable` when it is none of this source's."""


def next_page(seen: int, gone: int, size: int) -> int:
    """
    Return the number (from 0) of the page to read next in a feed of pages of `size`.

    `seen` orders were listed in this pass, and `gone` of them have left the feed since; what comes next has moved
    up by that many. Rounding down re-reads a few orders, which is harmless, where rounding up would skip some.
    """
    return max(seen - gone, 0) // size
