"""An index of the orders in the files: read once, line by line, and kept as hashes."""

from __future__ import annotations

import logging
import os
from hashlib import blake2b
from typing import NamedTuple

from connector.errors import ConflictError, EndpointError
from connector.receivers.file.disk import AppendFile
from connector.receivers.file.handover_log import Entry
from connector.receivers.file.rows import LARGEST, RowRecord, Rows

__all__ = ["Index", "Mark", "hash_of", "last", "read"]

TAIL = 64 * 1024
"""Bytes at the end of a file that are searched first for its last orders."""

BOM = b"\xef\xbb\xbf"
"""Three bytes that some programs put before UTF-8, without a meaning."""

logger = logging.getLogger(__name__)


class Mark(NamedTuple):
    """The position up to which a file was read: its identity, bytes, and lines."""

    identity: tuple[int, int]
    end: int = 0
    lines: int = 0


class Index:
    """The place of each order, by the hash of its external id: sixteen bytes for an id of any length."""

    def __init__(self) -> None:
        self._places: dict[bytes, tuple[str, int]] = {}
        self._doubles: dict[bytes, int] = {}
        self.unrecorded: list[Entry] = []
        """Orders that were read, and may be missing in the handover log."""

    def __len__(self) -> int:
        return len(self._places)

    def add(self, external_id: str, file: str, line: int) -> None:
        """Add a record."""
        key = hash_of(external_id)
        self.unrecorded.append(Entry(key, file, line))
        if key in self._places:
            self._doubles[key] = self._doubles.get(key, 1) + 1
        else:
            self._places[key] = file, line

    def place(self, external_id: str) -> str | None:
        """Return the first place of the order, as `FILE:LINE`."""
        place = self._places.get(hash_of(external_id))
        return None if place is None else f"{place[0]}:{place[1]}"

    def find(self, external_id: str) -> str | None:
        """Return the place of the order, as `FILE:LINE`. Raises `ConflictError` for an order with several."""
        place = self.place(external_id)
        if doubles := self._doubles.get(hash_of(external_id)):
            raise ConflictError(f"{doubles} records are {external_id}, the first one at {place}")
        return place


class _Reader:
    """Reads line after line, and keeps the order whose rows are incomplete so far."""

    def __init__(self, file: AppendFile, rows: Rows, index: Index, mark: Mark) -> None:
        self._file, self._rows, self._index = file, rows, index
        self.end, self.lines = mark.end, mark.lines
        self.half: _Half | None = None
        self.tail = b""

    def read(self) -> None:
        """Read to the end."""
        with os.fdopen(os.dup(self._file.fd), "rb") as stream:
            stream.seek(self.end)
            while line := stream.readline(LARGEST):
                if line.endswith(b"\n"):
                    self._read_line(line)
                    self.end += len(line)
                    self.lines += 1
                elif len(line) >= LARGEST:
                    raise EndpointError(f"{self._file.path}: line {self.lines + 1} does not end")
                else:
                    self.tail = line

    def _read_line(self, line: bytes) -> None:
        if self.end == 0:
            line = line.removeprefix(BOM)
        if self.end == 0 and self._rows.header:
            if line.rstrip() != self._rows.header.rstrip():
                raise EndpointError(f"{self._file.path}: its columns are not those of the settings; move it away")
            return
        record = self._rows.parsed(line)
        if self.half is not None and self.half.record == record._replace(row=record.row - 1):
            self.half = self.half._replace(record=record)
        else:
            short = self.half  # rows are missing in the middle of the file: somebody removed them
            self._settle()
            self.half = _Half(record, self.end, self.lines + 1, short.line if short is not None else None)
        if record.row == record.rows:
            self._settle()

    def _settle(self) -> None:
        half, self.half = self.half, None
        if half is not None and half.record.external_id:
            self._index.add(half.record.external_id, self._file.path.name, half.line)


class _Half(NamedTuple):
    """
    An order whose last row has not come yet: its newest row, and the start of its first one.

    `behind` is the line of the order before it, if that one lacks rows.
    """

    record: RowRecord
    start: int
    line: int
    behind: int | None = None


def read(file: AppendFile, rows: Rows, index: Index, mark: Mark | None, *, mend: bool = True) -> Mark:
    """
    Read the part of a file after `mark` into `index`; return the new mark.

    `mend`: the torn end of a crash is cut off, and a whole JSON line that lacks only its line break gets one.

    Raises:
        EndpointError: the file must not be written to. Its header is not ours, its end is neither a line of ours nor
            part of one, or without its torn end it would end in an order that an operator has shortened.
    """
    reader = _Reader(file, rows, index, mark or Mark(file.identity))
    reader.read()
    if not mend or not (reader.tail or reader.half):
        return Mark(file.identity, reader.end, reader.lines)
    if reader.end == 0 and rows.header:
        ours = rows.header.startswith(reader.tail.removeprefix(BOM))
    else:
        ours = not reader.tail or rows.torn(reader.tail)
    if rows.lacks_end(reader.tail):
        file.append(b"\n")
    elif reader.half is not None and reader.half.behind is not None:
        # It looks like the torn end of a crash: the next start would cut off an order that counts as delivered.
        raise EndpointError(
            f"{file.path}: rows are missing of the order in line {reader.half.behind}, and what follows it is "
            "unfinished; complete that order or take it out, or move the file away"
        )
    elif ours:
        start = reader.half.start if reader.half else reader.end
        logger.warning("%s: cut off the torn end that a crash left, from byte %d on", file.path, start)
        file.cut(start)
    else:
        raise EndpointError(f"{file.path}: its last line is not ours, and lacks its line break; move the file away")
    if reader.half is not None:
        return Mark(file.identity, reader.half.start, reader.half.line - 1)
    return read(file, rows, index, Mark(file.identity, reader.end, reader.lines), mend=mend)


def last(file: AppendFile, rows: Rows, limit: int) -> list[str]:
    """Return the external ids of the last orders of a file, newest first and at most `limit`; the file is unchanged."""
    size, span = os.fstat(file.fd).st_size, TAIL
    while True:
        start = max(0, size - span)
        lines = os.pread(file.fd, size - start, start).split(b"\n")[:-1]  # an end without a line break is no order
        if start or rows.header:
            lines = lines[1:]  # the line in whose middle the reading began, or the header
        found = dict.fromkeys(rows.parsed(line + b"\n").external_id for line in reversed(lines))
        found.pop("", None)  # another program's
        if start == 0 or len(found) >= limit or span >= LARGEST:
            return [*found][:limit]
        span *= 8


def hash_of(external_id: str) -> bytes:
    """Return the hash of an external id: sixteen bytes for an id of any length."""
    return blake2b(external_id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
