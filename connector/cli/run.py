"""`connector run`: until it is told to stop, or (`--once`) until nothing is left to do."""

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
    from connector.cli.counters import Tally
    from connector.cli.logs import Hide
    from connector.pipeline.drain import Drained
    from connector.settings import Settings

__all__ = ["command"]

logger = logging.getLogger(__name__)


@click.command("run")
@click.option("--once", is_flag=True, help="End when a pass over every source finds nothing new and all is settled.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress, and no summary when all is well.")
@click.option(
    "--accept-new-journal",
    "accept",
    is_flag=True,
    help="Start although the journal that was in use is gone, or another one is in its place.",
)
@click.option(
    "--restored",
    is_flag=True,
    help="The journal is older than the truth (its volume was put back): look orders up before they are created.",
)
@click.pass_context
def command(ctx: click.Context, *, once: bool, quiet: bool, accept: bool, restored: bool) -> None:
    """
    Carry the orders, until SIGTERM or Ctrl-C.

    SIGHUP reads mappings, code tables and secrets again, and says which changes need a restart. The first signal to end
    finishes what is under way and ends with exit 0, the second ends at once. With --once: exit 0 when all is well, 1
    when an order is held or rejected, a report about one is parked or an endpoint has to be mended, 75 when only a
    later try would help.
    """
    from connector.cli import gc_tuning, settings_of

    with gc_tuning.seldom():
        from connector.cli import logs

        settings = settings_of(ctx)
        hide = logs.Hide(logs.secrets_of(settings))
        logs.configure(ctx.find_root().params["log_format"], hide)
        wanted = Wanted(once=once, quiet=quiet, accept=accept, restored=restored)
        code, text = anyio.run(
            partial(_operate, settings, wanted, hide, partial(settings_of, ctx)),
            backend_options={"use_uvloop": find_spec("uvloop") is not None},
        )
    if text:
        try:
            click.echo(text, nl=False)
        except OSError as exc:
            if not exit_codes.unwritten(exc):
                raise
            code = code or exit_codes.TROUBLE
    raise SystemExit(code)


class Wanted(NamedTuple):
    """The options of a run, see `command`."""

    once: bool
    quiet: bool
    accept: bool
    restored: bool


async def _operate(settings: Settings, wanted: Wanted, hide: Hide, reread: Callable[[], Settings]) -> tuple[int, str]:
    """Run a connector; return the exit code, and what is to be said on stdout."""
    shift = Shift(settings, wanted, hide, reread)
    return await shift.work(), shift.summary


class Shift:
    """One run of a connector under signals, from its start to its end; `summary` is what is to be said after it."""

    def __init__(self, settings: Settings, wanted: Wanted, hide: Hide, reread: Callable[[], Settings]) -> None:
        from connector.app import Connector
        from connector.cli.counters import Tally

        self._settings = settings
        self._wanted = wanted
        self._hide = hide
        self._reread = reread
        self._connector = Connector(settings, accept_new_journal=wanted.accept, restored=wanted.restored)
        self._tally: Tally = Tally()
        self._all = anyio.CancelScope()
        self._starting = anyio.CancelScope()
        self._draining = anyio.CancelScope()
        self._signals: list[int] = []
        self._started = False
        self._code = exit_codes.OK
        self.summary = ""

    async def work(self) -> int:
        """Run until drained (`--once`) or stopped; return the exit code."""
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            early_signals.hand_over()
            with self._all:
                async with anyio.create_task_group() as tg:
                    tg.start_soon(self._listen, signals, name="listen for signals")
                    await self._work()
                    tg.cancel_scope.cancel()
        return 128 + self._signals[-1] if len(self._signals) > 1 else self._code

    async def _work(self) -> None:
        from connector.cli.gc_tuning import spare

        clock = self._connector.clock
        began = clock.monotonic()
        async with AsyncExitStack() as stack:
            with self._starting:
                await stack.enter_async_context(self._connector)
            if self._signals:
                return
            await self._serve(stack)
            self._started = True
            spare()
            drained = await self._run()
            if self._connector.cut_short:
                self._code = exit_codes.LATER
            elif self._wanted.once:
                await self._sum_up(drained, clock.monotonic() - began)

    async def _serve(self, stack: AsyncExitStack) -> None:
        """Serve health and metrics, if the settings ask for it."""
        if self._settings.server is not None:
            from connector.web import serve

            address = await stack.enter_async_context(serve(self._connector, self._settings.server))
            logger.info("health and metrics: %s", address)

    async def _run(self) -> Drained | None:
        from connector.cli.live_counts import OFTEN, SELDOM, show

        connector, drained = self._connector, None
        events = connector.events()
        async with anyio.create_task_group() as tg:
            if not self._wanted.quiet:
                every = OFTEN if self._wanted.once else SELDOM
                tg.start_soon(partial(show, self._tally, connector.clock, every=every), name="show progress")
            async with anyio.create_task_group() as flow:
                flow.start_soon(connector.run, name="run the connector")
                flow.start_soon(self._tally.watch, events, name="count events")
                for route in connector.settings.routes:
                    logger.info("started: from %s", route.way)
                if self._wanted.once:
                    with self._draining:
                        drained = await connector.drain()
                    connector.stop()
            tg.cancel_scope.cancel()
        return drained

    async def _listen(self, signals: AsyncIterator[signal.Signals]) -> None:
        """The first signal asks for an end in good order, the second takes what there is."""
        async for number in signals:
            if number == signal.SIGHUP:
                await self._reload()
                continue
            self._signals.append(number)
            if len(self._signals) > 1:
                logger.warning("%s again: ending at once; the next start looks up what was under way", number.name)
                self._all.cancel()
                return
            if self._started:
                logger.info("%s: finishing what is under way", number.name)
            else:
                logger.info("%s: ending before the start was through", number.name)
                self._starting.cancel()
            self._draining.cancel()
            self._connector.stop()

    async def _reload(self) -> None:
        """Read the settings again, for their mappings, code tables and secrets; a mistake in them changes nothing."""
        from connector.cli.logs import secrets_of
        from connector.errors import SettingsError

        if not self._started:
            return  # the settings have just been read
        try:
            settings = self._reread()
            self._hide.add(secrets_of(settings))
            reloaded = await self._connector.reload(settings)
        except SettingsError as exc:
            for problem in exc.problems:
                logger.error("SIGHUP: %s", problem)
            return
        taken = ", ".join(reloaded.taken) or "nothing that can be taken at once has changed"
        logger.info("SIGHUP: in use now: %s; %d orders released", taken, reloaded.released)
        if reloaded.at_restart:
            logger.warning("SIGHUP: changed, and not in use before a restart: %s", ", ".join(reloaded.at_restart))

    async def _sum_up(self, drained: Drained | None, seconds: float) -> None:
        """Decide on the exit code, and put together what was done and what waits."""
        from connector.cli.end_state import standing
        from connector.cli.summary import outcome, summary
        from connector.journal.engine.stall import unless_stalled
        from connector.journal.sqlite import SqliteJournal

        connector = self._connector
        journal = connector.journal
        assert isinstance(journal, SqliteJournal), "settings always lead to a file"  # noqa: S101
        now = await unless_stalled(journal, connector.clock, lambda: journal.read(standing))
        self._code = exit_codes.OK if drained is None else outcome(drained, now)
        if self._code or not self._wanted.quiet:
            said = summary(connector.settings, self._tally, now, drained, seconds, broken=connector.broken)
            self.summary = self._hide.text(said)
