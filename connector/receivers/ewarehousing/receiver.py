"""eWarehousing Solutions' middleware as a receiver (seed 004; vendors.md, sections 4 and 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Any, ClassVar

import msgspec

from connector.clients.ewarehousing.client import EwarehousingClient, NotFound
from connector.clients.ewarehousing.paging import PAGE_SIZE, EndlessList
from connector.clients.ewarehousing.requests import CreateOrder
from connector.clients.ewarehousing.responses import OrderRecord
from connector.clock import Clock
from connector.errors import ConflictError, ConnectorError, InDoubtError, RejectedError, TransientError
from connector.mapping.identity import refuse_altered
from connector.order import Document, Order
from connector.receivers.base import Delivery, Receipt, ReceiverTraits

# The module, not the function: the mapping needs the wire structs of this package, so each may come in first.
from connector.receivers.ewarehousing import amend, mapping
from connector.receivers.ewarehousing.amend import CANCELLED, receipt_of
from connector.receivers.ewarehousing.bulk_lookup import find_many, newest
from connector.receivers.ewarehousing.settings import EwarehousingSettings
from connector.settings.model import ReceiverSettings

__all__ = ["PAGE_SIZE", "EwarehousingClient", "EwarehousingReceiver", "NotFound"]

MOST_PAGES = 20
"""Pages that a look-up reads: the filter is ignored if an external id is on more."""


class EwarehousingReceiver:
    """Looks orders up by `external_id` and creates them. Implements all protocols of `connector.receivers.base`."""

    settings: ClassVar[type[ReceiverSettings]] = EwarehousingSettings
    request: ClassVar[type[msgspec.Struct]] = CreateOrder

    def __init__(self, name: str, settings: EwarehousingSettings, clock: Clock) -> None:
        self.name = name
        account = f"{settings.base_url} (WMS {settings.wms_code}, customer {settings.customer_code})"
        self.traits = ReceiverTraits(can_find=True, account=account)
        self._settings = settings
        self._client = EwarehousingClient(settings, name=name, clock=clock)
        self.endpoint = self._client.endpoint

    def rotate_secrets(self, settings: EwarehousingSettings) -> None:
        """Log in with the user and password of `settings`; see `SupportsSecretRotation`."""
        self._client.rotate_secrets(settings)

    def default(self, order: Order) -> CreateOrder:
        """Map `order` the default way (see `mapping.py`). Raises `Unmappable` and nothing else."""
        return mapping.create_order(
            order,
            delivery_days=self._settings.delivery_days,
            zone=self._settings.timezone,
            line_price=self._settings.line_price,
        )

    def partial(self, order: Order) -> dict[str, Any]:
        """Map an order as far as possible, see `SupportsPartialMapping`."""
        return mapping.partial_order(
            order,
            delivery_days=self._settings.delivery_days,
            zone=self._settings.timezone,
            line_price=self._settings.line_price,
        )

    async def find(self, external_id: str) -> Receipt | None:
        """
        Look up an order; see `Receiver.find`.

        The documents do not state whether the filter compares exactly, so the results are compared here (vendors.md
        6/004 #11). A cancelled record is a conflict: an operator decides whether its reference may be used again (#12).
        """
        found, others, certain = await self._matches(external_id)
        if len(found) > 1:
            labels = ", ".join(sorted(receipt_of(record).label for record in found))
            raise ConflictError(f"{self.name} holds {len(found)} orders with external id {external_id}: {labels}")
        for record in found:
            receipt = receipt_of(record)
            if receipt.status.lower() in CANCELLED:
                raise ConflictError(f"{self.name} holds order {receipt.label} for {external_id}, but it is cancelled")
            return receipt
        refuse_altered(self.name, external_id, others)
        if not certain:
            raise TransientError(
                f"{self.name}: the look-up of {external_id} is unavailable: the list does not end, "
                "and what it shows is other orders (the filter or the paging seems to be ignored)"
            )
        return None

    async def find_many(self, external_ids: Sequence[str]) -> Mapping[str, Receipt | None]:
        """Look up many orders in one reading of the list, if that is fewer calls; see `bulk_lookup.find_many`."""
        return await find_many(self._client, external_ids)

    async def newest(self, limit: int) -> Sequence[tuple[str, Receipt]]:
        """Return the orders of the list's first page; see `bulk_lookup.newest`."""
        return await newest(self._client, limit)

    async def create(self, delivery: Delivery) -> Receipt:
        """
        Create the order; see `Receiver.create`.

        Only a 200 or 201 with the new id and our external id is a success; if the response lacks the external id, the
        record is read. A refusal that concerns our headers or codes raises `AuthError` and pauses the receiver, as no
        order is the cause (faults.md #58).
        """
        record = await self._client.create(delivery.body)
        if not record.external_id:
            record = await self._read_back(delivery.external_id, record)
        if record.external_id != delivery.external_id:
            raise ConflictError(
                f"{self.name} answered the create of {delivery.external_id} with order {receipt_of(record).label}, "
                f"whose external id is {record.external_id}"
            )
        return receipt_of(record)

    async def update(self, receipt: Receipt, delivery: Delivery) -> Receipt:
        """
        Change the order; see `SupportsUpdate.update` and `amend.update`.

        Possible while it is created, planned or invalid_address; afterwards raises `RejectedError` with the status.
        """
        return await amend.update(self._client, receipt, delivery)

    async def cancel(self, receipt: Receipt) -> None:
        """Cancel the order, in the same statuses; see `SupportsUpdate.cancel`."""
        await amend.cancel(self._client, receipt)

    async def attach(self, receipt: Receipt, documents: Sequence[Document]) -> None:
        """Add the documents whose exact titles the order lacks; see `SupportsAttachments.attach`."""
        await amend.attach(self._client, receipt, documents)

    async def progress(self, receipts: Sequence[Receipt]) -> Mapping[str, str]:
        """Return the status of each order by its id; see `SupportsStatus.progress`."""
        return await amend.progress(self._client, receipts)

    async def check(self) -> str:
        """Log in and list one order; return one line for the operator. Changes nothing."""
        await self._client.list(limit=1)
        return (
            f"{self._settings.base_url}: logged in, the order list answers "
            f"(WMS {self._settings.wms_code}, customer {self._settings.customer_code})"
        )

    async def aclose(self) -> None:
        """Release the connections. Idempotent."""
        await self._client.aclose()

    async def _read_back(self, external_id: str, made: OrderRecord) -> OrderRecord:
        """
        Read a new record whose create did not return its external id.

        Raises:
            ConflictError: it has none, or none that is shown. The record exists, so the order must not be created
                again.
            InDoubtError: the record does not exist after all.
        """
        what = f"{self.name} answered the create of {external_id} with order {receipt_of(made).label}"
        try:
            record = await self._client.get(made.id)
        except NotFound:
            raise InDoubtError(f"{what} and no external id, and there is no such order") from None
        except ConnectorError as exc:
            raise ConflictError(f"{what} and no external id, and it could not be read: {exc}") from None
        if not record.external_id:
            raise ConflictError(f"{what}, which has no external id: the receiver does not store it")
        return record

    async def _matches(self, external_id: str) -> tuple[list[OrderRecord], set[str], bool]:
        """Return the records with exactly this external id, the ids of others, and whether the whole list was read."""
        found: list[OrderRecord] = []
        others: set[str] = set()
        try:
            async with aclosing(self._client.pages(external_id=external_id, most=MOST_PAGES)) as pages:
                async for page in pages:
                    found += [record for record in page if record.external_id == external_id]
                    others |= {record.external_id for record in page if record.external_id != external_id}
        except EndlessList:
            return found, others, False
        except RejectedError as exc:  # a refused look-up shows nothing about the order
            raise TransientError(str(exc)) from None
        return found, others, True
