"""The contract of every journal for acknowledgements, for starts and for the counts of open work."""

from __future__ import annotations

from typing import get_args

import pytest

from connector.ack import AckOutcome, Confirmed, NotApplied, Refused, Unknown
from connector.journal.engine.codec import millis
from connector.journal.records import (
    AckResult,
    Delivered,
    Held,
    InDoubt,
    Intent,
    Listing,
    NotSent,
    Rejected,
    Settlement,
)
from connector.journal.states import ACK_EDGES, AckState
from tests.contracts.journal_bench import (
    HASH,
    JournalBench,
    acknowledged,
    arrival,
    at,
    delivered,
    deliveries,
    found,
    ingest,
    intend,
    is_open,
    notes,
    place_ack,
    rows,
    settle,
    settle_ack,
)

__all__ = ["AckRules"]

OUTCOMES: list[AckOutcome] = [Confirmed(), NotApplied("down"), Unknown("lost"), Refused("no such order")]


class AckRules(JournalBench):
    """The promises of the rest of `Journal`."""

    async def test_an_acknowledgement_is_claimed_once(self) -> None:
        """Nobody else sends it meanwhile; an acknowledgement that is not pending is not granted."""
        async with self.open() as journal:
            keys = [await found(journal, str(number)) for number in range(3)]
            for key in keys[:2]:
                await delivered(journal, key)
            assert await journal.acks.claim([*keys, keys[0], 999], at()) == [True, True, False, False, False]
            assert await journal.acks.claim(keys, at()) == [False] * 3
            assert await journal.acks.due("shop", "pending", at(99)) == []

    @pytest.mark.parametrize("state", get_args(AckState))
    async def test_only_what_is_pending_can_be_claimed(self, state: AckState) -> None:
        """One in doubt is read back first, one that is confirmed or parked is not sent at all."""
        async with self.open() as journal:
            key = await place_ack(journal, state)
            assert await journal.acks.claim([key], at()) == [state == "pending"]
            after = "sending" if state == "pending" else state
            assert await rows(journal, "SELECT ack_state FROM orders") == [(after,)]

    @pytest.mark.parametrize(
        ("outcome", "due", "granted"), [("failed", 0, True), ("failed", 1, False), ("exported", 0, False)]
    )
    async def test_a_failure_is_claimed_as_long_as_it_is_the_same(
        self, outcome: str, due: float, granted: bool
    ) -> None:
        """Not when it was withdrawn since, and another fell due; and not when the order is exported."""
        async with self.open() as journal:
            others = [await found(journal, "2"), await found(journal, "3")]
            for other in others:
                await delivered(journal, other)
            key = await found(journal)
            await rows(
                journal,
                "UPDATE orders SET ack_state = 'pending', ack_outcome = ?, ack_message = 'no', ack_at = ?"
                " WHERE key = ?",
                outcome,
                millis(at(due)),
                key,
            )
            claimed = await journal.acks.claim([others[0], key, others[1]], at(), {key: at()})
            assert claimed == [True, granted, True]

    @pytest.mark.parametrize(
        ("revision", "reason", "told"),
        [("a", "no such article", False), ("a", "nor such a size", True), ("b", "no such article", True)],
    )
    async def test_a_source_hears_once_of_a_failure(self, revision: str, reason: str, told: bool) -> None:
        """A revision that fails again with the same message costs no second strike; a new failure is acknowledged."""
        async with self.open() as journal:
            key = await found(journal)
            first = await settle(journal, key, Rejected("no such article", tell=True))
            assert first.ack is not None
            assert await journal.acks.claim([key], at()) == [True]
            await settle_ack(journal, key, Confirmed())
            await rows(journal, "UPDATE deliveries SET state = 'new'")
            await rows(journal, "UPDATE orders SET revision = ?", revision)

            again = await settle(journal, key, Rejected(reason, tell=True))

            assert again.applied
            assert (again.ack is not None) == told
            assert await rows(journal, "SELECT ack_state, ack_message FROM orders") == [
                ("pending" if told else "confirmed", reason)
            ]

    @pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
    @pytest.mark.parametrize(
        ("delivery", "after"),
        [
            ("rejected", ("failed", {"Confirmed": "confirmed", "NotApplied": "pending", "Refused": "parked"})),
            ("new", ("failed", {"Confirmed": "confirmed", "NotApplied": "none", "Refused": "parked"})),
            ("held", ("failed", {"Confirmed": "confirmed", "NotApplied": "none", "Refused": "parked"})),
            ("skipped", ("failed", {"Confirmed": "confirmed", "NotApplied": "pending", "Refused": "parked"})),
            ("delivered", ("exported", {"Confirmed": "pending", "NotApplied": "pending", "Refused": "pending"})),
        ],
    )
    async def test_what_became_of_an_order_while_its_source_was_told_that_it_failed(
        self, delivery: str, after: tuple[str, dict[str, str]], outcome: AckOutcome
    ) -> None:
        """It may have been tried again: a failure that was not sent is dropped, and a delivery is acknowledged."""
        async with self.open() as journal:
            key = await found(journal)
            await rows(
                journal,
                "UPDATE orders SET ack_state = 'pending', ack_outcome = 'failed', ack_message = 'no', ack_at = 0",
            )
            assert await journal.acks.claim([key], at()) == [True]
            await rows(journal, "UPDATE deliveries SET receipt = 'id'")
            if delivery != "new":
                await rows(journal, "UPDATE deliveries SET state = ?, cause = 'no'", delivery)

            await journal.acks.settle([AckResult(key, outcome, at(), failure=True)], at())

            kind, states = after
            state = states.get(type(outcome).__name__, "in_doubt")
            expected = {"none": None, "in_doubt": "failed"}.get(state, kind)
            assert await rows(journal, "SELECT ack_state, ack_outcome FROM orders") == [(state, expected)]

    @pytest.mark.parametrize(
        ("outcome", "state"),
        [
            (Confirmed(), "confirmed"),
            (NotApplied("down"), "pending"),
            (Unknown("lost"), "in_doubt"),
            (Refused("no such order"), "parked"),
        ],
    )
    async def test_every_outcome_leads_where_it_should(self, outcome: AckOutcome, state: str) -> None:
        """Confirmed is forgotten; not applied is tried again, unknown read back, refused left to a person."""
        async with self.open() as journal:
            key = await found(journal)
            ack = await delivered(journal, key)
            assert ack is not None
            assert await journal.acks.claim([key], at()) == [True]
            await settle_ack(journal, key, outcome, next_try=60)
            reason = None if isinstance(outcome, Confirmed) else outcome.reason
            assert await rows(journal, "SELECT ack_state, ack_reason FROM orders") == [(state, reason)]
            opened = state in ("pending", "in_doubt")
            assert await is_open(journal) == ({}, {"shop": 1} if opened else {})
            for asked in ("pending", "in_doubt"):
                assert await journal.acks.due("shop", asked, at(59)) == []
                again = await journal.acks.due("shop", asked, at(60))
                assert [(one.message, one.at, one.attempts) for one in again] == (
                    [(ack.message, ack.at, 1)] if asked == state else []
                )
            assert len(await notes(journal, key)) == (0 if state == "confirmed" else 1)

    @pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
    @pytest.mark.parametrize("state", get_args(AckState))
    async def test_an_outcome_that_comes_late_does_nothing(self, state: AckState, outcome: AckOutcome) -> None:
        """It counts while the acknowledgement is sent or in doubt; in other states it changes nothing, never fails."""
        async with self.open() as journal:
            key = await place_ack(journal, state)
            await settle_ack(journal, key, outcome, next_try=60)
            ((after,),) = await rows(journal, "SELECT ack_state FROM orders")
            if state in ("sending", "in_doubt"):
                assert after == state or after in ACK_EDGES[state]
            else:
                assert after == state
                assert await notes(journal, key) == []

    async def test_what_an_order_was_is_removed_once_it_is_confirmed(self) -> None:
        """It holds people's addresses, and nobody needs it any more; who got it under which number stays."""
        async with self.open() as journal:
            key = await found(journal)
            await delivered(journal, key)
            assert await rows(journal, "SELECT count(*) FROM payloads") == [(1,)]
            await acknowledged(journal, key)
            assert await rows(journal, "SELECT count(*) FROM payloads") == [(0,)]
            kept = await rows(journal, "SELECT external_id, receipt, reference FROM orders JOIN deliveries USING (key)")
            assert kept == [("shop-1", f"id-{key}", f"R{key}")]

    async def test_what_an_order_was_is_removed_when_the_last_receiver_has_it(self) -> None:
        """An optional receiver may get it after the source has confirmed; then it goes, too."""
        async with self.open() as journal:
            key = await found(journal, receivers=(("wms", True), ("archive", False)))
            await delivered(journal, key)
            await acknowledged(journal, key)
            await delivered(journal, key, receiver="archive")
            assert await rows(journal, "SELECT count(*) FROM payloads") == [(0,)]

    async def test_what_an_order_was_is_kept_while_anybody_needs_it(self) -> None:
        """A receiver that has yet to get it, or a source that has yet to confirm."""
        three = (("wms", True), ("archive", False), ("erp", False))
        async with self.open() as journal:
            key = await found(journal, receivers=three)
            await delivered(journal, key)
            await acknowledged(journal, key)
            await delivered(journal, key, receiver="archive")
            assert await rows(journal, "SELECT count(*) FROM payloads") == [(1,)]
            other = await found(journal, "2", receivers=three[:2])
            await delivered(journal, other)
            await delivered(journal, other, receiver="archive")
            assert await rows(journal, "SELECT count(*) FROM payloads WHERE key = ?", other) == [(1,)]

    async def test_what_a_failed_order_was_is_kept(self) -> None:
        """A person has to look at it, and may try it again."""
        async with self.open() as journal:
            key = await found(journal)
            assert await intend(journal, key)
            await settle(journal, key, Rejected("no such article", tell=True))
            await acknowledged(journal, key)
            assert await rows(journal, "SELECT count(*) FROM payloads") == [(1,)]

    async def test_due_acknowledgements_are_of_one_source_and_state_oldest_first(self) -> None:
        """The longest waiting comes first."""
        async with self.open() as journal:
            keys = [await found(journal, str(number)) for number in range(5)]
            for key in keys:
                await delivered(journal, key)
            last, doubtful = keys[0], keys[1]
            assert await journal.acks.claim([last, doubtful], at()) == [True, True]
            await settle_ack(journal, last, NotApplied("down"), next_try=60)
            await settle_ack(journal, doubtful, Unknown("lost"), next_try=60)
            assert await journal.acks.due("wholesale", "pending", at(99)) == []
            assert [ack.key for ack in await journal.acks.due("shop", "pending", at(99))] == [*keys[2:], last]
            assert [ack.key for ack in await journal.acks.due("shop", "in_doubt", at(99))] == [doubtful]

    @pytest.mark.fault(103)
    async def test_what_waits_keeps_the_terms_under_which_it_fell_due(self) -> None:
        """Pending, in doubt or parked, through further changes; a later one has the terms of then: no text."""
        async with self.open() as journal:
            assert await journal.ack_terms.keep({"shop": "a", "depot": "", "yard": "x"}) == {}
            keys = [await found(journal, str(number)) for number in range(5)]
            for key in keys[:4]:
                await delivered(journal, key)
            assert await journal.acks.claim(keys[:3], at()) == [True] * 3
            await settle_ack(journal, keys[0], Confirmed())
            await settle_ack(journal, keys[1], Unknown("lost"))
            await settle_ack(journal, keys[2], Refused("no such order"))
            assert await journal.ack_terms.keep({"shop": "a", "yard": "x"}) == {}
            assert await journal.ack_terms.keep({"shop": "b", "yard": "x", "depot": ""}) == {"shop": 3}
            await delivered(journal, keys[4])
            assert await journal.ack_terms.keep({"shop": "", "yard": "y"}) == {"shop": 1, "yard": 0}
            assert await journal.ack_terms.keep({"shop": "c"}) == {}
            await rows(journal, "UPDATE orders SET ack_state = 'pending' WHERE ack_state = 'parked'")
            pending = await journal.acks.due("shop", "pending", at(99))
            assert {ack.key: ack.terms for ack in pending} == {keys[2]: "a", keys[3]: "a", keys[4]: "b"}
            assert [ack.terms for ack in await journal.acks.due("shop", "in_doubt", at(99))] == ["a"]

    async def test_what_falls_due_anew_is_told_under_the_terms_of_then(self) -> None:
        """Confirmed and listed again: those before are forgotten, and their record is gone at the next start."""
        async with self.open() as journal:
            key = await found(journal)
            await delivered(journal, key)
            await journal.ack_terms.keep({"shop": "a"})
            assert await journal.ack_terms.keep({"shop": "b"}) == {"shop": 1}
            await acknowledged(journal, key, now=3)
            assert await ingest(journal, arrival(), now=9) == ["reacknowledge"]
            assert [ack.terms for ack in await journal.acks.due("shop", "pending", at(99))] == [""]
            assert await journal.ack_terms.keep({"shop": "b"}) == {}
            assert await rows(journal, "SELECT * FROM ack_terms") == []
            assert await journal.ack_terms.keep({"shop": "c"}) == {"shop": 1}
            assert [ack.terms for ack in await journal.acks.due("shop", "pending", at(99))] == ["b"]

    async def test_no_more_than_a_thousand_acknowledgements_are_read_at_once(self) -> None:
        """A source that was away for a week does not fill the memory."""
        page = [arrival(str(number)) for number in range(1001)]
        async with self.open() as journal:
            keys = [one.key for one in await journal.orders.ingest("shop", page, Listing(asked_at=at()), at())]
            assert all(await journal.deliveries.intend([Intent(key, "wms", "a", HASH) for key in keys], at()))
            await journal.deliveries.settle([Settlement(key, "wms", Delivered("id", "R1")) for key in keys], at())
            assert [ack.key for ack in await journal.acks.due("shop", "pending", at(99))] == keys[:1000]

    async def test_next_ack_is_strictly_later_and_never_one_that_is_being_sent(self) -> None:
        """One that is being sent is waited for elsewhere."""
        async with self.open() as journal:
            keys = [await found(journal, str(number)) for number in range(3)]
            for key in keys:
                await delivered(journal, key)
            await journal.acks.claim(keys, at())
            await settle_ack(journal, keys[0], NotApplied("down"), next_try=40)
            await settle_ack(journal, keys[1], Unknown("lost"), next_try=20)
            await settle_ack(journal, keys[2], NotApplied("down"), next_try=10)
            assert await journal.acks.next_due("shop", at(5)) == at(10)
            assert await journal.acks.claim([keys[2]], at(10)) == [True]
            assert await journal.acks.next_due("shop", at(5)) == at(20)
            assert await journal.acks.next_due("shop", at(20)) == at(40)
            assert await journal.acks.next_due("shop", at(40)) is None
            assert await journal.acks.next_due("wholesale", at(5)) is None

    async def test_open_work_is_everything_that_is_not_at_an_end(self) -> None:
        """Deliveries by receiver, acknowledgements by source, and the next moment at which something is due."""
        async with self.open() as journal:
            work = await journal.open_work()
            assert (work.deliveries, work.acks, work.next_due) == ({}, {}, None)
            keys = [await found(journal, str(number), receivers=(("wms", True), ("erp", True))) for number in range(4)]
            await delivered(journal, keys[0])
            await settle(journal, keys[1], Held("no street"))
            assert await intend(journal, keys[2])
            assert await is_open(journal) == ({"wms": 2, "erp": 4}, {})
            await settle(journal, keys[2], NotSent("down", at(70)))
            await settle(journal, keys[3], NotSent("down", at(60)))
            for key in keys[1:]:
                await settle(journal, key, Held("no street"), receiver="erp")
            await delivered(journal, keys[0], receiver="erp")
            await journal.acks.claim([keys[0]], at())
            assert await is_open(journal) == ({"wms": 2}, {"shop": 1})
            await settle_ack(journal, keys[0], NotApplied("down"), next_try=80)
            work = await journal.open_work()
            assert work.next_due == at(60)
            assert await journal.acks.claim([keys[0]], at()) == [True]
            await settle_ack(journal, keys[0], Confirmed())
            assert await is_open(journal) == ({"wms": 2}, {})

    @pytest.mark.fault(10, 18)
    async def test_a_start_puts_what_was_in_flight_in_doubt(self) -> None:
        """It may have been applied: a delivery is looked up when it has settled, an acknowledgement read back now."""
        async with self.open() as journal:
            sent, new, told, idle = [await found(journal, str(number)) for number in range(4)]
            assert await intend(journal, sent)
            for key in (told, idle):
                await delivered(journal, key)
            await journal.acks.claim([told], at(4))
            assert await journal.recover(at(10), {"wms": 30.0}, 300.0) == 2
            assert await deliveries(journal, sent) == {"wms": "in_doubt"}
            assert await deliveries(journal, new) == {"wms": "new"}
            assert await journal.deliveries.due("wms", ["in_doubt"], at(39.999), 10) == []
            assert [job.key for job in await journal.deliveries.due("wms", ["in_doubt"], at(40), 10)] == [sent]
            assert [ack.key for ack in await journal.acks.due("shop", "in_doubt", at(10))] == [told]
            assert [ack.key for ack in await journal.acks.due("shop", "pending", at(10))] == [idle]
            assert await notes(journal, sent) == ["in doubt"]

    @pytest.mark.fault(21)
    async def test_a_start_after_a_start_finds_nothing_to_do(self) -> None:
        """A crash during recovery, or one crash after another, moves no deadline (faults.md #21)."""
        async with self.open() as journal:
            key = await found(journal)
            assert await intend(journal, key)
            assert await journal.recover(at(10), {"wms": 30.0}, 300.0) == 1
            assert await journal.recover(at(20), {"wms": 30.0}, 300.0) == 0
            assert [job.key for job in await journal.deliveries.due("wms", ["in_doubt"], at(40), 10)] == [key]
            assert await notes(journal, key) == ["in doubt"]

    @pytest.mark.fault(121)
    async def test_a_start_pulls_far_off_deadlines_in(self) -> None:
        """A clock that once stood wrong delays nothing for long; a due time within reason stays (faults.md #121)."""
        year = 365 * 86400
        async with self.open() as journal:
            keys = [await found(journal, str(number)) for number in range(6)]
            for key in keys:
                assert await intend(journal, key)
            await settle(journal, keys[0], NotSent("down", at(year)))
            await settle(journal, keys[1], NotSent("down", at(299)))
            await settle(journal, keys[2], InDoubt("lost", at(year)))
            await settle(journal, keys[3], InDoubt("lost", at(299)))
            for key, wait in ((keys[4], year), (keys[5], 299)):
                await settle(journal, key, Delivered("id", "R1"))
                await journal.acks.claim([key], at())
                await settle_ack(journal, key, NotApplied("down"), next_try=wait)
            await journal.recover(at(0), {"wms": 30.0}, 300.0)
            assert [job.key for job in await journal.deliveries.due("wms", ["ready"], at(300), 10)] == [
                keys[1],
                keys[0],
            ]
            assert [job.key for job in await journal.deliveries.due("wms", ["ready"], at(299), 10)] == [keys[1]]
            assert [job.key for job in await journal.deliveries.due("wms", ["in_doubt"], at(30), 10)] == [keys[2]]
            assert [job.key for job in await journal.deliveries.due("wms", ["in_doubt"], at(299), 10)] == [
                keys[2],
                keys[3],
            ]
            assert [ack.key for ack in await journal.acks.due("shop", "pending", at(300))] == [keys[5], keys[4]]
            assert [ack.key for ack in await journal.acks.due("shop", "pending", at(299))] == [keys[5]]

    async def test_a_long_settle_time_is_kept_to(self) -> None:
        """A receiver may need longer to show an order than we wait between tries."""
        async with self.open() as journal:
            key = await found(journal)
            assert await intend(journal, key)
            await settle(journal, key, InDoubt("lost", at(900)))
            await journal.recover(at(0), {"wms": 1000.0}, 300.0)
            assert await journal.deliveries.next_due("wms", ["in_doubt"], at(0)) == at(900)

    async def test_a_walk_that_failed_leaves_the_time_of_the_last_good_one(self) -> None:
        """`status` shows both: since when the source is silent, and why."""
        async with self.open() as journal:
            await journal.endpoints.polled("shop", at(1), "down")
            assert await rows(journal, "SELECT name, last_poll, error FROM sources") == [("shop", None, "down")]
            await journal.endpoints.polled("shop", at(2), "")
            await journal.endpoints.polled("shop", at(3), "down")
            assert await rows(journal, "SELECT name, last_poll, error FROM sources") == [
                ("shop", round(at(2).timestamp() * 1000), "down")
            ]

    async def test_the_last_word_about_an_endpoint_is_kept(self) -> None:
        """One row a receiver."""
        async with self.open() as journal:
            await journal.endpoints.breaker_changed("wms", "open", "down", at(1))
            await journal.endpoints.breaker_changed("wms", "closed", "", at(2))
            assert await rows(journal, "SELECT * FROM receivers") == [
                ("wms", "closed", "", round(at(2).timestamp() * 1000))
            ]

    async def test_closing_twice_is_harmless(self) -> None:
        """And leaving the block closes it once more."""
        async with self.open() as journal:
            await journal.aclose()
            await journal.aclose()
