"""`connector status`: shows counts by state for each source and receiver, and the problems to look at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

import click

from connector.cli import settings_of
from connector.cli.output import age, escaped, iso, table
from connector.journal.states import PublicState

if TYPE_CHECKING:
    import sqlite3

    from connector.journal.records import Shortfall
    from connector.journal.views.status import CauseTotal, Status
    from connector.settings import Settings

__all__ = ["command", "open_for_reading"]

MOST_CAUSES = 20
"""Causes that are listed. There may be thousands, if a receiver puts the order's number into each rejection."""

MOST_ROWS = 10
"""Unreadable rows of a feed that are listed."""


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_context
def command(ctx: click.Context, *, as_json: bool) -> None:
    """
    Show counts by state for each source and receiver, then the problems to look at.

    Works whether or not the connector is running, and calls no endpoint.
    """
    from connector.journal.views import status as reader

    settings = settings_of(ctx)
    with open_for_reading(settings) as db:
        status, causes = reader.status(db), reader.causes(db)
    stalled = reader.noted(settings.journal)
    if as_json:
        data = as_data(settings, status, datetime.now(UTC))
        click.echo(json.dumps({**data, "journal": {"stalled": stalled}} if stalled else data, indent=2))
    else:
        click.echo(as_text(settings, status, causes, datetime.now(UTC)))
        if stalled:
            click.echo(f"\nthe connector is waiting for the journal: {escaped(stalled)}")


@contextmanager
def open_for_reading(settings: Settings) -> Iterator[sqlite3.Connection]:
    """Open the journal for reading; if it does not exist yet, report that on stderr and open an empty one."""
    from connector.journal.views import status as reader

    with ExitStack() as stack:
        try:
            db = stack.enter_context(reader.open_reader(settings.journal))
        except reader.NoJournal as exc:
            click.echo(escaped(str(exc)), err=True)
            db = stack.enter_context(closing(reader.empty()))
        yield db


def as_data(settings: Settings, status: Status, now: datetime) -> dict[str, Any]:
    """Return the data for `--json` (design.md, section 8): configured endpoints, and others that the journal knows."""
    from connector.journal.views.status import ReceiverCounts, SourceCounts

    sources = {name: status.sources.get(name, SourceCounts()) for name in _names(settings.sources, status.sources)}
    receivers = {
        name: status.receivers.get(name, ReceiverCounts()) for name in _names(settings.receivers, status.receivers)
    }
    return {
        "sources": {
            name: {
                "orders": dict(each.orders),
                "oldest_unacknowledged_seconds": _seconds(each.untold_since, now),
                "last_poll": iso(each.last_poll),
                "parked_reports": each.parked_reports,
                "unlisted": each.shortfall.unlisted,
                "unreadable": [
                    {
                        "order_id": row.order,
                        "position": row.position + 1,
                        "after": row.after,
                        "before": row.before,
                        "reason": row.reason,
                    }
                    for row in each.shortfall.unreadable
                ],
                "listed_again": each.listed_again,
            }
            for name, each in sources.items()
        },
        "receivers": {
            name: {
                "deliveries": dict(each.deliveries),
                "breaker": each.breaker,
                "reason": each.reason,
                **_limits(settings, name),
            }
            for name, each in receivers.items()
        },
    }


def _limits(settings: Settings, name: str) -> dict[str, Any]:
    own = settings.receivers.get(name)
    rate = None if own is None or own.rate_limit is None else str(own.rate_limit)
    return {"rate_limit": rate, "concurrency": None if own is None else own.concurrency}


