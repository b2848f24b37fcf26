"""
The journal's interface: the durable record of every order's journey. The bus may forget; the journal may not.

Each member of `Journal` is one table, with the same verbs where the table has them: `claim` before a call, `settle`
after it, `due` for the work that is due, `next_due` for the time of the next. Every method that writes is one
transaction, returns when it is durable, and finishes even when its caller is cancelled meanwhile. Each write is guarded
by the state that it starts from, so that a repeated or overtaken write changes nothing and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol

from connector.ack import Acknowledgement
from connector.clock import SteadyClock
from connector.journal.engine.stall import Stall, unless_stalled
from connector.journal.records import (
    AckResult,
    Arrival,
    Change,
    ChangeOutcome,
    Followed,
    Ingested,
    Intent,
    Job,
    Listing,
    LookupRule,
    NewStatus,
    OpenWork,
    OrderAt,
    Place,
    RejectedOrder,
    Relisted,
    ReplayAnswer,
    ReplayRequest,
    Report,
    ReportOutcome,
    Settled,
    Settlement,
    Shortfall,
    Waiting,
)

__all__ = [
    "AckTerms",
    "Acks",
    "Changes",
    "ClockSteps",
    "Deliveries",
    "Endpoints",
    "History",
    "Holds",
    "Journal",
    "ListedAgain",
    "LookupFirst",
    "Orders",
    "Rejections",
    "Replays",
    "Reports",
    "Stall",
    "unless_stalled",
]


class Orders(Protocol):
    """The orders that the feeds list."""

    async def ingest(self, source: str, arrivals: Sequence[Arrival], listing: Listing, now: datetime) -> list[Ingested]:
        """
        Record a page of a feed, all or nothing; return the answer to each arrival, in order.

        An order that was confirmed long enough before the page was requested, and is listed all the same, is
        acknowledged again or left to a person: see `RelistPolicy`.
        """

    async def relist(self, source: str, orders: Sequence[Relisted], now: datetime) -> list[Ingested]:
        """
        Store the current listings of orders that wait for a person, and retry those whose request is different by them.

        An order that has moved on meanwhile is left alone: the next poll sees it again.
        """

    async def waiting(
        self, source: str, before: datetime, after: Place | None = None
    ) -> tuple[dict[str, int], Place | None]:
        """
        Return the keys, by order id, of orders of `source` that were found before a time and only wait.

        Nothing of them was sent, or may have been, that is not held, and the source is owed no acknowledgement of them.
        They are those among the first 10,000 waiting deliveries, or among so many `after` a place; the returned place
        is where the next search continues, None at the end.
        """

    async def vanish(self, keys: Sequence[int], now: datetime) -> list[int]:
        """Mark those of the orders as vanished that still only wait; return their keys."""


class Deliveries(Protocol):
    """The deliveries of orders to receivers."""

    async def intend(self, intents: Sequence[Intent], now: datetime) -> list[bool]:
        """
        Commit intentions to create; return for each whether it was granted.

        None is granted when the delivery is in another state by now, when the order is listed differently, or when it
        was tried before without a look-up since.
        """

    async def settle(self, settlements: Sequence[Settlement], now: datetime) -> list[Settled]:
        """Record outcomes. A delivery and the acknowledgement that it makes due are one transaction."""

    async def due(self, receiver: str, states: Sequence[Waiting], now: datetime, limit: int) -> list[Job]:
        """Return up to `limit` due deliveries to `receiver`, state by state, the longest waiting first."""

    async def next_due(self, receiver: str, states: Sequence[Waiting], after: datetime) -> datetime | None:
        """Return when the next delivery in one of `states` falls due after `after`; None if none does."""

    async def reject_unfit(self, receiver: str, mapped: Sequence[int], now: datetime) -> list[str]:
        """
        Reject the orders held at `receiver` as unfit that share a source with one of the `mapped` orders.

        Return the sources that are owed an acknowledgement by that.
        """


class Acks(Protocol):
    """The acknowledgements that sources are owed."""

    async def claim(self, keys: Sequence[int], now: datetime, failures: Mapping[int, datetime] = {}) -> list[bool]:
        """
        Mark acknowledgements as being sent; return for each whether it was pending.

        `failures` are the times of those that report a failure: one that was withdrawn, or replaced by another one, is
        not granted.
        """

    async def settle(self, results: Sequence[AckResult], now: datetime) -> None:
        """Record the outcomes of acknowledgements that were being sent or in doubt."""

    async def due(self, source: str, state: Literal["pending", "in_doubt"], now: datetime) -> list[Acknowledgement]:
        """Return the due acknowledgements of `source` in `state`, oldest first, at most 1,000."""

    async def next_due(self, source: str, after: datetime) -> datetime | None:
        """Return when the next acknowledgement to `source` falls due after `after`; None if none does."""

    async def oldest(self, now: datetime) -> Mapping[str, float]:
        """Return, by source, the age in seconds of the oldest acknowledgement that is due and not confirmed."""


class AckTerms(Protocol):
    """The terms under which the sources are acknowledged to."""

    async def keep(self, terms: Mapping[str, str]) -> dict[str, int]:
        """
        Note, at a start and before `LookupFirst.begin`, each source's terms from now on; empty if it has none.

        Acknowledgements that wait under other terms keep those. Returns, of the sources whose terms have changed since
        the last start, how many acknowledgements keep the old ones.
        """


class ListedAgain(Protocol):
    """The orders that their source had confirmed and lists all the same."""

    async def of_source(self, source: str, began: datetime, settle: float) -> dict[str, int]:
        """
        Return the keys, by order id, of orders of `source` that were listed although they were confirmed.

        Only those about which a poll that `began` then proves something: nothing happened to them since, nor in the
        `settle` seconds before.
        """

    async def not_listed(self, keys: Sequence[int], now: datetime) -> None:
        """Mark such orders as confirmed for good: a complete poll that proves something did not list them."""


class Changes(Protocol):
    """The changes of delivered orders: updates, cancellations and attachments."""

    async def claim(self, receiver: str, change: Change) -> bool:
        """
        Note that a change is about to be sent; return whether it is still the due one.

        A process that ends before it is settled leaves it in doubt: see `Journal.recover`.
        """

    async def settle(self, receiver: str, change: Change, outcome: ChangeOutcome, now: datetime) -> bool:
        """Record the outcome of a change; return whether it was still the due one."""

    async def due(self, receiver: str, now: datetime, limit: int) -> list[Change]:
        """Return the due changes of orders at `receiver`, the longest waiting first."""

    async def next_due(self, receiver: str) -> datetime | None:
        """Return when the next change at `receiver` is due, which may be past; None if none waits."""


class Reports(Protocol):
    """The progress reports to sources, and the status of orders at their receivers."""

    async def recover(self, now: datetime, settle: float, longest: float) -> int:
        """
        Mark the reports that were being sent as in doubt; return how many.

        They are read back after `settle` seconds. Waits of more than `longest` seconds are shortened to that.
        """

    async def add(self, source: str, order_id: str, body: bytes, now: datetime) -> bool:
        """Store a report to be sent; return False if the very same one is stored already, in whatever state."""

    async def claim(self, ids: Sequence[int], now: datetime) -> list[bool]:
        """Mark reports as being sent; return for each whether it was pending."""

    async def settle(self, report: Report, outcome: ReportOutcome, now: datetime) -> None:
        """Record the outcome of a report that was being sent or in doubt."""

    async def due(self, source: str, now: datetime, limit: int) -> list[Report]:
        """
        Return due reports, the oldest first: of each order only its oldest open one.

        None of an order whose acknowledgement is under way: the source has to know of the export first.
        """

    async def next_due(self, source: str) -> datetime | None:
        """Return when the next report is due, which may be past; None if none is open."""

    async def confirmed(self, source: str, order_id: str) -> list[bytes]:
        """Return the stored bodies of the reports about an order that its source has confirmed."""

    async def followed(
        self, source: str, receiver: str, final: Sequence[str], since: datetime, after: int, limit: int
    ) -> tuple[list[Followed], int | None]:
        """
        Return orders of `source` after the key `after` whose status at `receiver` is followed, and the next `after`.

        An order is followed if it was delivered at or after `since` and acknowledged as exported, unless its last
        status is one of `final`, or it was cancelled there at the source's own request. None as the next `after`: there
        are no more.
        """

    async def progressed(self, receiver: str, seen: Sequence[NewStatus], now: datetime) -> int:
        """Store statuses, and the reports that they make due, in one transaction; return how many reports."""


class Replays(Protocol):
    """The replays that other processes request."""

    async def unanswered(self) -> Sequence[ReplayRequest]:
        """Return the requests without an answer, the oldest first."""

    async def answer(self, request: int, answer: ReplayAnswer, now: datetime) -> bool:
        """Answer a request; return False, and change nothing, if it was answered before."""


class Rejections(Protocol):
    """The orders that receivers have rejected since they last accepted one."""

    async def load(self, receiver: str) -> list[RejectedOrder]:
        """Return the stored rejections of a receiver, in order."""

    async def save(self, receiver: str, rejected: Sequence[RejectedOrder]) -> None:
        """Store `rejected`, and nothing else, for this receiver."""


class Endpoints(Protocol):
    """The state of the sources' feeds and of the receivers' circuit breakers."""

    async def polled(
        self,
        source: str,
        at: datetime,
        error: str,
        *,
        complete: bool = False,
        shortfall: Shortfall | None = None,
    ) -> None:
        """
        Note the end of a poll of `source`, and its error, empty if there was none.

        `complete`: it listed all orders of the source; those listed later are newer than all of them (see
        `LookupFirst.begin`). `shortfall` are the orders that it could not see; None leaves that of an earlier poll.
        """

    async def shortfall(self, source: str) -> Shortfall:
        """Return the shortfall of the last successful poll of `source`."""

    async def breaker_changed(self, receiver: str, state: str, reason: str, at: datetime) -> None:
        """Note the state of a receiver's circuit breaker, for `status`."""


