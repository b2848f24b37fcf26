"""Orders through a whole connector to a webhook that fails half of the time, over real HTTP."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from connector.sandbox.server import Fault
from connector.sandbox.webhook import SECRET, WebhookStandIn
from tests.receivers.webhook.bench import IDS, Run


def half_dead(**more: Any) -> WebhookStandIn:
    """Return a stand-in that answers 500 to half of the posts: to one half of these after it has taken the order."""
    standin = WebhookStandIn(**more)
    chance = Random(7)
    coming: deque[Fault | None] = deque()
    now: list[Fault | None] = [None]

    def draw(request: web.Request) -> bool:
        if not coming:
            coming.extend(chance.sample([None, None, Fault.SERVER_ERROR, Fault.SERVER_ERROR_APPLIED], k=4))
        now[0] = coming.popleft() if request.method == "POST" else None
        return now[0] is Fault.SERVER_ERROR

    standin.fault(Fault.SERVER_ERROR, times=1_000_000, on=draw)
    standin.fault(Fault.SERVER_ERROR_APPLIED, times=1_000_000, on=lambda _: now[0] is Fault.SERVER_ERROR_APPLIED)
    return standin


@pytest.mark.parametrize(
    ("make", "own"),
    [
        pytest.param(lambda: half_dead(), {"idempotent": True}, id="recognises a repeat"),
        pytest.param(lambda: half_dead(repeats="refused"), {"idempotent": True}, id="refuses a repeat with 409"),
        pytest.param(lambda: half_dead(repeats="taken"), {"finds": True}, id="would take a repeat, but is asked"),
    ],
)
async def test_every_order_arrives_once_and_is_acknowledged(
    tmp_path: Path, make: Callable[[], WebhookStandIn], own: dict[str, Any]
) -> None:
    """Each try of an order has the same webhook-id and a signature that the library accepts, and one is enough."""
    run = Run(make(), **own)

    drained = await run.drained(tmp_path)

    wanted = {f"shop-{number}" for number in IDS}
    posts = Counter(call.headers["webhook-id"] for call in run.standin.history if call.method == "POST")
    assert Counter(wanted) == Counter(record.external_id for record in run.standin.records)
    assert (set(IDS), {}) == (set(run.source.told), run.source.feed)
    assert set(posts) == wanted
    assert posts.total() > len(IDS), "some were sent again"
    for call in run.standin.history:
        Webhook(SECRET).verify(call.body, call.headers, json_parse=False)
    assert ({}, []) == (drained.failed, run.held)


@pytest.mark.fault(77)
async def test_a_webhook_that_cannot_tell_leaves_what_is_in_doubt_to_a_person(tmp_path: Path) -> None:
    """Without a look-up, and without its word that it recognises a repeat, nothing is sent twice."""
    run = Run(half_dead(repeats="taken"))

    await run.drained(tmp_path)

    posts = Counter(call.headers["webhook-id"] for call in run.standin.history if call.method == "POST")
    assert set(posts.values()) == {1}
    assert {event.cause for event in run.held} == {"in doubt at erp"}
    assert 8 <= len(run.held) <= 15
    assert len(run.source.told) == len(IDS) - len(run.held)
