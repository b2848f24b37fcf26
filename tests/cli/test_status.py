"""`connector status`, `orders` and `show` as processes of their own, over a journal that could come from a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.clock import SystemClock
from connector.journal.records import Arrival
from connector.journal.sqlite import SqliteJournal
from tests.cli.process import Vendors, ended, run, started
from tests.journal.filled import MISSING, STATES, Filler, fill

SETTINGS = """\
sources:
  shop: {type: propeller, base_url: "http://127.0.0.1:1", token: a-token}
  depot: {type: propeller, base_url: "http://127.0.0.1:1", token: a-token}
receivers:
  warehouse:
    type: ewarehousing
    base_url: http://127.0.0.1:1
    username: me
    password: a-password
    wms_code: DEV
    customer_code: ME
    rate_limit: 60/min
    concurrency: 3
routes:
  - {source: shop, receivers: [warehouse]}
  - {source: depot, receivers: [warehouse]}
"""

SEEN: dict[str, object] = {"unlisted": 0, "unreadable": [], "listed_again": 0}
"""Fields of `status --json` for a feed without unreadable or unlisted orders."""

EVIL = "1\x1b[2J\x9b31m\u202e\r\n\x00"
"""Clears a screen, changes colours, turns the direction of writing and goes to another line."""


def settings(folder: Path) -> None:
    """Write the settings of two shops without a server."""
    (folder / "settings.yaml").write_text(SETTINGS, "utf-8")


@asynccontextmanager
async def in_use(folder: Path) -> AsyncIterator[Filler]:
    """Fill the journal in `folder` with an order in every state, 100 seconds old, and keep it open."""
    settings(folder)
    journal = await SqliteJournal.open(folder / "connector.db", SystemClock())
    try:
        yield await fill(journal, datetime.now(UTC) - timedelta(seconds=100))
    finally:
        await journal.aclose()


def names(folder: Path) -> list[str]:
    """Return the names of the files in `folder`."""
    return sorted(path.name for path in folder.iterdir())


async def read(*arguments: str, folder: Path) -> Any:
    """Run a command that must succeed without output on stderr; return its JSON."""
    found = await run(*arguments, "--json", folder=folder)
    assert (0, "") == (found.code, found.err)
    return json.loads(found.out)


async def test_status_for_programs(tmp_path: Path) -> None:
    """All configured endpoints are listed, with counts, the age of the oldest pending acknowledgement, and limits."""
    async with in_use(tmp_path) as shop:
        found = await read("status", folder=tmp_path)

    age = found["sources"]["shop"].pop("oldest_unacknowledged_seconds")
    poll = datetime.fromisoformat(found["sources"]["shop"].pop("last_poll"))
    assert 99 <= age < 140
    assert timedelta(0) == poll.utcoffset()
    assert abs(poll - shop.at) < timedelta(milliseconds=1)
    assert {
        "sources": {
            "shop": {"orders": Counter(STATES.values()), "parked_reports": 0, **SEEN},
            "depot": {
                "orders": {},
                "oldest_unacknowledged_seconds": None,
                "last_poll": None,
                "parked_reports": 0,
                **SEEN,
            },
        },
        "receivers": {
            "warehouse": {
                "deliveries": {
                    "new": 1,
                    "delivering": 2,
                    "in_doubt": 1,
                    "delivered": 4,
                    "held": 2,
                    "rejected": 1,
                    "skipped": 1,
                },
                "breaker": "open",
                "reason": "the warehouse is down",
                "rate_limit": "60/min",
                "concurrency": 3,
            }
        },
    } == found


async def test_status_for_people(tmp_path: Path) -> None:
    """The output has a table of sources, a table of receivers, and a line for each problem."""
    async with in_use(tmp_path):
        found = await run("status", folder=tmp_path)

    assert (0, "") == (found.code, found.err)
    lines = [line.split() for line in found.out.splitlines()]
    head = "SOURCE NEW DELIVERING IN DOUBT DELIVERED ACKNOWLEDGED HELD REJECTED SKIPPED OLDEST UNACKNOWLEDGED LAST POLL"
    assert head.split() == lines[0]
    assert ["shop", *"12121311"] == lines[1][:9]
    assert lines[1][9] in ("1m", "2m")
    assert "ago" == lines[1][-1]
    assert ["depot", *"00000000--"] == lines[2]
    assert f"2 held: {MISSING}\n" in found.out
    assert "1 held: acknowledgement refused\n" in found.out
    assert "1 rejected: no such article\n" in found.out
    assert "shop: the last poll failed: the shop answered 502\n" in found.out
    assert "warehouse: paused, the warehouse is down\n" in found.out


async def test_without_a_journal_there_are_no_orders(tmp_path: Path) -> None:
    """Before the first run all counts are zero; stderr reports that, exit 0, and no file is created."""
    settings(tmp_path)

    status = await run("status", "--json", folder=tmp_path)
    orders = await run("orders", "--json", folder=tmp_path)
    show = await run("show", "shop", "1", folder=tmp_path)

    assert (0, 0, 1) == (status.code, orders.code, show.code)
    found = json.loads(status.out)
    assert ["shop", "depot"] == list(found["sources"])
    nothing = {"orders": {}, "oldest_unacknowledged_seconds": None, "last_poll": None, "parked_reports": 0, **SEEN}
    assert nothing == found["sources"]["shop"]
    assert "closed" == found["receivers"]["warehouse"]["breaker"]
    assert [] == json.loads(orders.out)
    for each in (status, orders, show):
        said = f"{tmp_path / 'connector.db'}: there is no journal yet; `connector run` starts one"
        assert said == each.err.splitlines()[0]
    assert ["settings.yaml"] == names(tmp_path)


async def test_what_is_no_longer_configured_is_still_shown(tmp_path: Path) -> None:
    """Orders of a source that is no longer in the settings are still counted."""
    async with in_use(tmp_path) as shop:
        old = Filler(shop.journal, shop.at, "old", "gone")
        await old.list(old.arrival("1"))
        found = await read("status", folder=tmp_path)

    assert {"new": 1} == found["sources"]["old"]["orders"]
    gone = found["receivers"]["gone"]
    assert ({"new": 1}, None, None) == (gone["deliveries"], gone["rate_limit"], gone["concurrency"])


async def test_orders_for_programs(tmp_path: Path) -> None:
    """Every order is listed once, the oldest first, in the documented form."""
    async with in_use(tmp_path) as shop:
        found = await read("orders", folder=tmp_path)

    assert list(STATES.items()) == [(each["order_id"], each["state"]) for each in found]
    acked = found[0]
    updated = datetime.fromisoformat(acked.pop("updated_at"))
    assert abs(updated - shop.at) < timedelta(milliseconds=1)
    assert {
        "source": "shop",
        "order_id": "acked",
        "external_id": "shop-acked",
        "state": "acknowledged",
        "cause": None,
        "attempts": 1,
        "receivers": {"warehouse": {"state": "delivered", "receipt": "id-acked"}},
    } == acked
    sending = next(each for each in found if each["order_id"] == "sending")
    assert {"warehouse": {"state": "delivering", "receipt": None}} == sending["receivers"]


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        (["--state", "held"], ["bare", "unfit", "parked"]),
        (["--state", "delivering"], ["sending", "waiting"]),
        (["--state", "vanished"], []),
        (["--cause", MISSING], ["bare", "unfit"]),
        (["--cause", MISSING, "--limit", "1"], ["bare"]),
        (["--source", "depot"], ["acked"]),
        (["--source", "shop", "--state", "acknowledged"], ["acked"]),
    ],
)
async def test_orders_by_filter(tmp_path: Path, filters: list[str], ids: list[str]) -> None:
    """Filters combine, and the limit selects the oldest orders."""
    async with in_use(tmp_path) as shop:
        depot = Filler(shop.journal, shop.at, "depot")
        await depot.list(depot.arrival("acked"))
        found = await read("orders", *filters, folder=tmp_path)

    assert ids == [each["order_id"] for each in found]


async def test_orders_for_people(tmp_path: Path) -> None:
    """The table shows the place and the cause of each order; the filters work there too."""
    async with in_use(tmp_path):
        found = await run("orders", "--cause", MISSING, folder=tmp_path)

    assert (0, "") == (found.code, found.err)
    head, *rows = found.out.splitlines()
    assert ["SOURCE", "ORDER", "STATE", "TRIES", "UPDATED", "RECEIVERS", "CAUSE"] == head.split()
    assert ["bare", "unfit"] == [row.split()[1] for row in rows]
    assert all(row.endswith(MISSING) for row in rows)


@pytest.mark.slow
async def test_a_screenful_is_enough_unless_more_is_asked_for(tmp_path: Path) -> None:
    """A table has the first 1,000 orders and a note on stderr; JSON, or a limit, gives as many as requested."""
    async with in_use(tmp_path) as shop:
        depot = Filler(shop.journal, shop.at, "depot")
        await depot.list(*(depot.arrival(str(number)) for number in range(1200)))
        some = await run("orders", "--source", "depot", folder=tmp_path)
        most = await run("orders", "--source", "depot", "--limit", "1100", folder=tmp_path)
        found = await read("orders", "--source", "depot", folder=tmp_path)

    assert (1001, 1101) == (len(some.out.splitlines()), len(most.out.splitlines()))
    assert "only the first 1000 are shown" in some.err
    assert "" == most.err
    assert [str(number) for number in range(1200)] == [each["order_id"] for each in found]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["orders", "--state", "lost"], "'lost' is not one of 'new', 'delivering', 'in_doubt'"),
        (["orders", "--source", "shpo"], "there is no source 'shpo'; did you mean 'shop'?"),
        (["orders", "--limit", "0"], "0 is not in the range x>=1"),
        (["show", "shop"], "Missing argument 'ID'"),
        (["stauts"], "No such command 'stauts'. Did you mean 'status'?"),
    ],
)
async def test_usage(tmp_path: Path, arguments: list[str], words: str) -> None:
    """A wrong argument is exit 2 with the valid ones, and nothing on stdout."""
    async with in_use(tmp_path):
        found = await run(*arguments, folder=tmp_path)

    assert (2, "") == (found.code, found.out)
    assert words in found.err


async def test_a_cause_that_nobody_waits_for(tmp_path: Path) -> None:
    """A misspelt cause gives an empty list, and similar causes on stderr."""
    async with in_use(tmp_path):
        found = await run("orders", "--cause", "missing field: shiping_address", "--json", folder=tmp_path)

    assert (0, []) == (found.code, json.loads(found.out))
    assert f"did you mean {MISSING!r}" in found.err


async def test_show_for_programs(tmp_path: Path) -> None:
    """One order has the fields of the list, more about each receiver, the acknowledgement, and its timeline."""
    async with in_use(tmp_path):
        (listed,) = [each for each in await read("orders", folder=tmp_path) if each["order_id"] == "parked"]
        found = await read("show", "shop", "parked", folder=tmp_path)

    same = {"source", "order_id", "external_id", "state", "cause", "attempts", "updated_at"}
    assert {key: listed[key] for key in same} == {key: found[key] for key in same}
    warehouse = found["receivers"]["warehouse"]
    assert ("delivered", "id-parked", "R-parked") == (warehouse["state"], warehouse["receipt"], warehouse["reference"])
    assert {
        "state": "parked",
        "outcome": "exported",
        "message": "warehouse: R-parked",
        "attempts": 1,
        "reason": "the order is not there any more",
        "failures": 0,
    } == found["acknowledgement"]
    steps = ["found", "intent", "delivered", "acknowledgement due", "acknowledgement refused"]
    assert steps == [each["what"] for each in found["timeline"]]
    times = [datetime.fromisoformat(each["at"]) for each in found["timeline"]]
    assert sorted(times) == times


async def test_show_for_people(tmp_path: Path) -> None:
    """State and cause come first, then the receivers, then the timeline, the earliest event first."""
    async with in_use(tmp_path):
        found = await run("show", "shop", "bare", folder=tmp_path)

    assert (0, "") == (found.code, found.err)
    lines = found.out.splitlines()
    assert f"shop bare  held  {MISSING}" == lines[0]
    assert "external id shop-bare" in lines[1]
    assert lines[-2].split()[1:] == ["found", "listed", "by", "shop"]
    assert lines[-1].endswith(f"held   warehouse: {MISSING}: the order has no address")


@pytest.mark.parametrize(
    ("source", "order_id", "words"),
    [
        ("shop", "untolt", "did you mean `connector show shop untold`"),
        ("depot", "acked", "did you mean `connector show shop acked`"),
        ("shop", "shop-acked", "did you mean `connector show shop acked`"),
        ("shpo", "zzz", "; the sources are shop, depot"),
        ("shop", "\udcff", r"there is no order"),
        ("shop", "\x1b[31m", r"there is no order '\x1b[31m' of source 'shop'"),
    ],
)
async def test_show_an_order_that_is_not_there(tmp_path: Path, source: str, order_id: str, words: str) -> None:
    """An unknown order is one line on stderr with similar orders, and exit 1."""
    async with in_use(tmp_path):
        found = await run("show", source, order_id, folder=tmp_path)

    assert (1, "") == (found.code, found.out)
    assert words in found.err
    assert 1 == len(found.err.splitlines())


@pytest.mark.slow
@pytest.mark.attack(16)
async def test_foreign_text_does_not_steer_the_terminal(tmp_path: Path) -> None:
    """Control characters in text from a vendor are escaped, in tables and in JSON, and stay on their line."""
    async with in_use(tmp_path) as shop:
        depot = Filler(shop.journal, shop.at, "depot")
        arrival = depot.arrival(EVIL)
        fields = {name: getattr(arrival, name) for name in arrival.__struct_fields__}
        await depot.list(Arrival(**fields | {"state": "held", "cause": f"cause {EVIL}", "detail": EVIL}))
        texts = [
            await run(*arguments, *form, folder=tmp_path)
            for arguments in (["status"], ["orders", "--source", "depot"])
            for form in ([], ["--json"])
        ]
        ids = [each["order_id"] for each in await read("orders", "--source", "depot", folder=tmp_path)]

    for found in texts:
        assert all(c == "\n" or c.isprintable() for c in found.out + found.err), ascii(found)
    assert r"1 held: cause 1\x1b[2J\x9b31m\u202e\r\n\x00" in texts[0].out
    assert 2 == len(texts[2].out.splitlines())
    assert [EVIL] == ids


@pytest.mark.slow
async def test_reading_a_run_that_is_going_on(tmp_path: Path) -> None:
    """While `connector run` holds the journal, the reading commands work, and their counts add up."""
    vendors = Vendors(tmp_path, 30, without_address=2, quotations=1)
    async with vendors.serving(), started("run", "--quiet", folder=tmp_path) as process:
        for _ in range(100):
            found = await run("status", "--json", folder=tmp_path)
            counts = json.loads(found.out)["sources"]["shop"]["orders"]
            if counts == {"acknowledged": 27, "held": 2, "skipped": 1}:
                break
        else:
            pytest.fail(f"it ended at {counts}")
        orders = await read("orders", folder=tmp_path)
        process.terminate()
        assert 0 == (await ended(process)).code

    assert counts == Counter(each["state"] for each in orders)
    receipts = {each["receivers"]["warehouse"]["receipt"] for each in orders if each["state"] == "acknowledged"}
    assert 27 == len(receipts)
    assert None not in receipts
    after = await run("status", "--json", folder=tmp_path)
    assert counts == json.loads(after.out)["sources"]["shop"]["orders"]
