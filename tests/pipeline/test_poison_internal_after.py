"""An internal error after the delivery of an order: an operator gets that order, and all others are acknowledged."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import anyio
import pytest

from connector.ack import Acknowledgement, AckOutcome
from connector.errors import TransientError
from connector.events import ProgressReported
from connector.journal.sqlite import MemoryJournal
from connector.receivers.base import Delivery, Receipt
from connector.settings.model import RouteSettings
from tests.doubles import EPOCH, AmendableReceiver, MemorySource, OnceSource, lost_answer
from tests.flow.bench import Bench
from tests.flow.test_crash import Kept
from tests.pipeline.delivery.test_amender import replayed
from tests.pipeline.reports.test_reporter import Yard, drained, event, states

pytestmark = pytest.mark.looptime


class Tripping(MemorySource):
    """A source whose code fails in a call with the order `bad`; `applied`: after the effect."""

    applied = False
    deaf = False
    """Whether it fails when it reads that order back, too."""
    mended = False

    async def acknowledge(self, batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        """Fail before or after, or acknowledge."""
        bad = not self.mended and any(ack.order_id == "bad" for ack in batch)
        if bad and not self.applied:
            raise KeyError("canary")
        told = await super().acknowledge(batch)
        if bad:
            raise KeyError("canary")
        return told

    async def is_acknowledged(self, acks: Sequence[Acknowledgement]) -> Mapping[str, bool]:
        """Fail, or return the state."""
        if self.deaf and any(ack.order_id == "bad" for ack in acks):
            raise ZeroDivisionError("canary")
        return await super().is_acknowledged(acks)


class TrippingOnce(OnceSource, Tripping):
    """The same where a repeat has an effect of its own."""


def tripping(kind: type[Tripping]) -> tuple[Bench, Tripping, Kept]:
    """Return a bench with such a source, 25 orders in it, and a journal."""
    bench = Bench()
    source = kind("shop", bench.clock)
    bench.sources["shop"] = source
    source.put(*map(str, range(12)), "bad", *map(str, range(12, 24)))
    return bench, source, Kept()


def parked(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return the parked acknowledgements, with their reasons."""
    return db.execute("SELECT order_id, ack_reason FROM orders WHERE ack_state = 'parked'").fetchall()


@pytest.mark.parametrize("kind", [Tripping, TrippingOnce], ids=["repeatable", "once"])
async def test_one_that_our_code_cannot_acknowledge_is_parked_and_the_others_are_told(
    kind: type[Tripping], caplog: pytest.LogCaptureFixture
) -> None:
    """It shared a call with nine others: each gets its own call, `bad` is given up after three, `retry` sends it."""
    bench, source, journal = tripping(kind)

    drained = await bench.drained(journal)

    assert {} == drained.failed
    assert {str(number): 1 for number in range(24)} == source.told
    ((order_id, why),) = await journal.read(parked)
    assert "bad" == order_id
    assert why.startswith(
        "internal error KeyError at shop: 3 times while acknowledging it, at test_poison_internal_after.py:"
    )
    assert "canary" not in why
    assert 3 == len([record for record in caplog.records if "while acknowledging order bad" in record.message])

    source.mended = True
    assert 1 == await journal.holds.release(why, bench.clock.now())
    await bench.drained(journal)
    assert 1 == source.told["bad"]
    assert [] == await journal.read(parked)


async def test_what_was_told_all_the_same_is_read_back_before_it_is_given_up() -> None:
    """The error came after the source had applied it: the source shows that, and no order is acknowledged twice."""
    bench, source, journal = tripping(TrippingOnce)
    source.applied = True

    await bench.drained(journal)

    assert {1} == set(source.told.values())
    assert 25 == len(source.told)
    assert [] == await journal.read(parked)


