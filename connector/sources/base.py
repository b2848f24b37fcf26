"""The protocol of sources: systems that list orders to export (the feed) and accept acknowledgements."""

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
    One order of a feed page, in the vendor's own bytes, so that one bad order never loses its page.

    `skip` is the reason why the order is not for us (a quotation, say); empty for an order that is.
    """

    order_id: str
    raw: bytes
    skip: str = ""


class Page(msgspec.Struct, frozen=True):
    """
    One page of a feed. `total` is the number of orders in the feed, if the vendor states it.

    - `continued`: no call was made for this page; it was read together with the page before, and may still show orders
      that were confirmed since.
    - `unreadable`: the rows of the page that cannot be read.
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
        """True if a confirmed order that is listed again is left to an operator, because another export may do harm."""
        return not (self.ack_idempotent or self.export_idempotent)


class Source(Protocol):
    """
    A system that lists orders to export (the feed) and accepts acknowledgements.

    `fetch`, `acknowledge` and `check` raise only `TransientError`, `InDoubtError`, `RejectedError`, `AuthError` and
    `EndpointError`. Retries, rate limits, breakers and concurrency are around a source, never in it.
    """

    name: str
    """The source's name in settings.yaml."""

    ack_limit: ClassVar[int]
    """The number of orders that one `acknowledge` may carry: the vendor's limit."""

    @property
    def traits(self) -> SourceTraits:
        """The properties of this source under its settings; constant for its life."""

    @property
    def endpoint(self) -> Endpoint | None:
        """The connection, whose breaker the flow obeys; None for a source without one."""

    def fetch(self, gone: Callable[[], int]) -> AsyncGenerator[Page]:
        """
        Poll the feed once, page by page, to its end.

        The caller stops reading while it has no room. `gone()` returns how many orders of this poll have left the feed
        since the poll began, because we acknowledged them: a feed that is paged by number has shrunk by that many, see
        `next_page`.

        The poll ends at an empty page, at the vendor's last page, and at a page without a new order, so that wrong
        metadata cannot keep it going for ever. Orders that the vendor lists although they are exported are left out.
        """

    async def acknowledge(self, batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        """
        Acknowledge 1 to `ack_limit` orders in one call; return the outcome of each, by order id.

        An order that is missing from the result counts as `Unknown`.

        Raises:
            TransientError, AuthError, EndpointError: nothing was applied.
            RejectedError: the call as a whole was refused.
            InDoubtError: the result is unknown.
        """

    def to_order(self, raw: bytes) -> Order:
        """Turn one order of the feed into the canonical form. Pure; raises `Unmappable` and nothing else."""

    async def check(self) -> str:
        """Prove address, credentials and rights without changing anything; return one line for the operator."""

    async def aclose(self) -> None:
        """Release the connections. Idempotent."""


@runtime_checkable
class SupportsAckLookup(Protocol):
    """A source that can look up acknowledgements whose response was lost."""

    async def is_acknowledged(self, acks: Sequence[Acknowledgement]) -> Mapping[str, bool]:
        """Return by order id whether the source has the acknowledgement; leave out the uncertain ones."""


@runtime_checkable
class SupportsAckTerms(Protocol):
    """
    A source whose acknowledgements have an effect that depends on its settings, the terms.

    A pending acknowledgement keeps the terms under which it was made, see `Acknowledgement.terms`. One call of
    `acknowledge` gets acknowledgements of the same terms, `is_acknowledged` may get several. `traits.ack_idempotent`
    holds for the current terms.
    """

    @property
    def terms(self) -> str:
        """The current terms as a short text without secrets; the same settings always make the same text."""

    def is_idempotent(self, ack: Acknowledgement) -> bool:
        """Return whether `ack`, under its own terms, may be sent again without doing anything twice."""


@runtime_checkable
class SupportsReplay(Protocol):
    """A source that can list exported orders again."""

    def refetch(self, since: datetime) -> AsyncGenerator[Page]:
        """
        Poll the orders that were exported at or after `since` (UTC), and those that are not exported yet.

        As `fetch`, except that exported orders are listed. For replays only: the journal decides which orders are
        known.
        """


@runtime_checkable
class LimitedReplay(Protocol):
    """A source whose replay cannot list everything that was exported since a time."""

    replay_omits: ClassVar[str]
    """The orders that a replay leaves out, in words for an operator."""


@runtime_checkable
class SupportsReports(Protocol):
    """A source that accepts reports of an order's progress after its delivery."""

    async def report(self, order_id: str, body: bytes) -> None:
        """Report one event; `body` comes from `encode_report`. Not to be repeated without a look-up, see `reported`."""

    async def reported(self, order_id: str) -> Sequence[Mapping[str, Any]] | None:
        """Return the events that the source shows for the order, oldest first; None if it cannot show them."""

    def encode_report(self, order_id: str, report: Any) -> bytes:
        """Encode a report as the body of its call. Pure; raises `Unmappable` for a report of another source."""


def next_page(seen: int, gone: int, size: int) -> int:
    """
    Return the number (from 0) of the next page to read in a feed of pages of `size`.

    `seen` orders were listed in this poll, and `gone` of them have left the feed since, so that the rest has moved up
    by as many. Rounding down reads a few orders twice, which is harmless; rounding up would skip some.
    """
    return max(seen - gone, 0) // size
