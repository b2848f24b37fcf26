"""An order for which our own code raises an exception affects no other order."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import anyio
import pytest

from connector.errors import RejectedError, TransientError
from connector.events import OrderHeld, OrderRejected
from connector.journal.sqlite import MemoryJournal
from connector.receivers.base import Delivery, Receipt, ReceiverTraits
from tests.doubles import FailingSource, MemoryReceiver
from tests.flow.bench import Bench

pytestmark = pytest.mark.looptime


def tripping(function: Any, *, after: int = 0) -> Any:
    """Return `function`, which fails for the order `bad` from the call after `after` of them on."""
    calls = 0

    def wrapped(given: Any) -> Any:
        nonlocal calls
        bad = b'"bad"' in given if isinstance(given, bytes) else given.order_id == "bad"
        calls += bad
        if bad and calls > after:
            raise RecursionError("canary")
        return function(given)

    return wrapped


@pytest.mark.fault(42)
@pytest.mark.parametrize("where", ["reading", "reading it again", "mapping"])
async def test_an_order_that_our_code_trips_over_is_held(where: str, caplog: pytest.LogCaptureFixture) -> None:
    """The error is logged and holds that order, at any stage; the other orders flow."""
    bench = Bench(poll_interval=3600)
    if where == "mapping":
        bench.wms.default = tripping(bench.wms.default)  # type: ignore[method-assign]
    elif where == "reading":
        bench.shop.to_order = tripping(bench.shop.to_order)  # type: ignore[method-assign]
    else:  # every first try fails, and the next one takes the order from the journal
        bench.shop.to_order = tripping(bench.shop.to_order, after=1)  # type: ignore[method-assign]
        bench.wms.failures.extend(TransientError("busy") for _ in range(8))
    bench.shop.put("bad", *map(str, range(1, 8)))

    with caplog.at_level(logging.ERROR):
        async with bench.running(MemoryJournal()):
            await anyio.sleep(120)

    held = [(event.order_id, event.detail) for event in bench.events if isinstance(event, OrderHeld)]
    assert [("bad", f"RecursionError while {where.removesuffix(' it again')} it")] == held
    assert sorted(bench.wms.count()) == [f"shop-{number}" for number in range(1, 8)]
    assert [record.levelname for record in caplog.records if record.exc_info] == ["ERROR"]


async def test_a_fault_of_ours_is_never_told_as_failed() -> None:
    """A source that counts strikes gets no failure for an internal error."""
    bench = Bench()
    source = FailingSource("shop", bench.clock)
    bench.sources["shop"] = source
    source.to_order = tripping(source.to_order)  # type: ignore[method-assign]
    source.put("bad", "1")

    await bench.drained()

    assert [("1", "exported")] == [(order_id, outcome) for order_id, outcome, _ in source.outcomes]


class Broken(MemoryReceiver):
    """A receiver whose code fails for the order `bad` in the calls of `where`; `applied`: after the effect."""

    where: tuple[str, ...] = ()
    applied = False
    refuses = False

    async def create(self, delivery: Delivery) -> Receipt:
        """Fail before or after, or create it."""
        bad = delivery.external_id == "shop-bad"
        if bad and "create" in self.where and not self.applied:
            self.creates.append(delivery.external_id)
            raise KeyError("canary")
        if bad and self.refuses:
            self.creates.append(delivery.external_id)
            raise RejectedError("no")
        receipt = await super().create(delivery)
        if bad and "create" in self.where:
            raise KeyError("canary")
        return receipt

    async def find(self, external_id: str) -> Receipt | None:
        """Fail, or look it up."""
        if external_id == "shop-bad" and "find" in self.where:
            self.finds_of.append(external_id)
            raise ZeroDivisionError("canary")
        return await super().find(external_id)


class Repeatable(Broken):
    """An idempotent one without a look-up."""

    traits = ReceiverTraits(can_find=False, idempotent=True)


def broken(kind: type[Broken], *where: str) -> tuple[Bench, FailingSource, Broken]:
    """Return a bench with a source that counts strikes, and a broken receiver."""
    bench = Bench()
    source, wms = FailingSource("shop", bench.clock), kind("wms", bench.clock)
    bench.sources["shop"], bench.receivers["wms"] = source, wms
    wms.where = where
    source.put("bad", *map(str, range(1, 8)))
    return bench, source, wms


def held(bench: Bench) -> list[tuple[str, str, str]]:
    """Return the held orders."""
    return [(event.order_id, event.cause, event.detail) for event in bench.events if isinstance(event, OrderHeld)]


@pytest.mark.parametrize(
    ("kind", "where"),
    [(Broken, "it does not exist there"), (Repeatable, "it may exist there: look")],
    ids=["finds", "repeatable"],
)
async def test_a_create_that_our_code_always_trips_over_is_tried_three_times(
    kind: type[Broken], where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A drain ends: the order is held under the error's name, one traceback is logged, and no failure is reported."""
    bench, source, wms = broken(kind, "create")

    drained = await bench.drained()

    (hold,) = held(bench)
    assert ("bad", "internal error KeyError at wms") == hold[:2]
    assert f"; {where}; its source is not notified; fix the error (the log has its traceback)" in hold[2]
    assert hold[2].startswith("3 times while creating it, at test_poison_internal.py:")
    assert "canary" not in hold[2]
    assert 3 == Counter(wms.creates)["shop-bad"]
    assert {"shop-bad": 0} | wms.count() == {"shop-bad": 0} | {f"shop-{number}": 1 for number in range(1, 8)}
    assert {"exported": 7} == Counter(outcome for _, outcome, _ in source.outcomes)
    assert [] == [event for event in bench.events if isinstance(event, OrderRejected)]
    assert {} == drained.failed
    said = [record for record in caplog.records if "KeyError while creating shop-bad" in record.message]
    assert [True, False, False] == [bool(record.exc_info) for record in said]


