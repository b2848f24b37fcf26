"""
What a journal is: the record of every order's journey. The bus may forget; the journal may not.

Every method that writes is one transaction, returns when it is durable, and finishes even when its caller is
cancelled meanwhile. Each write is guarded by the state it starts from, so that repeating one, or losing a race, does
nothing and says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from connector.ack import Acknowledgement, AckOutcome
from connector.journal.engine.clock_steps import ClockSteps
from connector.journal.engine.stall import Stall
from connector.journal.lookup_first import LookupFirst
from connector.journal.records import Delivered, Held, InDoubt, NotSent, Outcome, Rejected
from connector.journal.replays import Replays
from connector.journal.reports import Reports
from connector.journal.tables.ack_terms import AckTerms
from connector.journal.tables.orders_vanished import Vanished
from connector.journal.tables.rejections import Rejections
from connector.journal.tables.relisted import ListedAgain, Policy
from connector.journal.tables.shortfall import Shortfall

Waiting = Literal["in_doubt", "ready", "new"]
"""The states from which a delivery is taken up again."""

__all__ = [
    "AckResult",
    "Arrival",
    "Change",
    "ChangeOutcome",
    "Delivered",
    "Held",
    "InDoubt",
    "Ingested",
    "Intent",
    "Job",
    "Journal",
    "Listing",
    "NotSent",
    "OpenWork",
    "Outcome",
    "Rejected",
    "Relisted",
    "Settled",
    "Settlement",
    "Shortfall",
    "Waiting",
]


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """
    One order as a feed listed it. `receivers` are names, with whether the source waits for that one.

    `unfit`, of one that is held: see `Held`.
    `cancelled`: it is listed as cancelled, and meant for the receivers all the same.
    """

    order_id: str
    external_id: str
    revision: str
    raw: bytes
    receivers: tuple[tuple[str, bool], ...]
    state: Literal["new", "held", "skipped", "rejected", "cancelled"] = "new"
    cause: str = ""
    detail: str = ""
    unfit: bool = False
    cancelled: bool = False


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """
    How a page came to be listed, which decides what it means that an order is on it.

    `asked_at` is when it was asked for. `exported` says that orders are on it that the source knows as exported (a
    replay, or a source whose feed does not shrink): then none is acknowledged again. `replayed`: it is a replay, whose
    orders may have been delivered before the journal knew. `on_change` and `on_cancel` are
    what is done about an order that was delivered and is now different, or cancelled; `again` is what governs one that
    its source had confirmed.
    """

    asked_at: datetime
    exported: bool = False
    replayed: bool = False
    on_change: Literal["update", "hold", "ignore"] = "update"
    on_cancel: Literal["cancel", "hold", "ignore"] = "cancel"
    again: Policy = Policy()
    steady: tuple[datetime, datetime, datetime] | None = None
    """When the page was asked for, the process began, and the page came in, by its clock; set by the journal."""
    certain: bool = True
    """Whether `asked_at` can be compared with what was noted before the process began; set by the journal."""
    comparable: int = 0
    """The machine's time, in milliseconds, from which on that holds for what was noted; set by the journal."""


class Ingested(msgspec.Struct, frozen=True):
    """
    What an arrival was: `new`, `changed` (a new revision that is due for delivery), or `known`.

    `reacknowledge`: it is known, the source had confirmed it, and yet lists it; it is told again. `left`: the same, and
    it is left to a person. `amended`: it was delivered in another revision, and a change is due at its receivers. `ack`
    is set for an arrival that failed for good and of which the source is to be told. `look_up` names the receivers that
    are asked before they get it.
    `version` counts what the order was listed as. `kept` is set for a known order that waits for a person and is listed
    differently than what is kept of it, which this is: see `Journal.relist`.
    """

    key: int
    what: Literal["new", "changed", "known", "reacknowledge", "left", "amended"]
    ack: Acknowledgement | None = None
    look_up: tuple[str, ...] = ()
    version: int = 0
    kept: bytes | None = None


