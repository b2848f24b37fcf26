"""
Measures the most that the stand-in can serve: `python -m tests.benchmarks.ceiling PORT SECONDS`.

Raw sockets, as many as the connector has calls in flight, each with one create at a time and answers that are only
counted. The figure must be well above that of any program that is measured.
"""

from __future__ import annotations

import re
import socket
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.benchmarks.feeds import FIRST_ID
from tests.benchmarks.processes import StandIn, child, result
from tests.benchmarks.shapes import CONCURRENCY
from tests.benchmarks.usage import say

__all__ = ["ceiling", "main"]

FILLING = b"x" * 700
"""Makes the body as long as a create's."""
LENGTH = re.compile(rb"Content-Length: (\d+)")


def ceiling(standin: StandIn, folder: Path, seconds: float = 3.0) -> dict[str, Any]:
    """Return the requests a second that the stand-in serves, and the processor time that one of them costs it."""
    standin.reset("patch", CONCURRENCY)
    before = standin.state()
    found = result(child(["-m", "tests.benchmarks.ceiling", str(standin.port), str(seconds)], folder))
    cpu = standin.state()["cpu"] - before["cpu"]
    return {
        "measurement": "ceiling",
        "requests_per_second": found["requests"] / found["seconds"],
        "standin_cpu_us_per_request": cpu / found["requests"] * 1e6,
        "standin_requests_per_cpu_second": found["requests"] / cpu,
    }


def main() -> None:
    """Send as many creates as are answered in so many seconds, and print their number."""
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    requests = []
    for number in range(CONCURRENCY):
        body = b'{"external_id":"feed-%d","note":"%b"}' % (FIRST_ID + number, FILLING)
        head = b"POST /wms/orders/ HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d"
        requests.append(b"%b\r\n\r\n%b" % (head % len(body), body))
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_connection(("127.0.0.1", port), 10)) for _ in requests]
        served, start = 0, time.perf_counter()
        while (taken := time.perf_counter() - start) < seconds:
            for connection, request in zip(sockets, requests, strict=True):
                connection.sendall(request)
            for connection in sockets:
                _read(connection)
            served += len(sockets)
    say({"requests": served, "seconds": taken})


def _read(connection: socket.socket) -> None:
    """Read one answer whole."""
    answer = b""
    while True:
        received = connection.recv(65536)
        if not received:
            raise RuntimeError("the stand-in closed the connection")
        answer += received
        end = answer.find(b"\r\n\r\n")
        if end >= 0 and (length := LENGTH.search(answer)) and len(answer) >= end + 4 + int(length[1]):
            return


if __name__ == "__main__":
    main()
