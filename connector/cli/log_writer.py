"""
Writes lines to stderr from a thread, so that logging never blocks the event loop.

A full pipe, a terminal stopped by Ctrl-S, or a log file on a network drive may block a write for hours. Meanwhile the
lines wait in a bounded queue. Lines that do not fit are dropped and counted, and the count is written once writing
works again.
"""

from __future__ import annotations

import atexit
import io
import os
import select
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Thread

__all__ = ["LINES", "LogWriter", "QueuedStream", "echo", "install", "installed"]

LINES = 10_000
"""Capacity of the queue, in lines."""
FLUSH_TIMEOUT = 1.0
"""Seconds without progress after which the end of the process gives up writing the rest of the queue."""


class LogWriter:
    """
    Writes lines to the file descriptor `fd`, in order, from a daemon thread.

    `dropped` counts the dropped lines that the log does not mention yet; `dropped_line` formats the line that does.
    """

    def __init__(self, fd: int, dropped_line: Callable[[int], str], *, most: int = LINES) -> None:
        self.fd = fd
        self._dropped_line = dropped_line
        self._most = most
        self._lines: deque[str] = deque()
        self._changed = Condition()
        self._writing = False
        self._done = 0
        self._thread: Thread | None = None
        self.dropped = 0

    def write(self, line: str) -> None:
        """Queue a line, which includes its line break; drop the line if the queue is full. Never blocks."""
        with self._changed:
            if len(self._lines) >= self._most:
                self.dropped += 1
                return
            self._lines.append(line)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, within: float = FLUSH_TIMEOUT) -> bool:
        """Wait until the queue is written; return False once no line could be written for `within` seconds."""
        with self._changed:
            while self._lines or self._writing:
                before = self._done
                self._changed.wait_for(lambda: self._done > before or not (self._lines or self._writing), within)  # noqa: B023
                if self._done == before and (self._lines or self._writing):
                    return False
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._lines))
                line = self._lines.popleft()
                self._writing = True
            written = self._put(line)
            with self._changed:
                self.dropped += not written
                missing = self.dropped if written else 0
            if missing and self._put(self._dropped_line(missing)):
                with self._changed:
                    self.dropped -= missing
            with self._changed:
                self._writing = False
                self._done += 1
                self._changed.notify_all()

    def _put(self, line: str) -> bool:
        """Write a line; return whether that succeeded."""
        rest = line.encode("utf-8", "backslashreplace")
        while rest:
            try:
                rest = rest[os.write(self.fd, rest) :]
            except BlockingIOError:
                with suppress(OSError):
                    select.select([], [self.fd], [])
            except OSError:
                return False
        return True


class QueuedStream(io.TextIOBase):
    """A text stream over `writer`, for the live table on the terminal."""

    encoding = "utf-8"

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def write(self, text: str) -> int:
        """Queue a text."""
        if text:
            self._writer.write(text)
        return len(text)

    def isatty(self) -> bool:
        """Return whether stderr is a terminal."""
        return sys.__stderr__ is not None and sys.__stderr__.isatty()


_installed: LogWriter | None = None


def install(dropped_line: Callable[[int], str]) -> LogWriter | None:
    """Return this process's writer to stderr, created at first use; None if stderr is not a file (in a test, say)."""
    global _installed
    if (fd := _stderr()) is None:
        return None
    if _installed is None or _installed.fd != fd:
        _installed = LogWriter(fd, dropped_line)
        atexit.register(_installed.flush)
    return _installed


def _stderr() -> int | None:
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def installed() -> LogWriter | None:
    """Return the writer of this process, or None."""
    return _installed


def echo(line: str) -> None:
    """Write a line to stderr after all lines logged before; a failed write is ignored."""
    if _installed is not None and _installed.fd == _stderr():
        _installed.write(line + "\n")
    elif sys.stderr is not None:
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):  # a rest in the buffer of stderr must not fail the end of the process
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
