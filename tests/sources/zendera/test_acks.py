"""Acknowledging orders at Zendera, and looking acknowledgements up (seed 003, step 2; faults.md #93 to #97)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from aioresponses import aioresponses

from connector.ack import Acknowledgement, Confirmed, Denied, Refused
from connector.errors import ConnectorError, EndpointError, InDoubtError, RejectedError, TransientError
from connector.sandbox.server import Fault
from connector.sources.zendera.acks import status
from tests.sources.zendera.bench import AT, BASE, ZenderaHarness, failed, offline, shipment, told, zendera

STATUS = f"{BASE}/v1/orders/export/status"
SEED = """
{ "create": [ { "orderId": 12345, "status": "EXPORTED_SUCCESSFULLY" }, { "orderId": 12346, "status": "FAILED", "failureReason": "Unknown postal code" } ] }
"""  # noqa: E501 - the seed's own text

BOTH = [told("12345", "exported"), failed("12346")]
BOTH_IDS = {"12345", "12346"}


async def answered(batch: list[Acknowledgement], **answer: Any) -> Any:
    """Acknowledge to a vendor with this response; return the outcomes and the request."""
    source = offline()
    try:
        with aioresponses() as vendor:
            vendor.post(STATUS, **answer)
            outcomes = await source.acknowledge(batch)
            ((_, (call,)),) = vendor.requests.items()
            return outcomes, call.kwargs["data"]
    finally:
        await source.aclose()


async def test_the_call_is_the_seeds() -> None:
    """The seed's own example, byte for byte but for the spaces between."""
    outcomes, sent = await answered(BOTH, payload={})
    assert sent == msgspec.json.format(SEED.encode(), indent=-1)
    assert outcomes == {"12345": Confirmed(), "12346": Confirmed()}


@pytest.mark.parametrize(
    ("order_id", "sent"),
    [
        ("12345", 12345),
        (str(2**53 - 1), 2**53 - 1),
        (str(2**53), str(2**53)),
        ("9" * 60, "9" * 60),
        ("007", "007"),
        ("A-7", "A-7"),
        ("１２", "１２"),  # noqa: RUF001 - digits, but no number of JSON's
    ],
)
def test_an_id_is_a_number_where_it_is_one(order_id: str, sent: int | str) -> None:
    """As the seed writes it; one that a JSON number would change goes as text."""
    assert status(told(order_id, "exported"))["orderId"] == sent


@pytest.mark.attack(16)
@pytest.mark.fault(86)
@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Unknown postal code", "Unknown postal code"),
        ("two\r\nlines\x00\x1b[31m", "two lines [31m"),
        ("x" * 251, "x" * 249 + "…"),
        ("x" * 250, "x" * 250),
        ("", "no reason given"),
        ("\x00", "no reason given"),
    ],
)
def test_a_reason_is_one_line_for_the_dispatcher(message: str, reason: str) -> None:
    """Readable, and at most 250 characters."""
    assert status(failed("1", message=message))["failureReason"] == reason


@pytest.mark.parametrize(
    "answer",
    [
        {"body": ""},
        {"status": 204},
        {"body": " \n"},
        {"payload": {}},
        {"payload": []},
        {"payload": True},
        {"status": 201, "payload": {"create": [{"orderId": 12346, "status": "FAILED", "failureReason": "x"}]}},
        {"payload": {"results": [{"orderId": "12346", "success": True, "error": ""}]}},
        {"payload": {"errors": [{"orderId": 777, "error": "not of this call"}]}},
    ],
)
async def test_any_2xx_confirms(answer: Any) -> None:
    """The answer's shape is not published: nothing in it is needed, and an echo is no complaint."""
    outcomes, _ = await answered(BOTH, **answer)
    assert outcomes == {"12345": Confirmed(), "12346": Confirmed()}


@pytest.mark.fault(89)
@pytest.mark.parametrize(
    "payload",
    [
        {"errors": [{"orderId": 12346, "error": "no such order"}]},
        {"results": [{"orderId": "12345"}, {"orderId": "12346", "errorMessage": "no such order"}]},
        [{"orderId": 12346, "errors": "no such order"}],
        {"orderId": 12346, "error": "no such order"},
    ],
)
async def test_an_order_that_is_named_with_an_error_is_refused(payload: Any) -> None:
    """And only that one."""
    outcomes, _ = await answered(BOTH, payload=payload)
    assert outcomes == {"12345": Confirmed(), "12346": Refused("no such order")}


