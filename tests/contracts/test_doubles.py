"""The in-memory ends keep the contracts of real ones, or they would lie to the tests of the flow."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

import msgspec

from connector.errors import ConnectorError, InDoubtError, TransientError
from connector.http.failures import Effect, from_status
from connector.sandbox.server import Fault
from tests.contracts.receiver import ReceiverContract
from tests.contracts.receiver_harness import Call, Harness, Vendor
from tests.contracts.source import SourceContract
from tests.contracts.source_harness import Call as SourceCall
from tests.contracts.source_harness import SourceHarness
from tests.doubles import LoopClock, MemoryReceiver, MemorySource

STATUSES = {Fault.THROTTLE: 429, Fault.UNAUTHORIZED: 401, Fault.REDIRECT: 307}


def error(status: int, effect: Effect, said: str, wait: float = 7.0) -> ConnectorError:
    """Return the error of the real HTTP client for such a response."""
    if 200 <= status < 300:
        return InDoubtError("no answer") if effect is Effect.WRITE else TransientError("no answer")
    return from_status(status, effect, "double", said, wait if status == 429 else None)


class MemoryHarness(Harness):
    """The double, with the failures of the real client."""

    def __init__(self, vendor: Vendor) -> None:
        self.double = MemoryReceiver("wms", LoopClock())
        self.double.down = not vendor.up
        self.receiver = self.double

    @property
    def secrets(self) -> tuple[str, ...]:
        """It has none; this one is in no error either."""
        return ("canary-key",)

    def ids(self, external_id: str) -> list[str]:
        """Return their numbers."""
        return [str(number) for number, (held, _) in enumerate(self.double.orders) if held == external_id]

    def put(self, external_id: str, *, cancelled: bool = False) -> str:
        """Put one in."""
        self.double.orders.append((external_id, b"{}"))
        number = len(self.double.orders) - 1
        if cancelled:
            self.double.withdrawn.add(number)
        return str(number)

    def requests(self, call: Call) -> int:
        """Count the calls."""
        return {"login": 0, "find": len(self.double.finds_of), "create": len(self.double.creates)}[call]

    def lose(self, call: Call, *, applied: bool) -> None:
        """Lose the next answer."""
        self.answer(call, 200, applied=applied)

    def answer(
        self, call: Call, status: int, body: bytes = b"", *, applied: bool = False, times: int = 1, echo: bool = False
    ) -> None:
        """Fail the next calls so."""
        double = self.double
        said = body.decode("utf-8", "replace")
        if call == "find":
            double.find_failures.extend(error(status, Effect.READ, said) for _ in range(times))
        else:
            waiting = double.lost if applied else double.failures
            waiting.extend(error(status, Effect.WRITE, said) for _ in range(times))

    def refusal(self, reason: str) -> bytes:
        """Say it."""
        return reason.encode()


class TestMemoryReceiver(ReceiverContract):
    """The receiver of the flow's tests."""

    receiver: ClassVar[type[MemoryReceiver]] = MemoryReceiver
    logs_in = False
    refuses_duplicates = False
    reads_answers = False

    @asynccontextmanager
    async def make(self, vendor: Vendor) -> AsyncIterator[Harness]:
        """Make one."""
        yield MemoryHarness(vendor)


class MemorySourceHarness(SourceHarness):
    """The double, with the failures of the real client."""

    def __init__(self, ids: list[str], *, up: bool) -> None:
        self.double = MemorySource("shop", LoopClock(), page_size=10)
        self.double.put(*ids)
        if not up:
            self.double.fetch_failures = self.double.failures = deque(TransientError("down") for _ in range(9))
        self.source = self.double

    @property
    def secrets(self) -> tuple[str, ...]:
        """It has none; this one is in no error either."""
        return ("canary-key",)

    def acknowledged(self) -> list[str]:
        """Return the acknowledged orders."""
        return [order_id for call in self.double.calls for order_id in call]

    def spoil(self, order_id: str) -> None:
        """Remove a required key."""
        self.double.feed[order_id]["missing"] = "everything"

    def fault(self, call: SourceCall, fault: Fault, *, times: int = 1) -> None:
        """Fail the next calls so."""
        effect = Effect.READ if call == "fetch" else Effect.WRITE
        failure = error(STATUSES.get(fault, 500 if fault in (Fault.SERVER_ERROR, Fault.HANG) else 200), effect, "", 1.0)
        applied = fault in (Fault.LOSE_ANSWER, Fault.SERVER_ERROR_APPLIED, Fault.EMPTY)
        waiting = self.double.lost if applied else self.double.failures
        (self.double.fetch_failures if call == "fetch" else waiting).extend(failure for _ in range(times))


class TestMemorySource(SourceContract):
    """The source of the flow's tests."""

    source: ClassVar[type[MemorySource]] = MemorySource
    page_limit = 10

    @asynccontextmanager
    async def make(self, ids: list[str], *, up: bool = True) -> AsyncIterator[SourceHarness]:
        """Make one."""
        yield MemorySourceHarness(ids, up=up)

    def offline(self) -> MemorySource:
        """Return a source that is not called."""
        return MemorySource("shop", LoopClock())

    def sample(self) -> bytes:
        """Return an order with all that the double reads."""
        return msgspec.json.encode({"id": "1", "notes": "ring twice"})
