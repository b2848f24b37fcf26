"""A journal that lacks earlier acknowledgements: the source is read back before they are sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from msgspec.structs import replace

from connector.ack import Acknowledgement
from connector.errors import RejectedError
from tests.contracts.journal_bench import rows
from tests.doubles import FailingSource
from tests.flow.bench import Bench
from tests.flow.test_crash import Kept
from tests.pipeline.acks.test_calls_terms import restarted


@pytest.mark.looptime
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.fault(111, 112)
async def test_what_a_lost_journal_may_have_told_is_asked_about(told: bool) -> None:
    """The order was listed while its acknowledgement was under way; a second one would move stock again."""
    bench, journal = Bench(), Kept()
    shop = restarted(bench, "moves")
    shop.put("1")
    await rows(journal, "INSERT INTO identity VALUES ('journal', 'x'), ('doubt', 'lost')")
    find = bench.receivers["wms"].find

    async def meanwhile(external_id: str) -> object:
        if told and shop.feed:
            shop.told["1"] += 1  # the call of the process before arrives
            del shop.feed["1"]
        return await find(external_id)

    bench.receivers["wms"].find = meanwhile  # type: ignore[method-assign, assignment]

    await bench.drained(journal)

    assert [asked for _, asked in shop.asked] == [("1",)]
    assert shop.told == {"1": 1}
    assert not shop.feed


class Striking(FailingSource):
    """A source that counts the failures of an order."""

    traits = replace(FailingSource.traits, ack_idempotent=False)

    async def is_acknowledged(self, acks: Sequence[Acknowledgement]) -> Mapping[str, bool]:
        """Return whether more failures are recorded than the journal has."""
        return {ack.order_id: self.told[ack.order_id] > (ack.failures or 0) for ack in acks}


@pytest.mark.looptime
@pytest.mark.parametrize("doubt", ["lost", "restored"])
@pytest.mark.parametrize("where", ["at the receiver", "as it is listed"])
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.fault(95, 111, 112)
async def test_a_failure_that_a_lost_journal_may_have_told_is_no_second_strike(
    doubt: str, where: str, told: bool
) -> None:
    """The source allows five: failures that it shows are not repeated, the others are sent."""
    bench, journal = Bench(), Kept()
    shop = bench.sources["shop"] = Striking("shop", bench.clock)
    shop.put("1", "2", missing="street" if where == "as it is listed" else "")
    if where == "as it is listed":
        shop.put("3")  # that it can be mapped bears out that the others lack something
    if told:
        shop.told["1"] += 1
    if where == "at the receiver":
        bench.receivers["wms"].failures.extend(RejectedError("no such article") for _ in range(4))
    await rows(journal, f"INSERT INTO identity VALUES ('journal', 'x'), ('doubt', '{doubt}')")  # noqa: S608 - two words

    await bench.drained(journal)

    assert (shop.told["1"], shop.told["2"]) == (1, 1)
    assert await rows(journal, "SELECT DISTINCT ack_state, failures FROM orders WHERE order_id <> '3'") == [
        ("confirmed", 1)
    ]