@pytest.mark.fault(127)
@pytest.mark.parametrize(
    ("payload", "denied"),
    [
        ({"success": False}, BOTH_IDS),
        ({"status": "FAILED"}, BOTH_IDS),
        (False, BOTH_IDS),
        ({"result": {"ok": False}}, BOTH_IDS),
        ({"results": [{"orderId": "12346", "success": False, "error": ""}]}, {"12346"}),
        ({"success": False, "errors": [{"orderId": 777, "error": "not of this call"}]}, BOTH_IDS),
    ],
)
async def test_an_answer_that_calls_itself_a_failure_confirms_nothing(payload: Any, denied: set[str]) -> None:
    """`{"success": false}` with a 200 is no confirmation: of all orders, or of the one that it names."""
    outcomes, _ = await answered(BOTH, payload=payload)
    assert {order_id for order_id, outcome in outcomes.items() if isinstance(outcome, Denied)} == denied
    assert all(isinstance(outcome, Denied | Confirmed) for outcome in outcomes.values())


@pytest.mark.parametrize("answer", [{"body": "<html>Log in</html>"}, {"payload": {"error": "unavailable", "code": 14}}])
async def test_what_is_no_answer_leaves_it_in_doubt(answer: Any) -> None:
    """A page of somebody else's, or an error that names no order."""
    with pytest.raises(InDoubtError):
        await answered(BOTH, **answer)


@pytest.mark.fault(96)
async def test_an_unknown_order_is_refused_and_the_call_applied_to_none() -> None:
    """400 for the batch: the acknowledger splits it until the order stands alone (faults.md #96)."""
    async with zendera([shipment(1)]) as h:
        with pytest.raises(RejectedError, match="order 7 not found"):
            await h.source.acknowledge([told("1", "exported"), told("7", "exported")])
        assert h.vendor.statuses == []
        assert await h.acknowledge(["1"]) == {"1": Confirmed()}


@pytest.mark.fault(96)
async def test_a_404_that_names_an_order_is_about_it() -> None:
    """Any other one is about the address: the endpoint is paused, and no order given up."""
    with pytest.raises(RejectedError, match="order 12346"):
        await answered(BOTH, status=404, payload={"error": "order 12346 does not exist"})
    for said in ("order 123456 does not exist", "Not Found"):
        with pytest.raises(EndpointError):
            await answered(BOTH, status=404, payload={"error": said})


async def test_a_failure_keeps_the_order_in_the_feed_until_the_fifth() -> None:
    """Each FAILED is a strike: after five the order is gone, not exported."""
    async with zendera([shipment(1), shipment(2)]) as h:
        for strike in range(5):
            assert len(await h.listed()) == 2, strike
            assert await h.source.acknowledge([failed("1")]) == {"1": Confirmed()}
        assert [item.order_id for item in await h.listed()] == ["2"]
        assert [event["success"] for event in await h.source.reported("1") or ()] == [False] * 5


# What Zendera knows after a lost answer.


async def lost(h: ZenderaHarness, ack: Acknowledgement, fault: Fault) -> dict[str, bool]:
    """Acknowledge, lose the response, and look the acknowledgement up."""
    h.fault("ack", fault)
    with pytest.raises(InDoubtError):
        await h.source.acknowledge([ack])
    return dict(await h.source.is_acknowledged([ack]))


@pytest.mark.fault(93, 94, 95)
@pytest.mark.parametrize("outcome", ["exported", "failed"])
@pytest.mark.parametrize(("fault", "known"), [(Fault.LOSE_ANSWER, True), (Fault.SERVER_ERROR, False)])
async def test_a_lost_answer_is_read_back(outcome: Any, fault: Fault, known: bool) -> None:
    """Applied or not, for an export and for a failure: no strike is spent twice, and no order left in the feed."""
    async with zendera([shipment(1)]) as h:
        now = datetime.now(UTC)
        assert await lost(h, told("1", outcome, at=now), fault) == {"1": known}


