"""A crash at any byte of a write: what is left is mended, and every order is there once after it was sent again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connector.receivers.base import Delivery
from connector.receivers.file import FileReceiver
from tests.receivers.file_bench import FORMS, held, receiver

IDS = [f"shop-{n}" for n in range(1, 4)]
COLUMNS = {"columns": ["notes", "lines"]}


def small(external_id: str) -> Delivery:
    """Return an order of few bytes, which has a comma, a quote, and two lines."""
    body = {"notes": 'a "b", é', "lines": [{"sku": "A"}, {"sku": "B"}]}
    return Delivery(external_id, json.dumps(body).encode())


async def deliver(made: FileReceiver) -> list[str]:
    """Do what the flow does after a crash: look each up, and create what is not there. Return what was created."""
    missing = [each for each in IDS if await made.find(each) is None]
    for each in missing:
        await made.create(small(each))
    return missing


@pytest.mark.parametrize("form", FORMS)
async def test_at_every_byte(tmp_path: Path, form: str) -> None:
    """No line stays torn, none is there twice, and what was whole before stays byte for byte."""
    own = FORMS[form] | (COLUMNS if form != "jsonl" else {})
    path = tmp_path / "whole"
    async with receiver(path, **own) as made:
        assert await deliver(made) == IDS
    whole = path.read_bytes()

    torn = tmp_path / "torn"
    for cut in range(len(whole)):
        torn.write_bytes(whole[:cut])
        async with receiver(torn, **own) as made:
            missing = await deliver(made)
        assert held(torn, form) == IDS, f"cut at byte {cut}"
        assert missing or (form, cut) == ("jsonl", len(whole) - 1), "a whole object that only lacks its line break"
        assert torn.read_bytes() == whole, f"cut at byte {cut}"
