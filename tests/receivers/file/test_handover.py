"""A consumer takes files away at any moment, and the process is killed at any: no order is lost, none there twice."""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import anyio
import pytest

from connector.errors import ConflictError, EndpointError, InDoubtError, RejectedError, SettingsError
from connector.receivers.file.disk import Disk
from connector.receivers.file.settings import FileSettings
from connector.settings import parse
from tests.journal.processes import other_process
from tests.receivers.file.bench import FORMS, delivery, held, names, order, receiver
from tests.receivers.file.consumer import Consumer
from tests.settings.vendors import SOURCES

T = TypeVar("T")

WAYS: dict[str, dict[str, Any]] = {
    **FORMS,
    "in batches": {"hand_over": "rename", "batch": {"orders": 8, "age": 0.01}},
    "daily": {"rotate": "daily"},
}


def settings(way: str) -> dict[str, Any]:
    """Return the keys of a way as the struct takes them."""
    own = dict(WAYS[way])
    if "batch" in own:
        own["batch"] = type(FileSettings(path="x").batch)(**own["batch"])
    return own


class Meddled(Disk):
    """Lets a consumer come at every step of every write."""

    def __init__(self, consumer: Consumer) -> None:
        self.consumer = consumer

    def size(self, fd: int) -> int:
        """Let it come before and after."""
        return self._meddled(super().size, fd)

    def write(self, fd: int, data: memoryview) -> int:
        """Likewise, in the middle of a line."""
        return self._meddled(super().write, fd, data[: max(1, len(data) // 2)])

    def sync(self, fd: int) -> None:
        """Likewise."""
        self._meddled(super().sync, fd)

    def _meddled(self, step: Callable[..., T], *arguments: Any) -> T:
        self.consumer.take()
        try:
            return step(*arguments)
        finally:
            self.consumer.take()


def folder(tmp_path: Path) -> Path:
    """Make the folder that the consumer looks into."""
    made = tmp_path / "out"
    made.mkdir()
    return made


@pytest.mark.fault(129)
@pytest.mark.parametrize("way", WAYS)
async def test_a_consumer_that_comes_at_every_step(tmp_path: Path, way: str) -> None:
    """Before, amid and after each write and sync: it gets whole files only, and every order in one of them."""
    consumer = Consumer(folder(tmp_path), way)
    async with receiver(consumer.folder / "orders.x", disk=Meddled(consumer), **settings(way)) as made:
        for number in range(6):
            await made.create(delivery(made, str(number)))
            assert await made.find(f"shop-{number}") is not None
    consumer.take()
    assert consumer.torn == []
    assert consumer.have == Counter(f"shop-{number}" for number in range(6))


@pytest.mark.fault(129)
@pytest.mark.parametrize("way", WAYS)
async def test_a_consumer_in_a_loop(tmp_path: Path, way: str) -> None:
    """A thread that takes away as fast as it can, while eight orders at a time are written."""
    consumer = Consumer(folder(tmp_path), way)
    with consumer.coming():
        async with receiver(consumer.folder / "orders.x", **settings(way)) as made, anyio.create_task_group() as tg:
            room = anyio.Semaphore(8)

            async def one(number: int) -> None:
                async with room:
                    await made.create(delivery(made, str(number)))

            for number in range(200):
                tg.start_soon(one, number)
    consumer.take()
    assert consumer.torn == []
    assert consumer.have == Counter(f"shop-{number}" for number in range(200))


ORDERS = 60
KILLS = 4
WRITER = f"""
import os, signal, sys
from pathlib import Path
import anyio
from tests.receivers.file.bench import delivery, order, receiver
from tests.receivers.file.test_handover import settings

left = int(sys.argv[3])

def dying(function):
    def step(*arguments, **more):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **more)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return step

file_store.hide = dying(file_store.hide)
file_store.publish = dying(file_store.publish)
file_store.HandoverLog.add = dying(file_store.HandoverLog.add)
file_store.AppendFile.append = dying(file_store.AppendFile.append)

async def main() -> None:
    async with receiver(Path(sys.argv[1]), **settings(sys.argv[2])) as made, anyio.create_task_group() as tg:
        room = anyio.Semaphore(8)

        async def one(number: str) -> None:
            async with room:
                if await made.find("shop-" + number) is None:
                    await made.create(delivery(made, order(number, 3)))
                print(number, flush=True)

        for number in map(str, range({ORDERS})):
            tg.start_soon(one, number)

anyio.run(main)
"""


@pytest.mark.slow
@pytest.mark.fault(129)
@pytest.mark.parametrize("way", WAYS)
async def test_a_crash_a_pick_up_and_a_restart(tmp_path: Path, way: str) -> None:
    """A process is killed at each step, the consumer comes, and the next process looks up before it writes."""
    consumer, random = Consumer(folder(tmp_path), way), Random(way)
    promised: set[str] = set()
    for _ in range(KILLS):
        with other_process(WRITER, consumer.folder / "orders.x", way, str(random.randint(2, 40))) as process:
            assert process.stdout is not None
            for line in process.stdout:
                promised.add(f"shop-{line.strip()}")
        consumer.take()  # what was promised may be aside: the next start puts it back
    async with receiver(consumer.folder / "orders.x", **settings(way)) as made, anyio.create_task_group() as tg:

        async def last(number: int) -> None:
            if await made.find(f"shop-{number}") is None:
                await made.create(delivery(made, order(str(number))))

        for number in range(ORDERS):
            tg.start_soon(last, number)
    consumer.take()
    assert consumer.torn == []
    assert promised < consumer.have.keys(), "the kills came in the middle"
    assert consumer.have == Counter(f"shop-{number}" for number in range(ORDERS))
    assert names(consumer.folder) == []


async def test_who_takes_the_hidden_file_leaves_its_orders_to_a_person(tmp_path: Path) -> None:
    """The consumer may or may not have read them: they are in doubt, and a look-up names the steps for an operator."""

    class Greedy(Disk):
        def sync(self, fd: int) -> None:
            with suppress(FileNotFoundError):
                (tmp_path / ".o.jsonl.writing").rename(tmp_path / "taken")

    async with receiver(tmp_path / "o.jsonl", disk=Greedy()) as made:
        with pytest.raises(InDoubtError, match="taken away while it was written"):
            await made.create(delivery(made, "1"))
        with pytest.raises(ConflictError, match="If its consumer has the order, skip it"):
            await made.find("shop-1")
        with pytest.raises(RejectedError) as caught:
            await made.create(delivery(made, "1"))
    assert caught.value.duplicate


async def test_the_record_that_is_taken_away_is_written_anew(tmp_path: Path) -> None:
    """A running process has its content in memory."""
    async with receiver(tmp_path / "o.jsonl") as made:
        await made.create(delivery(made, "1"))
        (tmp_path / "o.jsonl").unlink()
        (tmp_path / ".o.jsonl.handed").unlink()
        await made.create(delivery(made, "2"))
    async with receiver(tmp_path / "o.jsonl") as made:
        assert await made.find("shop-1") is not None
        assert await made.find("shop-2") is not None


async def test_a_record_that_cannot_be_written_takes_the_orders_back(tmp_path: Path) -> None:
    """Both are there, or neither: an order that is not logged could be written twice."""

    class Failing(Disk):
        failing = False

        def write(self, fd: int, data: memoryview) -> int:
            if self.failing and bytes(data[:1]) != b"{":
                raise OSError(28, "No space left on device")
            return super().write(fd, data)

    disk = Failing()
    async with receiver(tmp_path / "o.jsonl", disk=disk) as made:
        await made.create(delivery(made, "1"))
        disk.failing = True
        with pytest.raises(Exception, match="No space left"):
            await made.create(delivery(made, "2"))
        assert held(tmp_path / "o.jsonl", "jsonl") == ["shop-1"]
        assert await made.find("shop-2") is None
        disk.failing = False
        await made.create(delivery(made, "2"))
    assert held(tmp_path / "o.jsonl", "jsonl") == ["shop-1", "shop-2"]


async def test_another_file_in_the_place_of_one_that_was_left_aside(tmp_path: Path) -> None:
    """Neither is overwritten: a person moves one away, and the orders that were written are found."""
    path = tmp_path / "o.jsonl"
    async with receiver(path) as made:
        await made.create(delivery(made, "1"))
    path.rename(tmp_path / ".o.jsonl.writing")
    path.write_bytes(b"{}\n")
    async with receiver(path) as made:
        with pytest.raises(EndpointError, match="another file is at the place"):
            await made.find("shop-1")
    path.unlink()
    async with receiver(path) as made:
        assert await made.find("shop-1") is not None
    assert held(path, "jsonl") == ["shop-1"]


async def test_an_unfinished_record_is_cut_off(tmp_path: Path) -> None:
    """A crash left half a line; its order is aside, and is recorded from there. Half of one is no order."""
    path = tmp_path / "o.jsonl"
    async with receiver(path) as made:
        await made.create(delivery(made, "1"))
        await made.create(delivery(made, "2"))
    record = tmp_path / ".o.jsonl.handed"
    os.truncate(record, record.stat().st_size - 5)
    path.rename(tmp_path / ".o.jsonl.writing")
    async with receiver(path) as made:
        assert await made.find("shop-2") is not None
    assert len(record.read_bytes().splitlines()) == 2
    record.write_bytes(b"notes\n")
    async with receiver(path) as made:
        with pytest.raises(EndpointError, match="line 1 is no entry of this log"):
            await made.find("shop-2")


async def test_two_processes_do_not_write_the_same_files(tmp_path: Path) -> None:
    """Not even while there is no file: the lock is on the record."""
    async with receiver(tmp_path / "o.jsonl") as made, receiver(tmp_path / "o.jsonl") as other:
        await made.create(delivery(made, "1"))
        (tmp_path / "o.jsonl").unlink()
        with pytest.raises(Exception, match="another process is writing these files"):
            await other.create(delivery(other, "2"))


@pytest.mark.parametrize(
    ("batch", "orders", "files"),
    [({"orders": 3, "age": 0.5}, 7, [3, 3, 1]), ({"size": 1, "age": 5}, 3, [1, 1, 1]), ({"age": 0.01}, 5, [5])],
)
async def test_a_batch_is_a_file_by_count_size_or_age(
    tmp_path: Path, batch: dict[str, Any], orders: int, files: list[int]
) -> None:
    """Whole, in its place, named by time and number, with the rights that are wanted; a create returns after that."""
    kind = type(FileSettings(path="x").batch)
    own: dict[str, Any] = {"hand_over": "rename", "batch": kind(**batch), "mode": "0640", "timeout": 30.0}
    done: list[str] = []
    async with receiver(tmp_path / "orders.jsonl", **own) as made, anyio.create_task_group() as tg:

        async def one(number: int) -> None:
            done.append((await made.create(delivery(made, str(number)))).reference)

        for number in range(orders):
            tg.start_soon(one, number)
    found = names(tmp_path)
    assert [len(held(tmp_path / each, "jsonl")) for each in found] == files
    assert {reference.partition(":")[0] for reference in done} <= set(found)
    assert all(len(each) == len("orders-20260324T092607Z-000001.jsonl") for each in found)
    assert {stat.S_IMODE((tmp_path / each).stat().st_mode) for each in found} == {0o640}


async def test_no_batch_is_written_over_another(tmp_path: Path) -> None:
    """Its number continues with the log; without the log, an existing batch counts."""
    own: dict[str, Any] = {"hand_over": "rename", "batch": type(FileSettings(path="x").batch)(orders=1)}
    async with receiver(tmp_path / "o.jsonl", **own) as made:
        await made.create(delivery(made, "1"))
    (tmp_path / ".o.jsonl.handed").unlink()
    async with receiver(tmp_path / "o.jsonl", **own) as made:
        assert await made.find("shop-1") is not None
        await made.create(delivery(made, "2"))
    assert sorted(json.loads((tmp_path / each).read_text())["external_id"] for each in names(tmp_path)) == [
        "shop-1",
        "shop-2",
    ]


@pytest.mark.parametrize(
    ("keys", "place", "words"),
    [
        ("mode: 0640", "6:11: receivers.archive.mode", 'write it in quotes: "0640"'),
        ('mode: "0999"', "6:11: receivers.archive.mode", "0640"),
        ('mode: "0200"', "6:11: receivers.archive.mode", "0640"),
        ('mode: "0440"', "6:11: receivers.archive.mode", "its owner has to be able to write it"),
        ("batch: {orders: 3}", "6:12: receivers.archive.batch", "this is for hand_over: rename"),
        ("hand_over: rename\n    rotate: daily", "7:13: receivers.archive.rotate", "each batch is a file of its own"),
        ("hand_over: rename\n    batch: {age: 1m}", "7:18: receivers.archive.batch.age", "shorter than the timeout"),
    ],
)
def test_what_does_not_go_together_is_a_mistake_at_its_line(keys: str, place: str, words: str) -> None:
    """Before anything is written."""
    text = f"""\
sources: {{shop: {{type: shop, base_url: "https://shop.example", token: abc}}}}
receivers:
  archive:
    type: file
    path: orders.jsonl
    {keys}
routes: [{{source: shop, receivers: [archive]}}]
"""
    with pytest.raises(SettingsError) as caught:
        parse(text, sources=SOURCES, receivers={"file": FileSettings}, environ={})
    assert str(caught.value).startswith(f"settings.yaml:{place}")
    assert words in str(caught.value)
