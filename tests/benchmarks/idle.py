"""
Measures the cost of waiting: `python -m tests.benchmarks.idle CASE SETTINGS SOURCES SECONDS LOOP`.

Sources with nothing to deliver, each polled every five seconds. The bare loop has a session and a task for each of
them, and requests the first page as often.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.bare import Bare, opened
from tests.benchmarks.loops import new_loop
from tests.benchmarks.processes import StandIn, child, result
from tests.benchmarks.shapes import settings
from tests.benchmarks.usage import Usage, peak, say

__all__ = ["idle", "main"]

SOURCES = (1, 10, 100)
POLL = 5.0
ASKED = "POST /v2/orders/search"
SETTLED = 2.0
"""Seconds after the start in which connections are made, which is not idling."""


def idle(
    standin: StandIn,
    folder: Path,
    loop: str,
    rounds: int,
    *,
    seconds: float = 30.0,
    counts: tuple[int, ...] = SOURCES,
) -> list[dict[str, Any]]:
    """Return the share of a core, and the memory, that the connector and the bare loop need while nothing happens."""
    rows = []
    for sources in counts:
        used: dict[str, list[dict[str, Any]]] = {"bare": [], "connector": []}
        for _ in range(rounds):
            for case, found in used.items():
                with tempfile.TemporaryDirectory(prefix="connector-benchmark-", dir=folder) as name:
                    standin.reset("patch", 0)
                    file = settings("patch", standin.url, Path(name), sources=sources, poll=f"{POLL:.0f}s")
                    where = standin.url if case == "bare" else str(file)
                    arguments = [case, where, str(sources), str(seconds), loop]
                    used_up = result(child(["-m", "tests.benchmarks.idle", *arguments], Path(name)))
                    polls = standin.state()["calls"].get(ASKED, 0)
                    if polls < sources * seconds // POLL:
                        raise RuntimeError(f"{case} polled {sources} sources {polls} times in {seconds} s")
                    found.append({**used_up, "polls": polls})
        shares = {case: median(each["cpu"] / each["seconds"] * 100 for each in found) for case, found in used.items()}
        rows += [
            {
                "measurement": "idle",
                "sources": sources,
                "loop": loop,
                "case": case,
                "polls": found[-1]["polls"],
                "cpu_percent": shares[case],
                "peak_mib": median(each["rss"] for each in found),
                "times_bare": shares[case] / shares["bare"],
                "rounds": found,
            }
            for case, found in used.items()
        ]
    return rows


async def _measured(seconds: float) -> None:
    await asyncio.sleep(SETTLED)
    usage = Usage()
    await asyncio.sleep(seconds)
    say({**usage.so_far(), "rss": peak()})


async def _bare(url: str, sources: int, seconds: float) -> None:
    async def poll(bare: Bare) -> None:
        while True:
            await bare.page(0)
            await asyncio.sleep(POLL)

    async with AsyncExitStack() as stack:
        tasks = [
            asyncio.create_task(poll(await stack.enter_async_context(opened(url, "patch")))) for _ in range(sources)
        ]
        await _measured(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _connector(file: str, seconds: float) -> None:
    import anyio

    from connector import Connector, load_settings
    from connector.web import serve

    settings_read = load_settings(file)
    assert settings_read.server is not None
    async with (
        Connector(settings_read) as connector,
        serve(connector, settings_read.server),
        anyio.create_task_group() as tg,
    ):
        tg.start_soon(connector.run)
        await _measured(seconds)
        connector.stop()


def main() -> None:
    """Wait for orders that do not come, and print the cost."""
    case, where, sources, seconds, loop = sys.argv[1:]
    with asyncio.Runner(loop_factory=new_loop(loop)) as runner:
        if case == "bare":
            runner.run(_bare(where, int(sources), float(seconds)))
        else:
            runner.run(_connector(where, float(seconds)))


if __name__ == "__main__":
    main()
