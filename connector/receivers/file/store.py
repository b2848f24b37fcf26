"""
The files of one receiver, behind a lock: writes them, looks orders up in them, and recovers them after a crash.

Every method blocks; call them in a worker thread. A caller may abandon a call: the lock excludes the next one.

A consumer may take a file away at any moment, and the process may be killed at any instruction. Therefore a group of
orders is written to a hidden file (staging.py), synced, logged as handed over in a file beside it (handover_log.py),
synced, and only then moved to its public place. A file that is hidden at a start was seen by no consumer: its whole
lines are logged, and it is moved to its place. A logged order whose file is not hidden was at its place.

A file that is followed while it grows (`follow`) is never renamed. Its orders are logged as unknown before they are
written, and as handed over once the file is at its place after the sync; an order between the two that the file does
not hold is left to an operator.
"""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from connector.errors import EndpointError, InDoubtError, RejectedError, TransientError
from connector.receivers.base import Receipt
from connector.receivers.file.disk import AppendFile, Disk, failure, sync_folder
from connector.receivers.file.handover_log import UNKNOWN, Entry, HandoverLog
from connector.receivers.file.index import Index, Mark, hash_of, last, read
from connector.receivers.file.rows import Rows
from connector.receivers.file.staging import hidden, hide, left_hidden, publish, remove

__all__ = ["Store"]

DAY = r"-\d{4}-\d\d-\d\d"
BATCH = r"-\d{8}T\d{6}Z-\d{6,}"


