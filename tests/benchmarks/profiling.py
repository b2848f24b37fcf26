"""Where a drain spends its time: cProfile of the event loop's thread, by own time."""

from __future__ import annotations

import io
import pstats
import tempfile
from pathlib import Path

from tests.benchmarks.cases import Setting
from tests.benchmarks.processes import StandIn, child
from tests.benchmarks.shapes import settings

__all__ = ["profile"]


def profile(setting: Setting, standin: StandIn, top: int = 25) -> str:
    """Return the `top` functions of one drain, as pstats prints them. A profiled drain takes about twice as long."""
    with tempfile.TemporaryDirectory(prefix="connector-benchmark-", dir=setting.folder) as name:
        folder = Path(name)
        standin.reset(setting.shape, setting.orders)
        file = str(settings(setting.shape, standin.url, folder))
        statistics = folder / "profile"
        child(["-m", "tests.benchmarks.drained", file, setting.loop, str(statistics)], folder)
        out = io.StringIO()
        pstats.Stats(str(statistics), stream=out).sort_stats("tottime").print_stats(top)
    return out.getvalue()
