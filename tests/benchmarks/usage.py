"""The usage of a process since a moment: time, processor time, memory."""

from __future__ import annotations

import re
import resource
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["Usage", "peak", "say"]

MIB = 1024 * 1024


class Usage:
    """The usage of this process since this object was made."""

    def __init__(self) -> None:
        self._start = (time.perf_counter(), time.process_time(), time.thread_time())

    def so_far(self) -> dict[str, Any]:
        """
        Return the seconds that passed, and the seconds of processor time.

        `cpu` is of all threads, user and system; `cpu_loop` of the calling one, which runs the event loop. `rss` is
        the most memory that the process ever had, in MiB.
        """
        now = (time.perf_counter(), time.process_time(), time.thread_time())
        seconds, cpu, loop = (late - early for late, early in zip(now, self._start, strict=True))
        return {"seconds": seconds, "cpu": cpu, "cpu_loop": loop, "rss": peak()}


def peak() -> float:
    """Return the most memory that this process ever had, in MiB."""
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text("ascii"))):
        return int(found[1]) * 1024 / MIB  # not the process that started us, which `getrusage` counts in
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / MIB if sys.platform == "darwin" else most * 1024 / MIB


def say(found: dict[str, Any]) -> None:
    """Hand a result to the parent of this process."""
    print(msgspec.json.encode(found).decode(), flush=True)  # noqa: T201 - to whoever started it