class Relisted(msgspec.Struct, frozen=True):
    """
    What an order that waits for a person is listed as now.

    `version` is that of what was kept until now; `receivers` are those whose request is another one by that.
    """

    key: int
    version: int
    raw: bytes
    receivers: tuple[str, ...]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """
    One delivery that is due, read back from the journal, with the state it waits in.

    `ask`: the receiver may have it from before the journal knew, and is asked before the first create, too. `version`
    counts what the order was listed as, of which `raw` is the last.
    """

    key: int
    source: str
    order_id: str
    external_id: str
    revision: str
    receiver: str
    state: Waiting
    attempts: int
    raw: bytes
    ask: bool = False
    version: int = 0


class Intent(msgspec.Struct, frozen=True):
    """
    The will to create: committed before the first byte is sent.

    `asked` says that the receiver was just asked and does not have it; without that, only a first attempt is granted,
    and not even that of what is to be looked up first. With a `version`, it
    is granted only while that is what is kept of the order.
    """

    key: int
    receiver: str
    revision: str
    payload_hash: bytes
    asked: bool = False
    version: int | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """
    Something that is due to be done to an order that was delivered.

    `applied`: the receiver answered it with a success. `unshown` is how many readings in a row did not show it.
    """

    key: int
    source: str
    order_id: str
    external_id: str
    what: Literal["update", "cancel", "attach"]
    revision: str
    attempts: int
    receipt: str
    reference: str
    raw: bytes
    applied: bool = False
    unshown: int = 0


class ChangeOutcome(msgspec.Struct, frozen=True):
    """
    The outcome of trying a change; `again` is when one that is still `due` is tried next.

    With `doubt_until`, something was or may have been sent, and until then a reading may be older: nothing else is
    done to the order before. `applied` and `unshown` are as in `Change`.
    """

    state: Literal["done", "held", "due"]
    reason: str = ""
    again: datetime | None = None
    doubt_until: datetime | None = None
    applied: bool = False
    unshown: int = 0


class Settlement(msgspec.Struct, frozen=True):
    """
    What became of one delivery.

    With a `version`, what was held or rejected counts only while that is what is kept of the order.
    """

    key: int
    receiver: str
    outcome: Outcome
    version: int | None = None


class Settled(msgspec.Struct, frozen=True):
    """A settlement in the journal; `ack` is set when it was the last one that the source waited for."""

    applied: bool
    ack: Acknowledgement | None = None


class AckResult(msgspec.Struct, frozen=True):
    """
    What became of one acknowledgement; `next_try_at` counts where it is to be tried or read back again.

    `failure` says that it told of one: the order may have been taken up again meanwhile.
    """

    key: int
    outcome: AckOutcome
    next_try_at: datetime
    failure: bool = False


class OpenWork(msgspec.Struct, frozen=True):
    """How much is not at an end (of reports: orders), counted up to 100,000; `next_due` is the next, reports aside."""

    deliveries: Mapping[str, int]
    acks: Mapping[str, int]
    changes: Mapping[str, int]
    reports: Mapping[str, int]
    next_due: datetime | None


