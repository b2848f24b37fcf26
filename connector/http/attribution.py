"""
Whose fault a refusal is that names no culprit: the endpoint's, or one order's.

A firewall, a body limit or a router answers 403, 413, 404 or 302 to one order as it does to all of them when our
credentials or our address are wrong. The status does not tell; other orders do, in calls of the same kind:

* None has passed yet, or five others were refused since one last did: it is the endpoint. It is paused, and one order
  at a time tries whether it takes any; each time another one.
* An order was refused three times, and others passed meanwhile or were not refused: it is that order. It is left to a
  person (`Attribution.alone`), and the endpoint stays open.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from typing import Literal, get_args

import msgspec

from connector.clock import Clock
from connector.errors import ConnectorError, InDoubtError, TransientError, UnattributedError
from connector.http.breaker import Breaker, BreakerState

__all__ = ["KINDS", "Attribution", "Kind", "Subject", "about", "subject", "uncertain"]

Kind = Literal["create", "find", "change", "ack", "report"]
"""The kinds of call that are about an order. Each has its own evidence, and is paused by itself."""
KINDS: tuple[Kind, ...] = get_args(Kind)

MANY = 5
"""Different orders refused in a row, none taken between them, that are no coincidence."""
TRIES = 3
"""Refusals of one order that are no bad luck; and pauses without a success after which only a person can help."""
KEPT = 1000
"""Orders whose refusals are remembered; the one that was refused longest ago is forgotten first."""
PASSING = frozenset((408, 409, 425, 429))
"""Statuses of a moment, or of a record."""
CREDENTIALS = 401
"""The status that is about who asks, by its definition: with nobody else to compare it with, it is not the order."""


class Subject(msgspec.Struct, frozen=True):
    """
    The subject of a call: an order, by the name that the log gives it, or `several` of them.

    `action` tells calls of one kind apart that need different rights: to update an order, and to cancel it.
    """

    kind: Kind
    name: str
    action: str = ""
    several: bool = False


_subject: ContextVar[Subject | None] = ContextVar("subject", default=None)


class about:  # noqa: N801 - read as the phrase that it is: with about("create", name)
    """Let the calls made inside be about the order called `name`, or about `several` orders."""

    __slots__ = ("_subject", "_token")

    def __init__(self, kind: Kind, name: str, action: str = "", *, several: bool = False) -> None:
        self._subject = Subject(kind, name, action, several)

    def __enter__(self) -> None:
        self._token = _subject.set(self._subject)

    def __exit__(self, *_: object) -> None:
        _subject.reset(self._token)


def uncertain(exc: ConnectorError) -> bool:
    """Tell whether a call was refused in words that leave open whose fault it is, whether it was applied or not."""
    if isinstance(exc, UnattributedError):
        return True
    return isinstance(exc, InDoubtError | TransientError) and 400 <= exc.status < 500 and exc.status not in PASSING


def subject() -> Subject | None:
    """Return what the calls of this task are about; None for the endpoint as a whole."""
    return _subject.get()


class _RefusedOrder(msgspec.Struct):
    """
    An order that was refused `times` in such calls.

    `passed` is how many had passed at the first time, `last` at the last one, and `taken` how many of any kind had at
    the first one; `number` counts refusals.
    """

    call: str
    times: int
    passed: int
    last: int
    number: int
    taken: int


class Attribution:
    """
    The evidence about one kind of call at one endpoint. In memory: a new start asks anew.

    `breaker` is open while the endpoint is taken to be at fault; `listen` hears of its moves.
    """

    def __init__(self, clock: Clock, *, first: float, longest: float) -> None:
        self.listen: Callable[[BreakerState, str], None] = lambda _state, _reason: None
        self.breaker = Breaker(
            clock,
            first=first,
            longest=longest,
            head_start=0,
            listen=lambda state, reason: self.listen(state, reason),
        )
        self._passed: Counter[str] = Counter()
        self._suspects: dict[str, _RefusedOrder] = {}
        self._alone: dict[str, ConnectorError] = {}
        self._count = 0
        self._pauses = 0

    def passed(self, about: Subject, method: str) -> None:
        """Note that the endpoint took a call: it works, and the next refusal of another order may be its own fault."""
        call = f"{about.action} {method}"
        self._passed[call] += 1
        if self._suspects and (found := self._suspects.get(about.name)) is not None and found.call == call:
            self._forget(about.name)
        if self.breaker.state != "closed":
            self._pauses = 0
            self._suspects.clear()  # what was refused meanwhile was refused for the endpoint's fault
            self._alone.clear()
            self.breaker.close()

    def refused(self, about: Subject, method: str, exc: ConnectorError, taken: int) -> None:
        """
        Note that the endpoint refused a call, and pause it if that is its own fault.

        `taken` is how many calls of all kinds it has taken: one since the first refusal shows that credentials are
        good.
        """
        call = f"{about.action} {method}"
        passed, paused = self._passed[call], self.breaker.state != "closed"
        if about.several:
            if paused:
                self._pause(str(exc))
            return
        suspect = self._suspects.pop(about.name, None)
        if suspect is None or suspect.call != call:
            suspect = _RefusedOrder(call, 0, passed, passed, 0, taken)
        self._count += 1
        suspect.times, suspect.last, suspect.number = suspect.times + 1, passed, self._count
        self._suspects[about.name] = suspect  # at the end, as the one refused last
        if len(self._suspects) > KEPT:
            self._forget(next(iter(self._suspects)))
        often = suspect.times >= TRIES
        if often and passed > suspect.passed and not paused:
            self._alone[about.name] = exc
        elif (
            paused
            or not passed
            or self._in_a_row(call) >= MANY
            or (often and exc.status == CREDENTIALS and taken == suspect.taken)
        ):
            self._pause(str(exc))
        elif often:
            self._alone[about.name] = exc

    def alone(self, name: str, at: str) -> tuple[str, str] | None:
        """
        Return, once, the cause and the advice for an order that is refused at `at` while others are taken.

        None for an order that may be tried again. Who tries it all the same is told after its next refusal.
        """
        exc = self._alone.pop(name, None)
        if exc is None:
            return None
        status = f" ({exc.status})" if exc.status else ""
        detail = (
            f"{exc}; {at} takes others. See what of this order a firewall, a size limit or the address there does not "
            "let through. Mend that, then retry or skip"
        )
        return f"{at} refuses this order alone{status}", detail

    def number(self, name: str) -> int:
        """Return 0 for an order that was not refused; the number is the higher the later it was."""
        suspect = self._suspects.get(name)
        return 0 if suspect is None else suspect.number

    @property
    def suspects(self) -> int:
        """The number of orders that were refused and have not passed since."""
        return len(self._suspects)

    def _in_a_row(self, call: str) -> int:
        """Return how many different orders were refused since one last passed."""
        passed = self._passed[call]
        return sum(each.call == call and each.last == passed for each in self._suspects.values())

    def _pause(self, reason: str) -> None:
        before = self.breaker.opened
        hopeless = self._pauses + 1 >= TRIES or len(self._suspects) >= MANY
        self.breaker.failed(reason, at_once=True, hopeless=hopeless)
        self._pauses += self.breaker.opened - before

    def _forget(self, name: str) -> None:
        del self._suspects[name]
        self._alone.pop(name, None)
