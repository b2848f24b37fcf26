"""Receivers list the orders that they took last, so that an older journal is known by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connector.errors import TransientError
from connector.receivers.base import Receipt, SupportsNewest
from connector.receivers.ewarehousing.receiver import PAGE_SIZE, EwarehousingReceiver
from connector.receivers.file.receiver import FileReceiver
from connector.receivers.webhook.receiver import WebhookReceiver
from tests.receivers.ewarehousing.bench import ORDERS, bench
from tests.receivers.ewarehousing.test_receiver_find import record
from tests.receivers.file.bench import delivery, names, order, receiver
from tests.receivers.file.test_handover import WAYS, settings

pytestmark = pytest.mark.fault(130)


def test_who_can() -> None:
    """The protocol and the settings of a receiver say the same."""
    for kind, can in ((EwarehousingReceiver, True), (FileReceiver, True), (WebhookReceiver, False)):
        assert (issubclass(kind, SupportsNewest), kind.settings.lists_newest) == (can, can)


async def test_one_page_of_the_list() -> None:
    """One call, newest first; a record without an external id is left out."""
    rows = [record(3, "shop-3"), record(2, ""), record(1, "shop-1")]
    async with bench(lambda _query: rows) as b:
        found = await b.receiver.newest(50)
    assert [each for each, _ in found] == ["shop-3", "shop-1"]
    assert found[0][1] == Receipt(id="id-3", reference="ORD3", status="created")
    (call,) = b.vendor.sent(ORDERS)
    assert dict(call.query) == {"limit": "50", "sort": "createdAt", "direction": "desc"}


@pytest.mark.parametrize(("count", "certain"), [(PAGE_SIZE, False), (PAGE_SIZE - 1, True)])
async def test_a_list_that_begins_with_its_oldest(count: int, certain: bool) -> None:
    """A full page of the oldest orders shows nothing of the newest; a page that is not full shows them all."""
    rows: list[dict[str, Any]] = [
        {**record(each, f"shop-{each}"), "created_at": f"2026-03-24T10:{each:02}:00+00:00"} for each in range(count)
    ]
    async with bench(lambda _query: rows) as b:
        if certain:
            assert len(await b.receiver.newest(50)) == count
        else:
            with pytest.raises(TransientError, match="begins with its oldest orders"):
                await b.receiver.newest(50)


@pytest.mark.parametrize("way", [*WAYS, "follow"])
async def test_the_last_orders_of_a_file(tmp_path: Path, way: str) -> None:
    """The newest first, from the file that was written last, also by a process before this one; nothing is changed."""
    own = {"hand_over": "follow"} if way == "follow" else settings(way)
    async with receiver(tmp_path / "orders", **own) as first:
        assert await first.newest(5) == []
        for number in range(1, 9):
            await first.create(delivery(first, str(number)))
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    async with receiver(tmp_path / "orders", **own) as second:
        found = [each for each, _ in await second.newest(3)]
    assert found == (["shop-8"] if way == "in batches" else ["shop-8", "shop-7", "shop-6"])
    assert before == {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}


async def test_the_end_of_a_large_file(tmp_path: Path) -> None:
    """More is read where orders are large, and no more than is needed."""
    async with receiver(tmp_path / "orders") as own:
        for number in range(1, 5):
            await own.create(delivery(own, order(str(number), notes="x" * 100_000)))
        assert [each for each, _ in await own.newest(2)] == ["shop-4", "shop-3"]
        assert [each for each, _ in await own.newest(50)] == ["shop-4", "shop-3", "shop-2", "shop-1"]


async def test_a_file_that_was_taken_away(tmp_path: Path) -> None:
    """Only hashes are left of its orders, which cannot be listed."""
    async with receiver(tmp_path / "orders") as own:
        await own.create(delivery(own, "1"))
        (tmp_path / "orders").rename(tmp_path / "taken")
        with pytest.raises(TransientError, match="was taken away, so its orders cannot be listed any more"):
            await own.newest(5)
        await own.create(delivery(own, "2"))
        assert [each for each, _ in await own.newest(5)] == ["shop-2"]
