"""A receiver as a witness: at a start its newest orders show whether the journal is an older copy."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from typing import ClassVar

import anyio
import msgspec
import pytest

from connector import Connector
from connector.errors import AuthError, TransientError
from connector.receivers.base import Receipt
from connector.settings.model import WitnessSettings
from tests.doubles import DoubleSourceSettings, LoopClock, MemoryReceiver
from tests.flow.bench import Bench
from tests.flow.test_new_journal import Kept, ids, once, there

pytestmark = [pytest.mark.looptime, pytest.mark.fault(130)]


class Witness(MemoryReceiver):
    """A receiver that lists its newest orders, unless it fails; `asked` counts the calls."""

    def __init__(self, name: str, clock: LoopClock) -> None:
        super().__init__(name, clock)
        self.asked = 0
        self.newest_failures: deque[Exception] = deque()
        self.newest_delay = 0.0

    async def newest(self, limit: int) -> Sequence[tuple[str, Receipt]]:
        """Return the last ones."""
        self.asked += 1
        await anyio.sleep(self.newest_delay)
        if self.newest_failures:
            raise self.newest_failures.popleft()
        listed = [(external, Receipt(id=str(number))) for number, (external, _) in enumerate(self.orders)]
        return listed[::-1][:limit]


def witnessed(*receivers: str) -> Bench:
    """Return a bench whose receiver `wms` is the witness."""
    bench = Bench(*(receivers or ("wms",)), settle=30)
    bench.receivers["wms"] = Witness("wms", bench.clock)
    bench.settings = msgspec.structs.replace(bench.settings, witness=WitnessSettings(receivers=["wms"]))
    return bench


def witness_of(bench: Bench) -> Witness:
    """Return the witness."""
    witness = bench.receivers["wms"]
    assert isinstance(witness, Witness)
    return witness


async def used(bench: Bench) -> Kept:
    """Return a journal that has delivered the first three orders."""
    journal = Kept("first")
    bench.shop.put(*ids(3))
    await bench.drained(journal)
    return journal


class Numbered(
    DoubleSourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="double", tag_field="type"
):
    """Settings of a source whose order ids are whole numbers."""

    numeric_ids: ClassVar[bool] = True


async def test_an_order_that_the_journal_never_sent(caplog: pytest.LogCaptureFixture) -> None:
    """Ten orders were delivered by a newer journal, and are listed again: none is duplicated, and the log names one."""
    bench = witnessed()
    journal = await used(bench)
    there(bench.wms, *ids(10, first=4))
    bench.shop.put(*ids(12, first=4))
    start = bench.clock.monotonic()

    await bench.drained(journal)

    assert once(*ids(15)) == bench.wms.count()
    assert "wms holds order 13 of shop (record 12) and 9 more, which this journal never sent there" in caplog.text
    assert bench.clock.monotonic() - start >= 30
    assert witness_of(bench).asked == 2


async def test_a_record_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    """Orders of a newer journal may never be listed again: the next start is normal, until there is another one."""
    bench = witnessed()
    journal = await used(bench)
    there(bench.wms, "4")
    await bench.drained(journal)
    assert "never sent there" in caplog.text
    caplog.clear()
    await bench.drained(journal)
    assert "never sent there" not in caplog.text
    there(bench.wms, "5")
    await bench.drained(journal)
    assert "order 5 of shop" in caplog.text


async def test_a_journal_that_knows_all(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is in doubt, and new orders are created at once."""
    bench = witnessed()
    journal = await used(bench)
    bench.wms.finds_of.clear()
    bench.shop.put("4")
    await bench.drained(journal)
    assert "never sent" not in caplog.text
    assert [] == bench.wms.finds_of
    assert once(*ids(4)) == bench.wms.count()


@pytest.mark.parametrize("other", ["store-7", "shop-b-7", "shop-", "shop", "7"])
async def test_orders_of_another_connector(caplog: pytest.LogCaptureFixture, other: str) -> None:
    """Another connector at the same receiver, with other names for its sources, is not mistaken for this one."""
    bench = witnessed()
    bench.settings = msgspec.structs.replace(bench.settings, sources={"shop": Numbered()})
    journal = await used(bench)
    bench.wms.orders.append((other, b""))
    await bench.drained(journal)
    assert "never sent" not in caplog.text


async def test_a_receiver_that_is_down_for_a_moment(caplog: pytest.LogCaptureFixture) -> None:
    """The call is repeated, and its result counts."""
    bench = witnessed()
    journal = await used(bench)
    witness_of(bench).newest_failures.extend([TransientError("down")] * 2)
    await bench.drained(journal)
    assert "could not be read" not in caplog.text
    assert witness_of(bench).asked == 4


@pytest.mark.parametrize(
    ("failure", "said", "times"),
    [
        (TransientError("down"), "down", 3),
        (AuthError("no such user"), "no such user", 1),
        (ValueError("a fault of it"), "ValueError: a fault of it", 1),
    ],
)
async def test_a_receiver_that_cannot_be_asked(
    caplog: pytest.LogCaptureFixture, failure: Exception, said: str, times: int
) -> None:
    """Without an answer, listed orders are looked up before their create; the next start calls again."""
    bench = witnessed()
    journal = await used(bench)
    there(bench.wms, "4")
    bench.shop.put("4", "5")
    witness_of(bench).newest_failures.extend([failure] * times)
    await bench.drained(journal)
    assert f"the newest orders of wms could not be read ({said}), so this journal may be" in caplog.text
    assert once(*ids(5)) == bench.wms.count()
    caplog.clear()
    await bench.drained(journal)
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


async def test_a_new_journal_beside_old_orders(caplog: pytest.LogCaptureFixture) -> None:
    """It replaced a lost one: orders are looked up first, once calls under way have settled."""
    bench = witnessed()
    there(bench.wms, *ids(3))
    bench.shop.put(*ids(5))
    journal = Kept("first")
    start = bench.clock.monotonic()
    await bench.drained(journal)
    assert "order 3 of shop (record 2) and 2 more" in caplog.text
    assert once(*ids(5)) == bench.wms.count()
    assert bench.clock.monotonic() - start >= 30


async def test_a_start_that_is_told_asks_as_well(caplog: pytest.LogCaptureFixture) -> None:
    """So that the start after `--restored` does not treat the same orders as a second loss."""
    bench = witnessed()
    journal = await used(bench)
    there(bench.wms, "4")
    journal.say("doubt", "restored")
    await bench.drained(journal)
    caplog.clear()
    await bench.drained(journal)
    assert "never sent there" not in caplog.text


async def test_a_stop_waits_for_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    """The receiver is slow: the start ends at once, and the journal counts as an older copy."""
    bench = witnessed()
    journal = await used(bench)
    witness_of(bench).newest_delay = 3600.0
    start = bench.clock.monotonic()
    connector = Connector(
        bench.settings, sources=bench.sources, receivers=bench.receivers, journal=journal, clock=bench.clock
    )
    async with anyio.create_task_group() as tg:
        tg.start_soon(_stop_after, connector, 2.0)
        async with connector:
            await connector.run()
    assert bench.clock.monotonic() - start < 3
    assert "the newest orders of wms could not be read (the connector was stopped)" in caplog.text


async def _stop_after(connector: Connector, seconds: float) -> None:
    await anyio.sleep(seconds)
    connector.stop()