@pytest.mark.parametrize("known", [True, False])
async def test_an_earlier_failure_is_not_taken_for_this_one(known: bool) -> None:
    """The dispatcher corrected the order and it failed again: only a failure since then counts."""
    now = AT
    async with zendera([shipment(1)], now=lambda: now) as h:
        await h.source.acknowledge([failed("1")])
        now += timedelta(minutes=10)
        again = failed("1", at=now, message="still no postal code")
        assert await lost(h, again, Fault.LOSE_ANSWER if known else Fault.SERVER_ERROR) == {"1": known}


@pytest.mark.fault(95, 121)
@pytest.mark.parametrize("off", [timedelta(days=1), timedelta(days=-1)], ids=["ahead", "behind"])
@pytest.mark.parametrize("known", [True, False])
async def test_a_failure_is_known_by_its_number_where_the_clocks_differ(known: bool, off: timedelta) -> None:
    """A clock of ours that is a day off spends no strike twice, and takes no earlier failure for this one."""
    now = AT
    async with zendera([shipment(1)], now=lambda: now) as h:
        await h.source.acknowledge([failed("1")])
        now += timedelta(minutes=10)
        again = msgspec.structs.replace(failed("1", at=now + off, message="still no postal code"), failures=1)
        assert await lost(h, again, Fault.LOSE_ANSWER if known else Fault.SERVER_ERROR) == {"1": known}


async def test_an_earlier_failure_is_not_taken_for_an_export() -> None:
    """The order is still listed, so it was not exported."""
    async with zendera([shipment(1)]) as h:
        await h.source.acknowledge([failed("1")])
        assert await lost(h, told("1", "exported"), Fault.SERVER_ERROR) == {"1": False}
        assert await lost(h, told("1", "exported"), Fault.LOSE_ANSWER) == {"1": True}


async def test_five_failures_are_no_export() -> None:
    """They remove the order from the feed, too: the export is acknowledged again."""
    async with zendera([shipment(1)]) as h:
        for _ in range(5):
            await h.source.acknowledge([failed("1")])
        assert await h.source.is_acknowledged([told("1", "exported")]) == {"1": False}


async def test_an_id_alone_is_answered_where_that_is_certain() -> None:
    """Without the acknowledged outcome, an order that failed before is left out."""
    async with zendera([shipment(number) for number in (1, 2, 3, 4)]) as h:
        await h.source.acknowledge([told("1", "exported"), failed("2"), failed("4")])
        await h.source.acknowledge([told("4", "exported")])
        assert await h.source.is_acknowledged(["1", "2", "3", "4"]) == {"1": True, "3": False, "4": True}


@pytest.mark.parametrize("answer", [Fault.UNAUTHORIZED, Fault.SERVER_ERROR, Fault.LOSE_ANSWER])
async def test_what_cannot_be_read_back_is_not_answered(answer: Fault) -> None:
    """Nothing is concluded from a failed call."""
    async with zendera([shipment(1)]) as h:
        h.fault_at("/api/v2/orders/1/external-updates", answer, times=9)
        with pytest.raises(ConnectorError, match="external-updates"):
            await h.source.is_acknowledged([failed("1")])


@pytest.mark.fault(95)
async def test_an_answer_without_a_body_is_no_empty_timeline() -> None:
    """An empty one is `{}`; otherwise a failure that Zendera has recorded would be sent a second time."""
    async with zendera([shipment(1)]) as h:
        now = datetime.now(UTC)
        await h.source.acknowledge([failed("1", at=now)])
        h.fault_at("/api/v2/orders/1/external-updates", Fault.EMPTY)
        assert await h.source.is_acknowledged([failed("1", at=now)]) == {}
        assert await h.source.is_acknowledged([failed("1", at=now)]) == {"1": True}


async def test_an_order_that_is_listed_needs_no_timeline() -> None:
    """After the loss of a batch's response, one reading of the feed shows which of its orders were not exported."""
    async with zendera([shipment(1), shipment(2)]) as h:
        assert await h.source.is_acknowledged([told("1", "exported"), told("2", "exported")]) == {
            "1": False,
            "2": False,
        }
        assert len(h.vendor.history) == 1


UPDATES = f"{BASE}/v2/orders/1/external-updates"
FEED = f"{BASE}/v1/orders/export?page=1&perPage=50"
LISTED = {"shipments": [{"id": 5, "orderId": "1"}], "total": 1, "totalPages": 1}


