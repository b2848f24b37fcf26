"""A witness on another volume shows when the journal's whole volume was put back from a snapshot."""

from __future__ import annotations

import logging
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest

from connector.clock import SystemClock
from connector.errors import JournalError
from connector.journal.engine.sentinel import Sentinel
from connector.journal.sqlite import SqliteJournal
from tests.contracts.journal_bench import arrival, ingest, intend
from tests.journal.engine.test_sentinel import identity

FILES = ("journal.db", "journal.db-wal", "journal.db.seen")


@asynccontextmanager
async def opened(path: Path, **more: Any) -> AsyncIterator[SqliteJournal]:
    """Open a journal with a witness in the folder `other`, and close it."""
    journal = await SqliteJournal.open(path, SystemClock(), witness=witness_of(path), **more)
    try:
        yield journal
    finally:
        await journal.aclose()


def witness_of(path: Path) -> Path:
    """Say where the witness of a journal is."""
    return path.parent / "other" / "witness"


def copy(path: Path, to: Path) -> None:
    """Copy the journal's whole folder, the sentinel included, but for the witness."""
    to.mkdir(exist_ok=True)
    for name in FILES:
        (to / name).unlink(missing_ok=True)
        if (path.parent / name).exists():
            shutil.copyfile(path.parent / name, to / name)


@pytest.fixture(autouse=True)
def _other_volume(path: Path) -> None:
    witness_of(path).parent.mkdir()


async def sent(journal: SqliteJournal, order_id: str) -> None:
    """Let an order be about to be sent."""
    await ingest(journal, arrival(order_id))
    (row,) = await journal.read(
        lambda db: db.execute("SELECT key FROM orders WHERE order_id = ?", (order_id,)).fetchall()
    )
    assert await intend(journal, row[0])


@pytest.mark.fault(130)
async def test_both_files_put_back_are_known_for_old(path: Path, tmp_path: Path) -> None:
    """In each case: the snapshot was taken at rest or while orders were sent, a moment or an end ago."""
    async with opened(path) as journal:
        await sent(journal, "1")
        copy(path, tmp_path / "moment")
        await sent(journal, "2")
        copy(path, tmp_path / "now")
    copy(path, tmp_path / "rest")
    async with opened(path) as journal:
        assert "doubt" not in await identity(journal)
    for name in ("moment", "now", "rest"):
        copy(tmp_path / name / "journal.db", path.parent)
        async with opened(path) as journal:
            assert (await identity(journal))["doubt"] == "restored", name
            await journal.lookup_first.begin([], journal_now())
        async with opened(path) as journal:
            assert "doubt" not in await identity(journal), name


def journal_now() -> Any:
    """Return the time."""
    return SystemClock().now()


@pytest.mark.fault(130)
async def test_within_a_minute_the_count_tells(path: Path, tmp_path: Path) -> None:
    """Between two marks only the number of sent requests goes up; it is in both files before anything leaves."""
    async with opened(path) as journal:
        await sent(journal, "1")
        copy(path, tmp_path / "moment")
        await sent(journal, "2")
        seen = msgspec.json.decode(witness_of(path).read_bytes())
        assert int(seen["sends"]) == 2
        copied = msgspec.json.decode((tmp_path / "moment" / "journal.db.seen").read_bytes())
        assert (seen["epoch"], int(copied["sends"])) == (copied["epoch"], 1)


@pytest.mark.fault(130)
async def test_an_empty_volume_is_a_lost_journal(path: Path) -> None:
    """Neither the journal nor its sentinel is there: the witness says that there was one, until a person accepts."""
    async with opened(path) as journal:
        first = (await identity(journal))["journal"]
    for name in FILES:
        (path.parent / name).unlink(missing_ok=True)
    with pytest.raises(JournalError, match=r"gone or empty, but the witness \S+ says.*--accept-new-journal"):
        await SqliteJournal.open(path, SystemClock(), witness=witness_of(path))
    assert not _exists(path)
    async with opened(path, accept_new=True) as journal:
        mine = await identity(journal)
    assert (mine["journal"] != first, mine["doubt"]) == (True, "lost")


@pytest.mark.fault(130)
async def test_another_journal_beside_the_witness(path: Path) -> None:
    """A witness of another journal refuses this one, and of two that disagree the worse counts."""
    async with opened(path):
        pass
    witness_of(path).write_bytes(b'{"journal":"another","epoch":1}')
    with pytest.raises(JournalError, match=r"not the journal that was in use here before \(the witness says which\)"):
        await SqliteJournal.open(path, SystemClock(), witness=witness_of(path))


@pytest.mark.fault(130)
async def test_told_that_it_is_restored(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """`--restored` takes any journal for an older copy, once, and says so; a new one for one that is lost."""
    async with opened(path, restored=True) as journal:
        assert (await identity(journal))["doubt"] == "lost"
        await journal.lookup_first.begin([], journal_now())
    with caplog.at_level(logging.WARNING):
        async with opened(path, restored=True) as journal:
            assert (await identity(journal))["doubt"] == "restored"
            await journal.lookup_first.begin([], journal_now())
    assert "taken for an older copy, as this start was told (--restored)" in caplog.text
    async with opened(path) as journal:
        assert "doubt" not in await identity(journal)


@pytest.mark.fault(130)
async def test_a_volume_of_the_witness_that_is_away_at_a_start(path: Path) -> None:
    """Its folder is named, and not made."""
    witness_of(path).parent.rmdir()
    with pytest.raises(JournalError, match="other: there is no such folder, and the witness witness is expected there"):
        await SqliteJournal.open(path, SystemClock(), witness=witness_of(path))
    assert not witness_of(path).parent.exists()


async def test_a_witness_that_cannot_be_written_meanwhile_stops_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A line says so at each mark, and the next mark that works brings it up to date."""
    async with opened(path) as journal:
        write = Sentinel.write

        def away(self: Sentinel, seen: Any) -> None:
            if self.path == witness_of(path):
                _raise()
            write(self, seen)

        with monkeypatch.context() as patched:
            patched.setattr(Sentinel, "write", away)
            await sent(journal, "1")
            await journal.mark()
        assert "the volume is away; until then nobody knows" in caplog.text
        await sent(journal, "2")
        await journal.mark()
        theirs = [msgspec.json.decode(each.read_bytes()) for each in (witness_of(path), path.with_suffix(".db.seen"))]
        assert theirs[0] == theirs[1]


def _exists(path: Path) -> bool:
    return path.exists()


def _raise() -> NoReturn:
    raise JournalError("the volume is away")
