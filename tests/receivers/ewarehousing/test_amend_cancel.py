"""Cancelling an order that eWarehousing has (seed 004, "Cancel an order")."""

from __future__ import annotations

import pytest
from aiohttp import web

from connector.errors import InDoubtError, RejectedError
from connector.receivers.base import Receipt
from connector.sandbox.server import Fault
from tests.clients.ewarehousing.bench import ORDERS
from tests.receivers.ewarehousing.amend_bench import LATE, OPEN, delivery, on, sent, warehouse
from tests.receivers.ewarehousing.bench import bench


@pytest.mark.parametrize("status", OPEN)
async def test_an_order_is_cancelled_once(status: str) -> None:
    """In the three statuses of the seed; and one that is cancelled already stays so, without a second call."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        standin.move(receipt.id, status)
        await receiver.cancel(receipt)
        await receiver.cancel(receipt)

    assert standin.orders[receipt.id]["status"] == "cancelled"
    assert sent(standin, "PATCH", "/cancel/") == [None]


@pytest.mark.parametrize("status", [status for status in LATE if status != "cancelled"])
async def test_a_late_cancellation_is_rejected_with_the_status(status: str) -> None:
    """The operator reads how far the order is."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        standin.move(receipt.id, status)
        with pytest.raises(RejectedError, match=f"is {status} and cannot be cancelled"):
            await receiver.cancel(receipt)

    assert sent(standin, "PATCH", "/cancel/") == []


@pytest.mark.parametrize(("status", "fine"), [("cancelled", True), ("shipped", False)])
async def test_an_order_that_moves_on_between_read_and_cancel(status: str, fine: bool) -> None:
    """The vendor refuses; the order's status by then decides."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())

        def moving(request: web.Request) -> bool:
            if request.path.endswith("/cancel/"):
                standin.move(receipt.id, status)
            return False

        standin.fault(Fault.HANG, on=moving)
        if fine:
            await receiver.cancel(receipt)
        else:
            with pytest.raises(RejectedError, match="is shipped and cannot be cancelled"):
                await receiver.cancel(receipt)


@pytest.mark.parametrize("fault", [Fault.LOSE_ANSWER, Fault.LOSE_REQUEST, Fault.HTML, Fault.SERVER_ERROR_APPLIED])
async def test_a_cancellation_without_a_usable_answer_is_in_doubt(fault: Fault) -> None:
    """Called again, it is cancelled, however often it takes."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        standin.fault(fault, on=on("PATCH", "/cancel/"))
        with pytest.raises(InDoubtError):
            await receiver.cancel(receipt)
        await receiver.cancel(receipt)

    assert standin.orders[receipt.id]["status"] == "cancelled"


async def test_a_cancellation_that_did_nothing_is_in_doubt() -> None:
    """A 204 proves less than the order itself."""
    async with bench() as b:
        order = {"id": "1", "status": "created"}
        b.vendor.script("GET", f"{ORDERS}1/", (200, order), (200, order))
        b.vendor.script("PATCH", f"{ORDERS}1/cancel/", (204, b""))
        with pytest.raises(InDoubtError, match="is shown as created"):
            await b.receiver.cancel(Receipt(id="1"))
