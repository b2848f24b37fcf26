"""Changes, cancels, documents and follows orders at eWarehousing (seed 004; vendors.md 6/004 #9, #10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import msgspec

from connector.clients.ewarehousing.client import EXPAND, EwarehousingClient
from connector.clients.ewarehousing.paging import PAGE_SIZE, each
from connector.clients.ewarehousing.requests import NewDocument, UpdateOrder, encoded
from connector.clients.ewarehousing.responses import OrderRecord
from connector.clients.ewarehousing.transport import NotFound
from connector.errors import (
    ConflictError,
    ConnectorError,
    InDoubtError,
    RejectedError,
    TransientError,
    UnshownError,
)
from connector.mapping.money import exact
from connector.order import Document
from connector.receivers.base import Delivery, Receipt
from connector.receivers.ewarehousing.diff import differences, emptied, lines_differ

__all__ = ["CANCELLED", "attach", "cancel", "progress", "receipt_of", "update"]

OPEN = frozenset({"created", "planned", "invalid_address"})
"""The statuses in which an order may be cancelled (seed 004) and, by inference, changed (vendors.md 6/004 #10)."""
_content = msgspec.json.Decoder(dict[str, object], float_hook=exact).decode
CANCELLED = frozenset({"cancelled", "canceled"})

SINGLES_PER_PAGE = 10
"""Orders per page of the list that `progress` reads first: at most a tenth more calls, and mostly fewer."""

FIXED = ("external_reference", "external_id", "documents")
"""Keys of a create that no update sends: the identity cannot change, and documents would be added again."""


def receipt_of(record: OrderRecord) -> Receipt:
    """Return the receipt of an order in the vendor's form."""
    return Receipt(id=record.id, reference=record.reference, status=record.status)


async def update(client: EwarehousingClient, receipt: Receipt, delivery: Delivery) -> Receipt:
    """
    Change an order to the form of `delivery`; see `SupportsUpdate.update`.

    The order is read first and, unless it has that form already, changed and read again.

    - The lines are sent whole, since they replace the old ones; the identity and the documents are not sent.
    - Values that the order has no longer are emptied (see `emptied`), as the vendor documents no other way. If it
      refuses that, the change waits for an operator.
    - A lost response raises `InDoubtError`; the next call starts with a reading.
    - Lines that differ from the sent ones after the change raise `UnshownError`; the next call, for an `applied`
      delivery, only reads.
    """
    change = _change(delivery)
    before = await _read(client, receipt, delivery.external_id)
    if delivery.applied:
        return _shows(change, before, receipt)
    change = emptied(change, before)
    if not differences(change, before):
        return receipt_of(before)
    _must_be_open(before, "changed")
    try:
        await client.update(receipt.id, change)
    except RejectedError:
        _must_be_open(
            await _read(client, receipt, delivery.external_id), "changed"
        )  # its status may have changed meanwhile
        raise
    with _sent(f"order {receipt.label} was changed"):
        after = await _read(client, receipt, delivery.external_id)
    return _shows(change, after, receipt)


async def cancel(client: EwarehousingClient, receipt: Receipt) -> None:
    """
    Cancel an order; see `SupportsUpdate.cancel`.

    Raises `UnshownError` if the order does not show the cancellation afterwards.
    """
    if await _is_cancelled(client, receipt):
        return
    try:
        await client.cancel(receipt.id)
    except RejectedError:
        if await _is_cancelled(client, receipt):
            return
        raise
    with _sent(f"order {receipt.label} was cancelled"):
        after = await _get(client, receipt)
    if not _has_status(after, CANCELLED):
        raise UnshownError(
            f"order {receipt.label} was cancelled, but is shown as {after.status or 'without status'}", applied=True
        )


@contextmanager
def _sent(what: str) -> Iterator[None]:
    """Treat a failed reading after a write as a doubt about the write, which was sent."""
    try:
        yield
    except (ConflictError, InDoubtError):
        raise
    except ConnectorError as exc:
        raise InDoubtError(f"{what}, and could not be read after that: {exc}") from exc


async def attach(client: EwarehousingClient, receipt: Receipt, documents: Sequence[Document]) -> None:
    """
    Add those of `documents` that the order lacks; see `SupportsAttachments.attach`.

    Documents are identified by their exact titles.

    Raises:
        RejectedError: two different documents have one title, or the vendor cannot accept one; nothing was sent.
        InDoubtError: one was added and the next could not be sent; the list may not show the first one yet.
    """
    wanted: dict[str, Document] = {}
    for document in documents:
        if wanted.setdefault(document.title, document) != document:
            raise RejectedError(f"two different documents are called {document.title!r}")
        try:
            encoded(NewDocument(file="x" if document.content else "", title=document.title, quantity=document.quantity))
        except ValueError as exc:
            raise RejectedError(f"the document {document.title!r} cannot be sent: {exc}") from None
    if not wanted:
        return
    try:
        have = {record.title for record in await client.documents(receipt.id)}
    except NotFound as exc:
        raise UnshownError(str(exc)) from None
    added = False
    for title, document in wanted.items():
        if title in have:
            continue
        try:
            await client.add_document(
                receipt.id,
                title=title,
                content=document.content,
                quantity=document.quantity,
                shipping_label=document.shipping_label,
            )
        except (RejectedError, InDoubtError):
            raise
        except ConnectorError as exc:
            if added:
                raise InDoubtError(f"some documents of order {receipt.label} were added, and then: {exc}") from exc
            raise
        added = True


async def progress(client: EwarehousingClient, receipts: Sequence[Receipt]) -> Mapping[str, str]:
    """
    Return the status of each order by its id; see `SupportsStatus.progress`.

    For many orders, the last changed ones are listed first, and only orders that the list lacks are read one by one. An
    order that was deleted, or whose response was lost, is left out; raises only if there was no response at all.
    """
    wanted = {receipt.id for receipt in receipts}
    known: dict[str, str] = {}
    lost: list[TransientError] = []

    if most := len(wanted) // SINGLES_PER_PAGE:
        known = await _listed(client, wanted, most)

    async def one(order_id: str) -> None:
        try:
            record = await client.get(order_id)
        except NotFound:
            return
        except TransientError as exc:
            lost.append(exc)
            return
        if record.id == order_id and record.status:
            known[order_id] = record.status

    await each(one, sorted(wanted - known.keys()))
    if lost and not known:
        raise lost[0]
    return known


async def _listed(client: EwarehousingClient, wanted: set[str], most: int) -> dict[str, str]:
    """Return the statuses of those of `wanted` on the first `most` pages of the list."""
    known: dict[str, str] = {}
    for page in range(most):
        records = await client.list(limit=PAGE_SIZE, page=page or None, sort="modifiedAt", direction="desc")
        known |= {record.id: record.status for record in records if record.id in wanted and record.status}
        if len(records) < PAGE_SIZE or len(known) == len(wanted):
            break
    return known


def _change(delivery: Delivery) -> UpdateOrder:
    try:
        content = _content(delivery.body)
        return msgspec.convert({key: value for key, value in content.items() if key not in FIXED}, UpdateOrder)
    except ValueError as exc:
        raise RejectedError(f"the order cannot be written as a change: {exc}") from None


async def _read(client: EwarehousingClient, receipt: Receipt, external_id: str) -> OrderRecord:
    record = await _get(client, receipt, expand=EXPAND)
    if record.id != receipt.id or (record.external_id and record.external_id != external_id):
        raise ConflictError(
            f"order {receipt.label} should be {external_id}, but is order {record.reference or record.id}, "
            f"whose external id is {record.external_id or 'not shown'}"
        )
    return record


async def _get(client: EwarehousingClient, receipt: Receipt, *, expand: Sequence[str] = ()) -> OrderRecord:
    """Read an existing order. Raises `UnshownError` for a 404, as the order may be too new to be shown."""
    try:
        return await client.get(receipt.id, expand=expand)
    except NotFound as exc:
        raise UnshownError(str(exc)) from None


def _shows(change: UpdateOrder, record: OrderRecord, receipt: Receipt) -> Receipt:
    if lines_differ(change, record):
        what = f"order {receipt.label} was changed, but its lines are not those that were sent"
        raise UnshownError(what, applied=True)
    return receipt_of(record)


async def _is_cancelled(client: EwarehousingClient, receipt: Receipt) -> bool:
    """Return whether the order is cancelled; raise if it cannot be cancelled any more."""
    record = await _get(client, receipt)
    if _has_status(record, CANCELLED):
        return True
    _must_be_open(record, "cancelled")
    return False


def _must_be_open(record: OrderRecord, what: str) -> None:
    if not _has_status(record, OPEN):
        label = record.reference or record.id
        raise RejectedError(f"order {label} is {record.status or 'without status'} and cannot be {what} any more")


def _has_status(record: OrderRecord, statuses: frozenset[str]) -> bool:
    return record.status.lower() in statuses
