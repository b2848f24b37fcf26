"""
The decisions about orders that the journal holds and a feed lists (again): known, changed, cancelled, confirmed.

The revision of an order covers the fields that every receiver may get to see. A mapping can read more: the vendor's own
fields, the status. So the stored payload is replaced whenever the feed shows something else, and an order that waits
for a person is tried again if that changes its request, which only the mapping can tell (`Producer`). An order that is
being sent keeps the payload it was mapped from; one that may have been sent is looked up, and sent as it is listed by
then if it is not there. A new revision of such an order waits until that is settled. Each function runs inside a
transaction.
"""

# ruff: noqa: S608 - the SQL is put together from our own words; every value is a parameter.

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from connector.causes import OTHER_ACCOUNT, RELISTED, REVOKED, SKIPPED, SKIPPED_IN_DOUBT, WITHDRAWN
from connector.journal.engine import bulk
from connector.journal.engine.codec import millis
from connector.journal.records import Arrival, Ingested, Listing, Relisted, RelistPolicy
from connector.journal.tables import acks, changes, history, lookup_first, payloads, relisted

__all__ = ["KnownOrder", "again", "known", "relist", "telling_failure"]

WAITING_FOR_A_PERSON = frozenset({"held", "rejected"})


class KnownOrder(msgspec.Struct):
    """An order that the journal holds already."""

    key: int
    revision: str
    ack_state: str
    ack_outcome: str | None
    ack_done_at: int | None
    ack_next: int
    states: frozenset[str]
    version: int
    raw: bytes | None
    none_of_ours: bool
    sent: bool


RETURNED = frozenset({"cancelled", "vanished"})


def known(db: sqlite3.Connection, source: str, order_ids: Sequence[str]) -> dict[str, KnownOrder]:
    """Return the orders of these ids that the journal holds, by id."""
    rows = bulk.select_keys(
        db,
        "SELECT order_id, key, revision, ack_state, ack_outcome, ack_done_at, ack_next,"
        " (SELECT group_concat(DISTINCT state) FROM deliveries d WHERE d.key = o.key), payload_version,"
        " (SELECT raw FROM payloads p WHERE p.key = o.key),"
        " EXISTS (SELECT 1 FROM deliveries d WHERE d.key = o.key AND state = 'skipped'"
        f" AND coalesce(cause_code, '') NOT IN ('{SKIPPED}', '{SKIPPED_IN_DOUBT}')),"
        " EXISTS (SELECT 1 FROM deliveries d WHERE d.key = o.key"
        " AND (state = 'intent' OR (state = 'in_doubt' AND attempts > 0)))"
        " FROM orders o WHERE source = ? AND order_id IN ({})",
        order_ids,
        source,
    )
    return {
        order_id: KnownOrder(
            key=key,
            revision=revision,
            ack_state=ack_state,
            ack_outcome=outcome,
            ack_done_at=done_at,
            ack_next=told_at,
            states=frozenset((states or "").split(",")),
            version=version,
            raw=raw,
            none_of_ours=bool(skipped),
            sent=bool(sent),
        )
        for order_id, key, revision, ack_state, outcome, done_at, told_at, states, version, raw, skipped, sent in rows
    }


def again(
    db: sqlite3.Connection, source: str, row: KnownOrder, arrival: Arrival, listing: Listing, now: int
) -> Ingested:
    """Decide about one order that the journal holds and that is listed again."""
    same = row.revision == arrival.revision
    if row.states <= {"delivered"} and arrival.state == "new" and not arrival.cancelled:
        _hold_cancellation(db, row.key, now)
    new = not same or (row.states <= {"delivered"} and _changed_back(db, row.key, arrival.revision))
    if row.states <= {"delivered"} and new and _amend(db, row.key, arrival, listing, now):
        return Ingested(row.key, "amended")
    if row.ack_state == "confirmed" and row.ack_outcome == "exported":
        if not listing.exported and row.ack_done_at is not None:
            told = relisted.Told(row.ack_done_at, row.ack_next)
            if relisted.believed(row.key, told, _asked(listing), listing.again, db):
                return _listed_again(db, row.key, source, listing.again, now)
        return Ingested(row.key, "known")
    if same:
        back = row.states & RETURNED and arrival.state != "cancelled"  # a cancelled one may be listed for ever
        return _renew(db, row.key, arrival, now, _TAKE_BACK) if back else _follow(db, row, arrival, now)
    if telling_failure(row.ack_state, row.ack_outcome):
        # The failure of the old revision is being acknowledged; a later poll brings the new one.
        return Ingested(row.key, "known")
    # An order that is only looked up first was never sent from here: if it does not exist, the new listing is sent.
    frozen = row.sent or ("in_doubt" in row.states and arrival.state != "new")
    if row.states & {"delivered"} or frozen:
        # On its way, or delivered to some: the sent revision counts, and the change is for a person to see.
        history.note_once(row.key, now, "changed after delivery", arrival.revision, db)
    if row.states <= {"delivered"} or frozen:
        return Ingested(row.key, "known")
    return _renew(db, row.key, arrival, now, _START_AGAIN)


