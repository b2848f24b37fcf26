"""The summary and the exit code of `run --once`, from the state of the journal and the failures."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from connector.ack import Acknowledgement
from connector.cli.counters import RunCounters
from connector.cli.end_state import CauseCount, EndState, read_end_state
from connector.cli.summary import outcome, summary
from connector.events import EndpointChanged, OrderAcknowledged, OrderDelivered, OrderFound, PollFinished
from connector.journal.records import AckResult, Arrival, Delivered, Intent, Listing, Rejected, Settlement
from connector.journal.sqlite import MemoryJournal
from connector.order import Order
from connector.pipeline.drain import Drained
from connector.sources.base import Refused
from tests.flow.bench import Bench

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WELL = Drained(2, {}, later=False)
DOWN = Drained(2, {"wms": "wms: POST /x: could not connect"}, later=True)
REFUSED = Drained(2, {"wms": "wms: POST /login: 401: no"}, later=False)
"""Results of a drain."""


def settings() -> Any:
    """Return settings with a source `shop` and a receiver `wms`."""
    return Bench().settings


def stands(**states: int) -> EndState:
    """Return an end state with these numbers of orders of `shop`."""
    return EndState({"shop": states}, {})


@pytest.mark.parametrize(
    ("drained", "states", "code"),
    [
        (WELL, {"acknowledged": 5, "skipped": 1, "cancelled": 1, "vanished": 1}, 0),
        (WELL, {}, 0),
        (WELL, {"acknowledged": 5, "held": 1}, 1),
        (WELL, {"rejected": 1}, 1),
        (WELL, {"delivered": 1}, 1),
        (DOWN, {"new": 5}, 75),
        (DOWN, {"in_doubt": 5}, 75),
        (DOWN, {"new": 5, "held": 1}, 1),
        (REFUSED, {"new": 5}, 1),
    ],
)
def test_the_exit_code(drained: Drained, states: dict[str, int], code: int) -> None:
    """The exit code is 0 if all orders are finished, 1 if an operator must act, 75 if only a later attempt can help."""
    assert code == outcome(drained, stands(**states))


def test_what_to_do_about_a_cause_can_be_pasted() -> None:
    """A cause is text from outside: it is on one line, and quoted inside a command."""
    cause = "no code for 'Den Haag'; $(reboot)\n"
    text = summary(
        settings(),
        RunCounters(),
        EndState({"shop": {"held": 3}}, {"shop": [CauseCount("held", cause, 3, "7")]}),
        WELL,
        1,
    )

    assert "  3 held: no code for 'Den Haag'; $(reboot)\\n (for example order 7)\n" in text
    assert """connector orders --cause 'no code for '"'"'Den Haag'"'"'; $(reboot)\\n'""" in text


def test_endpoints_that_failed_are_named_with_what_to_do() -> None:
    """Rejected credentials, an endpoint that is down, and a stop each have their own advice."""
    assert "  It rejects the credentials: correct the credentials of receivers.wms" in summary(
        settings(), RunCounters(), stands(), REFUSED, 1
    )
    assert "wms failed: POST /x: could not connect\n  The failure may pass" in summary(
        settings(), RunCounters(), stands(), DOWN, 1
    )
    assert "Stopped early with 4 orders in progress" in summary(settings(), RunCounters(), stands(new=4), None, 1)


def test_many_causes_are_cut() -> None:
    """A thousand causes do not hide the rest of the summary."""
    causes = [CauseCount("rejected", f"cause {number}", 2, "1") for number in range(1000)]
    text = summary(settings(), RunCounters(), EndState({"shop": {"rejected": 2000}}, {"shop": causes}), WELL, 1)

    assert len(text.splitlines()) < 25
    assert "1,984 more with other causes" in text


def test_an_order_counts_as_delivered_when_the_last_receiver_has_it() -> None:
    """The last of two receivers makes an order delivered; pauses are shown until they end."""
    tally = RunCounters()
    common: dict[str, Any] = {"at": NOW, "key": 1, "source": "shop", "order_id": "1"}
    ack = Acknowledgement(key=1, order_id="1", outcome="exported", at=NOW, message="")
    order = Order(source="shop", order_id="1")
    for event in (
        OrderFound(**common, order=order, revision="r", receivers=("a", "b")),
        OrderDelivered(**common, receiver="a", receipt="A"),
        OrderDelivered(**common, receiver="b", receipt="B", adopted=True, ack=ack),
        OrderAcknowledged(**common, outcome="exported"),
        PollFinished(at=NOW, source="shop", seen=1, new=1, total=1),
        EndpointChanged(at=NOW, endpoint="a", state="open", reason="down"),
        EndpointChanged(at=NOW, endpoint="b", state="open", reason="down"),
        EndpointChanged(at=NOW, endpoint="b", state="closed"),
    ):
        tally.count(event)

    assert "1 found, 1 delivered, 1 acknowledged" == tally.line()
    assert (1, 1) == (tally.new["shop"], tally.adopted["shop"])
    assert {"a": "down"} == tally.paused


async def test_how_a_journal_stands() -> None:
    """Held, rejected, skipped and refused orders are counted by cause, with one order as an example."""
    journal = MemoryJournal()
    states: list[tuple[Literal["new", "held", "skipped"], str]] = [
        ("held", "no address"),
        ("held", "no address"),
        ("skipped", "quotation"),
        ("new", ""),
        ("new", ""),
    ]
    arrivals = [
        Arrival(
            order_id=str(number),
            external_id=f"shop-{number}",
            revision="r",
            raw=b"{}",
            receivers=(("wms", True),),
            state=state,
            cause=cause,
        )
        for number, (state, cause) in enumerate(states)
    ]
    keys = [each.key for each in await journal.orders.ingest("shop", arrivals, Listing(asked_at=NOW), NOW)]
    await journal.deliveries.intend([Intent(key, "wms", "r", b"") for key in keys[3:]], NOW)
    await journal.deliveries.settle(
        [Settlement(keys[3], "wms", Rejected("no such article")), Settlement(keys[4], "wms", Delivered("R1", "R1"))],
        NOW,
    )
    await journal.acks.claim([keys[4]], NOW)
    await journal.acks.settle([AckResult(keys[4], Refused("it is gone"), NOW)], NOW)

    found = await journal.read(read_end_state)

    assert {"shop": {"held": 3, "rejected": 1, "skipped": 1}} == found.states
    assert {
        CauseCount("held", "no address", 2, "0"),
        CauseCount("held", "acknowledgement refused", 1, "4"),
        CauseCount("rejected", "no such article", 1, "3"),
        CauseCount("skipped", "quotation", 1, "2"),
    } == set(found.causes["shop"])
    assert 4 == found.count("held", "rejected")
