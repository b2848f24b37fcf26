"""eWarehousing Solutions' middleware as a receiver (seed 004; vendors.md, sections 4 and 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from connector.clock import Clock
from connector.errors import AuthError, ConflictError, RejectedError, TransientError
from connector.http import Answer, Effect, Endpoint, Token

# The module, not the function: the mapping needs the wire structs of this package, so each may come in first.
from connector.mapping import ewarehousing as mapping
from connector.order import Order
from connector.receivers.base import Delivery, Receipt
from connector.receivers.ewarehousing_errors import is_duplicate, is_ours, reason
from connector.receivers.ewarehousing_session import LoggedIn
from connector.receivers.ewarehousing_wire import CreateOrder, OrderSummary, text
from connector.settings.structs import ReceiverSettings
from connector.settings.values import Secret, Url

__all__ = ["EwarehousingReceiver", "EwarehousingSettings"]

ORDERS = "/wms/orders/"
"""With its trailing slash: without it the call is redirected, and a redirected POST loses its body."""

PAGE_SIZE = 50
"""The documented default, which the receiver surely grants: a page shorter than what was asked for is the last."""
MOST_PAGES = 20
CANCELLED = frozenset({"cancelled", "canceled"})
REFUSALS = frozenset({400, 409, 422})

_order = msgspec.json.Decoder(OrderSummary)
_orders = msgspec.json.Decoder(list[OrderSummary])

HeaderText = Annotated[str, Meta(pattern=r"^[\x21-\x7e]+$")]


class EwarehousingSettings(ReceiverSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="ewarehousing"):
    """A receiver of `type: ewarehousing`."""

    sandbox_hosts: ClassVar[frozenset[str]] = frozenset({"eu-dev.middleware.ewarehousing-solutions.com"})

    base_url: Url = Url("https://eu.middleware.ewarehousing-solutions.com")
    username: Annotated[str, Meta(min_length=1)]
    password: Secret
    wms_code: Annotated[HeaderText, Meta(description="Sent as X-Wms-Code.")]
    customer_code: Annotated[HeaderText, Meta(description="Sent as X-Customer-Code.")]
    delivery_days: Annotated[
        int, Meta(ge=0, le=30, description="Days from an order's making to its requested delivery, if it names none.")
    ] = 1
    timezone: Annotated[str, Meta(description="The warehouse's calendar, for that date.")] = "Europe/Amsterdam"
    line_price: Annotated[
        mapping.LinePrice, Meta(description="What a line's price is counted in: cents, units of the currency, or none.")
    ] = "cents"

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):  # unknown, malformed, a folder of the time zone database
            raise ValueError(f"timezone: {self.timezone!r} is not a time zone such as Europe/Amsterdam") from None


class EwarehousingReceiver:
    """Looks orders up by `external_id` and creates them. Implements `Receiver`."""

    settings: ClassVar[type[ReceiverSettings]] = EwarehousingSettings
    finds: ClassVar[bool] = True
    request: ClassVar[type[msgspec.Struct]] = CreateOrder

    def __init__(self, name: str, settings: EwarehousingSettings, clock: Clock) -> None:
        self.name = name
        self._settings = settings
        self._customer = {"X-Customer-Code": settings.customer_code}  # with all calls but the log-in
        self.endpoint = Endpoint(
            name,
            settings.base_url,
            settings,
            clock,
            headers={"X-Wms-Code": settings.wms_code},
            secrets=[settings.password.reveal()],
        )
        self._session = LoggedIn(self.endpoint, settings.username, settings.password)
        self.endpoint.token = Token(self._session.fetch, clock)

    def default(self, order: Order) -> CreateOrder:
        """Map `order` the default way, see `connector.mapping.ewarehousing`. Raises `Unmappable` and nothing else."""
        return mapping.create_order(
            order,
            delivery_days=self._settings.delivery_days,
            zone=self._settings.timezone,
            line_price=self._settings.line_price,
        )

    async def find(self, external_id: str) -> Receipt | None:
        """
        Look an order up; see `Receiver.find`.

        The documents do not say whether the filter compares exactly, so we do (vendors.md 6/004 #11). A cancelled
        record is a conflict: whether its reference may be used again is for a person to say (#12).
        """
        found: dict[str, OrderSummary] = {}
        certain = await self._scan(external_id, found)
        if len(found) > 1:
            labels = ", ".join(sorted(_receipt(record).label for record in found.values()))
            raise ConflictError(f"{self.name} holds {len(found)} orders with external id {external_id}: {labels}")
        for record in found.values():
            receipt = _receipt(record)
            if receipt.status.lower() in CANCELLED:
                raise ConflictError(f"{self.name} holds order {receipt.label} for {external_id}, but it is cancelled")
            return receipt
        if not certain:
            raise TransientError(
                f"{self.name}: the look-up of {external_id} is unavailable: the list does not end, "
                "and what it shows is other orders (the filter or the paging seems to be ignored)"
            )
        return None

    async def create(self, delivery: Delivery) -> Receipt:
        """
        Create the order; see `Receiver.create`.

        Only a 200 or 201 that names the new id and repeats our external id is a success. A refusal that is about
        our headers or codes raises `AuthError` and pauses the receiver: no order is to blame (faults.md #58).
        """
        answer = await self.endpoint.call(
            "POST",
            ORDERS,
            effect=Effect.WRITE,
            body=delivery.body,
            headers=self._customer,
            expected=REFUSALS,
            judge=self._judge,
        )
        if answer.status not in (200, 201):
            raise answer.unusable("neither 200 nor 201")
        record = answer.decode(_order)
        if not text(record.id):
            raise answer.unusable("no id")
        echo = text(record.external_id)
        if not echo:
            raise answer.unusable("no external_id")
        if echo != delivery.external_id:
            raise ConflictError(
                f"{self.name} answered the create of {delivery.external_id} with order {_receipt(record).label}, "
                f"whose external id is {echo}"
            )
        return _receipt(record)

    async def check(self) -> str:
        """Log in and list one order; return one line for the operator. Changes nothing."""
        await self._list([("limit", "1")])
        return (
            f"{self._settings.base_url}: logged in, the order list answers "
            f"(WMS {self._settings.wms_code}, customer {self._settings.customer_code})"
        )

    async def aclose(self) -> None:
        """Release the connections. Idempotent."""
        await self.endpoint.aclose()

    async def _scan(self, external_id: str, found: dict[str, OrderSummary]) -> bool:
        """
        Collect into `found` the records with exactly this external id; return whether the whole list was seen.

        Whether pages count from 0 or from 1 is not documented (vendors.md 6/004 #14): the first call names none,
        and page 1 is then either the same page again or the second one. The next is page 2 either way.
        """
        query = [("external_id", external_id), ("limit", str(PAGE_SIZE)), ("sort", "createdAt"), ("direction", "asc")]
        seen: set[str] = set()
        for page in range(MOST_PAGES):
            records = await self._list([*query, ("page", str(page))] if page else query)
            for record in records:
                if text(record.external_id) == external_id:
                    found.setdefault(text(record.id), record)
            if len(records) < PAGE_SIZE:
                return True
            new = {text(record.id) for record in records} - seen
            if not new and page > 1:
                return False  # a full page that we know: `page` is ignored, and nobody can say what comes after it
            seen |= new
        return False

    async def _list(self, query: Sequence[tuple[str, str]]) -> list[OrderSummary]:
        answer = await self.endpoint.call(
            "GET",
            ORDERS,
            effect=Effect.READ,
            query=query,
            headers=self._customer,
            expected=REFUSALS,
            judge=self._judge,
        )
        records = answer.decode(_orders)
        if not all(text(record.id) for record in records):
            raise answer.unusable("an order without id")
        return records

    def _judge(self, answer: Answer) -> None:
        """Raise what a refusal means: our settings, this order, or (of a look-up) nothing that we may rely on."""
        if answer.status not in REFUSALS:
            return
        why = reason(answer.status, self._session.hide(answer.body))
        if answer.status != 409 and is_ours(why):
            raise AuthError(f"{answer.what}: {answer.status}: {why}")
        if answer.effect is Effect.WRITE:
            raise RejectedError(why, duplicate=answer.status == 409 or is_duplicate(why))
        raise TransientError(f"{answer.what}: {answer.status}: {why}")


def _receipt(record: OrderSummary) -> Receipt:
    return Receipt(id=text(record.id), reference=text(record.reference), status=record.status or "")
