"""`retry`, `skip`, `replay` and `preview` with the real command."""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from connector.cli import decisions as decide
from connector.journal import decisions
from tests.benchmarks.waiting import CAUSE, waiting
from tests.cli.process import Vendors, run, started


def states(folder: Path) -> dict[str, str]:
    """Return the public state of every order in the journal."""
    with closing(sqlite3.connect(folder / "connector.db")) as db:
        try:
            return dict(db.execute("SELECT order_id, s.state FROM orders JOIN order_states s USING (key)"))
        except sqlite3.OperationalError:
            return {}  # it is just being made


@pytest.mark.slow
async def test_held_orders_are_released_by_cause(tmp_path: Path) -> None:
    """As long as the source is unchanged, a retry holds the orders again; after a skip the exit code is 0."""
    vendors = Vendors(tmp_path, 12, without_address=2)
    async with vendors.serving():
        assert (await vendors.run_once()).code == 1

        retried = await run("retry", "--cause", "missing field: shipping_address", folder=tmp_path)
        assert (retried.code, retried.out.split(" due")[0]) == (0, "2 orders are")
        assert sorted(states(tmp_path).values()).count("new") == 2
        assert (await vendors.run_once()).code == 1

        skipped = await run("skip", "--cause", "missing field: shipping_address", folder=tmp_path)
        assert (skipped.code, skipped.out.split(" skipped")[0]) == (0, "2 orders are")
        assert (await vendors.run_once()).code == 0

    assert vendors.wanted == vendors.created == vendors.told


@pytest.mark.slow
@pytest.mark.parametrize(("command", "after"), [("retry", "new"), ("skip", "skipped")])
async def test_a_decision_by_cause_is_about_that_cause(tmp_path: Path, command: str, after: str) -> None:
    """A decision by cause leaves parts of an order with other causes held; a decision by id covers all parts."""
    vendors = Vendors(tmp_path, 1, without_address=1)
    async with vendors.serving():
        await vendors.run_once()
    with closing(sqlite3.connect(tmp_path / "connector.db")) as db:
        with db:
            db.execute(
                "INSERT INTO deliveries (key, receiver, state, cause) SELECT key, 'b', state, 'no' FROM deliveries"
            )

        def states_there() -> dict[str, str]:
            return dict(db.execute("SELECT receiver, state FROM deliveries"))

        (a,) = states_there().keys() - {"b"}
        assert (await run(command, "--cause", "no", folder=tmp_path)).code == 0
        assert states_there() == {a: "held", "b": after}
        (order_id,) = db.execute("SELECT order_id FROM orders").fetchone()
        assert (await run(command, "shop", order_id, folder=tmp_path)).code == 0
        assert states_there() == {a: after, "b": after}


@pytest.mark.slow
@pytest.mark.parametrize("by_cause", [True, False])
async def test_a_retry_while_the_source_is_told_of_the_failure(tmp_path: Path, by_cause: bool) -> None:
    """During a failure report a retry is refused: an order delivered now would be reported as failed afterwards."""
    vendors = Vendors(tmp_path, 1, without_address=1)
    async with vendors.serving():
        await vendors.run_once()
    with closing(sqlite3.connect(tmp_path / "connector.db")) as db:
        with db:
            db.execute(
                "UPDATE orders SET ack_state = 'pending', ack_outcome = 'failed', ack_message = 'no', ack_at = 0"
            )
            db.execute("UPDATE orders SET ack_state = 'sending'")
        (order_id,) = db.execute("SELECT order_id FROM orders").fetchone()
        how = ("--cause", "missing field: shipping_address") if by_cause else ("shop", order_id)
        made = await run("retry", *how, folder=tmp_path)
        assert (made.code, made.out) == (1, "")
        assert made.err.startswith(
            "1 order is unchanged: a failure report to the source is in progress. Try again in a minute"
        )
        assert db.execute("SELECT state FROM deliveries").fetchall() == [("held",)]


