"""Progress while the connector runs: moving counts on a terminal, a line of the log now and then elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from connector.cli import log_writer
from connector.cli.counters import COLUMNS, Tally
from connector.clock import Clock

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["OFTEN", "SELDOM", "show"]

logger = logging.getLogger(__name__)

REDRAW = 0.2
"""Seconds between two pictures on a terminal."""
OFTEN, SELDOM = 1.0, 60.0
"""Seconds between two lines of progress: of a run that somebody waits for, and of one that runs for months."""
SLOWER = 1.25
"""The factor between two pauses: a run of minutes tells every few seconds, one of hours every minute."""


async def show(tally: Tally, clock: Clock, *, every: float) -> None:
    """
    Show what `tally` counts until cancelled.

    On a terminal that is a table which stays in place, on stderr; elsewhere a line of the log, at most one in `every`
    seconds, fewer the longer it takes, and none while nothing changes.
    """
    if sys.stderr is not None and sys.stderr.isatty():
        await _draw(tally, clock)
    said = tally.line()
    while True:
        await clock.sleep(every)
        if (line := tally.line()) != said:
            logger.info("so far: %s", line)
            said, every = line, max(every, min(every * SLOWER, SELDOM))


async def _draw(tally: Tally, clock: Clock) -> None:
    from rich.console import Console
    from rich.live import Live

    writer = log_writer.installed()
    console = Console(stderr=True) if writer is None else Console(file=log_writer.QueuedStream(writer))  # type: ignore[arg-type]
    with Live(console=console, get_renderable=lambda: _table(tally), auto_refresh=False, transient=True) as live:
        while True:
            live.refresh()
            await clock.sleep(REDRAW)


def _table(tally: Tally) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown = [name for name in COLUMNS if name in COLUMNS[:3] or tally.total(name)]
    table = Table("source", *shown, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in table.columns[1:]:
        column.justify = "right"
    for source in sorted(set().union(*tally.counts.values())):
        table.add_row(Text(source), *(f"{tally.counts[name][source]:,}" for name in shown))
    paused = [Text(f"{endpoint} is paused: {reason}", style="yellow") for endpoint, reason in tally.paused.items()]
    return Group(table, *paused)
