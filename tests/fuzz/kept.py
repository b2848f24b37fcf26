"""Reads the files that a start finds on the disk: those of a receiver, the journal, and the files beside it."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing
from fcntl import LOCK_EX, flock
from pathlib import Path
from random import Random

from connector.clock import SystemClock
from connector.errors import ConflictError, EndpointError, JournalBusy, JournalError
from connector.journal.engine.connection import _connect, _prepare, unusable
from connector.journal.engine.lock import InstanceLock, ended, noted
from connector.journal.engine.sentinel import Sentinel
from connector.journal.sqlite import SqliteJournal
from connector.journal.views import orders as listing
from connector.journal.views.status import causes, open_reader, status
from connector.journal.views.timeline import timeline
from connector.pipeline.reports.comparison import contains, summary
from connector.receivers.file.disk import AppendFile, Disk
from connector.receivers.file.handover_log import UNKNOWN, Entry, HandoverLog
from connector.receivers.file.index import Index, read
from connector.receivers.file.rows import CsvRows, JsonLines, Rows
from connector.sources.traede.settings import MarkTerms
from tests.fuzz.feeding import AT, folder
from tests.fuzz.sources import REPORT
from tests.fuzz.target import Target
from tests.fuzz.texts import respelt
from tests.journal.filled import fill

__all__ = ["kept"]

PAGE, MOST = 4096, 1024 * 1024
WORDS = [b"delivered", b"in_doubt", b"rejected", b"confirmed", b"pending", b"shop", b"warehouse", b"id-told", b"closed"]
WORDS += [b"\xff\xfe", b"\x00", b"held", b"[]", b"1e999", b"create table", b"TEXT", b"CHECK"]
JSON = b'{"external_id":"shop-1","reference":"x"}\n{"external_id":"shop-2","reference":"y"}\n'
CSV = b'external_id,reference\nshop-1,x\n"shop,2","y ""z"""\n'
HANDED = b"".join(Entry(bytes([n]) * 16, f"orders-{n}.jsonl", n or UNKNOWN).written() for n in range(4))
ROWS = b"external_id,row,rows,sku\nshop-1,1,2,A\nshop-1,2,2,B\nshop-2,1,1,C\n"


def kept() -> Iterator[Target]:
    """Yield the targets that are read from the disk."""
    yield from _files()
    yield from _beside()
    yield from _journal()


class _Unsynced(Disk):
    def sync(self, fd: int) -> None:
        """Leave it to the system."""


def _files() -> Iterator[Target]:
    forms: list[Rows] = [
        CsvRows(["reference"], per_line=False),
        CsvRows(["sku"], per_line=True),
        JsonLines(),
    ]
    path = folder() / "orders"

    async def lines(body: bytes, status: int) -> object:
        del status
        return [
            [rows.parsed(line), rows.torn(line), rows.lacks_end(line)]
            for rows in forms
            for line in body.splitlines(keepends=True)
        ]

    async def index(body: bytes, status: int) -> object:
        del status
        return [_indexed(path, rows, body) for rows in forms]

    yield Target("file.lines", (JSON, CSV, ROWS), lines, (), spoil=respelt)
    yield Target("file.index", (JSON, CSV, ROWS), index, (), spoil=respelt)
    yield Target("file.handed", (HANDED,), _log(), (), spoil=respelt)


def _indexed(path: Path, rows: Rows, body: bytes) -> object:
    """Read a file as at a start; the mended file has to read the same ever after."""
    path.write_bytes(body)
    file = AppendFile.open(path, _Unsynced(), create=False)
    assert file is not None
    try:
        index, again = Index(), Index()
        try:
            mark = read(file, rows, index, None)
        except EndpointError:
            return None
        assert mark == read(file, rows, again, None)
        assert index._places == again._places
        return len(index)
    finally:
        file.close()


def _log() -> Callable[[bytes, int], Awaitable[object]]:
    """Return a reader of the record of handed-over files, as at a start; lines added to it are read as well."""
    path = folder() / ".orders.handed"

    async def record(body: bytes, status: int) -> object:
        del status
        path.write_bytes(body)
        handed, again = HandoverLog(path, _Unsynced()), HandoverLog(path, _Unsynced())
        try:
            handed.open()
        except EndpointError:
            return None
        try:
            found: list[object] = [handed.place(key) for key in handed._places]
            for key in handed._places:
                try:
                    found.append(handed.find(key, "shop-1"))
                except ConflictError as exc:
                    found.append(str(exc))
            handed.add([Entry(b"\x07" * 16, "orders-7.jsonl", 7)])
        finally:
            handed.close()
        again.open()
        again.close()
        assert again._places == handed._places
        return found

    return record


