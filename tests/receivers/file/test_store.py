"""The changes that a file receiver makes to its file, and those that it does not make."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import stat
import threading
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from connector.errors import ConflictError, EndpointError, InDoubtError, RejectedError, TransientError
from connector.receivers.base import Delivery, Receipt
from connector.receivers.file import index as file_index
from connector.receivers.file import receiver as file_module
from connector.receivers.file.disk import Disk
from connector.receivers.file.receiver import FileReceiver
from tests.receivers.file.bench import FORMS, FailingDisk, SetClock, delivery, held, names, receiver

FORM = pytest.mark.parametrize("form", FORMS)


class SlowDisk(Disk):
    """Syncs when it is allowed to."""

    def __init__(self) -> None:
        self.syncs = 0
        self.started = threading.Event()
        self.allowed = threading.Event()

    def sync(self, fd: int) -> None:
        """Wait for leave."""
        self.syncs += 1
        self.started.set()
        assert self.allowed.wait(30)


async def create(made: FileReceiver, *ids: str) -> list[Receipt]:
    """Create one after the other."""
    return [await made.create(delivery(made, each)) for each in ids]


@pytest.mark.attack(27)
async def test_an_order_is_a_line_with_its_external_id_first(tmp_path: Path) -> None:
    """The receipt names the file and the line; only the owner may read the file."""
    path = tmp_path / "orders.jsonl"
    async with receiver(path) as made:
        receipts = await create(made, "1", "2")
        found = await made.find("shop-2")
    lines = path.read_text("utf-8").splitlines()
    assert [each.startswith('{"external_id":"shop-') for each in lines] == [True, True]
    assert json.loads(lines[1])["lines"][0]["quantity"] == "1"
    assert receipts[1] == found == Receipt(id="shop-2", reference="orders.jsonl:2")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@FORM
async def test_a_new_process_finds_what_another_wrote(tmp_path: Path, form: str) -> None:
    """With the same receipt; and does not write it again."""
    path = tmp_path / "orders"
    async with receiver(path, **FORMS[form]) as made:
        before = await create(made, "1", "2", "3")
    async with receiver(path, **FORMS[form]) as made:
        assert [await made.find(each.id) for each in before] == before
        with pytest.raises(RejectedError, match="shop-2 is there already, at orders:") as caught:
            await create(made, "2")
    assert caught.value.duplicate
    assert held(path, form) == ["shop-1", "shop-2", "shop-3"]


async def test_creates_that_come_while_one_is_synced_share_the_next_sync(tmp_path: Path) -> None:
    """A hundred of them cost as many as one, and each returns only after it: the file's, and that of its record."""
    disk = SlowDisk()
    async with receiver(tmp_path / "orders.jsonl", disk=disk) as made, anyio.create_task_group() as tg:
        done: list[Receipt] = []

        async def one(order_id: str) -> None:
            done.append(await made.create(delivery(made, order_id)))

        tg.start_soon(one, "0")
        await to_thread.run_sync(disk.started.wait)
        for number in range(1, 101):
            tg.start_soon(one, str(number))
        await anyio.wait_all_tasks_blocked()
        assert done == []
        disk.allowed.set()
    assert disk.syncs == 4
    assert {each.reference for each in done} == {f"orders.jsonl:{n}" for n in range(1, 102)}
    assert len(set(held(tmp_path / "orders.jsonl", "jsonl"))) == 101


async def test_the_same_order_twice_in_one_group_is_there_once(tmp_path: Path) -> None:
    """The second is a duplicate of the first, which is on the disk by then."""
    async with receiver(tmp_path / "o.jsonl") as made:
        twice = [made.create(delivery(made, "1")) for _ in range(2)]
        first, second = await asyncio.gather(*twice, return_exceptions=True)
    assert isinstance(first, Receipt)
    assert isinstance(second, RejectedError)
    assert held(tmp_path / "o.jsonl", "jsonl") == ["shop-1"]


@FORM
@pytest.mark.parametrize("first", [0, 2])
@pytest.mark.parametrize("room", [0, 1, 20, 300])
async def test_a_full_disk_leaves_no_half_line(tmp_path: Path, form: str, first: int, room: int) -> None:
    """A started write is undone for the whole group; once there is room again, it is written."""
    path, disk = tmp_path / "orders", FailingDisk()
    async with receiver(path, disk=disk, **FORMS[form]) as made:
        await create(made, *map(str, range(first)))
        before = path.read_bytes() if first else None
        disk.failing, disk.room = ["write"], room
        group = [made.create(delivery(made, each)) for each in "789"]
        for each in await asyncio.gather(*group, return_exceptions=True):
            assert isinstance(each, TransientError)
        assert (path.read_bytes() if path.exists() else None) == before
        assert await made.find("shop-8") is None
        await create(made, "7", "8", "9")
    assert held(path, form) == [*(f"shop-{n}" for n in range(first)), "shop-7", "shop-8", "shop-9"]


