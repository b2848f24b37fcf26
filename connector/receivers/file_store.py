"""
The files of one receiver, behind a lock: what is written, what is there, and which file is today's.

Every method blocks; call them in a worker thread. They may be left alone there: the lock keeps the next one out.
"""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from connector.errors import ConnectorError, InDoubtError, RejectedError
from connector.receivers.base import Receipt
from connector.receivers.file_disk import AppendFile, Disk, failure
from connector.receivers.file_index import Index, Mark, read
from connector.receivers.file_rows import Rows

__all__ = ["Store"]


class Store:
    """
    Appends orders to `path`, or (`daily`) to a file of the day beside it, and knows all that these files hold.

    The index is built at the first call. It follows what others do to the file: what they append is read, and a file
    that was moved away or replaced is read anew.
    """

    def __init__(self, path: Path, rows: Rows, *, daily: bool, disk: Disk | None = None) -> None:
        self._path = path
        self._rows = rows
        self._daily = daily
        self._disk = disk or Disk()
        self._mutex = threading.Lock()
        self._file: AppendFile | None = None
        self._index: Index | None = None
        self._marks: dict[str, Mark] = {}
        self.syncs = 0
        """How many groups were written."""

    def file_of(self, day: date) -> Path:
        """Return the file that is written on `day` (UTC)."""
        return self._path.with_name(f"{self._path.stem}-{day}{self._path.suffix}") if self._daily else self._path

    def append(self, orders: Sequence[tuple[str, bytes]], day: date) -> list[Receipt | RejectedError]:
        """
        Write a group of orders (external id and lines) and make it durable; return what became of each.

        One that is there already is a duplicate. Raises `TransientError` or `EndpointError` if none was written, and
        `InDoubtError` if nobody can say.
        """
        with self._mutex:
            index = self._ready(self.file_of(day), create=True)
            assert self._file is not None, "it was made"  # noqa: S101
            mark = self._marks[self._file.path.name]
            data = b"" if mark.end else self._rows.header
            line = mark.lines + data.count(b"\n")
            results: list[Receipt | RejectedError] = []
            fresh: dict[str, int] = {}
            for external_id, record in orders:
                cell = self._rows.cell(external_id)
                place = index.place(cell) or (f"{self._file.path.name}:{fresh[cell]}" if cell in fresh else None)
                if place is not None:
                    results.append(RejectedError(f"{external_id} is there already, at {place}", duplicate=True))
                    continue
                fresh[cell] = line + 1
                results.append(Receipt(id=external_id, reference=f"{self._file.path.name}:{line + 1}"))
                data += record
                line += record.count(b"\n")
            if fresh:
                self._write(self._file, data)
                self._marks[self._file.path.name] = Mark(mark.identity, mark.end + len(data), line)
                for cell, first in fresh.items():
                    index.add(cell, self._file.path.name, first)
            return results

    def find(self, external_id: str, day: date) -> Receipt | None:
        """Return the receipt of an order that is there. Raises `ConflictError` if it is there more than once."""
        with self._mutex:
            place = self._ready(self.file_of(day), create=False).find(self._rows.cell(external_id))
            return None if place is None else Receipt(id=external_id, reference=place)

    def look(self, day: date) -> str:
        """Return one line about today's file, without making, mending or locking it. Raises what `append` would."""
        path = self.file_of(day)
        with self._mutex:
            try:
                file = AppendFile.open(path, self._disk, create=False, writable=False)
                if file is None:
                    _probe(path.parent)
                    return f"{path}: not there yet, and can be made"
                index = Index()
                try:
                    _probe(path)
                    read(file, self._rows, index, None, mend=False)
                finally:
                    file.close()
            except OSError as exc:
                raise failure(path, exc) from None
            return f"{path}: {len(index)} orders, and can be written"

    def close(self) -> None:
        """Close the file and let go of its lock. Idempotent; what was known of the files is kept."""
        with self._mutex:
            self._let_go()

    def _write(self, file: AppendFile, data: bytes) -> None:
        self.syncs += 1
        try:
            file.append(data)
        except InDoubtError:
            self._let_go()
            self._index = None  # what the disk has now is read when it is asked for
            raise
        except OSError as exc:
            raise failure(file.path, exc) from None

    def _ready(self, path: Path, *, create: bool) -> Index:
        """Open today's file, and read what was not read yet. `create=False` leaves a missing file missing."""
        try:
            return self._caught_up(path, create=create)
        except OSError as exc:
            self._let_go()
            raise failure(path, exc) from None
        except ConnectorError:
            self._let_go()
            raise

    def _caught_up(self, path: Path, *, create: bool) -> Index:
        if self._file is not None and (self._file.path != path or self._file.replaced()):
            self._let_go()
        if self._file is None:
            self._file = AppendFile.open(path, self._disk, create=create)
        mark = self._marks.get(path.name)
        if self._index is None or (mark is not None and not self._continues(mark)):
            self._index, self._marks, mark = None, {}, None
            index = Index()
            for past in self._past(path):
                self._marks[past.name] = self._read_past(past, index)
            self._index = index
        if self._file is not None and (mark is None or self._file.size() != mark.end):
            try:
                self._marks[path.name] = read(self._file, self._rows, self._index, mark)
            except BaseException:
                self._index = None  # half of it was taken in
                raise
        return self._index

    def _continues(self, mark: Mark) -> bool:
        return self._file is not None and self._file.identity == mark.identity and self._file.size() >= mark.end

    def _past(self, today: Path) -> list[Path]:
        """Return the files of other days."""
        if not self._daily:
            return []
        name = re.compile(rf"{re.escape(self._path.stem)}-\d{{4}}-\d\d-\d\d{re.escape(self._path.suffix)}", re.ASCII)
        found = (each for each in self._path.parent.iterdir() if name.fullmatch(each.name))
        return sorted(each for each in found if each != today)

    def _read_past(self, path: Path, index: Index) -> Mark:
        """Read the file of another day; a crash may have ended that day. One that is put away is taken as it is."""
        writable = os.access(path, os.W_OK)
        file = AppendFile.open(path, self._disk, create=False, writable=writable)
        if file is None:
            raise OSError(errno.EBUSY, "it went away while it was about to be read", str(path))
        try:
            return read(file, self._rows, index, None, mend=writable)
        finally:
            file.close()

    def _let_go(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _probe(path: Path) -> None:
    """Raise what writing would, without writing."""
    path.stat()
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
