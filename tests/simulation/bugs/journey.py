"""Bugs in the journey of an order: looked up, created, acknowledged (faults.md 6.3)."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from typing import Any
from unittest import mock

import msgspec

from connector import order
from connector.ack import Confirmed, NotApplied, Unknown
from connector.clock import SteadyClock
from connector.errors import InDoubtError, RejectedError, TransientError
from connector.http import endpoint as http
from connector.http import failures as outcomes
from connector.http import token as bearer
from connector.http.endpoint import segment
from connector.http.rate_limit import RateLimiter
from connector.journal.engine import clock_steps, group_commit, sentinel, store
from connector.journal.engine.codec import millis
from connector.journal.records import AckResult, Delivered, InDoubt, NotSent, Rejected, Settled, Settlement
from connector.journal.tables import acks, deliveries, lookup_first, orders_listed
from connector.journal.tables import orders as arrivals
from connector.pipeline.acks import acknowledger
from connector.pipeline.acks import calls as ack_calls
from connector.pipeline.delivery import attempt, consumer
from connector.pipeline.ingest import intake, pages
from connector.receivers.base import Receipt
from connector.receivers.ewarehousing import receiver as ewarehousing
from connector.receivers.ewarehousing.amend import receipt_of
from connector.receivers.webhook import receiver as webhook
from connector.sources.propeller import source as propeller
from connector.sources.traede import source as traede
from connector.sources.zendera import source as zendera
from tests.simulation.bugs.planting import FROM, bug, put
from tests.simulation.profile import secret

__all__: list[str] = []

FROM |= {
    "believes_a_backup": 2230,
    "believes_a_failure": 4280,
    "failure_stays": 40,
    "forget_step": 225,
    "swallow_cancel": 490,
    "tells_again": 1000,
}


class _Deaf:
    """A connection that ignores statements with certain words in them."""

    def __init__(self, db: sqlite3.Connection, words: str) -> None:
        self._db = db
        self._words = words

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        return self._db.execute("SELECT 1 WHERE 0") if self._words in sql else self._db.execute(sql, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


class _Told:
    """A connection on which statements that end with certain words go on with others."""

    def __init__(self, db: sqlite3.Connection, words: str, more: str) -> None:
        self._db = db
        self._words = words
        self._more = more

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        return self._db.execute(f"{sql} {self._more}" if sql.endswith(self._words) else sql, *args)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


@bug
def nolookup(stack: ExitStack) -> None:
    """Creates again without asking first."""

    async def create(self: Any, task: Any, grant: Any, *, report_rejection: bool) -> Any:
        return await self.create(task.delivery, report_rejection=report_rejection) if await grant() else None

    put(stack, attempt.Attempt, "look_up_then_create", create)


@bug
def nosettle(stack: ExitStack) -> None:
    """Looks up an order at once, when the create that was sent may yet be applied."""
    put(stack, attempt.Attempt, "_settled_at", lambda self: self._clock.now())


@bug
def nointent(stack: ExitStack) -> None:
    """Sends without having written that it will."""
    put(stack, deliveries, "intend", lambda intents, _now, _db: [True] * len(intents))


@bug
def mark_first(stack: ExitStack) -> None:
    """Writes that an order is delivered before it is sent."""
    real = deliveries.intend

    def intend(intents: Any, now: int, db: Any) -> Any:
        granted = real(intents, now, db)
        done = [Settlement(each.key, each.receiver, Delivered("early", "early")) for each in intents]
        deliveries.settle(done, now, db)
        return granted

    put(stack, deliveries, "intend", intend)


@bug
def early_ack(stack: ExitStack) -> None:
    """Acknowledges an order when it is about to be sent."""
    real = deliveries.intend

    def intend(intents: Any, now: int, db: Any) -> Any:
        for each in intents:
            acks.make_due(db, each.key, now, "exported", "early")
        return real(intents, now, db)

    put(stack, deliveries, "intend", intend)


@bug
def split_tx(stack: ExitStack) -> None:
    """Writes the delivery in one transaction, and the acknowledgement that it makes due in the next."""
    due, settle = acks.exported_due, deliveries.DeliveriesTable.settle

    async def twice(self: Any, settlements: Any, now: Any) -> Any:
        settled = await settle(self, settlements, now)
        keys = [one.key for one in settlements if isinstance(one.outcome, Delivered)]
        made = await self._store.write(lambda db: {key: due(db, key, millis(now)) for key in keys})
        return [Settled(done.applied, made.get(one.key)) for one, done in zip(settlements, settled, strict=True)]

    put(stack, acks, "exported_due", lambda _db, _key, _now: None)
    put(stack, deliveries.DeliveriesTable, "settle", twice)


@bug
def ack_drop(stack: ExitStack) -> None:
    """Forgets an acknowledgement when it is sent."""
    real = acks.claim

    def claim(keys: Any, told: Any, db: Any) -> Any:
        granted = real(keys, told, db)
        db.executemany("UPDATE orders SET ack_state = 'confirmed', ack_done_at = 0 WHERE key = ?", [(k,) for k in keys])
        return granted

    put(stack, acks, "claim", claim)


@bug
def failure_stays(stack: ExitStack) -> None:
    """Reports that an order failed although it is tried again meanwhile."""
    put(stack, acks, "withdraw_failures", lambda _keys, _now, _db: None)


@bug
def believes_a_failure(stack: ExitStack) -> None:
    """Trusts the failures in a journal that was put back, although a newer journal may have delivered those orders."""
    put(stack, lookup_first, "_FAILED", "SELECT 1 WHERE ?1 = '' AND ?2 = ''")
    real = lookup_first._doubt_what_waits
    put(stack, lookup_first, "_doubt_what_waits", lambda way, now, db: real(way, now, _Deaf(db, "unfit = 1")))  # type: ignore[arg-type]


@bug
def ack_blind(stack: ExitStack) -> None:
    """Repeats an acknowledgement whose answer was lost, without asking."""

    async def resolve_doubts(_self: Any, acks: Any) -> Any:
        return {ack.order_id: NotApplied("lost", retry_after=0.0) for ack in acks}

    put(stack, ack_calls.AckCalls, "resolve_doubts", resolve_doubts)


@bug
def ack_nosettle(stack: ExitStack) -> None:
    """Looks up an acknowledgement whose answer was lost before it can have been applied."""
    real = ack_calls.AckCalls.to_record

    def to_record(self: Any, ack: Any, outcome: Any, now: Any) -> Any:
        found = real(self, ack, outcome, now)
        return AckResult(found.key, found.outcome, now, found.failure) if isinstance(outcome, Unknown) else found

    put(stack, ack_calls.AckCalls, "to_record", to_record)
    put(stack, acknowledger.SourceAcknowledger, "_is_settled", lambda _self, _ack: True)


@bug
def partial_all_ok(stack: ExitStack) -> None:
    """Takes an answer that names failures for a success of all."""
    put(stack, traede, "outcomes", lambda _answer, ids, _key: {each: Confirmed() for each in ids})
    put(stack, zendera, "complaints", lambda _answer: {})


@bug
def bigbatch(stack: ExitStack) -> None:
    """Puts more orders into a call than the vendor takes."""
    put(stack, traede.TraedeSource, "ack_limit", 40)


def _first(stack: ExitStack, error: type[Exception], outcome: Callable[..., Any]) -> None:
    """Let a first attempt that raises `error` have this outcome."""
    real = attempt.Attempt.create

    async def attempted(self: Any, delivery: Any, *, report_rejection: bool) -> Any:
        create = self._receiver.create
        heard: list[Any] = []

        async def listening(delivery: Any) -> Any:
            try:
                return await create(delivery)
            except error as exc:
                heard.append(outcome(str(exc), report_rejection))
                raise

        with mock.patch.object(self._receiver, "create", listening):
            found = await real(self, delivery, report_rejection=report_rejection)
        return heard[0] if heard else found

    put(stack, attempt.Attempt, "create", attempted)


@bug
def fail_on_timeout(stack: ExitStack) -> None:
    """Takes a lost answer for a refusal."""
    _first(stack, InDoubtError, Rejected)


@bug
def success_on_timeout(stack: ExitStack) -> None:
    """Takes a lost answer for a success."""
    _first(stack, InDoubtError, lambda _why, _tell: Delivered("unknown", ""))


@bug
def breaker_fails_orders(stack: ExitStack) -> None:
    """Treats an order that a pause kept from being sent as rejected."""
    _first(stack, TransientError, Rejected)


@bug
def fuzzy(stack: ExitStack) -> None:
    """Takes an order whose id begins alike for its own."""

    async def find(self: Any, external_id: str) -> Receipt | None:
        async for page in self._client.pages(external_id=external_id):
            for record in page:
                if record.external_id.startswith(external_id):
                    return receipt_of(record)
        return None

    put(stack, ewarehousing.EwarehousingReceiver, "find", find)


@bug
def cursor(stack: ExitStack) -> None:
    """Goes on from the highest id that it has seen."""
    real = pages.PageRecorder.record

    async def take(self: Any, items: Any, *rest: Any, **more: Any) -> Any:
        mark = self.__dict__.setdefault("mark", 0)
        fresh = [item for item in items if item.order_id.isdecimal() and int(item.order_id) >= mark]
        self.mark = max([mark, *(int(item.order_id) for item in fresh)])
        return await real(self, fresh, *rest, **more)

    put(stack, pages.PageRecorder, "record", take)


@bug
def dbloss(stack: ExitStack) -> None:
    """Takes a new and empty journal, or an older one, for the one that it had."""
    put(stack, sentinel, "_judge", lambda *_args, **_how: "")


@bug
def no_namespace(stack: ExitStack) -> None:
    """Recognises orders at the receiver by their number alone, whichever source it is of."""
    for where in (order, intake):
        put(stack, where, "external_id", lambda _source, order_id: order_id)


@bug
def adopt_cancelled(stack: ExitStack) -> None:
    """Takes a cancelled order for a delivered one."""
    put(stack, ewarehousing, "CANCELLED", frozenset())


@bug
def failed_on_5xx(stack: ExitStack) -> None:
    """Takes an error of the server for a refusal."""
    real = outcomes.from_status

    def of_status(status: int, *rest: Any) -> Any:
        return RejectedError("server error") if status >= 500 else real(status, *rest)

    put(stack, http, "from_status", of_status)


@bug
def transient_on_5xx(stack: ExitStack) -> None:
    """Takes an error of the server for proof that nothing was done."""
    real = outcomes.from_status

    def of_status(status: int, *rest: Any) -> Any:
        return TransientError("server error") if status >= 500 else real(status, *rest)

    put(stack, http, "from_status", of_status)


@bug
def transient_on_loss(stack: ExitStack) -> None:
    """Takes a lost answer for proof that nothing was done."""
    put(stack, http, "from_exception", lambda _exc, _effect, what: TransientError(what))


@bug
def refused_on_401(stack: ExitStack) -> None:
    """Takes an expired token for a refusal of the order."""
    real = outcomes.from_status

    def of_status(status: int, *rest: Any) -> Any:
        return RejectedError("unauthorized") if status in (401, 403) else real(status, *rest)

    put(stack, http, "from_status", of_status)
    put(stack, http.Endpoint, "_authorized", http.Endpoint._once)
    put(stack, bearer, "EXPIRY_MARGIN", 0.0)


@bug
def doubts_in_memory(stack: ExitStack) -> None:
    """Keeps the error of an attempt in memory only."""
    real = deliveries.DeliveriesTable.settle

    async def settle(self: Any, settlements: Any, now: Any) -> Any:
        kept = [each for each in settlements if not isinstance(each.outcome, InDoubt | NotSent)]
        done = iter(await real(self, kept, now))
        return [next(done) if each in kept else Settled(True) for each in settlements]

    put(stack, deliveries.DeliveriesTable, "settle", settle)


@bug
def forget_sending(stack: ExitStack) -> None:
    """Leaves acknowledgements that were being sent at a crash as they are."""
    real = acks.recover

    def recover(now: Any, longest: Any, db: Any) -> Any:
        return real(now, longest, _Deaf(db, "SET ack_state = 'in_doubt'"))  # type: ignore[arg-type]

    put(stack, acks, "recover", recover)


@bug
def forget_intent(stack: ExitStack) -> None:
    """Leaves orders that were being sent at a crash as they are."""
    real = deliveries.recover
    put(stack, deliveries, "recover", lambda now, _settle, longest, db: real(now, {}, longest, db))


@bug
def intents_again(stack: ExitStack) -> None:
    """Sends an order that was being sent at a crash again at once."""
    real = deliveries.recover

    def recover(now: Any, settle: Any, longest: Any, db: Any) -> Any:
        done = real(now, settle, longest, db)
        db.execute("UPDATE deliveries SET attempts = 0 WHERE state = 'in_doubt'")
        db.execute("UPDATE deliveries SET state = 'held', cause = 'x' WHERE state = 'in_doubt'")
        db.execute("UPDATE deliveries SET state = 'new', cause = NULL, next_try_at = 0 WHERE state = 'held'")
        return done

    put(stack, deliveries, "recover", recover)


@bug
def wrong_ack(stack: ExitStack) -> None:
    """Marks the order before the one that is meant."""
    real = segment
    put(stack, propeller, "segment", lambda text: real(str(max(int(text) - 1, 1))))


@bug
def listed_is_new(stack: ExitStack) -> None:
    """Takes an order that is listed again for a new one, whatever the journal says."""
    put(stack, orders_listed, "known", lambda *_: {})


@bug
def swallow_cancel(stack: ExitStack) -> None:
    """Goes on after a cancellation, if the journal was at work."""

    async def verdict(future: Any) -> Any:
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                continue
        return future.result()

    put(stack, group_commit, "uncancellable", verdict)
    put(stack, store, "uncancellable", verdict)


@bug
def first_page_only(stack: ExitStack) -> None:
    """Reads the first page of a feed, which orders that nobody can have may fill."""
    real = propeller.PropellerSource.fetch

    async def fetch(self: Any, gone: Any) -> Any:
        async for page in real(self, gone):
            yield page
            break

    put(stack, propeller.PropellerSource, "fetch", fetch)


@bug
def stale_hash(stack: ExitStack) -> None:
    """Keeps the hash of something other than the request that is sent."""
    real = sha256
    put(stack, consumer, "sha256", lambda body: real(body + b" "))


@bug
def sleepy(stack: ExitStack) -> None:
    """Does not wake for orders that came in while the receiver was paused."""

    async def take_in(self: Any, inbox: Any) -> None:
        signal = self._signal
        self._signal = lambda: None if self.rejections.probing else signal()
        await partial(real, self)(inbox)

    real = consumer.Consumer._receive
    put(stack, consumer.Consumer, "_receive", take_in)


@bug
def no_pace(stack: ExitStack) -> None:
    """Does not keep to the rate limit."""

    async def wait(_self: Any) -> None:
        """Let everything pass."""

    put(stack, RateLimiter, "wait", wait)


@bug
def no_payload(stack: ExitStack) -> None:
    """Throws away the content of an order before it is delivered everywhere."""
    real = arrivals.ingest

    def ingest(source: Any, page: Any, listing: Any, now: Any, db: Any) -> Any:
        found = real(source, page, listing, now, db)
        db.execute("DELETE FROM payloads WHERE key IN (SELECT key FROM deliveries WHERE attempts > 0)")
        return found

    put(stack, arrivals, "ingest", ingest)


@bug
def logs_headers(stack: ExitStack) -> None:
    """Writes the requests that it sends into the log, at the level for people who look for a fault."""
    real = http.Endpoint._once

    async def once(self: Any, request: Any) -> Any:
        logging.getLogger("connector.http.endpoint").debug("%s with %s", request.what, request.headers)
        return await real(self, request)

    put(stack, http.Endpoint, "_once", once)


@bug
def repeats_errors(stack: ExitStack) -> None:
    """Passes on the other side's error text word for word."""

    def judge(_self: Any, request: Any, reply: Any) -> Any:
        if request.takes(reply.status):
            return http.Answer(reply.status, reply.body, request.what, request.effect)
        raise outcomes.from_status(reply.status, request.effect, request.what, reply.body.decode(), None)

    put(stack, http.Endpoint, "_judge", judge)


