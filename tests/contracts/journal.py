"""The contract of every journal. Each journal's test inherits it."""

from __future__ import annotations

import asyncio

import pytest

from connector.errors import JournalError
from connector.journal.records import InDoubt, Listing, NotSent, Waiting
from tests.contracts.journal_acks import AckRules
from tests.contracts.journal_arrivals import ArrivalRules
from tests.contracts.journal_bench import arrival, at, found, ingest, intend, is_open, settle
from tests.contracts.journal_changes import ChangeRules
from tests.contracts.journal_deliveries import DeliveryRules

__all__ = ["JournalContract"]


class JournalContract(ArrivalRules, DeliveryRules, AckRules, ChangeRules):
    """
    The promises of `connector.journal.base.Journal`.

    A subclass named `Test...` opens the journal that it tests.
    """

    async def test_the_journal_is_the_one_that_the_test_names(self) -> None:
        """And no other stands in for it."""
        async with self.open() as journal:
            assert type(journal) is self.journal

    async def test_due_has_an_order_and_a_limit(self) -> None:
        """State by state in the requested order; in each the longest waiting first, then the oldest."""
        async with self.open() as journal:
            keys = [await found(journal, str(number)) for number in range(6)]
            for key, wait in zip(keys[:3], (30, 10, 20), strict=True):
                assert await intend(journal, key)
                await settle(journal, key, InDoubt("lost", at(wait)))

            async def due(limit: int, seconds: float = 60, *states: str) -> list[int]:
                asked = states or ("in_doubt", "ready", "new")
                return [job.key for job in await journal.deliveries.due("wms", asked, at(seconds), limit)]  # type: ignore[arg-type]

            doubtful, new = [keys[1], keys[2], keys[0]], keys[3:]
            assert await due(10) == doubtful + new
            assert await due(4) == doubtful + new[:1]
            assert await due(3) == doubtful
            assert await due(0) == []
            assert await due(10, 20) == doubtful[:2] + new
            assert await due(10, 60, "new", "in_doubt") == new + doubtful
            assert await due(10, 60, "ready") == []

    async def test_a_job_is_all_that_a_delivery_needs(self) -> None:
        """A delivery that is taken up after a crash has only this to go by."""
        async with self.open() as journal:
            await ingest(journal, arrival("1", raw=b"as it was sent"))
            (job,) = await journal.deliveries.due("wms", ["new"], at(), 1)
            assert (job.source, job.order_id, job.external_id, job.revision, job.receiver, job.state, job.attempts) == (
                "shop", "1", "shop-1", "a", "wms", "new", 0,
            )  # fmt: skip
            assert job.raw == b"as it was sent"
            assert await journal.deliveries.due("erp", ["new"], at(), 1) == []

    async def test_next_due_is_strictly_later(self) -> None:
        """A delivery that is due already does not count; None if there is none to wait for."""
        async with self.open() as journal:
            for order_id, wait in (("1", 40), ("2", 20)):
                key = await found(journal, order_id)
                assert await intend(journal, key)
                await settle(journal, key, NotSent("down", at(wait)))
            states: tuple[Waiting, ...] = ("in_doubt", "ready")
            assert await journal.deliveries.next_due("wms", states, at(5)) == at(20)
            assert await journal.deliveries.next_due("wms", states, at(20)) == at(40)
            assert await journal.deliveries.next_due("wms", states, at(40)) is None
            assert await journal.deliveries.next_due("wms", ["in_doubt"], at(5)) is None
            assert await journal.deliveries.next_due("erp", states, at(5)) is None

    async def test_callers_at_the_same_time_do_not_mix(self) -> None:
        """Each gets the answer to its own call, and one that fails takes no other with it."""
        async with self.open() as journal:
            bad = arrival("bad", state="held", cause="")
            calls = [
                journal.orders.ingest(
                    "shop", [arrival(str(number)) if number != 13 else bad], Listing(asked_at=at()), at()
                )
                for number in range(30)
            ]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            assert isinstance(answers.pop(13), JournalError)
            keys = {answer[0].key for answer in answers if not isinstance(answer, BaseException)}
            assert len(keys) == 29
            assert await is_open(journal) == ({"wms": 29}, {})

    async def test_a_cancelled_call_has_still_been_done(self) -> None:
        """Cancellation comes after the verdict: nobody has to guess whether a write happened."""
        async with self.open() as journal:
            task = asyncio.create_task(ingest(journal, arrival("1")))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await ingest(journal, arrival("1")) == ["known"]

    async def test_what_was_asked_for_before_the_end_is_done(self) -> None:
        """Closing waits for every call that was made before."""
        async with self.open() as journal:
            key = await found(journal)
            first = asyncio.create_task(intend(journal, key))
            await asyncio.sleep(0)
            second = asyncio.create_task(ingest(journal, arrival("2")))
            await asyncio.sleep(0)
            await journal.aclose()
            assert await first
            assert await second == ["new"]

    async def test_a_closed_journal_says_so(self) -> None:
        """Reading and writing raise `JournalError`: to go on without a memory would double orders."""
        async with self.open() as journal:
            await journal.aclose()
            with pytest.raises(JournalError):
                await ingest(journal, arrival("1"))
            with pytest.raises(JournalError):
                await journal.open_work()
