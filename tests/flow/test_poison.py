"""One order that our own code trips over costs no other order anything."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import pytest

from connector.errors import TransientError
from connector.events import OrderHeld
from connector.journal.memory import MemoryJournal
from tests.doubles import FailingSource
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
    """A fault in a vendor file or a mapping is logged and holds that order, at whatever stage; the rest flows."""
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
    """A source that counts strikes hears nothing of an order that our own code tripped over."""
    bench = Bench()
    source = FailingSource("shop", bench.clock)
    bench.sources["shop"] = source
    source.to_order = tripping(source.to_order)  # type: ignore[method-assign]
    source.put("bad", "1")

    await bench.drained()

    assert [("1", "exported")] == [(order_id, outcome) for order_id, outcome, _ in source.outcomes]
