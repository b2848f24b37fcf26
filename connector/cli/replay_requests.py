"""Asking a running connector, by way of the journal: make the request, wait for the answer, say what came of it."""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import TYPE_CHECKING

import click

from connector.cli import exit_codes
from connector.cli.output import escaped

if TYPE_CHECKING:
    from connector.journal.records import ReplayAnswer
    from connector.settings import Settings

__all__ = ["ask_replay", "changes_of"]

GLANCE = 0.2
"""Seconds between two looks for the answer: a look reads one row."""
STANDS = "the request stands in the journal: the running connector does it, or the next one at its start"


def ask_replay(settings: Settings, source: str, since: datetime, wait: float) -> int:
    """
    Ask the running connector to replay `source`, and wait up to `wait` seconds for its answer; return the exit code.

    Ctrl-C, like the end of the wait (exit 75), leaves the request standing.
    """
    import anyio

    from connector.clock import SystemClock
    from connector.journal.decisions import deciding
    from connector.journal.engine.codec import millis
    from connector.journal.tables import replays as requests

    with deciding(settings.journal) as db:
        request = requests.add(source, millis(since), millis(SystemClock().now()), db)
    try:
        answer = anyio.run(_answer, settings, request, wait)
    except KeyboardInterrupt:
        click.echo(STANDS, err=True)
        raise
    if answer is None:
        click.echo(f"there is no answer yet; {STANDS}", err=True)
        return exit_codes.LATER
    return _told(settings, source, answer)


async def _answer(settings: Settings, request: int, wait: float) -> ReplayAnswer | None:
    """Return the answer; None if there is none in time, or if the connector that has the journal has ended."""
    from connector.clock import SystemClock
    from connector.journal.engine.lock import ended
    from connector.journal.tables import replays as requests
    from connector.journal.views.status import open_reader

    clock = SystemClock()
    until = clock.monotonic() + wait
    if wait:  # not before: until the loop is there, Ctrl-C may fall into a callback of an import, and be lost there
        click.echo("a connector is running; it is asked to do it", err=True)
    with open_reader(settings.journal) as db:
        while True:
            gone = ended(settings.journal)  # before the row is read: an answer may be the last thing that it did
            answer = requests.answered(request, db)
            if answer is not None or gone or clock.monotonic() >= until:
                return answer
            await clock.sleep(GLANCE)


def _told(settings: Settings, source: str, answer: ReplayAnswer) -> int:
    """Print the answer and how the orders stand; return the exit code."""
    from connector.journal.views.status import open_reader, snapshot, status

    if answer.error:
        click.echo(escaped(f"{source}: {answer.error}"), err=True)
        return exit_codes.TROUBLE
    with open_reader(settings.journal) as db, snapshot(db):
        amended = changes_of(source, db)
        counts = status(db).sources
    click.echo(
        escaped(
            f"{answer.listed} orders listed, {answer.fresh} of them new; {amended}; "
            "the running connector did the walk, and delivers what is due"
        )
    )
    stuck = sum(counts[source].orders.get(state, 0) for state in ("held", "rejected")) if source in counts else 0
    return exit_codes.TROUBLE if stuck else exit_codes.OK


def changes_of(source: str, db: sqlite3.Connection) -> str:
    """Return in words what is, or was, to be changed of the delivered orders of `source`."""
    rows = db.execute(
        "SELECT c.what, c.state, count(*) FROM changes c JOIN orders o USING (key) WHERE o.source = ?"
        " GROUP BY c.what, c.state ORDER BY 1, 2",
        (source,),
    ).fetchall()
    return "; ".join(f"{what}: {count} {state}" for what, state, count in rows) or "no change of a delivered order"
