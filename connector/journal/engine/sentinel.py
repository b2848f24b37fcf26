"""
The sentinel: a small file beside the journal that remembers which journal is in use, and how far it was.

`JOURNAL.seen` holds the journal's id and two numbers that the journal holds too. The epoch is raised at every start and
end, and every minute in which orders are written; the file is then written anew and synced. The count goes up with
everything that is about to be sent (`connector.journal.engine.store`), and is written over in its place. The journal is
raised first, so a crash in between leaves the sentinel behind, which means nothing; a journal that is behind its
sentinel in either number is an older copy.

A witness is a second such file, on another volume: it tells when the journal and `JOURNAL.seen` are both put back from
one snapshot. It is written by the journal's thread, because a volume that is away may take its time.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path
from typing import Annotated, Literal
from uuid import uuid4

import msgspec

from connector.errors import JournalError, JournalStalled
from connector.journal.engine.disk_errors import cause_of, may_pass

__all__ = ["DIGITS", "Seen", "Sentinel", "Start", "identify", "raise_epoch"]

logger = logging.getLogger(__name__)

ACCEPT = "`connector run --accept-new-journal`"


DIGITS = 20
"""Of the count, always as many, so that it can be written over; and compared as text."""
NONE = "0" * DIGITS


class Seen(msgspec.Struct, frozen=True):
    """The journal that was in use: its id, its epoch, and how often something was about to be sent."""

    journal: str
    epoch: int
    sends: Annotated[str, msgspec.Meta(pattern=f"^[0-9]{{{DIGITS}}}$")] = NONE


UNREADABLE = Seen("", 0)
"""Stands for a sentinel that cannot be read, once a person accepts that."""

DOUBTS = {
    "lost": "a new journal takes the place of one that is gone",
    "restored": "this journal is an older copy than the one that was last in use here, or another one",
}


TOLD = "taken for an older copy, as this start was told (--restored)"


class Sentinel:
    """Reads and writes the file beside `journal`, or the `witness` at another place."""

    def __init__(self, journal: Path, witness: Path | None = None) -> None:
        self._journal = journal
        self.path = witness or journal.with_name(journal.name + ".seen")
        self.called = f"{self.path.name} beside it" if witness is None else f"the witness {witness}"
        self._fd = -1
        self._place = 0
        self._sends = self._noted = 0

    def read(self) -> Seen | None:
        """Return its note; None if there is none. Raises `JournalError` for one that cannot be read."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                content = os.read(fd, 4096)
            finally:
                os.close(fd)
        except FileNotFoundError:
            return None
        except OSError as exc:  # a folder opens, and cannot be read
            kind = JournalStalled if may_pass(exc) else JournalError
            raise kind(f"{self.path}: cannot be read: {cause_of(exc, self.path.parent)}") from exc
        try:
            return msgspec.json.decode(content, type=Seen)
        except (ValueError, RecursionError):
            raise JournalError(
                f"{self.path}: it is damaged, and says no more which journal was in use; see that {self._journal} is "
                f"the right one, then take it with {ACCEPT}"
            ) from None

    def write(self, seen: Seen) -> None:
        """
        Put `seen` in its place, all or nothing; it is on the disk when this returns.

        Raises `JournalStalled` for a full or read-only disk, and `JournalError`.
        """
        new = self.path.with_name(self.path.name + ".new")
        try:
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, msgspec.json.encode(seen) + b"\n")
                os.fsync(fd)
            finally:
                os.close(fd)
            new.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as exc:
            kind = JournalStalled if may_pass(exc) else JournalError
            raise kind(f"{self.path}: cannot be written: {cause_of(exc, self.path.parent)}; look at the disk") from exc

    def follow(self, seen: Seen) -> None:
        """
        Note the count in the file that `write` has put there from now on. For the thread that calls `note`.

        A file that cannot be opened is left as it is: it is behind then, until the next one.
        """
        self.close()
        self._sends = max(self._sends, int(seen.sends))
        self._noted = max(self._noted, int(seen.sends))
        try:
            self._fd = os.open(self.path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as exc:
            logger.warning("%s: cannot be opened: %s; look at the disk", self.path, exc.strerror)
            return
        self._place = msgspec.json.encode(seen).index(b'"sends":"') + len(b'"sends":"')
        self._put()

    def renew(self, seen: Seen) -> None:
        """Call `write` and `follow`, on one thread. Raises as `write` does."""
        self.write(seen)
        self.follow(seen)

    def count(self) -> str:
        """Return the next number, for the journal."""
        self._sends += 1
        return _digits(self._sends)

    def note(self, number: str) -> None:
        """Note that the journal has come to `number`: a write without a sync."""
        if int(number) > self._noted:
            self._noted = int(number)
            self._put()

    def _put(self) -> None:
        if self._fd >= 0:
            try:
                os.pwrite(self._fd, _digits(self._noted).encode(), self._place)
            except OSError as exc:  # it is behind then, which means nothing
                logger.warning("%s: cannot be written: %s; look at the disk", self.path, exc.strerror)
                self.close()

    def close(self) -> None:
        """Note nothing more. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1

    def before(self, *, accept: bool) -> Seen | None:
        """
        Return its note, before anything is made beside it.

        Raises `JournalError` where the journal that was in use is not there any more, unless a person accepts that.
        """
        try:
            seen = self.read()
        except JournalError:
            if not accept:
                raise
            return UNREADABLE
        if seen is None or accept or _size(self._journal):
            return seen
        raise JournalError(
            f"{self._journal}: the journal is gone or empty, but {self.called} says that there was one. "
            "Without it nobody knows what was delivered: bring it or a backup back. To start with a new one, which "
            f"looks every order up before it creates it: {ACCEPT}"
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _judge(
    seen: Seen | None, identity: dict[str, str], *, accept: bool, path: Path, called: str
) -> Literal["", "lost", "restored"]:
    """
    Compare the `identity` of the journal with the one that was `seen`; return its doubt, empty for the one in use.

    `called` names the file that says so. Raises `JournalError` for one that a person has to accept.
    """
    mine = identity.get("journal")
    if mine is None:
        if seen is None:
            return ""
        if not accept:
            raise JournalError(
                f"{path}: the journal is empty, but {called} says that there was one. Bring it or a backup back. To"
                f" start with a new one, which looks every order up before it creates it: {ACCEPT}"
            )
        return "lost"
    if seen is not None and mine != seen.journal:
        if not accept:
            raise JournalError(
                f"{path}: this is not the journal that was in use here before ({called} says which). Bring "
                "that or a backup of it back. To take this one, and look up first what it may not know: "
                f"{ACCEPT}"
            )
        return "restored"
    if "copy" in identity or (seen is not None and _behind(identity, seen)):
        return "restored"
    return ""


class Start(msgspec.Struct, frozen=True):
    """The facts about a start: the notes of two files about the journal in use, and the decisions of a person."""

    seen: Seen | None = None
    """The note of the sentinel beside it."""
    witness: Seen | None = None
    """The note of the witness."""
    accept: bool = False
    """Another journal, or a new one in the place of one that is gone, is taken."""
    restored: bool = False
    """The journal is to be taken for an older copy, whatever the two say."""

    @property
    def epoch(self) -> int:
        """The highest epoch that was seen."""
        return max((each.epoch for each in (self.seen, self.witness) if each is not None), default=0)

    @property
    def sends(self) -> str:
        """The highest count that was seen."""
        return max((each.sends for each in (self.seen, self.witness) if each is not None), default=NONE)

    def doubt(self, path: Path, identity: dict[str, str]) -> Literal["", "lost", "restored"]:
        """Return the worst doubt about the journal, by all notes about it. Raises `JournalError` as `_judge`."""
        found = {
            _judge(self.seen, identity, accept=self.accept, path=path, called=f"{path.name}.seen beside it"),
            _judge(self.witness, identity, accept=self.accept, path=path, called="the witness"),
        }
        if "lost" in found or (self.restored and "journal" not in identity):
            return "lost"
        return "restored" if "restored" in found or self.restored else ""


def identify(path: Path, start: Start, db: sqlite3.Connection) -> Seen:
    """
    Compare the journal with the notes about it, give a new one its identity, and raise its epoch; log differences.

    A journal that may lack deliveries gets a `doubt`, for `LookupFirst.begin`. Raises `JournalError` as `_judge`.
    """
    identity = dict(db.execute("SELECT name, value FROM identity"))
    doubt = start.doubt(path, identity)
    if "journal" not in identity and not doubt:
        logger.info("%s: this is the first start of all here: a new journal was made", path)
    db.execute("INSERT OR IGNORE INTO identity (name, value) VALUES ('journal', ?)", (uuid4().hex,))
    if doubt:
        logger.warning(
            "%s: %s: what it may not know is looked up before it is created, until each source was walked once",
            path,
            TOLD if start.restored else DOUBTS[doubt],
        )
        db.execute("INSERT OR REPLACE INTO identity (name, value) VALUES ('doubt', ?)", (doubt,))
        db.execute("DELETE FROM identity WHERE name = 'copy'")
    db.execute("INSERT OR IGNORE INTO identity (name, value) VALUES ('sends', ?)", (NONE,))
    db.execute("UPDATE identity SET value = max(value, ?) WHERE name = 'sends'", (start.sends,))
    return raise_epoch(start.epoch, db)


def raise_epoch(at_least: int, db: sqlite3.Connection) -> Seen:
    """Raise the journal's epoch above `at_least`, inside a transaction; return the note for the sentinel."""
    identity = dict(db.execute("SELECT name, value FROM identity"))
    epoch = max(_epoch(identity), at_least) + 1
    db.execute("INSERT OR REPLACE INTO identity (name, value) VALUES ('epoch', ?)", (str(epoch),))
    return Seen(identity["journal"], epoch, identity.get("sends", NONE))


def _behind(identity: dict[str, str], seen: Seen) -> bool:
    return _epoch(identity) < seen.epoch or identity.get("sends", NONE) < seen.sends


def _digits(number: int) -> str:
    return f"{number:0{DIGITS}}"


def _epoch(identity: dict[str, str]) -> int:
    text = identity.get("epoch", "0")
    return int(text) if text.isdecimal() else 0
