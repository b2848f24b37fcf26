"""`connector reconcile`: source, journal and receiver compared, order by order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from connector.cli import exit_codes, settings_of
from connector.cli.output import escaped, iso, table
from connector.cli.param_types import Since

if TYPE_CHECKING:
    from connector.reconcile import Report
    from connector.settings import Settings

__all__ = ["command"]

DAY = timedelta(hours=24)
MOST = 1000
"""Orders that are delivered and told about which the receivers are asked when nobody says how many."""


@click.command("reconcile")
@click.argument("sources", nargs=-1, metavar="[SOURCE ...]")
@click.option("--since", type=Since(), help="From when on delivered orders are looked at. [default: 24 hours ago]")
@click.option("--limit", type=click.IntRange(min=0), default=MOST, show_default=True, help="At most so many of them.")
@click.option("--repair", is_flag=True, help="Set right in the journal what is safe; nothing is created anywhere.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def command(
    ctx: click.Context, *, sources: tuple[str, ...], since: datetime | None, limit: int, repair: bool, as_json: bool
) -> None:
    """
    Compare what the sources list, what the journal holds and what the receivers have, order by order.

    About every order that is open, held, not told, in a feed, or delivered lately its receivers are asked. Changes
    nothing anywhere; with --repair the journal only. Works while the connector runs and while it does not. Exit 1 if
    there are findings left, 75 if an endpoint could not be asked.
    """
    import anyio

    from connector.cli import logs

    settings = settings_of(ctx)
    for name in sources:
        if name not in settings.sources:
            raise click.UsageError(
                escaped(f"there is no source {name!r}; there is {', '.join(settings.sources)}"), ctx=ctx
            )
    hide = logs.Hide(logs.secrets_of(settings))
    logs.configure(ctx.find_root().params["log_format"], hide)
    report, repaired = anyio.run(
        partial(_compare, settings, sources or tuple(settings.sources), since, limit, repair=repair)
    )
    text = json.dumps(_data(report, repaired), indent=2) if as_json else _text(report, repaired, repair=repair)
    click.echo(hide.text(text))
    for each in report.unreached:
        missing = f" ({each.orders:,} answers are missing)" if each.orders else ""
        click.echo(hide.text(escaped(f"{each.endpoint} could not be asked{missing}: {each.reason}")), err=True)
    raise SystemExit(_code(report, repaired))


async def _compare(
    settings: Settings, names: Sequence[str], since: datetime | None, most: int, *, repair: bool
) -> tuple[Report, list[bool]]:
    from connector.cli.status import reading
    from connector.clock import SystemClock
    from connector.reconcile import Ends, reconcile
    from connector.reconcile.repair import repair as set_right
    from connector.registry import make_receivers, make_sources

    clock = SystemClock()
    sources, receivers = make_sources(settings, clock, {}), make_receivers(settings, clock, {})
    async with AsyncExitStack() as stack:
        for source in sources.values():
            stack.push_async_callback(source.aclose)
        for receiver in receivers.values():
            stack.push_async_callback(receiver.aclose)
        meant = {name: sources[name] for name in names}
        with reading(settings) as db:
            ends = Ends(settings=settings, sources=meant, receivers=receivers, journal=db, clock=clock)
            report = await reconcile(ends, since or clock.now() - DAY, most)
        repaired = [False] * len(report.findings)
        if repair and any(each.remedy != "none" for each in report.findings):
            repaired = set_right(settings.journal, report.findings, meant, clock.now())
        return report, repaired


def _code(report: Report, repaired: Sequence[bool]) -> int:
    if not all(repaired):
        return exit_codes.TROUBLE
    if report.unreached:
        return exit_codes.LATER if report.later else exit_codes.TROUBLE
    return exit_codes.OK


def _data(report: Report, repaired: Sequence[bool]) -> dict[str, Any]:
    return {
        "since": iso(report.since),
        "agreed": report.agreed,
        "fresh": report.fresh,
        "findings": [
            {
                "kind": each.kind,
                "source": each.source,
                "order_id": each.order_id,
                "external_id": each.external_id,
                "receiver": each.receiver or None,
                "source_says": each.source_says,
                "journal_says": each.journal_says,
                "receiver_says": each.receiver_says,
                "repair": None if each.remedy == "none" else each.remedy,
                "advice": each.advice,
                "repaired": done,
            }
            for each, done in zip(report.findings, repaired, strict=True)
        ],
        "unreached": [
            {"endpoint": each.endpoint, "reason": each.reason, "orders": each.orders} for each in report.unreached
        ],
        "not_asked": {"too_many": report.left_out, "cannot_be_asked": list(report.blind)},
    }


def _text(report: Report, repaired: Sequence[bool], *, repair: bool) -> str:
    rows = [[name, end, count] for name, by in report.agreed.items() for end, count in sorted(by.items())]
    parts = [table(["SOURCE", "RECEIVER", "AGREED"], rows, right=[2])] if rows else []
    if report.findings:
        parts.append(
            table(
                ["FINDING", "SOURCE", "ORDER", "RECEIVER", "SOURCE SAYS", "JOURNAL SAYS", "RECEIVER SAYS", "REPAIR"],
                [
                    [
                        *(each.kind, each.source, each.order_id, each.receiver),
                        *(each.source_says, each.journal_says, each.receiver_says),
                        "done" if done else "" if each.remedy == "none" else each.remedy,
                    ]
                    for each, done in zip(report.findings, repaired, strict=True)
                ],
            )
        )
    parts.append("\n".join(_lines(report, repaired, repair=repair)))
    return "\n\n".join(parts)


def _lines(report: Report, repaired: Sequence[bool], *, repair: bool) -> Iterator[str]:
    from connector.reconcile.findings import KINDS

    counts: Counter[tuple[str, str, str]] = Counter()
    for each, done in zip(report.findings, repaired, strict=True):
        whose = "done" if done else "left to a person" if each.remedy == "none" else "--repair would"
        if repair and not done and each.remedy != "none":
            whose = "not done, it has moved on"
        counts[each.kind, whose, each.advice] += 1
    for kind, text in KINDS.items():
        for (found, whose, advice), count in counts.items():
            if found == kind:
                yield escaped(f"{count:,} {kind} ({text}): {whose}: {advice}")
    for name, count in report.fresh.items():
        yield escaped(f"{name}: {count:,} new in the feed, for the next walk")
    if report.left_out:
        yield f"{report.left_out:,} more orders were not asked about; see --limit"
    for name in report.blind:
        yield escaped(f"{name} cannot be asked what it has")
    if not report.findings:
        yield "all agree" if not report.unreached else "what could be seen agrees"