@bug
def repeats_exceptions(stack: ExitStack) -> None:
    """Passes on the HTTP client's text about a lost answer word for word."""
    real = outcomes.from_exception

    def of_exception(exc: Any, effect: Any, what: str) -> Any:
        return real(exc, effect, f"{what}: {exc!r}")

    put(stack, http, "from_exception", of_exception)


@bug
def keeps_tokens(stack: ExitStack) -> None:
    """Notes in the journal which token an order was sent with."""
    real = deliveries.settle

    def settle(settlements: Any, now: int, db: Any) -> Any:
        db.execute("INSERT OR REPLACE INTO sources (name, error) VALUES ('token', ?)", (secret("password"),))
        return real(settlements, now, db)

    put(stack, deliveries, "settle", settle)


@bug
def failed_anyway(stack: ExitStack) -> None:
    """Reports a rejection, whatever the order's other receiver did."""

    def due(db: Any, key: int, now: int, _by: str = "") -> Any:
        return acks.make_due(db, key, now, "failed", "refused")

    put(stack, acks, "failed_due", due)


@bug
def another_webhook_id(stack: ExitStack) -> None:
    """Gives each try of a webhook an id of its own."""
    real = webhook.WebhookReceiver._signed

    def signed(self: Any, external_id: str, body: bytes) -> Any:
        self.tries = getattr(self, "tries", 0) + 1
        return {**real(self, external_id, body), **real(self, f"{external_id}.{self.tries}", body)}

    put(stack, webhook.WebhookReceiver, "_signed", signed)


