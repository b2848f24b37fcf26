"""A crash at any byte of a write: the rest is mended, and every order is there once after it was sent again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connector.errors import EndpointError
from connector.receivers.base import Delivery
from connector.receivers.file.receiver import FileReceiver
from tests.receivers.file.bench import FORMS, held, receiver

IDS = [f"shop-{n}" for n in range(1, 4)]
COLUMNS = {"columns": ["notes", "lines"]}


def small(external_id: str) -> Delivery:
    """Return an order of few bytes, which has a comma, a quote, and two lines."""
    body = {"notes": 'a "b", é', "lines": [{"sku": "A"}, {"sku": "B"}]}
    return Delivery(external_id, json.dumps(body).encode())


async def deliver(made: FileReceiver) -> list[str]:
    """Do as the flow does after a crash: look each order up, and create the absent ones. Return the created ones."""
    missing = [each for each in IDS if await made.find(each) is None]
    for each in missing:
        await made.create(small(each))
    return missing


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
async def test_at_every_byte(tmp_path: Path, form: str) -> None:
    """No line stays torn, none is there twice, and whole lines stay byte for byte."""
    own = FORMS[form] | (COLUMNS if form != "jsonl" else {})
    path = tmp_path / "whole"
    async with receiver(path, **own) as made:
        assert await deliver(made) == IDS
    whole = path.read_bytes()

    torn = tmp_path / "torn"
    for cut in range(len(whole)):
        torn.with_name(".torn.handed").unlink(missing_ok=True)  # as a version left it that kept no record
        torn.write_bytes(whole[:cut])
        async with receiver(torn, **own) as made:
            missing = await deliver(made)
        assert held(torn, form) == IDS, f"cut at byte {cut}"
        assert missing or (form, cut) == ("jsonl", len(whole) - 1), "a whole object that only lacks its line break"
        assert torn.read_bytes() == whole, f"cut at byte {cut}"


@pytest.mark.parametrize("end", [b"shop-3,1,2,x,A\n", b"shop-3,1,2,x,A\nshop-3,2,", b"shop-2,1,2,x,A\nshop-2"])
async def test_an_order_that_somebody_cut_short_is_no_end_of_a_crash(tmp_path: Path, end: bytes) -> None:
    """
    Its other row was taken out, and it counts as delivered; the end behind it is one that a crash left.

    With only that gone, the next start would take the order for another such end.
    """
    own = FORMS["csv by line"] | {"columns": ["notes", "sku"]}
    path = tmp_path / "orders.csv"
    before = b"external_id,row,rows,notes,sku\nshop-1,1,2,x,A\nshop-1,2,2,x,B\nshop-2,1,2,x,A\n"
    path.write_bytes(before + end)
    async with receiver(path, **own) as made:
        with pytest.raises(EndpointError, match=r"rows are missing of the order in line 4, .*; complete that order"):
            await made.create(small("shop-4"))
    assert path.read_bytes() == before + end

    path.write_bytes(before + b"shop-2,2,2,x,B\n" + end)
    for external_id in ("shop-4", "shop-5"):
        async with receiver(path, **own) as made:
            assert await made.find("shop-2") is not None
            await made.create(small(external_id))
    assert held(path, "csv by line")[:2] == ["shop-1", "shop-2"]
