"""The effect of a journal of a million orders on the start of a process and on the throughput, beside an empty one."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

from connector.journal.engine.migrations import migrate
from tests.benchmarks.cases import Setting, drained
from tests.benchmarks.processes import StandIn, result

__all__ = ["full", "journal"]

ROWS = 1_000_000
ORDERS = 20_000
FIRST_KNOWN = 500_000_000
"""The id of the first order in the journal; none of a feed's has it."""
LAST_YEAR = 1_735_689_600_000


def full(path: Path, rows: int) -> None:
    """Make a journal of `rows` orders that were delivered and acknowledged."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        migrate(db)
        db.execute("BEGIN")
        db.execute(
            "INSERT INTO orders (source, order_id, external_id, revision, found_at, updated_at, ack_state, "
            "ack_outcome, ack_message, ack_at, ack_done_at) "
            "WITH RECURSIVE each (id, at) AS "
            "(SELECT :first, :at UNION ALL SELECT id + 1, at + 1 FROM each WHERE id + 1 < :first + :rows) "
            "SELECT 'feed', CAST(id AS TEXT), 'feed-' || id, hex(randomblob(16)), at, at, 'confirmed', 'exported', "
            "'ORD' || id, at, at FROM each",
            {"first": FIRST_KNOWN, "at": LAST_YEAR, "rows": rows},
        )
        db.execute(
            "INSERT INTO deliveries (key, receiver, state, attempts, payload_hash, receipt, reference, intent_at, "
            "delivered_at) SELECT key, 'warehouse', 'delivered', 1, randomblob(32), "
            "printf('00000000-0000-4000-8000-%012d', key), 'ORD' || key, found_at, found_at FROM orders",
        )
        db.execute("COMMIT")


def journal(
    standin: StandIn, folder: Path, loop: str, rounds: int, *, rows: int = ROWS, orders: int = ORDERS
) -> list[dict[str, Any]]:
    """Return the seconds from the start of a process to its first poll, and its throughput, on both journals."""
    taken: dict[int, list[tuple[float, float, float]]] = {0: [], rows: []}
    with tempfile.TemporaryDirectory(prefix="connector-benchmark-", dir=folder) as name:
        made = Path(name, "full.db")
        full(made, rows)
        for _ in range(rounds):
            for size, found in taken.items():
                with tempfile.TemporaryDirectory(dir=name) as inner:
                    if size:
                        shutil.copyfile(made, Path(inner, "journal.db"))
                    standin.reset("patch", orders)
                    began = time.monotonic()
                    used = result(drained(Setting("patch", orders, loop, folder), standin.url, Path(inner)))
                    state = standin.state()
                    if not state["created_once"] == state["told_once"] == orders:
                        raise RuntimeError(f"not every order was delivered once: {state}")
                    found.append((state["first_asked"] - began, orders / used["seconds"], used["rss"]))
        weight = made.stat().st_size / 1024 / 1024
    shares = [on_full[1] / on_empty[1] for on_empty, on_full in zip(taken[0], taken[rows], strict=True)]
    return [
        {
            "measurement": "journal",
            "journal_rows": size,
            "journal_mib": weight if size else 0.0,
            "loop": loop,
            "first_poll_seconds": median(each[0] for each in found),
            "orders_per_second": median(each[1] for each in found),
            "peak_mib": median(each[2] for each in found),
            "rate_of_empty": median(shares) if size else 1.0,
        }
        for size, found in taken.items()
    ]
