"""The small file beside the journal, by which a lost journal, another one and an older copy are recognised."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from connector.clock import SystemClock
from connector.errors import JournalError
from connector.journal.engine.sentinel import Sentinel
from connector.journal.records import Delivered
from connector.journal.sqlite import SqliteJournal
from tests.contracts.journal_bench import arrival, at, delivered, found, ingest, intend, rows, settle
from tests.journal.files import opened, put, refused


def seen(path: Path) -> dict[str, Any]:
    """Return the content of the sentinel of the journal at `path`."""
    content: dict[str, Any] = json.loads(path.with_name(path.name + ".seen").read_text("utf-8"))
    return content


async def identity(journal: SqliteJournal) -> dict[str, str]:
    """Return the journal's own identity."""
    return dict(await rows(journal, "SELECT name, value FROM identity"))


@asynccontextmanager
async def accepted(path: Path) -> AsyncIterator[SqliteJournal]:
    """Open a journal that a person accepts as it is."""
    journal = await SqliteJournal.open(path, SystemClock(), accept_new=True)
    try:
        yield journal
    finally:
        await journal.aclose()


def remove(path: Path) -> None:
    """Remove a journal, but not the files beside it."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


async def test_it_names_the_journal_and_how_far_it_is(path: Path) -> None:
    """The id stays, the epoch is raised at every start and every end; the first of all is nothing to be wary of."""
    epochs = []
    for _ in range(3):
        async with opened(path) as journal:
            mine = await identity(journal)
            assert "doubt" not in mine
            assert seen(path) == {"journal": mine["journal"], "epoch": int(mine["epoch"]), "sends": "0" * 20}
            epochs.append(seen(path)["epoch"])
        epochs.append(seen(path)["epoch"])
    assert epochs == [1, 2, 3, 4, 5, 6]
    assert path.with_name("journal.db.seen").stat().st_mode & 0o777 == 0o600


async def test_it_is_raised_in_between_only_when_something_was_written(path: Path) -> None:
    """An idle connector leaves the disk alone."""
    async with opened(path) as journal:
        await journal.mark()
        assert seen(path)["epoch"] == 1
        await ingest(journal, arrival("1"))
        await journal.mark()
        await journal.mark()
        assert seen(path)["epoch"] == 2 == int((await identity(journal))["epoch"])


@pytest.mark.fault(111)
@pytest.mark.parametrize("what", ["gone", "of no bytes", "empty"])
async def test_a_lost_journal_is_not_replaced_in_silence(path: Path, what: str) -> None:
    """A new start in the place of a lost journal has no record of its deliveries; a person has to want that."""
    async with opened(path) as journal:
        before = await identity(journal)
    remove(path)
    if what == "of no bytes":
        put(path, b"")
    elif what == "empty":
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA journal_mode = wal")
            db.execute("VACUUM")
    for _ in range(2):
        error = await refused(path, "connector run --accept-new-journal")
        assert "backup" in str(error)
        assert os.path.exists(path) == (what != "gone")  # noqa: PTH110, ASYNC240
    async with accepted(path) as journal:
        after = await identity(journal)
        assert after["doubt"] == "lost"
        assert after["journal"] != before["journal"]
        assert int(after["epoch"]) > int(before["epoch"])
    async with opened(path) as journal:
        assert (await identity(journal))["journal"] == after["journal"]


@pytest.mark.fault(111)
async def test_accepting_a_journal_that_is_well_changes_nothing(path: Path) -> None:
    """With the option left in a unit file, a start goes on as before, as long as the journal is there."""
    async with opened(path) as journal:
        before = (await identity(journal))["journal"]
    async with accepted(path) as journal:
        assert await identity(journal) == {"journal": before, "epoch": "3", "sends": "0" * 20}


@pytest.mark.fault(112)
async def test_another_journal_is_refused(path: Path, tmp_path: Path) -> None:
    """One with another id is not the one that was in use; accepted, it is one that lacks some orders."""
    async with opened(path):
        pass
    other = tmp_path / "elsewhere.db"
    async with opened(other) as journal:
        theirs = (await identity(journal))["journal"]
    shutil.copyfile(other, path)
    await refused(path, "not the journal that was in use here before.*--accept-new-journal")
    async with accepted(path) as journal:
        mine = await identity(journal)
    assert (mine["journal"], mine["doubt"]) == (theirs, "restored")


@pytest.mark.fault(112)
async def test_an_older_copy_starts_and_says_so(path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is recognised by its epoch, whether it was taken at rest or, a minute ago, while orders were written."""
    async with opened(path) as journal:
        await ingest(journal, arrival("1"))
    copies = [Path(shutil.copyfile(path, tmp_path / "at rest"))]
    async with opened(path) as journal:
        await ingest(journal, arrival("2"))
        await rows(journal, "PRAGMA wal_checkpoint(TRUNCATE)")
        copies.append(Path(shutil.copyfile(path, tmp_path / "at work")))
        await ingest(journal, arrival("3"))
        await journal.mark()
    for copy in copies:
        remove(path)
        shutil.copyfile(copy, path)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            async with opened(path) as journal:
                assert (await identity(journal))["doubt"] == "restored"
        assert "older copy" in caplog.text
        caplog.clear()
        async with opened(path) as journal:
            assert "older copy" not in caplog.text


