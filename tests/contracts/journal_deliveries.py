"""The contract of every journal for deliveries."""

from __future__ import annotations

import sqlite3
from typing import get_args

import pytest

from connector.errors import JournalError
from connector.journal.records import Delivered, Held, InDoubt, Intent, NotSent, Outcome, Rejected, Settled, Settlement
from connector.journal.states import DELIVERY_EDGES, DeliveryState
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
    place,
    rows,
    settle,
)

__all__ = ["DeliveryRules"]

STATES = get_args(DeliveryState)
OUTCOMES: list[Outcome] = [
    Delivered("id", "R1"),
    NotSent("refused", at(60)),
    InDoubt("lost", at(60)),
    Rejected("no such article", tell=True),
    Held("no street", "line 3"),
]
BOTH = (("wms", True), ("erp", True))


class DeliveryRules(JournalBench):
    """The promises of `Deliveries.intend`, `settle`, `due` and `next_due`."""

    async def test_an_intent_is_granted_once(self) -> None:
        """Two that want to create the same order: one may, and the attempt is on record before the first byte."""
        async with self.open() as journal:
            key = await found(journal)
            same = Intent(key, "wms", "a", HASH)
            assert await journal.deliveries.intend([same, same], at(7)) == [True, False]
            assert await journal.deliveries.intend([same], at(8)) == [False]
            assert await rows(journal, "SELECT state, attempts, payload_hash, intent_at FROM deliveries") == [
                ("intent", 1, HASH, round(at(7).timestamp() * 1000))
            ]

    async def test_an_intent_is_for_the_revision_in_the_journal(self) -> None:
        """A request that was mapped from an older revision is not sent."""
        async with self.open() as journal:
            key = await found(journal)
            await ingest(journal, arrival("1", "b"))
            assert not await intend(journal, key, revision="a")
            assert await deliveries(journal, key) == {"wms": "new"}
            assert await intend(journal, key, revision="b")

    @pytest.mark.parametrize("state", STATES)
    async def test_an_intent_is_granted_from_where_a_way_leads_to_it(self, state: DeliveryState) -> None:
        """From every other state (it is delivered, held, gone ...) nothing may be sent."""
        async with self.open() as journal:
            key = await place(journal, state)
            granted = await intend(journal, key)
            assert granted == ("intent" in DELIVERY_EDGES[state])
            assert await deliveries(journal, key) == {"wms": "intent" if granted else state}

    async def test_an_intent_for_nothing_is_not_granted(self) -> None:
        """Neither an unknown order nor an unknown receiver."""
        async with self.open() as journal:
            key = await found(journal)
            assert not await intend(journal, key + 1)
            assert not await intend(journal, key, receiver="erp")

    async def test_a_delivery_makes_its_acknowledgement_due(self) -> None:
        """The acknowledgement has the time and the receipt of the delivery; they are fixed from then on."""
        async with self.open() as journal:
            key = await found(journal)
            ack = await delivered(journal, key, now=5)
            assert ack is not None
            assert (ack.key, ack.order_id, ack.outcome, ack.at, ack.message, ack.attempts) == (
                key, "1", "exported", at(5), f"wms: R{key}", 0,
            )  # fmt: skip
            assert await journal.acks.due("shop", "pending", at(99)) == [ack]

    @pytest.mark.fault(12)
    async def test_a_delivery_and_its_acknowledgement_are_one_transaction(self) -> None:
        """A stop between the two leaves neither: a delivered order without its acknowledgement would be lost."""

        def forbid(db: sqlite3.Connection) -> None:
            db.execute(
                "CREATE TEMP TRIGGER crash BEFORE UPDATE OF ack_state ON main.orders"
                " BEGIN SELECT RAISE(ABORT, 'crash between the two'); END"
            )

        async with self.open() as journal:
            key = await found(journal)
            assert await intend(journal, key)
            await journal.read(forbid)
            with pytest.raises(JournalError, match="crash between the two"):
                await settle(journal, key, Delivered("id", "R1"))
            assert await deliveries(journal, key) == {"wms": "intent"}
            await rows(journal, "DROP TRIGGER crash")
            answer = await settle(journal, key, Delivered("id", "R1"))
            assert answer.applied
            assert answer.ack is not None

    async def test_the_last_required_receiver_makes_it_due(self) -> None:
        """Not the first; and the acknowledgement has the number at each."""
        async with self.open() as journal:
            key = await found(journal, receivers=BOTH)
            assert await delivered(journal, key) is None
            assert await is_open(journal) == ({"erp": 1}, {})
            ack = await delivered(journal, key, receiver="erp", now=9)
            assert ack is not None
            assert set(ack.message.split("; ")) == {f"wms: R{key}", f"erp: R{key}"}
            assert ack.at == at(9)
            assert await is_open(journal) == ({}, {"shop": 1})

    async def test_two_receivers_that_finish_in_one_commit_make_one_acknowledgement(self) -> None:
        """However they are grouped."""
        async with self.open() as journal:
            key = await found(journal, receivers=BOTH)
            for receiver, _ in BOTH:
                assert await intend(journal, key, receiver=receiver)
            settled = await journal.deliveries.settle(
                [Settlement(key, receiver, Delivered("id", "R1")) for receiver, _ in BOTH], at(5)
            )
            assert [one.applied for one in settled] == [True, True]
            assert [one.ack is not None for one in settled] == [False, True]

    @pytest.mark.parametrize("state", ["pending", "sending", "in_doubt"])
    async def test_what_the_source_is_being_told_is_not_changed_under_way(self, state: str) -> None:
        """The failure of an older revision is about to be acknowledged: a delivery does not replace its text."""
        async with self.open() as journal:
            key = await found(journal)
            assert await intend(journal, key)
            for step in ("pending", "sending", "in_doubt")[: ("pending", "sending", "in_doubt").index(state) + 1]:
                await rows(
                    journal,
                    "UPDATE orders SET ack_state = ?, ack_outcome = 'failed', ack_message = 'no street', ack_at = 0",
                    step,
                )
            answer = await settle(journal, key, Delivered("id", "R1"))
            assert answer.applied
            assert answer.ack is None
            assert await rows(journal, "SELECT ack_state, ack_outcome, ack_message FROM orders") == [
                (state, "failed", "no street")
            ]

    async def test_an_optional_receiver_holds_nothing_up(self) -> None:
        """The acknowledgement is due once the required receivers have it; an optional one's outcome changes nothing."""
        async with self.open() as journal:
            key = await found(journal, receivers=(("wms", True), ("archive", False)))
            assert await delivered(journal, key) is not None
            await acknowledged(journal, key)
            assert await rows(journal, "SELECT count(*) FROM payloads") == [(1,)]  # the archive has yet to get it
            assert await delivered(journal, key, receiver="archive") is None
            assert await journal.acks.due("shop", "pending", at(99)) == []

    async def test_a_source_hears_that_an_order_failed_when_all_have_refused_it(self) -> None:
        """Not while one of them may yet get it; with the reasons of each."""
        async with self.open() as journal:
            key = await found(journal, receivers=BOTH)
            for receiver, _ in BOTH:
                assert await intend(journal, key, receiver=receiver)
            assert (await settle(journal, key, Rejected("no street", tell=True))).ack is None
            ack = (await settle(journal, key, Rejected("no article", tell=True), receiver="erp")).ack
            assert ack is not None
            assert (ack.outcome, set(ack.message.split("; "))) == ("failed", {"no street", "no article"})

    @pytest.mark.parametrize("other", [Delivered("id", "R1"), Held("no street", ""), InDoubt("lost", at(60))])
    async def test_what_one_receiver_has_or_may_get_did_not_fail(self, other: Outcome) -> None:
        """It has no acknowledgement: neither exported nor failed would be true."""
        async with self.open() as journal:
            key = await found(journal, receivers=BOTH)
            for receiver, outcome in (("erp", other), ("wms", Rejected("no street", tell=True))):
                assert await intend(journal, key, receiver=receiver)
                assert (await settle(journal, key, outcome, receiver=receiver)).ack is None
            assert await rows(journal, "SELECT ack_state FROM orders") == [("none",)]

    async def test_what_an_optional_receiver_refuses_its_source_does_not_hear(self) -> None:
        """Neither before the required one has refused it nor after."""
        async with self.open() as journal:
            archive = ("archive", False)
            for name, first in (("1", "archive"), ("2", "wms")):
                key = await found(journal, name, receivers=(("wms", True), archive))
                acks = []
                for receiver in (first, "wms" if first == "archive" else "archive"):
                    assert await intend(journal, key, receiver=receiver)
                    refused = Rejected(f"{receiver} says no", tell=True)
                    acks.append((await settle(journal, key, refused, receiver=receiver)).ack)
                told = [ack.message for ack in acks if ack is not None]
                assert told == ["wms says no"]

    async def test_an_optional_receiver_that_is_first_waits_for_the_required_one(self) -> None:
        """Its number is acknowledged with the other's."""
        async with self.open() as journal:
            key = await found(journal, receivers=(("wms", True), ("archive", False)))
            assert await delivered(journal, key, receiver="archive") is None
            ack = await delivered(journal, key)
            assert ack is not None
            assert ack.message.count(f"R{key}") == 2

    async def test_a_reference_that_is_empty_gives_way_to_the_id(self) -> None:
        """A receiver without numbers for people has ids at least."""
        async with self.open() as journal:
            key = await found(journal)
            ack = (await settle(journal, key, Delivered("abc-123", "", adopted=True))).ack
            assert ack is not None
            assert ack.message == "wms: abc-123"
            assert await notes(journal, key) == ["found"]

    @pytest.mark.parametrize(
        ("outcome", "state", "next_try", "cause", "detail"),
        [
            (NotSent("refused", at(60)), "ready", 60, None, "refused"),
            (InDoubt("lost", at(30)), "in_doubt", 30, None, "lost"),
            (Rejected("no such article"), "rejected", None, "no such article", ""),
            (Held("no street", "line 3"), "held", None, "no street", "line 3"),
        ],
    )
    async def test_every_other_outcome_leads_where_it_should(
        self, outcome: Outcome, state: str, next_try: float | None, cause: str | None, detail: str
    ) -> None:
        """Its state, its reason, when it is due again, and a line in the history."""
        async with self.open() as journal:
            key = await found(journal)
            assert await intend(journal, key)
            assert await settle(journal, key, outcome) == Settled(True)
            assert await rows(journal, "SELECT state, cause, detail FROM deliveries") == [(state, cause, detail)]
            assert len(await notes(journal, key)) == 1
            waits = await journal.deliveries.next_due("wms", ["in_doubt", "ready", "new"], at(2))
            assert waits == (None if next_try is None else at(next_try))
            assert await is_open(journal) == ({"wms": 1} if next_try is not None else {}, {})

    @pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
    @pytest.mark.parametrize("state", STATES)
    async def test_an_outcome_that_comes_late_does_nothing_and_says_so(
        self, state: DeliveryState, outcome: Outcome
    ) -> None:
        """From any state an outcome goes an allowed way, or is not applied; it never fails (see `Journal`)."""
        async with self.open() as journal:
            key = await place(journal, state)
            answer = await settle(journal, key, outcome)
            (after,) = (await deliveries(journal, key)).values()
            if answer.applied:
                assert state in ("new", "ready", "intent", "in_doubt")
                assert after == state or after in DELIVERY_EDGES[state]
            else:
                assert after == state
                assert answer.ack is None
                assert await notes(journal, key) == []

    async def test_a_second_settlement_changes_nothing(self) -> None:
        """A delivery is final, and its acknowledgement is made due once."""
        async with self.open() as journal:
            key = await found(journal)
            await delivered(journal, key)
            before = await rows(journal, "SELECT * FROM orders JOIN deliveries USING (key)")
            for outcome in OUTCOMES:
                assert await settle(journal, key, outcome, now=50) == Settled(False)
            assert await rows(journal, "SELECT * FROM orders JOIN deliveries USING (key)") == before

    async def test_a_failed_look_up_leaves_doubt_in_doubt(self) -> None:
        """Only an answer ends a doubt; an order that was not in doubt is due again after a wait."""
        async with self.open() as journal:
            doubtful, fresh = await found(journal, "1"), await found(journal, "2")
            assert await intend(journal, doubtful)
            await settle(journal, doubtful, InDoubt("lost", at(30)))
            for key in (doubtful, fresh):
                assert (await settle(journal, key, NotSent("down", at(45)))).applied
            assert [job.key for job in await journal.deliveries.due("wms", ["in_doubt"], at(45), 10)] == [doubtful]
            assert [job.key for job in await journal.deliveries.due("wms", ["ready"], at(45), 10)] == [fresh]
            assert await journal.deliveries.due("wms", ["in_doubt", "ready"], at(44.999), 10) == []

    @pytest.mark.parametrize("tell", [True, False])
    async def test_a_rejection_is_told_where_the_source_has_a_word_for_it(self, tell: bool) -> None:
        """With the reason; elsewhere it only waits for a person here."""
        async with self.open() as journal:
            key = await found(journal)
            assert await intend(journal, key)
            answer = await settle(journal, key, Rejected("no such article", tell=tell), now=6)
            assert answer.applied
            if not tell:
                assert answer.ack is None
                assert await is_open(journal) == ({}, {})
            else:
                assert answer.ack is not None
                assert (answer.ack.outcome, answer.ack.message, answer.ack.at) == ("failed", "no such article", at(6))
                assert await journal.acks.due("shop", "pending", at(6)) == [answer.ack]

    async def test_one_bad_settlement_takes_its_call_with_it(self) -> None:
        """The outcomes of one call are one transaction."""
        async with self.open() as journal:
            keys = [await found(journal, order_id) for order_id in ("1", "2")]
            broken = Settlement(keys[1], "wms", Delivered(None, "R2"))  # type: ignore[arg-type]
            with pytest.raises(JournalError):
                await journal.deliveries.settle([Settlement(keys[0], "wms", Delivered("id", "R1")), broken], at())
            assert await is_open(journal) == ({"wms": 2}, {})
