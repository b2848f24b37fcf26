"""
`connector`, which kills itself with -9 at an exact point: `python -m tests.processes.child POINT NUMBER COMMAND ...`.

POINT is `KIND:in` or `KIND:after` for a transaction of the journal (see watched.py), `ingest:before` and
`told:before` for a call that has not come to its transaction yet, or `body:half`; NUMBER counts how often it is
reached until it is the last time.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import http_writer

from connector.cli import main
from connector.journal.sqlite import SqliteJournal
from tests.processes.watched import Kind, Place, watch

__all__ = ["POINTS", "arm"]

POINTS = (
    "ingest:before",
    "ingest:in",
    "ingest:after",
    "intent:in",
    "intent:after",
    "body:half",
    "delivered:in",
    "delivered:after",
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
    _before("ingest", SqliteJournal.ingest, reached)
    _before("told", SqliteJournal.settle_acks, reached)
    if point == "body:half":
        _halve(reached)


def _before(kind: str, method: Callable[..., Any], reached: Callable[[str], None]) -> None:
    """Reach `KIND:before` when `method` of the journal is called."""

    async def called(*arguments: Any) -> Any:
        reached(f"{kind}:before")
        return await method(*arguments)

    setattr(SqliteJournal, method.__name__, called)


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


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    main(sys.argv[3:], prog_name="connector")
