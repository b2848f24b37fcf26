"""
Orders as the lines of a file: JSON lines, or CSV with a header.

In both forms the external id comes first and identifies the order, and a torn end differs from a complete one.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from connector.errors import RejectedError
from connector.receivers.base import Delivery
from connector.receivers.file.columns import Kind, kind, value

__all__ = ["LARGEST", "CsvRows", "Formulas", "JsonLines", "RowRecord", "Rows"]

ID = "external_id"
LARGEST = 64 * 1024 * 1024
"""Bytes of one record: a longer line is not ours, and would fill the memory."""


Formulas = Literal["escape", "refuse", "allow"]
"""The treatment of a text that a spreadsheet would read as a formula."""


class RowRecord(NamedTuple):
    """One record of a file: its external id (empty: not ours), its number and the count among the order's."""

    external_id: str
    row: int = 1
    rows: int = 1


class Rows(Protocol):
    """A form in which orders are written and recognised."""

    header: bytes
    """The first line of a file; empty for none."""

    def written(self, delivery: Delivery) -> bytes:
        """Return an order's line or lines. Raises `RejectedError` for an order that cannot be written."""

    def cell(self, external_id: str) -> str:
        """Return an external id in its form in the file."""

    def parsed(self, line: bytes) -> RowRecord:
        """Return the record of a whole line."""

    def torn(self, tail: bytes) -> bool:
        """Return whether `tail`, the torn end of a file with our header, is the start of a line of ours."""

    def lacks_end(self, tail: bytes) -> bool:
        """Return whether `tail` is certainly a whole line that lacks only its line break."""


class _Named(msgspec.Struct):
    external_id: str


class JsonLines:
    """One JSON object a line, the external id first."""

    header = b""
    START = b'{"external_id":'

    def __init__(self) -> None:
        self._fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
        self._named = msgspec.json.Decoder(_Named)

    def written(self, delivery: Delivery) -> bytes:
        """Return the mapped order as one line, without the line breaks between its tokens."""
        try:
            fields = self._fields.decode(delivery.body)
        except (ValueError, RecursionError) as exc:
            raise RejectedError(f"the mapped order is not a JSON object: {exc}") from None
        fields.pop(ID, None)
        line = msgspec.json.encode({ID: delivery.external_id, **fields})
        if b"\n" in line or b"\r" in line:
            line = msgspec.json.format(line, indent=-1)
        return line + b"\n"

    def cell(self, external_id: str) -> str:
        """Return the id: it is written as it is."""
        return external_id

    def parsed(self, line: bytes) -> RowRecord:
        """Return the record; any object with an external id counts, whoever wrote it."""
        try:
            return RowRecord(self._named.decode(line).external_id)
        except (ValueError, RecursionError):
            return RowRecord("")

    def torn(self, tail: bytes) -> bool:
        """Return whether the tail starts like every line of ours."""
        return tail.startswith(self.START) or self.START.startswith(tail)

    def lacks_end(self, tail: bytes) -> bool:
        """Return whether the tail ends with the bracket of its object."""
        return bool(self.parsed(tail).external_id)


class CsvRows:
    """
    Comma, quotes and UTF-8 after RFC 4180: a row for each order, or (`per_line`) for each of its lines.

    The external id is the first column. With `per_line` the number of the row and of all rows follow, because a crash
    may leave only the first ones. A cell that a spreadsheet would read as a formula gets a leading `'`, plain numbers
    excepted, unless `formulas` has another rule for its kind of column; the external id always does. Line breaks in a
    cell become spaces, so that a row is one line even with a broken quote, and other control characters U+FFFD.
    """

    def __init__(
        self, columns: Sequence[str], *, per_line: bool, formulas: Mapping[Kind, Formulas] | None = None
    ) -> None:
        self._columns = [column for column in columns if column != ID]
        self._formulas = {column: (formulas or {}).get(kind(column), "escape") for column in self._columns}
        self._per_line = per_line
        self.header = _row([ID, *(["row", "rows"] if per_line else []), *self._columns])
        self._order = msgspec.json.Decoder(dict[str, Any], float_hook=str)

    def written(self, delivery: Delivery) -> bytes:
        """Return the order's row or rows."""
        try:
            order = self._order.decode(delivery.body)
        except (ValueError, RecursionError) as exc:
            raise RejectedError(f"the mapped order is not a JSON object: {exc}") from None
        if not self._per_line:
            return _row([_cell(delivery.external_id), *self._cells(order)])
        lines = order.get("lines") or [{}]
        if not isinstance(lines, list):
            raise RejectedError("the mapped order's lines are no list, so there is no row for each of them")
        return b"".join(
            _row(
                [_cell(delivery.external_id), str(number), str(len(lines)), *self._cells(order, line)],
            )
            for number, line in enumerate(lines, start=1)
        )

    def _cells(self, order: dict[str, Any], line: Any = None) -> list[str]:
        found = []
        for column in self._columns:
            content, formulas = value(order, column, line), self._formulas[column]
            if formulas == "refuse" and _is_formula(_text(content)):
                raise RejectedError(
                    f"{column} begins like a formula of a spreadsheet, and the settings refuse that (formulas)"
                )
            found.append(_cell(content, escape=formulas == "escape"))
        return found

    def cell(self, external_id: str) -> str:
        """Return the id as a cell."""
        return _cell(external_id)

    def parsed(self, line: bytes) -> RowRecord:
        """Return the record; the first cell has the id, even if somebody has changed the others."""
        found = _first(line.decode("utf-8", "replace"))
        external_id = found["plain"] or (found["quoted"] or "").replace('""', '"') if found else ""
        if not self._per_line or found is None:
            return RowRecord(external_id)
        number, count = int(found["row"] or 0), int(found["rows"] or 0)
        return RowRecord(external_id, number, count) if 1 <= number <= count else RowRecord("")

    def torn(self, tail: bytes) -> bool:
        """Return True: the header is ours, and so is the end."""
        return True

    def lacks_end(self, tail: bytes) -> bool:
        """Return False: the last cell may be incomplete."""
        return False


_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - spreadsheets take these too
_first = re.compile(
    r'(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^",\r\n]*))(?:,(?P<row>[0-9]{1,9}),(?P<rows>[0-9]{1,9}))?(?=[,\r\n])'
).match
_number = re.compile(r"-?[0-9]+(\.[0-9]+)?").fullmatch
_breaks = re.compile(r"\r\n|[\n\r\v\f\x85\u2028\u2029]")
_controls = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")


def _text(content: Any) -> str:
    """Return a value as text."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, bool):
        return "true" if content else "false"
    return str(content) if isinstance(content, int) else msgspec.json.encode(content).decode("utf-8")


def _is_formula(text: str) -> bool:
    """Return whether a spreadsheet would evaluate a text."""
    return text.lstrip(" ").startswith(_FORMULA) and not _number(text)


def _cell(content: Any, *, escape: bool = True) -> str:
    """Return the text of a cell; with `escape`, programs that open the file do not evaluate it."""
    text = _text(content)
    if escape and _is_formula(text):
        text = "'" + text
    return _controls.sub("\ufffd", _breaks.sub(" ", text))


def _row(cells: Sequence[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(cells)
    return out.getvalue().encode("utf-8")
