"""`connector run`: runs the connector until a signal stops it, or (`--once`) until nothing is left to do."""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import anyio
import click

from connector import early_signals
from connector.cli import exit_codes

if TYPE_CHECKING:
    from connector.cli.counters import RunCounters
    from connector.cli.logs import SecretFilter
    from connector.pipeline.drain import Drained
    from connector.settings import Settings

__all__ = ["command"]

logger = logging.getLogger(__name__)


@click.command("run")
@click.option("--once", is_flag=True, help="Stop when a poll of every source finds nothing new and nothing is due.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress, and a summary only after a failure.")
@click.option(
    "--accept-new-journal",
    "accept",
    is_flag=True,
    help="Start even if the journal used before is missing or was replaced by another one.",
)
@click.option(
    "--restored",
    is_flag=True,
    help="The journal was restored from an older copy: look orders up before creating them.",
)
@click.pass_context
def command(ctx: click.Context, *, once: bool, quiet: bool, accept: bool, restored: bool) -> None:
    """
    Carry orders until SIGTERM or Ctrl-C.

    SIGTERM or Ctrl-C lets calls in progress finish and exits with 0; a second one stops at once. SIGHUP reloads
    mappings, code tables and secrets, and logs which other changes need a restart.

    Exit codes: 0 stopped by a signal; 75 another instance is running, or the journal cannot be written; 1 the journal
    is damaged. With --once: 0 everything is delivered and acknowledged; 1 an order is held or rejected, a report is
    parked, or an endpoint needs repair; 75 an endpoint failed in a way that may pass, so run it again later.
    """
    from connector.cli import gc_tuning, settings_of

    with gc_tuning.collect_rarely():
        from connector.cli import logs

        settings = settings_of(ctx)
        secrets = logs.SecretFilter(logs.secrets_in(settings))
        logs.configure(ctx.find_root().params["log_format"], secrets)
        options = RunOptions(once=once, quiet=quiet, accept=accept, restored=restored)
        code, text = anyio.run(
            partial(_run, settings, options, secrets, partial(settings_of, ctx)),
            backend_options={"use_uvloop": find_spec("uvloop") is not None},
        )
    if text:
        try:
            click.echo(text, nl=False)
        except OSError as exc:
            if not exit_codes.stdout_failed(exc):
                raise
            code = code or exit_codes.TROUBLE
    raise SystemExit(code)


class RunOptions(NamedTuple):
    """The options of `connector run`."""

    once: bool
    quiet: bool
    accept: bool
    restored: bool


async def _run(
    settings: Settings, options: RunOptions, secrets: SecretFilter, read_settings: Callable[[], Settings]
) -> tuple[int, str]:
    """Run a connector; return the exit code and the text for stdout."""
    session = RunSession(settings, options, secrets, read_settings)
    return await session.run(), session.summary


