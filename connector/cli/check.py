"""`connector check`: everything that can be known before the first order, without changing anything."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import anyio
import click
import msgspec

from connector.cli import exit_codes, settings_of
from connector.cli.output import table
from connector.errors import (
    AuthError,
    ConnectorError,
    EndpointError,
    JournalError,
    RejectedError,
    SettingsError,
    TransientError,
)

if TYPE_CHECKING:
    from connector.receivers.base import Receiver
    from connector.settings import Settings
    from connector.sources.base import Source

__all__ = ["Finding", "command"]

Verdict = Literal["ok", "warning", "FAILED"]

ADVICE: Mapping[type[ConnectorError], str] = {
    AuthError: "mend its credentials in the settings, or its rights at the vendor",
    EndpointError: "mend its address in the settings",
    TransientError: "see whether it can be reached from here, or try again later",
    RejectedError: "mend what the settings ask of it",
}

SOON = 60.0
"""Seconds of `settle` below which a vendor that is slow to list what it took is mistaken for one that took nothing."""

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


class Finding(msgspec.Struct, frozen=True):
    """What was found of one thing: an endpoint, a mapping or the journal."""

    name: str
    verdict: Verdict
    message: str


@click.command("check")
@click.option("--offline", is_flag=True, help="Ask no endpoint: only what can be known on this machine.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def command(ctx: click.Context, *, offline: bool, as_json: bool) -> None:
    """
    Report every mistake in the settings (exit 78); then try the journal, the mappings and each endpoint.

    Nothing is changed anywhere. Exit 1 if something does not work; a warning is no failure.
    """
    try:
        settings = settings_of(ctx)
    except SettingsError as exc:
        if as_json:
            click.echo(json.dumps({"ok": False, "problems": list(exc.problems), "checks": []}, indent=2))
        raise
    findings = anyio.run(_findings, settings, offline)
    failed = any(finding.verdict == "FAILED" for finding in findings)
    if as_json:
        checks = [{"name": each.name, "result": each.verdict.lower(), "message": each.message} for each in findings]
        click.echo(json.dumps({"ok": not failed, "problems": [], "checks": checks}, indent=2))
    else:
        rows = table(["", "", ""], [[each.name, each.verdict, each.message] for each in findings])
        click.echo(rows.partition("\n")[2])
    if failed:
        ctx.exit(exit_codes.TROUBLE)


async def _findings(settings: Settings, offline: bool) -> list[Finding]:
    from connector.clock import SystemClock
    from connector.plugins import BrokenReceiver, BrokenSource
    from connector.registry import make_receivers, make_sources

    clock = SystemClock()
    sources, receivers = make_sources(settings, clock, {}), make_receivers(settings, clock, {})
    ends: list[tuple[str, Source | Receiver]] = [*sources.items(), *receivers.items()]
    answers: dict[int, Finding] = {}
    try:
        if not offline:
            async with anyio.create_task_group() as tg:
                for number, (name, end) in enumerate(ends):
                    tg.start_soon(_ask, number, name, end, answers, name=f"check {name}")
    finally:
        with anyio.CancelScope(shield=True):
            for _, end in ends:
                await end.aclose()
    for number, (name, end) in enumerate(ends):
        if isinstance(end, BrokenSource | BrokenReceiver):
            answers[number] = Finding(name, "FAILED", f"{end.reason}; install or mend it: all else goes on without it")
    here = [_journal(settings), *_mappings(settings, receivers), *_risks(settings, receivers)]
    return [Finding("settings", "ok", _summary(settings)), *here, *(answers[number] for number in sorted(answers))]


def _summary(settings: Settings) -> str:
    return f"no mistakes, {settings.environment}: {'; '.join(route.way for route in settings.routes)}"


async def _ask(number: int, name: str, end: Source | Receiver, answers: dict[int, Finding]) -> None:
    try:
        answers[number] = Finding(name, "ok", await end.check())
    except ConnectorError as exc:
        advice = next((text for kind, text in ADVICE.items() if isinstance(exc, kind)), "see what it says")
        said = isinstance(exc, TransientError) and exc.lasting  # it says by itself what to do
        answers[number] = Finding(name, "FAILED", str(exc) if said else f"{exc}; {advice}")
    except Exception as exc:  # noqa: BLE001 - a plugged-in endpoint may raise anything, and the others have their line
        answers[number] = Finding(name, "FAILED", f"its check is broken: {type(exc).__name__}: {exc}")


def _journal(settings: Settings) -> Finding:
    """Try whether the journal can be read, if there is one, and written; nothing is created for it."""
    from connector.journal.engine.disk_errors import disk_trouble
    from connector.journal.engine.migrations import NoJournal
    from connector.journal.engine.opening import check_folder
    from connector.journal.views.status import open_reader

    path = Path(settings.journal)
    try:
        check_folder(path, "the journal")
        with open_reader(path) as db:
            (orders,) = db.execute("SELECT count(*) FROM orders").fetchone()
        said = f"{path}, {orders} orders"
    except NoJournal:
        said = f"{path}, not there yet"
    except JournalError as exc:
        return Finding("journal", "FAILED", str(exc))
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return Finding(
            "journal", "FAILED", f"{path}: the file cannot be written by this user; change its owner or mode"
        )
    folder = path.absolute().parent
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding("journal", "FAILED", f"{path}: the folder {folder} cannot be written; change its owner or mode")
    if trouble := disk_trouble(folder):
        return Finding("journal", "FAILED", f"{path}: {trouble}")
    return Finding("journal", "ok", said)


def _mappings(settings: Settings, receivers: Mapping[str, Receiver]) -> Iterator[Finding]:
    """Try whether each route's own mappings can be used; what a file says wrongly was found when it was read."""
    from connector.mapping.mapper import for_route

    for route in settings.routes:
        mappings = {name: route.mapping_for(name) for name in (*route.receivers, *route.optional)}
        alike = all(mapping == route.mapping for mapping in mappings.values())
        for receiver, mapping in list(mappings.items())[: 1 if alike else None]:
            if mapping is None:
                continue
            end = receivers[receiver]
            name = f"mapping of {route.source}" + ("" if alike else f" to {receiver}")
            shown = mapping if isinstance(mapping, str) else "as settings.yaml has it"
            try:
                for_route(route, receiver, end.request, end.default, settings.tables)
            except SettingsError as exc:
                yield Finding(name, "FAILED", f"{exc}; is it installed, or in the folder that Python looks in?")
            except Exception as exc:  # noqa: BLE001 - a module may raise anything while it is imported
                yield Finding(name, "FAILED", f"importing {shown} raised {type(exc).__name__}: {exc}")
            else:
                yield Finding(name, "ok", shown)


