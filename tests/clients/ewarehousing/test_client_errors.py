"""The client of eWarehousing: refusals, and responses without a meaning (seed 004)."""

from __future__ import annotations

from typing import Any

import pytest

from connector.clients.ewarehousing.requests import UpdateOrder
from connector.errors import AuthError, EndpointError, InDoubtError, RejectedError, TransientError
from connector.receivers.ewarehousing.receiver import NotFound
from tests.clients.ewarehousing.bench import ORDERS, PDF, client, scripted
from tests.receivers.ewarehousing.bench import CREATED


@pytest.mark.parametrize(
    "call",
    [
        lambda made: made.get("1"),
        lambda made: made.update("1", UpdateOrder(note="x")),
        lambda made: made.cancel("1"),
        lambda made: made.documents("1"),
        lambda made: made.document("1"),
        lambda made: made.order_document("1", "2"),
        lambda made: made.add_document("1", title="t", content=PDF),
    ],
)
async def test_what_is_not_there_is_not_found(call: Any) -> None:
    """A 404 about one id is about that id: nothing is paused, and the next call goes out."""
    async with client() as (made, _):
        with pytest.raises(NotFound):
            await call(made)
        assert await made.list() == []


async def test_a_page_that_is_not_there_is_a_wrong_address() -> None:
    """An HTML 404, and any 404 of a list, is of some other server than the middleware."""
    for method, path in (("GET", f"{ORDERS}1/"), ("GET", ORDERS)):
        async with scripted() as (made, vendor):
            vendor.script(method, path, (404, b"<html>nginx</html>"))
            with pytest.raises(EndpointError):
                await (made.list() if path == ORDERS else made.get("1"))


@pytest.mark.attack(22)
async def test_an_id_stays_an_id() -> None:
    """No id can reach another route: the cancel route is one segment away (faults.md 3, #22)."""
    async with scripted() as (made, vendor):
        vendor.listing = lambda _query: {"id": "1/cancel"}
        await made.get("1/cancel")
        for odd in ("..", "."):
            with pytest.raises(EndpointError):
                await made.get(odd)

    assert [call.path for call in vendor.calls[1:]] == [f"{ORDERS}1%2Fcancel/"]


@pytest.mark.parametrize("status", [400, 422])
async def test_a_refused_question_is_the_callers(status: int) -> None:
    """The vendor's words about an invalid query reach the caller, and pause nothing."""
    async with scripted() as (made, vendor):
        vendor.script("GET", ORDERS, *[(status, {"message": "what is a status?"})] * 6)
        for _ in range(6):
            with pytest.raises(RejectedError, match=r"what is a status\?"):
                await made.list(status="x")


async def test_a_wrong_code_is_the_operators() -> None:
    """A refused header or customer code is no order's fault, on whatever call."""
    async with scripted() as (made, vendor):
        vendor.script("PATCH", f"{ORDERS}1/", (400, {"message": "Invalid customer"}))
        with pytest.raises(AuthError):
            await made.update("1", UpdateOrder(note="x"))


@pytest.mark.attack(24)
async def test_no_answer_holds_a_secret() -> None:
    """Should the vendor send our token or password back, the reason does not hold them."""
    async with scripted() as (made, vendor):
        vendor.script("PATCH", f"{ORDERS}1/", (400, {"message": "canary-password token-1 refresh-1 no"}))
        with pytest.raises(RejectedError) as caught:
            await made.update("1", UpdateOrder(note="x"))

    assert str(caught.value) == "*** *** *** no"


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b"5", b'{"id": {}}'])
async def test_an_answer_that_cannot_be_read(answer: bytes) -> None:
    """After a read: try again. After a write: the result is unknown (faults.md 2.C)."""
    async with scripted() as (made, vendor):
        path = f"{ORDERS}1/"
        vendor.script("GET", path, (200, answer))
        vendor.script("PATCH", path, (200, answer))
        with pytest.raises(TransientError):
            await made.get("1")
        with pytest.raises(InDoubtError):
            await made.update("1", UpdateOrder(note="x"))


@pytest.mark.attack(34)
async def test_another_order_is_no_answer_where_bytes_are_kept() -> None:
    """The bytes that are kept as an order must be that order."""
    async with scripted() as (made, vendor):
        vendor.script("GET", f"{ORDERS}1/", (200, CREATED))
        with pytest.raises(TransientError, match="not the requested order"):
            await made.get_raw("1")