async def test_what_our_code_trips_over_after_it_was_done_is_found() -> None:
    """The look-up comes before the hold: an existing order is delivered, whatever the end of the create."""
    bench, source, wms = broken(Broken, "create")
    wms.applied = True

    await bench.drained()

    assert [] == held(bench)
    assert {1} == set(wms.count().values())
    assert 8 == source.told.total()


@pytest.mark.parametrize("refuses", [False, True], ids=["lost", "refused"])
async def test_a_look_up_that_our_code_always_trips_over_is_tried_three_times(refuses: bool) -> None:
    """The order may exist: it is held, not created again, and no failure is reported."""
    bench, source, wms = broken(Broken, "find")
    wms.refuses = refuses
    if not refuses:
        wms.where = ("find", "create")
        wms.applied = True

    drained = await bench.drained()

    (hold,) = held(bench)
    assert ("bad", "internal error ZeroDivisionError at wms") == hold[:2]
    assert "it may exist there: look" in hold[2]
    assert 1 == Counter(wms.creates)["shop-bad"]
    assert "bad" not in source.told
    assert {} == drained.failed


async def test_a_fault_that_was_mended_lets_the_order_through_after_a_retry() -> None:
    """Orders with the same error share a cause; they are looked up before their create, and have three more tries."""
    bench, source, wms = broken(Broken, "create")
    journal = MemoryJournal()

    async with bench.running(journal) as connector:
        await connector.drain()
        for tries in (6, 7):
            assert 1 == await journal.holds.release("internal error KeyError at wms", bench.clock.now())
            wms.where = wms.where if tries == 6 else ()
            looked_up = len(wms.finds_of)
            connector.look()
            await connector.drain()
            assert tries == Counter(wms.creates)["shop-bad"]
            assert "shop-bad" in wms.finds_of[looked_up:]

    assert {1} == set(wms.count().values())
    assert 8 == source.told.total()


async def test_an_order_that_our_code_trips_over_is_logged_once_a_revision(caplog: pytest.LogCaptureFixture) -> None:
    """A feed that lists it at every poll does not fill the log; another revision is logged again."""
    bench = Bench(poll_interval=60)
    bench.shop.to_order = tripping(bench.shop.to_order)  # type: ignore[method-assign]
    bench.shop.put("bad", "1")
    async with bench.running(MemoryJournal()):
        await anyio.sleep(600)
        assert bench.shop.walks > 8
        assert 1 == len([record for record in caplog.records if record.exc_info])
        bench.shop.put("bad", notes="other")
        await anyio.sleep(600)
    assert 2 == len([record for record in caplog.records if record.exc_info])
