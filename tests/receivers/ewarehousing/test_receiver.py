"""eWarehousing keeps the contract of a receiver, against its stand-in."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
from aiohttp import web

from connector.clock import SystemClock
from connector.receivers import RECEIVERS
from connector.receivers.ewarehousing.receiver import EwarehousingReceiver
from connector.receivers.ewarehousing.settings import EwarehousingSettings
from connector.sandbox.ewarehousing.app import EwarehousingStandIn
from connector.sandbox.ewarehousing.orders import new_order
from connector.sandbox.server import Fault, serving
from connector.settings.values import Secret, Url
from tests.contracts.receiver import ReceiverContract
from tests.contracts.receiver_harness import Call, Harness, Vendor

PASSWORD = "canary-password"
ROUTES: dict[tuple[str, str], Call] = {
    ("POST", "/wms/auth/login/"): "login",
    ("GET", "/wms/orders/"): "find",
    ("POST", "/wms/orders/"): "create",
}


@dataclass
class Scripted:
    """An answer that waits for its call."""

    call: Call
    status: int
    body: bytes
    applied: bool
    times: int
    echo: bool


class ScriptedStandIn(EwarehousingStandIn):
    """The stand-in, with answers that the test wrote."""

    def __init__(self, vendor: Vendor) -> None:
        super().__init__(password=PASSWORD, fuzzy=vendor.fuzzy, page_base=vendor.first_page)
        self.scripted: list[Scripted] = []

    def answer(self, request: web.Request, body: bytes) -> web.Response:
        """Give the oldest scripted answer for this kind of call, else the stand-in's own."""
        for script in self.scripted:
            if script.times and script.call == kind(request):
                script.times -= 1
                if script.applied:
                    super().answer(request, body)
                said = script.body
                if script.echo:
                    said += repr(dict(request.headers)).encode() + body
                headers = {"Retry-After": "7"} if script.status == 429 else {}
                return web.Response(status=script.status, body=said, headers=headers)
        return super().answer(request, body)


def kind(request: web.Request) -> Call | None:
    """Return the kind of call of a request."""
    return ROUTES.get((request.method, request.rel_url.raw_path))


class EwarehousingHarness(Harness):
    """The receiver and its stand-in."""

    def __init__(self, standin: ScriptedStandIn, base_url: str) -> None:
        self.standin = standin
        settings = EwarehousingSettings(
            base_url=Url.parse(base_url),
            username="sandbox",
            password=Secret(PASSWORD),
            wms_code="DEV",
            customer_code="SANDBOX",
        )
        self.receiver = EwarehousingReceiver("warehouse", settings, SystemClock())

    @property
    def secrets(self) -> tuple[str, ...]:
        """The password, and every token that was handed out."""
        tokens = (
            call.headers["authorization"].removeprefix("Bearer ")
            for call in self.standin.history
            if "authorization" in call.headers
        )
        return (PASSWORD, *tokens)

    def ids(self, external_id: str) -> list[str]:
        """Return the stand-in's ids."""
        return [order["id"] for order in self.standin.by_external_id(external_id)]

    def put(self, external_id: str, *, cancelled: bool = False) -> str:
        """Put a record into the stand-in behind its API."""
        number = len(self.standin.orders)
        content: dict[str, Any] = {"external_id": external_id, "external_reference": f"OTHER-{number}"}
        if cancelled:
            content["status"] = "cancelled"
        order = new_order(content, number, "SANDBOX", self.standin.now())
        order["requested_delivery_date"] = order["created_at"]
        self.standin.orders[order["id"]] = order
        return str(order["id"])

    def requests(self, call: Call) -> int:
        """Count in the stand-in's history."""
        return sum(ROUTES.get((one.method, one.path)) == call for one in self.standin.history)

    def lose(self, call: Call, *, applied: bool) -> None:
        """Plan a fault."""
        fault = Fault.LOSE_ANSWER if applied else Fault.LOSE_REQUEST
        self.standin.fault(fault, on=lambda request: kind(request) == call)

    def answer(
        self, call: Call, status: int, body: bytes = b"", *, applied: bool = False, times: int = 1, echo: bool = False
    ) -> None:
        """Script an answer."""
        self.standin.scripted.append(Scripted(call, status, body, applied, times, echo))

    def refusal(self, reason: str) -> bytes:
        """The documented shape: numbered texts beside lists by field."""
        return msgspec.json.encode({"errors": {"0": reason, "orderLines.0.articleCode": [reason]}})

    def created(self, external_id: str) -> bytes:
        """The answer repeats the external id."""
        return msgspec.json.encode({"id": "1", "external_id": external_id, "reference": "ORD1", "status": "created"})


class TestEwarehousing(ReceiverContract):
    """The contract."""

    receiver: ClassVar[type[Any]] = RECEIVERS["ewarehousing"]
    first_pages: ClassVar[tuple[int, ...]] = (0, 1)

    @asynccontextmanager
    async def make(self, vendor: Vendor) -> AsyncIterator[Harness]:
        """Serve the stand-in, or leave it down."""
        standin = ScriptedStandIn(vendor)
        async with AsyncExitStack() as stack:
            if vendor.up:
                base_url = await stack.enter_async_context(serving(standin))
            else:  # a port that is taken, but where nobody listens
                taken = stack.enter_context(closing(socket.socket()))
                taken.bind(("127.0.0.1", 0))
                base_url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            harness = EwarehousingHarness(standin, base_url)
            stack.push_async_callback(harness.receiver.aclose)
            yield harness
