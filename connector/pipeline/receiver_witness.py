"""
Asking receivers, before anything is sent, whether the journal is an older copy (`witness: {receivers: [...]}`).

A volume that is put back from a snapshot takes the journal and `JOURNAL.seen` back together, and nothing on it can
know. A receiver was not put back: if one of its newest records is an order of ours that the journal never sent there, a
newer journal did. If it cannot be asked, nobody knows, and the journal is taken for an older copy all the same: that
costs look-ups, and the opposite would cost double orders.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

import anyio

from connector.clock import Clock, backoff
from connector.errors import ConnectorError, InDoubtError, TransientError
from connector.journal.base import Journal
from connector.journal.records import OrderAt
from connector.pipeline.conformance import checked_receipt
from connector.receivers.base import Receipt, Receiver, SupportsNewest
from connector.settings import Settings

__all__ = ["NEWEST", "ask_receivers"]

logger = logging.getLogger(__name__)

NEWEST = 50
"""Records that a receiver is asked for."""
ASKED_FOR = 30.0
"""Seconds after which a start goes on without an answer."""
TRIES = 3
"""Times that a receiver is asked: fewer failures than pause it."""

LOOKED_UP = "what it may not know is looked up before it is created, until each source was walked once"


async def ask_receivers(
    settings: Settings, receivers: Mapping[str, Receiver], journal: Journal, clock: Clock, stop: anyio.Event
) -> None:
    """
    Doubt the journal where a receiver holds what it never sent, or cannot be asked. Before `Journal.begin`.

    Once `stop` is set no answer is waited for: a stop is not held up by a receiver that is slow.
    """
    names = settings.witness_receivers
    if not names:
        return
    answers: dict[str, Sequence[tuple[str, Receipt]] | str] = {}

    async def ask(name: str) -> None:
        answers[name] = await _newest(receivers[name], clock)

    async def ask_all(scope: anyio.CancelScope) -> None:
        async with anyio.create_task_group() as tg:
            for name in names:
                tg.start_soon(ask, name, name=f"ask {name} for its newest orders")
        scope.cancel()

    with anyio.move_on_after(ASKED_FOR):
        async with anyio.create_task_group() as both:
            both.start_soon(ask_all, both.cancel_scope, name="ask the receivers that are witnesses")
            await stop.wait()
            both.cancel_scope.cancel()
    missing = "the connector was stopped" if stop.is_set() else f"no answer within {ASKED_FOR:g} seconds"
    for name in names:
        answer = answers.get(name, missing)
        if isinstance(answer, str):
            await _unknown(name, answer, journal)
        else:
            await _compare(name, _ours(settings, name, answer), journal)


async def _newest(receiver: Receiver, clock: Clock) -> Sequence[tuple[str, Receipt]] | str:
    """Return a receiver's newest records; or, in words, why it cannot be asked."""
    if not isinstance(receiver, SupportsNewest):
        return "it cannot list its orders"
    for attempt in range(1, TRIES + 1):
        try:
            return [(each, checked_receipt(receipt)) for each, receipt in await receiver.newest(NEWEST)]
        except (TransientError, InDoubtError) as exc:
            said = str(exc)
        except ConnectorError as exc:
            return str(exc)
        except Exception as exc:
            logger.exception("%s: listing its newest orders failed", receiver.name)
            return f"{type(exc).__name__}: {exc}"
        if attempt < TRIES:
            await clock.sleep(backoff(clock, attempt, first=1.0, longest=10.0))
    return said


def _ours(settings: Settings, receiver: str, records: Iterable[tuple[str, Receipt]]) -> list[OrderAt]:
    """Return the records whose external id is one of an order that a route leads there."""
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
            *(name, first.order_id, first.source, first.record, more, LOOKED_UP),
        )


async def _unknown(name: str, why: str, journal: Journal) -> None:
    if await journal.lookup_first.distrust():
        logger.warning(
            "%s could not be asked for its newest orders (%s), and nobody knows whether this journal is an older copy:"
            " %s",
            *(name, why, LOOKED_UP),
        )