@FORM
@pytest.mark.parametrize("room", [0, 1, 20, 150, None])
async def test_what_cannot_be_taken_back_is_in_doubt_until_it_is_read(
    tmp_path: Path, form: str, room: int | None
) -> None:
    """A whole line is then found; a half one is cut off, and written anew."""
    path, disk = tmp_path / "orders", FailingDisk()
    async with receiver(path, disk=disk, **FORMS[form]) as made:
        await create(made, "1")
        disk.failing, disk.room = ["sync" if room is None else "write", "truncate"], room or 0
        with pytest.raises(InDoubtError):
            await create(made, "2")
        found = await made.find("shop-2")
        assert (found is not None) is (room is None)
        if found is None:
            await create(made, "2")
        await create(made, "3")
    assert held(path, form) == ["shop-1", "shop-2", "shop-3"]


async def test_a_disk_that_stays_full_pauses_the_receiver(tmp_path: Path) -> None:
    """One group that fails is one failure, however many orders it has; five in a row, and it is left alone."""
    disk = FailingDisk()
    async with receiver(tmp_path / "o.jsonl", disk=disk) as made:
        disk.failing = ["write"] * 5
        for number in range(5):
            assert made.endpoint.breaker.state == "closed"
            group = [made.create(delivery(made, f"{number}-{each}")) for each in range(3)]
            assert all(isinstance(e, TransientError) for e in await asyncio.gather(*group, return_exceptions=True))
        assert made.endpoint.breaker.state == "open"
        with pytest.raises(TransientError, match="paused") as caught:
            await create(made, "1")
    assert caught.value.retry_after is not None


FOREIGN = b'{"invoice": 7}\n\nnot json\n{"external_id": 5}\n{"external_id": "web-1", "by": "hand"}\r\n\xff\xfe\n'


async def test_foreign_lines_stay_as_they_are(tmp_path: Path) -> None:
    """They count as lines, and an object with an external id counts as an order, whoever wrote it."""
    path = tmp_path / "orders.jsonl"
    path.write_bytes(FOREIGN)
    path.chmod(0o644)
    async with receiver(path) as made:
        assert await made.find("web-1") == Receipt(id="web-1", reference="orders.jsonl:5")
        (receipt,) = await create(made, "1")
    assert receipt.reference == "orders.jsonl:7"
    assert path.read_bytes().startswith(FOREIGN + b'{"external_id":"shop-1"')
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


async def test_a_whole_object_that_only_lacks_its_line_break_gets_it(tmp_path: Path) -> None:
    """A crash, or an editor, left it out."""
    path = tmp_path / "orders.jsonl"
    path.write_bytes(b'{"external_id": "shop-1", "by": "hand"}')
    async with receiver(path) as made:
        assert await made.find("shop-1") == Receipt(id="shop-1", reference="orders.jsonl:1")
        await create(made, "2")
    assert held(path, "jsonl") == ["shop-1", "shop-2"]


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("jsonl", b'{"invoice": 7}\n{"invoi'),
        ("jsonl", b"notes for tomorrow"),
        ("csv", b"sku;stock\n1;2\n"),
        ("csv", b"external_id,row"),
        ("csv", b"sku"),
        ("csv by line", b"external_id,source\nshop-1,shop\n"),
    ],
)
async def test_a_file_that_is_something_else_is_not_touched(tmp_path: Path, form: str, content: bytes) -> None:
    """Other columns, or an end that is not ours: somebody named the wrong file, or has to look at it."""
    path = tmp_path / "orders"
    path.write_bytes(content)
    async with receiver(path, **FORMS[form]) as made:
        with pytest.raises(EndpointError):
            await create(made, "1")
    async with receiver(path, **FORMS[form]) as made:
        with pytest.raises(EndpointError):
            await made.find("shop-1")
    assert path.read_bytes() == content