def _follow(db: sqlite3.Connection, row: KnownOrder, arrival: Arrival, now: int) -> Ingested:
    """Store the current listing of an unchanged revision, which does not cover all of its fields."""
    same, known = row.raw is None or row.raw == arrival.raw, Ingested(row.key, "known")
    if same or "intent" in row.states or telling_failure(row.ack_state, row.ack_outcome):
        return known
    ours = row.none_of_ours if arrival.state == "new" else not row.states <= {"delivered", arrival.state}
    if ours:  # it has become ours, or is not ours any more, with the same content
        return _renew(db, row.key, arrival, now, _START_AGAIN)
    if row.states & WAITING_FOR_A_PERSON and arrival.state == "new":
        return Ingested(row.key, "known", version=row.version, kept=row.raw)
    payloads.put(row.key, arrival.raw, db)
    return known


def _asked(listing: Listing) -> relisted.Asked:
    if listing.steady is None:
        return relisted.Asked(millis(listing.asked_at))
    asked, began, now = map(millis, listing.steady)
    return relisted.Asked(millis(listing.asked_at), asked, began, now, listing.certain, listing.comparable)


def _changed_back(db: sqlite3.Connection, key: int, revision: str) -> bool:
    """Return whether an update to another revision waits, of an order that is listed as it was delivered."""
    row = db.execute(
        "SELECT 1 FROM changes WHERE key = ? AND what = 'update' AND state <> 'done' AND revision <> ?", (key, revision)
    ).fetchone()
    return row is not None


def _hold_cancellation(db: sqlite3.Connection, key: int, now: int) -> None:
    """
    Hold a cancellation that waits, of an order that is listed as not cancelled.

    It is not dropped, because the list may be older than the one that showed the cancellation. One that is on its way
    ends as it will.
    """
    held = db.execute(
        "UPDATE changes SET state = 'held', reason = ?, reason_code = ?"
        " WHERE key = ? AND what = 'cancel' AND state = 'due' AND sending = 0",
        (WITHDRAWN, REVOKED, key),
    ).rowcount
    if held:
        history.note(key, now, "cancel held", WITHDRAWN, db)


def _amend(db: sqlite3.Connection, key: int, arrival: Arrival, listing: Listing, now: int) -> bool:
    """Make the changes of a delivered order that is different now due; return whether there are any."""
    what = "cancel" if arrival.state == "cancelled" or arrival.cancelled else "update"
    policy = listing.on_cancel if what == "cancel" else listing.on_change
    seen = db.execute(
        "SELECT 1 FROM changes WHERE key = ? AND what = ? AND revision = ?", (key, what, arrival.revision)
    ).fetchone()
    if seen:
        revived = db.execute(
            "UPDATE changes SET state = 'due', reason = NULL, reason_code = NULL"
            " WHERE key = ? AND what = 'cancel' AND what = ? AND state = 'held' AND reason_code = ?",
            (key, what, REVOKED),
        ).rowcount
        return revived > 0
    said = "cancelled after delivery" if what == "cancel" else "changed after delivery"
    history.note_once(key, now, said, arrival.revision, db)
    if policy == "ignore":
        return False
    payloads.put(key, arrival.raw, db)
    why = arrival.cause or (f"{said}, and on_{'cancel' if what == 'cancel' else 'change'} is hold")
    for (receiver,) in db.execute("SELECT receiver FROM deliveries WHERE key = ?", (key,)).fetchall():
        changes.put(key, receiver, what, arrival.revision, db)
        if policy == "hold" or arrival.state not in ("new", "cancelled"):
            db.execute(
                "UPDATE changes SET state = 'held', reason = ?, reason_code = NULL WHERE key = ? AND receiver ="
                " ? AND what = ?",
                (why, key, receiver, what),
            )
    return True


_TAKE_BACK = (
    "UPDATE deliveries SET state = 'new', cause = NULL, cause_code = NULL, detail = NULL, next_try_at = 0"
    " WHERE key = ? AND state IN ('cancelled', 'vanished')"
)
_START_AGAIN = (
    # A held delivery that was tried may exist: only a look-up may let it be created again.
    "UPDATE deliveries SET state = CASE WHEN state = 'held' AND attempts > 0 THEN 'in_doubt' ELSE 'new' END,"
    " cause = NULL, cause_code = NULL, detail = NULL, next_try_at = 0"
    " WHERE key = ? AND state IN ('new', 'ready', 'held', 'rejected', 'skipped', 'cancelled', 'vanished')"
    # One that may exist in an account that the settings do not name any more stays on hold.
    f" AND NOT (state = 'held' AND coalesce(cause_code, '') = '{OTHER_ACCOUNT}')"
)


