"""
Decides who is at fault for a rejected call: the endpoint, or the one order that the call is about.

A firewall, a body limit or a router answers 403, 413, 404 or 302 to one order just as it answers every order when our
credentials or the address are wrong. The status cannot tell the two apart; other orders can, in calls of the same kind:

* If no call has passed yet, or five other orders were rejected since one last passed, the endpoint is at fault. It is
  paused, and one order at a time, a different one each time, probes whether it accepts any.
* If an order was rejected three times, and others passed in between or were not rejected, the order is at fault. It is
  held for a decision (`Attribution.pop_culprit`), and the endpoint stays open.
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

__all__ = ["KINDS", "Attribution", "Kind", "Subject", "about", "names_no_culprit", "subject"]

Kind = Literal["create", "find", "change", "ack", "report"]
"""The kinds of call that are about an order. Each has its own evidence and its own pause."""
KINDS: tuple[Kind, ...] = get_args(Kind)

MANY = 5
"""Different orders rejected in a row, with none accepted in between, that rule out coincidence."""
TRIES = 3
"""
Rejections of one order that rule out bad luck; and pauses without a success
after which only an operator can help.
"""
KEPT = 1000
"""The number of orders whose rejections are remembered; the one rejected longest ago is forgotten first."""
PASSING = frozenset((408, 409, 425, 429))
"""Statuses that are temporary, or about a record."""
CREDENTIALS = 401
"""The status that by definition is about credentials: without other orders to compare, the order is not at fault."""


class Subject(msgspec.Struct, frozen=True):
    """
    The subject of a call: an order, by its name in the log, or `several` orders.

    `action` separates calls of one kind that need different rights, such as updating an order and cancelling it.
    """

    kind: Kind
    name: str
    action: str = ""
    several: bool = False


_subject: ContextVar[Subject | None] = ContextVar("subject", default=None)


class about:  # noqa: N801 - read as the phrase that it is: with about("create", name)
    """Marks the calls made within the block as being about the order called `name`, or about `several` orders."""

    __slots__ = ("_subject", "_token")

    def __init__(self, kind: Kind, name: str, action: str = "", *, several: bool = False) -> None:
        self._subject = Subject(kind, name, action, several)

    def __enter__(self) -> None:
        self._token = _subject.set(self._subject)

    def __exit__(self, *_: object) -> None:
        _subject.reset(self._token)


def names_no_culprit(exc: ConnectorError) -> bool:
    """Return True if a call was rejected in a way that leaves open who is at fault, applied or not."""
    if isinstance(exc, UnattributedError):
        return True
    return isinstance(exc, InDoubtError | TransientError) and 400 <= exc.status < 500 and exc.status not in PASSING


def subject() -> Subject | None:
    """Return the subject of the current task's calls; None if they are about the endpoint as a whole."""
    return _subject.get()


class _RefusedOrder(msgspec.Struct):
    """
    An order that was rejected `times` times in calls of the kind `call`.

    `passed` and `taken` are the numbers of calls of this kind and of all kinds that had passed at the first rejection,
    `last` the number for this kind at the latest one; `number` is the number of the rejection.
    """

    call: str
    times: int
    passed: int
    last: int
    number: int
    taken: int


class Attribution:
    """
    The evidence about one kind of call at one endpoint, in memory only: a restart collects it anew.

    `breaker` is open while the endpoint is considered at fault; `listen` is called with its state changes.
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
        """
        Record that the endpoint accepted a call: it works, and the next rejection of another order may be that order's
        fault.
        """
        call = f"{about.action} {method}"
        self._passed[call] += 1
        if self._suspects and (found := self._suspects.get(about.name)) is not None and found.call == call:
            self._forget(about.name)
        if self.breaker.state != "closed":
            self._pauses = 0
            self._suspects.clear()  # rejections during the pause were the endpoint's fault
            self._alone.clear()
            self.breaker.close()

    def refused(self, about: Subject, method: str, exc: ConnectorError, taken: int) -> None:
        """
        Record that the endpoint rejected a call, and pause the endpoint if it is at fault.

        `taken` is the number of calls of all kinds that it has accepted; one since the first rejection proves the
        credentials.
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
        self._suspects[about.name] = suspect  # at the end, as the one rejected last
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

    def pop_culprit(self, name: str, at: str) -> tuple[str, str] | None:
        """
        Return, once, the cause and the advice for an order that `at` rejects while it accepts others.

        None if the order may be retried. If it is tried again all the same, the next rejection reports it again.
        """
        exc = self._alone.pop(name, None)
        if exc is None:
            return None
        status = f" ({exc.status})" if exc.status else ""
        detail = (
            f"{exc}; {at} accepts other orders. Check whether a firewall, a size limit or the address there blocks "
            "something in this order. Fix that, then retry or skip"
        )
        return f"{at} refuses this order alone{status}", detail

    def number(self, name: str) -> int:
        """Return the number of the order's latest rejection, 0 if it was never rejected; a higher number is later."""
        suspect = self._suspects.get(name)
        return 0 if suspect is None else suspect.number

    @property
    def suspects(self) -> int:
        """The number of orders that were rejected and have not passed since."""
        return len(self._suspects)

    def _in_a_row(self, call: str) -> int:
        """Return the number of different orders rejected since one last passed."""
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