def _risks(settings: Settings, receivers: Mapping[str, Receiver]) -> Iterator[Finding]:
    """Name what is legal, and may still not be meant."""
    for name, receiver in receivers.items():
        own = settings.receivers[name]
        host = getattr(getattr(own, "base_url", None), "host", "localhost")
        if not receiver.traits.can_find and not receiver.traits.idempotent:
            text = "it cannot be asked what it has: an order whose answer is lost is held until a person has looked"
            yield Finding(name, "warning", text)
        elif own.settle < SOON and host not in LOCAL:
            text = (
                f"settle is {own.settle}: if it lists an order later than that, the order may be sent twice; take 60s"
            )
            yield Finding(name, "warning", text)
    if settings.witness_file is not None:
        yield from _witness(Path(settings.journal), Path(settings.witness_file))
    if settings.server is not None and settings.server.host not in LOCAL:
        text = f"{settings.server.host} is more than this machine, and there is no password"
        yield Finding("server", "warning", text)


def _witness(journal: Path, witness: Path) -> Iterator[Finding]:
    """Try the witness: its folder is there, can be written, and is on another volume than the journal."""
    from connector.journal.engine.opening import check_folder

    try:
        check_folder(witness, "the witness")
    except JournalError as exc:
        yield Finding("witness", "FAILED", str(exc))
        return
    if not os.access(witness.parent, os.W_OK | os.X_OK):
        yield Finding("witness", "FAILED", f"{witness}: its folder cannot be written; change its owner or mode")
    elif journal.parent.is_dir() and journal.parent.stat().st_dev == witness.parent.stat().st_dev:
        text = (
            f"{witness} is on the journal's own volume: when that is put back from a snapshot, it is put back as well"
        )
        yield Finding("witness", "warning", text)
    else:
        yield Finding("witness", "ok", str(witness))
