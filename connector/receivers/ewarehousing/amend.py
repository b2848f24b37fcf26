"""Changing, cancelling, documenting and following orders that eWarehousing has (seed 004; vendors.md 6/004 #9, #10)."""

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
"""One page of the list is read for every ten orders to be followed: a tenth more calls at worst, and mostly fewer."""

FIXED = ("external_reference", "external_id", "documents")
"""Keys of a create that no update sends: the identity cannot be changed, and documents would be added once more."""


def receipt_of(record: OrderRecord) -> Receipt:
    """Return the receipt for an order as the vendor shows it."""
    return Receipt(id=record.id, reference=record.reference, status=record.status)


async def update(client: EwarehousingClient, receipt: Receipt, delivery: Delivery) -> Receipt:
    """
    Bring an order to the form of `delivery`; see `SupportsUpdate.update`.

    The order is read first and, unless it is so already, changed and read again. Its lines go out whole, since they
    replace the old ones; its identity and its documents do not. What the order does not have any more is emptied (see
    `emptied`): the vendor documents no other way, and should it refuse that, the change waits for a person. An answer
    that got lost raises `InDoubtError`; called again, what is read decides. Lines that are read after the change, and
    are not those that were sent, raise `UnshownError`; called again for what was `applied`, it only reads.
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
        _must_be_open(await _read(client, receipt, delivery.external_id), "changed")  # it may have moved on meanwhile
        raise
    with _sent(f"order {receipt.label} was changed"):
        after = await _read(client, receipt, delivery.external_id)
    return _shows(change, after, receipt)


async def cancel(client: EwarehousingClient, receipt: Receipt) -> None:
    """
    Cancel an order; see `SupportsUpdate.cancel`.

    Raises `UnshownError` when the order does not show it afterwards.
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
    if not _says(after, CANCELLED):
        raise UnshownError(
            f"order {receipt.label} was cancelled, but is shown as {after.status or 'without status'}", applied=True
        )


@contextmanager
def _sent(what: str) -> Iterator[None]:
    """Take a reading that fails after a write for a doubt about the write: it is not one that was never sent."""
    try:
        yield
    except (ConflictError, InDoubtError):
        raise
    except ConnectorError as exc:
        raise InDoubtError(f"{what}, and could not be read after that: {exc}") from exc


async def attach(client: EwarehousingClient, receipt: Receipt, documents: Sequence[Document]) -> None:
    """
    Add those of `documents` that the order does not have; see `SupportsAttachments.attach`.

    Documents are told apart by their exact titles; two different ones of one title raise `RejectedError` before
    anything is sent, as does one that the vendor cannot take. When one was added and the next could not be sent,
    `InDoubtError` is raised: the list may not show the first one yet.
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

    Where there are many, the orders that changed last are listed first, and only what that does not show is asked
    for one by one. An order that is not there any more, or whose answer got lost, is left out; raises only when
    nothing at all was heard.
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
    """Return the statuses of those of `wanted` that are on the first `most` pages of the list."""
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
    """Read an order that the vendor has. Raises `UnshownError` if it does not show it: it may be new."""
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
    """Tell whether the order is cancelled; raise if it cannot be any more."""
    record = await _get(client, receipt)
    if _says(record, CANCELLED):
        return True
    _must_be_open(record, "cancelled")
    return False


def _must_be_open(record: OrderRecord, what: str) -> None:
    if not _says(record, OPEN):
        label = record.reference or record.id
        raise RejectedError(f"order {label} is {record.status or 'without status'} and cannot be {what} any more")


def _says(record: OrderRecord, statuses: frozenset[str]) -> bool:
    return record.status.lower() in statuses
