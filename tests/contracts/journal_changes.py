"""The contract of every journal for changes after a delivery: updates, cancellations, documents."""

from __future__ import annotations

from typing import Literal

import pytest

from connector.journal import decisions
from connector.journal.records import Arrival, Change, ChangeOutcome, Delivered, Listing
from connector.journal.sqlite import SqliteJournal
from tests.contracts.journal_bench import (
    JournalBench,
    acknowledged,
    arrival,
    at,
    delivered,
    found,
    intend,
    notes,
    rows,
    settle,
)

__all__ = ["ChangeRules"]

CANCELLED = Arrival(
    order_id="1",
    external_id="shop-1",
    revision="z",
    raw=b"cancelled",
    receivers=(("wms", True),),
    state="cancelled",
    cause="cancelled at the source",
)


class ChangeRules(JournalBench):
    """The promises of `Changes.due`, `next_due` and `settle`."""

    async def test_a_change_is_due_with_all_that_it_needs(self) -> None:
        """The current content of the order, and the receiver's numbers for it."""
        async with self.open() as journal:
            key = await found(journal)
            await delivered(journal, key)
            await amend(journal, arrival("1", "b", raw=b"as it is now"))
            (change,) = await journal.changes.due("wms", at(9), 10)
            assert (change.key, change.source, change.order_id, change.external_id) == (key, "shop", "1", "shop-1")
            assert (change.what, change.revision, change.attempts) == ("update", "b", 0)
            assert (change.receipt, change.reference, change.raw) == (f"id-{key}", f"R{key}", b"as it is now")
            assert await journal.changes.due("erp", at(9), 10) == []
            assert await journal.changes.next_due("erp") is None

    async def test_a_change_that_is_done_is_over(self) -> None:
        """The new revision is the delivered one, and the old content of the order is removed."""
        async with self.open() as journal:
            change = await changed(journal)
            assert await journal.changes.settle("wms", change, ChangeOutcome("done"), at(20))
            assert await journal.changes.due("wms", at(99), 10) == []
            assert await journal.changes.next_due("wms") is None
            assert await rows(journal, "SELECT revision, (SELECT count(*) FROM payloads) FROM orders") == [("b", 0)]
            assert await amend(journal, arrival("1", "b")) == "known"

    async def test_a_change_that_failed_is_due_again_after_a_wait(self) -> None:
        """With its attempts counted, and with the content that it needs."""
        async with self.open() as journal:
            change = await changed(journal)
            assert await journal.changes.settle("wms", change, ChangeOutcome("due", "down", at(60)), at(20))
            assert await journal.changes.next_due("wms") == at(60)
            assert await journal.changes.due("wms", at(59), 10) == []
            assert [again.attempts for again in await journal.changes.due("wms", at(60), 10)] == [1]

    @pytest.mark.fault(121)
    async def test_a_clock_that_was_set_back_delays_no_change_for_long(self) -> None:
        """A start pulls in a due time that is further off than any wait between two tries (faults.md #121)."""
        async with self.open() as journal:
            change = await changed(journal)
            assert await journal.changes.settle("wms", change, ChangeOutcome("due", "down", at(60)), at(20))
            await journal.recover(at(-86_400), {"wms": 30.0}, 300.0)
            assert await journal.changes.next_due("wms") == at(-86_400 + 330)

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("released", [True, False])
    async def test_a_held_change_keeps_what_it_needs(self, when: str, released: bool) -> None:
        """A person may release it long after the source has confirmed: then it is due, and can be done."""
        async with self.open() as journal:
            key = await found(journal)
            await delivered(journal, key)
            if when == "after":
                await acknowledged(journal, key)
            await amend(journal, arrival("1", "b", raw=b"as it is now"), on_change="hold")
            if when == "before":
                await acknowledged(journal, key)
            assert await journal.changes.due("wms", at(99), 10) == []
            assert await journal.changes.next_due("wms") is None
            if released:
                assert await journal.store.write(lambda db: decisions.retry([key], 0, db)) == [key]
                (change,) = await journal.changes.due("wms", at(99), 10)
                assert change.raw == b"as it is now"
                assert await journal.changes.settle("wms", change, ChangeOutcome("held", "too late"), at(20))
                assert await journal.store.write(lambda db: decisions.retry([key], 0, db)) == [key]
                assert len(await journal.changes.due("wms", at(99), 10)) == 1
            assert await rows(journal, "SELECT count(*) FROM payloads") == [(1,)]

    @pytest.mark.fault(126)
    async def test_a_change_that_was_being_sent_is_looked_at_after_settle(self) -> None:
        """The process ended: it may have been applied, and an earlier reading may be older. Others are due at once."""
        async with self.open() as journal:
            sent, other = await changed(journal), await changed(journal, "2")
            assert await journal.changes.claim("wms", sent)
            await journal.recover(at(20), {"wms": 30.0}, 300.0)
            assert [change.key for change in await journal.changes.due("wms", at(49), 10)] == [other.key]
            assert sent in await journal.changes.due("wms", at(50), 10)
            await journal.recover(at(40), {"wms": 30.0}, 300.0)
            assert sent in await journal.changes.due("wms", at(50), 10)

    @pytest.mark.fault(126)
    @pytest.mark.parametrize("state", ["done", "held"])
    async def test_a_newer_change_waits_until_the_older_one_shows(self, state: Literal["done", "held"]) -> None:
        """In both cases: the older one is at its end by then, or was on its way."""
        async with self.open() as journal:
            for order_id in ("1", "2"):
                old = await changed(journal, order_id)
                assert await journal.changes.claim("wms", old)
                outcome = ChangeOutcome(state, doubt_until=at(50))
                if order_id == "1":
                    assert await journal.changes.settle("wms", old, outcome, at(20))
                await amend(journal, arrival(order_id, "c", raw=b"newer"))
                if order_id == "2":
                    assert not await journal.changes.settle("wms", old, outcome, at(20))
                assert await journal.changes.due("wms", at(49), 10) == []
                (new,) = await journal.changes.due("wms", at(50), 10)
                assert (new.revision, new.applied, new.unshown) == ("c", False, 0)
                assert await journal.changes.settle("wms", new, ChangeOutcome("done"), at(60))

    @pytest.mark.fault(126)
    async def test_a_change_that_a_person_lets_go_waits_until_the_older_one_shows(self) -> None:
        """It is sent anew, and the reading before it is not older than the change that was sent."""
        async with self.open() as journal:
            change = await changed(journal)
            outcome = ChangeOutcome("held", "as it was", doubt_until=at(50), applied=True, unshown=3)
            assert await journal.changes.settle("wms", change, outcome, at(20))
            assert await journal.store.write(lambda db: decisions.retry([change.key], 0, db)) == [change.key]
            assert await journal.changes.due("wms", at(49), 10) == []
            assert change in await journal.changes.due("wms", at(50), 10)

    @pytest.mark.fault(126)
    async def test_a_cancellation_does_not_wait_for_the_doubt_of_an_update(self) -> None:
        """No older reading shows it; an update after it does wait."""
        async with self.open() as journal:
            change = await changed(journal)
            assert await journal.changes.settle("wms", change, ChangeOutcome("done", doubt_until=at(50)), at(20))
            assert await amend(journal, CANCELLED) == "amended"
            (cancel,) = await journal.changes.due("wms", at(20), 10)
            assert await journal.changes.settle("wms", cancel, ChangeOutcome("held", "too late"), at(21))
            assert await amend(journal, arrival("1", "c", raw=b"newer")) == "amended"
            assert await journal.changes.due("wms", at(49), 10) == []
            assert [each.what for each in await journal.changes.due("wms", at(50), 10)] == ["update"]

    @pytest.mark.fault(126)
    async def test_an_order_that_changes_back_before_it_was_updated_is_updated_again(self) -> None:
        """The revision in between may have been sent: the order is changed back to the delivered one."""
        async with self.open() as journal:
            await changed(journal)
            assert await amend(journal, arrival("1", "a")) == "amended"
            (back,) = await journal.changes.due("wms", at(9), 10)
            assert (back.what, back.revision, back.raw) == ("update", "a", b'{"id": 1}')
            assert await journal.changes.settle("wms", back, ChangeOutcome("done"), at(20))
            assert await amend(journal, arrival("1", "a")) == "known"

    async def test_a_newer_change_takes_the_place_of_an_older_one(self) -> None:
        """The outcome of the older one does not end the newer one."""
        async with self.open() as journal:
            old = await changed(journal)
            await amend(journal, arrival("1", "c", raw=b"newer"))
            assert not await journal.changes.settle("wms", old, ChangeOutcome("done"), at(20))
            (new,) = await journal.changes.due("wms", at(99), 10)
            assert (new.revision, new.raw) == ("c", b"newer")

    async def test_a_cancellation_ends_what_was_to_be_updated(self) -> None:
        """There is nothing left to update; the same cancellation again changes nothing."""
        async with self.open() as journal:
            await changed(journal)
            assert [await amend(journal, CANCELLED) for _ in range(2)] == ["amended", "known"]
            assert [change.what for change in await journal.changes.due("wms", at(99), 10)] == ["cancel"]

    async def test_a_change_that_is_ignored_is_noted(self) -> None:
        """Once; nothing is due."""
        async with self.open() as journal:
            key = await found(journal)
            await delivered(journal, key)
            for _ in range(2):
                assert await amend(journal, arrival("1", "b"), on_change="ignore") == "known"
            assert await journal.changes.next_due("wms") is None
            assert await notes(journal, key) == ["changed after delivery"]

    async def test_documents_are_due_with_the_delivery(self) -> None:
        """In the same transaction: a crash between the two would lose a label."""
        async with self.open() as journal:
            key = await found(journal)
            assert await intend(journal, key)
            await settle(journal, key, Delivered("id", "R1", attach=True))
            await acknowledged(journal, key)
            (change,) = await journal.changes.due("wms", at(99), 10)
            assert (change.what, change.raw) == ("attach", b'{"id": 1}')
            work = await journal.open_work()
            assert work.changes == {"wms": 1}


async def amend(
    journal: SqliteJournal, one: Arrival, *, on_change: Literal["update", "hold", "ignore"] = "update"
) -> str:
    """List an order that was delivered; return its arrival."""
    listing = Listing(asked_at=at(), on_change=on_change)
    (answer,) = await journal.orders.ingest("shop", [one], listing, at(9))
    return answer.what


async def changed(journal: SqliteJournal, order_id: str = "1") -> Change:
    """Deliver an order, have it confirmed, and let it change; return the change that is due."""
    key = await found(journal, order_id)
    await delivered(journal, key)
    await acknowledged(journal, key)
    assert await amend(journal, arrival(order_id, "b", raw=b"as it is now")) == "amended"
    (change,) = [each for each in await journal.changes.due("wms", at(9), 10) if each.key == key]
    return change