@bug
def repeats_unasked(stack: ExitStack) -> None:
    """Treats every receiver as one that recognises a repeated create."""
    real = attempt.Attempt.__init__

    def init(self: Any, *args: Any) -> None:
        real(self, *args)
        self._traits = msgspec.structs.replace(self._traits, idempotent=True)

    put(stack, attempt.Attempt, "__init__", init)


@bug
def duplicate_is_refused(stack: ExitStack) -> None:
    """Takes "I have it already" for a refusal."""

    def rejected(_self: Any, _delivery: Any, rejection: Any, *, report_rejection: bool) -> Any:
        return Rejected(str(rejection), report_rejection)

    put(stack, attempt.Attempt, "_rejected_without_lookup", rejected)


@bug
def one_is_enough(stack: ExitStack) -> None:
    """Acknowledges an order when the first of its receivers has it."""
    real = acks.exported_due

    def due(db: Any, key: int, now: int) -> Any:
        return real(_Told(db, "FROM deliveries WHERE key = ?", "AND state = 'delivered'"), key, now)  # type: ignore[arg-type]

    put(stack, acks, "exported_due", due)
    put(stack, deliveries, "settle_plain", lambda *_: None)


@bug
def tells_again(stack: ExitStack) -> None:
    """Acknowledges without a look-up an order that a lost journal may have acknowledged at the source already."""
    real = acks.exported_due

    def due(db: Any, key: int, now: int) -> Any:
        return real(_Deaf(db, "UPDATE orders SET ack_state = ? WHERE"), key, now)  # type: ignore[arg-type]

    put(stack, acks, "exported_due", due)


