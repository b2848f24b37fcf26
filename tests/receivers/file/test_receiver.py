"""A file keeps the contract of a receiver, on a real disk; the rules about HTTP are skipped, visibly."""

from __future__ import annotations

import fcntl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest

from connector.clock import SystemClock
from connector.receivers import RECEIVERS
from connector.receivers.file.receiver import FileReceiver
from connector.receivers.file.settings import FileSettings
from tests.contracts.receiver import ReceiverContract
from tests.contracts.receiver_harness import Call, Harness, Vendor
from tests.receivers.file.bench import FORMS, FailingDisk, delivery, held, order


class FileHarness(Harness):
    """The receiver, its file, and a disk that can fail."""

    def __init__(self, path: Path, form: str) -> None:
        self.path = path
        self.form = form
        self.disk = FailingDisk()
        self.receiver: FileReceiver = FileReceiver(
            "archive", FileSettings(path=str(path), **FORMS[form]), SystemClock(), disk=self.disk
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """A file takes none."""
        return ()

    def ids(self, external_id: str) -> list[str]:
        """A record's id is its external id."""
        there = held(self.path, self.form) if self.path.exists() and self.path.stat().st_size else []
        return [each for each in there if each == external_id]

    def put(self, external_id: str, *, cancelled: bool = False) -> str:
        """Append to the file behind the receiver's back."""
        if cancelled:
            pytest.skip("what is in a file stays as it is")
        rows = self.receiver._rows
        with self.path.open("ab") as file:
            if not file.tell():
                file.write(rows.header)
            file.write(rows.written(delivery(self.receiver, order(external_id.removeprefix("shop-")))))
        return external_id

    def requests(self, call: Call) -> int:
        """Count the groups that were written."""
        return self.receiver.store.syncs if call == "create" else 0

    def lose(self, call: Call, *, applied: bool) -> None:
        """Let the disk fail after, or before, the line is written, so that it cannot be taken back either."""
        if call == "find":
            self.disk.failing.append("look")
        else:
            self.disk.failing += ["sync" if applied else "write", "truncate"]

    def answer(
        self, call: Call, status: int, body: bytes = b"", *, applied: bool = False, times: int = 1, echo: bool = False
    ) -> None:
        """A file has no answers."""
        pytest.skip("speaks no HTTP")

    def refusal(self, reason: str) -> bytes:
        """Likewise."""
        return b""


class TestFile(ReceiverContract):
    """The contract, for JSON lines."""

    receiver: ClassVar[type[Any]] = RECEIVERS["file"]
    logs_in: ClassVar[bool] = False
    reads_answers: ClassVar[bool] = False
    form: ClassVar[str] = "jsonl"

    @asynccontextmanager
    async def make(self, vendor: Vendor) -> AsyncIterator[Harness]:
        """Make a folder; a vendor that is down is another process that writes the file."""
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(TemporaryDirectory())
            harness = FileHarness(Path(folder) / "orders.txt", self.form)
            stack.push_async_callback(harness.receiver.aclose)
            if not vendor.up:
                other = stack.enter_context(harness.path.open("ab"))
                fcntl.flock(other, fcntl.LOCK_EX)
            yield harness


class TestCsvFile(TestFile):
    """The contract, for CSV with a row for each order."""

    receiver: ClassVar[type[Any]] = RECEIVERS["file"]
    form: ClassVar[str] = "csv"


class TestCsvFileByLine(TestFile):
    """The contract, for CSV with a row for each line of an order."""

    receiver: ClassVar[type[Any]] = RECEIVERS["file"]
    form: ClassVar[str] = "csv by line"