@pytest.mark.fault(113)
async def test_a_journal_without_its_log_is_an_older_copy(path: Path, tmp_path: Path) -> None:
    """Somebody copies the file of a running connector without the -wal beside it, or removes that after a crash."""
    async with opened(path) as journal:
        await ingest(journal, arrival("1"))
    async with opened(path) as journal:
        await ingest(journal, arrival("2"))
        copy = Path(shutil.copyfile(path, tmp_path / "copy"))
        shutil.copyfile(path.with_name("journal.db.seen"), tmp_path / "copy.seen")
    async with opened(copy) as journal:
        assert (await identity(journal))["doubt"] == "restored"
        assert await rows(journal, "SELECT order_id FROM orders") == [("1",)]


def copied(path: Path, to: Path) -> Path:
    """Copy a journal that is in use, with its log, and without the files beside it: a snapshot of a disk, say."""
    for suffix in ("", "-wal"):
        if (each := path.with_name(path.name + suffix)).exists():
            shutil.copyfile(each, to.with_name(to.name + suffix))
    return to


def put_back(copy: Path, path: Path) -> None:
    """Put a copy in the place of the journal."""
    remove(path)
    copied(copy, path)


@pytest.mark.fault(112)
@pytest.mark.parametrize("what", ["an intent", "an acknowledgement", "a report"])
async def test_a_copy_of_a_moment_ago_is_older_if_anything_was_sent_since(
    path: Path, tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Within the minute between two marks: requests that the copy has no record of make it an older one, once."""
    async with opened(path) as journal:
        ack = await delivered(journal, await found(journal, "1"))
        assert ack is not None
        await journal.reports.add("shop", "9", b"{}", at())
        second = await found(journal, "2")
        copy = copied(path, tmp_path / "copy")
        if what == "an intent":
            assert await intend(journal, second)
        elif what == "an acknowledgement":
            assert await journal.acks.claim([ack.key], at()) == [True]
        else:
            assert await journal.reports.claim([1], at()) == [True]
        assert int(seen(path)["sends"]) == 2
        here = path.with_name("journal.db.seen").read_bytes()
    path.with_name("journal.db.seen").write_bytes(here)  # it was killed then
    put_back(copy, path)
    with caplog.at_level(logging.WARNING):
        async with opened(path) as journal:
            assert (await identity(journal))["doubt"] == "restored"
    assert "older copy" in caplog.text
    caplog.clear()
    async with opened(path):
        assert "older copy" not in caplog.text


@pytest.mark.fault(112)
async def test_a_copy_of_a_moment_ago_is_the_journal_if_nothing_was_sent_since(path: Path, tmp_path: Path) -> None:
    """It lacks the end of a call then, or a listing; it finds that out as after a crash."""
    async with opened(path) as journal:
        first = await found(journal, "1")
        await intend(journal, first)
        copy = copied(path, tmp_path / "copy")
        await settle(journal, first, Delivered("R1", "R1"))
        await ingest(journal, arrival("2"))
        here = path.with_name("journal.db.seen").read_bytes()
    path.with_name("journal.db.seen").write_bytes(here)
    put_back(copy, path)
    async with opened(path) as journal:
        assert "doubt" not in await identity(journal)


@pytest.mark.fault(113)
async def test_a_log_that_is_deleted_after_a_kill_is_missed(path: Path, tmp_path: Path) -> None:
    """The -wal held the last intents: without it the journal is an older copy, a moment after a checkpoint, too."""
    async with opened(path) as journal:
        keys = [await found(journal, each) for each in ("1", "2")]
        await intend(journal, keys[0])
        await rows(journal, "PRAGMA wal_checkpoint(TRUNCATE)")
        await intend(journal, keys[1])
        copy = Path(shutil.copyfile(path, tmp_path / "copy"))
        shutil.copyfile(path.with_name("journal.db.seen"), tmp_path / "copy.seen")
    async with opened(copy) as journal:
        assert (await identity(journal))["doubt"] == "restored"


async def test_a_crash_before_the_note_is_harmless(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal goes first here, too; and many that share a commit are one note, in whatever order they end."""
    async with opened(path) as journal:
        keys = [await found(journal, str(number)) for number in range(9)]
        with monkeypatch.context() as patched:
            patched.setattr(Sentinel, "note", lambda _self, _number: None)
            await intend(journal, keys[0])
            assert int(seen(path)["sends"]) == 0
        granted = await asyncio.gather(*(intend(journal, key) for key in keys[1:]))
        assert granted == [True] * 8
        assert int(seen(path)["sends"]) == 9 == int((await identity(journal))["sends"])
        await journal.mark()
        assert seen(path)["epoch"] == 2
        await intend(journal, keys[0])
        assert int(seen(path)["sends"]) == 10
    async with opened(path) as journal:
        assert "doubt" not in await identity(journal)
        assert int(seen(path)["sends"]) == 10


async def test_a_sentinel_that_cannot_be_written_over_stops_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is behind until the next mark, and one line says so."""
    async with opened(path) as journal:
        keys = [await found(journal, each) for each in ("1", "2")]
        with monkeypatch.context() as patched:
            patched.setattr("os.pwrite", lambda *_: _full(0))
            for key in keys:
                assert await intend(journal, key)
        assert 1 == len([record for record in caplog.records if "No space left" in record.message])
        assert int(seen(path)["sends"]) == 0
        await journal.mark()
        assert int(seen(path)["sends"]) == 2


async def test_a_crash_between_the_two_files_is_harmless(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal goes first: one that is ahead of its sentinel is the one that was in use."""
    async with opened(path):
        pass

    def crash(_self: Sentinel, _seen: object) -> None:
        raise JournalError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Sentinel, "write", crash)
        await refused(path, "the disk is full")
        await refused(path, "the disk is full")
    assert seen(path)["epoch"] == 2
    async with opened(path) as journal:
        mine = await identity(journal)
        assert "doubt" not in mine
        assert int(mine["epoch"]) == seen(path)["epoch"] > 3