@bug
def believes_a_backup(stack: ExitStack) -> None:
    """Trusts the deliveries that were settled when a backup was made."""
    real = lookup_first._doubt_what_waits

    def doubt(way: Any, now: int, db: Any) -> None:
        real(way, now, _Deaf(db, "SET next_try_at = max(next_try_at"))  # type: ignore[arg-type]

    put(stack, lookup_first, "_doubt_what_waits", doubt)


@bug
def lost_is_first(stack: ExitStack) -> None:
    """Looks up at once the orders that a lost journal may have begun."""
    real = lookup_first.begin

    def begin(ways: Any, now: int, db: Any) -> None:
        real(ways, now, db)
        db.execute("UPDATE lookup_first SET until = 0")

    put(stack, lookup_first, "begin", begin)


@bug
def wall_deadlines(stack: ExitStack) -> None:
    """Schedules waiting orders by the machine's clock, which is set now and then."""
    put(stack, SteadyClock, "now", lambda self: self._machine.now())


@bug
def forget_step(stack: ExitStack) -> None:
    """Takes the deadlines that another process left as they are, although the machine's clock was set."""

    def begin(mark: Any, _now: int, db: Any) -> clock_steps.Beginning:
        clock_steps._put(mark, db)
        return clock_steps.Beginning(0, True, 0)

    put(stack, clock_steps, "begin", begin)
