"""The journal's file is private, and refused with advice when it is not ours or not sound."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from tests.contracts.journal_bench import arrival, ingest
from tests.journal.files import content, filled, opened, put, refused

pytestmark = pytest.mark.usefixtures("no_thread_is_left")


@pytest.mark.attack(27)
@pytest.mark.parametrize("before", [None, 0o666])
async def test_only_its_owner_may_read_it(path: Path, before: int | None) -> None:
    """The file and those beside it hold people's addresses: 0600, whatever the umask, or the file, was."""
    old = os.umask(0)
    try:
        if before is not None:
            os.close(os.open(path, os.O_CREAT, before))
        async with opened(path) as journal:
            await ingest(journal, arrival("1"))
            modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()}
    finally:
        os.umask(old)
    assert modes == {f"journal.db{suffix}": 0o600 for suffix in ("", "-wal", "-shm", ".lock", ".seen")}


@pytest.mark.attack(27)
@pytest.mark.fault(131)
async def test_a_folder_that_is_not_there_is_named_and_not_made(tmp_path: Path) -> None:
    """It may be a volume that is not mounted: a journal made in its place would be empty."""
    await refused(tmp_path / "state" / "journal.db", f"{tmp_path / 'state'}: there is no such folder.*mounted")
    assert not _exists(tmp_path / "state")


def _exists(path: Path) -> bool:
    return path.exists()


@pytest.mark.attack(28)
async def test_a_symbolic_link_is_refused(path: Path, tmp_path: Path) -> None:
    """In a folder that others can write to, it may lead anywhere; the file that it leads to is not touched."""
    put(tmp_path / "elsewhere", b"precious")
    os.symlink(tmp_path / "elsewhere", path)  # noqa: PTH211
    await refused(path, "cannot open the journal")
    assert content(tmp_path / "elsewhere") == b"precious"


async def test_what_is_no_plain_file_is_refused(path: Path) -> None:
    """A folder, a pipe."""
    os.mkfifo(path)
    await refused(path, "must be a plain file")
    folder = path.with_name("folder")
    os.mkdir(folder)  # noqa: PTH102
    await refused(folder, "cannot open the journal")


@pytest.mark.attack(27, 28)
async def test_a_file_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other user could change our records."""
    put(path, b"")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    await refused(path, "belongs to another user")


@pytest.mark.parametrize("junk", [b"hello", b"source,order\n" * 1000, os.urandom(8192)])
async def test_a_file_that_is_no_database_is_refused(path: Path, junk: bytes) -> None:
    """With advice, and untouched."""
    put(path, junk)
    await refused(path, "damaged .*restore a backup, or move it away")
    assert content(path) == junk


@pytest.mark.parametrize("version", [0, 1, 7])
async def test_the_database_of_another_program_is_refused(path: Path, version: int) -> None:
    """With any version in it; nothing is written to it."""
    with closing(sqlite3.connect(path)) as theirs:
        theirs.execute("CREATE TABLE songs (title TEXT)")
        theirs.execute(f"PRAGMA user_version = {version}")
    before = content(path)
    await refused(path, "another program.*choose another file")
    assert content(path) == before


@pytest.mark.fault(110)
async def test_a_truncated_journal_is_refused(path: Path) -> None:
    """Half a file is found at the start, not at the first order that is missing (faults.md #110)."""
    await filled(path)
    put(path, content(path)[: len(content(path)) // 2])
    await refused(path, "damaged .*restore a backup, or move it away")


@pytest.mark.fault(110)
async def test_a_page_of_garbage_is_refused(path: Path) -> None:
    """Counting rows would not notice; the check at the start does (faults.md #110)."""
    await filled(path)
    put(path, os.urandom(4096), at=3 * 4096)
    await refused(path, "damaged .*restore a backup, or move it away")


@pytest.mark.fault(110)
async def test_a_header_of_garbage_is_refused(path: Path) -> None:
    """It is no database any more."""
    await filled(path)
    put(path, os.urandom(100), at=0)
    await refused(path, "damaged .*restore a backup, or move it away")
