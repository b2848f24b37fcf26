"""The world around the connector: its vendors, the truth about each order, and the history of the wire."""

from __future__ import annotations

import sqlite3
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from hashlib import blake2b, sha256
from random import Random

import msgspec
from aiohttp import web

from tests.doubles import EPOCH
from tests.simulation import content
from tests.simulation.disk import Disk
from tests.simulation.faults import CLOCK_STEPS, Fault
from tests.simulation.feeds import Feeds
from tests.simulation.firewall import Firewall
from tests.simulation.loop import Time
from tests.simulation.marks import UNMOVED
from tests.simulation.profile import Profile, secret
from tests.simulation.readings import Readings
from tests.simulation.vendors.base import EVERY, Act, Request, SourceVendor, Truth, Vendor
from tests.simulation.vendors.erp import Erp
from tests.simulation.vendors.ewarehousing import Ewarehousing
from tests.simulation.vendors.propeller import Propeller
from tests.simulation.vendors.traede import Traede
from tests.simulation.vendors.zendera import Zendera

__all__ = ["Call", "Violation", "World"]

TAIL = 50
MOST_CALLS = 6000
"""Calls after which a schedule is a busy loop, beside one for each second of it."""


class Violation(msgspec.Struct, frozen=True):
    """An invariant that does not hold; `order` is an external id, or empty."""

    invariant: str
    order: str
    text: str


class Call(msgspec.Struct):
    """
    One request in the history of the wire.

    `said` is the answer that the caller received; `doubtful` is set if that left the outcome open. `applied` is when
    the vendor carried it out, with `status`; `found` is the number of records that a look-up showed, and `listed` their
    ids. `spared` means that some of its orders were left out when it was carried out.
    """

    number: int
    vendor: str
    act: Act
    begun: float
    incarnation: int
    digest: bytes
    closed: float | None = None
    said: str = ""
    doubtful: bool = True
    applied: float | None = None
    status: int = 0
    found: int = -1
    listed: frozenset[str] = frozenset()
    spared: bool = False

    def close(self, said: str, now: float, *, doubtful: bool = True) -> None:
        """Note the answer that the caller received, and when."""
        self.closed, self.said, self.doubtful = now, said, doubtful


def _stamp(request: Request) -> str:
    """Return a short form of the body of a request, for the trace."""
    return blake2b(request.body, digest_size=4).hexdigest() if request.body else ""