def _beside() -> Iterator[Target]:
    """Yield the targets beside the journal, or in a column of it."""
    journal = folder() / "connector.db"
    lock, seen = journal.with_name("connector.db.lock"), journal.with_name("connector.db.seen")
    held = folder()
    busy = os.open(held / "connector.db.lock", os.O_RDWR | os.O_CREAT)
    flock(busy, LOCK_EX)

    async def holder(body: bytes, status: int) -> object:
        del status
        lock.write_bytes(body)
        found: list[object] = [noted(journal), ended(journal)]
        os.ftruncate(busy, 0)
        os.pwrite(busy, body, 0)
        try:
            InstanceLock(held / "connector.db").acquire("now")
        except JournalBusy as exc:
            found.append(str(exc))
        assert len(found) == 3
        return found

    async def sentinel(body: bytes, status: int) -> object:
        del status
        seen.write_bytes(body)
        return [Sentinel(journal).before(accept=True), Sentinel(journal).read()]

    async def report(body: bytes, status: int) -> object:
        del status
        return [summary(body), contains(body, []), contains(body, [{"date": "0001-01-01T00:00:00+14:00"}], [body])]

    async def terms(body: bytes, status: int) -> object:
        del status
        return MarkTerms("erp", True).under(body.decode("utf-8", "replace")).text

    process = b"process 1 on host, since 2026-06-11T10:00:00Z\nthe disk is full\n"
    yield Target("journal.lock", (process,), holder, (), spoil=respelt)
    yield Target("journal.seen", (b'{"journal":"0f","epoch":7}\n',), sentinel, (JournalError,))
    yield Target("journal.report", (REPORT,), report, ())
    yield Target("journal.terms", (b'{"system_id":"erp","regulate_inventory":true}', b'{"system_id":"x"}'), terms, ())


def _journal() -> Iterator[Target]:
    sample = asyncio.run(_filled())
    path = folder() / "connector.db"

    async def whole(body: bytes, _status: int) -> object:
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        path.write_bytes(body)
        found: list[object] = []
        try:
            with open_reader(path) as db:
                found += [status(db), causes(db)]
                rows = listing.orders(db, listing.matching(db))
                found += [[row, timeline(db, row)] for row in rows]
        except JournalError:
            found.append(None)
        with closing(_connect(path)) as db:
            try:
                _prepare(path, db)
            except (sqlite3.Error, UnicodeDecodeError) as exc:
                raise unusable(path, exc) from exc
        return found

    yield Target("journal.file", (sample,), whole, (JournalError,), spoil=_rotten, share=10)


def _rotten(sample: bytes, random: Random, depths: Sequence[int]) -> Iterator[bytes]:
    """Yield the file as a bad disk, an editor or a copy in the wrong moment leaves it."""
    del depths
    used = [at for at in range(0, len(sample), PAGE) if any(sample[at + 100 : at + PAGE])]
    while True:
        body = bytearray(sample)
        for _ in range(random.choice((1, 1, 2, 5))):
            page, other = random.choice(used), random.choice(used)
            at = min(page + random.choice((random.randrange(110), random.randrange(PAGE))), len(body) - 1)
            match random.randrange(7):
                case 0 | 1:
                    body[at] = random.randrange(256)
                case 2:
                    body[at : at + 9] = random.randbytes(9)
                case 3:
                    body[page : page + PAGE], body[other : other + PAGE] = (
                        body[other : other + PAGE],
                        body[page : page + PAGE],
                    )
                case 4:
                    body[at:] = b"x" if random.random() < 0.3 else body[at + 1 :] + b"x"
                case _:
                    body = body.replace(random.choice(WORDS), random.choice(WORDS), random.choice((1, 1, 2, -1)))
        yield bytes(body[:MOST])


async def _filled() -> bytes:
    """Return a journal's file with an order in every state."""
    path = folder() / "connector.db"
    journal = await SqliteJournal.open(path, SystemClock())
    try:
        await fill(journal, AT)
    finally:
        await journal.aclose()
    return path.read_bytes()
