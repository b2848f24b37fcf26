"""Creates that are applied or shown late, rejections that were not recorded, and the orders that share a call."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from connector.errors import InDoubtError, RejectedError, TransientError
from connector.journal.sqlite import MemoryJournal
from connector.receivers.base import Delivery, Receipt
from connector.sources.traede import source as traede_module
from tests.contracts.source_harness import numbers
from tests.doubles import FailingSource, MemoryReceiver, OnceSource
from tests.flow.bench import Bench
from tests.flow.test_crash import Kept, stopped_dead
from tests.sources.traede.bench import order, traede


class Tardy(MemoryReceiver):
    """A receiver that loses the response to a create, applies it after `applies` seconds, and shows it `lags` later."""

    applies = 25.0
    lags = 0.0

    def __init__(self, name: str, clock: Any, **given: Any) -> None:
        super().__init__(name, clock, **given)
        self.late: list[tuple[float, Delivery]] = []
        self.clock = clock

    async def create(self, delivery: Delivery) -> Receipt:
        """Lose the response to the first create of each order."""
        if self.creates.count(delivery.external_id):
            return await super().create(delivery)
        self.creates.append(delivery.external_id)
        self.late.append((self.clock.monotonic() + self.applies, delivery))
        raise InDoubtError("no answer")

    async def find(self, external_id: str) -> Receipt | None:
        """Find the orders that are applied and shown by now."""
        now = self.clock.monotonic()
        for due, delivery in [*self.late]:
            if now >= due + self.lags:
                self.late.remove((due, delivery))
                self.orders.append((delivery.external_id, delivery.body))
        return await super().find(external_id)


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("applies", "lags"),
    [
        pytest.param(1.0, 0.0, marks=pytest.mark.fault(69)),
        pytest.param(25.0, 0.0, marks=pytest.mark.fault(69)),
        pytest.param(10.0, 15.0, marks=pytest.mark.fault(69, 70)),
        pytest.param(0.0, 29.0, marks=pytest.mark.fault(70)),
    ],
)
async def test_what_is_applied_late_is_not_created_again(applies: float, lags: float) -> None:
    """Within the settle time (A1 and A2 of docs/guarantees.md) a look-up comes late enough: one record, adopted."""
    bench = Bench(settle=30)
    bench.receivers["wms"] = receiver = Tardy("wms", bench.clock)
    receiver.applies, receiver.lags = applies, lags
    bench.shop.put(*numbers(5))

    await bench.drained()

    assert set(receiver.count().values()) == {1}
    assert len(receiver.creates) == len(receiver.count()) == 5
    assert set(bench.shop.told.values()) == {1}


@pytest.mark.looptime
@pytest.mark.fault(14)
async def test_a_refusal_that_was_not_written_down_is_heard_again() -> None:
    """A crash between rejection and commit: looked up, created again, rejected again, reported as failed once."""
    bench = Bench(settle=5)
    bench.sources["shop"] = source = FailingSource("shop", bench.clock)
    source.put("1")
    journal = Kept()
    settle = journal.deliveries.settle

    async def never(*_: Any) -> Any:
        await anyio.sleep_forever()

    async def refusing(delivery: Delivery) -> Receipt:
        bench.wms.creates.append(delivery.external_id)
        raise RejectedError("unknown article")

    bench.wms.create = refusing  # type: ignore[method-assign]
    journal.deliveries.settle = never  # type: ignore[method-assign, assignment]
    await stopped_dead(bench, journal, 2)
    assert bench.wms.creates == ["shop-1"]

    journal.deliveries.settle = settle  # type: ignore[method-assign]
    await bench.drained(journal)

    # A refusal that no other order of this receiver bears out may be heard twice before it is believed.
    assert set(bench.wms.creates) == {"shop-1"}
    assert 2 <= len(bench.wms.creates) < len(bench.wms.finds_of)
    assert [(order_id, outcome) for order_id, outcome, _ in source.outcomes] == [("1", "failed")]


@pytest.mark.looptime
@pytest.mark.fault(100, 102)
async def test_a_source_is_told_in_one_call_at_a_time_and_of_its_own_orders() -> None:
    """Batches of two sources run in parallel, those of one source never; no batch mixes two sources."""
    bench = Bench(sources=("shop", "depot"))
    at_once: dict[str, int] = {"shop": 0, "depot": 0}
    most = dict(at_once)
    for name in bench.sources:
        bench.sources[name] = source = OnceSource(name, bench.clock)
        source.put(*(f"{name}{number}" for number in range(95)))
        tell = source.acknowledge

        async def slow(batch: Any, name: str = name, tell: Any = tell) -> Any:
            at_once[name] += 1
            most[name] = max(most[name], at_once[name])
            await anyio.sleep(1)
            at_once[name] -= 1
            return await tell(batch)

        source.acknowledge = slow  # type: ignore[method-assign]

    await bench.drained(MemoryJournal())

    assert most == {"shop": 1, "depot": 1}
    for name, told in bench.sources.items():
        assert len(told.told) == 95
        assert all(order_id.startswith(name) for call in told.calls for order_id in call)
        assert all(len(set(call)) == len(call) <= 10 for call in told.calls)


@pytest.mark.fault(49)
async def test_a_feed_in_one_piece_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Traede's export may ignore its paging: pages grow no larger for it, and an endless response is not read."""
    async with traede([order(number) for number in range(1, 301)], pages=False, page_size=20) as h:
        pages = await h.pages()
        assert sorted(int(item.order_id) for page in pages for item in page.items) == [*range(1, 301)]
        assert max(len(page.items) for page in pages) <= 20
    monkeypatch.setattr(traede_module, "LARGEST", 64 * 1024)
    async with traede([order(number) for number in range(1, 301)], pages=False, page_size=20) as h:
        with pytest.raises(TransientError, match="more than 65536 bytes"):
            await h.listed()
