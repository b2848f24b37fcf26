"""The requests of a webhook, the meaning of its responses, and the secrets that can sign."""

from __future__ import annotations

import base64
import json
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from aiohttp import web
from standardwebhooks import Webhook

from connector.clock import SystemClock
from connector.errors import ConflictError, EndpointError, RejectedError, TransientError, Unmappable
from connector.receivers.base import Delivery
from connector.receivers.webhook.receiver import WebhookReceiver
from connector.receivers.webhook.settings import WebhookSettings
from connector.sandbox.webhook import SECRET, WebhookStandIn
from connector.settings import parse
from connector.settings.values import Secret, Url
from tests.contracts.receiver_harness import EXAMPLE
from tests.receivers.webhook.bench import bench, delivery, settings
from tests.settings.vendors import SOURCES

CANARY = "canary-7f3a-do-not-print"


class Answering(WebhookStandIn):
    """Checks the signature, and then returns a scripted response."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self.said = status, body

    def answer(self, request: web.Request, body: bytes) -> web.Response:
        """Give the one answer."""
        super().answer(request, body)
        return web.Response(status=self.said[0], body=self.said[1])


async def test_an_order_is_posted_as_plain_json_under_its_external_id() -> None:
    """Amounts are texts with their digits, the time is UTC, and the id in the header is the one in the body."""
    async with bench() as b:
        sent = delivery(b.receiver)
        await b.receiver.create(sent)
    (call,) = b.standin.history
    body = json.loads(call.body)
    assert (call.method, call.path, call.body) == ("POST", "/orders", sent.body)
    assert call.headers["content-type"] == "application/json"
    assert call.headers["webhook-id"] == body["external_id"] == "shop-1"
    assert (body["source"], body["created_at"]) == ("shop", "2026-03-24T09:26:07Z")
    assert body["lines"][0]["unit_price"] == "49.99"
    assert body["requested_delivery_date"] == "2026-03-27"


async def test_the_schemes_own_library_accepts_the_signature_and_no_other_body() -> None:
    """The sent bytes are the signed ones."""
    async with bench() as b:
        await b.receiver.create(delivery(b.receiver))
    (call,) = b.standin.history
    Webhook(SECRET).verify(call.body, call.headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(SECRET).verify(call.body.replace(b"49.99", b"00.01"), call.headers)


async def test_a_repeat_has_the_same_id_and_a_time_of_its_own() -> None:
    """A receiver that follows the scheme refuses old times, and recognises a repeat by its id."""

    class Later(SystemClock):
        shift = timedelta(0)

        def now(self) -> datetime:
            return super().now() + self.shift

    clock = Later()
    async with bench() as b:
        receiver = WebhookReceiver("erp", settings(f"{b.receiver._url.removesuffix('/orders')}"), clock)
        for clock.shift in (timedelta(0), timedelta(minutes=3)):
            await receiver.create(delivery(receiver))
        await receiver.aclose()
    first, second = (call.headers for call in b.standin.history)
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) >= 180
    assert [("shop-1", True)] * 2 == b.standin.signatures
    assert len(b.standin.records) == 1


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("a plain text of some length", b"a plain text of some length"),
        ("whsec_" + base64.b64encode(b"k" * 24).decode(), b"k" * 24),
        ("whsec_" + base64.b64encode(b"k" * 25).decode().rstrip("="), b"k" * 25),
        ("wachtwoord-mét-accent", "wachtwoord-mét-accent".encode()),
    ],
)
async def test_a_secret_is_base64_after_whsec_and_else_taken_as_it_is(secret: str, key: bytes) -> None:
    """Padding may be missing."""
    async with bench(WebhookStandIn(secret=key), secret=secret) as b:
        await b.receiver.create(delivery(b.receiver))
    assert b.standin.signatures == [("shop-1", True)]


@pytest.mark.attack(24)
@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ("whsec_" + CANARY, "what follows whsec_ is not base64"),
        ("whsec_Zm9v*mFy", "what follows whsec_ is not base64"),
        ("whsec_é", "what follows whsec_ is not base64"),
        ("whsec_", "has 0 bytes; it takes at least 16"),
        ("whsec_a2V5", "has 3 bytes; it takes at least 16"),
        ("too short", "has 9 bytes; it takes at least 16"),
        ("whsk_" + base64.b64encode(b"k" * 64).decode(), "asymmetric"),
    ],
)
def test_a_secret_that_cannot_sign_is_a_mistake_at_its_line(secret: str, words: str) -> None:
    """Found when the settings are read, in words, and without the secret."""
    text = f"""\
