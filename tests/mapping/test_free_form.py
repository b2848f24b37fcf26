"""A mapping to a receiver that accepts any JSON object: a webhook, a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from connector import SettingsError, load_settings
from connector.clock import SystemClock
from connector.errors import Unmappable
from connector.mapping.mapper import for_route, mapper
from connector.mapping.plain import PlainOrder, plain_order
from connector.receivers.base import Delivery
from connector.receivers.file.receiver import FileReceiver
from tests.receivers.ewarehousing.test_mapping import PROPELLER

SETTINGS = """\
sources:
  shop: {type: propeller, base_url: "http://127.0.0.1:1", client_id: a, client_secret: b}
receivers:
  archive: {type: file, path: o.csv, format: csv, columns: [nr, total, positions]}
tables:
  units: {"#117": PCE}
routes:
  - source: shop
    receivers: [archive]
    mapping:
      defaults: false
      nr: =reference
      total: =number(totals.including_tax)
      positions:
        each: =lines
        do: {article: =item.sku, unit: "=lookup('units', item.sku)", qty: =number(item.quantity)}
"""


def sent(tree: dict[str, Any]) -> bytes:
    """Return the request that this mapping makes."""
    return mapper(tree, PlainOrder, plain_order)(PROPELLER)


def wire(value: Any) -> bytes:
    """Return the JSON of a value under a new key."""
    return bytes(msgspec.json.decode(sent({"defaults": False, "x": value}), type=dict[str, msgspec.Raw])["x"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=totals.including_tax", b'"129.24"'),
        ("=number(totals.including_tax)", b"129.24"),
        ("=number(lines[0].quantity)", b"2"),
        ("=number('1.50')", b"1.50"),
        ("=number(mapped.totals.tax)", b"23.26"),
        ("=mul(number(lines[0].quantity), `1.5`)", b'"3.0"'),
        ("=number(mul(lines[0].quantity, `1.5`))", b"3.0"),
        ("=cents(totals.including_tax, currency)", b"12924"),
        ("=lines[].number(quantity)", b"[2]"),
        ("={a: number(totals.tax), b: totals.tax}", b'{"a":23.26,"b":"23.26"}'),
        ("=created_at", b'"2026-03-24T09:26:07.333000Z"'),
        ("=cancelled", b"false"),
        (2.5, b"2.5"),
        (7, b"7"),
        ([1.5, {"a": {"b": "=reference"}}], b'[1.5,{"a":{"b":"20106"}}]'),
    ],
)
def test_any_shape_with_any_values(value: Any, expected: bytes) -> None:
    """An amount is text with its digits unless `number()` makes it a number; no float is involved."""
    found = mapper({"x": value}, PlainOrder, plain_order)(PROPELLER)
    assert bytes(msgspec.json.decode(found, type=dict[str, msgspec.Raw])["x"]) == expected


def test_it_lies_over_the_plain_order() -> None:
    """New keys are added, existing keys may change their type, and other keys stay."""
    plain = msgspec.json.decode(mapper(None, PlainOrder, plain_order)(PROPELLER))
    found = msgspec.json.decode(sent({"kind": None, "lines": "=length(lines)", "customer": {"tier": "gold"}, "own": 1}))
    assert found == {
        **{key: value for key, value in plain.items() if key != "kind"},
        "lines": 1,
        "customer": {**plain["customer"], "tier": "gold"},
        "own": 1,
    }


@pytest.mark.parametrize(
    ("value", "cause"), [("=number(reference.x)", ""), ("=number('two')", "mapping failed: x"), ("=number(lines)", "m")]
)
def test_what_is_no_number(value: str, cause: str) -> None:
    """Null stays null; anything else holds the order."""
    if not cause:
        assert sent({"defaults": False, "x": "=number(notes)"}) == b'{"external_id":"shop-20106"}'
        return
    with pytest.raises(Unmappable, match=cause):
        wire(value)


def test_it_is_read_from_settings_and_written_as_a_row(tmp_path: Path) -> None:
    """The user's own shape, with the user's own columns."""
    (tmp_path / "settings.yaml").write_text(SETTINGS, "utf-8")
    found = load_settings(tmp_path / "settings.yaml", {})
    body = for_route(found.routes[0], "archive", PlainOrder, plain_order, found.tables)(PROPELLER)
    receiver = FileReceiver("archive", found.receivers["archive"], SystemClock())
    row = receiver._rows.written(Delivery("shop-20106", body)).decode()
    assert row == 'shop-20106,20106,129.24,"[{""article"":""#117"",""unit"":""PCE"",""qty"":2}]"\n'


def test_a_mistake_in_an_expression_is_found(tmp_path: Path) -> None:
    """At its line and column; keys are free."""
    text = SETTINGS.replace("=reference", "=refrence").replace("'units'", "'unit'")
    (tmp_path / "settings.yaml").write_text(text, "utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path / "settings.yaml", {})
    one, other = caught.value.problems
    assert "settings.yaml:12:11: routes.0.mapping.nr: the order has no 'refrence'" in one
    assert "there is no table 'unit', did you mean 'units'?" in other
