"""Reading eWarehousing's list: to look many orders up, or for the newest (seed 004; vendors.md 6/004 #11, #14, #15)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from connector.clients.ewarehousing.client import EwarehousingClient
from connector.clients.ewarehousing.paging import PAGE_SIZE
from connector.clients.ewarehousing.responses import OrderRecord
from connector.errors import RejectedError, TransientError
from connector.mapping.identity import folded
from connector.receivers.base import Receipt
from connector.receivers.ewarehousing.amend import CANCELLED, receipt_of

__all__ = ["find_many", "newest"]

SINGLES_PER_PAGE = 4
"""One page of the list is read for every four look-ups that it may save: a quarter more calls at worst."""


async def find_many(client: EwarehousingClient, external_ids: Sequence[str]) -> Mapping[str, Receipt | None]:
    """
    Return what one reading of the list says about `external_ids`; see `SupportsBulkFind.find_many`.

    Read without a filter, oldest first, so that what is new comes last; by id, so that the number of the first page
    does not matter. That an order is not there is concluded only when the list was read to its short last page and
    no page repeated an order: the vendor cannot delete one, so a page that hides an order has to repeat another.
    What cannot be concluded is left out, as are ids of which there are two orders, a cancelled one, or one whose id
    seems to have been altered.
    """
    wanted = set(external_ids)
    found: dict[str, list[OrderRecord]] = {}
    others: set[str] = set()
    whole = await _read(client, wanted, found, others, most=len(wanted) // SINGLES_PER_PAGE)
    known: dict[str, Receipt | None] = {}
    if whole:
        known = {each: None for each in wanted - found.keys() if folded(each) not in others}
    for external_id, records in found.items():
        receipt = receipt_of(records[0])
        # On a page that was not read there may be a second one.
        if whole and len(records) == 1 and receipt.status.lower() not in CANCELLED:
            known[external_id] = receipt
    return known


async def newest(client: EwarehousingClient, limit: int) -> Sequence[tuple[str, Receipt]]:
    """
    Return the orders that were created last; see `SupportsNewest.newest`.

    One page, by the order that the documents name. Raises `TransientError` for a full page whose oldest order comes
    first: it shows the oldest of all.
    """
    size = min(limit, PAGE_SIZE)
    try:
        records = await client.list(limit=size, sort="createdAt", direction="desc")
    except RejectedError as exc:
        raise TransientError(str(exc)) from None
    if len(records) >= size and records[0].created_at < records[-1].created_at:
        raise TransientError("the list begins with its oldest orders, and does not show the newest")
    return [(record.external_id, receipt_of(record)) for record in records[:limit] if record.external_id]


async def _read(
    client: EwarehousingClient, wanted: set[str], found: dict[str, list[OrderRecord]], others: set[str], *, most: int
) -> bool:
    """
    Collect the orders that are `wanted`, and the folded ids of `others`.

    Return whether that was the whole list, for certain.
    """
    seen: set[str] = set()
    first: list[str] = []
    for page in range(most):
        try:
            records = await client.list(limit=PAGE_SIZE, page=page or None, sort="createdAt", direction="asc")
        except RejectedError as exc:  # a refused list says nothing about any order
            raise TransientError(str(exc)) from None
        ids = [record.id for record in records]
        if page == 1 and ids == first:
            continue  # pages count from 1, and the first call, which named none, had it
        if not seen.isdisjoint(ids) or len(set(ids)) < len(ids):
            return False
        first = first or ids
        seen.update(ids)
        for record in records:
            if record.external_id in wanted:
                found.setdefault(record.external_id, []).append(record)
            else:
                others.add(folded(record.external_id))
        if len(records) < PAGE_SIZE:
            return True
    return False