class Store:
    """
    Appends orders to `path`; or (`daily`) to a file of the day beside it; or (`batches`) creates a file for each group.

    The index of all orders in these files, present or taken away, is built at the first call and follows changes by
    others: appended lines are read, and a replaced file is read anew.
    """

    def __init__(
        self,
        path: Path,
        rows: Rows,
        *,
        daily: bool = False,
        batches: bool = False,
        follow: bool = False,
        mode: int = 0o600,
        disk: Disk | None = None,
    ) -> None:
        self._path = path
        self._rows = rows
        self._daily = daily
        self._batches = batches
        self._follow = follow
        self._mode = mode
        self._disk = disk or Disk()
        self._mutex = threading.Lock()
        self._log = HandoverLog(path.with_name(f".{path.name}.handed"), self._disk)
        self._index: Index | None = None
        self._marks: dict[str, Mark] = {}
        self._left = True
        """True if a file may be hidden that was not moved to its place."""
        self.syncs = 0
        """The number of groups that were written."""

    def file_of(self, at: datetime) -> Path:
        """Return the file for writes at a time (UTC)."""
        if self._batches:
            return self._named(f"-{at:%Y%m%dT%H%M%SZ}-{len(self._log) + 1:06}")
        return self._named(f"-{at:%Y-%m-%d}") if self._daily else self._path

    def append(self, orders: Sequence[tuple[str, bytes]], at: datetime) -> list[Receipt | RejectedError]:
        """
        Write a group of orders (external id and lines) and move it to its place, durably; return the result of each.

        An order that is or was in a file is a duplicate.

        Raises:
            TransientError, EndpointError: none was written.
            InDoubtError: only another reading can show which ones were written.
        """
        with self._mutex, self._translated(self._path):
            self._open()
            file = self._open_for_writing(self.file_of(at), create=self._mode)
            assert file is not None, "it was made"  # noqa: S101
            fresh: list[tuple[str, Entry]] = []
            try:
                index = self._catch_up(file.path, file)
                results, data, fresh = self._group(orders, file, index)
                if fresh:
                    new = [entry for _, entry in fresh]
                    if self._follow:
                        self._log.add(index.unrecorded)
                        self._write_in_place(file, data, new)
                    else:
                        self._write(file, data, [*index.unrecorded, *new])
                    index.unrecorded.clear()
            except InDoubtError:
                self._leave_hidden(file)
                raise
            except BaseException:
                self._publish(file)
                raise
            end = file.size()
            self._publish(file, [entry for _, entry in fresh])
            if fresh and not self._batches:
                self._note(file, index, fresh, end, data)
            return results

    def find(self, external_id: str, at: datetime) -> Receipt | None:
        """
        Return the receipt of an order that was handed over. Raises `ConflictError` if it was handed over more than
        once.
        """
        with self._mutex, self._translated(self._path):
            self._open()
            cell = self._rows.cell(external_id)
            place = None if self._batches else self._current(self.file_of(at)).find(cell)
            place = place or self._log.find(hash_of(cell), external_id)
            return None if place is None else Receipt(id=external_id, reference=place)

    def newest(self, limit: int, at: datetime) -> list[tuple[str, Receipt]]:
        """
        Return the last orders of the newest file, newest first and at most `limit`.

        Raises `TransientError` if a consumer has taken that file away: its orders cannot be named any more.
        """
        with self._mutex, self._translated(self._path):
            self._open()
            written = self._log.last_file
            path = self._path.with_name(written) if written else self.file_of(at)
            file = AppendFile.open(path, self._disk, writable=False)
            if file is None and written:
                raise TransientError(f"{path} was taken away, so its orders cannot be listed any more")
            if file is None:
                return []
            try:
                return [(each, Receipt(id=each, reference=path.name)) for each in last(file, self._rows, limit)]
            finally:
                file.close()

    def look(self, at: datetime) -> str:
        """Return one line about the file, without creating, mending or locking it. Raises as `append`."""
        path = self.file_of(at)
        with self._mutex, self._translated(path):
            _probe(path.parent)
            if self._batches:
                return f"{path.parent}: files such as {path.name} can be made there"
            file = AppendFile.open(path, self._disk, writable=False)
            if file is None:
                return f"{path}: not there yet, and can be made"
            index = Index()
            try:
                _probe(path)
                read(file, self._rows, index, None, mend=False)
            finally:
                file.close()
            return f"{path}: {len(index)} orders, and can be written"

    def close(self) -> None:
        """Release the lock. Idempotent; the index is kept."""
        with self._mutex:
            self._log.close()

    @contextmanager
    def _translated(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise failure(path, exc) from None

    def _named(self, part: str) -> Path:
        return self._path.with_name(f"{self._path.stem}{part}{self._path.suffix}")

    def _open(self) -> None:
        """Open the log, and move hidden files to their places."""
        if not self._log.is_open:
            self._log.open()
            self._left = True
        if self._left:
            for path in left_hidden(self._path.parent):
                if path == self._path or self._ours(DAY).fullmatch(path.name) or self._ours(BATCH).fullmatch(path.name):
                    self._recover(path)
            if self._batches and not len(self._log):
                self._log.add(self._read_all(self._others(BATCH)))
            self._index, self._left = None, False

    def _recover(self, path: Path) -> None:
        """Log the whole lines of a hidden file, and move it to its place."""
        file = AppendFile.open(path, self._disk, at=hidden(path))
        if file is None:
            return
        try:
            index = Index()
            try:
                read(file, self._rows, index, None)
            except EndpointError:
                publish(path)  # nothing of ours was written to it, and it is unchanged
                return
            self._disk.sync(file.fd)
            self._log.add(index.unrecorded)
            if len(index) or file.size() > len(self._rows.header):
                publish(path)
            else:
                remove(path)
        except FileExistsError:
            raise EndpointError(
                f"{path}: another file is at the place of the one being written, {hidden(path)}; move it away"
            ) from None
        finally:
            file.close()

    def _group(
        self, orders: Sequence[tuple[str, bytes]], file: AppendFile, index: Index
    ) -> tuple[list[Receipt | RejectedError], bytes, list[tuple[str, Entry]]]:
        """Return the result of each order, the bytes to write, and the orders in them."""
        mark = self._marks.get(file.path.name) or Mark(file.identity)
        data = b"" if mark.end else self._rows.header
        line = mark.lines + data.count(b"\n")
        results: list[Receipt | RejectedError] = []
        fresh: dict[str, Entry] = {}
        for external_id, record in orders:
            cell = self._rows.cell(external_id)
            key = hash_of(cell)
            place = index.place(cell) or self._log.place(key)
            if place is None and cell in fresh:
                place = f"{file.path.name}:{fresh[cell].line}"
            if place is not None:
                results.append(RejectedError(f"{external_id} is there already, at {place}", duplicate=True))
                continue
            fresh[cell] = Entry(key, file.path.name, line + 1)
            results.append(Receipt(id=external_id, reference=f"{file.path.name}:{line + 1}"))
            data += record
            line += record.count(b"\n")
        return results, data, list(fresh.items())

    def _open_for_writing(self, path: Path, *, create: int | None = None) -> AppendFile | None:
        """Open a file for writing: hidden, or at its place if a consumer follows it."""
        if not self._follow:
            return hide(path, self._disk, create=create)
        file = AppendFile.open(path, self._disk, create=create)
        if file is not None and file.made:
            sync_folder(path.parent)
        return file

    def _write_in_place(self, file: AppendFile, data: bytes, entries: Sequence[Entry]) -> None:
        """Write a group to a file that stays at its place; log it once the file is seen there."""
        self.syncs += 1
        size = self._log.size
        self._log.add(entry._replace(line=UNKNOWN) for entry in entries)
        try:
            file.append(data)
        except TransientError:
            self._log.remove((entry.key for entry in entries), size)
            raise
        try:
            info = self._disk.look(file.path)
            there = (info.st_dev, info.st_ino) == file.identity
        except FileNotFoundError:
            there = False
        if not there:
            raise InDoubtError(
                f"{file.path} was taken away while it was written; for a consumer that does that, leave out hand_over"
            )
        self._log.add(entries)

    def _write(self, file: AppendFile, data: bytes, entries: Sequence[Entry]) -> None:
        """Write and log a group, or neither."""
        self.syncs += 1
        before = file.size()
        file.append(data)
        try:
            self._log.add(entries)
        except OSError as exc:
            said = f"{self._log.path}: {exc.strerror or type(exc).__name__}"
            try:
                file.cut(before)
            except OSError:
                raise InDoubtError(f"{said}, and what was written to {file.path} could not be taken back") from None
            raise TransientError(said) from None

    def _publish(self, file: AppendFile, fresh: Sequence[Entry] = ()) -> None:
        """Move a file to its place; one that was created and stayed empty is removed."""
        if self._follow:
            file.close()
            return
        try:
            if file.made and not file.size():
                remove(file.path)
            else:
                publish(file.path)
            file.close()
        except FileNotFoundError:
            self._leave_hidden(file)
            said = f"{hidden(file.path)} was taken away while it was written; a hidden file must stay at its place"
            if not fresh:
                raise TransientError(said) from None
            self._log.add(entry._replace(line=UNKNOWN) for entry in fresh)
            raise InDoubtError(said) from None
        except OSError as exc:
            self._leave_hidden(file)
            said = f"{file.path}: the written file could not be moved to its place: {exc.strerror}"
            raise InDoubtError(said) if fresh else TransientError(said) from None

    def _leave_hidden(self, file: AppendFile) -> None:
        """Leave a file hidden; it is read, and moved to its place, before any other call."""
        file.close()
        self._left = True

    def _note(self, file: AppendFile, index: Index, fresh: Sequence[tuple[str, Entry]], end: int, data: bytes) -> None:
        """Add the written orders to the index."""
        mark = self._marks.get(file.path.name) or Mark(file.identity)
        self._marks[file.path.name] = Mark(file.identity, end, mark.lines + data.count(b"\n"))
        for cell, entry in fresh:
            index.add(cell, entry.file, entry.line)
        index.unrecorded.clear()

    def _current(self, path: Path) -> Index:
        """Return the current index; a file that has not changed since it was read is not read again."""
        try:
            info = self._disk.look(path)
        except FileNotFoundError:
            return self._catch_up(path, None)
        known = self._marks.get(path.name)
        if self._index is not None and known and known[:2] == ((info.st_dev, info.st_ino), info.st_size):
            return self._index
        file = self._open_for_writing(path)
        if file is None:
            return self._catch_up(path, None)
        try:
            return self._catch_up(path, file)
        finally:
            self._publish(file)

    def _catch_up(self, path: Path, file: AppendFile | None) -> Index:
        """Read the new part of a file; None for a missing file."""
        if self._batches:
            return Index()
        mark = self._marks.get(path.name)
        if self._index is None or (mark is not None and not _continues(mark, file)):
            self._index, self._marks, mark = None, {}, None
            index = Index()
            for past in self._others(DAY) if self._daily else ():
                if past != path:
                    self._marks[past.name] = self._read_past(past, index)
            self._index = index
        if file is not None and (mark is None or file.size() != mark.end):
            try:
                self._marks[path.name] = read(file, self._rows, self._index, mark)
            except BaseException:
                self._index = None  # a part of it is in the index
                raise
        return self._index

    def _ours(self, part: str) -> re.Pattern[str]:
        return re.compile(f"{re.escape(self._path.stem)}{part}{re.escape(self._path.suffix)}", re.ASCII)

    def _others(self, part: str) -> list[Path]:
        """Return the files of other days, or all batches."""
        name = self._ours(part)
        return sorted(each for each in self._path.parent.iterdir() if name.fullmatch(each.name))

    def _read_all(self, paths: Sequence[Path]) -> list[Entry]:
        index = Index()
        for path in paths:
            self._read_past(path, index)
        return index.unrecorded

    def _read_past(self, path: Path, index: Index) -> Mark:
        """Read a file that is not written any more, and whose end may be torn; an archived file stays unchanged."""
        writable = os.access(path, os.W_OK)
        file = AppendFile.open(path, self._disk, writable=writable)
        if file is None:
            raise OSError(errno.EBUSY, "it went away while it was about to be read", str(path))
        try:
            return read(file, self._rows, index, None, mend=writable)
        finally:
            file.close()


def _continues(mark: Mark, file: AppendFile | None) -> bool:
    return file is not None and file.identity == mark.identity and file.size() >= mark.end


def _probe(path: Path) -> None:
    """Raise the error that a write would raise, without writing."""
    path.stat()
    if not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
