"""
The files that outlive a process on its machine: the journal, the sentinel beside it, and the backups that people made.

A journal may be lost, and a new one accepted in its place; or a backup may be put there, which is older than the truth.
Or the whole volume is put back from a snapshot, the sentinel with it: then the evidence is a witness on another volume,
a receiver that is read for its newest orders, or the operator's option (`--restored`). The connector's reaction is its
own code (connector/journal/engine/sentinel.py, tables/lookup_first.py); only the files are simulated.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Literal, get_args

import msgspec

from connector.errors import JournalError
from connector.journal.engine.sentinel import DIGITS, Seen, Start, identify
from tests.simulation.store import new_journal

__all__ = ["ASKED", "DOWN", "PATH", "VOLUMES", "Disk", "Loss", "Volume"]

PATH = Path("journal")

Loss = Literal["", "lost", "restored", "both"]
"""Losses that may befall the journal in a schedule."""


Volume = Literal["a volume is put back beside a witness", "a volume is put back, and the start is told"]
VOLUMES: tuple[Volume, ...] = get_args(Volume)
"""Ways to recognise an older volume without a request to anybody outside."""
ASKED: Literal["a volume is put back, and a receiver is asked"] = "a volume is put back, and a receiver is asked"
"""The receiver is the witness: it has each order that was created since."""
DOWN = "a receiver is down when it is asked about a volume that was put back"

SENT = (
    "SELECT o.external_id FROM orders o JOIN deliveries d ON d.key = o.key AND d.receiver = ?"
    " WHERE d.intent_at IS NOT NULL OR d.state = 'delivered'"
)


class Disk:
    """The files. `accept` is the next start's `--accept-new-journal`, `losses` the number of times that it was due."""

    def __init__(self, chance: Random) -> None:
        self.journal = new_journal()
        self.seen: Seen | None = None
        self.witness: Seen | None = None
        self.volume: Volume | Literal["a volume is put back, and a receiver is asked"] | None = None
        """How this disk's journal is known to be older, if its whole volume is put back."""
        self.told = False
        """The next start is told that the journal is older (`--restored`)."""
        self.accept = False
        self.losses = 0
        self.restored = 0
        """How many of them put an older journal in its place."""
        self.edges: Counter[str] = Counter()
        """The ways between states that were taken in journals which are gone."""
        self._chance = chance
        self._backups: list[bytes] = []
        self._snapshots: list[tuple[bytes, Seen | None]] = []
        self._sends = 0

    @property
    def start(self) -> Start:
        """Return the files that the next start finds, and its options."""
        return Start(seen=self.seen, witness=self.witness, accept=self.accept, restored=self.told)

    def write(self, seen: Seen) -> None:
        """See `Sentinel.write`."""
        self.seen = seen
        if self.volume == VOLUMES[0]:
            self.witness = seen

    def follow(self, seen: Seen) -> None:
        """See `Sentinel.follow`."""
        self._sends = max(self._sends, int(seen.sends))

    def count(self) -> str:
        """See `Sentinel.count`."""
        self._sends += 1
        return f"{self._sends:0{DIGITS}}"

    def note(self, number: str) -> None:
        """See `Sentinel.note`."""
        if self.seen is not None and self.seen.sends < number:
            self.seen = msgspec.structs.replace(self.seen, sends=number)
        if self.witness is not None and self.witness.sends < number:
            self.witness = msgspec.structs.replace(self.witness, sends=number)

    def close(self) -> None:
        """See `Sentinel.close`."""

    def back_up(self, now: datetime) -> None:
        """Make a copy as `connector backup` does."""
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
            self.journal.backup(copy)
            copy.execute("INSERT OR REPLACE INTO identity (name, value) VALUES ('copy', ?)", (now.isoformat(),))
            self._backups.append(copy.serialize())

    def lose(self) -> str:
        """Remove the journal; return the fault of a start without the option for that, empty if there is none."""
        self._put(new_journal())
        if self.seen is None:  # it ended before it was ever in use, and sent nothing
            return ""
        return "" if self._refused() else "a start with an empty journal in the place of a lost one goes on"

    def restore(self) -> str:
        """Put a backup in the place of the journal, if there is one; return a description of the loss."""
        if not self._backups:
            return ""
        db = new_journal()
        db.deserialize(self._backups[0] if self.losses else self._chance.choice(self._backups))
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("DELETE FROM simulated")
        self._put(db)
        self.restored += 1
        self.accept = self._refused()  # a copy of a journal that was lost before, and is not the one in use now
        return "an older journal is accepted" if self.accept else "a backup is restored"

    def take_snapshot(self) -> None:
        """Copy the whole volume, as its disk is at this moment."""
        self._snapshots.append((self.journal.serialize(), self.seen))

    def put_back(self, there: Iterable[str]) -> str:
        """
        Put a snapshot of the whole volume back, if there is one; return a description of the loss.

        A receiver that is a witness can only show orders that were created: it has to hold (`there`) an order that the
        snapshot never sent.
        """
        able = self._snapshots if self.volume != ASKED else [each for each in self._snapshots if _lacks(each[0], there)]
        if not able or self.volume is None:
            return ""
        image, seen = self._chance.choice((able[-1], self._chance.choice(able)))
        db = new_journal()
        db.deserialize(image)
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("DELETE FROM simulated")
        self._put(db)
        self.seen = seen
        self.restored += 1
        self.told = self.volume == VOLUMES[1]
        self.accept = self._refused()  # a snapshot from before the journal was first in use
        return self.volume

    def take_edges(self) -> None:
        """Add up which ways were taken in this journal."""
        for edge, times in self.journal.execute("SELECT edge, times FROM simulated"):
            self.edges[edge] += times

    def _put(self, db: sqlite3.Connection) -> None:
        self.take_edges()
        self.journal.close()
        self.journal = db
        self.losses += 1
        self.accept = True

    def _refused(self) -> bool:
        """Return True if a start would refuse this journal without the option to accept it. Changes nothing."""
        self.journal.execute("BEGIN")
        try:
            start = self.start
            identify(PATH, Start(seen=start.seen, witness=start.witness, restored=start.restored), self.journal)
        except JournalError:
            return True
        finally:
            self.journal.execute("ROLLBACK")
        return False


def _lacks(image: bytes, there: Iterable[str]) -> bool:
    """Return True if a journal never sent one of the orders that are `there`."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.deserialize(image)
        return not {*there} <= {row[0] for row in db.execute(SENT, ("warehouse",))}