sources: {{shop: {{type: shop, base_url: "https://shop.example", token: abc}}}}
receivers:
  erp:
    type: webhook
    url: https://erp.example.com/orders
    secret: {json.dumps(secret)}
routes: [{{source: shop, receivers: [erp]}}]
"""
    with pytest.raises(Exception, match=r"settings.yaml:6:\d+: receivers.erp.secret: ") as caught:
        parse(text, sources=SOURCES, receivers={"webhook": WebhookSettings}, environ={})
    assert words in str(caught.value)
    assert str(caught.value).count("\n") == 0
    assert secret not in "".join(traceback.format_exception(caught.value))


def test_the_settings_of_the_design_are_good() -> None:
    """design.md, section 5; all else has a default."""
    own = WebhookSettings(url=Url.parse("https://erp.example.com/orders"), secret=Secret(SECRET))
    assert (own.idempotent, own.find_url) == (False, None)
    assert own.base_url.host == "erp.example.com"


@pytest.mark.parametrize(
    ("body", "receipt"),
    [
        (b'{"id": "A-1"}', "A-1"),
        (b'{"id": 12345678901234567890123}', "12345678901234567890123"),
        (b'{"id": true}', "shop-1"),
        (b'{"id": null}', "shop-1"),
        (b'{"id": {"a": 1}}', "shop-1"),
        (b'{"id": ""}', "shop-1"),
        (b'{"id": "a\\nb"}', "shop-1"),
        (b'{"id": "' + b"x" * 10_000 + b'"}', "shop-1"),
        (b'["A-1"]', "shop-1"),
        (b"ok", "shop-1"),
        (b"", "shop-1"),
    ],
)
@pytest.mark.parametrize("status", [200, 202])
async def test_the_receipt_is_the_answers_id_or_the_external_id(status: int, body: bytes, receipt: str) -> None:
    """Any 2xx is a success, whatever its body."""
    async with bench(Answering(status, body)) as b:
        assert (await b.receiver.create(delivery(b.receiver))).id == receipt


@pytest.mark.attack(34)
async def test_an_answer_about_another_order_is_for_a_person() -> None:
    """Its external id is not ours."""
    async with bench(Answering(200, b'{"id": 7, "external_id": "shop-2"}')) as b:
        with pytest.raises(ConflictError, match="shop-2"):
            await b.receiver.create(delivery(b.receiver))


async def test_a_webhook_that_was_switched_off_is_the_operators() -> None:
    """The scheme's 410."""
    async with bench(Answering(410, b"")) as b:
        with pytest.raises(EndpointError):
            await b.receiver.create(delivery(b.receiver))


@pytest.mark.attack(23)
@pytest.mark.parametrize("external_id", ["shop-1\r\nwebhook-signature: x", "shop-é", "shop 1", "", "x" * 201, "a\x00"])
async def test_an_id_that_is_no_header_is_never_sent(external_id: str) -> None:
    """Nor is it in doubt, as nothing was sent. The default mapping holds such an order earlier."""
    async with bench() as b:
        with pytest.raises(RejectedError, match="cannot be sent as a webhook-id"):
            await b.receiver.create(Delivery(external_id, b"{}"))
        with pytest.raises(Unmappable, match="id cannot be sent"):
            b.receiver.default(msgspec.structs.replace(EXAMPLE, order_id=external_id + "\n"))
    assert b.standin.history == []


async def test_a_look_up_is_signed_too() -> None:
    """An unsigned look-up gets no data."""
    async with bench(finds=True) as b:
        b.standin.put("shop-1")
        found = await b.receiver.find("shop-1")
    (call,) = b.standin.history
    assert found is not None
    assert (call.method, call.query, call.headers["webhook-id"]) == ("GET", [("external_id", "shop-1")], "shop-1")
    assert b.standin.signatures == [("shop-1", True)]


