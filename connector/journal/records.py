"""The records that go into the journal and come out of it: arrivals, jobs, outcomes, changes, reports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from connector.ack import Acknowledgement, AckOutcome
from connector.causes import Cause

__all__ = [
    "AckResult",
    "Arrival",
    "Change",
    "ChangeOutcome",
    "Delivered",
    "Followed",
    "Held",
    "InDoubt",
    "Ingested",
    "Intent",
    "Job",
    "Listing",
    "LookupRule",
    "NewStatus",
    "NotSent",
    "OpenWork",
    "OrderAt",
    "Outcome",
    "Place",
    "Rejected",
    "RejectedOrder",
    "RelistPolicy",
    "Relisted",
    "ReplayAnswer",
    "ReplayRequest",
    "Report",
    "ReportOutcome",
    "ReportRow",
    "Settled",
    "Settlement",
    "Shortfall",
    "UnreadableRow",
    "Waiting",
]

Waiting = Literal["in_doubt", "ready", "new"]
"""The states from which a delivery is resumed."""

Place = tuple[str, tuple[str | int, ...]]
"""The position after which the next search of waiting orders continues: a partial index and its last entry read."""


class RelistPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    The rules for orders that their source confirmed and lists again; all times are in seconds.

    - `settle`: the time after a confirmation during which a list may still be older than it.
    - `first`, `longest`: bounds of the growing wait before another confirmation is judged.
    - `once`: a second acknowledgement has a second effect, so none is sent.
    - `tries`, `patience`: the order is left to a person after that many tries in at least that time; 0 tries: never.
    """

    settle: float = 0.0
    first: float = 0.0
    longest: float = 0.0
    once: bool = False
    tries: int = 0
    patience: float = 0.0

    def wait(self, times: int) -> float:
        """Return the time after a confirmation from which a list is believed, for an order listed `times` times."""
        return max(self.settle, min(self.first * 2.0 ** min(times, 30), self.longest) if times else 0.0)


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """
    One order as a feed listed it. `receivers` are names, each with whether the source waits for that receiver.

    `unfit`: see `Held`. `cancelled`: the feed lists the order as cancelled, and it is for the receivers all the same.
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
    The circumstances of a page, which decide the meaning of an order on it.

    - `asked_at`: the time of the request.
    - `exported`: the page may hold orders that the source knows as exported (a replay, or a feed that does not
      shrink), so that none of them is acknowledged again.
    - `replayed`: the page belongs to a replay, whose orders may have been delivered before the journal existed.
    - `on_change`, `on_cancel`: the policy for a delivered order that is different now, or cancelled.
    - `again`: the policy for an order that its source had confirmed.
    """

    asked_at: datetime
    exported: bool = False
    replayed: bool = False
    on_change: Literal["update", "hold", "ignore"] = "update"
    on_cancel: Literal["cancel", "hold", "ignore"] = "cancel"
    again: RelistPolicy = RelistPolicy()
    steady: tuple[datetime, datetime, datetime] | None = None
    """The times of the request, of the process's start and of the response, by its clock; set by the journal."""
    certain: bool = True
    """True if `asked_at` is comparable with records from before the start of the process; set by the journal."""
    comparable: int = 0
    """The machine's time, in milliseconds, from which on records are comparable; set by the journal."""


class Ingested(msgspec.Struct, frozen=True):
    """
    The journal's answer to an arrival.

    - `new`; `changed`: a new revision, due for delivery; `known`.
    - `reacknowledge`: known and confirmed, yet listed, so that it is acknowledged again; `left`: the same, left to a
      person.
    - `amended`: delivered in another revision, with a change due at its receivers.

    `ack` is set for an arrival that failed for good and whose source is owed a failure. `look_up` names the receivers
    with a look-up before the create. `version` counts the listings of the order. `kept` is set for a known order that
    waits for a person and is listed differently from this stored payload: see `Orders.relist`.
    """

    key: int
    what: Literal["new", "changed", "known", "reacknowledge", "left", "amended"]
    ack: Acknowledgement | None = None
    look_up: tuple[str, ...] = ()
    version: int = 0
    kept: bytes | None = None