@pytest.mark.slow
async def test_a_retry_reaches_a_running_connector(tmp_path: Path) -> None:
    """A running connector applies a decision from another process without a restart."""
    vendors = Vendors(tmp_path, 3)  # five that are refused in a row, and none accepted, would be our mistake
    vendors.warehouse.articles = frozenset()
    async with vendors.serving():
        await vendors.run_once()
        assert set(states(tmp_path).values()) == {"rejected"}
        vendors.warehouse.articles = None
        async with started("run", "--quiet", folder=tmp_path) as process:
            while not [call for call in vendors.shop.history if call.path == "/v2/orders/search"][1:]:
                await _turn()
            orders = list(vendors.shop.orders)
            told = await run("retry", "shop", *map(str, orders), folder=tmp_path)
            assert told.code == 0, told.err
            while len(vendors.shop.marked) < 3:
                await _turn()
            process.terminate()
            await process.communicate()

    assert vendors.wanted == vendors.created == vendors.told


async def _turn() -> None:
    import asyncio

    await asyncio.sleep(0.02)  # the other process decides when; the test's own time limit ends it


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["retry"], 2, "give the orders"),
        (["retry", "shop"], 2, "at least one order"),
        (["skip", "shop", "1", "--cause", "x"], 2, "not both"),
        (["retry", "shpo", "1"], 2, "there is no source 'shpo'; did you mean 'shop'?"),
        (["retry", "shop", "999"], 1, "unknown, or neither held nor rejected"),
        (["retry", "shop", "\udcff"], 1, "unknown, or neither held nor rejected"),
        (["skip", "--cause", "\udcff"], 1, "no such order is held or rejected"),
        (["retry", "--cause", "nothing"], 1, "no such order is held or rejected"),
        (["replay", "nowhere", "--since", "2026-01-01T00:00:00Z"], 2, "there is no source"),
        (["replay", "shop", "--since", "soon"], 2, "not a time"),
        (["preview", "nowhere"], 2, "there is no source"),
        (
            ["preview", "shop", "--receiver", "elsewhere"],
            2,
            "no route leads from shop to 'elsewhere'; its orders go to",
        ),
        (["preview", "shop", "999"], 1, "does not list"),
    ],
)
async def test_what_cannot_be_done_is_said(tmp_path: Path, arguments: list[str], code: int, text: str) -> None:
    """A wrong argument is reported with the valid ones, and changes nothing."""
    vendors = Vendors(tmp_path, 3)
    async with vendors.serving():
        await vendors.run_once()
        before = len(vendors.writes)
        ended = await run(*arguments, folder=tmp_path)

    assert ended.code == code
    assert text in ended.out + ended.err
    assert "Traceback" not in ended.err
    assert before == len(vendors.writes)


async def test_a_preview_of_a_cancelled_order(tmp_path: Path) -> None:
    """A preview reports that a cancelled order would not be delivered."""
    vendors = Vendors(tmp_path, 1)
    async with vendors.serving():
        settings = tmp_path / "settings.yaml"
        settings.write_text(
            settings.read_text("utf-8").replace("    client_id:", "    cancelled_statuses: [VOID]\n    client_id:")
        )
        order_id, order = next(iter(vendors.shop.orders.items()))
        order["status"] = "VOID"
        ended = await run("preview", "shop", folder=tmp_path)

    assert ended.out == f"shop {order_id} -> warehouse: would not be delivered: it is cancelled at shop\n"
    assert ended.code == 0


async def test_a_preview_changes_nothing_anywhere(tmp_path: Path) -> None:
    """A preview prints the request of an order, creates no journal and writes nothing at a vendor."""
    vendors = Vendors(tmp_path, 3)
    async with vendors.serving():
        order_id = str(next(iter(vendors.shop.orders)))
        ended = await run("preview", "shop", order_id, folder=tmp_path)

    assert ended.code == 0, ended.err
    head, _, body = ended.out.partition("\n")
    assert head == f"shop {order_id} -> warehouse:"
    assert json.loads(body)["external_id"] == f"shop-{order_id}"
    assert vendors.writes == []
    assert not (tmp_path / "connector.db").exists()


