"""
Compares two versions of the connector, fed with the same bodies: both must read each of them alike.

    python -m tests.fuzz.compare --against CHECKOUT [--bodies N] [--only NAME ...] [--seed S]
    python -m tests.fuzz.compare --record [--only NAME ...]

The first compares with another checkout of the connector (`git worktree add`), body by body, and shows the differences.
The second writes down this version's outcomes of a few hundred bodies, to which the tests hold it from then on: after a
change that is meant, and once the first has shown that nothing else has changed. Exit 1 if anything differs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from tests.fuzz.bodies import FLAT
from tests.fuzz.outcomes import digests, outcomes
from tests.fuzz.receivers import receivers
from tests.fuzz.sources import sources
from tests.fuzz.target import Target

__all__ = ["Recorded", "differing", "recorded", "vendors"]

TOP = Path(__file__).parents[2]
FOLDER = Path(__file__).with_name("recorded")
SHOWN, SHORT = 5, 700
"""The number of differences that are shown of a target, and the shown length of each body."""
SEED = 1
BODIES = 200
READERS = 1000
"""Bodies that are recorded of a vendor's order: the reading that others build on."""
BOOT = """
import sys
sys.path.insert(0, sys.argv[1])
import connector
assert connector.__file__.startswith(sys.argv[1]), connector.__file__
sys.path[0] = sys.argv[2]
from tests.fuzz.compare import answer
answer(sys.argv[3])
"""
"""Takes the connector from one checkout, and the tests from another."""


class Asked(msgspec.Struct):
    """Bodies for one target, each with a status."""

    target: str
    bodies: list[tuple[bytes, int]]


class Recorded(msgspec.Struct):
    """
    A version's outcomes of the bodies that follow from these samples: four bytes, in hexadecimal digits, for each.

    The samples are those of that time: that an order of the stand-ins has changed changes nothing here.
    """

    samples: list[str]
    bodies: int
    outcomes: str


def vendors() -> dict[str, Target]:
    """Return the targets of the vendors' bytes by their names, and no others: another version may not have those."""
    return {target.name: target for target in (*sources(), *receivers())}


def answer(file: str) -> None:
    """Replace the bodies in `file` by this version's outcomes of them."""
    path, known = Path(file), vendors()
    asked = msgspec.msgpack.decode(path.read_bytes(), type=list[Asked])
    path.write_bytes(msgspec.msgpack.encode([outcomes(known[each.target], each.bodies) for each in asked]))


def recorded(target: Target) -> Recorded | None:
    """Return the record of a target, if there is any."""
    path = _path(target)
    return msgspec.json.decode(path.read_bytes(), type=Recorded) if path.exists() else None


def differing(target: Target, record: Recorded) -> Iterator[str]:
    """Yield the bodies of which this version makes something else than is recorded."""
    bodies = _bodies(target, [sample.encode() for sample in record.samples], record.bodies)
    found = outcomes(target, bodies)
    was = bytes.fromhex(record.outcomes)
    for number, (body, status) in enumerate(bodies):
        if digests([found[number]]) != was[4 * number : 4 * number + 4]:
            yield f"{target.name}, body {number}, {status} with {body[:SHORT]!r}: now {found[number][:SHORT]}"


def _bodies(target: Target, samples: Sequence[bytes], count: int) -> list[tuple[bytes, int]]:
    """Return bodies of which every Python makes the same: none is about as deep as one can go."""
    return list(replace(target, samples=samples).bodies(count, SEED, FLAT))


def _path(target: Target) -> Path:
    return FOLDER / f"{target.name.replace(' ', '-')}.json"


def _record(target: Target) -> None:
    count = READERS if target.name.endswith(".order") else BODIES
    found = outcomes(target, _bodies(target, target.samples, count))
    content = Recorded([sample.decode() for sample in target.samples], count, digests(found).hex())
    FOLDER.mkdir(exist_ok=True)
    _path(target).write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")


def _compare(chosen: Sequence[Target], against: Path, count: int, seed: int) -> int:
    asked = [Asked(target.name, list(target.bodies(count, seed, FLAT))) for target in chosen]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "bodies"
        file.write_bytes(msgspec.msgpack.encode(asked))
        command = [sys.executable, "-W", "ignore", "-c", BOOT, str(against), str(TOP), str(file)]
        subprocess.run(command, check=True, cwd=folder)
        theirs = msgspec.msgpack.decode(file.read_bytes(), type=list[list[str]])
    differences = 0
    for target, each, their in zip(chosen, asked, theirs, strict=True):
        ours = outcomes(target, each.bodies)
        others = [number for number, pair in enumerate(zip(their, ours, strict=True)) if pair[0] != pair[1]]
        differences += len(others)
        sys.stdout.write(f"{target.name:36} {len(ours):8} bodies, {len(others):6} make a difference\n")
        for number in others[:SHOWN]:
            body, status = each.bodies[number]
            sys.stdout.write(f"    {status} with {body[:SHORT]!r}\n")
            sys.stdout.write(f"      there {_around(their[number], ours[number])}\n")
            sys.stdout.write(f"      here  {_around(ours[number], their[number])}\n")
    return 1 if differences else 0


def _around(text: str, other: str) -> str:
    """Return where `text` begins to differ from `other`."""
    at = next((n for n, pair in enumerate(zip(text, other, strict=False)) if pair[0] != pair[1]), 0)
    return f"{'… ' if at > 60 else ''}{text[max(at - 60, 0) : at + 140]}"


def main() -> int:
    """Run the mode that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.compare", description="Compare two versions.")
    parser.add_argument("--against", type=Path, help="a checkout of the version to compare with")
    parser.add_argument("--record", action="store_true", help="write down what this version makes of its bodies")
    parser.add_argument("--only", action="append", help="only those whose name holds this; may be repeated")
    parser.add_argument("--bodies", type=int, default=5000, help="bodies for each endpoint (default: 5000)")
    parser.add_argument("--seed", type=int, default=SEED)
    asked = parser.parse_args()
    chosen = [
        target for name, target in vendors().items() if not asked.only or any(part in name for part in asked.only)
    ]
    if not chosen or (asked.against is None) != asked.record:
        parser.error("it takes --against or --record, and endpoints that there are")
    if asked.record:
        for target in chosen:
            _record(target)
        return 0
    return _compare(chosen, asked.against.resolve(), asked.bodies, asked.seed)


if __name__ == "__main__":
    sys.exit(main())