@pytest.mark.parametrize(
    ("timeline", "listed", "exported", "failure"),
    [
        ({"status": 404}, True, False, None),  # the feed is the second witness of an export, and none of a failure
        ({"status": 404}, False, True, None),
        ({"status": 403}, False, True, None),
        ({"body": "<html>"}, False, True, None),
        ({"payload": {"error": "x"}}, False, True, None),
        ({"payload": {}}, True, False, False),
        ({"payload": []}, False, True, False),
        ({"payload": {"updates": [{"type": "EVENT_TYPE_PICKED_UP"}]}}, True, False, False),
        ({"payload": {"x": [{"eventType": "EVENT_TYPE_ORDER_EXPORTED", "success": True}]}}, False, True, True),
        # listed again after an export of another day: what is told now was not
        ({"payload": [{"type": "EVENT_TYPE_ORDER_EXPORTED", "success": True}]}, True, False, True),
        (
            {"payload": [{"type": "EVENT_TYPE_ORDER_EXPORTED", "success": True, "date": "2026-06-01"}]},
            True,
            False,
            False,
        ),
        ({"payload": [{"type": "EVENT_TYPE_ORDER_EXPORTED", "orderExported": {"success": True}}]}, False, True, True),
        # protobuf leaves out what is false; a failure without a time is ours only if it gives our reason
        ({"payload": [{"type": "EVENT_TYPE_ORDER_EXPORTED"}]}, False, False, None),
        ({"payload": [{"type": "EVENT_TYPE_ORDER_EXPORTED", "reason": "Unknown postal code"}]}, True, False, True),
        ({"payload": [{"type": "EVENT_TYPE_ORDER_EXPORTED", "date": "2026-06-11T09:50:00Z"}]}, True, False, False),
        ({"payload": [{"type": "EVENT_TYPE_ORDER_EXPORTED", "date": "2026-06-11T09:59:30Z"}]}, True, False, True),
        ({"payload": [{"type": "EVENT_TYPE_ORDER_EXPORTED", "timestamp": "1781172000000"}]}, True, False, True),
    ],
)
async def test_what_a_timeline_proves(timeline: Any, listed: bool, exported: bool, failure: bool | None) -> None:
    """Its form is not published: a recorded event counts, and an uncertain result is left out."""
    source = offline()
    with aioresponses() as vendor:
        vendor.get(UPDATES, repeat=True, **timeline)
        vendor.get(FEED, repeat=True, payload=LISTED if listed else {})
        assert await source.is_acknowledged([told("1", "exported")]) == {"1": exported}
        assert await source.is_acknowledged([failed("1")]) == ({} if failure is None else {"1": failure})
    assert source.endpoint.breaker.state == "closed"
    await source.aclose()


async def test_a_feed_that_moves_is_no_witness_of_absence() -> None:
    """An order that an incomplete reading does not show may be on the page that it missed."""
    source = offline()
    with aioresponses() as vendor:
        vendor.get(UPDATES, status=404)
        for number in range(1, 4):
            url = f"{BASE}/v1/orders/export?page=1&perPage=50"
            vendor.get(url, payload={"shipments": [{"id": number, "orderId": 100 + number}], "total": 9})
            vendor.get(url.replace("page=1", "page=2"), payload={})
        assert await source.is_acknowledged([told("1", "exported")]) == {}
    await source.aclose()


@pytest.mark.parametrize("status", [400, 403, 404, 501])
async def test_no_timeline_is_an_answer(status: int) -> None:
    """An unpublished route may be missing, or closed to this key: that concerns the order only, and pauses nothing."""
    source = offline()
    with aioresponses() as vendor:
        vendor.get(UPDATES, status=status, repeat=True)
        for _ in range(10):
            assert await source.reported("1") is None
    assert source.endpoint.breaker.state == "closed"
    await source.aclose()


async def test_an_answer_that_is_no_timeline_is_no_answer() -> None:
    """A page of a proxy shows nothing about the order, which is looked up again."""
    source = offline()
    with aioresponses() as vendor:
        vendor.get(UPDATES, body="<html>")
        with pytest.raises(TransientError):
            await source.reported("1")
    await source.aclose()
