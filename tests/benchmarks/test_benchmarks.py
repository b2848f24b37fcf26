"""The measurements measure the named work: each case delivers every order once, against a stand-in that works."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from tests.benchmarks.cases import Figures, Setting, measure
from tests.benchmarks.check import check
from tests.benchmarks.feeds import BLOCK, FIRST_ID, Feed
from tests.benchmarks.floors import Floor
from tests.benchmarks.journal import full
from tests.benchmarks.processes import StandIn, child, standing_in
from tests.benchmarks.report import table
from tests.benchmarks.shapes import SHAPES, settings
from tests.benchmarks.standin import World
from tests.benchmarks.throughput import compare


@pytest.fixture(scope="module")
def standin() -> Iterator[StandIn]:
    """Return a stand-in of the vendors in a process of its own."""
    with standing_in() as running:
        yield running


@pytest.mark.parametrize("shape", SHAPES)
def test_orders_of_a_feed_are_json_with_ids_of_their_own(shape: str) -> None:
    """However many orders there are, no two have the same id, and each is a whole one."""
    key = {"patch": "id", "tens": "order_id", "fifties": "orderId"}[shape]
    orders = [msgspec.json.decode(text) for text in Feed(shape, 120).page(0, 200)]
    assert [FIRST_ID + number for number in range(120)] == [order[key] for order in orders]


def test_a_feed_shrinks_as_its_orders_are_told() -> None:
    """A page lists the orders that still wait, however deep in the feed it is and whichever orders have left."""
    feed = Feed("patch", 3 * BLOCK)
    for order in (*range(BLOCK + 10), 2 * BLOCK + 5, 2 * BLOCK + 5):
        feed.mark(order)
    waiting = [order for order in range(BLOCK + 10, 3 * BLOCK) if order != 2 * BLOCK + 5]
    assert feed.left == len(waiting)
    for first in (0, 7, BLOCK - 12, BLOCK - 10, 2 * BLOCK - 14, 2 * BLOCK - 11, 2 * BLOCK, 5 * BLOCK):
        assert [feed.text(order) for order in waiting[first : first + 3]] == feed.page(first, 3)


def test_the_stand_in_knows_what_was_done_twice() -> None:
    """An order that was created or acknowledged twice does not count as done once."""
    world = World()
    world.answer(b"POST", b"/benchmark/reset", b'{"shape":"patch","orders":3}')
    for order in (FIRST_ID, FIRST_ID, FIRST_ID + 1):
        world.answer(b"POST", b"/wms/orders/", b'{"external_id":"feed-%d"}' % order)
        world.answer(b"PATCH", b"/v2/orders/id/%d" % order, b"{}")
    state = world.state()
    assert (state["created_once"], state["created_never"], state["told_once"], state["left"]) == (1, 1, 1, 1)
    assert world.answer(b"GET", b"/v2/orders/id/1", b"") is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "shape"),
    [
        ("bare", "patch"),
        ("bare", "tens"),
        ("bare", "fifties"),
        ("kept", "patch"),
        ("kept", "tens"),
        ("connector", "tens"),
        ("connector", "fifties"),
        ("command", "patch"),
    ],
)
def test_every_case_delivers_every_order_once(case: str, shape: str, standin: StandIn, tmp_path: Path) -> None:
    """The measured time is that of the whole work; `measure` raises when any of it was left out, or done twice."""
    found = measure(case, Setting(shape, 130, "asyncio", tmp_path), standin)
    assert found.rate > 0
    assert found.cpu_per_1000 > 0
    assert 1 < found.calls / 130 < 2.2


@pytest.mark.slow
def test_a_case_that_leaves_orders_out_does_not_count(
    standin: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is as fast as not doing it."""
    monkeypatch.setitem(
        measure.__globals__["CASES"], "bare", lambda _setting, _url, folder: child(["-c", "pass"], folder)
    )
    with pytest.raises(RuntimeError, match="did not deliver every order once"):
        measure("bare", Setting("patch", 1, "asyncio", tmp_path), standin)


def test_a_child_that_fails_or_hangs_is_ended_and_told(tmp_path: Path) -> None:
    """A measurement ends, however the measured process ends; the error shows its last words."""
    with pytest.raises(RuntimeError, match=r"ended with 1 after .*no such luck"):
        child(["-c", "raise SystemExit('no such luck')"], tmp_path)
    with pytest.raises(RuntimeError, match="ended with -9"):
        child(["-c", "import threading; threading.Event().wait()"], tmp_path, limit=0.3)


def test_a_floor_is_missed_only_by_the_best_of_two_turns() -> None:
    """Noise is measured again, and cannot make a share better than it is; each of the two shares counts at its best."""
    floors = {"patch": Floor(rate=0.5, cpu=0.5)}

    def measured(*shares: tuple[float, float]) -> tuple[int, list[str]]:
        left = [{"rate_of_bare": rate, "cpu_of_bare": cpu} for rate, cpu in shares]
        rows, missed = check(lambda _shape: left.pop(0), floors)
        return len(rows), missed

    assert measured((0.5, 0.5)) == (1, [])
    assert measured((0.4, 0.6), (0.6, 0.4)) == (2, [])
    assert measured((0.4, 0.6), (0.3, 0.4)) == (2, ["patch: rate 0.400 of the bare loop's, and the floor is 0.500"])


def test_a_full_journal_is_one_that_the_connector_takes_for_its_own(tmp_path: Path) -> None:
    """The file that is made by hand is like that of a run of that many orders, as far as anybody can tell."""
    full(tmp_path / "journal.db", 300)
    database = sqlite3.connect(tmp_path / "journal.db")
    with closing(database):
        assert list(database.execute("SELECT state, count(*) FROM order_states GROUP BY 1")) == [("acknowledged", 300)]
        assert list(database.execute("PRAGMA foreign_key_check")) == []


@pytest.mark.slow
def test_latency_is_of_orders_that_were_delivered(standin: StandIn, tmp_path: Path) -> None:
    """One order at a time appears, and is at the receiver before the next one does."""
    standin.reset("patch", 0)
    file = settings("patch", standin.url, tmp_path)
    child(["-m", "tests.benchmarks.latency", "connector", str(standin.port), str(file), "3", "asyncio"], tmp_path)
    assert len(standin.state()["waited"]) == 3


def test_a_share_is_the_median_of_the_turns() -> None:
    """Each turn is compared with the bare loop of that turn: a slowdown of both in a turn changes no share."""

    def turn(rate: float, cpu: float) -> Figures:
        return Figures(rate, cpu, 50.0, 0.1, 10)

    rounds = {"bare": [turn(1000, 1), turn(100, 2), turn(1000, 1)], "own": [turn(500, 2), turn(50, 4), turn(100, 9)]}
    assert compare(rounds, "own") == (0.5, 0.5)


def test_a_table_is_aligned_and_leaves_the_rounds_to_the_json() -> None:
    """People read the table; the values behind the medians stand in the JSON."""
    rows = [{"measurement": "x", "case": "bare", "peak_mib": 41.26, "n": 12345, "rounds": [1]}]
    assert table(rows) == "case  peak MiB       n\nbare      41.3  12,345\n"
