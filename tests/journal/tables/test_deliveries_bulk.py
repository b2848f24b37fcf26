"""Writes of many rows at once have the result of the same writes one by one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.ack import AckOutcome, Confirmed, NotApplied, Refused, Unknown
from connector.journal.records import (
    AckResult,
    Delivered,
    Held,
    InDoubt,
    Intent,
    Listing,
    NotSent,
    Outcome,
    Rejected,
    Settlement,
)
from connector.journal.sqlite import MemoryJournal
from tests.contracts.journal_bench import HASH, arrival, at, rows

TABLES = ("orders", "deliveries", "payloads", "changes", "history")

receivers = st.sampled_from(
    [(("wms", True),), (("wms", True), ("erp", True)), (("wms", True), ("archive", False)), (("archive", False),)]
)
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Delivered, st.text("ab1", min_size=1, max_size=3), st.sampled_from(["", "R1", "R2"])),
    st.builds(Delivered, st.just("i"), st.just("R"), adopted=st.booleans(), attach=st.booleans()),
    st.builds(Delivered, st.just("i"), st.just("R"), remark=st.sampled_from(["", "odd"])),
    st.sampled_from(
        [NotSent("down", at(9)), InDoubt("lost", at(9)), Rejected("no", tell=True), Rejected("no"), Held("conflict")]
    ),
)
acks: st.SearchStrategy[AckOutcome] = st.sampled_from(
    [Confirmed(), Confirmed(), NotApplied("later"), Unknown("lost"), Refused("no such order")]
)
orders = st.lists(
    st.tuples(receivers, st.sampled_from("ab"), st.booleans(), outcomes, st.booleans(), acks), min_size=1, max_size=9
)


async def state(journal: MemoryJournal) -> dict[str, list[Any]]:
    """Read everything that was written; the order in which history was is of no account."""
    wrote = {table: sorted(await rows(journal, f"SELECT * FROM {table}"), key=repr) for table in TABLES}  # noqa: S608
    wrote["history"] = sorted((row[1:] for row in wrote["history"]), key=repr)
    return wrote


async def journeys(plan: list[Any], *, together: bool) -> tuple[list[Any], dict[str, list[Any]]]:
    """Take every order of `plan` through its steps; return the journal's answers, and its rows."""
    journal = MemoryJournal()
    said: list[Any] = []

    async def step(call: Any, items: list[Any], *others: Any) -> None:
        parts = [items] if together else [[item] for item in items]
        for part in parts:
            said.extend(await call(part, *others) or [])

    page = [arrival(str(number), receivers=each[0]) for number, each in enumerate(plan)]

    async def take(part: list[Any]) -> list[Any]:
        return await journal.orders.ingest("shop", part, Listing(asked_at=at()), at())

    await step(take, page)
    keys = [answer.key for answer in said]
    names = [each[0][0][0] for each in plan]
    intents = [Intent(key, name, each[1], HASH, each[2]) for key, name, each in zip(keys, names, plan, strict=True)]
    await step(journal.deliveries.intend, intents, at(1))
    settled = [Settlement(key, name, each[3]) for key, name, each in zip(keys, names, plan, strict=True)]
    await step(journal.deliveries.settle, settled, at(2))
    await step(journal.deliveries.settle, settled, at(3))
    claimed = [key for key, each in zip(keys, plan, strict=True) if each[4]]
    await step(journal.acks.claim, claimed, at(4))
    await step(
        journal.acks.settle, [AckResult(key, each[5], at(8)) for key, each in zip(keys, plan, strict=True)], at(5)
    )
    wrote = await state(journal)
    await journal.aclose()
    return said, wrote


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(orders)
async def test_together_or_one_by_one_is_the_same(plan: list[Any]) -> None:
    """For any mixture of orders, receivers and outcomes: the same answers, and the same rows."""
    assert await journeys(plan, together=True) == await journeys(plan, together=False)