async def test_a_look_up_may_answer_with_the_one_record_or_404() -> None:
    """Beside a list."""
    async with bench(WebhookStandIn(listing=False), finds=True) as b:
        assert await b.receiver.find("shop-1") is None
        put = b.standin.put("shop-1")
        found = await b.receiver.find("shop-1")
    assert found is not None
    assert (found.id, found.status) == (put.id, "received")


@pytest.mark.parametrize(
    ("body", "receipt"),
    [
        (b'[{"id": 5, "external_id": "shop-1"}]', "5"),
        (b'{"external_id": "shop-1"}', "shop-1"),
        (b'[{"id": 5, "external_id": "shop-1"}, {"id": 5, "external_id": "shop-1"}]', "5"),
        (b'[{"id": 5, "external_id": "shop-10"}]', None),
        (b"[]", None),
    ],
)
async def test_a_look_up_compares_exactly_and_counts_a_record_once(body: bytes, receipt: str | None) -> None:
    """A longer id is another one, and the same id twice is one record."""
    async with bench(Answering(200, body), finds=True) as b:
        found = await b.receiver.find("shop-1")
    assert (found and found.id) == receipt


@pytest.mark.fault(125)
@pytest.mark.parametrize("body", [b'[{"external_id": "SHOP-1"}]', b'{"external_id": "shop-1 "}'])
async def test_an_external_id_that_was_altered_is_a_conflict(body: bytes) -> None:
    """An id that differs only in case or white space is neither treated as ours nor sent again."""
    async with bench(Answering(200, body), finds=True) as b:
        with pytest.raises(ConflictError, match="store ids differently"):
            await b.receiver.find("shop-1")


@pytest.mark.parametrize("body", [b'{"id": 5, "external_id": "shop-10"}', b"{}", b'{"orders": []}', b'[{"id": 5}]'])
async def test_a_look_up_that_says_something_else_never_says_no(body: bytes) -> None:
    """One record about another order is no list of none."""
    async with bench(Answering(200, body), finds=True) as b:
        with pytest.raises(TransientError):
            await b.receiver.find("shop-1")


async def test_without_a_look_up_it_says_so() -> None:
    """The traits follow the settings: a look-up needs `find_url`, a repeat needs `idempotent`."""
    async with bench() as b:
        assert (b.receiver.traits.can_find, b.receiver.traits.idempotent) == (False, False)
        with pytest.raises(EndpointError, match="find_url"):
            await b.receiver.find("shop-1")
    async with bench(finds=True, idempotent=True) as b:
        assert (b.receiver.traits.can_find, b.receiver.traits.idempotent) == (True, True)


@pytest.mark.parametrize("more", [{}, {"finds": True}])
async def test_a_check_needs_no_order(more: dict[str, Any]) -> None:
    """A 405 to OPTIONS proves that a server is there; a 404 that the address is wrong."""
    async with bench(**more) as b:
        assert "answers" in await b.receiver.check()
        assert b.standin.records == []
    async with bench(Answering(404, b"")) as b:
        with pytest.raises(EndpointError):
            await b.receiver.check()


async def test_a_wrong_secret_is_the_operators() -> None:
    """The receiver is paused; no order is to blame."""
    async with bench(secret="not the one that it expects") as b:
        with pytest.raises(Exception, match="401"):
            await b.receiver.create(delivery(b.receiver))
    assert b.standin.signatures == [("shop-1", False)]
    assert b.receiver.endpoint.breaker.hopeless


def test_the_times_are_utc() -> None:
    """Wherever the source was."""
    order = msgspec.structs.replace(EXAMPLE, created_at=datetime.fromisoformat("2026-03-24T10:26:07+01:00"))
    receiver = WebhookReceiver("erp", settings("http://127.0.0.1:9"), SystemClock())
    assert receiver.default(order).created_at == datetime(2026, 3, 24, 9, 26, 7, tzinfo=UTC)
