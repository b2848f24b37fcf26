"""A file that is followed while it grows: never renamed, each order once; doubtful orders are left to an operator."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from subprocess import PIPE
from typing import Any

import anyio
import pytest

from connector.errors import ConflictError, InDoubtError, RejectedError, TransientError
from connector.receivers.file.disk import Disk
from tests.receivers.file.bench import FailingDisk, delivery, held, receiver

FOLLOWED: dict[str, Any] = {"hand_over": "follow"}


class Ending(Disk):
    """Ends the process, as seen by the receiver, at a step."""

    def __init__(self, step: str) -> None:
        self.step = step

    def write(self, fd: int, data: memoryview) -> int:
        """End before anything of an order is written, or write."""
        if self.step == "write" and b"shop-" in bytes(data):
            raise SystemExit
        return super().write(fd, data)

    def look(self, path: Path) -> os.stat_result:
        """End after the order was written, or look."""
        if self.step == "look":
            raise SystemExit
        return super().look(path)


class Taken(Disk):
    """Lets a consumer take the file away just before the order in it is synced."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def sync(self, fd: int) -> None:
        """Take it away, once, when it is that file which is synced."""
        there = self.path.exists() and self.path.stat().st_ino == os.fstat(fd).st_ino
        if there and os.fstat(fd).st_size:
            self.path.rename(self.path.with_name("taken"))
        super().sync(fd)


@pytest.mark.fault(129)
async def test_who_follows_the_file_by_its_name_reads_each_order_once(tmp_path: Path) -> None:
    """`tail -F` begins again with a file that comes back under its name; this one never goes."""
    path = tmp_path / "orders.jsonl"
    path.touch()
    async with await anyio.open_process(["tail", "-n", "+1", "-F", str(path)], stdout=PIPE, stderr=PIPE) as tail:
        async with receiver(path, **FOLLOWED) as made:
            for number in range(40):
                await made.create(delivery(made, str(number)))
                assert await made.find(f"shop-{number}") is not None
        assert tail.stdout is not None
        read = b""
        while b"shop-39" not in read or not read.endswith(b"\n"):
            read += await tail.stdout.receive()
        tail.terminate()
    ids = Counter(json.loads(line)["external_id"] for line in read.splitlines())
    assert Counter(f"shop-{number}" for number in range(40)) == ids


@pytest.mark.fault(129)
async def test_an_order_that_is_written_while_its_file_is_taken_away_is_left_to_a_person(tmp_path: Path) -> None:
    """The consumer may or may not have read it: the order is neither delivered nor written again."""
    path = tmp_path / "orders.jsonl"
    async with receiver(path, disk=Taken(path), **FOLLOWED) as made:
        with pytest.raises(InDoubtError, match="taken away while it was written"):
            await made.create(delivery(made, "1"))
        with pytest.raises(ConflictError, match="If its consumer has the order, skip it"):
            await made.find("shop-1")


@pytest.mark.parametrize("failing", ["write", "sync"])
async def test_an_order_that_could_not_be_written_can_be_written_again(tmp_path: Path, failing: str) -> None:
    """The record forgets it: a full disk leaves nothing for a person."""
    path = tmp_path / "orders.jsonl"
    disk = FailingDisk()
    async with receiver(path, disk=disk, **FOLLOWED) as made:
        await made.create(delivery(made, "1"))
        original = made.store._log.add

        def add(entries: Any) -> None:
            original(entries)
            disk.failing.append(failing)

        made.store._log.add = add  # type: ignore[method-assign]
        with pytest.raises(TransientError):
            await made.create(delivery(made, "2"))
        made.store._log.add = original  # type: ignore[method-assign]
        disk.failing.clear()

        assert await made.find("shop-2") is None
        await made.create(delivery(made, "2"))

    assert ["shop-1", "shop-2"] == held(path, "jsonl")


@pytest.mark.fault(129)
async def test_a_crash_before_the_write_leaves_the_order_to_a_person(tmp_path: Path) -> None:
    """The log shows that it was about to be written, and the file lacks it: a consumer may have taken it away."""
    path = tmp_path / "orders.jsonl"
    async with receiver(path, disk=Ending("write"), **FOLLOWED) as made:
        with pytest.raises(SystemExit):
            made.store.append([("shop-1", b'{"external_id":"shop-1"}\n')], made._clock.now())
    async with receiver(path, **FOLLOWED) as made:
        with pytest.raises(ConflictError):
            await made.find("shop-1")


@pytest.mark.fault(129)
async def test_a_crash_after_the_write_finds_the_order_in_its_file(tmp_path: Path) -> None:
    """It is there, so it was written; it is not written again."""
    path = tmp_path / "orders.jsonl"
    async with receiver(path, disk=Ending("look"), **FOLLOWED) as made:
        with pytest.raises(SystemExit):
            made.store.append([("shop-1", b'{"external_id":"shop-1"}\n')], made._clock.now())
    async with receiver(path, **FOLLOWED) as made:
        assert await made.find("shop-1") is not None
        with pytest.raises(RejectedError) as caught:
            await made.create(delivery(made, "1"))
        await made.create(delivery(made, "2"))
    assert caught.value.duplicate
    assert ["shop-1", "shop-2"] == held(path, "jsonl")
