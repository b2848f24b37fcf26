"""`connector run` in a process of its own, watched from outside: its memory, its answers, its end."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.benchmarks.processes import ROOT

__all__ = ["Running", "free_port", "running"]

GLANCE = 0.05
"""Seconds between two looks."""
MIB = 1024
HELD_UP = 60.0
"""Seconds after which a process is killed that should have ended."""


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Running:
    """A process that runs. `began` is when it was started (`time.monotonic`)."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, began: float) -> None:
        self._process = process
        self._port = port
        self.began = began
        self.samples: list[tuple[float, float]] = []
        """Seconds since the start, and the MiB that it had in memory."""

    def until(self, what: Callable[[], bool], limit: float) -> float:
        """Return the seconds from the start until `what` was so; raise `RuntimeError` if that takes longer."""
        while not what():
            if self._process.poll() is not None or time.monotonic() - self.began > limit:
                raise RuntimeError(f"not so after {time.monotonic() - self.began:.0f} s, code {self._process.poll()}")
            time.sleep(GLANCE)
        return time.monotonic() - self.began

    def ask(self, path: str) -> tuple[int | None, float]:
        """Return the status with which `path` is answered (None: not at all) and the seconds that it took."""
        began = time.monotonic()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            with suppress(OSError, http.client.HTTPException):
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
                return answer.status, time.monotonic() - began
        finally:
            connection.close()
        return None, time.monotonic() - began

    def memory(self) -> float:
        """Return the MiB that it has in memory now, and remember them."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self._process.pid}/status").read_text("ascii"))
        now = int(found[1]) / MIB if found else 0.0
        self.samples.append((time.monotonic() - self.began, now))
        return now

    def peak(self) -> float:
        """Return the most MiB that it ever had."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self._process.pid}/status").read_text("ascii"))
        return int(found[1]) / MIB if found else 0.0

    def end(self) -> float:
        """Send SIGTERM; return the seconds until it had ended. Raises `RuntimeError` if it does not end well."""
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(HELD_UP)
        if code:
            raise RuntimeError(f"ended with {code}")
        return time.monotonic() - began


@contextmanager
def running(settings: Path, log: Path, port: int, *command: str) -> Iterator[Running]:
    """Run the connector with `settings` until the block is left; it ends with it. `port` is the one of its server."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with log.open("ab") as stderr:
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "connector", "--settings", str(settings), *(command or ("run",))],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    watched = Running(process, port, began)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.25):
            with suppress(OSError):
                watched.memory()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield watched
    finally:
        ended.set()
        watcher.join()
        if process.poll() is None:
            process.kill()
        process.wait()
