"""`connector reconcile`: compares sources, journal and receivers, order by order."""

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
from connector.cli.param_types import SinceParam

if TYPE_CHECKING:
    from connector.reconcile import ReconcileReport
    from connector.settings import Settings

__all__ = ["command"]

DAY = timedelta(hours=24)
MOST = 1000
"""Default of `--limit`: acknowledged orders that are looked up at the receivers."""


@click.command("reconcile")
@click.argument("sources", nargs=-1, metavar="[SOURCE ...]")
@click.option("--since", type=SinceParam(), help="Compare orders delivered since then. [default: 24 hours ago]")
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=MOST,
    show_default=True,
    help="Compare at most N acknowledged orders.",
)
@click.option("--repair", is_flag=True, help="Correct the journal where that is safe; creates no order.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_context
def command(
    ctx: click.Context, *, sources: tuple[str, ...], since: datetime | None, limit: int, repair: bool, as_json: bool
) -> None:
    """
    Compare the feeds of the sources, the journal and the receivers, order by order.

    Covers every order that is unfinished, held, unacknowledged, listed in a feed, or delivered since --since, and looks
    it up at its receivers. Changes nothing at a vendor, and nothing in the journal without --repair. Works whether or
    not the connector is running.

    Exit codes: 0 all sides agree, or every finding is repaired; 1 findings are left, or an endpoint needs repair; 75 an
    endpoint could not be reached, so try again later.
    """
    import anyio

    from connector.cli import logs

    settings = settings_of(ctx)
    for name in sources:
        if name not in settings.sources:
            raise click.UsageError(
                escaped(f"there is no source {name!r}; the sources are {', '.join(settings.sources)}"), ctx=ctx
            )
    secrets = logs.SecretFilter(logs.secrets_in(settings))
    logs.configure(ctx.find_root().params["log_format"], secrets)
    report, repaired = anyio.run(
        partial(_compare, settings, sources or tuple(settings.sources), since, limit, repair=repair)
    )
    text = json.dumps(_data(report, repaired), indent=2) if as_json else _text(report, repaired, repair=repair)
    click.echo(secrets.mask(text))
    for each in report.unreached:
        missing = f" ({each.orders:,} look-ups are missing)" if each.orders else ""
        click.echo(secrets.mask(escaped(f"{each.endpoint} could not be read{missing}: {each.reason}")), err=True)
    raise SystemExit(_code(report, repaired))


async def _compare(
    settings: Settings, names: Sequence[str], since: datetime | None, most: int, *, repair: bool
) -> tuple[ReconcileReport, list[bool]]:
    from connector.cli.status import open_for_reading
    from connector.clock import SystemClock
    from connector.reconcile import Sides, reconcile
    from connector.reconcile.repair import repair as apply_repairs
    from connector.registry import make_receivers, make_sources

    clock = SystemClock()
    sources, receivers = make_sources(settings, clock, {}), make_receivers(settings, clock, {})
    async with AsyncExitStack() as stack:
        for source in sources.values():
            stack.push_async_callback(source.aclose)
        for receiver in receivers.values():
            stack.push_async_callback(receiver.aclose)
        selected = {name: sources[name] for name in names}
        with open_for_reading(settings) as db:
            sides = Sides(settings=settings, sources=selected, receivers=receivers, journal=db, clock=clock)
            report = await reconcile(sides, since or clock.now() - DAY, most)
        repaired = [False] * len(report.findings)
        if repair and any(each.remedy != "none" for each in report.findings):
            repaired = apply_repairs(settings.journal, report.findings, selected, clock.now())
        return report, repaired


def _code(report: ReconcileReport, repaired: Sequence[bool]) -> int:
    if not all(repaired):
        return exit_codes.TROUBLE
    if report.unreached:
        return exit_codes.LATER if report.later else exit_codes.TROUBLE
    return exit_codes.OK


def _data(report: ReconcileReport, repaired: Sequence[bool]) -> dict[str, Any]:
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


def _text(report: ReconcileReport, repaired: Sequence[bool], *, repair: bool) -> str:
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


def _lines(report: ReconcileReport, repaired: Sequence[bool], *, repair: bool) -> Iterator[str]:
    from connector.reconcile.findings import KINDS

    counts: Counter[tuple[str, str, str]] = Counter()
    for each, done in zip(report.findings, repaired, strict=True):
        status = "done" if done else "for an operator" if each.remedy == "none" else "with --repair"
        if repair and not done and each.remedy != "none":
            status = "not done, the order has changed"
        counts[each.kind, status, each.advice] += 1
    for kind, text in KINDS.items():
        for (found, status, advice), count in counts.items():
            if found == kind:
                yield escaped(f"{count:,} {kind} ({text}): {status}: {advice}")
    for name, count in report.fresh.items():
        yield escaped(f"{name}: {count:,} new in the feed, for the next poll")
    if report.left_out:
        yield f"{report.left_out:,} more orders were not compared; see --limit"
    for name in report.blind:
        yield escaped(f"{name} has no look-up, so its orders were not compared")
    if not report.findings:
        yield "all sides agree" if not report.unreached else "the sides that could be read agree"
