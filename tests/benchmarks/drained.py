"""
The connector as an application holds it: `python -m tests.benchmarks.drained SETTINGS LOOP [PROFILE]`.

Everything is on: the journal on disk with every commit synced, the default mapping, health and metrics served and
subscribed, the events counted and the garbage collected as `connector run` does it, and the log at INFO. With PROFILE
the drain runs under cProfile and its statistics are written to that file.
"""

from __future__ import annotations

import asyncio
import cProfile
import sys
from pathlib import Path

import anyio

from connector import Connector, load_settings
from connector.cli import gc_tuning, logs
from connector.cli.counters import RunCounters
from connector.web import serve
from tests.benchmarks.loops import new_loop
from tests.benchmarks.usage import Usage, say

__all__ = ["main"]


async def _drain(settings_file: str, profile: cProfile.Profile | None) -> None:
    settings = load_settings(settings_file)
    logs.configure("json", logs.SecretFilter(logs.secrets_in(settings)))
    tally = RunCounters()
    if profile is not None:
        profile.enable()
    usage = Usage()
    async with Connector(settings) as connector:
        assert settings.server is not None
        async with serve(connector, settings.server), anyio.create_task_group() as tg:
            events = connector.events()
            tg.start_soon(connector.run)
            tg.start_soon(tally.watch, events)
            gc_tuning.freeze_loaded()
            drained = await connector.drain()
            used = usage.so_far()
            if profile is not None:
                profile.disable()
            connector.stop()
    say({**used, "walks": drained.polls, "failed": dict(drained.failed), "delivered": tally.total("delivered")})


def main() -> None:
    """Drain every source once, and print the cost."""
    settings_file, loop, *rest = sys.argv[1:]
    profile = cProfile.Profile() if rest else None
    with gc_tuning.collect_rarely(), asyncio.Runner(loop_factory=new_loop(loop)) as runner:
        runner.run(_drain(settings_file, profile))
    if profile is not None:
        profile.dump_stats(Path(rest[0]))


if __name__ == "__main__":
    main()
