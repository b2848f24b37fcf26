"""Faults that can befall a request on its way there and back (faults.md 2.C, 2.D and 4.3), and their likelihoods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from types import SimpleNamespace
from typing import Any

import aiohttp
import msgspec
from multidict import CIMultiDictProxy

from tests.simulation.vendors.base import Request

__all__ = ["CLOCK_STEPS", "FAULTS", "FOREIGN", "JUMPS", "NOTHING", "T_APPLY", "UNREAD", "Fault", "Faults", "Outage"]

T_APPLY = 25.0
"""Seconds within which the other side applies a request that was sent, or gives it up (faults.md 4.5, A1)."""


def _kind(kind: type[Exception]) -> Callable[[Request], Exception]:
    return lambda _request: kind()


def _garbled(request: Request) -> Exception:
    """The client's report of an answer that is not HTTP: a status that nobody sent, and the headers of the request."""
    info = aiohttp.RequestInfo(request.rel_url, request.method, CIMultiDictProxy(request.headers), request.rel_url)
    return aiohttp.ClientResponseError(info, (), status=400, message="Expected HTTP/", headers=request.headers)


def _refused(_request: Request) -> Exception:
    key: Any = SimpleNamespace(host="vendor", port=443, ssl=True, is_ssl=True)
    return aiohttp.ClientConnectorError(key, OSError(111, "refused"))


class Fault(msgspec.Struct, frozen=True):
    """
    One way in which a call goes wrong.

    `applied` says whether the other side carries the request out, `late` that it does so up to `T_APPLY` seconds
    after the caller has heard. The caller hears `error`, or gets `status`, or the true answer with its body spoilt by
    `spoil`; after `wait` of the call's time-out (0 is at once, 1 the whole of it).
    """

    name: str
    applied: bool
    late: bool = False
    error: Callable[[Request], Exception] | None = None
    status: int = 0
    spoil: Callable[[bytes], bytes] | None = None
    wait: float = 0.0
    body: bytes = b""

    @property
    def sure(self) -> bool:
        """True if the caller can be sure that nothing was done."""
        named = self.name in ("refused", "connect_timeout", "throttled", "unauthorized", "forbidden", "redirected")
        return named or 300 <= self.status < 400


NOTHING = Fault("nothing", applied=True)

FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("refused", applied=False, error=_refused),
        Fault("connect_timeout", applied=False, error=_kind(aiohttp.ConnectionTimeoutError), wait=0.3),
        Fault("lost", applied=False, error=_kind(aiohttp.ServerDisconnectedError)),
        Fault("lost_applied", applied=True, error=_kind(aiohttp.ServerDisconnectedError)),
        Fault("lost_late", applied=True, late=True, error=_kind(aiohttp.ClientOSError)),
        Fault("timeout", applied=False, error=_kind(aiohttp.ServerTimeoutError), wait=1.0),
        Fault("timeout_applied", applied=True, error=_kind(aiohttp.ServerTimeoutError), wait=1.0),
        Fault("timeout_late", applied=True, late=True, error=_kind(TimeoutError), wait=1.0),
        Fault("error", applied=False, status=500),
        Fault("error_applied", applied=True, status=502),
        Fault("error_late", applied=True, late=True, status=504),
        Fault("unavailable", applied=False, status=503),
        Fault("request_timeout", applied=False, status=408),
        Fault("throttled", applied=False, status=429),
        Fault("unauthorized", applied=False, status=401),
        Fault("forbidden", applied=False, status=403),
        Fault("redirected", applied=False, status=307),
        Fault("page", applied=False, status=200),
        Fault("empty", applied=True, spoil=lambda _: b""),
        Fault("truncated", applied=True, spoil=lambda body: body[: len(body) // 2]),
        Fault("broken_off", applied=True, error=_kind(aiohttp.ClientPayloadError)),
        Fault("garbled", applied=True, error=_garbled),
        Fault("slow", applied=True, wait=0.9),
    )
}
"""Every kind of fault, by name."""

