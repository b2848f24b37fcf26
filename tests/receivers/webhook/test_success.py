"""A 2xx that something in between wrote is no success: in doubt, looked up where that can be, else held."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from connector.errors import ConflictError, ConnectorError, EndpointError, InDoubtError, SettingsError, TransientError
from connector.receivers.webhook.settings import WebhookSettings
from connector.receivers.webhook.success import SuccessSettings
from connector.sandbox.webhook import WebhookStandIn
from connector.settings import parse
from tests.receivers.webhook.bench import IDS, Run, bench, delivery
from tests.settings.vendors import SOURCES

FOREIGN = [
    (200, b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"),
    (200, b'{"error": "no such shop"}'),
    (200, b'{"success": false}'),
    (207, b'[{"id": "1", "status": 422}]'),
    (202, b"ERROR: queue is full"),
    (200, '{"success": false}'.encode("utf-16")),
    (200, '{"success": false}'.encode("utf-16-be")),
    (200, b'{"success":false'),
    (200, b"<response><err"),
]


class Foreign(WebhookStandIn):
    """Something in front of a webhook, which answers some posts by itself; those that `passes` the webhook takes."""

    def __init__(self, status: int, body: bytes, *, times: int = 1_000_000, passes: bool = False) -> None:
        super().__init__()
        self.said = status, body
        self.times = times
        self.passes = passes

    def answer(self, request: web.Request, body: bytes) -> web.Response:
        """Answer a post in the webhook's place."""
        if request.method != "POST" or not self.times:
            return super().answer(request, body)
        self.times -= 1
        if self.passes:
            super().answer(request, body)
        return web.Response(status=self.said[0], body=self.said[1])


@pytest.mark.fault(128)
@pytest.mark.parametrize(("status", "body"), FOREIGN)
async def test_a_2xx_of_somebody_else_is_no_delivery(tmp_path: Path, status: int, body: bytes) -> None:
    """Without a look-up, the order is held for an operator, and its source receives nothing."""
    run = Run(Foreign(status, body, times=4))

    await run.drained(tmp_path)

    assert {event.cause for event in run.held} == {"in doubt at erp"}
    assert len(run.held) == 4
    assert {f"shop-{each}" for each in run.source.told} == {each.external_id for each in run.standin.records}


@pytest.mark.fault(128)
@pytest.mark.parametrize("passes", [False, True])
@pytest.mark.parametrize(("status", "body"), FOREIGN)
async def test_it_is_looked_up_where_that_can_be(tmp_path: Path, status: int, body: bytes, passes: bool) -> None:
    """An absent order is sent again, and one that is there counts as delivered: once, either way."""
    run = Run(Foreign(status, body, times=4, passes=passes), finds=True)

    drained = await run.drained(tmp_path)

    assert sorted(record.external_id for record in run.standin.records) == sorted(f"shop-{each}" for each in IDS)
    assert set(run.source.told) == set(IDS)
    assert ({}, []) == (drained.failed, run.held)


