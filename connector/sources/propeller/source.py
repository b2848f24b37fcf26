"""
Propeller Commerce, REST v2: searches the orders without an export status, and marks each one as exported.

Seed 000; vendors.md section 1, and section 6 for the readings of its ambiguous places.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from connector.clock import Clock
from connector.http.endpoint import BearerToken, Effect, Endpoint, segment
from connector.order import Order, external_id
from connector.sources.ack_text import filled
from connector.sources.base import (
    Acknowledgement,
    AckOutcome,
    Page,
    Refused,
    SourceTraits,
)
from connector.sources.parsing import count
from connector.sources.propeller import acks
from connector.sources.propeller.order import to_order
from connector.sources.propeller.paging import Search, Wanted
from connector.sources.propeller.settings import PropellerSettings

__all__ = ["PropellerSource"]

TOKEN_LIFE = 1800.0
"""Seconds that a token lives if the response does not state it (vendors.md 1)."""


class _Granted(msgspec.Struct):
    access_token: Annotated[str, Meta(min_length=1, pattern=r"^[!-~]+$(?!\n)")]
    expires_in: Any = None


_granted = msgspec.json.Decoder(_Granted)


def _credentials(settings: PropellerSettings) -> tuple[dict[str, str], list[str]]:
    """Return the header with a fixed token, if there is one, and the secrets."""
    secrets = [secret.reveal() for secret in (settings.client_secret, settings.token) if secret]
    return {"Authorization": f"Bearer {settings.token.reveal()}"} if settings.token else {}, secrets


class PropellerSource:
    """A Propeller tenant as a source. Quotations share its feed and are skipped (vendors.md 6, seed 000, #11)."""

    settings: ClassVar[type[PropellerSettings]] = PropellerSettings
    ack_limit: ClassVar[int] = 1
    traits: ClassVar[SourceTraits] = SourceTraits(accepts_failures=False, feed_shrinks=True, ack_idempotent=True)
    replay_omits: ClassVar[str] = (
        "orders whose export status was taken back or set to failed since, and exported ones without an exportedAt: "
        "Propeller's search does not show when those were exported"
    )

    def __init__(self, name: str, settings: PropellerSettings, clock: Clock) -> None:
        self.name = name
        self._settings = settings
        self._zone = ZoneInfo(settings.timezone)
        headers, secrets = _credentials(settings)
        self.endpoint = Endpoint(name, settings.base_url, settings, clock, headers=headers, secrets=secrets)
        if not settings.token:
            self.endpoint.token = BearerToken(self._log_in, clock)
        self._unexported = Wanted(settings.export_statuses)
        # The vendor documents no status for cancelled orders: tenants name their own (vendors.md 1, Order statuses).
        self._cancelled = frozenset(status.casefold() for status in settings.cancelled_statuses)
        statuses = [*settings.statuses, *settings.cancelled_statuses]
        self._search = Search(self.endpoint, statuses, settings.status_key, settings.page_size, clock)

    def rotate_secrets(self, settings: PropellerSettings) -> None:
        """Use the token, or the client's id and secret, of `settings`; see `SupportsSecretRotation`."""
        self._settings = settings
        self.endpoint.rotate_secrets(*_credentials(settings))

    def fetch(self, gone: Callable[[], int]) -> AsyncGenerator[Page]:
        """Poll the orders that are not exported; see `Source.fetch`."""
        return self._search.walk(self._unexported, gone)

    async def refetch(self, since: datetime) -> AsyncGenerator[Page]:
        """
        Poll the orders exported at or after `since`, then those not exported yet; see `SupportsReplay.refetch`.

        An exported order is found whatever its current status, which changes while the order is fulfilled. The date
        filter's form differs between the vendor's pages (vendors.md 1), so `exportedAt` is checked for every order, and
        an ignored filter only costs pages.
        """
        exported = Wanted(["exported", "finished"], since=since.astimezone(UTC))
        for wanted in (exported, self._unexported):
            async with aclosing(self._search.walk(wanted, lambda: 0)) as pages:
                async for page in pages:
                    yield page

    async def acknowledge(self, batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        """
        Mark one order as exported; see `Source.acknowledge`.

        Repeating the call sends the same bytes and changes nothing (vendors.md 6, seed 000, #8). Only the id and the
        status of the response are compared (#9). Propeller's status for a failed export is not used, because it hides
        the order (#10).
        """
        (ack,) = batch
        if ack.outcome != "exported":
            return {ack.order_id: Refused("Propeller accepts exported orders only")}
        answer = await self.endpoint.call(
            "PATCH",
            f"/v2/orders/id/{segment(ack.order_id)}",
            effect=Effect.WRITE,
            body=acks.mark(ack, self._text(ack)),
            expected={404},
            judge=acks.judge,
        )
        return {ack.order_id: acks.outcome(answer, ack)}

    def _text(self, ack: Acknowledgement) -> str:
        id_there = external_id(self.name, ack.order_id)
        return filled(self._settings.export_message, message=ack.message, order_id=ack.order_id, external_id=id_there)

    def to_order(self, raw: bytes) -> Order:
        """Map one order of the feed to the canonical order. Pure; raises `Unmappable` and nothing else."""
        return to_order(self.name, raw, self._cancelled, self._zone)

    async def check(self) -> str:
        """Search for one order; see `Source.check`. The right to mark orders cannot be proved without marking one."""
        total = await self._search.total(self._unexported)
        return "search works" if total is None else f"search works, {total} orders to export"

    async def aclose(self) -> None:
        """Release the connections. Idempotent."""
        await self.endpoint.aclose()

    async def _log_in(self) -> tuple[str, float]:
        """Fetch a token by OAuth2 client credentials; its life is a number, or one in text (vendors.md 1)."""
        secret = self._settings.client_secret
        form = {
            "grant_type": "client_credentials",
            "client_id": self._settings.client_id or "",
            "client_secret": secret.reveal() if secret else "",
        }
        answer = await self.endpoint.call(
            "POST",
            "/oauth2/token",
            effect=Effect.READ,
            body=urlencode(form).encode(),
            content_type="application/x-www-form-urlencoded",
            authorized=False,
        )
        granted = answer.decode(_granted)
        return granted.access_token, float(count(granted.expires_in) or TOKEN_LIFE)
