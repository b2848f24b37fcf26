"""
`connector`, which kills itself with -9 at an exact point: `python -m tests.processes.child POINT NUMBER COMMAND ...`.

POINT is `KIND:in` or `KIND:after` for a transaction of the journal (see watched.py), `KIND:before` for a call that
has not come to its transaction yet, `request:before` (head and body of a request are made), `map:in` (an order is
mapped), `body:half`, or `-` for none; NUMBER counts how often it is reached until it is the last time. The
environment variable SHIFT sets the clock forward, or back, by so many seconds.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from aiohttp import http_writer

from connector.cli import main
from connector.clock import SystemClock
from connector.journal.engine.store import Table
from connector.journal.records import Delivered, Settlement
from connector.journal.tables.acks import AcksTable
from connector.journal.tables.deliveries import DeliveriesTable
from connector.journal.tables.orders import OrdersTable
from connector.pipeline.delivery import consumer
from tests.processes.watched import Kind, Place, watch

__all__ = ["POINTS", "arm", "shift"]

POINTS = (
    "-",
    "request:before",
    "map:in",
    "ingest:before",
    "ingest:in",
    "ingest:after",
    "intent:before",
    "intent:in",
    "intent:after",
    "body:half",
    "delivered:before",
    "adopted:before",
    "delivered:in",
    "delivered:after",
    "claim:before",
    "claim:in",
    "claim:after",
    "told:before",
    "told:in",
    "told:after",
    "recovery:in",
    "recovery:after",
)


def arm(point: str, number: int) -> None:
    """Let this process die when `point` is reached for the `number`th time."""
    left = number

    def reached(name: str) -> None:
        nonlocal left
        left -= name == point
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    def commit(kind: Kind, place: Place) -> None:
        reached(f"{kind}:{place}")

    watch(commit)
    _before(OrdersTable, "ingest", lambda _page: reached("ingest:before"))
    _before(DeliveriesTable, "intend", lambda _intents: reached("intent:before"))
    _before(DeliveriesTable, "settle", partial(_settling, reached))
    _before(AcksTable, "claim", lambda _keys: reached("claim:before"))
    _before(AcksTable, "settle", lambda _results: reached("told:before"))
    if point == "map:in":
        _mapping(reached)
    if point == "request:before":
        _requesting(reached)
    if point == "body:half":
        _halve(reached)


def _before(table: type[Table], name: str, then: Callable[[Any], None]) -> None:
    """Call `then` with the first argument of a method of `table` that is no text, before anything is done."""
    method = getattr(table, name)

    async def called(table: Table, *arguments: Any) -> Any:
        then(next(each for each in arguments if not isinstance(each, str)))
        return await method(table, *arguments)

    setattr(table, name, called)


def _settling(reached: Callable[[str], None], settlements: Sequence[Settlement]) -> None:
    found = [one.outcome for one in settlements if isinstance(one.outcome, Delivered)]
    if any(not outcome.adopted for outcome in found):
        reached("delivered:before")
    if any(outcome.adopted for outcome in found):
        reached("adopted:before")


def _mapping(reached: Callable[[str], None]) -> None:
    mapped = consumer.prepared  # type: ignore[attr-defined]

    def mapping(*arguments: Any) -> Any:
        work = mapped(*arguments)
        reached("map:in")
        return work

    consumer.prepared = mapping  # type: ignore[attr-defined,assignment]


def _requesting(reached: Callable[[str], None]) -> None:
    write = http_writer.StreamWriter.write_headers

    async def writing(*arguments: Any) -> None:
        reached("request:before")
        await write(*arguments)

    http_writer.StreamWriter.write_headers = writing  # type: ignore[method-assign,assignment]


def _halve(reached: Callable[[str], None]) -> None:
    """Reach `body:half` when the head and half the body of a create have left, and the other half has not."""
    write = http_writer.StreamWriter._writelines

    def half(self: http_writer.StreamWriter, chunks: Iterable[Any]) -> None:
        head, *body = [bytes(chunk) for chunk in chunks]
        if head.startswith(b"POST /wms/orders/ ") and self.transport is not None:
            content = b"".join(body)
            # Past the event loop, which may keep what it is given until its next turn.
            connection = self.transport.get_extra_info("socket").fileno()
            os.write(connection, head + content[: len(content) // 2])
            reached("body:half")
            os.write(connection, content[len(content) // 2 :])
            return
        write(self, [head, *body])

    http_writer.StreamWriter._writelines = half  # type: ignore[method-assign]


def shift(seconds: float) -> None:
    """Set the wall clock of this process forward, or back."""
    now = SystemClock.now

    def shifted(self: SystemClock) -> datetime:
        return now(self) + timedelta(seconds=seconds)

    SystemClock.now = shifted  # type: ignore[method-assign]


if __name__ == "__main__":
    shift(float(os.environ.get("SHIFT", 0)))
    arm(sys.argv[1], int(sys.argv[2]))
    main(sys.argv[3:], prog_name="connector")
