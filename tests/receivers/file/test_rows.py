"""Orders as lines: JSON, and harmless CSV cells; and the columns that settings may name."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from connector.clock import SystemClock
from connector.errors import RejectedError
from connector.mapping.mapper import mapper
from connector.order import Customer
from connector.receivers.base import Delivery
from connector.receivers.file.receiver import FileReceiver
from connector.receivers.file.rows import CsvRows, JsonLines, RowRecord
from connector.receivers.file.settings import FileSettings
from connector.settings import parse
from tests.receivers.file.bench import delivery, order
from tests.settings.vendors import SOURCES


def cells(external_id: str, *columns: str, per_line: bool = False, **body: Any) -> list[list[str]]:
    """Write an order with these columns; return the cells of its rows, as a reader of CSV finds them."""
    rows = CsvRows(columns, per_line=per_line)
    written = rows.written(Delivery(external_id, msgspec.json.encode(body)))
    return list(csv.reader(io.StringIO(written.decode(), newline=""), strict=True))


@pytest.mark.attack(21)
@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+31201234567", "'+31201234567"),
        ("-1+1", "'-1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "' =1"),
        ("\n=1", "' =1"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),  # noqa: RUF001 - the wide one is the point
        ("-5.00", "-5.00"),
        ("-", "'-"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_a_cell_is_no_formula(text: str, cell: str) -> None:
    """A spreadsheet that opens the file computes nothing; a negative number stays one (faults.md, section 3, #21)."""
    assert cells("shop-1", "notes", notes=text) == [["shop-1", cell]]


@pytest.mark.attack(16)
@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ('say "hi", twice', 'say "hi", twice'),
        ("one\r\ntwo\nthree\rfour\u2028five", "one two three four five"),
        ("\x1b[31mred\x00\x07\x9b", "\ufffd[31mred\ufffd\ufffd\ufffd"),
        ("💥 ü", "💥 ü"),
    ],
)
def test_a_cell_is_one_line_and_printable(text: str, cell: str) -> None:
    """A row is a line, and showing it on a terminal does nothing else."""
    assert cells("shop-1", "notes", notes=text) == [["shop-1", cell]]


def test_values_that_are_no_text() -> None:
    """Numbers keep their digits, missing values are empty, a list or an object is JSON."""
    body: dict[str, Any] = {
        "a": 7,
        "b": True,
        "c": None,
        "e": ["x"],
        "f": {"g": 1},
        "h": msgspec.Raw(b"1.10"),
        "metadata": {"a.b": "c"},
    }
    row = cells("shop-1", "a", "b", "c", "d", "e", "e.0", "e.7", "f", "f.g", "f.g.h", "h", "metadata.a.b", **body)
    assert row == [["shop-1", "7", "true", "", "", '["x"]', "x", "", '{"g":1}', "1", "", "1.10", "c"]]


def test_a_row_for_each_line_says_which_of_how_many() -> None:
    """Each row has the order's own values; an order without lines has one row."""
    lines = [{"sku": "A"}, {"sku": "B"}]
    assert cells("shop-1", "lines.sku", "notes", per_line=True, notes="n", lines=lines) == [
        ["shop-1", "1", "2", "A", "n"],
        ["shop-1", "2", "2", "B", "n"],
    ]
    assert cells("shop-1", "lines.sku", "notes", per_line=True, notes="n") == [["shop-1", "1", "1", "", "n"]]


@pytest.mark.parametrize("per_line", [True, False])
@pytest.mark.parametrize("external_id", ["shop-1", 'a "b", c', "=1", "x\ny", "ü-1", "a" * 200_000])
def test_a_row_is_known_again_by_its_external_id(external_id: str, per_line: bool) -> None:
    """Whatever is in it, and however long it is."""
    rows = CsvRows(["external_id", "notes"], per_line=per_line)
    assert rows.header.startswith(b"external_id,row,rows,notes" if per_line else b"external_id,notes")
    written = rows.written(Delivery(external_id, b'{"notes": "a, \\"b\\""}'))
    assert rows.parsed(written) == RowRecord(rows.cell(external_id), 1, 1)


def test_a_json_line_is_one_line() -> None:
    """Even of a body with line breaks; digits stay, and the external id is the delivery's."""
    body = b'{"amount": 1.10,\r\n "external_id": "other", "list": [1,\n 2]}'
    assert JsonLines().written(Delivery("shop-1", body)) == b'{"external_id":"shop-1","amount":1.10,"list":[1,2]}\n'


@pytest.mark.parametrize("body", [b"[]", b"", b"5", b"[" * 100_000, b"\xff", b'{"a": "\\ud800"}'])
@pytest.mark.parametrize("rows", [JsonLines(), CsvRows(["notes"], per_line=False)])
def test_a_body_that_is_no_object_is_refused(rows: JsonLines | CsvRows, body: bytes) -> None:
    """One order, with a reason; the file is not touched."""
    if body.startswith(b'{"a"') and isinstance(rows, JsonLines):
        pytest.skip("what is inside is copied as it is")
    with pytest.raises(RejectedError, match="not a JSON object"):
        rows.written(Delivery("shop-1", body))


