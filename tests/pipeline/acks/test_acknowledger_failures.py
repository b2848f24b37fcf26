"""Failures that are not acknowledged yet, of orders that are tried again and may be delivered after all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import anyio
import pytest
from msgspec.structs import replace

from connector.ack import Acknowledgement, AckOutcome
from connector.app import Connector
from connector.errors import ConnectorError, InDoubtError, RejectedError, TransientError
from connector.journal import decisions
from connector.journal.engine.codec import millis
from connector.journal.views.orders import find
from connector.receivers.base import Delivery, Receipt
from connector.settings.values import Duration
from tests.doubles import FailingSource, MemoryReceiver
from tests.flow.bench import Bench
from tests.flow.test_new_journal import Kept, there

pytestmark = pytest.mark.looptime


class Shop(FailingSource):
    """A source that takes `pause` seconds for a failure, with the outcome `ending`, or is `down`."""

    ack_limit: ClassVar[int] = 1
    pause = 0.0
    ending: ConnectorError | None = None
    down: ConnectorError | None = None

    async def acknowledge(self, batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        """Acknowledge one order."""
        if batch[0].outcome == "failed":
            if self.down is not None:
                raise self.down
            await anyio.sleep(self.pause)
            if self.ending is not None:
                raise self.ending
        return await super().acknowledge(batch)

    @property
    def heard(self) -> list[str]:
        """The acknowledgements of the order."""
        return [outcome for order_id, outcome, _ in self.outcomes if order_id == "1"]


class Wms(MemoryReceiver):
    """A receiver that rejects one order while it has a reason to."""

    refusal = "no such article"

    async def create(self, delivery: Delivery) -> Receipt:
        """Create an order, or reject it."""
        if delivery.external_id == "shop-1" and self.refusal:
            self.creates.append(delivery.external_id)
            await anyio.sleep(self.delay)
            raise RejectedError(self.refusal)
        return await super().create(delivery)


def failing() -> tuple[Bench, Shop, Wms, Kept]:
    """Return a bench whose receiver rejects one of its orders."""
    bench = Bench(settle=30)
    shop, wms = Shop("shop", bench.clock), Wms("wms", bench.clock)
    bench.sources["shop"], bench.receivers["wms"] = shop, wms
    shop.put("2", "3", "1")
    return bench, shop, wms, Kept()


def try_again(bench: Bench, journal: Kept) -> None:
    """Do the same as `connector retry` in another process."""
    keys = decisions.keys_of("shop", ["1"], None, journal.db)
    assert keys == decisions.retry(keys, millis(bench.clock.now()), journal.db)


async def try_again_in_time(bench: Bench, journal: Kept) -> None:
    """Retry the order while its failure is being acknowledged, which is refused, and again after that."""
    keys = decisions.keys_of("shop", ["1"], None, journal.db)
    assert [] == decisions.retry(keys, millis(bench.clock.now()), journal.db)
    assert keys == decisions.telling_failure(keys, journal.db)
    with anyio.fail_after(600):
        while not decisions.retry(keys, millis(bench.clock.now()), journal.db):  # noqa: ASYNC110 - no event tells of it
            await anyio.sleep(0.01)


async def until(journal: Kept, question: str) -> None:
    """Wait until the journal has that state."""
    with anyio.fail_after(600):
        while not journal.db.execute(question).fetchone():  # noqa: ASYNC110 - no event tells of it
            await anyio.sleep(0.01)


FAILED = "SELECT 1 FROM orders WHERE order_id = '1' AND ack_outcome = 'failed' AND ack_state = "


async def again(bench: Bench, journal: Kept, connector: Connector) -> None:
    """Retry the order, wake the connector, and wait until everything is done."""
    try_again(bench, journal)
    connector.look()
    with anyio.fail_after(36_000):
        await connector.drain()


async def test_a_failure_that_is_not_told_yet_is_withdrawn() -> None:
    """The source is down, and the article is corrected at the receiver: only the delivery is acknowledged."""
    bench, shop, wms, journal = failing()
    shop.down = TransientError("down")
    async with bench.running(journal) as connector:
        await until(journal, f"{FAILED} 'pending' AND ack_attempts > 0")
        wms.refusal = ""
        await again(bench, journal, connector)

    assert ["exported"] == shop.heard
    assert {} == shop.feed
    assert wms.count()["shop-1"] == 1
    assert journal.db.execute("SELECT 1 FROM history WHERE what = 'failure withdrawn'").fetchone()


@pytest.mark.slow
async def test_a_failure_that_waits_for_its_call_is_told_as_it_is_by_then() -> None:
    """The order was retried meanwhile, and rejected for another reason: that reason is acknowledged."""
    bench, shop, wms, journal = failing()
    shop.put("1")
    bench.settings.sources["shop"] = replace(bench.settings.sources["shop"], ack_interval=Duration(600))
    shop.ack_limit = 10  # type: ignore[misc]
    async with bench.running(journal) as connector:
        await until(journal, f"{FAILED} 'pending'")
        wms.refusal = "nor such a size"
        try_again(bench, journal)
        connector.look()
        await until(journal, f"{FAILED} 'confirmed'")

    assert [("1", "failed", "nor such a size")] == [told for told in shop.outcomes if told[0] == "1"]


@pytest.mark.parametrize(
    ("ending", "heard"),
    [
        (None, ["failed", "exported"]),
        (TransientError("down"), ["exported"]),
        (InDoubtError("no answer"), ["exported"]),
        (RejectedError("no such order"), ["exported"]),
    ],
)
async def test_what_is_delivered_while_its_source_is_told_that_it_failed(
    ending: ConnectorError | None, heard: list[str]
) -> None:
    """It is retried once that call is settled; then the order is acknowledged as exported, once."""
    bench, shop, wms, journal = failing()
    shop.pause, shop.ending = 5, ending
    async with bench.running(journal) as connector:
        await until(journal, f"{FAILED} 'sending'")
        wms.refusal = ""
        await try_again_in_time(bench, journal)
        connector.look()
        with anyio.fail_after(36_000):
            await connector.drain()

    assert heard == shop.heard
    assert {} == shop.feed
    assert wms.count()["shop-1"] == 1


async def test_what_came_back_and_was_delivered_meanwhile_is_told_at_once() -> None:
    """The source lists it again while the failure is being acknowledged: no operator and no command is needed."""
    bench, shop, wms, journal = failing()
    shop.pause = 90
    async with bench.running(journal):
        await until(journal, f"{FAILED} 'sending'")
        wms.refusal = ""
        journal.db.execute("UPDATE deliveries SET state = 'cancelled' WHERE state = 'rejected'")
        await until(journal, "SELECT 1 FROM orders WHERE order_id = '1' AND ack_outcome = 'exported'")
        at = bench.clock.monotonic()
        await until(journal, "SELECT 1 FROM orders WHERE order_id = '1' AND ack_state = 'confirmed'")
        assert bench.clock.monotonic() - at < 2

    assert ["failed", "exported"] == shop.heard


@pytest.mark.parametrize("ending", [TransientError("down"), InDoubtError("no answer")])
async def test_a_failure_that_was_not_taken_is_withdrawn_while_its_order_waits(ending: ConnectorError) -> None:
    """The receiver is down when the order is retried: whether it fails is unknown, and not acknowledged."""
    bench, shop, wms, journal = failing()
    shop.pause, shop.ending = 5, ending
    async with bench.running(journal) as connector:
        await until(journal, f"{FAILED} 'sending'")
        wms.refusal, wms.down = "", True
        await try_again_in_time(bench, journal)
        connector.look()
        await until(journal, "SELECT 1 FROM orders WHERE order_id = '1' AND ack_state = 'none'")
        wms.down = False
        with anyio.fail_after(36_000):
            await connector.drain()

    assert ["exported"] == shop.heard


@pytest.mark.fault(112)
@pytest.mark.parametrize("down", [TransientError("down"), RejectedError("no")])
@pytest.mark.parametrize(("delivered", "heard"), [(True, "exported"), (False, "failed")])
@pytest.mark.parametrize("notes", ["", "unmappable"])
async def test_what_failed_in_a_journal_that_was_put_back_is_looked_up_before_its_source_hears(
    notes: str, delivered: bool, heard: str, down: ConnectorError
) -> None:
    """A newer journal may have delivered it, and be lost: no failure of that order is acknowledged."""
    bench, shop, wms, journal = failing()
    shop.put("1", notes=notes)
    shop.down = down
    state = "parked" if isinstance(down, RejectedError) else "pending"
    async with bench.running(journal):
        await until(journal, f"{FAILED} '{state}' AND ack_attempts > 0")
    shop.down = None
    if delivered:
        there(wms, "1")
    shop.put("4")  # that it can be mapped bears out that the other one lacks something
    wms.finds_of.clear()
    journal.say("doubt", "restored")

    await bench.drained(journal)

    assert [heard] == shop.heard
    assert "shop-1" in wms.finds_of
    assert wms.count()["shop-1"] == delivered
    order = find(journal.db, "shop", "1")
    assert order is not None
    assert order.state == ("acknowledged" if delivered else "rejected")


async def test_what_an_optional_receiver_is_given_again_leaves_the_failure_as_it_is() -> None:
    """The acknowledgement depends on the other receivers, which rejected the order."""
    bench, shop, _, journal = failing()
    shop.down = TransientError("down")
    async with bench.running(journal):
        await until(journal, f"{FAILED} 'pending' AND ack_attempts > 0")
    journal.db.execute(
        "INSERT INTO deliveries (key, receiver, state, required, cause)"
        " SELECT key, 'erp', 'held', 0, 'full' FROM orders"
    )

    keys = decisions.keys_of("shop", ["1"], None, journal.db)
    assert keys == decisions.retry(keys, 0, journal.db, "full")

    assert journal.db.execute(f"{FAILED} 'pending'").fetchone()