_LEAVE_DOUBTS = (
    # One that is not to be delivered any more, and may exist, stays on hold.
    "UPDATE deliveries SET state = 'new', cause = NULL, cause_code = NULL, detail = NULL, next_try_at = 0"
    " WHERE key = ? AND (state IN ('new', 'ready', 'rejected', 'skipped', 'cancelled', 'vanished')"
    " OR (state = 'held' AND attempts = 0))"
)


def _renew(db: sqlite3.Connection, key: int, arrival: Arrival, now: int, step: str) -> Ingested:
    """Replace a revision that was not delivered by a new one; deliveries that were made stay."""
    db.execute("UPDATE orders SET revision = ?, updated_at = ? WHERE key = ?", (arrival.revision, now, key))
    version = payloads.put(key, arrival.raw, db)
    db.execute(_LEAVE_DOUBTS if step is _START_AGAIN and arrival.state != "new" else step, (key,))
    if arrival.state != "new":
        db.execute(
            "UPDATE deliveries SET state = ?, cause = ?, cause_code = NULL, detail = ?, unfit = ? WHERE key = ?"
            " AND state = 'new'",
            (arrival.state, arrival.cause, arrival.detail, arrival.unfit, key),
        )
    acks.withdraw_failures([key], now, db)
    history.note(key, now, "changed at the source", arrival.revision, db)
    told = acks.failed_due(db, key, now) if arrival.state == "rejected" else None
    return Ingested(key, "changed", told, version=version)


def _listed_again(db: sqlite3.Connection, key: int, source: str, again: RelistPolicy, now: int) -> Ingested:
    """Make a second acknowledgement of a confirmed order due, or leave the order to a person."""
    why = relisted.note(key, source, again, now, db)
    if why:
        db.execute(
            "UPDATE orders SET ack_state = 'parked', ack_reason = ?, ack_code = ?, updated_at = ? WHERE key = ?",
            (why, RELISTED, now, key),
        )
        said = why
    else:
        db.execute(
            # Its attempts go on counting: the source may answer with a success, and do nothing, for ever.
            "UPDATE orders SET ack_state = 'pending', ack_next = 0, ack_moved = 0, updated_at = ? WHERE key = ?",
            (now, key),
        )
        said = "the source had confirmed it; it is told again"
    history.note(key, now, "listed again", said, db)
    return Ingested(key, "left" if why else "reacknowledge")


def telling_failure(ack_state: str, ack_outcome: str | None) -> bool:
    """Return whether a failure of the order, as it was listed before, is being acknowledged."""
    return ack_outcome == "failed" and ack_state in ("pending", "sending", "in_doubt")


def relist(source: str, orders: Sequence[Relisted], now: int, db: sqlite3.Connection) -> list[Ingested]:
    """Store the current listings of orders that wait for a person; see `Orders.relist`."""
    return lookup_first.apply(source, [_relist(db, each, now) for each in orders], db, replayed=False)


def _relist(db: sqlite3.Connection, order: Relisted, now: int) -> Ingested:
    ack_state, outcome, states = db.execute(
        "SELECT ack_state, ack_outcome, (SELECT group_concat(DISTINCT state) FROM deliveries d WHERE d.key = o.key)"
        " FROM orders o WHERE key = ?",
        (order.key,),
    ).fetchone()
    if not payloads.is_current(order.key, order.version, db) or telling_failure(ack_state, outcome):
        return Ingested(order.key, "known")  # the next poll sees it again
    if "intent" in states.split(","):
        return Ingested(order.key, "known")
    version = payloads.put(order.key, order.raw, db)
    moved = sum(db.execute(TRY_AGAIN, (order.key, receiver)).rowcount for receiver in order.receivers)
    if not moved:
        return Ingested(order.key, "known")
    acks.withdraw_failures([order.key], now, db)
    said = f"its request to {', '.join(order.receivers)} is another one now"
    history.note(order.key, now, "changed at the source", said, db)
    return Ingested(order.key, "changed", version=version)


TRY_AGAIN = (
    # A held delivery that was tried may exist: only a look-up may let it be created again.
    "UPDATE deliveries SET state = CASE WHEN state = 'held' AND attempts > 0 THEN 'in_doubt' ELSE 'new' END,"
    " cause = NULL, cause_code = NULL, detail = NULL, next_try_at = 0 WHERE key = ? AND receiver = ? AND state"
    " IN ('held', 'rejected')"
    # One that may exist in an account that the settings do not name any more stays on hold.
    f" AND coalesce(cause_code, '') <> '{OTHER_ACCOUNT}'"
)