def test_a_routes_own_mapping_may_return_any_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the line, after the external id."""
    own = ModuleType("users_plain_mapping")
    own.to_line = lambda order: {"number": order.reference, "buyer": order.customer.name}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "users_plain_mapping", own)
    made = FileReceiver("archive", FileSettings(path=str(tmp_path / "o")), SystemClock())
    body = mapper("users_plain_mapping:to_line", made.request, made.default)(order("1"))
    line = JsonLines().written(Delivery("shop-1", body))
    assert json.loads(line) == {"external_id": "shop-1", "number": "WEB-20106", "buyer": "Voorbeeld B.V."}


def test_the_columns_that_nobody_chose_show_an_order() -> None:
    """Every one of them is filled in by an order that has it."""
    made = FileReceiver("archive", FileSettings(path="o.csv", format="csv", rows="line"), SystemClock())
    whole = order("1", 1, customer=Customer(id="7", name="Voorbeeld B.V."), currency="EUR")
    header, row = csv.reader(
        io.StringIO((made._rows.header + made._rows.written(delivery(made, whole))).decode(), newline="")
    )
    shown = dict(zip(header, row, strict=True))
    assert (shown["external_id"], shown["row"], shown["rows"]) == ("shop-1", "1", "1")
    assert (shown["delivery_address.city"], shown["totals.including_tax"]) == ("Amsterdam", "128.22")
    assert (shown["lines.sku"], shown["lines.quantity"]) == ("SKU-0", "1")


def mistakes(own: str, mapping: str = "null") -> list[str]:
    """Read settings with these keys of a file, and this mapping to it; return their problems."""
    text = f"""\
sources: {{shop: {{type: shop, base_url: "https://shop.example", token: abc}}}}
receivers: {{archive: {{type: file, {own}}}}}
routes: [{{source: shop, receivers: [archive], mapping: {mapping}}}]
"""
    try:
        parse(text, sources=SOURCES, receivers={"file": FileSettings}, environ={})
    except Exception as exc:  # noqa: BLE001 - its lines are what is tested
        return str(exc).splitlines()
    return []


@pytest.mark.parametrize(
    "own",
    [
        "path: orders.jsonl",
        "path: out/orders.jsonl, rotate: daily",
        "path: o.csv, format: csv",
        "path: o.csv, format: csv, columns: [external_id, customer.name, delivery_address.city, lines.0.sku, lines]",
        "path: o.csv, format: csv, rows: line, columns: [lines.sku, lines.metadata.a, metadata.a.b, parcels.1.weight]",
    ],
)
def test_settings_that_are_good(own: str) -> None:
    """A plain path is enough."""
    assert mistakes(own) == []


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ("path: ''", "path: '' is not valid: a path must not be empty"),
        ("path: out/", "path: this is not the name of a file"),
        ("path: '.'", "path: this is not the name of a file"),
        ("path: a/..", "path: this is not the name of a file"),
        ('path: "a\\0b"', "is not valid: a path is text on one line, without control characters"),
        ("path: o, columns: [notes]", "columns: this is for format: csv"),
        ("path: o, rows: line", "rows: this is for format: csv"),
        ("path: o, format: csv, columns: [note]", "columns: 'note' is no column: there is external_id, source"),
        (
            "path: o, format: csv, columns: [lines.sku]",
            "columns: 'lines.sku' is no column; name an element: lines.0.sku",
        ),
        ("path: o, format: csv, columns: [customer.city]", "columns: 'customer.city' is no column: there is id, name"),
        ("path: o, format: csv, columns: [notes.x]", "columns: 'notes.x' is no column: notes has no parts"),
        ("path: o, format: csv, columns: [notes, notes]", "columns: the same column is there twice"),
        ("path: o, format: xml", "format: 'xml' is not one of csv, jsonl"),
        ("path: o, rotate: hourly", "rotate: 'hourly' is not one of daily, none"),
    ],
)
def test_a_mistake_is_found_when_the_settings_are_read(own: str, words: str) -> None:
    """Before the first order, at its line."""
    (line,) = mistakes(own)
    assert line.startswith("settings.yaml:2:")
    assert words in line


@pytest.mark.parametrize(
    ("own", "mapping"),
    [
        ("columns: [number, notes]", "{number: =reference}"),
        ("columns: [number, buyer.name]", "{archive: {defaults: false, number: =reference, buyer: {name: x}}}"),
        ("columns: [whatever]", "users_module:to_line"),
        ("rows: line, columns: [lines.article]", "{defaults: false, lines: {each: =lines, do: {article: =item.sku}}}"),
    ],
)
def test_a_column_may_be_what_the_mapping_gives(own: str, mapping: str) -> None:
    """A key of the route's own is a column like those of an order; the result of a function is unknown before."""
    assert mistakes(f"path: o.csv, format: csv, {own}", mapping) == []


@pytest.mark.parametrize(
    ("own", "mapping", "words"),
    [
        ("columns: [nubmer]", "{number: =reference}", "'nubmer' is no column: there is external_id, source"),
        (
            "columns: [notes]",
            "{defaults: false, number: x}",
            "'notes' is no column; the mapping gives external_id,",
        ),
        (
            "columns: []",
            "{defaults: false, number: x}",
            "name them, as defaults is false; the mapping gives",
        ),
        (
            "rows: line, columns: [number]",
            "{defaults: false, number: x}",
            "rows: there are no lines to have a row",
        ),
    ],
)
def test_a_column_that_no_mapping_gives(own: str, mapping: str, words: str) -> None:
    """It would be empty in every row: found when the settings are read."""
    (line,) = mistakes(f"path: o.csv, format: csv, {own}", mapping)
    assert line.startswith("settings.yaml:2:")
    assert words in line


def test_lines_that_are_no_list_are_refused() -> None:
    """A mapping may replace the lines by any value, but then there is no row for each."""
    with pytest.raises(RejectedError, match="no list"):
        CsvRows(["lines.sku"], per_line=True).written(Delivery("shop-1", b'{"lines": 5}'))
    assert CsvRows(["lines"], per_line=False).written(Delivery("shop-1", b'{"lines": 5}')) == b"shop-1,5\n"
