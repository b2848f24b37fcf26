"""Changes at a receiver whose readings are older than the requests it was sent (assumption A2)."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest

from connector.app import Connector
from connector.errors import UnshownError
from connector.journal import decisions
from connector.journal.sqlite import MemoryJournal
from connector.order import Document
from connector.pipeline.delivery.amender import READINGS
from connector.receivers.base import Delivery, Receipt
from tests.doubles import AmendableReceiver, LoopClock
from tests.flow.bench import Bench
from tests.flow.test_crash import Kept, stopped_dead
from tests.pipeline.delivery.test_amender import replayed

pytestmark = [pytest.mark.looptime, pytest.mark.fault(126)]

SETTLE = 30.0
LAG = 20.0


class Behind(AmendableReceiver):
    """
    A receiver that shows an order and its documents as they were `lag` seconds ago, and appends every request.

    Its calls are those of a real receiver: read, write the difference, read again.
    """

    lag = LAG
    ignores = False
    """Whether it answers a change with a success and does nothing."""
    blind = False
    """Whether it takes the answer to a change for enough, as where only lines are compared."""
    dies = 0.0
    """Seconds that an attached document takes to be answered."""

    def __init__(self, name: str, clock: LoopClock) -> None:
        super().__init__(name, clock)
        self.bodies: dict[str, list[tuple[float, bytes]]] = {}
        self.added: list[tuple[float, str]] = []
        self.reads: list[float] = []
        self.gone: list[tuple[float, str]] = []

    async def update(self, receipt: Receipt, delivery: Delivery) -> Receipt:
        """Read, write, read again."""
        shown = self._shown(receipt)
        if not delivery.applied:
            if shown == delivery.body:
                return receipt
            self.updates.append((receipt.id, delivery.body))
            if not self.ignores:
                self.bodies[receipt.id].append((anyio.current_time(), delivery.body))
            shown = self._shown(receipt)
        if shown != delivery.body and not self.blind:
            raise UnshownError("it is shown as something else", applied=True)
        return receipt

    async def cancel(self, receipt: Receipt) -> None:
        """Cancel, and read."""
        self.reads.append(anyio.current_time())
        self.gone.append((anyio.current_time(), receipt.id))
        if not any(at <= anyio.current_time() - self.lag for at, _ in self.gone):
            raise UnshownError("it is shown as open", applied=True)

    async def attach(self, receipt: Receipt, documents: Sequence[Document]) -> None:
        """List the documents, and add the missing ones."""
        self.reads.append(anyio.current_time())
        there = [title for at, title in self.added if at <= anyio.current_time() - self.lag]
        for document in documents:
            if document.title not in there:
                self.added.append((anyio.current_time(), document.title))
                await anyio.sleep(self.dies)

    def now(self, receipt_id: str) -> bytes:
        """Return its present state."""
        return self.bodies[receipt_id][-1][1]

    def _shown(self, receipt: Receipt) -> bytes:
        self.reads.append(anyio.current_time())
        made = self.orders[int(receipt.id)][1]
        known = self.bodies.setdefault(receipt.id, [(-self.lag, made)])
        return [body for at, body in known if at <= anyio.current_time() - self.lag][-1]


def behind() -> tuple[Bench, Behind]:
    """Return a bench whose receiver is behind, with one order."""
    bench = Bench(concurrency=1, settle=SETTLE)
    receiver = Behind("wms", bench.clock)
    bench.receivers["wms"] = receiver
    bench.shop.put("1", notes="first")
    return bench, receiver


async def change(bench: Bench, connector: Connector, notes: str) -> None:
    """Change the order, and list it."""
    bench.shop.archive["1"]["notes"] = notes
    await connector.replay("shop", bench.clock.now().replace(year=2020))


async def states(journal: MemoryJournal) -> list[tuple[str, str, str | None]]:
    """Return the states of the changes in the journal."""
    return await journal.read(lambda db: db.execute("SELECT what, state, reason FROM changes").fetchall())


async def test_a_change_that_does_not_show_yet_is_no_conflict() -> None:
    """It is read again `settle` later, and not sent a second time."""
    bench, wms = behind()
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await connector.drain()
        bench.shop.archive["1"]["notes"] = "second"
        await replayed(bench, connector)
        found = await states(journal)

    assert [("update", "done", None)] == found
    assert 1 == len(wms.updates)
    first, second, third = wms.reads
    assert first == second
    assert SETTLE <= third - second < SETTLE + 5


async def test_a_change_that_never_shows_is_left_to_a_person() -> None:
    """Only when several readings agree that are certainly not older; `retry` sends it again."""
    bench, wms = behind()
    wms.ignores = True
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await connector.drain()
        bench.shop.archive["1"]["notes"] = "second"
        await replayed(bench, connector)
        found = await states(journal)
        looks = wms.reads[2:]
        await journal.store.write(lambda db: decisions.retry([1], 0, db))
        connector.look()
        wms.ignores = False
        await connector.drain()
        after = await states(journal)

    assert [("update", "held", "it is shown as something else")] == found
    assert READINGS == len(looks)
    assert all(late - early >= SETTLE for early, late in zip(wms.reads[1:], looks, strict=False))
    assert [("update", "done", None)] == after
    assert 2 == len(wms.updates)


@pytest.mark.parametrize("blind", [True, False])
@pytest.mark.parametrize("wait", [0.0, 5.0, LAG - 1, SETTLE + 1])
async def test_an_order_that_is_changed_and_changed_back_ends_as_it_was(wait: float, blind: bool) -> None:
    """A reading older than the first change does not prove that the second one is applied already."""
    bench, wms = behind()
    wms.blind = blind
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await connector.drain()
        await change(bench, connector, "second")
        await anyio.sleep(wait)
        await change(bench, connector, "first")
        await connector.drain()
        found = await states(journal)

    assert b"first" in wms.now("0")
    assert [("update", "done", None)] == found


@pytest.mark.parametrize("after", [0.5, 1.5, 2.5])
async def test_documents_are_not_attached_again_after_a_crash(after: float) -> None:
    """Those that were being attached are listed no earlier than `settle` after the next start."""
    bench, wms = behind()
    bench.shop.feed["1"]["documents"] = ["label", "slip"]
    wms.dies = 1.0
    journal = Kept()
    await stopped_dead(bench, journal, after)
    before, start = len(wms.reads), anyio.current_time()
    await bench.drained(journal)

    assert sorted(title for _, title in wms.added) == ["label", "slip"]
    assert all(at >= start + SETTLE for at in wms.reads[before:])


async def test_a_cancellation_that_does_not_show_yet_is_looked_at_again() -> None:
    """It is read again `settle` later, without waiting for the doubt of an update."""
    bench, wms = behind()
    journal = MemoryJournal()
    async with bench.running(journal) as connector:
        await connector.drain()
        await change(bench, connector, "second")
        began = anyio.current_time()
        bench.shop.archive["1"]["cancelled"] = True
        await replayed(bench, connector)
        found = await states(journal)

    assert [("cancel", "done", None)] == found
    first, second = (at for at, _ in wms.gone)
    assert first - began < 5
    assert SETTLE <= second - first < SETTLE + 5
