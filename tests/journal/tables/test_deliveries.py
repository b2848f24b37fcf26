"""The states of a journal after a start, by the state in which it was left."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest

from connector.journal.records import InDoubt, NotSent
from connector.journal.sqlite import MemoryJournal
from connector.journal.states import AckState, DeliveryState
from tests.contracts.journal_bench import at, deliveries, found, intend, is_open, place, place_ack, rows, settle

SETTLE = {"wms": 30.0}


@pytest.mark.parametrize("state", get_args(DeliveryState))
async def test_only_an_intent_changes_its_state(state: DeliveryState) -> None:
    """No state but that of a create under way is touched, or counted (faults.md 4.2: nothing else changes)."""
    journal = MemoryJournal()
    key = await place(journal, state)
    before = await rows(journal, "SELECT * FROM deliveries JOIN orders USING (key)")
    assert await journal.recover(at(10), SETTLE, 300.0) == (state == "intent")
    if state == "intent":
        assert await deliveries(journal, key) == {"wms": "in_doubt"}
        assert await journal.deliveries.next_due("wms", ["in_doubt"], at(10)) == at(40)
    else:
        assert await rows(journal, "SELECT * FROM deliveries JOIN orders USING (key)") == before
    await journal.aclose()


@pytest.mark.parametrize("state", get_args(AckState))
async def test_only_an_acknowledgement_that_is_being_sent_changes_its_state(state: AckState) -> None:
    """It is read back at once; a waiting delivery keeps its time."""
    journal = MemoryJournal()
    await place_ack(journal, state)
    assert await journal.recover(at(10), SETTLE, 300.0) == (state == "sending")
    after = "in_doubt" if state == "sending" else state
    assert await rows(journal, "SELECT ack_state, ack_next FROM orders") == [(after, 0)]
    await journal.aclose()


async def test_a_receiver_that_the_settings_do_not_name_is_left_alone() -> None:
    """Nobody delivers to it, and the length of its wait is unknown: it is as it was when it comes back."""
    journal = MemoryJournal()
    key = await found(journal, receivers=(("wms", True), ("erp", True)))
    for receiver in ("wms", "erp"):
        assert await intend(journal, key, receiver=receiver)
    assert await journal.recover(at(10), SETTLE, 300.0) == 1
    assert await deliveries(journal, key) == {"erp": "intent", "wms": "in_doubt"}
    assert await is_open(journal) == ({"erp": 1, "wms": 1}, {})
    assert await journal.recover(at(20), {"erp": 60.0}, 300.0) == 1
    assert await journal.deliveries.next_due("erp", ["in_doubt"], at(20)) == at(80)
    await journal.aclose()


async def test_each_receiver_has_its_own_settle_time() -> None:
    """One shows an order at once, another after minutes."""
    journal = MemoryJournal()
    key = await found(journal, receivers=(("wms", True), ("erp", True)))
    for receiver in ("wms", "erp"):
        assert await intend(journal, key, receiver=receiver)
    assert await journal.recover(at(10), {"wms": 0.5, "erp": 600.0}, 300.0) == 2
    assert await journal.deliveries.next_due("wms", ["in_doubt"], at(10)) == at(10.5)
    assert await journal.deliveries.next_due("erp", ["in_doubt"], at(10)) == at(610)
    await journal.aclose()


@pytest.mark.fault(21)
async def test_twenty_starts_in_a_second_move_nothing() -> None:
    """A crash loop neither hastens a look-up nor puts it off, and the history does not grow (faults.md #21)."""
    journal = MemoryJournal()
    keys = [await found(journal, str(number)) for number in range(3)]
    for key in keys[:2]:
        assert await intend(journal, key)
    await settle(journal, keys[1], InDoubt("lost", at(25)))
    await settle(journal, keys[2], NotSent("down", at(15)))
    await journal.recover(at(0), SETTLE, 300.0)
    images = []
    for restart in range(20):
        await journal.recover(at(restart * 0.05), SETTLE, 300.0)
        images.append(await rows(journal, "SELECT d.*, (SELECT count(*) FROM history) FROM deliveries d"))
    assert all(one == other for one, other in pairwise(images))
    assert await journal.deliveries.next_due("wms", ["in_doubt"], at(0)) == at(25)
    await journal.aclose()


@pytest.mark.fault(121)
@pytest.mark.parametrize("jump", [-86400, -3600, 3600, 86400])
async def test_a_clock_that_jumped_between_two_starts_delays_nothing_for_long(jump: float) -> None:
    """No deadline is further off than the settings allow from the clock as it stands now (faults.md #121)."""
    journal = MemoryJournal()
    keys = [await found(journal, str(number)) for number in range(3)]
    for key in keys:
        assert await intend(journal, key)
    await settle(journal, keys[0], InDoubt("lost", at(30)))
    await settle(journal, keys[1], NotSent("down", at(300)))
    await journal.recover(at(jump), SETTLE, 300.0)
    work = await journal.open_work()
    assert work.next_due is not None
    for state in ("in_doubt", "ready"):
        for at_ms, in_state in await rows(journal, "SELECT next_try_at, state FROM deliveries"):
            if in_state == state:
                assert at_ms <= round(at(jump + 300).timestamp() * 1000)
    # What the crash left is never looked up at once, whichever way the clock went.
    ((fresh,),) = await rows(journal, "SELECT next_try_at FROM deliveries WHERE key = ?", keys[2])
    assert fresh == round(at(jump + 30).timestamp() * 1000)
    await journal.aclose()
