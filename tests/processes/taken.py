"""`kill -9` while files are handed over to a consumer that takes them away all the time; its files afterwards."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import msgspec
from aiohttp import web

from connector.order import external_id
from connector.sandbox.propeller.app import PropellerStandIn
from connector.sandbox.propeller.orders import propeller_orders
from connector.sandbox.server import serving
from tests.processes.gate import Call, Gate
from tests.processes.handing import POINTS
from tests.processes.launch import PATIENCE, launched, to_its_end
from tests.processes.world import Verdict, stuck, unsound
from tests.receivers.file.consumer import Consumer

__all__ = ["WAYS", "Taken", "points", "take_in"]

SETTINGS = """
journal: {journal}
sources:
  shop:
    type: propeller
    base_url: {shop}
    client_id: sandbox
    client_secret: sandbox-secret
    page_size: 20
    poll_interval: 50ms
    ack_interval: 10ms
    settle: 100ms
    retry: {{first: 20ms, longest: 100ms}}
receivers:
  archive:
    type: file
    path: {path}
    settle: 100ms
    retry: {{first: 20ms, longest: 100ms}}
    {own}
routes:
  - {{source: shop, receivers: [archive]}}
"""
WAYS = ("hand_over: append", "hand_over: rename\n    batch: {orders: 4, age: 20ms}", "rotate: daily")
GIVEN_UP = 6.0
"""Seconds without a kill after which a run is ended: there was nothing to hand over."""


@dataclass
class Taken:
    """The result: how often the process was killed at which point, and the faults afterwards."""

    hits: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    complaints: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """True if nothing is wrong."""
        return self.verdict.good and not self.complaints


def points(count: int, random: Random) -> list[str]:
    """Return `count` points, each as often as every other one, in a random order."""
    plan = [POINTS[number % len(POINTS)] for number in range(count)]
    random.shuffle(plan)
    return plan


class Shop:
    """A shop whose orders go to files, and who takes these away."""

    def __init__(self, folder: Path, most: int, way: str) -> None:
        self.folder = folder
        (folder / "out").mkdir()
        self.consumer = Consumer(folder / "out")
        self.standin = PropellerStandIn()
        self.unfounded: list[str] = []
        self._way = way
        self._orders = iter(propeller_orders(most))
        Gate(self._witness).put_before(self.standin)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve it, with a settings.yaml that leads to it, and let the consumer come."""
        async with serving(self.standin) as address:
            path = self.folder / "out" / "orders.jsonl"
            text = SETTINGS.format(journal=self.folder / "connector.db", shop=address, path=path, own=self._way)
            (self.folder / "settings.yaml").write_text(text, "utf-8")
            with self.consumer.coming(0.0005):
                yield

    def more(self, count: int) -> None:
        """Let some more orders be placed."""
        for _ in range(count):
            self.standin.add(next(self._orders))

    def verdict(self) -> Verdict:
        """Compare the consumer's files with the placed orders, and with the acknowledgements that the shop received."""
        self.consumer.take()
        there, found = self.consumer.have, Verdict(unfounded=self.unfounded)
        for key, order in self.standin.orders.items():
            each = external_id("shop", str(key))
            found.orders += 1
            found.lost += [each] * (not there[each])
            found.doubled += [each] * (there[each] > 1)
            found.untold += [each] * (order["exportStatus"] != "exported")
        journal = self.folder / "connector.db"
        found.stuck += stuck(journal)
        found.unsound += unsound(journal)
        return found

    def _witness(self, request: web.Request, call: Call, _body: bytes) -> None:
        """Check that the shop gets no acknowledgement of an order that was not handed over."""
        if call != "tell":
            return
        each = external_id("shop", request.path.rpartition("/")[2])
        with self.consumer.lock:
            if not self.consumer.have[each] and each not in set(self._waiting()):
                self.unfounded.append(each)

    def _waiting(self) -> Iterator[str]:
        """Yield the files in the folder, and the one that lies aside to be added to."""
        for path in (self.folder / "out").iterdir():
            if path.name.endswith(".handed"):
                continue
            for line in _lines(path):
                try:
                    said: Any = msgspec.json.decode(line)
                except ValueError:  # it is being written
                    continue
                yield said["external_id"]


def _lines(path: Path) -> Sequence[bytes]:
    try:
        return path.read_bytes().splitlines()
    except FileNotFoundError:  # it is put in its place
        return path.with_name(path.name[1:].removesuffix(".writing")).read_bytes().splitlines()


async def take_in(plan: Sequence[str], folder: Path, random: Random, *, way: str = "", bug: str = "-") -> Taken:
    """Kill one connector after another at the points of `plan`, all over one journal; then let one finish."""
    done = Taken()
    shop = Shop(folder, 12 * (len(plan) + 1), way or random.choice(WAYS))
    async with shop.serving():
        for point in plan:
            shop.more(12)
            through = ["tests.processes.handing", point, str(random.randint(1, 2)), bug]
            async with launched(folder, "run", "--quiet", through=through) as process:
                done.starts += 1
                try:
                    async with asyncio.timeout(GIVEN_UP):
                        code = await process.wait()
                except TimeoutError:
                    code = 0
            done.hits[point] += code == -signal.SIGKILL
            if code not in (0, -signal.SIGKILL):
                done.complaints.append(f"instead of being killed ({point}) it ended with {code}")
        code = 0
        for rest in ("", "that had nothing to do "):
            if bug != "-":
                async with (
                    launched(folder, "run", "--once", through=["tests.processes.handing", "-", "1", bug]) as process,
                    asyncio.timeout(PATIENCE),
                ):
                    code = await process.wait()
            else:
                code = await to_its_end(folder, "run", "--once")
            if code:
                done.complaints.append(f"a run {rest}that nobody disturbed ended with {code}")
    done.complaints += [f"{each} was there, and not whole" for each in shop.consumer.torn]
    done.starts += 2
    done.verdict = shop.verdict()
    return done
