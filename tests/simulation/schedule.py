"""One schedule: chaos, then healing, then one more idle time in which nothing may happen."""

from __future__ import annotations

import secrets
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from random import Random
from unittest import mock
from uuid import UUID

import msgspec

from connector import registry
from connector.journal import decisions
from connector.journal.engine import sentinel
from connector.journal.engine.codec import millis
from connector.pipeline import pipeline
from connector.pipeline.reports.comparison import summary
from connector.settings.model import WitnessSettings
from tests.simulation import crashes, mappings, marks, misnaming, profile, second
from tests.simulation.checks import Row, Watch, held, rows, unsettled
from tests.simulation.crashes import Ending
from tests.simulation.disk import ASKED, DOWN, VOLUMES
from tests.simulation.faults import JUMPS, Faults, Outage
from tests.simulation.feeds import Feeds
from tests.simulation.firewall import Firewall, starved
from tests.simulation.identity import Requests, both
from tests.simulation.incarnation import Incarnation
from tests.simulation.leaks import Leaks
from tests.simulation.loop import Time, ordered
from tests.simulation.profile import Profile
from tests.simulation.readings import Readings
from tests.simulation.vendors.base import Truth
from tests.simulation.world import Call, Violation, World

__all__ = ["Result", "Schedule", "quick", "run"]

LONGEST_HEALING = 1500.0
"""Seconds after the last fault within which all must be well."""
GLANCE = 7.0
WAITS = ("held", "rejected", "new", "ready")
"""The states in which a person can give an order up."""


class Result(msgspec.Struct, frozen=True):
    """The result of a schedule. `tail` is its last events; `digest` stands for all of them."""

    seed: int
    violations: Sequence[Violation]
    digest: str
    counts: Counter[str]
    tail: Sequence[str]


def run(seed: int, *, to_the_end: bool = True) -> Result:
    """Run the schedule of `seed`, or up to its first violation; the same seed is the same schedule."""
    with ordered(), quick():
        return Schedule(seed, to_the_end=to_the_end).run()


@contextmanager
def quick() -> Iterator[None]:
    """Leave out work that only costs time here: a look at each second for other processes and other packages."""
    with (
        mock.patch.object(pipeline, "CHECK_INTERVAL", 60.0),
        mock.patch.object(registry, "entry_points", return_value=()),
    ):
        yield


