"""One place where a vendor's bytes are read: its way of feeding, and its permitted outcomes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from zlib import crc32

import msgspec

from connector.errors import ConnectorError
from connector.http.breaker import Breaker
from connector.http.endpoint import Endpoint, _Reply, _Request
from tests.fuzz.bodies import DEPTHS, grown, invented, mutated

__all__ = ["STATUSES", "Finding", "Line", "Shut", "Target", "keys_of", "sound"]

STATUSES = (*[200] * 12, 201, 201, 202, 204, 400, 400, 404, 404, 409, 422, 401, 403, 429, 500, 302)
"""Answers are mostly 200, so that their bodies are read; the bodies of refusals are read as well."""
INVENTED = 8
"""One body in so many is made up from nothing but the keys of the samples, and one is a sample with a key more."""
TURNS = 3
"""The calls, from the first on, of which one gets the body where several are made."""
LONGEST_SECONDS = 2.0
"""Of the processor, for one body; a number that cannot be reckoned with takes minutes, or all memory."""
DEEP = 50
"""Levels of an outcome that are checked: a client hands on the vendor's nested values, unread."""
LONGEST_TEXT = 20_000
"""Characters of an error's text."""


@dataclass(frozen=True)
class Finding:
    """A body with an outcome that no body may have."""

    target: str
    body: bytes
    status: int
    what: str

    def __str__(self) -> str:
        return f"{self.target}: {self.what}, with {self.status} and {self.body[:300]!r} ({len(self.body)} bytes)"


@dataclass
class Line:
    """
    Answers every call of an endpoint with the body in hand, without a socket and without a pause.

    `fixed` answers calls whose path ends so, with 200: a log-in, say, on the way to the call that is tried. `usual`
    does for calls (`GET /path`, or how it ends) that have to go well before others are made: then the body answers but
    the n-th call that something makes, which n following from the body. `asked` collects the calls.
    """

    fixed: Mapping[str, bytes] = field(default_factory=dict)
    usual: Mapping[str, bytes] = field(default_factory=dict)
    body: bytes = b""
    status: int = 200
    asked: set[str] = field(default_factory=set)
    _calls: int = 0

    def put(self, body: bytes, status: int) -> None:
        """Answer with this from now on."""
        self.body, self.status, self._calls = body, status, 0

    def join(self, endpoint: Endpoint | None) -> None:
        """Take the endpoint off the network. Its breaker never opens: each body stands for itself."""
        assert endpoint is not None

        async def answer(request: _Request) -> _Reply:
            called = f"{request.method} {request.url.raw_path}"
            self.asked.add(called)
            for path, body in self.fixed.items():
                if called.endswith(path):
                    return _Reply(200, body, {})
            self._calls += 1
            for path, body in self.usual.items() if self._calls != self._turn() else ():
                if called.endswith(path):
                    return _Reply(200, body, {})
            return _Reply(self.status, self.body, {})

        endpoint._once = answer  # type: ignore[method-assign]
        endpoint.breaker = Shut(endpoint._clock, first=1.0, longest=1.0)

    def _turn(self) -> int:
        return 1 + crc32(self.body) % TURNS


class Shut(Breaker):
    """A breaker that never opens."""

    def failed(self, *_args: object, **_kwargs: object) -> None:
        """Stay shut."""