class LookupFirst(Protocol):
    """The look-ups that keep gaps in the journal from doubling orders."""

    async def compare_newest(self, receiver: str, orders: Sequence[OrderAt]) -> Sequence[OrderAt]:
        """
        Compare the journal, before `begin`, with `orders`, the newest of ours that a receiver holds.

        An order that this journal never sent there is evidence of a newer journal: then the gaps are closed by look-ups
        as in a journal that was restored from a backup. Returns those orders, except the ones that an earlier start
        has reported.
        """

    async def distrust(self) -> bool:
        """Let `begin` treat the journal as a restored one; return False if it is in doubt already."""

    async def begin(self, ways: Sequence[LookupRule], now: datetime) -> None:
        """
        Decide, at a start and before `Journal.recover`, which orders are looked up before their first create.

        A journal that is new, replaces a lost one, or was restored does not hold all deliveries: until a complete poll
        of a source has ended (`Endpoints.polled`), the orders on its pages are looked up first. In a restored journal
        the undelivered orders are looked up, and the unsent acknowledgements and reports are read back where sending
        them twice would have a second effect. Orders in doubt at a receiver whose account has changed are held.
        """

    async def due(self, receiver: str, now: datetime, limit: int) -> list[str]:
        """Return the external ids of up to `limit` deliveries whose look-up is due, the longest waiting first."""


