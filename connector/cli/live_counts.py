"""Progress display of a running connector: a live table on a terminal, a log line now and then elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from connector.cli import log_writer
from connector.cli.counters import COLUMNS, RunCounters
from connector.clock import Clock

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["ONCE_INTERVAL", "SERVICE_INTERVAL", "show"]

logger = logging.getLogger(__name__)

REDRAW = 0.2
"""Seconds between two updates of the table."""
ONCE_INTERVAL, SERVICE_INTERVAL = 1.0, 60.0
"""Seconds between two log lines: at the start of `run --once`, and of a run without end."""
SLOWER = 1.25
"""Factor by which the interval grows after each line, so that a long `run --once` logs once a minute in the end."""


async def show(counters: RunCounters, clock: Clock, *, every: float) -> None:
    """
    Show `counters` until cancelled.

    On a terminal, as a table on stderr that is updated in place. Elsewhere, as log lines: at most one in `every`
    seconds, fewer as time goes on, and none while the counts stay the same.
    """
    if sys.stderr is not None and sys.stderr.isatty():
        await _draw(counters, clock)
    logged = counters.line()
    while True:
        await clock.sleep(every)
        if (line := counters.line()) != logged:
            logger.info("so far: %s", line)
            logged, every = line, max(every, min(every * SLOWER, SERVICE_INTERVAL))


async def _draw(counters: RunCounters, clock: Clock) -> None:
    from rich.console import Console
    from rich.live import Live

    writer = log_writer.installed()
    console = Console(stderr=True) if writer is None else Console(file=log_writer.QueuedStream(writer))  # type: ignore[arg-type]
    with Live(console=console, get_renderable=lambda: _table(counters), auto_refresh=False, transient=True) as live:
        while True:
            live.refresh()
            await clock.sleep(REDRAW)


def _table(counters: RunCounters) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown = [name for name in COLUMNS if name in COLUMNS[:3] or counters.total(name)]
    table = Table("source", *shown, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in table.columns[1:]:
        column.justify = "right"
    for source in sorted(set().union(*counters.counts.values())):
        table.add_row(Text(source), *(f"{counters.counts[name][source]:,}" for name in shown))
    paused = [Text(f"{endpoint} is paused: {reason}", style="yellow") for endpoint, reason in counters.paused.items()]
    return Group(table, *paused)