class Relisted(msgspec.Struct, frozen=True):
    """
    The current listing of an order that waits for a person.

    `version` is that of the stored payload; `receivers` are those whose request is different by the new one.
    """

    key: int
    version: int
    raw: bytes
    receivers: tuple[str, ...]


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """
    One due delivery, read back from the journal, with the state in which it waits.

    `may_exist`: the receiver may have the order from before the journal existed, so that a look-up precedes the first
    create as well. `version` counts the listings of the order; `raw` is the last.
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
    may_exist: bool = False
    version: int = 0


class Intent(msgspec.Struct, frozen=True):
    """
    The intention to create an order, committed before the first byte is sent.

    `confirmed_absent`: a look-up just found that the receiver does not have the order. Without it only a first attempt
    is granted, and none for an order that needs a look-up first. With a `version`, the intent is granted only while the
    stored payload has that version.
    """

    key: int
    receiver: str
    revision: str
    payload_hash: bytes
    confirmed_absent: bool = False
    version: int | None = None


class Delivered(msgspec.Struct, frozen=True):
    """
    The receiver has the order. `adopted`: a look-up found it there.

    `attach`: the order has documents to attach next. `remark` is something about the order for a person to see.
    """

    receipt: str
    reference: str
    adopted: bool = False
    attach: bool = False
    remark: str = ""


class NotSent(msgspec.Struct, frozen=True):
    """The order was provably not applied; it is due again at `next_try_at`."""

    reason: str
    next_try_at: datetime


class InDoubt(msgspec.Struct, frozen=True):
    """The order may have been applied; a look-up is reliable from `settled_at` on."""

    reason: str
    settled_at: datetime


class Rejected(msgspec.Struct, frozen=True):
    """
    The receiver rejected the order and does not have it. `tell`: the source accepts failures.

    `revision`, if set, is the rejected one: the rejection does not count for a newer one.
    """

    reason: str
    tell: bool = False
    revision: str = ""


class Held(msgspec.Struct, frozen=True):
    """
    The order waits for a person under `cause`.

    `unfit`: it lacks something, which is reported to its source once another order of that source could be mapped.
    """

    cause: str
    detail: str = ""
    unfit: bool = False
    code: str = ""

    @classmethod
    def of(cls, cause: Cause, detail: str) -> Held:
        """Return a hold for a cause with a code."""
        return cls(cause.text, detail, code=cause.code)


Outcome = Delivered | NotSent | InDoubt | Rejected | Held
"""The ways in which an attempt to deliver an order can end."""


class Settlement(msgspec.Struct, frozen=True):
    """
    The outcome of one delivery.

    With a `version`, a hold or a rejection counts only while the stored payload has that version.
    """

    key: int
    receiver: str
    outcome: Outcome
    version: int | None = None


class Settled(msgspec.Struct, frozen=True):
    """A settlement in the journal; `ack` is set when the source waited for no other delivery of the order."""

    applied: bool
    ack: Acknowledgement | None = None


class AckResult(msgspec.Struct, frozen=True):
    """
    The outcome of one acknowledgement; `next_try_at` is the time of the next try, or of the next reading.

    `failure`: it reported a failure, and the order may have been resumed meanwhile.
    """

    key: int
    outcome: AckOutcome
    next_try_at: datetime
    failure: bool = False


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """
    A due change of a delivered order.

    `applied`: the receiver answered it with a success. `unshown` counts the readings in a row that did not show it.
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
    The outcome of trying a change; `again` is the time of the next try of one that is still `due`.

    `doubt_until` is set when something was or may have been sent: until then a reading may be older, and no other
    change of the order is begun. `applied` and `unshown` are as in `Change`.
    """

    state: Literal["done", "held", "due"]
    reason: str = ""
    again: datetime | None = None
    doubt_until: datetime | None = None
    applied: bool = False
    unshown: int = 0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A due progress report. `key` is its order's row, 0 for an order that the journal does not know."""

    id: int
    key: int
    source: str
    order_id: str
    state: Literal["pending", "in_doubt"]
    attempts: int
    body: bytes