def as_text(settings: Settings, status: Status, causes: list[CauseTotal], now: datetime) -> str:
    """Return two tables and, below them, a line for each problem."""
    data = as_data(settings, status, now)
    parts = [_sources(data["sources"], now), _receivers(data["receivers"])]
    lines = [
        f"{name}: the last poll failed: {each.error}"
        for name, each in status.sources.items()
        if each.error and name in settings.sources
    ]
    lines += [
        f"{name}: {each.parked_reports} parked report{'' if each.parked_reports == 1 else 's'}; "
        "see the causes below, then use `connector retry` or `skip`"
        for name, each in status.sources.items()
        if each.parked_reports
    ]
    for name, each in status.sources.items():
        lines += _unseen(name, each.shortfall)
    lines += [
        f"{name}: still lists {each.listed_again} order{'' if each.listed_again == 1 else 's'} that it had confirmed; "
        "the acknowledgements are repeated at growing intervals"
        for name, each in status.sources.items()
        if each.listed_again
    ]
    for name, own in settings.sources.items():
        oldest = data["sources"][name]["oldest_unacknowledged_seconds"]
        if oldest is not None and oldest > float(own.ack_alarm):
            lines.append(f"{name}: the oldest acknowledgement has been pending for {age(oldest)}")
    lines += [f"{name}: paused, {each.reason}" for name, each in status.receivers.items() if each.breaker == "open"]
    lines += [f"{each.orders} {each.state}: {each.cause}" for each in causes[:MOST_CAUSES]]
    if (more := len(causes) - MOST_CAUSES) > 0:
        lines.append(f"and {more} more cause{'s' if more > 1 else ''}; `connector orders --state held` lists them all")
    if lines:
        parts.append("\n".join(escaped(line) for line in lines))
    return "\n\n".join(parts)


def _unseen(name: str, shortfall: Shortfall) -> Iterator[str]:
    """Yield a line for each group of orders that the last poll could not read."""
    if shortfall.unlisted:
        text = f"{name}: states {shortfall.unlisted} orders more than it lists"
        yield f"{text}: of another tenant, or hidden from these credentials?"
        if shortfall.unlisted > (shortfall.baseline or 0):
            yield f"{name}: so a waiting order that leaves the feed is not noticed"
    for row in shortfall.unreadable[:MOST_ROWS]:
        yield f"{name}: {row} cannot be read, and needs repair there: {row.reason}"
    if (more := len(shortfall.unreadable) - MOST_ROWS) > 0:
        yield f"{name}: and {more} more rows"


def _sources(sources: Mapping[str, dict[str, Any]], now: datetime) -> str:
    states = _occurring([each["orders"] for each in sources.values()])
    rows = []
    for name, each in sources.items():
        oldest, poll = each["oldest_unacknowledged_seconds"], each["last_poll"]
        ago = "" if poll is None else f"{age((now - datetime.fromisoformat(poll)).total_seconds())} ago"
        rows.append(
            [
                name,
                *(each["orders"].get(state, 0) for state in states),
                "" if oldest is None else age(oldest),
                ago,
            ]
        )
    head = ["SOURCE", *map(_heading, states), "OLDEST UNACKNOWLEDGED", "LAST POLL"]
    return table(head, rows, right=range(1, len(head) - 1))


def _receivers(receivers: Mapping[str, dict[str, Any]]) -> str:
    states = _occurring([each["deliveries"] for each in receivers.values()])
    rows = [
        [
            name,
            *(each["deliveries"].get(state, 0) for state in states),
            each["breaker"],
            each["rate_limit"] or "",
            "" if each["concurrency"] is None else each["concurrency"],
        ]
        for name, each in receivers.items()
    ]
    head = ["RECEIVER", *map(_heading, states), "BREAKER", "RATE LIMIT", "CONCURRENCY"]
    return table(head, rows, right=range(1, len(states) + 1))


def _occurring(counts: list[dict[str, int]]) -> list[str]:
    found = [state for state in get_args(PublicState) if any(state in each for each in counts)]
    return found or ["new"]


def _heading(state: str) -> str:
    return state.upper().replace("_", " ")


def _names(configured: Mapping[str, Any], known: Mapping[str, Any]) -> list[str]:
    return [*configured, *(name for name in known if name not in configured)]


def _seconds(since: datetime | None, now: datetime) -> float | None:
    return None if since is None else max(0.0, round((now - since).total_seconds(), 3))
