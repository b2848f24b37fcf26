"""The processes of a measurement: each on its own, bounded in time, and ended by its id whatever happens."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

__all__ = ["Finished", "StandIn", "child", "result", "standing_in"]

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024


class Finished(NamedTuple):
    """A process that has ended. `cpu` is user and system time in seconds, `rss` the most memory in MiB."""

    code: int
    out: bytes
    seconds: float
    cpu: float
    rss: float


def child(arguments: Sequence[str], folder: Path, *, limit: float = 600.0) -> Finished:
    """
    Run Python with `arguments` to its end, its stderr in `folder`/log; kill it after `limit` seconds.

    Raises `RuntimeError` if it did not end by itself with 0.
    """
    log = folder / "log"
    with log.open("wb") as stderr:
        started = time.perf_counter()
        process = _start(arguments, stdin=subprocess.DEVNULL, stderr=stderr)
        timer = threading.Timer(limit, process.kill)
        timer.start()
        try:
            with process.stdout or open(os.devnull, "rb") as stdout:  # noqa: PTH123 - a pipe, as asked for
                out = stdout.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            timer.cancel()
            if process.returncode is None:
                process.kill()
                process.wait()
        seconds = time.perf_counter() - started
    if process.returncode != 0:
        said = log.read_bytes()[-2000:].decode("utf-8", "replace")
        raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode} after {seconds:.0f} s: {said}")
    rss = used.ru_maxrss / MIB if sys.platform == "darwin" else used.ru_maxrss * 1024 / MIB
    return Finished(process.returncode, out, seconds, used.ru_utime + used.ru_stime, rss)


def result(finished: Finished) -> dict[str, Any]:
    """Return a child's report of itself (`tests.benchmarks.usage.say`)."""
    said: dict[str, Any] = msgspec.json.decode(finished.out.splitlines()[-1])
    return said


class StandIn:
    """The stand-in of the vendors, in its own process."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def reset(self, shape: str, orders: int, listed: int | None = None) -> None:
        """Forget everything; let `orders` orders of `shape` wait, of which the last `listed` are in the feed (all)."""
        self._ask("POST", "reset", {"shape": shape, "orders": orders, "listed": listed})

    def again(self) -> None:
        """Let the next call be the first one."""
        self._ask("POST", "again")

    def add(self, orders: int) -> None:
        """Let `orders` more appear, now."""
        self._ask("POST", "add", {"orders": orders})

    def state(self) -> dict[str, Any]:
        """Return the events since the reset, see `World.state`."""
        return self._ask("GET", "state")

    def _ask(self, method: str, what: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, f"/benchmark/{what}", msgspec.json.encode(content) if content else None)
            answer: dict[str, Any] = msgspec.json.decode(connection.getresponse().read())
        finally:
            connection.close()
        return answer


@contextmanager
def standing_in() -> Iterator[StandIn]:
    """Run a stand-in until the block is left; it ends with us, even if we are killed."""
    process = _start(["-m", "tests.benchmarks.standin"], stdin=subprocess.PIPE, stderr=None)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        port = process.stdout.readline()
        if not port:
            raise RuntimeError("the stand-in did not start")
        yield StandIn(int(port))
    finally:
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _start(arguments: Sequence[str], *, stdin: int, stderr: IO[bytes] | None) -> subprocess.Popen[bytes]:
    # As on a user's machine, where only the first start compiles the modules.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=stderr,
        bufsize=-1,
    )
