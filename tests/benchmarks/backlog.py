"""
A backlog: a journal in which so many orders wait, and a feed that lists as many, beside small ones.

The process that is measured is `connector run`. Orders of every kind wait (`waiting.SHARES`); the receiver accepts each
order, but for the feed, whose receiver is away: there the whole backlog comes to rest in the journal.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.processes import StandIn, child
from tests.benchmarks.running import Running, free_port, running
from tests.benchmarks.shapes import settings
from tests.benchmarks.waiting import CAUSE, waiting

__all__ = ["COMMANDS", "feed", "started"]

DELIVERED = 20_000
"""Orders of the backlog that are delivered before the process is ended in the midst of it."""
COMMANDS: dict[str, list[str]] = {
    "status": ["status"],
    "orders": ["orders", "--state", "new"],
    "retry": ["retry", "--cause", CAUSE],
}
"""The commands that read the journal beside it."""
AND_PEAK = """
import atexit, sys
from connector.cli import main
from tests.benchmarks.usage import peak
atexit.register(lambda: print(peak(), file=sys.stderr))
main()
"""
"""A command that prints its memory, in MiB, last: the system's count for a child includes the memory of its parent."""
LIMIT = 1800.0
PROBES = 5


def started(standin: StandIn, folder: Path, rows: int, delivered: int = DELIVERED) -> list[dict[str, Any]]:
    """
    Measure a start over a journal of `rows` orders that wait, and a start again after SIGTERM in its midst.

    The times are seconds from the start of the process: to the first order at the receiver, to the first poll, until it
    says that it is ready; `exit_seconds` from SIGTERM. The first line is of an empty journal, and as many orders in the
    feed as the others deliver.
    """
    found = []
    with tempfile.TemporaryDirectory(prefix="connector-benchmark-", dir=folder) as name:
        for size in (0, rows):
            inner = Path(name, str(size))
            inner.mkdir()
            if size:
                waiting(inner / "journal.db", size)
            standin.reset("patch", size or delivered, 0 if size else None)
            for again in (False, True) if size else (False,):
                port = free_port()
                file = _settings(standin.url, inner, port, poll="1h" if size else "1s")
                standin.again()
                with running(file, inner / "log", port) as process:
                    row = _begun(standin, process, delivered * 9 // 10)
                    start = "again" if again else "first"
                    found.append({"measurement": "backlog", "waiting": size, "start": start} | row)
            if size:
                found += [_asked(inner, file, command) for command in COMMANDS]
    return found


def _begun(standin: StandIn, process: Running, delivered: int) -> dict[str, Any]:
    before = standin.state()["created_once"]
    ready = process.until(lambda: process.ask("/health/ready")[0] == 200, 60)
    process.until(lambda: standin.state()["first_created"] is not None, 60)
    done = process.until(lambda: standin.state()["created_once"] - before >= delivered, LIMIT)
    state = standin.state()
    if state["created_once"] + state["created_never"] < state["orders"]:
        raise RuntimeError(f"an order was delivered twice: {state}")
    first = state["first_created"] - process.began
    probes = [process.ask("/health/ready")[1] for _ in range(PROBES)]
    peak = process.peak()
    return {
        "ready_seconds": ready,
        "first_poll_seconds": state["first_asked"] - process.began,
        "first_delivery_seconds": first,
        "orders_per_second": (state["created_once"] - before) / (done - first),
        "probe_ms": median(probes) * 1000,
        "peak_mib": peak,
        "exit_seconds": process.end(),
    }


def _asked(folder: Path, file: Path, command: str) -> dict[str, Any]:
    finished = child(["-c", AND_PEAK, "--settings", str(file), *COMMANDS[command]], folder)
    most = float((folder / "log").read_text("utf-8").splitlines()[-1])
    return {"measurement": "backlog command", "command": command, "seconds": finished.seconds, "peak_mib": most}


def feed(standin: StandIn, folder: Path, rows: int, shape: str) -> dict[str, Any]:
    """Return how fast a feed of `rows` orders is taken in while the receiver is away, and the memory that it takes."""
    with tempfile.TemporaryDirectory(prefix="connector-benchmark-", dir=folder) as name:
        standin.reset(shape, rows)
        port = free_port()
        file = _settings(standin.url, Path(name), port, shape=shape, receiver=f"http://127.0.0.1:{free_port()}")
        with running(file, Path(name, "log"), port) as process:
            process.until(lambda: _kept(Path(name)) >= rows // 10, LIMIT)
            early = process.memory()
            seconds = process.until(lambda: _kept(Path(name)) >= rows, LIMIT)
            return {
                "measurement": "backlog feed",
                "shape": shape,
                "listed": rows,
                "orders_per_second": rows / seconds,
                "early_mib": early,
                "late_mib": process.memory(),
                "peak_mib": process.peak(),
                "exit_seconds": process.end(),
            }


def _kept(folder: Path) -> int:
    try:
        with closing(sqlite3.connect(f"file:{folder / 'journal.db'}?mode=ro", uri=True)) as db:
            (last,) = db.execute("SELECT coalesce(max(key), 0) FROM orders").fetchone()
    except sqlite3.OperationalError:  # it is just being made
        return 0
    time.sleep(0.2)
    return int(last)


def _settings(
    url: str, folder: Path, port: int, *, shape: str = "patch", poll: str = "1h", receiver: str | None = None
) -> Path:
    """Write settings with the vendors' own page sizes, and the server on a given port."""
    path = settings(shape, url, folder, poll=poll)
    text = path.read_text("utf-8").replace("port: 0", f"port: {port}").replace("page_size: 100", "page_size: 50")
    if receiver is not None:
        before, mark, after = text.partition("receivers:")
        text = before + mark + after.replace(url, receiver, 1)
    path.write_text(text, "utf-8")
    return path