GOOD = [
    ({"status": [201]}, 201, b"<html>", False),
    ({"status": [201]}, 200, b'{"id": "1"}', False),
    ({"status": [201]}, 201, b'{"id": "1"}', True),
    ({"when": "=status == 'accepted'"}, 200, b'{"status": "accepted", "error": "none of yours"}', True),
    ({"when": "=status == 'accepted'"}, 200, b'{"status": "queued"}', False),
    ({"when": "=status == 'accepted'"}, 200, b"", False),
    ({"when": "=status == 'accepted'"}, 200, b"<html>accepted</html>", False),
    ({"when": "=status == 'accepted'"}, 200, '{"status": "accepted"}'.encode("utf-16"), True),
    ({"when": "=status == 'accepted'"}, 200, b'{"status": "accepted"', False),
    ({"when": "=[0].ok"}, 200, b'[{"ok": true}]', True),
    ({"when": "=length(items) == `1`"}, 200, b'{"items": [7]}', True),
    ({"when": "=length(items) == `1`"}, 200, b'{"items": 7}', False),
    ({"when": "=accepted"}, 200, b'{"accepted": 0}', False),
    ({"when": "=@"}, 200, b"[]", False),
    ({"status": [202], "when": "=ok"}, 202, b'{"ok": true}', True),
    ({"status": [202], "when": "=ok"}, 200, b'{"ok": true}', False),
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
async def test_the_order_that_an_answer_names_is_read_in_any_encoding(encoding: str) -> None:
    """Another external id is a conflict, and the id is the receipt's, also where the answer is in UTF-16."""
    async with bench(Foreign(200, '{"id": "77"}'.encode(encoding))) as b:
        assert (await b.receiver.create(delivery(b.receiver))).id == "77"
    async with bench(Foreign(200, '{"id": "77", "external_id": "shop-9"}'.encode(encoding))) as b:
        with pytest.raises(ConflictError):
            await b.receiver.create(delivery(b.receiver))


@pytest.mark.parametrize(("success", "status", "body", "good"), GOOD)
async def test_a_setting_says_more_exactly_what_a_success_is(
    success: dict[str, Any], status: int, body: bytes, good: bool
) -> None:
    """Statuses, and an expression over the body, which has the last word about it; all else is in doubt."""
    async with bench(Foreign(status, body), success=SuccessSettings(**success)) as b:
        if good:
            assert (await b.receiver.create(delivery(b.receiver))).id
        else:
            with pytest.raises(InDoubtError, match="may have the order all the same"):
                await b.receiver.create(delivery(b.receiver))


@pytest.mark.parametrize(
    ("success", "place", "words"),
    [
        ("{when: =a..b}", "7:21: receivers.erp.success.when: ", "is not allowed here"),
        ("{when: =nonsense(a)}", "7:21: receivers.erp.success.when: ", "there is no function nonsense()"),
        ("{when: status}", "7:21: receivers.erp.success.when: ", "an expression begins with ="),
        ("{when: \"=lookup('t', a)\"}", "7:21: receivers.erp.success.when: ", "there is no table 't'"),
        ("{status: [409]}", "7:24: receivers.erp.success.status", "must be at most 299, not 409"),
        ("{status: []}", "7:23: receivers.erp.success.status", "at least 1"),
        ("{wen: =a}", "7:15: receivers.erp.success.wen", "did you mean 'when'?"),
    ],
)
def test_a_mistake_in_it_is_found_when_the_settings_are_read(success: str, place: str, words: str) -> None:
    """At its line and column, before the first order."""
    text = f"""\
sources: {{shop: {{type: shop, base_url: "https://shop.example", token: abc}}}}
receivers:
  erp:
    type: webhook
    url: https://erp.example.com/orders
    secret: some text that is long enough
    success: {success}
routes: [{{source: shop, receivers: [erp]}}]
"""
    with pytest.raises(SettingsError) as caught:
        parse(text, sources=SOURCES, receivers={"webhook": WebhookSettings}, environ={})
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"settings.yaml:{place}")
    assert words in line


class Asked(WebhookStandIn):
    """Answers a look-up with something else."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self.said = status, body

    def answer(self, request: web.Request, body: bytes) -> web.Response:
        """Give the one answer."""
        return web.Response(status=self.said[0], body=self.said[1])


@pytest.mark.fault(128)
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        *((status, body, TransientError) for status, body in FOREIGN),
        (200, b'{"errors": [], "success": false}', TransientError),
        (200, b'[{"error": "x"}]', TransientError),
        (404, b"<html>404 Not Found</html>", EndpointError),
    ],
)
async def test_an_error_is_no_answer_to_a_look_up(status: int, body: bytes, error: type[ConnectorError]) -> None:
    """It shows nothing about the order; absence would be permission to create it again."""
    async with bench(Asked(status, body), finds=True) as b:
        with pytest.raises(error):
            await b.receiver.find("shop-1")


@pytest.mark.parametrize(("status", "body"), [(200, b"[]"), (404, b""), (404, b'{"error": "no such order"}')])
async def test_what_is_not_there_is_still_not_there(status: int, body: bytes) -> None:
    """An empty list, and a 404 that is not a page."""
    async with bench(Asked(status, body), finds=True) as b:
        assert await b.receiver.find("shop-1") is None


async def test_an_orders_own_status_is_not_that_of_the_call() -> None:
    """A record may have failed at the receiver; it still exists."""
    async with bench(Asked(200, b'{"id": "7", "external_id": "shop-1", "status": "failed"}'), finds=True) as b:
        found = await b.receiver.find("shop-1")
    assert found is not None
    assert (found.id, found.status) == ("7", "failed")
