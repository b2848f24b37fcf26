"""The contract of every journal for the orders that a feed lists."""

from __future__ import annotations

import msgspec
import pytest

from connector.ack import NotApplied, Refused, Unknown
from connector.errors import JournalError
from connector.journal.records import Delivered, Held, InDoubt, Listing, NotSent, Outcome, Rejected, RelistPolicy
from tests.contracts.journal_bench import (
    JournalBench,
    acknowledged,
    arrival,
    at,
    delivered,
    deliveries,
    found,
    ingest,
    intend,
    notes,
    rows,
    settle,
    settle_ack,
)

__all__ = ["ArrivalRules"]


class ArrivalRules(JournalBench):
    """The promises of `Orders.ingest`."""

    @pytest.mark.fault(27)
    async def test_a_page_is_taken_in_once(self) -> None:
        """The same page again changes nothing, and is reported as known."""
        page = [arrival(str(number)) for number in range(5)]
        async with self.open() as journal:
            assert await ingest(journal, *page) == ["new"] * 5
            before = await rows(journal, "SELECT * FROM orders JOIN payloads USING (key) JOIN deliveries USING (key)")
            assert await ingest(journal, *page, now=9) == ["known"] * 5
            after = await rows(journal, "SELECT * FROM orders JOIN payloads USING (key) JOIN deliveries USING (key)")
            assert len(before) == 5
            assert after == before

    @pytest.mark.fault(3)
    async def test_a_page_is_taken_in_whole_or_not_at_all(self) -> None:
        """An order that cannot be recorded takes its page with it; nothing of it is there, and it can come again."""
        bad = arrival("2", state="held", cause="")  # what is held has a cause: the table refuses this one
        async with self.open() as journal:
            with pytest.raises(JournalError):
                await ingest(journal, arrival("1"), bad, arrival("3"))
            for table in ("orders", "payloads", "deliveries"):
                assert await rows(journal, f"SELECT * FROM {table}") == []  # noqa: S608 - three names
            assert await ingest(journal, arrival("1"), arrival("3")) == ["new", "new"]

    @pytest.mark.fault(26)
    @pytest.mark.parametrize("second", ["a", "b"])
    async def test_an_order_that_a_page_lists_twice_is_one_order(self, second: str) -> None:
        """The second listing is known, even if it is of another revision: the next page shows which one holds."""
        async with self.open() as journal:
            answers = await journal.orders.ingest(
                "shop", [arrival("1"), arrival("2"), arrival("1", second)], Listing(asked_at=at()), at()
            )
            assert [answer.what for answer in answers] == ["new", "new", "known"]
            assert answers[0].key == answers[2].key
            assert await rows(journal, "SELECT order_id, revision FROM orders ORDER BY 1") == [("1", "a"), ("2", "a")]
            assert await ingest(journal, arrival("1", second)) == ["known" if second == "a" else "changed"]

    async def test_a_change_that_a_page_lists_twice_is_one_change(self) -> None:
        """Delivery starts again once, and the history says so once."""
        async with self.open() as journal:
            key = await found(journal)
            assert await ingest(journal, arrival("1", "b"), arrival("1", "b")) == ["changed", "known"]
            assert await notes(journal, key) == ["changed at the source"]

    @pytest.mark.fault(43)
    async def test_the_same_id_from_two_sources_is_two_orders(self) -> None:
        """Sources number their orders as they like (faults.md #43)."""
        async with self.open() as journal:
            one, two = [
                (await journal.orders.ingest(source, [arrival("1")], Listing(asked_at=at()), at()))[0]
                for source in ("shop", "wholesale")
            ]
            assert (one.what, two.what) == ("new", "new")
            assert one.key != two.key
            jobs = await journal.deliveries.due("wms", ["new"], at(), 10)
            assert [(job.source, job.order_id) for job in jobs] == [("shop", "1"), ("wholesale", "1")]

    async def test_what_arrives_held_or_skipped_is_not_delivered(self) -> None:
        """An unreadable order waits for a person, a quotation for nobody; both keep their cause."""
        page = [arrival("1", state="held", cause="no street"), arrival("2", state="skipped", cause="a quotation")]
        async with self.open() as journal:
            assert await ingest(journal, *page) == ["new", "new"]
            assert await journal.deliveries.due("wms", ["in_doubt", "ready", "new"], at(99), 10) == []
            assert await rows(journal, "SELECT state, cause FROM deliveries ORDER BY key") == [
                ("held", "no street"),
                ("skipped", "a quotation"),
            ]

    async def test_a_second_attempt_is_granted_only_after_a_look_up(self) -> None:
        """Without a look-up just before, a first attempt may be made, and no other (faults.md S6)."""
        async with self.open() as journal:
            key = await found(journal)
            assert await intend(journal, key, asked=False)
            await settle(journal, key, Rejected("no such article"))
            assert await ingest(journal, arrival("1", "b")) == ["changed"]
            assert not await intend(journal, key, revision="b", asked=False)
            assert await intend(journal, key, revision="b", asked=True)

    @pytest.mark.fault(38)
    @pytest.mark.parametrize("stuck", [Held("no street"), Rejected("no such article")])
    async def test_a_corrected_order_starts_again(self, stuck: Outcome) -> None:
        """A new revision of a held or rejected order is due for delivery, with its new content (faults.md #38)."""
        async with self.open() as journal:
            key = await found(journal)
            assert await intend(journal, key)
            await settle(journal, key, stuck)
            assert await ingest(journal, arrival("1", "b", raw=b"corrected")) == ["changed"]
            (job,) = await journal.deliveries.due("wms", ["in_doubt", "new"], at(9), 10)
            assert (job.key, job.revision, job.raw, job.attempts) == (key, "b", b"corrected", 1)
            # What was refused is known not to be there; what was held after a try may be.
            assert job.state == ("in_doubt" if isinstance(stuck, Held) else "new")
            assert await rows(journal, "SELECT cause, detail FROM deliveries") == [(None, None)]
            assert await notes(journal, key) == [
                "held" if isinstance(stuck, Held) else "rejected",
                "changed at the source",
            ]

    @pytest.mark.fault(34, 73)
    async def test_what_may_be_there_and_is_cancelled_now_stays_with_the_person_who_has_it(self) -> None:
        """It is not to be delivered any more, so it is not looked up to be created; and it may be there."""
        async with self.open() as journal:
            key = await found(journal)
            assert await intend(journal, key)
            await settle(journal, key, Held("conflict at wms"))
            assert await ingest(journal, arrival("1", "b", state="cancelled", cause="cancelled")) == ["changed"]
            assert await deliveries(journal, key) == {"wms": "held"}
            assert await rows(journal, "SELECT cause FROM deliveries") == [("conflict at wms",)]

    @pytest.mark.fault(37)
    async def test_an_unchanged_rejected_order_stays_rejected(self) -> None:
        """Trying it again would earn the same refusal, and spend one of the source's strikes (faults.md #37)."""
        async with self.open() as journal:
            key = await found(journal)
            assert await intend(journal, key)
            await settle(journal, key, Rejected("no such article"))
            assert await ingest(journal, arrival("1")) == ["known"]
            assert await deliveries(journal, key) == {"wms": "rejected"}

    async def test_a_skipped_order_that_changed_is_looked_at_again(self) -> None:
        """A quotation may become an order; one that stays a quotation stays skipped."""
        quotation = arrival("1", state="skipped", cause="a quotation")
        async with self.open() as journal:
            await ingest(journal, quotation)
            edited = arrival("1", "b", state="skipped", cause="a quotation")
            assert await ingest(journal, edited) == ["changed"]
            assert await journal.deliveries.due("wms", ["new"], at(9), 10) == []
            assert await ingest(journal, arrival("1", "c")) == ["changed"]
            assert len(await journal.deliveries.due("wms", ["new"], at(9), 10)) == 1

    @pytest.mark.fault(31)
    async def test_an_order_that_waits_is_delivered_as_it_is_now(self) -> None:
        """An order that has not been sent yet is replaced: the newest revision is the one to deliver."""
        async with self.open() as journal:
            key = await found(journal)
            assert await intend(journal, key)
            await settle(journal, key, NotSent("refused", at(500)))
            assert await ingest(journal, arrival("1", "b")) == ["changed"]
            assert not await intend(journal, key, revision="a")
            assert [job.revision for job in await journal.deliveries.due("wms", ["new"], at(9), 10)] == ["b"]

    @pytest.mark.fault(31)
    async def test_an_order_on_its_way_is_not_touched(self) -> None:
        """The sent revision counts (faults.md #31); the change is noted, and resumed if the delivery fails."""
        async with self.open() as journal:
            key = await found(journal)
            assert await intend(journal, key)
            for _ in range(2):
                assert await ingest(journal, arrival("1", "b")) == ["known"]
            await settle(journal, key, InDoubt("lost", at(30)))
            assert await ingest(journal, arrival("1", "b")) == ["known"]
            assert await deliveries(journal, key) == {"wms": "in_doubt"}
            assert (await notes(journal, key)).count("changed after delivery") == 1
            await settle(journal, key, Rejected("no such article"))
            assert await ingest(journal, arrival("1", "b")) == ["changed"]

    @pytest.mark.fault(32)
    async def test_a_delivered_order_that_changed_is_noted_once(self) -> None:
        """It is not delivered again, before and after its acknowledgement; each revision is noted once (#32)."""
        async with self.open() as journal:
            key = await found(journal)
            await delivered(journal, key)
            assert await ingest(journal, arrival("1", "b")) == ["amended"]
            assert await ingest(journal, arrival("1", "b")) == ["known"]
            await acknowledged(journal, key, now=10)
            assert await ingest(journal, arrival("1", "b"), now=10) == ["known"]
            assert await ingest(journal, arrival("1", "c"), now=10) == ["amended"]
            assert [("update", "c", "due")] == await rows(journal, "SELECT what, revision, state FROM changes")
            assert await notes(journal, key) == ["changed after delivery"] * 2
            assert await deliveries(journal, key) == {"wms": "delivered"}
            assert await rows(journal, "SELECT revision FROM orders") == [("a",)]

    async def test_where_one_receiver_has_it_a_correction_reaches_the_other(self) -> None:
        """The delivery that is held starts again with the correction; the one that is done stays done."""
        async with self.open() as journal:
            key = await found(journal, receivers=(("wms", True), ("erp", True)))
            await delivered(journal, key)
            await settle(journal, key, Held("no street"), receiver="erp")
            assert await ingest(journal, arrival("1", "b")) == ["changed"]
            assert await deliveries(journal, key) == {"erp": "new", "wms": "delivered"}
            ack = await delivered(journal, key, receiver="erp", revision="b")
            assert ack is not None
            assert ack.outcome == "exported"

    @pytest.mark.parametrize("gone", ["vanished", "cancelled"])
    async def test_what_comes_back_is_delivered_after_all(self, gone: str) -> None:
        """An order that had left the feed, and is listed again as it was, is due; an order that was held stays held."""
        async with self.open() as journal:
            key = await found(journal, receivers=(("wms", True), ("erp", True)))
            await settle(journal, key, Held("no street"), receiver="erp")
            await rows(journal, "UPDATE deliveries SET state = ? WHERE receiver = 'wms'", gone)
            assert await ingest(journal, arrival("1")) == ["changed"]
            assert await deliveries(journal, key) == {"erp": "held", "wms": "new"}

    @pytest.mark.fault(36)
    async def test_what_is_listed_after_it_was_confirmed_is_acknowledged_again(self) -> None:
        """Somebody at the source took it back; the order is not delivered again (faults.md #36)."""
        async with self.open() as journal:
            key = await found(journal)
            first = await delivered(journal, key)
            await acknowledged(journal, key, now=10)
            assert await ingest(journal, arrival("1"), arrival("1"), now=12, listed=11) == ["reacknowledge", "known"]
            assert await deliveries(journal, key) == {"wms": "delivered"}
            assert first is not None
            again = msgspec.structs.replace(first, attempts=1)  # they go on counting: it may be the same for ever
            assert await journal.acks.due("shop", "pending", at(12)) == [again]
            assert await notes(journal, key) == ["listed again"]
            assert await ingest(journal, arrival("1"), now=13) == ["known"]

    @pytest.mark.fault(126)
    async def test_a_confirmation_is_not_judged_by_a_list_before_it_has_settled(self) -> None:
        """A list may be behind by as much; the wait doubles with each time that it was listed again, to a longest."""
        again = RelistPolicy(settle=30, first=8, longest=64)
        async with self.open() as journal:
            key = await found(journal)
            await delivered(journal, key)
            for confirmed, wait in ((10, 30), (100, 30), (200, 32), (300, 64), (400, 64)):
                await acknowledged(journal, key, now=confirmed)
                for listed, what in ((wait, "known"), (wait + 0.001, "reacknowledge")):
                    listing = Listing(asked_at=at(confirmed + listed), again=again)
                    (taken,) = await journal.orders.ingest("shop", [arrival("1")], listing, at(confirmed + listed))
                    assert taken.what == what

    @pytest.mark.fault(126, 127)
    @pytest.mark.parametrize("again", [RelistPolicy(once=True), RelistPolicy(tries=1)])
    async def test_what_may_not_be_told_again_is_left_to_a_person(self, again: RelistPolicy) -> None:
        """It counts as late no more; a later complete walk that does not list it counts it as acknowledged."""
        async with self.open() as journal:
            key = await found(journal)
            await delivered(journal, key)
            await acknowledged(journal, key, now=10)
            (taken,) = await journal.orders.ingest(
                "shop", [arrival("1")], Listing(asked_at=at(11), again=again), at(11)
            )
            assert taken.what == "left"
            assert await ingest(journal, arrival("1"), now=50) == ["known"]
            assert await journal.acks.oldest(at(60)) == {}
            assert await journal.relisted.of_source("shop", at(40), 30) == {}
            assert await journal.relisted.of_source("shop", at(41), 30) == {"1": key}
            await journal.relisted.not_listed([key], at(45))
            assert await rows(journal, "SELECT ack_state FROM orders") == [("confirmed",)]
            assert await notes(journal, key) == ["listed again", "not listed any more"]

    @pytest.mark.fault(127)
    async def test_the_age_of_what_is_listed_again_goes_on_through_confirmations(self) -> None:
        """It counts from the first time until the source does not list the order any more."""
        async with self.open() as journal:
            key = await found(journal)
            await delivered(journal, key)
            for time in (10, 50, 90):
                await acknowledged(journal, key, now=time)
                assert await ingest(journal, arrival("1"), now=time + 1) == ["reacknowledge"]
                assert await journal.acks.oldest(at(time + 5)) == {"shop": time - 6}
            await acknowledged(journal, key, now=100)
            assert await journal.acks.oldest(at(111)) == {"shop": 100}
            await journal.relisted.not_listed([key], at(120))
            assert await journal.acks.oldest(at(130)) == {}

    @pytest.mark.parametrize("listed", [5.0, 9.999, 10.0])
    async def test_a_page_that_was_asked_for_before_the_confirmation_proves_nothing(self, listed: float) -> None:
        """The vendor may have written the page first: the order is known, and not acknowledged again."""
        async with self.open() as journal:
            key = await found(journal)
            await delivered(journal, key)
            await acknowledged(journal, key, now=10)
            assert await ingest(journal, arrival("1"), now=12, listed=listed) == ["known"]
            assert await journal.acks.due("shop", "pending", at(99)) == []

    async def test_a_corrected_order_whose_failure_was_told_is_told_as_exported(self) -> None:
        """A failure is not the end: the new revision is delivered and acknowledged."""
        async with self.open() as journal:
            key = await found(journal)
            assert await intend(journal, key)
            failed = (await settle(journal, key, Rejected("no such article", tell=True))).ack
            assert failed is not None
            await acknowledged(journal, key)
            assert await ingest(journal, arrival("1", "b")) == ["changed"]
            assert await rows(journal, "SELECT state FROM order_states") == [("new",)]
            ack = await delivered(journal, key, revision="b", now=50)
            assert ack is not None
            assert (ack.outcome, ack.at, ack.attempts) == ("exported", at(50), 0)
            assert await journal.acks.due("shop", "pending", at(50)) == [ack]

    @pytest.mark.parametrize("until", [NotApplied("down"), Unknown("lost"), None])
    async def test_a_correction_waits_until_the_failure_was_told(self, until: NotApplied | Unknown | None) -> None:
        """While a failure is being acknowledged, the new revision waits: two outcomes at once would cross."""
        async with self.open() as journal:
            key = await found(journal)
            assert await intend(journal, key)
            await settle(journal, key, Rejected("no such article", tell=True))
            assert await ingest(journal, arrival("1", "b")) == ["known"]
            assert await journal.acks.claim([key], at()) == [True]
            if until is not None:
                await settle_ack(journal, key, until)
            assert await ingest(journal, arrival("1", "b")) == ["known"]
            if isinstance(until, NotApplied):
                assert await journal.acks.claim([key], at()) == [True]
            await settle_ack(journal, key, Refused("no such order"))
            assert await ingest(journal, arrival("1", "b")) == ["changed"]
            assert await delivered(journal, key, revision="b") is not None

    @pytest.mark.parametrize("gone", ["cancelled", "vanished"])
    async def test_what_comes_back_has_not_failed(self, gone: str) -> None:
        """One receiver refused it and the other was not to get it; now that one may, and this is acknowledged."""
        async with self.open() as journal:
            key = await found(journal, receivers=(("wms", True), ("erp", True)))
            await rows(journal, "UPDATE deliveries SET state = ?, cause = 'gone' WHERE receiver = 'erp'", gone)
            assert await intend(journal, key)
            assert (await settle(journal, key, Rejected("no such article", tell=True))).ack is not None
            assert await ingest(journal, arrival("1")) == ["changed"]
            assert await deliveries(journal, key) == {"erp": "new", "wms": "rejected"}
            assert await journal.acks.due("shop", "pending", at(99)) == []
            assert (await notes(journal, key))[-2:] == ["failure withdrawn", "changed at the source"]

    @pytest.mark.fault(99)
    async def test_exported_is_final(self) -> None:
        """After any later record, an exported order is never acknowledged as failed (faults.md S4)."""
        async with self.open() as journal:
            key = await found(journal, receivers=(("wms", True), ("archive", False)))
            await delivered(journal, key)
            await acknowledged(journal, key, now=10)
            assert await intend(journal, key, receiver="archive")
            answer = await settle(journal, key, Rejected("full", tell=True), receiver="archive")
            assert answer.ack is None
            with pytest.raises(JournalError, match="nothing follows an export"):
                await journal.store.write(lambda db: db.execute("UPDATE orders SET ack_outcome = 'failed'"))

    async def test_a_receipt_never_changes(self) -> None:
        """The first receipt of an order is its receipt for ever."""
        async with self.open() as journal:
            key = await found(journal)
            await delivered(journal, key)
            assert not (await settle(journal, key, Delivered("other", "R9"))).applied
            assert await rows(journal, "SELECT receipt FROM deliveries") == [(f"id-{key}",)]
            with pytest.raises(JournalError, match="a receipt never changes"):
                await journal.store.write(lambda db: db.execute("UPDATE deliveries SET receipt = 'other'"))
