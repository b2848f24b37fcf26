"""A journal that is lost, restored, cut, overwritten or robbed of its companions between a process and the next."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal, get_args

from tests.processes.launch import LOG, PATIENCE, launched, to_its_end
from tests.processes.world import Verdict, World, finished

__all__ = ["Damage", "Losses", "lose_in", "strikes"]

Damage = Literal[
    "deleted",
    "emptied",
    "cut",
    "overwritten",
    "restored",
    "snapshot",
    "without its log",
    "without its sentinel",
    "with a damaged sentinel",
    "put back with its sentinel",
]
"""
Losses of the files. A backup is made by `connector backup`, by a process beside the one that runs; a snapshot is a copy
of the file and its log a moment ago, as of a disk. A journal that is put back with its sentinel is one of the whole
volume: the world's witness shows that, or an option of the start after it.
"""
REFUSED: dict[str, str] = {
    "deleted": "the journal is gone",
    "emptied": "the journal is gone or empty",
    "cut": "the journal is damaged",
    "overwritten": "the journal is damaged",
    "with a damaged sentinel": "says no more which journal was in use",
}
"""Messages with which a start ends with 1, until a person has done as they demand."""
ACCEPT = "--accept-new-journal"
PAGE = 4096


@dataclass
class Losses:
    """The result: the number of losses of each kind, and the outcomes of the starts after them."""

    hits: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    killed: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    complaints: list[str] = field(default_factory=list)
    """Faults of the processes themselves."""

    @property
    def good(self) -> bool:
        """True if nothing is wrong."""
        return self.verdict.good and not self.complaints


def strikes(count: int, random: Random) -> list[Damage]:
    """Return `count` kinds of damage, each as often as every other one, in a random order."""
    kinds: tuple[Damage, ...] = get_args(Damage)
    plan = [kinds[number % len(kinds)] for number in range(count)]
    random.shuffle(plan)
    return plan


async def lose_in(plan: Sequence[Damage], folder: Path, random: Random) -> Losses:
    """Let a connector work, end it, damage its files, and start it as its operator would; again and again."""
    done = Losses()
    world = World(folder, most=len(plan) + 1, witness=random.random() < 0.5)
    backups: list[Path] = []
    async with world.serving():
        for damage in plan:
            world.more()
            await _work(world, backups, random, done)
            await _suffer(damage, world, backups, random, done)
        world.more()  # that these can be mapped bears out, to a new journal, that one without an address cannot
        done.complaints += await finished(world)
        done.starts += 2
        done.verdict = world.verdict()
    return done


async def _work(world: World, backups: list[Path], random: Random, done: Losses) -> None:
    """Run until some calls were made: then end well, or be killed. Sometimes a backup is made meanwhile."""
    async with launched(world.folder, "run", "--quiet") as process:
        done.starts += 1
        await _written(world, random.randint(0, 10), process)
        if not backups or random.random() < 0.5:
            backup = world.folder / f"backup-{len(backups)}.db"
            if await to_its_end(world.folder, "backup", str(backup)) == 0:
                backups.append(backup)
        while process.returncode is None and not _sentinel(world.journal).exists():  # noqa: ASYNC110 - a file of its own
            await asyncio.sleep(0.01)
        if process.returncode is None:
            process.send_signal(signal.SIGSTOP)
            _copy(world.journal, world.folder / "snapshot.db")
            shutil.copyfile(_sentinel(world.journal), world.folder / "snapshot.db.seen")
            process.send_signal(signal.SIGCONT)
            await _written(world, random.randint(0, 10), process)
        if process.returncode is not None:
            done.complaints.append(f"it ended by itself, with {process.returncode}")
        elif random.random() < 0.7:
            process.kill()
            done.killed += 1
        else:
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(PATIENCE):
                if (code := await process.wait()) not in (0, -signal.SIGTERM):  # the latter before it was under way
                    done.complaints.append(f"after SIGTERM it ended with {code}")


async def _written(world: World, more: int, process: asyncio.subprocess.Process) -> None:
    """Wait until so many more writes have reached a vendor, or nothing is left to be written."""
    before, idle = world.writes, 0
    while process.returncode is None and world.writes < before + more and idle < 100:
        was = world.writes
        await asyncio.sleep(0.01)
        idle = idle + 1 if was == world.writes and was else 0


async def _suffer(damage: Damage, world: World, backups: list[Path], random: Random, done: Losses) -> None:
    """Damage the files; see that a start refuses when it has to; then do as its message demands."""
    journal = world.journal
    restored = backups[random.randrange(len(backups))] if backups else None
    snapshot = world.folder / "snapshot.db"
    accept = told = False
    match damage:
        case "deleted":
            _remove(journal)
        case "emptied":
            _remove(journal)
            journal.touch(0o600)
        case "cut":
            _cut(journal, random)
        case "overwritten":
            _overwrite(journal, random)
        case "restored" if restored is not None:
            _remove(journal)
            shutil.copyfile(restored, journal)
        case "snapshot" if snapshot.exists():
            _remove(journal)
            _copy(snapshot, journal)
        case "put back with its sentinel" if snapshot.exists():
            _remove(journal)
            _copy(snapshot, journal)
            shutil.copyfile(_sentinel(snapshot), _sentinel(journal))
            told = not world.witness
        case "without its log":
            for suffix in ("-wal", "-shm"):
                journal.with_name(journal.name + suffix).unlink(missing_ok=True)
        case "without its sentinel":
            _sentinel(journal).unlink(missing_ok=True)
        case "with a damaged sentinel":
            _sentinel(journal).write_bytes(random.randbytes(random.randint(0, 60)))
    done.hits[damage] += 1
    code, said = await _start(world, done, "--restored") if told else await _start(world, done)
    if code not in (0, 1) or "Traceback" in said:
        done.complaints.append(f"after it was {damage}, a start ended with {code}: {said[-300:]}")
    wanted = REFUSED.get(damage)
    if "not the journal that was in use here before" in said:  # a backup of one that is gone
        accept = True
    elif "the journal is damaged" in said:
        done.refused[damage] += 1
        _remove(journal)
        if restored is not None and random.random() < 0.5:
            shutil.copyfile(restored, journal)
            code, said = await _start(world, done)
            accept = ACCEPT in said
        else:
            accept = True
    elif ACCEPT in said:
        done.refused[damage] += 1
        accept = True
    elif wanted is not None and damage not in ("cut", "overwritten") and "older copy" not in said:
        done.complaints.append(f"after it was {damage}, a start said nothing of it: {said[-300:]}")
    if accept:
        code, said = await _start(world, done, ACCEPT)
        if code not in (0, 1) or ACCEPT in said.replace("`connector run --accept-new-journal`", ""):
            done.complaints.append(f"after it was {damage}, and accepted, a start ended with {code}: {said[-300:]}")


async def _start(world: World, done: Losses, *options: str) -> tuple[int, str]:
    """Run once with `options`; return the exit code, and the output."""
    log = world.folder / LOG
    before = log.stat().st_size
    try:
        code = await to_its_end(world.folder, "run", "--once", *options)
    except TimeoutError:
        code = -1
    done.starts += 1
    with log.open("rb") as file:
        file.seek(before)
        return code, file.read().decode("utf-8", "replace")


def _sentinel(journal: Path) -> Path:
    return journal.with_name(journal.name + ".seen")


def _files(journal: Path) -> list[Path]:
    return [journal.with_name(journal.name + suffix) for suffix in ("", "-wal", "-shm")]


def _remove(journal: Path) -> None:
    for each in _files(journal):
        each.unlink(missing_ok=True)


def _copy(journal: Path, to: Path) -> None:
    """Copy a journal and its log as they are now."""
    for source, target in list(zip(_files(journal), _files(to), strict=True))[:2]:
        target.unlink(missing_ok=True)
        if source.exists():
            shutil.copyfile(source, target)


def _cut(journal: Path, random: Random) -> None:
    size = journal.stat().st_size
    with journal.open("r+b") as file:
        file.truncate(random.randint(1, max(1, size - 1)))


def _overwrite(journal: Path, random: Random) -> None:
    pages = max(1, journal.stat().st_size // PAGE)
    with journal.open("r+b") as file:
        file.seek(random.randrange(pages) * PAGE)
        file.write(random.randbytes(PAGE))