class ClockSteps(Protocol):
    """The steps of the machine's clock."""

    async def follow(self, clock: SteadyClock) -> timedelta:
        """
        Use `clock` for all times from now on, given and returned; at a start, before everything else.

        Deadlines of an earlier process are moved into its time. Returns by how much.
        """

    async def note(self) -> timedelta:
        """Note how far the machine's clock is ahead, if that has changed since the last note; return by how much."""


class Holds(Protocol):
    """The orders that wait for a person."""

    async def causes(self, beginning: str = "") -> list[str]:
        """Return the causes with this beginning for which orders are held."""

    async def release(self, cause: str, now: datetime) -> int:
        """Make every order that is held for `cause` due again; return how many."""


class History(Protocol):
    """The out of the ordinary in the orders' lives."""

    async def prune(self, before: datetime, limit: int) -> int:
        """Remove up to `limit` lines from before that time, of orders at their end; return how many."""


class Journal(Protocol):
    """
    The record of all orders. The module's docstring names the rules of every method that writes.

    A failure with a transient cause (a full disk, a lock) is waited out by every caller, for as long as it lasts; only
    a caller that is cancelled meanwhile returns before the write, and nothing of its write was done. Other failures
    raise `JournalError`.
    """

    @property
    def orders(self) -> Orders:
        """The orders that the feeds list."""

    @property
    def deliveries(self) -> Deliveries:
        """The deliveries of orders to receivers."""

    @property
    def acks(self) -> Acks:
        """The acknowledgements that sources are owed."""

    @property
    def ack_terms(self) -> AckTerms:
        """The terms under which the sources are acknowledged to."""

    @property
    def relisted(self) -> ListedAgain:
        """The orders that their source had confirmed and lists all the same."""

    @property
    def changes(self) -> Changes:
        """The changes of delivered orders."""

    @property
    def reports(self) -> Reports:
        """The progress reports to sources."""

    @property
    def replays(self) -> Replays:
        """The replays that other processes request."""

    @property
    def rejections(self) -> Rejections:
        """The rejections since a receiver last accepted an order."""

    @property
    def endpoints(self) -> Endpoints:
        """The state of the feeds and of the circuit breakers."""

    @property
    def lookup_first(self) -> LookupFirst:
        """The look-ups before a first create."""

    @property
    def clock_steps(self) -> ClockSteps:
        """The steps of the machine's clock."""

    @property
    def holds(self) -> Holds:
        """The orders that wait for a person."""

    @property
    def history(self) -> History:
        """The out of the ordinary in the orders' lives."""

    @property
    def stalled(self) -> Stall | None:
        """The stall for which all callers wait; None while nobody has to."""

    async def recover(self, now: datetime, settle: Mapping[str, float], longest: float) -> int:
        """
        Mark the work that was in flight when the last process ended as in doubt; return how many deliveries and acks.

        `settle` is in seconds by receiver. Deadlines further off than the settings allow are pulled in, so that a clock
        that once stood wrong delays nothing for long (`longest` is the longest wait between tries, in seconds).
        """

    async def open_work(self) -> OpenWork:
        """Return the work that is not at an end."""

    async def changed_elsewhere(self) -> int:
        """Return a number that changes when another process has written (`connector retry`, say)."""

    async def mark(self) -> None:
        """Note beside the journal how far it is, if it was written to since: an older copy is recognised by that."""

    async def aclose(self) -> None:
        """Finish all pending calls and close. Idempotent."""