async def test_an_end_that_cannot_be_noted_is_an_end(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk at the end does not keep the journal open; the next start recognises its state."""
    journal = await SqliteJournal.open(path, SystemClock())
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", _full)
        await journal.aclose()
    assert "cannot be written: No space left" in caplog.text
    async with opened(path) as journal:
        assert "doubt" not in await identity(journal)


def _full(_fd: int) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("junk", [b"", b"{", b"[]", b'{"journal": 5}', b"\xff" * 5000])
async def test_a_sentinel_that_cannot_be_read_is_for_a_person(path: Path, junk: bytes) -> None:
    """Nothing shows that the journal beside it is the right one."""
    async with opened(path) as journal:
        before = (await identity(journal))["journal"]
    put(path.with_name("journal.db.seen"), junk)
    await refused(path, "damaged.*--accept-new-journal")
    async with accepted(path) as journal:
        mine = await identity(journal)
    assert (mine["journal"], mine["doubt"]) == (before, "restored")
    async with opened(path):
        assert seen(path)["journal"] == before


async def test_a_sentinel_that_is_a_link_is_refused(path: Path, tmp_path: Path) -> None:
    """It may lead anywhere."""
    async with opened(path):
        pass
    beside = path.with_name("journal.db.seen")
    beside.rename(tmp_path / "elsewhere")
    beside.symlink_to(tmp_path / "elsewhere")
    await refused(path, "cannot be read")


async def test_a_folder_in_its_place_is_refused(path: Path) -> None:
    """It is named, like a file that cannot be read."""
    path.with_name("journal.db.seen").mkdir()
    await refused(path, "journal.db.seen: cannot be read")


async def test_a_journal_from_before_there_were_sentinels_is_taken(path: Path) -> None:
    """An update of the program makes nobody wary of the journal that it finds."""
    async with opened(path) as journal:
        await ingest(journal, arrival("1"))
    path.with_name("journal.db.seen").unlink()
    async with opened(path) as journal:
        assert "doubt" not in await identity(journal)
        assert seen(path)["journal"] == (await identity(journal))["journal"]