class World:
    """Everything that is not the connector."""

    def __init__(self, profile: Profile, time: Time, chance: Random, firewall: Firewall | None = None) -> None:
        self.time = time
        self.firewall = firewall or Firewall(None)
        self.profile = profile
        self.disk = Disk(Random(chance.random()))
        self.history: list[Call] = []
        self.orders: dict[str, Truth] = {}
        self.unmoved: set[str] = set()
        """Orders of which a mark was answered with a success, and not made."""
        self.violations: list[Violation] = []
        self.whole = True
        """Whether the routes' mappings send all that an order says."""
        self.counts: Counter[str] = Counter()
        self.skew = 0.0
        """How far the wall clock of our machine is ahead, in seconds."""
        self.boots = 1
        """How often our machine was started."""
        self.stepped = False
        """Whether it ever was: then what the journal says of times proves nothing."""
        self.tail: deque[str] = deque(maxlen=TAIL)
        self.seed = ""
        """Names the streams of chance that are drawn by order."""
        self.alarm: Callable[[], None] = lambda: None
        """Called at each violation."""
        self.watch: Callable[[str, Call], None] = lambda _what, _call: None
        self.feeds: Feeds | None = None
        self.readings: Readings | None = None
        self.issued: Callable[[list[str]], None] = lambda _tokens: None
        """Called with every token that a vendor issues."""
        self._trace = blake2b(digest_size=16)
        self._chance = chance
        self._more = Random(chance.random())
        self.warehouse = Ewarehousing(
            "warehouse",
            self.moment,
            lambda: time.now,
            unique_reference=profile.unique,
            page_base=chance.randrange(2),
            fuzzy=profile.fuzzy,
            index_lag=profile.lag,
            token_life=profile.token_life,
            password=secret("password"),
        )
        every: dict[str, Callable[[], SourceVendor]] = {
            "shop": lambda: Propeller(
                "shop",
                self.moment,
                doubles=chance.random() < 0.2,
                token_life=profile.token_life,
                client_secret=secret("client_secret"),
            ),
            "wholesale": lambda: Traede(
                "wholesale",
                self.moment,
                pages=chance.random() < 0.7,
                token=secret("token"),
                app_key=secret("app_key"),
            ),
            "transport": lambda: Zendera(
                "transport", self.moment, ids_as_text=chance.random() < 0.5, api_key=secret("api_key")
            ),
        }
        self.sources: dict[str, SourceVendor] = {name: every[name]() for name in profile.sources}
        self.erp = self._second(Random(chance.random())) if profile.second else None
        self.vendors: Mapping[str, Vendor] = {**self.sources, "warehouse": self.warehouse}
        if self.erp is not None:
            self.vendors = {**self.vendors, "erp": self.erp}

    def _second(self, chance: Random) -> Erp:
        listing = chance.random() < 0.7
        return Erp(
            "erp",
            self.moment,
            lambda: self.time.now,
            chance,
            manners=self.profile.manners,
            strict=chance.random() < 0.5,
            repeated=chance.choice((0.0, 0.2)),
            secret=secret("signing").encode(),
            names_id=chance.random() < 0.7,
            listing=listing,
            fuzzy=listing and self.profile.fuzzy,  # one record alone that is another one is no answer (A3)
        )

    @property
    def journal(self) -> sqlite3.Connection:
        """The journal that is in use."""
        return self.disk.journal

    def moment(self) -> datetime:
        """Return the vendors' wall clock, which is right."""
        return EPOCH + timedelta(seconds=self.time.now)

    def set_clock(self, jump: float) -> None:
        """Set the wall clock of our machine."""
        self.stepped = True
        self.skew += jump
        self.counts[f"fault {CLOCK_STEPS[jump < 0]}"] += 1
        self.note(f"the clock is off by {self.skew:+.0f} s")

    def note(self, text: str) -> None:
        """Write a line of the trace."""
        line = f"{self.time.now:.6f} {text}"
        self._trace.update(line.encode())
        self.tail.append(line)

    @property
    def digest(self) -> str:
        """The hash of the trace."""
        return self._trace.hexdigest()

    def violated(self, invariant: str, order: str, text: str) -> None:
        """Note an invariant that does not hold, once for each order."""
        if not any((each.invariant, each.order) == (invariant, order) for each in self.violations):
            self.violations.append(Violation(invariant, order, f"at {self.time.now:.3f}: {text}"))
            self.note(f"VIOLATION {invariant} {order} {text}")
            self.alarm()

    def begin(self, vendor: str, request: Request, incarnation: int) -> Call:
        """Take a request down as it leaves."""
        act = self.vendors[vendor].sort(request)
        digest = sha256(request.body).digest()
        call = Call(len(self.history), vendor, act, self.time.now, incarnation, digest)
        self.history.append(call)
        if len(self.history) == MOST_CALLS + int(self.profile.chaos):
            self.violated("BUSY", "", f"{len(self.history)} calls for {len(self.orders)} orders")
        self.note(
            f"#{call.number} {incarnation} {vendor} {act.kind} {' '.join((*act.ids, *act.outcomes))} {_stamp(request)}"
        )
        self.watch("begun", call)
        return call

    def befalls(self, call: Call, fault: Fault) -> None:
        """Record the fault that befalls a request."""
        if fault.name != "nothing":
            self.counts[f"fault {fault.name}"] += 1
            self.note(f"#{call.number} fault {fault.name}")

    def _handled(self, call: Call, request: Request) -> web.Response:
        """Let the vendor handle a request; note the orders whose mark it answered with a success and did not make."""
        source = self.sources.get(call.vendor) if call.act.kind == "ack" else None
        if source is None:
            return self.vendors[call.vendor].handle(request)
        source.spared = set()
        left = {order_id: source.unmoved[order_id] for order_id in call.act.ids}
        response = self.vendors[call.vendor].handle(request)
        unmoved = {order_id for order_id in call.act.ids if source.unmoved[order_id] < left[order_id]}
        source.spared |= unmoved
        self.unmoved |= {f"{call.vendor}-{order_id}" for order_id in unmoved}
        self.counts[f"fault {UNMOVED}"] += len(unmoved)
        return response

    def carry_out(self, call: Call, request: Request) -> web.Response:
        """Let the vendor carry a request out."""
        response = self._handled(call, request)
        if self.feeds is not None:
            response = self.feeds.answered(call, request, response)
        call.status = response.status
        if 200 <= response.status < 300:
            call.applied = self.time.now
        if call.act.kind == "lookup" and response.status in (200, 404):
            said = msgspec.json.decode(response.body or b"[]")  # type: ignore[arg-type]
            records = said if isinstance(said, list) else [said]
            (asked,) = call.act.ids
            call.found = sum(asked in (EVERY, record.get("external_id")) for record in records)
            call.listed = frozenset(record.get("external_id") for record in records)
        if call.act.kind == "login" and call.applied is not None:
            said = msgspec.json.decode(response.body or b"{}")  # type: ignore[arg-type]
            self.issued([said[name] for name in ("access_token", "token", "refresh_token") if name in said])
        self.note(f"#{call.number} applied {response.status} {call.found}")
        made = (call.vendor, call.act.kind) == ("warehouse", "create") and call.applied is not None
        if made and self._chance.random() < self.profile.withdrawn:
            self.time.after(self._chance.uniform(0.1, 20), partial(self._withdraw, call.act.ids[0]))
        elif made and self._chance.random() < self.profile.shipped:
            self.time.after(self._chance.uniform(5, 60), partial(self._ship, call.act.ids[0]))
        call.spared = call.act.kind == "ack" and bool(self.sources[call.vendor].spared)
        self.watch("applied", call)
        return response

    def begin_life(self) -> None:
        """Place the orders over the time of the schedule, and let things happen to some of them."""
        chance, profile = self._chance, self.profile
        for name, source in self.sources.items():
            ids = list(range(1, profile.orders[name] + 1))
            chance.shuffle(ids)
            for number in ids:
                truth = Truth(name, str(number))
                truth.broken = chance.random() < profile.broken
                truth.skipped = name == "shop" and chance.random() < 0.05
                truth.refused = not truth.broken and chance.random() < profile.refused
                self.orders[truth.external_id] = truth
                if truth.refused:
                    self.warehouse.refused.add(truth.external_id)
                truth.unwanted = self.erp is not None and not truth.broken and chance.random() < profile.refused
                if truth.unwanted and self.erp is not None:
                    self.erp.refused.add(truth.external_id)
                at = 0.0 if chance.random() < 0.6 else chance.uniform(0, profile.chaos * 0.9)
                self.time.at(at, partial(self._place, source, truth))
                self._happenings(source, truth, at)
        for _ in range(chance.randrange(4)):
            vendor = chance.choice(sorted(self.vendors))
            self.time.at(chance.uniform(0, profile.chaos), self.vendors[vendor].expire)

    def _place(self, source: SourceVendor, truth: Truth) -> None:
        truth.placed = self.time.now
        source.place(msgspec.structs.replace(truth, broken=False) if truth.misnamed else truth)
        if truth.hints:
            source.hint(truth)
        for extra in content.enrich(source, truth, Random(f"{self.seed}/mapping/{truth.external_id}")):
            self.counts[f"world an order with {extra}"] += 1
        truth.said.append(content.said(source, truth))
        self.note(
            f"placed {truth.external_id}{' broken' * truth.broken}{' refused' * truth.refused}"
            f"{' unwanted' * truth.unwanted}{' misnamed' * truth.misnamed}"
        )

    def _happenings(self, source: SourceVendor, truth: Truth, placed: float) -> None:
        chance = self._chance
        later = partial(chance.uniform, placed + 0.1, self.profile.chaos)
        if chance.random() < self.profile.edited:
            self.time.at(later(), partial(self._edit, source, truth))
        if (truth.broken or truth.refused or truth.unwanted) and chance.random() < 0.6:
            self.time.at(later(), partial(self._correct, source, truth))
        if chance.random() < self.profile.cancelled:
            self.time.at(later(), partial(self.cancel, source, truth))
        if source.name != "shop" and chance.random() < self.profile.partly:
            source.partly.add(truth.order_id)
        if isinstance(source, Zendera) and chance.random() < self.profile.picky:
            source.picky.add(truth.order_id)

    def _withdraw(self, external_id: str) -> None:
        """Let people at the warehouse cancel an order."""
        truth = self.orders.get(external_id)
        for order in self.warehouse.standing(external_id):
            self.warehouse.move(order["id"], "cancelled")
            self.note(f"withdrawn {external_id}")
            if truth is not None:
                truth.withdrawn = self.time.now

    def _ship(self, external_id: str) -> None:
        """Let the warehouse send an order off."""
        for order in self.warehouse.standing(external_id):
            self.warehouse.move(order["id"], "shipped")
            self.note(f"shipped {external_id}")

    def edit(self, truth: Truth) -> None:
        """Let people over there change the content of an order."""
        self._edit(self.sources[truth.source], truth)

    def _edit(self, source: SourceVendor, truth: Truth) -> None:
        if not truth.broken and truth.cancelled is None:
            source.edit(truth)
            truth.said.append(content.said(source, truth))
            truth.changed.append(self.time.now)
            self.note(f"edited {truth.external_id}")

    def _correct(self, source: SourceVendor, truth: Truth) -> None:
        if truth.cancelled is None:
            if truth.broken:
                source.correct(truth)
            else:
                source.edit(truth)
            self.mend(truth)
            truth.said.append(content.said(source, truth))
            self.note(f"corrected {truth.external_id}")

    def correct(self, source: SourceVendor, truth: Truth) -> None:
        """Let people over there fill in the missing fields of an order."""
        self._correct(source, truth)

    def mend(self, truth: Truth) -> None:
        """Put an order right, so that everybody accepts it."""
        self.warehouse.refused.discard(truth.external_id)
        if self.erp is not None:
            self.erp.refused.discard(truth.external_id)
        truth.corrected.append(self.time.now)
        truth.broken = truth.refused = truth.unwanted = False

    def told_by_another(self, truth: Truth) -> bool:
        """Return True if a journal that is gone had an order as acknowledged: its source lists it no more."""
        return bool(self.disk.losses) and self.sources[truth.source].knows(truth.order_id)[0]

    def cancel(self, source: SourceVendor, truth: Truth) -> None:
        """Let people over there cancel an order, if they can."""
        if truth.placed >= 0 and source.cancel(truth):
            truth.cancelled, truth.was_cancelled = self.time.now, True
            self.note(f"cancelled {truth.external_id}")
            self.time.after(40 + 60 * self._more.random(), partial(self._reinstate, source, truth))

    def _reinstate(self, source: SourceVendor, truth: Truth) -> None:
        """Take a cancellation back, of an order that was not delivered and is not on its way."""
        states = self.journal.execute(
            "SELECT d.state FROM deliveries d JOIN orders o USING (key) WHERE o.external_id = ?", (truth.external_id,)
        ).fetchall()
        if self.time.now > self.profile.chaos + 10:
            return
        over = states and all(state in ("cancelled", "vanished") for (state,) in states)
        anywhere = self.warehouse.by_external_id(truth.external_id)
        if over and not anywhere and not (self.erp and self.erp.by_external_id(truth.external_id)):
            source.reinstate(truth)
            truth.cancelled = None
            self.note(f"reinstated {truth.external_id}")
