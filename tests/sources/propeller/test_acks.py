"""Telling Propeller that an order was exported (seed 000, step 2)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from aioresponses import aioresponses

from connector.ack import Acknowledgement
from connector.errors import EndpointError, TransientError
from connector.sandbox.server import Fault
from connector.sources.base import Confirmed, Refused, Unknown
from connector.sources.propeller.source import PropellerSource
from tests.sources.propeller.bench import BASE, order, propeller

MARK = f"{BASE}/v2/orders/id/20106"
AT = datetime(2026, 3, 24, 10, 0, tzinfo=UTC)


def acknowledgement(**changes: Any) -> Acknowledgement:
    """Return the seed's own acknowledgement."""
    given = {"order_id": "20106", "outcome": "exported", "at": AT, "message": "ERP order id = 12355", **changes}
    return Acknowledgement(key=1, **given)


async def test_the_mark_is_the_seeds(tenant: PropellerSource) -> None:
    """Step 2 of the seed, byte for byte; its example answer confirms."""
    answer = {"id": 20106, "status": "NEW", "exportedAt": "2026-03-24T10:00:00.000Z", "exportStatus": "exported"}
    with aioresponses() as vendor:
        vendor.patch(MARK, payload=answer)
        outcomes = await tenant.acknowledge([acknowledgement()])
        ((_, _url), calls), *_ = vendor.requests.items()
    assert outcomes == {"20106": Confirmed()}
    assert calls[0].kwargs["data"] == (
        b'{"exportedAt":"2026-03-24T10:00:00.000Z","exportMessage":"ERP order id = 12355","exportStatus":"exported"}'
    )


@pytest.mark.fault(101)
async def test_a_repeated_mark_is_the_same_bytes() -> None:
    """The time is that of the delivery, in UTC, to the millisecond: a repetition changes nothing (faults.md #101)."""
    at = datetime(2026, 3, 24, 11, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=1)))
    async with propeller([order(20106)]) as h:
        h.vendor.fault(Fault.LOSE_ANSWER, on=lambda request: request.method == "PATCH")
        for _ in range(2):
            try:
                await h.source.acknowledge([acknowledgement(at=at)])
            except Exception as exc:  # noqa: BLE001 - the first answer is lost, however that is told
                assert "lost" in str(exc)  # noqa: PT017 - it is not what is tested
        first, second = [call.body for call in h.vendor.history if call.method == "PATCH"]
    assert first == second
    assert b'"exportedAt":"2026-03-24T10:00:00.123Z"' in first


@pytest.mark.attack(34)
@pytest.mark.fault(92)
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"id": "20106", "exportStatus": "EXPORTED"}, Confirmed),
        ({"id": 20107, "exportStatus": "exported"}, Unknown),
        ({"id": 20106, "exportStatus": ""}, Unknown),
        ({"id": 20106, "exportStatus": None}, Unknown),
        ({"id": 20106}, Unknown),
    ],
)
async def test_only_the_right_answer_confirms(tenant: PropellerSource, answer: Any, outcome: type[Any]) -> None:
    """200 is not enough: the answer has to show this order, exported (compared as text, in either case)."""
    with aioresponses() as vendor:
        vendor.patch(MARK, payload=answer)
        outcomes = await tenant.acknowledge([acknowledgement()])
    assert isinstance(outcomes["20106"], outcome)


@pytest.mark.fault(96)
async def test_an_order_that_is_gone_does_not_pause_the_others() -> None:
    """404 with code 10008 is about this order (or a missing right): it is refused, and the next one goes through."""
    async with propeller([order(1)]) as h:
        outcomes = {**await h.acknowledge(["7"]), **await h.acknowledge(["1"])}
    assert isinstance(outcomes["7"], Refused)
    assert outcomes["1"] == Confirmed()


async def test_a_404_of_another_kind_is_a_wrong_address(tenant: PropellerSource) -> None:
    """A gateway's 404 is not about the order: the endpoint is paused, and the order kept."""
    with aioresponses() as vendor:
        vendor.patch(MARK, status=404, body="<html>no such route</html>")
        with pytest.raises(EndpointError):
            await tenant.acknowledge([acknowledgement()])
        with pytest.raises(TransientError, match="paused"):
            await tenant.acknowledge([acknowledgement()])
    assert tenant.endpoint.breaker.state == "open"


async def test_a_failure_is_not_said(tenant: PropellerSource) -> None:
    """`failed` would hide the order from the next search (vendors.md 6, seed 000, #10)."""
    with aioresponses() as vendor:
        outcomes = await tenant.acknowledge([acknowledgement(outcome="failed", message="no address")])
        assert vendor.requests == {}
    assert isinstance(outcomes["20106"], Refused)