@dataclass(frozen=True)
class Target:
    """
    One place: its `samples` (the vendor's documented answers), and `feed`, which hands it a body and a status.

    `feed` checks the outcome, and raises nothing but `allowed`.
    """

    name: str
    samples: Sequence[bytes]
    feed: Callable[[bytes, int], Awaitable[object]]
    allowed: tuple[type[Exception], ...] = (ConnectorError,)
    owner: object = None
    """The source or receiver that is fed, where a test wants more of it."""
    line: Line | None = None
    """Answers its calls, if it makes any."""
    share: int = 1
    """It is fed one in so many of the bodies of a run: a target that needs ten milliseconds would take the night."""
    spoil: Callable[[bytes, Random, Sequence[int]], Iterator[bytes]] = mutated
    """The way in which a sample goes wrong: as JSON, unless it is another kind of text."""

    def bodies(self, count: int, seed: int, depths: Sequence[int] = DEPTHS) -> Iterator[tuple[bytes, int]]:
        """Yield `count` bodies, each with a status: the samples first. They follow from the seed and the samples."""
        random = Random(f"{seed} {self.name}")  # the same bodies for a target, whichever others are run
        spoilt = [self.spoil(sample, random, depths) for sample in self.samples]
        fresh, wider = spoilt, spoilt
        if self.spoil is mutated:
            fresh = [invented(random, keys_of(self.samples))]
            wider = [grown(sample, random, depths) for sample in self.samples]
        for number in range(count):
            if number < len(self.samples):
                yield self.samples[number], 200
            else:
                kind = fresh if number % INVENTED == 0 else wider if number % INVENTED == 4 else spoilt
                body = next(kind[number // INVENTED % len(kind) if kind is wider else number % len(kind)])
                yield body, random.choice(STATUSES)

    def fed(self, count: int) -> int:
        """Return how many bodies it is fed where `count` are asked for."""
        return max(1, count // self.share)

    async def run(
        self, count: int, seed: int, at: Callable[[int], None] = lambda _number: None
    ) -> tuple[list[Finding], int, float]:
        """
        Feed bodies, and report the number of each to `at`.

        Returns the findings, the number of bodies that came through, and the longest seconds. Errors in the event loop
        that nobody hears of are findings as well.
        """
        found: list[Finding] = []
        through, longest = 0, 0.0
        lost: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, about: lost.append(f"{about}"[:300]))
        for number, (body, status) in enumerate(self.bodies(self.fed(count), seed)):
            at(number)
            started = time.process_time()
            finding, passed = await self.one(body, status)
            took = time.process_time() - started
            if finding is None and took > LONGEST_SECONDS:
                finding = Finding(self.name, body, status, f"took {took:.1f} s")
            found += [finding] if finding else []
            found += [Finding(self.name, body, status, what) for what in lost]
            lost.clear()
            through, longest = through + passed, max(longest, took)
        return found, through, longest

    async def one(self, body: bytes, status: int = 200) -> tuple[Finding | None, bool]:
        """Feed one body; return the fault of its outcome, if any, and True if it came through."""
        try:
            sound(await self.feed(body, status))
        except self.allowed as exc:
            text = f"{exc}"
            if len(text) > LONGEST_TEXT:
                return Finding(self.name, body, status, f"{type(exc).__name__} of {len(text)} characters"), False
            if _unspeakable(text):
                return Finding(self.name, body, status, f"{type(exc).__name__} that cannot be written"), False
            return None, False
        except Exception as exc:  # noqa: BLE001 - whatever it is, it is what we look for
            return Finding(self.name, body, status, f"{type(exc).__name__}: {str(exc)[:200]}"), False
        return None, True


def sound(value: object, depth: int = 0) -> None:
    """Raise `AssertionError` for a value that the journal, or the wire, could not write down."""
    if isinstance(value, str):
        assert not _unspeakable(value), f"text that cannot be written: {value[:50]!r}"
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            sound(getattr(value, name), depth)
    elif isinstance(value, Mapping) and depth < DEEP:
        for key, inner in value.items():
            sound(key, depth + 1)
            sound(inner, depth + 1)
    elif isinstance(value, list | tuple | set | frozenset) and depth < DEEP:
        for inner in value:
            sound(inner, depth + 1)


def keys_of(samples: Sequence[bytes]) -> tuple[str, ...]:
    """Return the keys of the objects in the samples."""
    found: dict[str, None] = {}

    def visit(value: Any) -> None:
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            visit(inner)
        if isinstance(value, dict):
            found.update(dict.fromkeys(value))

    for sample in samples:
        visit(msgspec.json.decode(sample))
    return tuple(found)


def _unspeakable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