async def test_a_row_that_somebody_spoilt_spoils_no_other(tmp_path: Path) -> None:
    """A quote left open, an added line break, other line ends: the rows behind it are still recognised."""
    path = tmp_path / "orders.csv"
    async with receiver(path, format="csv") as made:
        await create(made, "1", "2", "3")
    spoilt = path.read_bytes().replace(b"shop-1,shop", b'shop-1,"sh\nop').replace(b"\nshop-3", b"\r\nshop-3")
    path.write_bytes(spoilt)
    async with receiver(path, format="csv") as made:
        places = [found and found.reference for found in [await made.find(f"shop-{n}") for n in (1, 2, 3)]]
        await create(made, "4")
    assert places == ["orders.csv:2", "orders.csv:4", "orders.csv:5"]
    assert path.read_bytes().startswith(spoilt + b"shop-4,")


@pytest.mark.attack(28)
@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe", "no folder"])
async def test_what_is_no_file_of_its_own_is_refused(tmp_path: Path, kind: str) -> None:
    """A link in a shared folder would lead us to write into somebody else's file."""
    path, target = tmp_path / "orders.jsonl", tmp_path / "target"
    match kind:
        case "link":
            target.write_bytes(b"")
            path.symlink_to(target)
        case "dangling link":
            path.symlink_to(target)
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case _:
            path = tmp_path / "missing" / "orders.jsonl"
    async with receiver(path) as made:
        with pytest.raises(EndpointError, match=str(path)):
            await create(made, "1")
        with pytest.raises(EndpointError):
            await made.check()
    assert not target.exists() or target.read_bytes() == b""


@pytest.mark.attack(22)
async def test_an_external_id_never_becomes_a_path(tmp_path: Path) -> None:
    """Whatever is in it."""
    async with receiver(tmp_path / "o.jsonl", rotate="daily") as made:
        for hostile in ("../../evil", "/etc/evil", "a\x00b", "\n{}", "x" * 5000, ""):
            receipt = await made.create(Delivery(hostile, b"{}"))
            assert receipt == await made.find(hostile)
    assert len(names(tmp_path)) == 1
    assert not any("evil" in name for name in names(tmp_path.parent))


async def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    """Whoever fetches orders may rename the file at any time; the next order makes a new one. They stay known."""
    path = tmp_path / "orders.csv"
    async with receiver(path, format="csv") as made:
        await create(made, "1", "2")
        path.rename(tmp_path / "fetched.csv")
        assert await made.find("shop-1") == Receipt(id="shop-1", reference="orders.csv:2")
        await create(made, "3")
        assert await made.find("shop-3") == Receipt(id="shop-3", reference="orders.csv:2")
    assert held(tmp_path / "fetched.csv", "csv") == ["shop-1", "shop-2"]
    assert held(path, "csv") == ["shop-3"]


async def test_what_others_do_to_the_file_is_noticed(tmp_path: Path) -> None:
    """Added lines count; an order that was handed over still counts when a consumer removes it."""
    path = tmp_path / "o.jsonl"
    async with receiver(path) as made:
        await create(made, "1", "2")
        with path.open("ab") as file:
            file.write(b'{"external_id": "shop-3"}\n')
        assert await made.find("shop-3") == Receipt(id="shop-3", reference="o.jsonl:3")
        with path.open("r+b") as file:
            file.truncate(len(path.read_bytes().splitlines(keepends=True)[0]))
        assert await made.find("shop-2") == Receipt(id="shop-2", reference="o.jsonl:2")
        assert (await create(made, "4"))[0].reference == "o.jsonl:2"
        with path.open("ab") as file:
            file.write(b'{"external_id": "shop-4"}\n')
        with pytest.raises(ConflictError, match=r"2 records are shop-4, the first one at o\.jsonl:2"):
            await made.find("shop-4")
    assert held(path, "jsonl") == ["shop-1", "shop-4", "shop-4"]


@FORM
async def test_a_file_a_day_by_the_utc_day_of_writing(tmp_path: Path, form: str) -> None:
    """All of them are looked into, whichever day it is, and an order of yesterday is not written again."""
    clock = SetClock("2026-03-25T00:30:00+01:00")
    own = {"rotate": "daily", **FORMS[form]}
    async with receiver(tmp_path / "orders.x", clock=clock, **own) as made:
        await create(made, "1", "2")
        clock.at = clock.at.replace(hour=1, minute=0)
        await create(made, "3")
        assert [await made.find(f"shop-{n}") is not None for n in (1, 2, 3, 4)] == [True, True, True, False]
        clock.at = clock.at.replace(hour=0, minute=59)  # the clock was put back
        await create(made, "4")
        with pytest.raises(RejectedError):
            await create(made, "3")
    yesterday, today = tmp_path / "orders-2026-03-24.x", tmp_path / "orders-2026-03-25.x"
    assert names(tmp_path) == [yesterday.name, today.name]
    assert (held(yesterday, form), held(today, form)) == (["shop-1", "shop-2", "shop-4"], ["shop-3"])


