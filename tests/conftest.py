"""Prepares two of the test libraries, marks and times the tests, and closes the journals that a test leaves open."""

from __future__ import annotations

import gc
import inspect
import os
import signal
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import aiohttp
import anyio
import pytest
from aioresponses import core

from connector.journal.engine.connection import InlineDatabase

if "stream_writer" in inspect.signature(aiohttp.ClientResponse.__init__).parameters:
    # aioresponses 0.7.9 cannot build a response on aiohttp >= 3.14 (pnuckowski/aioresponses#289);
    # tests/unit/test_shim_needed.py says when this can go.
    class _Response(aiohttp.ClientResponse):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs.setdefault("stream_writer", SimpleNamespace(output_size=0))
            super().__init__(*args, **kwargs)

    core.ClientResponse = _Response  # type: ignore[attr-defined]

for _name in dir(anyio):
    # It loads its modules when they are first used. In a running loop, with another thread that loads something too,
    # CPython 3.11.7 may fail to compile them ("AST constructor recursion depth mismatch").
    getattr(anyio, _name)
anyio.run(anyio.sleep, 0)  # and its part for asyncio, when a loop first runs

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So it is in what a shell script starts with `&`, and every process that a test starts would ignore Ctrl-C too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


LONGEST = 2.0
"""Seconds that a test may last which is not marked `slow`."""


@dataclass
class Durations:
    """Adds up the time of set-up and call of each test that is not marked `slow`, and the CPU time of all of them."""

    seconds: dict[str, float] = field(default_factory=dict)
    cpu: float = 0.0

    def add(self, report: pytest.TestReport) -> None:
        """Count one phase of a test."""
        if report.when != "teardown" and "slow" not in report.keywords:
            self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
            self.cpu += getattr(report, "cpu", 0.0)

    def over(self, limit: float) -> list[tuple[float, str]]:
        """Return the tests that last longer than `limit` on an idle machine: wall time times the run's share of CPU."""
        share = min(1.0, self.cpu / (sum(self.seconds.values()) or 1.0))
        return sorted(
            ((each * share, name) for name, each in self.seconds.items() if each * share > limit), reverse=True
        )


_durations = Durations()
_spent = 0.0


def _cpu() -> float:
    """Return the CPU seconds of this process and of the processes that it has waited for."""
    return sum(os.times()[:4])


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--limit`."""
    text = "fail if a test that is not marked slow lasts longer; without it, the tests over two seconds are only listed"
    parser.addoption("--limit", type=float, metavar="SECONDS", help=text)


def pytest_collection_finish() -> None:
    """Leave the collected tests out of later garbage collections; thousands of them would slow each test down."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logstart() -> None:
    """Note the CPU time before a test."""
    global _spent
    _spent = _cpu()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the CPU time of the phase to its report, which a worker of pytest-xdist sends to the main process."""
    global _spent
    report = yield
    before, _spent = _spent, _cpu()
    report.cpu = _spent - before  # type: ignore[attr-defined]
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count the report of one phase."""
    _durations.add(report)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if a test lasted longer than `--limit`."""
    limit = session.config.getoption("limit")
    if limit and _durations.over(limit) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List the tests that need the marker `slow`."""
    limit = config.getoption("limit")
    if long := _durations.over(LONGEST):
        rule = f"; the limit is {limit:g} s" if limit else ""
        terminalreporter.section(f"over {LONGEST:g} s and not marked slow{rule}")
        for seconds, name in long:
            terminalreporter.write_line(f"{seconds:6.2f} s  {name}")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """
    Keep looptime out of tests that are not marked with it.

    It asks the policy for a loop in synchronous tests too; before Python 3.14 that makes one which nobody closes,
    and the warning fails some later test.
    """
    if pyfuncitem.get_closest_marker("looptime") is None:
        pyfuncitem.funcargs.pop("event_loop_policy", None)
    return (yield)


def pytest_itemcollected(item: pytest.Item) -> None:
    """
    Mark tests that look for planted bugs as slow, and let looptime's clock step on after one empty turn of the loop.

    Looptime waits 42 of them, for events of threads and sockets: a test that owns the time has neither, and a day in
    steps of a second would be three million turns.
    """
    if item.get_closest_marker("planted") is not None:
        item.add_marker(pytest.mark.slow)
    if item.get_closest_marker("looptime") is not None:
        item.add_marker(pytest.mark.looptime(noop_cycles=1))


@pytest.fixture(autouse=True)
def in_memory_journals_end_with_their_test(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close what a test leaves open in memory: since Python 3.13 an unclosed database warns in some later test."""
    made: list[InlineDatabase] = []
    init = InlineDatabase.__init__

    def noting(self: InlineDatabase) -> None:
        init(self)
        made.append(self)

    monkeypatch.setattr(InlineDatabase, "__init__", noting)
    yield
    for database in made:
        database._db.close()
