"""`connector backup`, a lost journal and a restored journal, as an operator at a terminal sees them."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connector.journal.backup import _clear
from connector.sandbox.propeller.orders import propeller_orders
from tests.cli.process import Vendors, run, said, started


def lines(file: Path, question: str) -> list[tuple[object, ...]]:
    """Query a journal or a copy of it."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        return list(db.execute(question))


def restore(folder: Path, backup: str) -> None:
    """Restore a copy as docs/operating.md describes."""
    for suffix in ("-wal", "-shm"):
        (folder / f"connector.db{suffix}").unlink(missing_ok=True)
    shutil.copyfile(folder / backup, folder / "connector.db")


@pytest.mark.slow
@pytest.mark.fault(111)
async def test_a_lost_journal_is_told_and_its_place_taken_only_on_request(tmp_path: Path) -> None:
    """A lost journal is exit 1 and names the option to go on; then delivered orders are looked up, not sent again."""
    vendors = Vendors(tmp_path, 60)
    async with vendors.serving():
        await vendors.run_once()
        for order_id, order in vendors.shop.orders.items():
            if order_id % 2:
                order |= {"exportStatus": "", "exportedAt": None}  # as if the source had never been told
        again = {f"shop-{order_id}" for order_id in vendors.shop.orders if order_id % 2}
        for name in ("connector.db", "connector.db-wal", "connector.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        refused = await vendors.run_once()
        assert not (tmp_path / "connector.db").exists()
        accepted = await vendors.run_once("--accept-new-journal")
        after = await vendors.run_once()

    assert (1, "") == (refused.code, refused.out)
    assert "`connector run --accept-new-journal`" in refused.err
    assert (0, 0) == (accepted.code, after.code)
    assert "a new journal takes the place of one that is gone" in accepted.err
    assert f"{len(again)} delivered ({len(again)} found by look-up)" in accepted.out
    assert vendors.wanted == vendors.created == vendors.told
    assert "takes the place" not in after.err


@pytest.mark.slow
@pytest.mark.fault(111)
async def test_the_first_run_looks_up_cheaply(tmp_path: Path) -> None:
    """With a new journal, 200 orders cost a handful of list requests at the warehouse, and each is created once."""
    vendors = Vendors(tmp_path, 200)
    async with vendors.serving():
        ended = await vendors.run_once()
        lists = [call for call in vendors.warehouse.history if (call.method, call.path) == ("GET", "/wms/orders/")]
        vendors.shop.orders |= {order["id"]: order for order in propeller_orders(230)[200:]}
        await vendors.run_once()
        more = [call for call in vendors.warehouse.history if (call.method, call.path) == ("GET", "/wms/orders/")]

    assert 0 == ended.code
    assert 1 <= len(lists) <= 12
    assert len(lists) == len(more)
    assert vendors.wanted == vendors.created == vendors.told
    assert 230 == len(vendors.created)


@pytest.mark.slow
@pytest.mark.fault(112, 113)
async def test_a_backup_is_made_beside_a_running_connector_and_restored(tmp_path: Path) -> None:
    """Orders delivered after the backup are not delivered again, and the next start reports the restored journal."""
    vendors = Vendors(tmp_path, 30, list_settles="0s")
    async with vendors.serving():
        async with started("run", "--log-format", "console", folder=tmp_path) as process:
            await said(process, "started")
            while len(vendors.created) < 10:
                await _a_moment()
            made = await run("backup", "copy.db", folder=tmp_path)
            process.terminate()
            await process.wait()
        await vendors.run_once()
        assert vendors.wanted == vendors.told
        for order_id, order in vendors.shop.orders.items():
            if order_id % 3 == 0:
                order |= {"exportStatus": "", "exportedAt": None}
        restore(tmp_path, "copy.db")
        ended = await vendors.run_once()
        after = await vendors.run_once()

    assert 0 == made.code
    assert made.out.startswith("copy.db: copy of the journal, checked, ")
    assert 0o600 == os.stat(tmp_path / "copy.db").st_mode & 0o777  # noqa: PTH116
    assert not (tmp_path / "copy.db.part").exists()
    assert (1, 0) == (ended.code, after.code)  # a later run shows whether the shop takes what it is told again
    assert "10 acknowledged again" in ended.out
    assert "an older copy" in ended.err
    assert "an older copy" not in after.err
    assert vendors.wanted == vendors.created == vendors.told
    assert {1} == set(Counter(vendors.created).values())


async def _a_moment() -> None:
    import anyio

    await anyio.sleep(0.01)


@pytest.mark.slow
async def test_a_backup_replaces_nothing(tmp_path: Path) -> None:
    """A backup overwrites neither a file nor a link, and a refusal leaves no file behind."""
    vendors = Vendors(tmp_path, 3)
    async with vendors.serving():
        await vendors.run_once()
    (tmp_path / "there").write_text("precious", "utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    before = {"there", "link"}
    for name in ("there", "link", "no such folder/copy.db"):
        ended = await run("backup", name, folder=tmp_path)
        assert (1, "") == (ended.code, ended.out)
        assert name in ended.err
        assert 1 == len(ended.err.splitlines())
    assert before == {name for name in os.listdir(tmp_path) if not name.startswith(("connector.db", "settings."))}  # noqa: PTH208
    assert "precious" == (tmp_path / "there").read_text("utf-8")


async def test_there_is_nothing_to_back_up_before_the_first_run(tmp_path: Path) -> None:
    """Without a journal, the command reports that and creates no file."""
    Vendors(tmp_path, 3).write("http://127.0.0.1:9", "http://127.0.0.1:9")
    ended = await run("backup", "copy.db", folder=tmp_path)
    assert 1 == ended.code
    assert "there is no journal yet" in ended.err
    assert ["settings.yaml"] == os.listdir(tmp_path)  # noqa: PTH208


@pytest.mark.fault(110)
async def test_a_damaged_journal_makes_no_backup(tmp_path: Path) -> None:
    """A damaged journal is not copied: a copy that cannot be restored is worse than none."""
    vendors = Vendors(tmp_path, 60)
    async with vendors.serving():
        await vendors.run_once()
    journal = tmp_path / "connector.db"
    content = journal.read_bytes()
    journal.write_bytes(content[: 4096 * 6] + b"\xa5" * 4096 + content[4096 * 7 :])
    ended = await run("backup", "copy.db", folder=tmp_path)
    assert 1 == ended.code
    assert "damaged" in ended.err or "malformed" in ended.err
    assert not (tmp_path / "copy.db").exists()
    assert not (tmp_path / "copy.db.part").exists()


@pytest.mark.slow
@pytest.mark.fault(112)
async def test_a_backup_is_known_without_its_sentinel(tmp_path: Path) -> None:
    """On another machine, without the sentinel file, the stamp inside identifies the backup."""
    vendors = Vendors(tmp_path, 3)
    async with vendors.serving():
        await vendors.run_once()
        await run("backup", "copy.db", folder=tmp_path)
        assert [("copy",)] == lines(tmp_path / "copy.db", "SELECT name FROM identity WHERE name = 'copy'")
        restore(tmp_path, "copy.db")
        (tmp_path / "connector.db.seen").unlink()
        ended = await vendors.run_once()
    assert 0 == ended.code
    assert "an older copy" in ended.err
    assert [] == lines(tmp_path / "connector.db", "SELECT name FROM identity WHERE name = 'copy'")


@pytest.mark.slow
@pytest.mark.fault(145)
async def test_two_backups_to_one_file(tmp_path: Path) -> None:
    """Of two backups to one file, one is complete and the other is refused because the file exists."""
    vendors = Vendors(tmp_path, 40)
    async with vendors.serving():
        await vendors.run_once()
    for number in range(3):
        made = await asyncio.gather(*(run("backup", f"{number}.db", folder=tmp_path) for _ in range(2)))
        assert sorted(each.code for each in made) == [0, 1]
        (refused,) = (each for each in made if each.code)
        assert refused.err == f"{number}.db: there is something of that name already; choose another one\n"
        assert lines(tmp_path / f"{number}.db", "PRAGMA integrity_check") == [("ok",)]
        assert lines(tmp_path / f"{number}.db", "SELECT count(*) FROM orders") == [(40,)]
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]  # noqa: PTH208


def test_what_a_killed_backup_left_is_removed_after_a_day(tmp_path: Path) -> None:
    """The temporary file of a killed backup is removed after a day, not earlier: another backup may be writing it."""
    now = datetime(2026, 3, 24, tzinfo=UTC)
    for name, age in ((".copy.db.abc.part", 90_000), (".copy.db.def.part", 3600), (".other.db.abc.part", 90_000)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (now.timestamp() - age,) * 2)
    _clear(tmp_path / "copy.db", now)
    assert {".copy.db.def.part", ".other.db.abc.part"} == {each.name for each in tmp_path.iterdir()}