async def test_a_day_that_ended_in_a_crash_is_mended_on_the_next(tmp_path: Path) -> None:
    """The half line of yesterday is cut off, and its order is written today; other files are none of ours."""
    clock = SetClock("2026-03-24T23:59:59+00:00")
    others = [tmp_path / name for name in ("orders.jsonl", "orders-2026-03-24.jsonl.gz", "x-orders-2026-03-24.jsonl")]
    async with receiver(tmp_path / "orders.jsonl", clock=clock, rotate="daily") as made:
        await create(made, "1", "2")
    yesterday = tmp_path / "orders-2026-03-24.jsonl"
    (tmp_path / ".orders.jsonl.handed").unlink()  # as a version left it that kept no record
    os.truncate(yesterday, yesterday.stat().st_size - 40)
    for other in others:
        other.write_bytes(b'{"external_id": "shop-2"')
    clock.at = clock.at.replace(day=25)
    async with receiver(tmp_path / "orders.jsonl", clock=clock, rotate="daily") as made:
        assert await made.find("shop-1") is not None
        assert await made.find("shop-2") is None
        assert (await create(made, "2"))[0].reference == "orders-2026-03-25.jsonl:1"
    assert held(yesterday, "jsonl") == ["shop-1"]
    assert {other.read_bytes() for other in others} == {b'{"external_id": "shop-2"'}


async def test_a_write_that_takes_too_long_is_in_doubt(tmp_path: Path) -> None:
    """The disk continues the write; a look-up waits for the disk, and then has the result."""
    disk = SlowDisk()
    async with receiver(tmp_path / "o.jsonl", disk=disk, timeout=0.05) as made:
        with pytest.raises(InDoubtError):
            await create(made, "1")
        with pytest.raises(TransientError):
            await made.find("shop-1")
        disk.allowed.set()
        assert made._writer is not None
        await made._writer
        assert await made.find("shop-1") is not None


async def test_a_create_that_is_given_up_is_whole_or_not_there(tmp_path: Path) -> None:
    """Cancelled while the disk works: the line is there. Cancelled before its turn: it is not written at all."""
    disk = SlowDisk()
    async with receiver(tmp_path / "o.jsonl", disk=disk) as made:
        first = asyncio.create_task(made.create(delivery(made, "1")))
        await to_thread.run_sync(disk.started.wait)
        second = asyncio.create_task(made.create(delivery(made, "2")))
        await anyio.wait_all_tasks_blocked()
        first.cancel()
        second.cancel()
        await asyncio.wait([first, second])
        disk.allowed.set()
    assert (first.cancelled(), second.cancelled()) == (True, True)
    assert held(tmp_path / "o.jsonl", "jsonl") == ["shop-1"]


async def test_an_order_of_any_size_is_refused_rather_than_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order that could be written but not read again would be written twice."""
    monkeypatch.setattr(file_module, "LARGEST", 500)
    monkeypatch.setattr(file_index, "LARGEST", 500)
    async with receiver(tmp_path / "o.jsonl") as made:
        with pytest.raises(RejectedError, match="bytes"):
            await made.create(Delivery("shop-1", json.dumps({"notes": "x" * 500}).encode()))
        (tmp_path / "o.jsonl").write_bytes(b"x" * 2000 + b"\n")
        with pytest.raises(EndpointError, match="line 1 does not end"):
            await made.find("shop-1")


async def test_a_check_makes_and_mends_nothing(tmp_path: Path) -> None:
    """It counts the orders, even while another process writes the file."""
    path = tmp_path / "orders.jsonl"
    async with receiver(path) as made, receiver(path) as other:
        assert (await made.check()).endswith("not there yet, and can be made")
        assert not path.exists()
        await create(other, "1", "2")
        with path.open("ab") as file:
            file.write(b'{"external_id":"sho')
        before = path.read_bytes()
        assert (await made.check()).endswith("2 orders, and can be written")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, TransientError),
        (errno.EDQUOT, TransientError),
        (errno.EIO, TransientError),
        (errno.EROFS, TransientError),
    ],
)
async def test_a_failed_write_that_was_taken_back_is_tried_again(tmp_path: Path, code: int, kind: type) -> None:
    """Whatever the reason: the text names it and the file."""
    disk = FailingDisk()
    disk.failing, disk.code = ["write"], code
    async with receiver(tmp_path / "o.jsonl", disk=disk) as made:
        with pytest.raises(kind, match=rf"o\.jsonl: {os.strerror(code)}"):
            await create(made, "1")
