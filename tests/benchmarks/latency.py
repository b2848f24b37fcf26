"""
Measures how soon a new order is at the receiver: `python -m tests.benchmarks.latency CASE PORT FILE TIMES LOOP`.

One order at a time, with nothing else to do, and a walk as soon as it is there: the wait of a poll interval is left
out. The stand-in takes both times. The bare loop reads a page, creates, and acknowledges.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from tests.benchmarks.bare import opened
from tests.benchmarks.loops import new_loop
from tests.benchmarks.processes import StandIn, child
from tests.benchmarks.shapes import settings

__all__ = ["latency", "main"]

TIMES = 100


def latency(standin: StandIn, folder: Path, loop: str, rounds: int, times: int = TIMES) -> list[dict[str, Any]]:
    """Return the milliseconds from an order's appearance to the call of the receiver, of the connector and bare."""
    waited: dict[str, list[float]] = {"bare": [], "connector": []}
    for _ in range(rounds):
        for case, found in waited.items():
            with tempfile.TemporaryDirectory(prefix="connector-benchmark-", dir=folder) as name:
                standin.reset("patch", 0)
                file = settings("patch", standin.url, Path(name))
                arguments = [case, str(standin.port), str(file), str(times), loop]
                child(["-m", "tests.benchmarks.latency", *arguments], Path(name))
            state = standin.state()
            if not state["created_once"] == state["told_once"] == times:
                raise RuntimeError(f"{case} did not deliver every order once: {state}")
            found += state["waited"]
    return [
        {
            "measurement": "latency",
            "loop": loop,
            "case": case,
            "median_ms": median(found) * 1000,
            "p95_ms": quantiles(found, n=20)[-1] * 1000,
            "times_bare": median(found) / median(waited["bare"]),
        }
        for case, found in waited.items()
    ]


async def _bare(standin: StandIn, times: int) -> None:
    async with opened(standin.url, "patch") as bare:
        for _ in range(times):
            standin.add(1)
            await bare.drain()


async def _connector(standin: StandIn, file: str, times: int) -> None:
    import anyio

    from connector import Connector, load_settings

    async with Connector(load_settings(file)) as connector, anyio.create_task_group() as tg:
        tg.start_soon(connector.run)
        await connector.drain()
        for _ in range(times):
            standin.add(1)
            await connector.drain()
        connector.stop()


def main() -> None:
    """Let one order after the other appear, and deliver it."""
    case, port, file, times, loop = sys.argv[1:]
    standin = StandIn(int(port))
    with asyncio.Runner(loop_factory=new_loop(loop)) as runner:
        if case == "bare":
            runner.run(_bare(standin, int(times)))
        else:
            runner.run(_connector(standin, file, int(times)))


if __name__ == "__main__":
    main()
