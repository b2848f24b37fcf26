"""`connector run`: until it is told to stop, or (`--once`) until nothing is left to do."""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

import anyio
import click

if TYPE_CHECKING:
    from connector.app import Connector
    from connector.cli.logs import Hide
    from connector.cli.tally import Tally
    from connector.drain import Drained
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
@click.pass_context
def command(ctx: click.Context, *, once: bool, quiet: bool, accept: bool) -> None:
    """
    Carry the orders, until SIGTERM or Ctrl-C.

    SIGHUP reads mappings, code tables and secrets again, and says which changes need a restart. The first signal to end
    finishes what is under way and ends with exit 0, the second ends at once. With --once: exit 0 when all is well, 1
    when an order is held or rejected, a report about one is parked or an endpoint has to be mended, 75 when only a
    later try would help.
    """
    from connector.cli import garbage, settings_of

    with garbage.seldom():
        from connector.cli import logs

        settings = settings_of(ctx)
        hide = logs.Hide(logs.secrets_of(settings))
        logs.configure(ctx.find_root().params["log_format"], hide)
        code = anyio.run(
            partial(_operate, settings, hide, partial(settings_of, ctx), once=once, quiet=quiet, accept=accept),
            backend_options={"use_uvloop": find_spec("uvloop") is not None},
        )
    raise SystemExit(code)


async def _operate(
    settings: Settings, hide: Hide, reread: Callable[[], Settings], *, once: bool, quiet: bool, accept: bool
) -> int:
    """Run a connector under signals; return the exit code."""
    from connector.app import Connector
    from connector.cli.garbage import spare

    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with Connector(settings, accept_new_journal=accept) as connector, AsyncExitStack() as stack:
            if settings.server is not None:
                from connector.web import serve

                logger.info(
                    "health and metrics: %s", await stack.enter_async_context(serve(connector, settings.server))
                )
            spare()
            return await Shift(connector, hide, reread, once=once, quiet=quiet).work(signals)


class Shift:
    """One run of a connector, from its start to its end."""

    def __init__(
        self, connector: Connector, hide: Hide, reread: Callable[[], Settings], *, once: bool, quiet: bool
    ) -> None:
        from connector.cli.tally import Tally

        self._connector = connector
        self._hide = hide
        self._reread = reread
        self._once = once
        self._quiet = quiet
        self._tally: Tally = Tally()
        self._all = anyio.CancelScope()
        self._draining = anyio.CancelScope()
        self._signals: list[int] = []

    async def work(self, signals: AsyncIterator[signal.Signals]) -> int:
        """Run until drained (`once`) or stopped; return the exit code."""
        clock = self._connector.clock
        started = clock.monotonic()
        with self._all:
            drained = await self._run(signals)
        if len(self._signals) > 1:
            return 128 + self._signals[-1]
        if not self._once:
            return 0
        return await self._sum_up(drained, clock.monotonic() - started)

    async def _run(self, signals: AsyncIterator[signal.Signals]) -> Drained | None:
        from connector.cli.live import OFTEN, SELDOM, show

        connector, drained = self._connector, None
        events = connector.events()
        async with anyio.create_task_group() as tg:
            tg.start_soon(self._listen, signals, name="listen for signals")
            if not self._quiet:
                every = OFTEN if self._once else SELDOM
                tg.start_soon(partial(show, self._tally, connector.clock, every=every), name="show progress")
            async with anyio.create_task_group() as flow:
                flow.start_soon(connector.run, name="run the connector")
                flow.start_soon(self._tally.watch, events, name="count events")
                for route in connector.settings.routes:
                    logger.info("started: from %s", route.way)
                if self._once:
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
            logger.info("%s: finishing what is under way", number.name)
            self._draining.cancel()
            self._connector.stop()

    async def _reload(self) -> None:
        """Read the settings again, for their mappings, code tables and secrets; a mistake in them changes nothing."""
        from connector.cli.logs import secrets_of
        from connector.errors import SettingsError

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

    async def _sum_up(self, drained: Drained | None, seconds: float) -> int:
        """Print what was done and what waits; return the exit code."""
        from connector.cli.standing import standing
        from connector.cli.summary import outcome, summary
        from connector.journal.sqlite import SqliteJournal

        journal = self._connector.journal
        assert isinstance(journal, SqliteJournal), "settings always lead to a file"  # noqa: S101
        now = await journal.read(standing)
        code = 0 if drained is None else outcome(drained, now)
        if code or not self._quiet:
            connector = self._connector
            said = summary(connector.settings, self._tally, now, drained, seconds, broken=connector.broken)
            click.echo(self._hide.text(said), nl=False)
        return code