class RunSession:
    """One run of a connector from start to end, controlled by signals; `summary` is the text to print afterwards."""

    def __init__(
        self, settings: Settings, options: RunOptions, secrets: SecretFilter, read_settings: Callable[[], Settings]
    ) -> None:
        from connector.app import Connector
        from connector.cli.counters import RunCounters

        self._settings = settings
        self._options = options
        self._secrets = secrets
        self._read_settings = read_settings
        self._connector = Connector(settings, accept_new_journal=options.accept, restored=options.restored)
        self._counters: RunCounters = RunCounters()
        self._all = anyio.CancelScope()
        self._starting = anyio.CancelScope()
        self._draining = anyio.CancelScope()
        self._signals: list[int] = []
        self._started = False
        self._code = exit_codes.OK
        self.summary = ""

    async def run(self) -> int:
        """Run until drained (`--once`) or stopped; return the exit code of the command."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            early_signals.hand_over()
            with self._all:
                async with anyio.create_task_group() as tg:
                    tg.start_soon(self._listen, signals, name="listen for signals")
                    await self._start_and_run()
                    tg.cancel_scope.cancel()
        return 128 + self._signals[-1] if len(self._signals) > 1 else self._code

    async def _start_and_run(self) -> None:
        from connector.cli.gc_tuning import freeze_loaded

        clock = self._connector.clock
        began = clock.monotonic()
        async with AsyncExitStack() as stack:
            with self._starting:
                await stack.enter_async_context(self._connector)
            if self._signals:
                return
            await self._serve(stack)
            self._started = True
            freeze_loaded()
            drained = await self._flow()
            if self._connector.cut_short:
                self._code = exit_codes.LATER
            elif self._options.once:
                await self._summarize(drained, clock.monotonic() - began)

    async def _serve(self, stack: AsyncExitStack) -> None:
        """Serve health and metrics if the settings have a `server` section."""
        if self._settings.server is not None:
            from connector.web import serve

            address = await stack.enter_async_context(serve(self._connector, self._settings.server))
            logger.info("health and metrics: %s", address)

    async def _flow(self) -> Drained | None:
        from connector.cli.live_counts import ONCE_INTERVAL, SERVICE_INTERVAL, show

        connector, drained = self._connector, None
        events = connector.events()
        async with anyio.create_task_group() as tg:
            if not self._options.quiet:
                every = ONCE_INTERVAL if self._options.once else SERVICE_INTERVAL
                tg.start_soon(partial(show, self._counters, connector.clock, every=every), name="show progress")
            async with anyio.create_task_group() as flow:
                flow.start_soon(connector.run, name="run the connector")
                flow.start_soon(self._counters.watch, events, name="count events")
                for route in connector.settings.routes:
                    logger.info("started: from %s", route.summary)
                if self._options.once:
                    with self._draining:
                        drained = await connector.drain()
                    connector.stop()
            tg.cancel_scope.cancel()
        return drained

    async def _listen(self, signals: AsyncIterator[signal.Signals]) -> None:
        """Stop gracefully at the first signal and at once at the second; reload the settings at SIGHUP."""
        async for number in signals:
            if number == signal.SIGHUP:
                await self._reload()
                continue
            self._signals.append(number)
            if len(self._signals) > 1:
                logger.warning("second %s: stopping at once; the next start looks up interrupted calls", number.name)
                self._all.cancel()
                return
            if self._started:
                logger.info("%s: stopping once the calls in progress have finished", number.name)
            else:
                logger.info("%s: stopping during the start", number.name)
                self._starting.cancel()
            self._draining.cancel()
            self._connector.stop()

    async def _reload(self) -> None:
        """Reload mappings, code tables and secrets from the settings file; a mistake in the file changes nothing."""
        from connector.cli.logs import secrets_in
        from connector.errors import SettingsError

        if not self._started:
            return  # the settings were read a moment ago
        try:
            settings = self._read_settings()
            self._secrets.add(secrets_in(settings))
            reloaded = await self._connector.reload(settings)
        except SettingsError as exc:
            for problem in exc.problems:
                logger.error("SIGHUP: %s", problem)
            return
        applied = ", ".join(reloaded.taken) or "no change that can be applied without a restart"
        logger.info("SIGHUP: applied: %s; %d orders released", applied, reloaded.released)
        if reloaded.at_restart:
            logger.warning("SIGHUP: changed, but applied only after a restart: %s", ", ".join(reloaded.at_restart))

    async def _summarize(self, drained: Drained | None, seconds: float) -> None:
        """Set the exit code and the summary from the results of the run and the state of the journal."""
        from connector.cli.end_state import read_end_state
        from connector.cli.summary import outcome, summary
        from connector.journal.base import unless_stalled
        from connector.journal.sqlite import SqliteJournal

        connector = self._connector
        journal = connector.journal
        assert isinstance(journal, SqliteJournal), "settings always lead to a file"  # noqa: S101
        end = await unless_stalled(journal, connector.clock, lambda: journal.read(read_end_state))
        self._code = exit_codes.OK if drained is None else outcome(drained, end)
        if self._code or not self._options.quiet:
            text = summary(connector.settings, self._counters, end, drained, seconds, broken=connector.broken)
            self.summary = self._secrets.mask(text)