@pytest.mark.slow
async def test_a_replay_changes_what_changed_and_doubles_nothing(tmp_path: Path) -> None:
    """Of twelve exported orders one has changed at the shop; plan and replay update that one alone."""
    vendors = Vendors(tmp_path, 12)
    async with vendors.serving():
        assert (await vendors.run_once()).code == 0
        order_id, order = next(iter(vendors.shop.orders.items()))
        order["addresses"][-1]["street"] = "Nieuwe Kade"
        before = len(vendors.writes)

        plan = await run("replay", "shop", "--since", "2026-01-01T00:00:00Z", "--dry-run", folder=tmp_path)
        assert f"shop {order_id}: change" in plan.out, plan.err
        assert "1 to change, 11 to leave as is (acknowledged)" in plan.out
        assert before == len(vendors.writes)

        for _ in range(2):
            replayed = await run("replay", "shop", "--since", "2026-01-01T00:00:00Z", folder=tmp_path)
            assert replayed.code == 0, replayed.err + replayed.out

    assert vendors.wanted == vendors.created == vendors.told
    (record,) = vendors.warehouse.by_external_id(f"shop-{order_id}")
    assert record["shipping_address"]["street"] == "Nieuwe Kade"
    assert [call.method for call in vendors.warehouse.history].count("PATCH") == 1


async def test_a_code_that_was_added_is_taken_on_sighup(tmp_path: Path) -> None:
    """After a code is added to settings.yaml, SIGHUP releases the orders that are held for it, without a restart."""
    vendors = Vendors(tmp_path, 5)
    async with vendors.serving():
        path = tmp_path / "settings.yaml"
        text = path.read_text("utf-8") + "    mapping: {note: \"=lookup('places', delivery_address.country)\"}\n"
        path.write_text(text + "tables:\n  places: {XX: nowhere}\n", "utf-8")
        async with started("run", "--quiet", folder=tmp_path) as process:
            while len(states(tmp_path) if (tmp_path / "connector.db").exists() else ()) < 5:
                await _turn()
            while set(states(tmp_path).values()) != {"held"}:
                await _turn()
            countries = {each["country"] for order in vendors.shop.orders.values() for each in order["addresses"]}
            rows = ", ".join(f'"{country}": known' for country in sorted(countries))
            path.write_text(f"{text}tables:\n  places: {{{rows}}}\n", "utf-8")
            process.send_signal(signal.SIGHUP)
            while len(vendors.shop.marked) < 5:
                await _turn()
            process.terminate()
            await process.communicate()

    assert vendors.wanted == vendors.created == vendors.told


@pytest.mark.fault(123)
def test_very_many_are_decided_about_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two portions a running connector can write, and orders whose cause has changed by then are left out."""
    monkeypatch.setattr(decisions, "PORTION", 40)
    monkeypatch.setattr(decide, "PAUSE", 0.0)
    path = tmp_path / "connector.db"
    waiting(path, 1000)
    portions: list[list[int]] = []

    def decision(keys: Sequence[int], now: int, db: sqlite3.Connection, cause: str | None) -> list[int]:
        if not portions:
            db.execute("UPDATE deliveries SET cause = 'another one' WHERE key = 994")
        portions.append(list(keys))
        return decisions.retry(keys, now, db, cause)

    assert decide._decide_by_cause(str(path), decision, CAUSE) == (149, 0)
    assert [len(each) for each in portions] == [40, 40, 40, 29]
    with closing(sqlite3.connect(path)) as db:
        left = db.execute("SELECT key, cause FROM deliveries WHERE state = 'held'").fetchall()
    assert left == [(994, "another one")]


async def test_new_secrets_are_taken_on_sighup(tmp_path: Path) -> None:
    """SIGHUP applies a new secret, after which orders flow, and logs the changes that need a restart."""
    vendors = Vendors(tmp_path, 5)
    async with vendors.serving():
        path = tmp_path / "settings.yaml"
        text = path.read_text("utf-8")
        secret = vendors.secrets["client_secret"]
        vendors.shop._client = ("sandbox", secret + "-2")
        async with started("run", "--quiet", folder=tmp_path) as process:
            while not any(call.status == 401 for call in vendors.shop.history):
                await _turn()
            path.write_text(text.replace(f"client_secret: {secret}", f"client_secret: {secret}-2"), "utf-8")
            process.send_signal(signal.SIGHUP)
            while len(vendors.shop.marked) < 5:
                await _turn()
            process.terminate()
            _, said = await process.communicate()

    assert vendors.wanted == vendors.created == vendors.told
    assert "applied: sources.shop.client_secret" in said.decode()
    assert f"{secret}-2" not in said.decode()