class Schedule:
    """The schedule of one seed."""

    def __init__(self, seed: int, *, to_the_end: bool = True, make_up: Profile | None = None) -> None:
        self._seed = seed
        self._over = False
        self.time = Time()
        wall, self.profile = Firewall.before(seed, make_up)
        self.world = World(self.profile, self.time, Random(f"{seed}/world"), wall)
        self.world.seed = str(seed)
        self.faults = Faults(Random(f"{seed}/faults"), Random(f"{seed}/receivers"), Random(f"{seed}/unread"))
        self.faults.healed = self.world.firewall.calm
        self.watch = Watch(self.world, profile.SETTLE)
        self.world.watch = self.watch
        if not to_the_end:
            self.world.alarm = self._break_off
        self._chance = Random(f"{seed}/endings")
        seldom = Random(f"{seed}/seldom")
        self._seldom = seldom if self.profile.afterlife and seldom.random() < 0.3 else None
        self._mishaps = Random(f"{seed}/mishaps")
        self._volumes = Random(f"{seed}/disk")
        self._witnesses = Random(f"{seed}/witness")
        if not self.profile.loss and self.profile.look_up_first != "never" and self._volumes.random() < 0.5:
            self.world.disk.volume = self._volumes.choice(VOLUMES)
        elif not (self.profile.loss or self.profile.look_up_first == "never" or self.world.firewall.calm):
            self.world.disk.volume = ASKED if self._witnesses.random() < 0.5 else None
        self._feeds = Feeds(Random(f"{seed}/feeds"), self.world)
        self._own = profile.settings(self.profile)
        if self.world.disk.volume == ASKED:
            self._own = msgspec.structs.replace(self._own, witness=WitnessSettings(receivers=["warehouse"]))
        if Random(f"{seed}/plugin").random() < 0.08:
            self._own = profile.with_plugin(self._own)
            self.world.counts["world a plugin that breaks the protocol"] += 1
        self._mapping = mappings.drawn(Random(f"{seed}/mapping"))
        self.world.whole = self._mapping != "nothing"
        self._own = mappings.with_mappings(self._own, self._mapping)
        self.world.counts[f"world mapping {self._mapping}"] += 1
        marks.drawn(self.world.sources, self.profile.orders, Random(f"{seed}/acks"))
        for source in self.world.sources.values():
            if source.list_lag:
                self.world.counts[f"world a list is {source.list_lag:g} s behind"] += 1
        self._own = marks.with_settle(self._own, self.world.sources)
        self._readings = Readings(Random(f"{seed}/amend"), self.world, self._replay_of, self._cut_off)
        self._own = self._readings.with_settings(self._own)
        watches = both(self.watch, Requests(self.world, misnaming.lanes_of(self._own)))
        self.world.watch = both(watches, self._readings.saw)
        self._glance = max(1.5, self.profile.chaos / 1000)
        self.leaks = Leaks(self._own, self.world)
        self.world.issued = self.leaks.know
        self._healing = False
        self._helped = 0
        self._since = 0.0
        self._wrong: set[tuple[str, str]] = set()
        self._latest = self.profile.chaos + LONGEST_HEALING
        self._running: Incarnation | None = None

    def run(self) -> Result:
        """Run it."""
        tokens = Random(f"{self._seed}/tokens")
        issue = mock.patch.object(secrets, "token_urlsafe", lambda size: f"t0k3n-{tokens.getrandbits(8 * size):x}")
        name = mock.patch.object(sentinel, "uuid4", side_effect=lambda: UUID(int=tokens.getrandbits(128)))
        with self.leaks.listening(), issue, name:
            return self._run()

    def _run(self) -> Result:
        world, time = self.world, self.time
        world.note(f"seed {self._seed} {self.profile}")
        world.begin_life()
        self._feeds.begin()
        self._readings.begin()
        world.firewall.place(world)
        time.at(self.profile.chaos, self._heal)
        for _ in range(self.profile.replays):
            time.at(self._chance.uniform(1, self.profile.chaos), self._replay)
        asks = Random(f"{self._seed}/asks")
        for _ in range(asks.choice((0, 2, 6))):
            time.at(asks.uniform(0, self.profile.chaos * 1.5), self._ask)
        for truth in world.orders.values():
            if self._mishaps.random() < self.profile.given_up:
                seen = self._mishaps.choice((*WAITS, "new", "ready"))
                time.at(self._mishaps.uniform(0.1, self.profile.chaos), partial(self._give_up, truth, seen))
        menders = Random(f"{self._seed}/menders")
        for truth in world.orders.values():
            if (truth.refused or truth.broken) and menders.random() < 0.3:
                time.at(menders.uniform(0.1, self.profile.chaos), partial(self._mend, truth, menders.random() < 0.5))
        mappings.hinted(world, self._mapping, Random(f"{self._seed}/hints"))
        misnaming.misname(world, Random(f"{self._seed}/misnaming"))
        if self.profile.outage:
            self._plan_outage()
        for _ in range(3 if self.profile.loss in ("restored", "both") else 0):
            time.at(self._mishaps.uniform(0, self._mishaps.uniform(0, self.profile.chaos)), self._back_up)
        for _ in range(12 if self.world.disk.volume is not None else 0):
            time.at(self._volumes.uniform(0, self.profile.chaos), self.world.disk.take_snapshot)
        for _ in range(2 if self.world.disk.volume == ASKED else 0):
            time.at(self._witnesses.uniform(0.2, 1) * self.profile.chaos, self._kill)
        hands = Random(f"{self._seed}/clock")
        between = [hands.choice(JUMPS) for _ in range(self.profile.clock_steps) if hands.random() < 0.4]
        for _ in range(self.profile.clock_steps - len(between)):
            at, jump = hands.uniform(1, self.profile.chaos), hands.choice(JUMPS)
            where = hands.choice(("before", "in", "after")) if hands.random() < 0.1 else ""
            time.at(at, partial(self._set_clock, jump, where))
        number = 0
        while not self.watch.quiet or number == 0:
            number += 1
            ending = self._drawn() if number <= self.profile.endings and not self._healing else None
            self._running = Incarnation(number, str(self._seed), world, self._own, self.faults, self.leaks, ending)
            self._running.run()
            self.leaks.seek_in_journal(world.journal)
            if self._over:
                break
            if number > 60 or (self._healing and any(each.invariant == "DIED" for each in world.violations)):
                world.violated("L7", "", "it does not stay alive")
                break
            if not self._healing:
                self._lose()
            if between:
                world.set_clock(between.pop())
            time.let_pass(self._chance.choice((0.05, 1.0, self._chance.uniform(0, 40))))
        self._judge()
        return self._result()

    def _drawn(self) -> Ending:
        if self._seldom is not None:
            return crashes.seldom_of_all(self._seldom)
        return crashes.drawn(self._chance, 0.75 if self.profile.afterlife else 0.32)

    def _replay(self) -> None:
        """Let a person replay a source that can list exported orders again."""
        able = [name for name in self.profile.sources if name != "transport"]
        if able:
            self._replay_of(self._chance.choice(able))

    def _replay_of(self, name: str) -> None:
        if self._running is not None:
            self._running.replay(name)

    def _cut_off(self) -> None:
        """Kill the process that runs, unless the world is healing."""
        if self._running is not None and not self._healing:
            self._running.die("anywhere")

    def _ask(self) -> None:
        """Let somebody request the health page and the metrics."""
        if self._running is not None:
            self._running.ask()

    def _plan_outage(self) -> None:
        """Let a vendor be down for a while, and people cancel and back up meanwhile."""
        chance, chaos, world = Random(f"{self._seed}/outage"), self.profile.chaos, self.world
        start = chance.uniform(0, chaos * 0.5)
        end = min(start + chance.uniform(60, 150), chaos)
        self.faults.outages = [Outage(chance.choice([*sorted(world.vendors), "warehouse", "warehouse"]), start, end)]
        for truth in world.orders.values():
            if truth.source == "shop" and chance.random() < 0.3:
                self.time.at(
                    chance.uniform(start, (start + end) / 2), partial(world.cancel, world.sources["shop"], truth)
                )
        if self.profile.loss in ("restored", "both"):
            self.time.at((start + end) / 2, self._back_up)

    def _give_up(self, truth: Truth, seen: str) -> None:
        """Let a person leave an order alone for good, when it waits as `seen`."""
        row = rows(self.world, truth.source, truth.order_id).get(truth.external_id) if truth.placed >= 0 else None
        if (row is None or row.state != seen) and self.time.now < self.profile.chaos:
            self.time.after(self._glance, partial(self._give_up, truth, seen))
        elif row is not None and row.state == seen:
            truth.given_up = True
            self.world.note(f"a person gives {truth.external_id} up")
            self._decide([], [row.key])

    def _mend(self, truth: Truth, mended: bool) -> None:
        """Let a person try an order again as soon as it is refused; `mended`: the receiver will have it now."""
        row = rows(self.world, truth.source, truth.order_id).get(truth.external_id) if truth.placed >= 0 else None
        if (row is None or row.state != "rejected") and self.time.now < self.profile.chaos:
            self.time.after(self._glance, partial(self._mend, truth, mended))
        elif second.stuck(self.world, truth, self._other(truth)):
            pass  # who let it go would let it go there as well
        elif row is not None and row.state == "rejected" and (truth.refused or truth.broken):
            if mended and truth.refused:
                self.world.mend(truth)
            self._retry(truth, row.key)

    def _retry(self, truth: Truth, key: int) -> None:
        """Let a person try an order again, and once more later while its failure is being acknowledged."""
        self.world.note(f"a person tries {truth.external_id} again")
        late = decisions.telling_failure([key], self.world.journal)
        truth.released += not late
        self._decide([key], [])
        if late:
            self.world.counts["world a retry while its failure is told"] += 1
            self.time.after(self._glance, partial(self._retry_later, truth, key))

    def _retry_later(self, truth: Truth, key: int) -> None:
        row = rows(self.world, truth.source, truth.order_id).get(truth.external_id)
        if row is not None and row.key == key and row.state == "rejected" and self.time.now < self.profile.chaos:
            self._retry(truth, key)

    def _other(self, truth: Truth) -> Row | None:
        return rows(self.world, truth.source, truth.order_id, at=second.NAME).get(truth.external_id)

    def _tend_reports(self) -> None:
        """Let a person look after the parked reports: send those that the source does not show, drop the rest."""
        again: list[int] = []
        drop: list[int] = []
        for key, source, order_id, body in self.world.journal.execute(
            "SELECT o.key, r.source, r.order_id, r.body FROM reports r JOIN orders o USING (source, order_id)"
            " WHERE r.state = 'parked' AND r.dropped_at IS NULL AND o.ack_state = 'confirmed'"
            # Who lets such an order go lets go all of it, and at a receiver that cannot be asked it may be.
            " AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.key = o.key AND d.state <> 'delivered')"
        ).fetchall():
            shown = [summary(each).get("status") for each in self.world.sources[source].reports(order_id)]
            (drop if summary(body).get("status") in shown else again).append(key)
        self.world.note(f"a person tells {again} again, and drops {drop}")
        self._decide(again, drop)

    def _decide(self, again: Sequence[int], leave: Sequence[int]) -> None:
        """Do the same as `connector retry` and `connector skip`."""
        now, journal = millis(self.world.moment()), self.world.journal
        journal.execute("BEGIN")
        decisions.retry(again, now, journal)
        decisions.skip(leave, now, journal)
        journal.execute("COMMIT")
        running = self._running
        if running is not None and running.alive and running.connector is not None and running.connector.running:
            running.connector.look()

    def _witness_fails(self) -> None:
        """Let the receiver be down, now and then, when it is read to find out if the journal is an older copy."""
        if self._witnesses.random() < 0.4:
            now = self.time.now
            self.faults.outages = [*self.faults.outages, Outage("warehouse", now, now + 90)]
            self._happened(DOWN)

    def _kill(self) -> None:
        """Let the machine go down."""
        if self._running is not None:
            self._running.die("anywhere")

    def _break_off(self) -> None:
        self._over = True
        if self._running is not None:
            self._running.die("a violation")

    def _back_up(self) -> None:
        """Let a person make a backup."""
        self.world.note("a backup is made")
        self.world.disk.back_up(self.world.moment())

    def _set_clock(self, jump: float, where: str) -> None:
        """Set the clock; a process may be killed `where` it notes that."""
        self.world.set_clock(jump)
        if where and self._running is not None and not self._healing:
            self._running.ending = Ending("point", f"clock_steps.note:{where}")

    def _lose(self) -> None:
        """Between two processes: let the journal be lost, or an older one be put in its place, twice at most."""
        disk, chance = self.world.disk, self._mishaps
        if disk.volume is not None and disk.losses < 3 and self._volumes.random() < 0.5:
            self._happened(what := disk.put_back(self.world.warehouse.records))
            if what == ASKED:  # as long as it takes until the receiver lists all that it took
                self.time.let_pass(profile.SETTLE)
                self._witness_fails()
        if not self.profile.loss or disk.losses > 1 or chance.random() < (0.1 if self.profile.loss == "both" else 0.4):
            return
        what = self.profile.loss
        if what == "both":  # a backup of the journal that was lost before, most often
            what = "restored" if disk.losses or chance.random() < 0.3 else "lost"
        if what == "restored":
            happened = disk.restore()
        else:
            if trouble := disk.lose():
                self.world.violated("LOSS", "", trouble)
            happened = "the journal is lost"
        self._happened(happened)

    def _happened(self, what: str) -> None:
        if what:
            self.world.note(what)
            self.world.counts[f"world {what}"] += 1

    def _heal(self) -> None:
        starved(self.world, rows(self.world))
        self.world.note("heals")
        self._healing = self.faults.healed = True
        for source in self.world.sources.values():
            source.unmoved.clear()
        if self._running is not None:
            self._running.ending = None
        self.time.after(GLANCE, self._look)
        self.time.after(5 * GLANCE, self._tend_reports)

    def _look(self) -> None:
        """See whether everything is well; let a person help where one has to; end when it is, or never will be."""
        wrong = unsettled(self.world)
        before, self._wrong = self._wrong, {(each.invariant, each.order) for each in wrong}
        if self._wrong != before or self.watch.written > self._since or not self._walked():
            self._since = self.time.now
        calm = self.time.now - self._since
        if (not wrong and calm > 1.3 * self.profile.poll_interval) or self.time.now > self._latest:
            for each in wrong:
                self.world.violated(each.invariant, each.order, each.text)
            self.watch.quiet = True
            self.world.note("is settled")
            self.time.after(2.2 * self.profile.poll_interval, self._end)
            return
        if calm > 2.5 * self.profile.poll_interval and self._helped < 5 and self._helpless(wrong):
            self._help()
            self._since = self.time.now
        self.time.after(GLANCE, self._look)

    def _helpless(self, wrong: Sequence[Violation]) -> bool:
        """Return True if nothing will move any more unless a person helps."""
        return all(each.invariant in ("L1", "L2") for each in wrong)

    def _walked(self) -> bool:
        """Return True if every feed has been read, as it is now, by who runs now."""
        now = self._running.number if self._running is not None else 0
        walked = {
            call.vendor
            for call in reversed(self.world.history)
            if call.act.kind == "feed" and call.incarnation == now and call.begun > self.profile.chaos
        }
        return walked >= set(self.profile.sources)

    def _help(self) -> None:
        """Release the orders that wait for a person; one that waits without a cause in this schedule is a violation."""
        self._helped += 1
        keys = []
        for key, row, truth in held(self.world):
            unmoved = truth.external_id in self.world.unmoved
            if self.world.firewall.explains(truth, row, "warehouse"):
                self.world.counts["world an order refused alone is held"] += 1
            elif row.ack_state == "parked" and "locked" not in row.ack_reason and not unmoved:
                self.world.violated("HOLD", truth.external_id, f"parked: {row.ack_reason}")
            elif self.world.told_by_another(truth):
                pass  # an older journal knows it as it was
            elif row.state in ("held", "rejected") and truth.cancelled is None and not truth.corrected:
                self.world.violated("HOLD", truth.external_id, f"{row.state}: {row.cause}")
            keys.append(key)
            truth.released += 1
        skipped = []
        for row, truth in second.held(self.world, rows(self.world, at=second.NAME)):
            if not second.explained(self.world, row, truth):
                self.world.violated("HOLD", truth.external_id, f"{row.state} at {second.NAME}: {row.cause}")
            if not second.stuck(self.world, truth, row):
                keys += [row.key] if row.key not in keys else []
                truth.released += 1
            elif rows(self.world)[truth.external_id].state in ("delivered", "skipped"):
                skipped.append(row.key)
        self.world.note(f"a person releases {keys}, and skips {skipped}")
        self.world.counts["released by a person"] += len(keys)
        self.world.counts["skipped by a person"] += len(skipped)
        self._decide(keys, skipped)

    def _end(self) -> None:
        self._feeds.judge(self.time.now - 2.2 * self.profile.poll_interval)
        if self._running is not None:
            self._running.stop()

    def _judge(self) -> None:
        self._readings.judge()
        (sound,) = self.world.journal.execute("PRAGMA integrity_check").fetchone()
        if sound != "ok":
            self.world.violated("S13", "", sound)

        if self.profile.rate_limit and (most := self._most_a_minute()) > int(self.profile.rate_limit.partition("/")[0]):
            self.world.violated("S8", "", f"{most} calls to the receiver in a minute")

    def _most_a_minute(self) -> int:
        """Return how many calls one process made to the receiver in any minute, at most."""
        most, window = 0, deque[Call]()
        for call in self.world.history:
            if call.vendor == "warehouse":
                window.append(call)
                while window[0].begun <= call.begun - 59.999 or window[0].incarnation != call.incarnation:
                    window.popleft()
                most = max(most, len(window))
        return most

    def _result(self) -> Result:
        counts, world = self.world.counts, self.world
        counts["orders"] = len(world.orders)
        counts["deliveries"] = sum(len(made) for made in world.warehouse.records.values())
        if world.erp is not None:
            counts["deliveries"] += len(world.erp.records)
            counts[f"world second receiver, {self.profile.second} {self.profile.manners}"] = 1
        counts["calls"] = len(world.history)
        world.disk.take_edges()
        for edge, times in world.disk.edges.items():
            counts[f"edge {edge}"] = times
        for row in world.journal.execute(
            "SELECT external_id, ack_state, ack_outcome, group_concat(d.state) FROM orders o"
            " JOIN deliveries d ON d.key = o.key GROUP BY o.key ORDER BY o.key"
        ):
            world.note(str(row))
        world.journal.close()
        return Result(self._seed, world.violations, world.digest, counts, list(world.tail))
