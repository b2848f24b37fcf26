"""A 2xx of eWarehousing whose body calls itself a failure, or is cut off, is no success, and no answer to a look-up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
from aiohttp import web

from connector.errors import InDoubtError, TransientError
from connector.order import Document
from connector.sandbox.ewarehousing.app import EwarehousingStandIn
from tests.receivers.ewarehousing.amend_bench import delivery, warehouse

FOREIGN = [
    b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>",
    b'{"error": "maintenance"}',
    b'{"success": false}',
    b'{"status": 422, "errors": {"0": "x"}}',
    b'{"status": "error", "message": "try again"}',
    '{"success": false}'.encode("utf-16"),
    b'{"success":false',
]
INVOICE = Document(title="invoice", content=b"x")


@contextmanager
def answering(standin: EwarehousingStandIn, method: str, body: bytes) -> Iterator[None]:
    """Let something in front of the warehouse answer all calls of one method but the log-in."""
    own = standin.answer

    def answer(request: web.Request, sent: bytes) -> web.Response:
        if request.method == method and "/auth/" not in request.path:
            return web.Response(status=200, body=body)
        return own(request, sent)

    with mock.patch.object(standin, "answer", answer):
        yield


@pytest.mark.fault(128)
@pytest.mark.parametrize("body", FOREIGN)
async def test_no_write_is_taken_for_done(body: bytes) -> None:
    """A create, a change, a cancellation and a document are in doubt; a later reading decides."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        with answering(standin, "POST", body):
            with pytest.raises(InDoubtError):
                await receiver.create(delivery(2))
            with pytest.raises(InDoubtError):
                await receiver.attach(receipt, [INVOICE])
        with answering(standin, "PATCH", body):
            with pytest.raises(InDoubtError):
                await receiver.update(receipt, delivery(note="changed"))
            with pytest.raises(InDoubtError):
                await receiver.cancel(receipt)
        assert await receiver.find("order-2") is None
        await receiver.attach(receipt, [INVOICE])
        await receiver.cancel(receipt)


@pytest.mark.fault(128)
@pytest.mark.parametrize("body", [*FOREIGN, b"{}", b'[{"error": "maintenance"}]'])
async def test_no_read_takes_it_for_an_answer(body: bytes) -> None:
    """It is unavailable: neither is the order not there, nor is it another one, nor without its documents."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        with answering(standin, "GET", body):
            with pytest.raises(TransientError):
                await receiver.find("order-1")
            with pytest.raises(TransientError):
                await receiver.update(receipt, delivery(note="changed"))
            with pytest.raises(TransientError):
                await receiver.cancel(receipt)
            with pytest.raises(TransientError):
                await receiver.attach(receipt, [INVOICE])
            with pytest.raises(TransientError):
                await receiver.progress([receipt])
            with pytest.raises(TransientError):
                await receiver.check()
