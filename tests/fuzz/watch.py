"""One target in a process of its own, which is ended if a body keeps it for ever."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import NamedTuple

from tests.fuzz.target import Finding, Target

__all__ = ["HANGS", "Ran", "watched"]

HANGS = 60.0
"""Seconds without another body after which the one in hand is taken for endless."""
_processes = multiprocessing.get_context("fork")


class Ran(NamedTuple):
    """The result of a run: the findings, the number of bodies that came through, and the longest seconds of one."""

    findings: list[Finding]
    through: int
    longest: float


def watched(target: Target, count: int, seed: int, *, hangs: float = HANGS) -> Ran:
    """Feed a target as `Target.run` does; a body that does not end, or that ends the process, is its last finding."""
    number = _processes.RawValue("q", -1)
    ours, theirs = _processes.Pipe(duplex=False)

    def at(reached: int) -> None:
        number.value = reached

    process = _processes.Process(target=_run, args=(target, count, seed, at, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        what = _wait(ours, lambda: int(number.value), hangs)
        if isinstance(what, Ran):
            return what
        body, status = next(each for n, each in enumerate(target.bodies(target.fed(count), seed)) if n == number.value)
        return Ran([Finding(target.name, body, status, what)], 0, hangs)
    finally:
        process.kill()
        process.join()
        ours.close()


def _wait(ours: Connection, reached: Callable[[], int], hangs: float) -> Ran | str:
    """Return the findings of the process, or the reason why nothing more is to come."""
    last, since = -1, time.monotonic()
    while not ours.poll(min(1.0, hangs)):
        if reached() != last:
            last, since = reached(), time.monotonic()
        elif time.monotonic() - since > hangs:
            return f"does not end within {hangs:g} s"
    try:
        found = ours.recv()
    except EOFError:
        return "ended the process"
    return found if isinstance(found, Ran) else f"ended the run: {found}"


def _run(target: Target, count: int, seed: int, at: Callable[[int], None], theirs: Connection) -> None:
    logging.disable(logging.CRITICAL)
    try:
        theirs.send(Ran(*asyncio.run(target.run(count, seed, at))))
    except BaseException as exc:  # noqa: BLE001 - the harness itself, or what `except Exception` lets go
        theirs.send(f"{type(exc).__name__}: {exc}")
    theirs.close()
    os._exit(0)  # what the parent wants to be done at its exit is not ours to do