async def test_one_that_our_code_cannot_read_back_does_not_keep_the_others_in_doubt() -> None:
    """The reading back is bisected until it stands alone; it is parked, and the process lives on."""
    bench, source, journal = tripping(TrippingOnce)
    source.deaf = source.applied = True

    drained = await bench.drained(journal)

    assert {} == drained.failed
    assert {1} == set(source.told.values())
    ((order_id, why),) = await journal.read(parked)
    assert "bad" == order_id
    assert why.startswith("internal error ZeroDivisionError at shop: 3 times while reading back it, at ")


async def test_a_source_that_nothing_can_be_read_back_from_is_asked_a_bounded_number_of_times() -> None:
    """Our code fails for every order: at most 64 calls in one go; each order is parked after three of its own."""
    bench, source, journal = tripping(TrippingOnce)
    asked: list[int] = []

    async def is_acknowledged(acks: Sequence[Acknowledgement]) -> Mapping[str, bool]:
        asked.append(len(acks))
        raise ZeroDivisionError("canary")

    async def acknowledge(batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        raise KeyError(f"canary {len(batch)}")

    source.is_acknowledged = is_acknowledged  # type: ignore[method-assign]
    source.acknowledge = acknowledge  # type: ignore[method-assign]
    source.put(*(f"x{number}" for number in range(100)))

    await bench.drained(journal)

    assert 125 == len(await journal.read(parked))
    assert 3 * 125 <= len(asked) < 9 * 125


class TrippingReceiver(AmendableReceiver):
    """A receiver whose code fails when it updates the order `shop-bad`."""

    mended = False

    async def update(self, receipt: Receipt, delivery: Delivery) -> Receipt:
        """Fail, or update it."""
        if delivery.external_id == "shop-bad" and not self.mended:
            raise KeyError("canary")
        return await super().update(receipt, delivery)


async def test_a_change_that_our_code_cannot_make_is_held_and_the_others_are_made() -> None:
    """Three tries; then it is held under a cause that all changes with the same error share."""
    bench = Bench()
    wms = TrippingReceiver("wms", bench.clock)
    bench.receivers["wms"] = wms
    bench.shop.put("1", "bad", "2", notes="first")
    journal = Kept()

    def held(db: sqlite3.Connection) -> list[tuple[str, str]]:
        return db.execute(
            "SELECT order_id, reason FROM changes JOIN orders USING (key) WHERE state = 'held'"
        ).fetchall()

    async with bench.running(journal) as connector:
        await connector.drain()
        for content in bench.shop.archive.values():
            content["notes"] = "second"
        await replayed(bench, connector)
        assert ["shop-1", "shop-2"] == sorted(wms.orders[int(receipt)][0] for receipt, _ in wms.updates)
        ((order_id, why),) = await journal.read(held)
        assert "bad" == order_id
        assert why.startswith(
            "update: internal error KeyError at wms: 3 times while making it, at test_poison_internal_after.py:"
        )

        wms.mended = True
        assert 1 == await journal.holds.release(why, bench.clock.now())
        connector.look()
        await connector.drain()
        assert [] == await journal.read(held)
        assert 3 == len(wms.updates)


async def test_a_change_for_which_no_route_is_left_is_held() -> None:
    """The settings changed while it waited: the order cannot be mapped any more, and an operator should see that."""
    bench = Bench("wms", "archive")
    wms = bench.receivers["wms"] = AmendableReceiver("wms", bench.clock)
    bench.shop.put("1", notes="first")
    journal = Kept()
    async with bench.running(journal) as connector:
        await connector.drain()
        bench.shop.archive["1"]["notes"] = "second"
        wms.amend_failures.extend(TransientError("502") for _ in range(20))
        await connector.replay("shop", EPOCH - timedelta(days=30))
        await anyio.sleep(1)
    bench.settings.routes[0] = RouteSettings(source="shop", receivers=["archive"])
    bench.settings.routes.append(RouteSettings(source="depot", receivers=["wms"]))
    bench.settings.sources["depot"] = bench.settings.sources["shop"]
    bench.sources["depot"] = MemorySource("depot", bench.clock)
    await bench.drained(journal)

    assert [] == wms.updates
    assert [("held", "no route leads from shop to wms any more")] == await journal.read(
        lambda db: db.execute("SELECT state, reason FROM changes WHERE receiver = 'wms'").fetchall()
    )


@pytest.mark.parametrize("where", ["report", "reported"])
async def test_a_report_that_our_code_trips_over_is_parked_and_the_others_are_told(where: str) -> None:
    """Sending it, or reading it back: three tries, and then it is parked; the others are sent."""
    yard = Yard()
    yard.source.put("1", "bad", "2")
    journal = Kept()
    real: Any = getattr(yard.source, where)

    def tripped(order_id: str, *rest: Any) -> Any:
        if order_id == "bad":
            raise KeyError("canary")
        return real(order_id, *rest)

    async with yard.running(journal) as connector:
        await drained(connector)
        setattr(yard.source, where, tripped)
        if where == "reported":
            yard.source.report_lost.extend(lost_answer() for _ in range(3))
        for order_id in ("1", "bad", "2"):
            await connector.report("shop", order_id, event("a"))
        await drained(connector)
        await anyio.sleep(1)

        assert {"1": ["confirmed"], "bad": ["parked"], "2": ["confirmed"]} == await states(journal)
        query = "SELECT reason FROM reports WHERE state = 'parked'"
        ((why,),) = await journal.read(lambda db: db.execute(query).fetchall())
        assert why.startswith("internal error KeyError at shop: 3 times while ")

        setattr(yard.source, where, real)
        if where == "report":  # of the other one a person sees that the source has it, and skips it
            assert 1 == await journal.holds.release(why, yard.clock.now())
            connector.look()
        await drained(connector)
        assert ["a"] == yard.source.said("bad")


async def test_a_report_that_was_taken_all_the_same_is_seen_before_it_is_given_up() -> None:
    """The error comes after it was accepted: it is read back, and sent once."""
    yard = Yard()
    yard.source.put("1")
    async with yard.running(MemoryJournal()) as connector:
        await drained(connector)
        yard.source.report_lost.append(KeyError("canary"))  # type: ignore[arg-type]
        await connector.report("shop", "1", event("a"))
        await drained(connector)
    assert ["a"] == yard.source.said("1")


@pytest.mark.parametrize("where", ["the making of a report", "the question"])
async def test_an_order_whose_progress_our_code_trips_over_keeps_no_other_from_being_followed(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged at every poll, and the orders beside and behind it are reported."""
    yard = Yard(interval=60)
    ids = [*map(str, range(60)), "bad", *map(str, range(60, 130))]
    yard.source.put(*ids)
    real_progress, real_encode = yard.receiver.progress, yard.source.encode_report

    async def progress(receipts: Sequence[Receipt]) -> Mapping[str, str]:
        if any(yard.receiver.orders[int(receipt.id)][0] == "shop-bad" for receipt in receipts):
            raise KeyError("canary")
        return await real_progress(receipts)

    def encode_report(order_id: str, report: Any) -> bytes:
        if order_id == "bad":
            raise KeyError("canary")
        return real_encode(order_id, report)

    async with yard.running(MemoryJournal()) as connector:
        await drained(connector)
        yard.receiver.statuses = {f"shop-{order_id}": "shipped" for order_id in ids}
        if where == "the question":
            yard.receiver.progress = progress  # type: ignore[method-assign]
        else:
            yard.source.encode_report = encode_report  # type: ignore[method-assign]
        await anyio.sleep(130)
        await drained(connector)
        await anyio.sleep(1)

    told = {each.order_id for each in yard.events if isinstance(each, ProgressReported)}
    beside = 50 if where == "the question" else 1
    assert 131 - beside <= len(told) < 131
    assert "bad" not in told
    assert 2 <= len([record for record in caplog.records if record.exc_info])
