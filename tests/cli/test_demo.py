"""`connector demo` as a process of its own."""

from __future__ import annotations

import asyncio
import re
import signal
from collections import Counter
from pathlib import Path

import pytest

from connector.sandbox.records import Feed, feeds
from connector.sandbox.vendors import build_vendors
from tests.cli.process import ended, run, started


def _environ(folder: Path) -> dict[str, str]:
    """Return an environment with a known temporary folder and with settings that the demo must ignore."""
    (folder / "tmp").mkdir()
    (folder / "work").mkdir()
    return {"TMPDIR": str(folder / "tmp"), "EWH_USERNAME": "nobody", "CONNECTOR_JOURNAL": str(folder / "work" / "x.db")}


def _left(folder: Path) -> list[Path]:
    return [path for place in ("tmp", "work") for path in (folder / place).iterdir()]


def _records(out: str) -> dict[str, str]:
    """Return the final table by source, its columns separated by one space."""
    rows = [line.split() for line in out.partition("own records:\n")[2].splitlines()[1:5]]
    return {row[0]: " ".join(row[1:]) for row in rows}


async def test_the_demo_shows_a_lost_answer_and_proves_that_each_order_is_there_once(tmp_path: Path) -> None:
    """The demo delivers 207 orders of four sources once, in spite of a lost response, and exits with 0."""
    environ = _environ(tmp_path)
    ended = await run("demo", folder=tmp_path / "work", environ=environ)

    assert 0 == ended.code, ended
    assert {
        "shop": "117 117 0 117 0 warehouse",
        "wholesale": "30 30 0 30 0 warehouse",
        "production": "30 30 0 30 0 erp and archive",
        "transport": "30 30 0 30 0 warehouse",
    } == _records(ended.out)
    assert "not delivered: 1 order without an address and 2 quotations in the shop" in ended.out
    assert "is held until an operator acts: missing field: shipping_address" in ended.out
    assert "is skipped: quotation" in ended.out
    assert "A second poll of the four feeds created and marked nothing." in ended.out
    lost = re.search(r"(\w+-\d+): THE ANSWER TO ITS CREATE WAS LOST", ended.out)
    assert lost
    assert f"{lost[1]}: looked up and found as ORD" in ended.out
    assert f"The timeline of one order, {lost[1]}:" in ended.out
    assert "connector sandbox" in ended.out.partition("Next:")[2]
    assert len(ended.out.splitlines()) <= 50
    assert [] == _left(tmp_path)


async def test_the_demo_adds_a_missing_code_and_reports_a_shipment(tmp_path: Path) -> None:
    """Orders held for a code are delivered once it is added, and a shipment is reported to the carrier."""
    ended = await run("demo", folder=tmp_path)

    before, _, rest = ended.out.partition("The code ")
    after, _, shipped = rest.partition("The warehouse ships ")
    held = re.search(r"(wholesale-\d+) is held until a code is added: missing code: (\w+)/(\w+)\n", before)
    assert held, before
    assert re.match(
        rf"{held[3]} is added to the table {held[2]}, and the settings are reloaded: "
        r"\d+ orders? (is|are) released\.\n",
        after,
    )
    assert f"{held[1]} is released, and delivered as ORD" in after
    assert f"{held[1]} is released" not in before
    told = re.match(r"ORD\d+, which is the order transport-(\d+)\.\n", shipped)
    assert told, shipped
    assert f"transport-{told[1]}: reported to its carrier: COMPLETE at PICKUP" in shipped
    assert f"reported to the carrier: {told[1]} is COMPLETE at PICKUP" in shipped


async def test_the_demo_takes_a_number_of_orders_and_a_seed(tmp_path: Path) -> None:
    """`--orders` and `--seed` select the orders of the shop; a handful of orders has no exceptions."""
    environ = _environ(tmp_path)
    ended = await run("demo", "--orders", "4", "--seed", "9", folder=tmp_path / "work", environ=environ)

    assert 0 == ended.code, ended
    assert "4 4 0 4 0 warehouse" == _records(ended.out)["shop"]
    assert "1 1 0 1 0 erp and archive" == _records(ended.out)["production"]


async def test_an_interrupted_demo_leaves_no_file(tmp_path: Path) -> None:
    """Ctrl-C ends the demo and removes its journal."""
    environ = _environ(tmp_path)
    async with started("demo", "--orders", "500", folder=tmp_path / "work", environ=environ) as process:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            while b"THE ANSWER" not in await process.stdout.readline():
                assert process.returncode is None
        process.send_signal(signal.SIGINT)
        interrupted = await ended(process)

    assert 128 + signal.SIGINT == interrupted.code, interrupted
    assert [] == _left(tmp_path)


ONCE = Counter(["shop-1", "shop-2"])


@pytest.mark.parametrize(
    ("there", "told", "good"),
    [
        (ONCE, ONCE, True),
        (ONCE + Counter(["shop-1"]), ONCE, False),
        (ONCE + Counter(["shop-9"]), ONCE, False),
        (Counter(["shop-1"]), ONCE, False),
        (ONCE, Counter(["shop-1"]), False),
        (ONCE, ONCE + Counter(["shop-2"]), False),
        (ONCE, ONCE + Counter(["shop-9"]), False),
    ],
    ids=["all well", "there twice", "there wrongly", "not there", "not told", "told twice", "told wrongly"],
)
def test_the_closing_check_sees_whatever_is_not_as_it_should_be(
    there: Counter[str], told: Counter[str], *, good: bool
) -> None:
    """Only one delivery at every receiver and one acknowledgement per order, and nothing else, is a success."""
    wanted = frozenset(ONCE)

    assert good is Feed("shop", wanted, {"warehouse": there}, told).good
    assert (good or there == ONCE) is Feed("shop", wanted, {"erp": ONCE, "file": there}, ONCE).good


def test_the_closing_check_asks_the_vendors_themselves(tmp_path: Path) -> None:
    """The records come from the stand-ins and the file only, not from the connector."""
    vendors = build_vendors(3, wholesale=2, production=1, transport=1, without_address=1, quotations=1)
    archive = tmp_path / "orders.jsonl"
    archive.write_bytes(b'{"external_id": "production-3101"}\n')
    vendors.erp.put("production-3101")
    vendors.wholesale.marked += [("production-orders", {"production_order_id": 3101}), ("orders", {"order_id": 48202})]
    vendors.transport.statuses += [{"orderId": 12345, "status": "FAILED"}]

    found = {feed.source: feed for feed in feeds(vendors, archive)}

    assert {"shop": 1, "wholesale": 2, "production": 1, "transport": 1} == {n: len(f.wanted) for n, f in found.items()}
    assert found["production"].good
    assert Counter(["wholesale-48202"]) == found["wholesale"].marks
    assert not found["transport"].marks
    assert not found["shop"].good
