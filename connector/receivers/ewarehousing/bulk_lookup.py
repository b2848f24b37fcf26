"""Reads eWarehousing's list, to look up many orders or the newest (seed 004; vendors.md 6/004 #11, #14, #15)."""

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
"""Look-ups per page of the list that may be read in their place: at most a quarter more calls."""


async def find_many(client: EwarehousingClient, external_ids: Sequence[str]) -> Mapping[str, Receipt | None]:
    """
    Return the result of one reading of the list for `external_ids`; see `SupportsBulkFind.find_many`.

    The list is read without a filter, oldest first, so that new orders come last; results are kept by id, so that the
    number of the first page does not matter. An order counts as absent only if the list was read to its short last page
    and no page repeated an order: the vendor cannot delete one, so a page that hides an order must repeat another.

    Left out are uncertain results, ids of two orders, a cancelled one, and ids that seem to have been altered.
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
        # A page that was not read may have a second one.
        if whole and len(records) == 1 and receipt.status.lower() not in CANCELLED:
            known[external_id] = receipt
    return known


async def newest(client: EwarehousingClient, limit: int) -> Sequence[tuple[str, Receipt]]:
    """
    Return the orders that were created last; see `SupportsNewest.newest`.

    Reads one page, in the documented order. Raises `TransientError` for a full page that starts with its oldest order:
    it shows the oldest of all orders.
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

    Return whether that was certainly the whole list.
    """
    seen: set[str] = set()
    first: list[str] = []
    for page in range(most):
        try:
            records = await client.list(limit=PAGE_SIZE, page=page or None, sort="createdAt", direction="asc")
        except RejectedError as exc:  # a refused list shows nothing about any order
            raise TransientError(str(exc)) from None
        ids = [record.id for record in records]
        if page == 1 and ids == first:
            continue  # pages count from 1, and the first call, without a number, returned page 1
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
