"""A journal whose process is killed, again and again: every commit that was acknowledged is there."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from connector.clock import SystemClock
from connector.journal.sqlite import SqliteJournal
from tests.contracts.journal_bench import at
from tests.journal.processes import other_process

COMMITS = """
import asyncio, sys
from connector.clock import SystemClock
from connector.journal.sqlite import SqliteJournal
from tests.contracts.journal_bench import delivered, found

async def main(path, name, pages):
    journal = await SqliteJournal.open(path, SystemClock())
    await journal.read(lambda db: db.execute(f"PRAGMA wal_autocheckpoint = {pages}").fetchall())
    async def writer(number):
        while True:
            order_id = f"{name}-{number}"
            key = await found(journal, order_id)
            print("found", order_id, flush=True)
            assert await delivered(journal, key) is not None
            print("delivered", order_id, flush=True)
            number += 4
    await asyncio.gather(*map(writer, range(4)))

asyncio.run(main(*sys.argv[1:]))
"""

IN_FLIGHT = """
import asyncio, sys
from connector.clock import SystemClock
from connector.journal.sqlite import SqliteJournal
from tests.contracts.journal_bench import at, delivered, found, intend

async def main(path):
    journal = await SqliteJournal.open(path, SystemClock())
    keys = [await found(journal, str(number)) for number in range(4)]
    assert await intend(journal, keys[0]) and await intend(journal, keys[1])
    await delivered(journal, keys[2])
    await journal.acks.claim([keys[2]], at())
    print(*keys, flush=True)
    sys.stdin.read()

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.fault(23)
@pytest.mark.parametrize("pages", [1000, 5])
async def test_every_acknowledged_commit_survives_a_kill(tmp_path: Path, pages: int) -> None:
    """
    Five processes that commit as fast as they can, killed with -9 in the middle; nothing is half done either.

    With a checkpoint every thousand `pages` of the log, which is SQLite's own choice, and with one at every commit.
    """
    path = tmp_path / "journal.db"
    acknowledged: dict[str, set[str]] = {"found": set(), "delivered": set()}
    for kill in range(5):
        with other_process(COMMITS, path, str(kill), str(pages)) as process:
            assert process.stdout is not None
            for _ in range(40 * (kill + 1)):
                what, order_id = process.stdout.readline().split()
                acknowledged[what].add(order_id)
            process.send_signal(signal.SIGKILL)
            for line in process.stdout:  # what it still said before it died
                if line.endswith("\n"):
                    what, order_id = line.split()
                    acknowledged[what].add(order_id)
            assert process.wait() == -signal.SIGKILL
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            found = {row[0] for row in db.execute("SELECT order_id FROM orders JOIN payloads USING (key)")}
            done = {
                row[0]
                for row in db.execute(
                    "SELECT order_id FROM orders JOIN deliveries USING (key)"
                    " WHERE state = 'delivered' AND ack_state = 'pending'"
                )
            }
            half = db.execute(
                "SELECT count(*) FROM orders JOIN deliveries USING (key)"
                " WHERE (state = 'delivered') <> (ack_state = 'pending')"
            ).fetchone()
        assert acknowledged["found"] <= found
        assert acknowledged["delivered"] <= done
        assert half == (0,)
    assert len(acknowledged["delivered"]) >= 100


async def test_what_was_in_flight_when_the_process_was_killed_is_in_doubt(tmp_path: Path) -> None:
    """The next start finds the intents and the acknowledgement that was being sent, and believes none of them."""
    path = tmp_path / "journal.db"
    with other_process(IN_FLIGHT, path) as process:
        assert process.stdout is not None
        keys = [int(key) for key in process.stdout.readline().split()]
        process.kill()
        process.wait()
    journal = await SqliteJournal.open(path, SystemClock())
    try:
        assert await journal.recover(at(10), {"wms": 30.0}, 300.0) == 3
        assert [job.key for job in await journal.deliveries.due("wms", ["in_doubt"], at(40), 9)] == keys[:2]
        assert [ack.key for ack in await journal.acks.due("shop", "in_doubt", at(10))] == [keys[2]]
        assert [job.key for job in await journal.deliveries.due("wms", ["new"], at(40), 9)] == [keys[3]]
    finally:
        await journal.aclose()
