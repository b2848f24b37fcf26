"""Examples of a mapping: those of the project, and the report for one that fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

from connector import SettingsError, load_settings
from connector.cli import test as cli
from connector.clock import SystemClock
from connector.mapping.examples import Result, run
from connector.registry import make_receivers, make_sources
from connector.settings import Settings

HERE = Path(__file__).parent / "examples"
SETTINGS = HERE / "settings.yaml"
FILES = sorted(HERE.glob("[!s]*.yaml"))

Run = Callable[[Path], list[Result]]


async def examples_of(path: Path, settings: Settings | None = None) -> list[Result]:
    """Run a file of examples."""
    settings = settings or load_settings(SETTINGS, {})
    clock = SystemClock()
    sources, receivers = make_sources(settings, clock, {}), make_receivers(settings, clock, {})
    try:
        return run(settings, path, sources, receivers)
    finally:
        for source in sources.values():
            await source.aclose()
        for receiver in receivers.values():
            await receiver.aclose()


async def said(folder: Path, text: str) -> list[str]:
    """Return the differences of the only example in a file."""
    path = folder / "mine.yaml"
    path.write_text("examples:\n" + text, "utf-8")
    (result,) = await examples_of(path)
    return list(result.differences)


async def mistakes(folder: Path, text: str, settings: Settings | None = None) -> list[str]:
    """Return the mistakes of a file, without its name."""
    path = folder / "mine.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError) as caught:
        await examples_of(path, settings)
    return [line.partition("mine.yaml:")[2] for line in caught.value.problems]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
async def test_the_examples_come_out_as_they_say(path: Path) -> None:
    """With the settings beside them: from the order as listed to the request, or to the cause of its hold."""
    results = await examples_of(path)
    assert [(result.name, result.differences) for result in results] == [(result.name, ()) for result in results]
    assert results


ORDER = """\
  - name: mine
    canonical:
      reference: A
      created_at: 2026-03-24T09:26:07Z
      currency: EUR
      lines: [{sku: A, name: one, quantity: 1, unit_price: 0.1}]
      delivery_address: {company: Depot, street: Dam 1, city: Amsterdam, postal_code: 1012JS, country: NL}
"""
ALL = """\
    request:
      external_reference: shop-1
      external_id: shop-1
      po_number: PO-A
      order_lines: [{article_code: A, quantity: 1, description: one, price: 10}]
      shipping_address:
        {addressed_to: Depot, street: Dam, street_number: "1", zipcode: 1012JS, city: Amsterdam, country: NL}
      shipping_contactperson: Depot
      requested_delivery_date: 2026-03-25
      meta_data:
        {created_at: "2026-03-24T09:26:07+00:00", source: shop, source_order_id: "1", reference: A, channel: web}
      currency: EUR
