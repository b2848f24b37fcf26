"""Responses to a create that decide more than a retry."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.http.wire import request, wire
from tests.wire.life import life
from tests.wire.mishaps import JSON, answer, applied, said

REFUSAL = b'{"errors": [{"propertyPath": "shipping_address.zipcode", "message": "This value is too long."}]}'
DUPLICATE = b'{"errors": [{"propertyPath": "external_reference", "message": "Reference is not unique"}]}'


@pytest.mark.fault(54)
@pytest.mark.attack(34)
async def test_an_answer_about_somebody_elses_order_holds_ours(tmp_path: Path) -> None:
    """A 201 that echoes another external id is a conflict: it needs a decision, and the source gets no report."""
    stranger = b'{"id": "019d1f2a-6cbb-7590-9f18-bf40ce127ec4", "external_id": "shop-1", "reference": "ORD1"}'
    found = await life(tmp_path, said(answer("201 Created", stranger, JSON)))

    assert ("held", ["held"], False) == (found.state, found.noted, found.told)
    assert 1 == found.creates


@pytest.mark.fault(56)
@pytest.mark.parametrize("status", ["400 Bad Request", "422 Unprocessable Content"])
async def test_a_refusal_counts_when_it_comes_again_and_a_look_up_shows_nothing(tmp_path: Path, status: str) -> None:
    """The order is rejected after the warehouse has said so twice, with a look-up after each; it is not retried."""
    found = await life(tmp_path, said(answer(status, REFUSAL, JSON)), times=2)

    assert ("rejected", ["not sent", "rejected"], 0, False) == (found.state, found.noted, found.records, found.told)
    assert ["POST", "GET", "GET", "POST", "GET"] == [line.split()[0] for line in found.asked if " /wms/orders/" in line]
    assert all("This value is too long." in why for why in found.why)


@pytest.mark.fault(56)
async def test_a_refusal_that_does_not_come_again_is_none(tmp_path: Path) -> None:
    """A rejection that does not recur has no effect: the order is looked up, created again, and acknowledged."""
    found = await life(tmp_path, said(answer("400 Bad Request", REFUSAL, JSON)))

    assert ("delivered", ["not sent"], 1, True) == (found.state, found.noted, found.records, found.told)
    assert found.looked_up_between


@pytest.mark.fault(56, 57)
@pytest.mark.parametrize("body", [REFUSAL, DUPLICATE], ids=["refusal", "duplicate"])
async def test_a_refusal_of_what_is_there_is_a_delivery(tmp_path: Path, body: bytes) -> None:
    """If a look-up shows the rejected order, it was applied all the same (for example, a gateway had sent it twice)."""
    found = await life(tmp_path, applied(said(answer("400 Bad Request", body, JSON))))

    assert ("delivered", ["found"], 1, True) == (found.state, found.noted, found.records, found.told)
    assert 1 == found.creates


@pytest.mark.fault(57)
async def test_a_duplicate_that_is_nowhere_is_in_doubt(tmp_path: Path) -> None:
    """The warehouse reports a duplicate and a look-up does not show it: it is looked up again, then created."""
    found = await life(tmp_path, said(answer("422 Unprocessable Content", DUPLICATE, JSON)))

    assert ("delivered", 1, True) == (found.state, found.records, found.told)
    assert ["in doubt"] == found.noted
    assert ["POST", "GET", "GET", "POST"] == [line.split()[0] for line in found.asked if " /wms/orders/" in line]


@pytest.mark.fault(83)
@pytest.mark.attack(1, 2)
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed(tmp_path: Path, status: str) -> None:
    """No byte reaches the other host; the order is not at fault, and is delivered once the address is right again."""
    reached: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        reached.append(await request(reader))

    async with wire(elsewhere) as other:
        found = await life(tmp_path, said(answer(status, b"", f"Location: {other}/wms/orders/")))

    assert [] == reached
    assert ("delivered", ["not sent"], 1, True) == (found.state, found.noted, found.records, found.told)
    assert found.looked_up_between
