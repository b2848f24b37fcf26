"""
A webhook as a receiver: every order is one signed POST, after the Standard Webhooks scheme (standardwebhooks.com).

The `webhook-id` is the order's external id, the same on every repeat, so that the other side can recognise one. A good
receiver on the other side verifies the signature and answers with

- 2xx once it has safely stored the order (a JSON body may name its `id`),
- 409 to an order that it has already,
- 4xx to an order that it refuses.

A 2xx whose body is HTML, or reports a failure, leaves the order in doubt (`success` defines successes more exactly).
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any, ClassVar

import msgspec
from standardwebhooks import Webhook
from yarl import URL

from connector.clock import Clock
from connector.errors import ConflictError, EndpointError, RejectedError, Unmappable, readable
from connector.http.endpoint import Answer, Effect, Endpoint
from connector.http.reported_failure import in_utf8, is_page, no_success
from connector.mapping.identity import refuse_altered
from connector.mapping.plain import PlainOrder, partial_plain, plain_order
from connector.order import Order
from connector.receivers.base import Delivery, Receipt, ReceiverTraits
from connector.receivers.webhook.settings import PREFIX, WebhookSettings, signing_key
from connector.receivers.webhook.success import Success
from connector.settings.model import ReceiverSettings

__all__ = ["WebhookReceiver"]

LONGEST_ID = 200
"""Characters of an id in a response that are kept: the journal stores it and the source receives it."""
CANCELLED = frozenset({"cancelled", "canceled"})
REACHED = frozenset({*range(400, 429), *range(430, 500), 501}) - {404, 407, 410}
"""Responses to an OPTIONS that prove that a server is there, whether or not it supports OPTIONS."""

_sendable = re.compile(r"[\x21-\x7e]{1,200}").fullmatch


class Known(msgspec.Struct, frozen=True):
    """One record of a look-up."""

    external_id: str | int
    id: str | int | None = None
    status: str | None = None


_known = msgspec.json.Decoder(Known | list[Known])


class WebhookReceiver:
    """Posts signed orders to an address, and looks them up if it has a look-up. Implements `Receiver`."""

    settings: ClassVar[type[ReceiverSettings]] = WebhookSettings
    request: ClassVar[type[msgspec.Struct]] = PlainOrder

    def __init__(self, name: str, settings: WebhookSettings, clock: Clock) -> None:
        self.name = name
        self.traits = ReceiverTraits(
            can_find=settings.find_url is not None,
            idempotent=settings.idempotent,
            account=str(settings.url),
            accepts_cancelled=True,
        )
        self._url = settings.url
        self._find_url = URL(settings.find_url, encoded=True) if settings.find_url is not None else None
        self._clock = clock
        self._webhook = Webhook(signing_key(settings.secret))
        self._success = Success(settings.success)
        secret = settings.secret.reveal()
        self.endpoint = Endpoint(name, settings.url, settings, clock, secrets={secret, secret.removeprefix(PREFIX)})

    def rotate_secrets(self, settings: WebhookSettings) -> None:
        """Sign with the secret of `settings`; see `SupportsSecretRotation`."""
        self._webhook = Webhook(signing_key(settings.secret))
        secret = settings.secret.reveal()
        self.endpoint.rotate_secrets({}, {secret, secret.removeprefix(PREFIX)})

    def default(self, order: Order) -> PlainOrder:
        """Map `order` to its plain form, see `connector.mapping.plain`. Raises `Unmappable` and nothing else."""
        _check_id(order)
        return plain_order(order)

    def partial(self, order: Order) -> dict[str, Any]:
        """Map an order as far as possible, see `SupportsPartialMapping`; no mapping replaces the id, a header."""
        _check_id(order)
        return partial_plain(order)

    async def find(self, external_id: str) -> Receipt | None:
        """
        Look up an order at `find_url`; see `Receiver.find`. The call is signed like a POST with an empty body.

        A list counts as the whole list: an order that it lacks is absent. An HTML page, or a body that reports a
        failure, is no result. A 404 means that the order is absent, unless it is an HTML page, which another server
        wrote.
        """
        if self._find_url is None:
            raise EndpointError(f"{self.name} has no look-up: its settings name no find_url")
        answer = await self.endpoint.call(
            "GET",
            self._find_url,
            effect=Effect.READ,
            query=[("external_id", external_id)],
            headers=self._signed(external_id, b""),
            expected={404},
            judge=_judge_look_up,
        )
        if answer.status == 404:
            return None
        found = answer.decode(_known)
        if isinstance(found, Known) and str(found.external_id) != external_id:
            refuse_altered(self.name, external_id, [str(found.external_id)])
            raise answer.unusable("it is about another order")
        records = found if isinstance(found, list) else [found]
        same = {str(record.id): record for record in records if str(record.external_id) == external_id}
        if len(same) > 1:
            raise ConflictError(f"{self.name} holds {len(same)} orders with external id {external_id}")
        for record in same.values():
            receipt = Receipt(id=_id(record.id) or external_id, status=readable(record.status or "", LONGEST_ID))
            if receipt.status.lower() in CANCELLED:
                raise ConflictError(f"{self.name} holds order {receipt.label} for {external_id}, but it is cancelled")
            return receipt
        refuse_altered(self.name, external_id, (str(record.external_id) for record in records))
        return None

    async def create(self, delivery: Delivery) -> Receipt:
        """
        Post the order; see `Receiver.create`.

        By the scheme, a 2xx is a success, unless its body reports otherwise (success.py). The receipt is the `id` of a
        JSON body, else the external id. A body with another external id raises `ConflictError`.
        """
        headers = self._signed(delivery.external_id, delivery.body)
        answer = await self.endpoint.call(
            "POST", "", effect=Effect.WRITE, body=delivery.body, headers=headers, judge=self._success.judge
        )
        said = _object(answer)
        echo = _id(said.get("external_id"))
        if echo and echo != delivery.external_id:
            raise ConflictError(
                f"{self.name} answered the order {delivery.external_id} with another one, whose external id is {echo}"
            )
        return Receipt(id=_id(said.get("id")) or delivery.external_id)

    async def check(self) -> str:
        """Send an OPTIONS to prove that a server answers, and try the look-up; return one line. Sends no order."""
        await self.endpoint.call("OPTIONS", "", effect=Effect.READ, expected=REACHED)
        line = f"{self._url}: answers; only an order can try the secret"
        if self._find_url is None:
            return line
        found = await self.find("connector-check")
        return f"{line}; the look-up {'finds' if found else 'does not find'} an order that nobody has"

    async def aclose(self) -> None:
        """Release the connections. Idempotent."""
        await self.endpoint.aclose()

    def _signed(self, external_id: str, body: bytes) -> dict[str, str]:
        """Return the headers of the scheme: the constant id, and the time and the signature of this attempt."""
        if not _sendable(external_id):
            raise RejectedError(f"the external id {external_id[:LONGEST_ID]!r} cannot be sent as a webhook-id")
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            raise RejectedError("the mapped order is not text in UTF-8") from None
        now = self._clock.now().astimezone(UTC)
        return {
            "webhook-id": external_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._webhook.sign(external_id, now, text),
        }


def _judge_look_up(answer: Answer) -> None:
    """Raise for a response that shows nothing about any order."""
    if answer.status == 404:
        if is_page(answer.body):
            raise EndpointError(
                f"{answer.what}: 404 with an HTML page: it comes from another server, or find_url is wrong"
            )
    elif why := no_success(answer.body, answer.status, own={"status"}):
        raise answer.unusable(f"it {why}")


def _check_id(order: Order) -> None:
    if not _sendable(order.external_id):
        raise Unmappable("id cannot be sent", f"{order.external_id[:LONGEST_ID]!r} cannot be a webhook-id")


def _object(answer: Answer) -> dict[str, Any]:
    """Return the body as an object; an empty one for anything else, as the status alone is enough."""
    try:
        said = msgspec.json.decode(in_utf8(answer.body))
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _id(value: object) -> str:
    """Return an id as text; empty for a value that cannot be one."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    return text if text.isprintable() and len(text) <= LONGEST_ID else ""
