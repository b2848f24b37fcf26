"""A CSV file loses no value of the JSON form; a setting decides about texts that look like formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from connector.errors import RejectedError, SettingsError
from connector.mapping.plain import plain_order
from connector.order import Document, Order
from connector.receivers.base import Delivery
from connector.receivers.file.columns import Kind, defaults, kind
from connector.receivers.file.rows import CsvRows, Formulas
from connector.receivers.file.settings import FileSettings, FormulaSettings
from connector.settings import parse
from tests.receivers.file.bench import delivery, held, receiver
from tests.settings.vendors import SOURCES


def full(kind_of: inspect.Type, name: str) -> Any:
    """Return a value of a type with every text, amount and time set, each with its own name."""
    if isinstance(kind_of, inspect.Metadata):
        return full(kind_of.type, name)
    if isinstance(kind_of, inspect.UnionType):
        return full(next(each for each in kind_of.types if not isinstance(each, inspect.NoneType)), name)
    if isinstance(kind_of, inspect.StructType):
        return kind_of.cls(**{each.name: full(each.type, f"{name}-{each.name}") for each in kind_of.fields})
    if isinstance(kind_of, inspect.VarTupleType):
        return tuple(full(kind_of.item_type, f"{name}{number}") for number in (1, 2))
    if isinstance(kind_of, inspect.DictType):
        return {f"{name}.key": f"{name}-value"}
    if isinstance(kind_of, inspect.LiteralType):
        return kind_of.values[0]
    amount = Decimal(sum(name.encode())) / 100
    return {
        inspect.StrType: name,
        inspect.DecimalType: amount,
        inspect.DateTimeType: datetime(2026, 3, 24, 9, 26, 7, tzinfo=UTC),
        inspect.DateType: date(2026, 3, 27),
        inspect.BoolType: True,
        inspect.IntType: 7,
        inspect.BytesType: b"%PDF",
    }[type(kind_of)]


def leaves(value: Any) -> Iterator[str]:
    """Yield every leaf of a JSON value, as it is written."""
    if isinstance(value, dict):
        for each in value.values():
            yield from leaves(each)
    elif isinstance(value, list):
        for each in value:
            yield from leaves(each)
    else:
        yield value if isinstance(value, str) else msgspec.json.encode(value).decode()


@pytest.mark.fault(154)
@pytest.mark.parametrize("per_line", [False, True])
def test_the_default_columns_hold_every_leaf_of_the_json_form(per_line: bool) -> None:
    """Rows, names, phones, dates and amounts: all values of an order, and future fields."""
    order: Order = full(inspect.type_info(Order), "order")
    body = msgspec.json.encode(plain_order(order))
    rows = CsvRows(defaults(per_line=per_line), per_line=per_line)
    written = rows.header + rows.written(Delivery(order.external_id, body))
    header, *found = csv.reader(io.StringIO(written.decode(), newline=""), strict=True)
    assert {len(each) for each in found} == {len(header)}
    assert len(found) == (2 if per_line else 1)
    there = set()
    for cell in (cell for row in found for cell in row):
        there.add(cell)
        if cell.startswith(("[", "{")):
            there.update(leaves(msgspec.json.decode(cell)))
    wanted = list(leaves(msgspec.json.decode(body)))
    assert isinstance(order.documents[0], Document)
    assert len(wanted) > 100
    assert [leaf for leaf in wanted if leaf not in there] == []


def test_a_column_that_a_mapping_adds_has_to_be_named() -> None:
    """The default columns are those of an order; further values of a mapping would be lost without a notice."""
    own = FileSettings(path="o.csv", format="csv")
    assert own.problems_with([{"notes": "=reference"}, None]) == []
    ((key, text),) = own.problems_with([{"channel": "web"}])
    assert (key, text) == ("columns", "name them; the mapping gives channel, which have no column else")


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("delivery_address.phone", "phone"),
        ("contacts.0.phone", "phone"),
        ("work_phone", "phone"),
        ("lines.sku", "code"),
        ("references.0", "code"),
        ("notes", "text"),
        ("metadata.0", "text"),
    ],
)
def test_the_kind_of_a_column_is_told_by_its_name(column: str, expected: Kind) -> None:
    """By the last part that is no number."""
    assert kind(column) == expected


BODY = b'{"contact": {"phone": "+31 20 1234567"}, "reference": "-A1", "notes": "=1+1", "totals": {"tax": "-5.00"}}'
COLUMNS = ["contact.phone", "reference", "notes", "totals.tax"]


@pytest.mark.fault(154)
@pytest.mark.parametrize(
    ("formulas", "cells"),
    [
        ({}, ["'+31 20 1234567", "'-A1", "'=1+1", "-5.00"]),
        ({"phone": "allow"}, ["+31 20 1234567", "'-A1", "'=1+1", "-5.00"]),
        ({"phone": "allow", "code": "allow"}, ["+31 20 1234567", "-A1", "'=1+1", "-5.00"]),
        ({"phone": "allow", "code": "allow", "text": "allow"}, ["+31 20 1234567", "-A1", "=1+1", "-5.00"]),
    ],
)
def test_the_apostrophe_can_be_switched_off_by_kind_of_column(formulas: dict[Kind, Formulas], cells: list[str]) -> None:
    """A phone number with one before it is another text to a program that reads the file."""
    rows = CsvRows(COLUMNS, per_line=False, formulas=formulas)
    (found,) = csv.reader(io.StringIO(rows.written(Delivery("shop-1", BODY)).decode(), newline=""))
    assert found == ["shop-1", *cells]


def test_an_order_can_be_refused_for_it() -> None:
    """Neither changed nor written; the reason names the column, and not its content."""
    rows = CsvRows(COLUMNS, per_line=False, formulas={"text": "refuse"})
    with pytest.raises(RejectedError, match="notes begins like a formula"):
        rows.written(Delivery("shop-1", BODY))
    assert rows.written(Delivery("shop-1", BODY.replace(b"=1+1", b"1+1")))


async def test_the_setting_reaches_the_file(tmp_path: Path) -> None:
    """One word for all columns, or one for each kind."""
    for number, formulas in enumerate(("allow", FormulaSettings(phone="allow"))):
        own: dict[str, Any] = {"format": "csv", "columns": COLUMNS, "formulas": formulas}
        async with receiver(tmp_path / f"{number}.csv", **own) as made:
            await made.create(Delivery("shop-1", BODY))
    assert "+31 20 1234567,-A1,=1+1," in (tmp_path / "0.csv").read_text()
    assert "+31 20 1234567,'-A1,'=1+1," in (tmp_path / "1.csv").read_text()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("formulas: allow", "receivers.archive.formulas: this is for format: csv"),
        ("format: csv\n    formulas: never", "receivers.archive.formulas: 'never' is not one of allow, escape, refuse"),
        ("format: csv\n    formulas: {phones: allow}", "did you mean 'phone'?"),
    ],
)
def test_a_mistake_in_it_is_found_when_the_settings_are_read(keys: str, words: str) -> None:
    """At its line and column."""
    text = f"""\
sources: {{shop: {{type: shop, base_url: "https://shop.example", token: abc}}}}
receivers:
  archive:
    type: file
    path: orders.csv
    {keys}
routes: [{{source: shop, receivers: [archive]}}]
"""
    with pytest.raises(SettingsError) as caught:
        parse(text, sources=SOURCES, receivers={"file": FileSettings}, environ={})
    assert words in str(caught.value)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
async def test_a_byte_order_mark_is_read_over(tmp_path: Path, form: str, end: bytes) -> None:
    """A spreadsheet that saved the file put it there; the rows are known, and the next ones follow."""
    path = tmp_path / "orders"
    async with receiver(path, format=form) as made:
        for number in "12":
            await made.create(delivery(made, number))
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", end))
    (tmp_path / ".orders.handed").unlink()
    async with receiver(path, format=form) as made:
        assert await made.find("shop-1") is not None
        await made.create(delivery(made, "3"))
    path.write_bytes(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    assert held(path, form) == ["shop-1", "shop-2", "shop-3"]
