"""One process a journal: the second one's error names the holder, and the lock goes with its holder."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path
from typing import NoReturn

import pytest

from connector.clock import SystemClock
from connector.errors import JournalBusy, JournalError
from connector.journal.engine.lock import InstanceLock
from connector.journal.sqlite import SqliteJournal
from tests.journal.files import put
from tests.journal.processes import other_process

HOLD = """
import asyncio, os, sys
from connector.clock import SystemClock
from connector.journal.sqlite import SqliteJournal

async def main(path):
    journal = await SqliteJournal.open(path, SystemClock())
    print(os.getpid(), flush=True)
    sys.stdin.read()

asyncio.run(main(sys.argv[1]))
"""

OPEN = """
import asyncio, sys
from connector.clock import SystemClock
from connector.errors import JournalBusy
from connector.journal.sqlite import SqliteJournal

async def main(path):
    try:
        journal = await SqliteJournal.open(path, SystemClock())
    except JournalBusy as exc:
        sys.exit(str(exc))
    await journal.aclose()

asyncio.run(main(sys.argv[1]))
"""


def written(path: Path) -> int:
    """Return when the file was last written."""
    return path.stat().st_mtime_ns


WAIT = "import sys; print('up', flush=True); sys.stdin.read()"


@pytest.mark.fault(108)
async def test_a_second_process_is_told_who_has_it(path: Path) -> None:
    """By process, machine and time; the database itself is not even opened (faults.md #108)."""
    with other_process(HOLD, path) as holder:
        assert holder.stdout is not None
        pid = holder.stdout.readline().strip()
        before = written(path)
        with pytest.raises(JournalBusy, match=rf"in use by process {pid} on \S+, since 20\d\d-\S+; stop it first"):
            await (await SqliteJournal.open(path, SystemClock())).aclose()
        assert written(path) == before


@pytest.mark.fault(108)
async def test_our_own_process_is_told_as_well(path: Path) -> None:
    """An app that opens it twice would have two writers with one memory each."""
    journal = await SqliteJournal.open(path, SystemClock())
    with pytest.raises(JournalBusy, match=f"process {os.getpid()} on"):
        await (await SqliteJournal.open(path, SystemClock())).aclose()
    with other_process(OPEN, path) as second:
        _, said = second.communicate()
    assert second.returncode == 1
    assert f"in use by process {os.getpid()} on" in said
    await journal.aclose()


async def test_closing_lets_go(path: Path) -> None:
    """For this process and for another one; the name of the last holder does not outlive the next."""
    for _ in range(2):
        await (await SqliteJournal.open(path, SystemClock())).aclose()
        with other_process(OPEN, path) as other:
            assert other.wait() == 0


@pytest.mark.fault(108)
async def test_a_kill_lets_go(path: Path) -> None:
    """However the holder ends, the kernel frees the lock: nobody has to remove a file."""
    with other_process(HOLD, path) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        holder.kill()
        holder.wait()
        await (await SqliteJournal.open(path, SystemClock())).aclose()


async def test_a_failed_start_lets_go(path: Path) -> None:
    """A file that is refused is not held."""
    put(path, b"no database" * 100)
    for _ in range(2):
        with pytest.raises(JournalError, match="damaged"):
            await (await SqliteJournal.open(path, SystemClock())).aclose()


def test_a_child_process_does_not_inherit_the_lock(path: Path) -> None:
    """A program that we start, and that outlives us, must not keep the journal from the next start."""
    lock = InstanceLock(path)
    lock.acquire("now")
    with other_process(WAIT) as child:
        assert child.stdout is not None
        child.stdout.readline()
        lock.release()
        again = InstanceLock(path)
        again.acquire("now")
        again.release()


@pytest.mark.attack(27)
def test_the_file_stays_and_is_private(path: Path) -> None:
    """Removing it would let two processes hold two files of one name."""
    lock = InstanceLock(path)
    lock.acquire("2026-03-24")
    file = path.with_name("journal.db.lock")
    assert file.read_text().startswith(f"process {os.getpid()} on ")
    assert file.read_text().endswith("since 2026-03-24\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lock.release()
    lock.release()
    assert file.exists()
    assert not path.exists()


def test_a_holder_that_left_a_longer_line_leaves_nothing_of_it(path: Path) -> None:
    """The line is that of the holder of now."""
    path.with_name("journal.db.lock").write_text("process 4194304 on a-machine-with-a-very-long-name " * 5)
    lock = InstanceLock(path)
    lock.acquire("now")
    assert path.with_name("journal.db.lock").read_text().count("process") == 1
    lock.release()


@pytest.mark.attack(28)
def test_a_symbolic_link_is_refused(path: Path, tmp_path: Path) -> None:
    """The file that it leads to is not written to."""
    (tmp_path / "precious").write_text("precious")
    path.with_name("journal.db.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(JournalError, match="cannot open the lock file"):
        InstanceLock(path).acquire("now")
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.fault(109)
def test_a_disk_that_knows_no_locks_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To go on without would let two processes write (faults.md #109)."""

    def refuse(_fd: int, _how: int) -> NoReturn:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    before = len(list(Path("/dev/fd").iterdir()))
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(JournalError, match="use a local disk"):
        InstanceLock(path).acquire("now")
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_a_full_disk_does_not_keep_the_lock_from_us(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the holder is a courtesy; the lock counts, and it is held."""

    def full(_fd: int, _data: bytes) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    lock = InstanceLock(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        lock.acquire("now")
    before = len(list(Path("/dev/fd").iterdir()))
    with pytest.raises(JournalBusy, match="in use by another process"):
        InstanceLock(path).acquire("now")
    assert len(list(Path("/dev/fd").iterdir())) == before
    lock.release()
