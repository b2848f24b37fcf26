"""A webhook keeps the contract of a receiver, with and without look-up; the stand-in checks its signatures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
from aiohttp import web

from connector.clock import SystemClock
from connector.receivers import RECEIVERS
from connector.receivers.webhook.receiver import WebhookReceiver
from connector.sandbox.server import Fault, serving
from connector.sandbox.webhook import WebhookStandIn
from tests.contracts.receiver import ReceiverContract
from tests.contracts.receiver_harness import Call, Harness, Vendor
from tests.contracts.source_harness import closed_port
from tests.receivers.webhook.bench import settings

KEY = "Y2FuYXJ5LXNlY3JldC1vZi10aGlydHktYnl0ZXM="
CALLS: dict[str, Call] = {"POST": "create", "GET": "find"}


@dataclass
class Scripted:
    """An answer that waits for its call."""

    call: Call
    status: int
    body: bytes
    applied: bool
    times: int
    echo: bool


class ScriptedStandIn(WebhookStandIn):
    """The stand-in, with answers that the test wrote."""

    def __init__(self, vendor: Vendor) -> None:
        super().__init__(secret=f"whsec_{KEY}", fuzzy=vendor.fuzzy, repeats="refused")
        self.scripted: list[Scripted] = []

    def answer(self, request: web.Request, body: bytes) -> web.Response:
        """Give the oldest scripted answer for this kind of call, else the stand-in's own."""
        for script in self.scripted:
            if script.times and script.call == CALLS.get(request.method):
                script.times -= 1
                if script.applied:
                    super().answer(request, body)
                said = script.body + (repr(dict(request.headers)).encode() + body if script.echo else b"")
                headers = {"Retry-After": "7"} if script.status == 429 else {}
                return web.Response(status=script.status, body=said, headers=headers)
        return super().answer(request, body)


class WebhookHarness(Harness):
    """The receiver and its stand-in."""

    def __init__(self, standin: ScriptedStandIn, base_url: str, *, finds: bool) -> None:
        self.standin = standin
        made = settings(base_url, secret=f"whsec_{KEY}", finds=finds)
        self.receiver = WebhookReceiver("erp", made, SystemClock())

    @property
    def secrets(self) -> tuple[str, ...]:
        """The key, however it is written, and the signatures."""
        signatures = (call.headers.get("webhook-signature", KEY) for call in self.standin.history)
        return (KEY, KEY.rstrip("="), *(signature.removeprefix("v1,") for signature in signatures))

    def ids(self, external_id: str) -> list[str]:
        """Return the stand-in's ids."""
        return [record.id for record in self.standin.by_external_id(external_id)]

    def put(self, external_id: str, *, cancelled: bool = False) -> str:
        """Put a record into the stand-in behind its address."""
        return self.standin.put(external_id, status="cancelled" if cancelled else "received").id

    def requests(self, call: Call) -> int:
        """Count in the stand-in's history."""
        return sum(CALLS.get(one.method) == call for one in self.standin.history)

    def lose(self, call: Call, *, applied: bool) -> None:
        """Plan a fault."""
        fault = Fault.LOSE_ANSWER if applied else Fault.LOSE_REQUEST
        self.standin.fault(fault, on=lambda request: CALLS.get(request.method) == call)

    def answer(
        self, call: Call, status: int, body: bytes = b"", *, applied: bool = False, times: int = 1, echo: bool = False
    ) -> None:
        """Script a response. For a look-up a 404 means that the order is absent: its wrong address is a 410."""
        status = 410 if (call, status) == ("find", 404) else status
        self.standin.scripted.append(Scripted(call, status, body, applied, times, echo))

    def refusal(self, reason: str) -> bytes:
        """A webhook's errors have no shape of their own."""
        return msgspec.json.encode({"error": reason}) if "\n" not in reason else reason.encode()

    def created(self, external_id: str) -> bytes:
        """The answer may repeat the external id."""
        return msgspec.json.encode({"id": "1", "external_id": external_id})


class TestWebhook(ReceiverContract):
    """The contract, for a webhook without a look-up."""

    receiver: ClassVar[type[Any]] = RECEIVERS["webhook"]
    logs_in: ClassVar[bool] = False
    reads_answers: ClassVar[bool] = False

    @asynccontextmanager
    async def make(self, vendor: Vendor) -> AsyncIterator[Harness]:
        """Serve the stand-in, or leave it down."""
        standin = ScriptedStandIn(vendor)
        async with AsyncExitStack() as stack:
            if vendor.up:
                base_url = await stack.enter_async_context(serving(standin))
            else:
                base_url = stack.enter_context(closed_port())
            harness = WebhookHarness(standin, base_url, finds=self.can_find)
            stack.push_async_callback(harness.receiver.aclose)
            yield harness


class TestWebhookThatIsAsked(TestWebhook):
    """The contract, for a webhook with a `find_url`."""

    can_find = True
