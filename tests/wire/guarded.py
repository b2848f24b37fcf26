"""A firewall in front of a vendor: it rejects some requests itself, and forwards the others to a stand-in."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from aiohttp import web

from connector.app import Connector
from connector.journal.sqlite import MemoryJournal
from connector.pipeline.drain import Drained
from connector.registry import load_settings
from connector.sandbox.server import StandIn, serving

__all__ = ["Guarded", "Rule", "drained", "running", "states"]

Rule = Callable[[web.Request, bytes], int]
"""Return the status with which the firewall rejects a request; 0 forwards it."""


class Guarded(StandIn):
    """Answers as `inner` does, except for requests that `rule` rejects; `refused` lists those by method and path."""

    def __init__(self, inner: StandIn, rule: Rule) -> None:
        super().__init__()
        self.inner = inner
        self.rule = rule
        self.refused: list[str] = []

    def answer(self, request: web.Request, body: bytes) -> web.Response:
        """Reject or forward."""
        if not (status := self.rule(request, body)):
            return self.inner.answer(request, body)
        self.refused.append(f"{request.method} {request.path}")
        headers = {"Location": "https://elsewhere.invalid/"} if 300 <= status < 400 else {}
        return web.Response(status=status, text="<html>The request was blocked.</html>", headers=headers)

    def unauthorized(self) -> web.Response:
        """Reject as the stand-in does, see `StandIn.unauthorized`."""
        return self.inner.unauthorized()


@asynccontextmanager
async def running(folder: Path, text: str, journal: MemoryJournal, **ends: StandIn) -> AsyncIterator[Connector]:
    """Serve `ends` and run a connector between them; `text` is its settings, with the ends' names as addresses."""
    where: dict[str, str] = {}

    @asynccontextmanager
    async def served(left: list[tuple[str, StandIn]]) -> AsyncIterator[None]:
        if not left:
            yield
            return
        async with serving(left[0][1]) as where[left[0][0]], served(left[1:]):
            yield

    async with served(list(ends.items())):
        (folder / "settings.yaml").write_text(text.format(**where), "utf-8")
        settings = load_settings(folder / "settings.yaml")
        async with Connector(settings, journal=journal) as connector, anyio.create_task_group() as tg:
            tg.start_soon(connector.run)
            yield connector
            connector.stop()


async def drained(folder: Path, text: str, **ends: StandIn) -> tuple[Drained, list[tuple[str, int, str, str]]]:
    """Run until nothing is new and all is settled; return the result and the `states`."""
    journal = MemoryJournal()
    async with running(folder, text, journal, **ends) as connector:
        return await connector.drain(), await journal.read(states)


def states(db: sqlite3.Connection) -> list[tuple[str, int, str, str]]:
    """Return each state of a delivery with its acknowledgement's, the number of orders in it, and the causes."""
    return db.execute(
        "SELECT d.state || ' ' || o.ack_state, count(*), coalesce(min(d.cause), ''), coalesce(min(o.ack_reason), '')"
        " FROM deliveries d JOIN orders o USING (key) GROUP BY 1 ORDER BY 1"
    ).fetchall()