class ReportOutcome(msgspec.Struct, frozen=True):
    """
    The outcome of a report; `again` is the time of the next try or reading of one that is not at an end.

    `keep` replaces the body of a report that is at its end.
    """

    state: Literal["confirmed", "pending", "in_doubt", "parked"]
    reason: str = ""
    again: datetime | None = None
    keep: bytes | None = None


class ReportRow(msgspec.Struct, frozen=True, kw_only=True):
    """A report as `show` prints it; `state` is `skipped` for one that a person has given up."""

    state: str
    body: bytes
    made_at: datetime
    done_at: datetime | None
    attempts: int
    next_try_at: datetime
    reason: str


class Followed(msgspec.Struct, frozen=True):
    """A delivered and acknowledged order; `progress` is its last status seen at the receiver, empty at first."""

    key: int
    order_id: str
    receipt: str
    reference: str
    progress: str


class NewStatus(msgspec.Struct, frozen=True):
    """A new status of a followed order, after `before`; `body` is the report that becomes due by it, if any does."""

    key: int
    before: str
    status: str
    body: bytes | None = None


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request of another process: replay `source` from `since` on."""

    id: int
    source: str
    since: datetime


class ReplayAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a replay: how many orders it listed, how many of them were new, and the error if it failed."""

    listed: int = 0
    fresh: int = 0
    error: str = ""


class RejectedOrder(msgspec.Struct, frozen=True):
    """An order that was rejected `times` times in one revision; `number` is its position, `held`: it is on hold."""

    key: int
    revision: str
    times: int
    number: int
    held: bool
    reason: str


class LookupRule(msgspec.Struct, frozen=True, kw_only=True):
    """
    The facts about one route that decide on a look-up before the first create.

    `settle` is in seconds; `can_find` and `idempotent` are the receiver's, `ack_idempotent` is the source's. `account`
    names the account whose orders the receiver shows; empty where the receiver names none.
    """

    source: str
    receiver: str
    look_up_first: Literal["auto", "always", "never"] = "auto"
    settle: float = 0.0
    can_find: bool = True
    idempotent: bool = False
    ack_idempotent: bool = True
    account: str = ""


class OrderAt(msgspec.Struct, frozen=True, kw_only=True):
    """An order of ours as a receiver lists it; `record` is the receiver's own id."""

    source: str
    order_id: str
    record: str


class UnreadableRow(msgspec.Struct, frozen=True):
    """
    A row of a feed that makes each page fail that it is on, or an `order` that cannot be read alone.

    The order of a row is not known. `position` counts from 0. `after` and `before` are the orders that the feed lists
    beside the row; empty where there is none, or where that one cannot be read either.
    """

    position: int
    after: str
    before: str
    reason: str
    order: str = ""

    def __str__(self) -> str:
        if self.order:
            return f"order {self.order}"
        beside = [f"{word} order {order}" for word, order in (("after", self.after), ("before", self.before)) if order]
        return f"row {self.position + 1} of the feed" + (f" ({', '.join(beside)})" if beside else "")


class Shortfall(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    The orders that a source's last poll could not see.

    `unlisted`: how many more orders the source states than it lists, poll after poll; `baseline`: the least of them.
    """

    unlisted: int = 0
    baseline: int | None = None
    unreadable: tuple[UnreadableRow, ...] = ()


class OpenWork(msgspec.Struct, frozen=True):
    """
    The amount of work that is not at an end, counted up to 100,000 (of reports: their orders).

    `next_due` is the next deadline, reports excluded.
    """

    deliveries: Mapping[str, int]
    acks: Mapping[str, int]
    changes: Mapping[str, int]
    reports: Mapping[str, int]
    next_due: datetime | None