class Journal(Rejections, Reports, Replays, Vanished, ListedAgain, LookupFirst, AckTerms, ClockSteps, Protocol):
    """
    The record. See the module's text for what holds for every method that writes.

    A cause that may pass (a full disk, a lock) is waited for, as long as it takes, by whoever asked; only then a caller
    that is cancelled leaves before the verdict, and nothing of what it wanted was done. What does not pass raises
    `JournalError`.
    """

    @property
    def stalled(self) -> Stall | None:
        """Why everybody waits, and since when; None while nobody has to."""

    async def recover(self, now: datetime, settle: Mapping[str, float], longest: float) -> int:
        """
        Turn what was in flight when the last process ended into in-doubt; return how many deliveries and acks.

        `settle` is seconds by receiver. Deadlines further off than the settings allow are pulled in, so that a clock
        that once stood wrong delays nothing for long (`longest` is the longest wait between tries, in seconds).
        """

    async def ingest(self, source: str, arrivals: Sequence[Arrival], listing: Listing, now: datetime) -> list[Ingested]:
        """
        Take a page of a feed in, all or nothing; return what each arrival was, in order.

        What was confirmed long enough before the page was asked for, and is listed all the same, is acknowledged again
        or left to a person, see `Policy`.
        """

    async def relist(self, source: str, orders: Sequence[Relisted], now: datetime) -> list[Ingested]:
        """
        Keep what orders that wait for a person are listed as now, and try those again whose request is another one.

        Nothing is done about one that has moved on meanwhile: the next walk sees it again.
        """

    async def intend(self, intents: Sequence[Intent], now: datetime) -> list[bool]:
        """
        Commit the will to create; return for each whether it was granted.

        It is not when the delivery is elsewhere by now, when the order is listed differently, or when it was tried
        before and the receiver was not asked since.
        """

    async def reject_unfit(self, receiver: str, mapped: Sequence[int], now: datetime) -> list[str]:
        """
        Reject what is held at `receiver` as unfit, of the sources of which the orders `mapped` could be mapped.

        Return the sources that are to be told.
        """

    async def settle(self, settlements: Sequence[Settlement], now: datetime) -> list[Settled]:
        """Record outcomes. A delivery and the acknowledgement that it makes due are one transaction."""

    async def due(self, receiver: str, states: Sequence[Waiting], now: datetime, limit: int) -> list[Job]:
        """Return up to `limit` deliveries to `receiver` that are due, state by state, the longest waiting first."""

    async def next_due(self, receiver: str, states: Sequence[Waiting], after: datetime) -> datetime | None:
        """Return when the next delivery in one of `states` falls due after `after`; None if none does."""

    async def claim_acks(self, keys: Sequence[int], now: datetime, failures: Mapping[int, datetime] = {}) -> list[bool]:
        """
        Mark acknowledgements as being sent; return for each whether it was pending.

        `failures` are the times of those that tell of one: not granted is what was withdrawn, or is another by now.
        """

    async def settle_acks(self, results: Sequence[AckResult], now: datetime) -> None:
        """Record what became of acknowledgements that were being sent or in doubt."""

    async def acks_due(
        self, source: str, state: Literal["pending", "in_doubt"], now: datetime
    ) -> list[Acknowledgement]:
        """Return the acknowledgements of `source` in `state` that are due, oldest first, at most 1,000."""

    async def next_ack(self, source: str, after: datetime) -> datetime | None:
        """Return when the next acknowledgement to `source` falls due after `after`; None if none does."""

    async def oldest_acks(self, now: datetime) -> Mapping[str, float]:
        """Return, by source, the age in seconds of the oldest acknowledgement that is due and not confirmed."""

    async def changes_due(self, receiver: str, now: datetime, limit: int) -> list[Change]:
        """Return what is due to be done to orders that `receiver` has, the longest waiting first."""

    async def next_change(self, receiver: str) -> datetime | None:
        """Return when the next change at `receiver` is due, which may be past; None if none waits."""

    async def claim_change(self, receiver: str, change: Change) -> bool:
        """
        Note that a change is about to be sent; tell whether it is still the one that is due.

        A process that ends before it is settled leaves it in doubt: see `recover`.
        """

    async def settle_change(self, receiver: str, change: Change, outcome: ChangeOutcome, now: datetime) -> bool:
        """Record what became of a change; tell whether it was still the one that was due."""

    async def causes(self, beginning: str = "") -> list[str]:
        """Return the causes that begin so and for which orders are held."""

    async def release(self, cause: str, now: datetime) -> int:
        """Make every order that is held for `cause` due again; return how many."""

    async def changed_elsewhere(self) -> int:
        """Return a number that changes when another process has written (`connector retry`, say)."""

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
        Note that a walk over the feed of `source` ended, and how.

        `complete`: it listed all that the source has; what is listed later is newer than all that is (see `begin`).
        `shortfall` is what it could not see; None leaves what an earlier one could not.
        """

    async def shortfall(self, source: str) -> Shortfall:
        """Return what the last poll of `source` that went through could not see."""

    async def endpoint_changed(self, receiver: str, state: str, reason: str, at: datetime) -> None:
        """Note the state of a receiver's breaker, for `status`."""

    async def open_work(self) -> OpenWork:
        """Return what is not at an end."""

    async def prune(self, before: datetime, limit: int) -> int:
        """Remove up to `limit` lines of history from before that time, of orders at their end; return how many."""

    async def aclose(self) -> None:
        """Finish what was asked for and close. Idempotent."""
