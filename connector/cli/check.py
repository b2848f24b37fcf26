"""`connector check`: tests settings, journal, mappings and endpoints before the first order, and changes nothing."""

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

__all__ = ["CheckResult", "command"]

Verdict = Literal["ok", "warning", "FAILED"]

ADVICE: Mapping[type[ConnectorError], str] = {
    AuthError: "correct the credentials in the settings, or the permissions at the vendor",
    EndpointError: "correct the address in the settings",
    TransientError: "check whether this machine can reach the endpoint, or try again later",
    RejectedError: "correct the options of this endpoint in the settings",
}

SHORT_SETTLE = 60.0
"""Seconds of `settle` below which a warning is due: a receiver that lists new orders late seems not to have them."""

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


class CheckResult(msgspec.Struct, frozen=True):
    """The result for one subject: an endpoint, a mapping, the journal or the settings."""

    name: str
    verdict: Verdict
    message: str


@click.command("check")
@click.option("--offline", is_flag=True, help="Call no endpoint; check only this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_context
def command(ctx: click.Context, *, offline: bool, as_json: bool) -> None:
    """
    Report every mistake in the settings; then test the journal, the mappings and each endpoint.

    Changes nothing, neither here nor at a vendor. Exit codes: 0 all checks passed, perhaps with warnings; 1 a check
    failed; 78 the settings have mistakes.
    """
    try:
        settings = settings_of(ctx)
    except SettingsError as exc:
        if as_json:
            click.echo(json.dumps({"ok": False, "problems": list(exc.problems), "checks": []}, indent=2))
        raise
    results = anyio.run(_run_checks, settings, offline)
    failed = any(each.verdict == "FAILED" for each in results)
    if as_json:
        checks = [{"name": each.name, "result": each.verdict.lower(), "message": each.message} for each in results]
        click.echo(json.dumps({"ok": not failed, "problems": [], "checks": checks}, indent=2))
    else:
        rows = table(["", "", ""], [[each.name, each.verdict, each.message] for each in results])
        click.echo(rows.partition("\n")[2])
    if failed:
        ctx.exit(exit_codes.TROUBLE)


async def _run_checks(settings: Settings, offline: bool) -> list[CheckResult]:
    from connector.clock import SystemClock
    from connector.registry import BrokenReceiver, BrokenSource, make_receivers, make_sources

    clock = SystemClock()
    sources, receivers = make_sources(settings, clock, {}), make_receivers(settings, clock, {})
    endpoints: list[tuple[str, Source | Receiver]] = [*sources.items(), *receivers.items()]
    results: dict[int, CheckResult] = {}
    try:
        if not offline:
            async with anyio.create_task_group() as tg:
                for number, (name, endpoint) in enumerate(endpoints):
                    tg.start_soon(_test_endpoint, number, name, endpoint, results, name=f"check {name}")
    finally:
        with anyio.CancelScope(shield=True):
            for _, endpoint in endpoints:
                await endpoint.aclose()
    for number, (name, endpoint) in enumerate(endpoints):
        if isinstance(endpoint, BrokenSource | BrokenReceiver):
            text = f"{endpoint.reason}; install or repair the plugin; the other endpoints work without it"
            results[number] = CheckResult(name, "FAILED", text)
    local = [_journal(settings), *_mappings(settings, receivers), *_risks(settings, receivers)]
    return [CheckResult("settings", "ok", _summary(settings)), *local, *(results[number] for number in sorted(results))]


def _summary(settings: Settings) -> str:
    return f"no mistakes, {settings.environment}: {'; '.join(route.summary for route in settings.routes)}"


async def _test_endpoint(number: int, name: str, endpoint: Source | Receiver, results: dict[int, CheckResult]) -> None:
    try:
        results[number] = CheckResult(name, "ok", await endpoint.check())
    except ConnectorError as exc:
        advice = next((text for kind, text in ADVICE.items() if isinstance(exc, kind)), "see the message")
        has_advice = isinstance(exc, TransientError) and exc.lasting  # such a message already names the remedy
        results[number] = CheckResult(name, "FAILED", str(exc) if has_advice else f"{exc}; {advice}")
    except Exception as exc:  # noqa: BLE001 - a plugin may raise anything, and must not hide the other results
        results[number] = CheckResult(name, "FAILED", f"the check itself failed: {type(exc).__name__}: {exc}")


def _journal(settings: Settings) -> CheckResult:
    """Test whether the journal, if it exists, can be read, and whether it can be written; creates no file."""
    from connector.journal.sqlite import check_folder, disk_trouble
    from connector.journal.views.status import NoJournal, open_reader

    path = Path(settings.journal)
    try:
        check_folder(path, "the journal")
        with open_reader(path) as db:
            (orders,) = db.execute("SELECT count(*) FROM orders").fetchone()
        message = f"{path}, {orders} orders"
    except NoJournal:
        message = f"{path}, not created yet"
    except JournalError as exc:
        return CheckResult("journal", "FAILED", str(exc))
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        text = f"{path}: this user cannot read and write the file; change its owner or mode"
        return CheckResult("journal", "FAILED", text)
    folder = path.absolute().parent
    if not os.access(folder, os.W_OK | os.X_OK):
        return CheckResult(
            "journal", "FAILED", f"{path}: the folder {folder} cannot be written; change its owner or mode"
        )
    if trouble := disk_trouble(folder):
        return CheckResult("journal", "FAILED", f"{path}: {trouble}")
    return CheckResult("journal", "ok", message)


def _mappings(settings: Settings, receivers: Mapping[str, Receiver]) -> Iterator[CheckResult]:
    """Test whether each route's own mappings can be built; reading the settings has already found their mistakes."""
    from connector.mapping.mapper import for_route

    for route in settings.routes:
        mappings = {name: route.mapping_for(name) for name in (*route.receivers, *route.optional)}
        alike = all(mapping == route.mapping for mapping in mappings.values())
        for receiver, mapping in list(mappings.items())[: 1 if alike else None]:
            if mapping is None:
                continue
            endpoint = receivers[receiver]
            name = f"mapping of {route.source}" + ("" if alike else f" to {receiver}")
            shown = mapping if isinstance(mapping, str) else "from settings.yaml"
            try:
                for_route(route, receiver, endpoint.request, endpoint.default, settings.tables)
            except SettingsError as exc:
                yield CheckResult(name, "FAILED", f"{exc}; is the module installed, or on Python's path?")
            except Exception as exc:  # noqa: BLE001 - a module may raise anything while it is imported
                yield CheckResult(name, "FAILED", f"importing {shown} raised {type(exc).__name__}: {exc}")
            else:
                yield CheckResult(name, "ok", shown)


def _risks(settings: Settings, receivers: Mapping[str, Receiver]) -> Iterator[CheckResult]:
    """Warn about settings that are valid but may not be intended."""
    for name, receiver in receivers.items():
        own = settings.receivers[name]
        host = getattr(getattr(own, "base_url", None), "host", "localhost")
        if not receiver.traits.can_find and not receiver.traits.idempotent:
            text = "it has no look-up: an order whose response is lost is held until an operator has checked it there"
            yield CheckResult(name, "warning", text)
        elif own.settle < SHORT_SETTLE and host not in LOCAL:
            text = f"settle is {own.settle}: an order that it lists later than that may be sent twice; use 60s"
            yield CheckResult(name, "warning", text)
    if settings.witness_file is not None:
        yield from _witness(Path(settings.journal), Path(settings.witness_file))
    if settings.server is not None and settings.server.host not in LOCAL:
        text = f"{settings.server.host} can be reached from other machines, and the server has no password"
        yield CheckResult("server", "warning", text)


def _witness(journal: Path, witness: Path) -> Iterator[CheckResult]:
    """Test the witness file: its folder exists, can be written, and is on another volume than the journal."""
    from connector.journal.sqlite import check_folder

    try:
        check_folder(witness, "the witness")
    except JournalError as exc:
        yield CheckResult("witness", "FAILED", str(exc))
        return
    if not os.access(witness.parent, os.W_OK | os.X_OK):
        text = f"{witness}: this user cannot write the folder; change its owner or mode"
        yield CheckResult("witness", "FAILED", text)
    elif journal.parent.is_dir() and journal.parent.stat().st_dev == witness.parent.stat().st_dev:
        text = (
            f"{witness} is on the same volume as the journal: restoring the volume from a snapshot restores both, "
            "and nothing shows that the journal is old"
        )
        yield CheckResult("witness", "warning", text)
    else:
        yield CheckResult("witness", "ok", str(witness))