"""


@pytest.mark.parametrize(
    ("old", "new", "differences"),
    [
        ("", "", []),
        ("po_number: PO-A", "po_number: PO-B", ['po_number: expected "PO-B", sent "PO-A"']),
        ("      po_number: PO-A\n", "", ['po_number: not expected, sent "PO-A"']),
        ("po_number: PO-A", "po_number: PO-A\n      note: x", ['note: expected "x", not sent']),
        ("po_number: PO-A", "po_number: PO-A\n      note: null", []),
        ("price: 10", "price: 11.5", ["order_lines[0].price: expected 11.5, sent 10"]),
        ("price: 10", "price: 10.0", []),
        ("quantity: 1", "quantity: true", ["order_lines[0].quantity: expected true, sent 1"]),
        ('"1", zip', '"2", zip', ['shipping_address.street_number: expected "2", sent "1"']),
        ("price: 10}]", "price: 10}, {article_code: B}]", ['order_lines[1]: expected {"article_code":"B"}, not sent']),
        ("[{article_code: A, quantity: 1, description: one, price: 10}]", "x", ['order_lines: expected "x", sent [']),
    ],
)
async def test_a_difference_is_a_line(tmp_path: Path, old: str, new: str, differences: list[str]) -> None:
    """The path, the value expected, and the value that would be sent."""
    found = await said(tmp_path, ORDER + ALL.replace(old, new, 1))
    assert len(found) == len(differences)
    assert all(line.startswith(expected) for line, expected in zip(found, differences, strict=True))


async def test_some_of_it_is_enough(tmp_path: Path) -> None:
    """`contains` ignores keys that it does not name, at any depth."""
    assert await said(tmp_path, ORDER + "    contains: {order_lines: [{price: 10}], currency: EUR}\n") == []
    found = await said(tmp_path, ORDER + "    contains: {order_lines: [{price: 11}], note: x}\n")
    assert found == ["order_lines[0].price: expected 11, sent 10", 'note: expected "x", not sent']


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ("held: x", "expected to be held for 'x', it would be sent: {"),
        ("contains: {note: x}", "note: expected"),
    ],
)
async def test_an_order_that_goes_out(tmp_path: Path, expected: str, words: str) -> None:
    """Although it should be held, or with another request."""
    (line,) = await said(tmp_path, ORDER + f"    {expected}\n")
    assert line.startswith(words)


async def test_an_order_that_is_held(tmp_path: Path) -> None:
    """For another cause than expected, or although it should be sent."""
    order = "  - name: mine\n    order: {id: 1, items: []}\n"
    assert await said(tmp_path, order + "    held: x\n") == [
        "expected to be held for 'x', it was held for 'missing field: shipping_address'"
    ]
    assert await said(tmp_path, order + "    contains: {}\n") == ["it was held for 'missing field: shipping_address'"]
    (line,) = await said(tmp_path, "  - name: mine\n    order: {id: x, items: []}\n    contains: {}\n")
    assert line.startswith("it was held for 'unreadable order': the id is not a number")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("examples: []\n", "1:11: examples: must have at least 1 item(s)"),
        ("", "1:1: the file is empty; write examples: followed by a list"),
        ("- a\n", "1:1: the file is not a mapping; write examples: followed by a list"),
        ("a: [\n", "2:1: this is not YAML"),
        ("exmples: []\n", "1:1: exmples: unknown key, did you mean 'examples'?"),
        (
            "examples:\n  - {name: a, order: {}, canonical: {}, held: x}\n",
            "2:5: examples.0: write exactly one of order, canon",
        ),
        ("examples:\n  - {name: a, order: {}}\n", "2:5: examples.0: write exactly one of request, contains, held"),
        ("examples:\n  - {name: a, order: {}, hold: x}\n", "2:26: examples.0.hold: unknown key, did you mean 'held'?"),
        ("examples:\n  - {order: {}, held: x}\n", "2:5: examples.0: the key 'name' is missing"),
        ("examples:\n  - {name: a, source: b, order: {}, held: x}\n", "2:23: examples.0.source: write source: with"),
        ("examples:\n  - {name: a, receiver: b, order: {}, held: x}\n", "2:25: examples.0.receiver: write receiver:"),
        ("examples:\n  - {name: a, canonical: {lines: 5}, held: x}\n", "2:26: examples.0.canonical: this is"),
        (
            "examples:\n  - {name: a, canonical: {lines: [{skuu: A}]}, held: x}\n",
            "2:36: examples.0.canonical.lines.0.skuu: line has no such key, did you mean 'sku'?",
        ),
    ],
)
async def test_a_mistake_in_the_file_has_its_place(tmp_path: Path, text: str, line: str) -> None:
    """As in the settings."""
    assert [each for each in await mistakes(tmp_path, text) if each.startswith(line)]


async def test_an_example_says_which_ends_it_is_for_where_there_are_several(tmp_path: Path) -> None:
    """The source and the receiver are not guessed."""
    settings = load_settings(SETTINGS, {})
    several = msgspec.structs.replace(
        settings,
        sources={**settings.sources, "other": settings.sources["shop"]},
        receivers={**settings.receivers, "more": settings.receivers["warehouse"]},
        routes=[msgspec.structs.replace(settings.routes[0], receivers=["warehouse", "more"], mapping=None)],
    )
    text = "examples:\n  - {name: a, order: {}, held: x}\n  - {name: b, source: shop, order: {}, held: x}\n"
    assert await mistakes(tmp_path, text, several) == [
        "2:5: examples.0: write source: with one of shop",
        "3:5: examples.1: write receiver: with one of the receivers of shop: warehouse, more",
    ]


async def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(SettingsError, match=r"mine\.yaml: the file cannot be read: No such file"):
        await examples_of(tmp_path / "mine.yaml")


@click.group()
@click.option("--settings")
def root(settings: str) -> None:
    """Stand in for the root group of the real command line."""


root.add_command(cli.command)


def test_the_command_tells_and_exits_1_when_one_fails(tmp_path: Path) -> None:
    """One line for each example that passes; the differences for each that fails."""
    path = tmp_path / "mine.yaml"
    path.write_text("examples:\n" + ORDER + "    contains: {po_number: x}\n" + ORDER + ALL, "utf-8")
    found = CliRunner().invoke(root, ["--settings", str(SETTINGS), "test", str(path)])
    assert found.exit_code == 1
    assert found.stdout.splitlines() == [
        f"FAILED  mine ({path}:2)",
        '          po_number: expected "x", sent "PO-A"',
        "ok      mine",
        "2 example(s), 1 failed",
    ]


def test_the_command_exits_0_when_all_is_well() -> None:
    """Several files at once."""
    found = CliRunner().invoke(root, ["--settings", str(SETTINGS), "test", *map(str, FILES)])
    assert (found.exit_code, found.stdout.splitlines()[-1]) == (0, "4 example(s), 0 failed")
