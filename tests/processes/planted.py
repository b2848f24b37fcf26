"""
Bugs in parts that the simulated world lacks: sockets, paths, disks, signals. Each is put into a test of its case.

The test runs in a process of its own, with this module as a plugin (`-p tests.processes.planted`) and the bug's name in
the environment. The bug is put into that process, and into every Python that it starts, before anything else is
imported there; without a name nothing is. Nothing of it is in the runtime itself.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import anyio

from connector import app, early_signals
from connector.cli import log_writer
from connector.clock import Clock
from connector.http import endpoint as http
from connector.http import failures as outcomes
from connector.journal import backup, sqlite
from connector.journal.engine import opening
from connector.settings import endpoints, route_checks

__all__ = ["BUGS", "Outcome", "Planted", "outcome"]

ROOT = Path(__file__).parent.parent.parent
VARIABLE = "CONNECTOR_PLANTED"
FOLDER = "CONNECTOR_PLANTED_FOLDER"
SITE = f"""\
import os

if name := os.environ.get({VARIABLE!r}):
    from tests.processes.planted import BUGS

    BUGS[name].plant()
"""
"""The file that Python reads when it starts, in each process that the test starts."""
PATIENCE = 50.0
HUNG = 12.0
"""Seconds after which a process hangs."""
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
"""The options of the outer run are not for the one test of a bug."""
MISFITS = ("AttributeError", "TypeError", "NameError", "ImportError")
"""Errors which show that a bug does not fit the connector any more, rather than that it was found."""


class Planted(NamedTuple):
    """A bug, and the test that shows its damage."""

    plant: Callable[[], None]
    test: str
    hangs: bool = False
    """True if a process of the test does not end by itself, so that it need not be waited for as long as elsewhere."""


class Outcome(NamedTuple):
    """The end of the test: `passed`, `failed`, `skipped` or `broken`; and its output."""

    how: str
    said: str


def outcome(bug: str, folder: Path, *, planted: bool) -> Outcome:
    """Run the test of a bug, with the bug or without it."""
    (folder / "sitecustomize.py").write_text(SITE, "utf-8")
    arguments = ("-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "tests.processes.planted")
    process = subprocess.Popen(
        (sys.executable, "-m", "pytest", *arguments, "--timeout=40", f"--basetemp={folder / 'tmp'}", BUGS[bug].test),
        cwd=ROOT,
        env={**_ENVIRONMENT, FOLDER: str(folder), VARIABLE: bug if planted else ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=PATIENCE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # a connector that the bug keeps from ending
        process.wait()
    if process.returncode == 0:
        return Outcome("skipped" if " passed" not in said else "passed", said)
    misfit = any(line.startswith("E   ") and each in line for line in said.splitlines() for each in MISFITS)
    return Outcome("failed" if process.returncode == 1 and "1 failed" in said and not misfit else "broken", said)


def pytest_configure() -> None:
    """Put the bug into this process, and let those that it starts do so, too."""
    folder, name = os.environ.get(FOLDER), os.environ.get(VARIABLE)
    if not folder or not name:
        return
    BUGS[name].plant()
    if BUGS[name].hangs:
        within = asyncio.timeout
        asyncio.timeout = lambda seconds: within(min(seconds or HUNG, HUNG))  # type: ignore[assignment]
    start = subprocess.Popen.__init__

    def started(self: Any, *arguments: Any, **more: Any) -> None:
        given = dict(os.environ if more.get("env") is None else more["env"])
        path = os.pathsep.join(filter(None, (folder, str(ROOT), given.get("PYTHONPATH"))))
        start(self, *arguments, **{**more, "env": {**given, "PYTHONPATH": path, VARIABLE: name}})

    subprocess.Popen.__init__ = started  # type: ignore[method-assign]


def _put(where: Any, name: str, what: Any) -> None:
    assert hasattr(where, name), f"{where} has no {name} any more"
    setattr(where, name, what)


def _working_directory() -> None:
    """Paths in a settings file are relative to the working directory."""
    for module in (import_module("connector.settings.load"), endpoints):
        _put(module, "folder_of", lambda _name: "")


def _folder_made() -> None:
    """A folder that is missing is made where a journal is expected."""
    _put(sqlite, "check_folder", lambda path, _what: path.parent.mkdir(parents=True, exist_ok=True))


def _repeated() -> None:
    """The HTTP client repeats any request that it likes on a broken connection."""
    _put(http, "REPEATED", frozenset())


def _temporary() -> None:
    """Any error that keeps a connection from being made passes by itself."""
    _put(outcomes, "unreachable", lambda _exc: "")


def _written_at_once() -> None:
    """Each task that logs waits for stderr."""

    def write(self: Any, line: str) -> None:
        self._put(line)

    _put(log_writer.LogWriter, "write", write)


def _lines_uncounted() -> None:
    """Lines that do not fit into the queue are dropped without a trace."""
    write = log_writer.LogWriter.write

    def uncounted(self: Any, line: str) -> None:
        before = self.dropped
        write(self, line)
        self.dropped = before

    _put(log_writer.LogWriter, "write", uncounted)


def _signals_late() -> None:
    """A signal that comes while modules are imported is forgotten."""
    _put(early_signals, "hand_over", lambda: None)


def _stop_waits() -> None:
    """A stop waits for the running work, however long the journal has been stalled."""

    async def stop(self: Any, scope: anyio.CancelScope) -> None:
        await self._stop.wait()
        await self.clock.sleep(app.GRACE)
        scope.cancel()

    _put(app.Connector, "_stop_in_time", stop)


def _any_environment() -> None:
    """A production source may get acknowledgements for orders that a test system has taken."""
    _put(route_checks, "_is_test_system", lambda _endpoint, *, local: False)


def _one_temporary_name() -> None:
    """Two backups to one file write to one temporary file, at the same time: each waits here for the other one."""

    def shared(suffix: str, prefix: str, folder: Path) -> tuple[int, str]:
        meeting = folder / f"{prefix}meeting"
        try:
            os.mkfifo(meeting)
            end = os.O_RDONLY
        except FileExistsError:
            end = os.O_WRONLY
        os.close(os.open(meeting, end))  # until the other end is opened
        name = folder / f"{prefix}x{suffix}"
        return os.open(name, os.O_CREAT | os.O_RDWR, 0o600), str(name)

    _put(backup, "mkstemp", shared)


def _start_gives_up() -> None:
    """A start does not wait for a full disk."""

    async def at_once(attempt: Callable[[], Awaitable[Any]], _clock: Clock) -> Any:
        return await attempt()

    _put(opening, "patiently", at_once)
    _put(sqlite, "patiently", at_once)


BUGS: Mapping[str, Planted] = {
    "paths follow the working directory": Planted(
        _working_directory, "tests/cli/test_volumes.py::test_one_settings_file_from_two_folders_is_one_journal"
    ),
    "a missing folder is made": Planted(
        _folder_made, "tests/cli/test_volumes.py::test_a_volume_that_is_not_mounted[journal]"
    ),
    "PUT and DELETE are repeated": Planted(
        _repeated, "tests/wire/test_repeats.py::test_a_write_is_sent_once_whatever_its_method"
    ),
    "a bad certificate passes by itself": Planted(
        _temporary, "tests/wire/test_connecting.py::test_a_certificate_that_waiting_does_not_mend[expired]"
    ),
    "a misspelt host passes by itself": Planted(
        _temporary, "tests/wire/test_connecting.py::test_a_source_whose_host_does_not_exist"
    ),
    "whoever logs waits for stderr": Planted(
        _written_at_once, "tests/cli/test_log_writer.py::test_a_stderr_that_nobody_reads_stops_no_delivery", hangs=True
    ),
    "dropped lines are not counted": Planted(
        _lines_uncounted, "tests/cli/test_log_writer.py::test_a_pipe_that_nobody_empties"
    ),
    "an early signal is lost": Planted(
        _signals_late, "tests/cli/test_signals.py::test_a_signal_before_anything_is_imported[15]", hangs=True
    ),
    "a stop waits for a stalled journal": Planted(
        _stop_waits, "tests/flow/test_storage.py::test_a_stop_ends_in_time_although_the_disk_is_full[deliveries.settle]"
    ),
    "production is told by a test system": Planted(
        _any_environment, "tests/settings/test_load.py::test_a_production_source_with_a_sandbox_receiver_is_refused"
    ),
    "two backups share a temporary file": Planted(
        _one_temporary_name, "tests/cli/test_backup.py::test_two_backups_to_one_file"
    ),
    "a start does not wait for the disk": Planted(
        _start_gives_up, "tests/flow/test_storage.py::test_opening_is_tried_for_a_minute"
    ),
}
"""The bugs that can be put in, by name."""
