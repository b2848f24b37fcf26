"""
Detects an older copy of the journal by the newest orders of receivers (`witness: {receivers: [...]}`).

A volume that is restored from a snapshot takes the journal and `JOURNAL.seen` back together, so no file on it can show
that. A receiver was not restored: if one of its newest records is an order of ours that this journal never sent there,
a newer journal did. A receiver that does not answer proves nothing, and the journal is distrusted all the same: that
costs look-ups, and the opposite would cost duplicate orders.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

import anyio

from connector.clock import Clock
from connector.errors import ConnectorError, InDoubtError, TransientError
from connector.journal.base import Journal
from connector.journal.records import OrderAt
from connector.pipeline.conformance import checked_receipt
from connector.receivers.base import Receipt, Receiver, SupportsNewest
from connector.retry import backoff
from connector.settings import Settings

__all__ = ["NEWEST", "check_receivers"]

logger = logging.getLogger(__name__)

NEWEST = 50
"""Records that are read from each receiver."""
TIMEOUT = 30.0
"""Seconds after which a start goes on without an answer."""
TRIES = 3
"""Calls to a receiver that fails: fewer than pause it."""

LOOKED_UP = "orders that it may lack are looked up before they are created, until each source was polled once"


async def check_receivers(
    settings: Settings, receivers: Mapping[str, Receiver], journal: Journal, clock: Clock, stop: anyio.Event
) -> None:
    """
    Distrust the journal if a receiver holds an order that it never sent, or does not answer. Before `Journal.begin`.

    Once `stop` is set the start waits for no answer: a slow receiver must not delay a stop.
    """
    names = settings.witness_receivers
    if not names:
        return
    answers: dict[str, Sequence[tuple[str, Receipt]] | str] = {}

    async def read(name: str) -> None:
        answers[name] = await _newest(receivers[name], clock)

    async def read_all(scope: anyio.CancelScope) -> None:
        async with anyio.create_task_group() as tg:
            for name in names:
                tg.start_soon(read, name, name=f"read the newest orders of {name}")
        scope.cancel()

    with anyio.move_on_after(TIMEOUT):
        async with anyio.create_task_group() as both:
            both.start_soon(read_all, both.cancel_scope, name="read the newest orders of the witnesses")
            await stop.wait()
            both.cancel_scope.cancel()
    missing = "the connector was stopped" if stop.is_set() else f"no answer within {TIMEOUT:g} seconds"
    for name in names:
        answer = answers.get(name, missing)
        if isinstance(answer, str):
            await _unknown(name, answer, journal)
        else:
            await _compare(name, _ours(settings, name, answer), journal)


async def _newest(receiver: Receiver, clock: Clock) -> Sequence[tuple[str, Receipt]] | str:
    """Return a receiver's newest records, or the reason why there are none."""
    if not isinstance(receiver, SupportsNewest):
        return "it cannot list its orders"
    for attempt in range(1, TRIES + 1):
        try:
            return [(each, checked_receipt(receipt)) for each, receipt in await receiver.newest(NEWEST)]
        except (TransientError, InDoubtError) as exc:
            reason = str(exc)
        except ConnectorError as exc:
            return str(exc)
        except Exception as exc:
            logger.exception("%s: internal error while listing its newest orders", receiver.name)
            return f"{type(exc).__name__}: {exc}"
        if attempt < TRIES:
            await clock.sleep(backoff(clock, attempt, first=1.0, longest=10.0))
    return reason


def _ours(settings: Settings, receiver: str, records: Iterable[tuple[str, Receipt]]) -> list[OrderAt]:
    """Return the records whose external id is that of an order of a source with a route to the receiver."""
    sources = [route.source for route in settings.routes if receiver in (*route.receivers, *route.optional)]
    found = []
    for external_id, receipt in records:
        for source in sources:
            order_id = external_id.removeprefix(f"{source}-")
            numeric = getattr(settings.sources[source], "numeric_ids", False)
            if order_id not in ("", external_id) and (not numeric or (order_id.isascii() and order_id.isdecimal())):
                found.append(OrderAt(source=source, order_id=order_id, record=receipt.id))
                break
    return found


async def _compare(name: str, orders: Sequence[OrderAt], journal: Journal) -> None:
    found = await journal.lookup_first.compare_newest(name, orders)
    if found:
        first = found[0]
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        logger.warning(
            "%s holds order %s of %s (record %s)%s, which this journal never sent there: it is an older copy than the"
            " one that was last in use, or new in its place; %s",
            name,
            first.order_id,
            first.source,
            first.record,
            more,
            LOOKED_UP,
        )


async def _unknown(name: str, why: str, journal: Journal) -> None:
    if await journal.lookup_first.distrust():
        logger.warning(
            "the newest orders of %s could not be read (%s), so this journal may be an older copy: %s",
            name,
            why,
            LOOKED_UP,
        )
