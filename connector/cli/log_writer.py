"""
Lines for stderr, written by a thread: whoever logs never waits for what reads them.

A pipe that nobody empties, a terminal that is stopped by Ctrl-S, or a log file on a network drive may block a write for
hours. The lines wait in a bounded queue meanwhile; what does not fit is dropped and counted, and the count is written
once something can be written again.
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
"""Lines that may wait."""
AT_THE_END = 1.0
"""Seconds without progress after which the end of the process does not wait for the lines any longer."""


class LogWriter:
    """
    Writes lines to the file descriptor `fd`, in order, by a thread that keeps no process alive.

    `dropped` is how many lines are missing that nothing has been said about; `tell` makes the line that says so.
    """

    def __init__(self, fd: int, tell: Callable[[int], str], *, most: int = LINES) -> None:
        self.fd = fd
        self._tell = tell
        self._most = most
        self._lines: deque[str] = deque()
        self._changed = Condition()
        self._writing = False
        self._done = 0
        self._thread: Thread | None = None
        self.dropped = 0

    def write(self, line: str) -> None:
        """Queue a line, its line break included; drop it if too many wait. Never blocks."""
        with self._changed:
            if len(self._lines) >= self._most:
                self.dropped += 1
                return
            self._lines.append(line)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, within: float = AT_THE_END) -> bool:
        """Wait until all is written, as long as a line is written every `within` seconds; tell whether it is."""
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
            if missing and self._put(self._tell(missing)):
                with self._changed:
                    self.dropped -= missing
            with self._changed:
                self._writing = False
                self._done += 1
                self._changed.notify_all()

    def _put(self, line: str) -> bool:
        """Write a line; tell whether it was written."""
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
    """A text stream over `writer`, for what draws on the terminal."""

    encoding = "utf-8"

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer

    def write(self, text: str) -> int:
        """Queue a text."""
        if text:
            self._writer.write(text)
        return len(text)

    def isatty(self) -> bool:
        """Tell whether stderr is a terminal."""
        return sys.__stderr__ is not None and sys.__stderr__.isatty()


_installed: LogWriter | None = None


def install(tell: Callable[[int], str]) -> LogWriter | None:
    """Return the writer of this process to stderr, made if need be; None if stderr is no file (in a test, say)."""
    global _installed
    if (fd := _stderr()) is None:
        return None
    if _installed is None or _installed.fd != fd:
        _installed = LogWriter(fd, tell)
        atexit.register(_installed.flush)
    return _installed


def _stderr() -> int | None:
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def installed() -> LogWriter | None:
    """Return the writer of this process, if it has one."""
    return _installed


def echo(line: str) -> None:
    """Write a line to stderr, behind what was logged before; a stderr that takes nothing is no failure."""
    if _installed is not None and _installed.fd == _stderr():
        _installed.write(line + "\n")
    elif sys.stderr is not None:
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):  # what is left in its buffer must not fail the end of the process
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
