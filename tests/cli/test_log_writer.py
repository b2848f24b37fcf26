"""Lines for stderr never block: not the logging code, and the end of the process only briefly."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connector.cli.log_writer import LogWriter, QueuedStream
from tests.cli.process import ROOT, Vendors, run


def missing(lines: int) -> str:
    """Return the line that reports dropped lines."""
    return f"{lines} missing\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Create a full pipe."""
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    for size in (4096, 1):
        try:
            while True:
                os.write(writes, bytes(size))
        except BlockingIOError:
            continue
    os.set_blocking(writes, True)
    yield reads, writes
    os.close(reads)
    os.close(writes)


def emptied(reads: int) -> None:
    """Read from a full pipe all bytes that filled it."""
    left = 65536
    while left:
        left -= len(os.read(reads, left))


@pytest.mark.fault(139)
def test_a_pipe_that_nobody_empties(pipe: tuple[int, int]) -> None:
    """The queue keeps its capacity of lines, counts the rest, and reports the count once the pipe is read again."""
    reads, writes = pipe
    writer = LogWriter(writes, missing, most=3)
    writer.write("first\n")
    while writer._lines:  # its thread takes the first one, and blocks
        pass
    for number in range(10):
        writer.write(f"{number}\n")
    assert writer.dropped == 7
    assert not writer.flush(within=0.01)
    emptied(reads)
    assert writer.flush()
    assert os.read(reads, 1000) == b"first\n7 missing\n0\n1\n2\n"
    writer.write("more\n")
    assert writer.flush()
    assert (os.read(reads, 1000), writer.dropped) == (b"more\n", 0)


@pytest.mark.fault(139)
def test_a_file_that_takes_nothing() -> None:
    """Lines that cannot be written to a full disk are counted as dropped."""
    full = os.open("/dev/full", os.O_WRONLY)
    writer = LogWriter(full, missing)
    for number in range(5):
        writer.write(f"{number}\n")
    assert writer.flush()
    assert writer.dropped == 5
    reads, writes = os.pipe()
    os.dup2(writes, full)
    writer.write("again\n")
    assert writer.flush()
    assert os.read(reads, 1000) == b"again\n5 missing\n"
    for each in (full, reads, writes):
        os.close(each)


def test_what_draws_on_the_terminal_goes_the_same_way() -> None:
    """The live table is written in order with the log, and without blocking."""
    reads, writes = os.pipe()
    writer = LogWriter(writes, missing)
    stream = QueuedStream(writer)
    assert stream.write("a ü\n") == 4
    writer.write("b\n")
    stream.flush()
    assert writer.flush()
    assert os.read(reads, 100).decode() == "a ü\nb\n"
    for each in (reads, writes):
        os.close(each)


@pytest.mark.fault(139)
async def test_a_stderr_that_nobody_reads_stops_no_delivery(tmp_path: Path, pipe: tuple[int, int]) -> None:
    """With a blocked stderr all orders are delivered and acknowledged, and the process ends with its exit code."""
    vendors = Vendors(tmp_path, 8)
    async with vendors.serving():
        code = await _with_stderr(tmp_path, pipe[1])

    assert 0 == code
    assert vendors.wanted == vendors.created == vendors.told


async def _with_stderr(folder: Path, stderr: int) -> int:
    import asyncio

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "connector", "run", "--once"),
        cwd=folder,
        env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )
    async with asyncio.timeout(40):
        return await process.wait()


@pytest.mark.slow
async def test_an_output_on_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """A full disk under stdout is one line on stderr, no traceback and exit 1; a run has still done its work."""
    vendors = Vendors(tmp_path, 8)
    async with vendors.serving():
        for command in (["run", "--once", "--log-format", "console"], ["status"], ["orders"], ["echo"], ["--help"]):
            ended = await _to_a_full_disk(tmp_path, *command)
            said = [line for line in ended.stderr.decode().splitlines() if " info " not in line]
            assert (1, ["the output could not be written: No space left on device"]) == (ended.returncode, said), (
                command
            )
        again = await run("run", "--once", "--quiet", folder=tmp_path)

    assert 0 == again.code
    assert vendors.wanted == vendors.created == vendors.told


async def _to_a_full_disk(folder: Path, *command: str) -> subprocess.CompletedProcess[bytes]:
    import asyncio

    def wait() -> subprocess.CompletedProcess[bytes]:
        with Path("/dev/full").open("wb") as full:
            return subprocess.run(
                [sys.executable, "-m", "connector", *command],
                cwd=folder,
                env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT)},
                stdout=full,
                stderr=subprocess.PIPE,
                check=False,
                timeout=40,
            )

    return await asyncio.to_thread(wait)