FOREIGN = ("foreign", "foreign_applied")
"""A 2xx that something in between wrote, which has kept the request to itself or passed it on."""
FOREIGN_BODIES = (
    b"<html><body>Sign in to go on.</body></html>",
    b'{"error": "maintenance"}',
    b'{"success": false}',
    b'{"status": 503, "message": "Service Unavailable"}',
    b'{"results": [{"errors": ["busy"]}]}',
)
UNREAD = ("unread", "unread_applied")
"""The same, in an encoding that is not UTF-8, or cut off."""
UNREAD_BODIES = (
    '{"success": false}'.encode("utf-16"),
    '[{"error": "maintenance"}]'.encode("utf-16-be"),
    b'{"success":false',
    b'[{"results": [{"err',
)
FOREIGN_CALLS = {"warehouse": ("create", "update", "cancel", "lookup", "read"), "erp": ("create", "lookup")}

CLOCK_STEPS = ("clock_ahead", "clock_back")
"""Faults of our own machine: its clock is set."""
JUMPS = (-6 * 3600.0, -3600.0, -1200.0, -61.0, -3.0, 3.0, 61.0, 1200.0, 3600.0, 6 * 3600.0)
"""By how many seconds."""

RARE = frozenset({"forbidden", "redirected", "unauthorized", "throttled"})
"""Faults that pause a whole endpoint: too much of it and nothing else happens."""


SELDOM: Mapping[str, Sequence[str]] = {
    "report": ("refused", "throttled", "lost", "lost_applied", "error_applied"),
    "timeline": ("redirected", "redirected", "unavailable"),
}
"""Kinds of call of which there are few, and the faults that befall them more often: their consequences must be seen."""


class Outage(msgspec.Struct, frozen=True):
    """A time in which a vendor takes no call."""

    vendor: str
    start: float
    end: float


class Faults:
    """Draws the fault of each call. A schedule has its own mix: now and then a single kind, at a high rate."""

    def __init__(self, chance: Random, between: Random | None = None, unread: Random | None = None) -> None:
        self._chance = chance
        self._unread = unread or Random(0)
        self._between = between or Random(0)
        self._foreign = self._between.choice((0.0, 0.03, 0.15)) if between else 0.0
        self.rate = chance.choice((0.0, 0.05, 0.15, 0.25, 0.4))
        names = sorted(FAULTS)
        few = chance.sample(names, chance.choice((1, 3, 8, len(names), len(names))))
        self._names = few
        self._weights = [0.3 if name in RARE and len(few) > 1 else 1.0 for name in few]
        self.healed = False
        self.outages: list[Outage] = []

    def draw(self, vendor: str, now: float, kind: str = "") -> Fault:
        """Return the fault that befalls the next call to `vendor`, of that kind."""
        for outage in self.outages:
            if outage.vendor == vendor and outage.start <= now < outage.end:
                return FAULTS[self._chance.choice(("refused", "connect_timeout", "unavailable"))]
        often = SELDOM.get(kind)
        if often and self.rate and not self.healed and self._chance.random() < 0.3:
            return FAULTS[self._chance.choice(often)]
        if self.healed or self._chance.random() >= self.rate:
            return self._from_between(vendor, kind)
        (name,) = self._chance.choices(self._names, self._weights)
        return FAULTS[name]

    def _from_between(self, vendor: str, kind: str) -> Fault:
        """Return the fault that something in front of a receiver adds to a call that would be well."""
        share = self._foreign * (4 if (vendor, kind) == ("erp", "lookup") else 1)  # there are few
        if self.healed or kind not in FOREIGN_CALLS.get(vendor, ()) or self._between.random() >= share:
            return NOTHING
        body, (name, name_applied) = self._between.choice(FOREIGN_BODIES), FOREIGN
        if self._unread.random() < 0.3:
            body, (name, name_applied) = self._unread.choice(UNREAD_BODIES), UNREAD
        if self._between.random() < 0.5:
            return Fault(name, applied=False, status=200, body=body)
        return Fault(name_applied, applied=True, spoil=lambda _: body)
