"""
Traede v10: the exports of orders and of production orders, and marking them as exported.

Seeds 001 and 002, one document with two vocabularies; vendors.md section 2, and section 6 for the readings of their
ambiguous places.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import msgspec

from connector.clock import Clock
from connector.errors import readable
from connector.http.endpoint import Effect, Endpoint
from connector.order import Order, external_id
from connector.sources.ack_text import filled
from connector.sources.base import Acknowledgement, AckOutcome, FeedItem, Page, Refused, SourceTraits
from connector.sources.bisection import Bisection
from connector.sources.parsing import whole_number_id
from connector.sources.seen_ids import SeenIds
from connector.sources.traede import order as traede_order
from connector.sources.traede import production_order, time_bisection
from connector.sources.traede.acks import judge, outcomes
from connector.sources.traede.filters import encoded
from connector.sources.traede.paging import items, walk
from connector.sources.traede.settings import (
    MarkTerms,
    TraedeOrdersSettings,
    TraedeProductionOrdersSettings,
    TraedeSettings,
)

__all__ = ["TraedeOrders", "TraedeProductionOrders", "TraedeSource"]

LARGEST = 128 * 1024 * 1024
"""Bytes of one response: the export may come as one page (6, #7), which `filters` make smaller."""


class _Orders(msgspec.Struct):
    rows: list[msgspec.Raw] = msgspec.field(name="orders")


class _ProductionOrders(msgspec.Struct):
    rows: list[msgspec.Raw] = msgspec.field(name="production_orders")


def _credentials(settings: TraedeSettings) -> tuple[dict[str, str], list[str]]:
    """Return the headers with the secrets, and the secrets."""
    token, key = settings.token.reveal(), settings.app_key.reveal()
    return {"Authorization": f"Bearer {token}", "X-Traede-App-Key": key}, [token, key]


class TraedeSource(ABC):
    """The common part of both exports."""

    ack_limit: ClassVar[int] = 10
    traits: SourceTraits
    replay_omits: ClassVar[str] = (
        "orders that the source's include_ settings and filters leave out, those that were cancelled or archived since "
        "included"
    )

    _path: ClassVar[str]
    _listed: ClassVar[str]
    """The key of the list in marks and responses; the blank in seed 002's is a slip (6, #3)."""
    _id_keys: ClassVar[tuple[str, ...]]
    """The keys of an order's id; the first one is the mark's."""
    _decoder: ClassVar[msgspec.json.Decoder[Any]]

    def __init__(self, name: str, settings: TraedeSettings, clock: Clock) -> None:
        self.name = name
        self._own = settings
        self._clock = clock
        self._bisections: dict[str, Bisection[FeedItem]] = {}
        self._time_bisections: dict[str, time_bisection.TimeBisection] = {}
        self._zone = ZoneInfo(settings.timezone)
        self._terms = MarkTerms(settings.system_id)
        headers, secrets = _credentials(settings)
        self.endpoint = Endpoint(
            name, settings.base_url, settings, clock, headers=headers, secrets=secrets, largest=LARGEST
        )

    def rotate_secrets(self, settings: TraedeSettings) -> None:
        """Use the token and the app key of `settings`; see `SupportsSecretRotation`."""
        self._own = settings
        self.endpoint.rotate_secrets(*_credentials(settings))

    def fetch(self, gone: Callable[[], int]) -> AsyncGenerator[Page, None]:
        """
        Poll the orders that are not exported; see `Source.fetch`.

        `not_exported_since` is never sent: its default, the current time, adds nothing (6, #2).
        """
        return self._walk("feed", self._query, gone)

    def refetch(self, since: datetime) -> AsyncGenerator[Page, None]:
        """
        Poll the orders exported at or after `since` as well; see `SupportsReplay`.

        A `since` without a zone is in UTC.
        """
        at = since.replace(tzinfo=UTC) if since.tzinfo is None else since.astimezone(UTC)
        again = [("not_exported_since", f"{at:%Y-%m-%d %H:%M:%S}")]

        def query(created: tuple[int, int] | None = None) -> list[tuple[str, str]]:
            return self._query(again=True, created=created) + again

        return self._walk("replay", query)

    async def acknowledge(self, batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        """
        Mark up to ten orders as exported; see `Source.acknowledge`.

        Traede refuses a call as a whole (`RejectedError`); the caller splits it until the refused order is alone (6,
        #8). Traede accepts no failures.
        """
        found: dict[str, AckOutcome] = {}
        marked: list[Acknowledgement] = []
        for ack in batch:
            if ack.outcome != "exported":
                found[ack.order_id] = Refused("Traede accepts exported orders only")
            elif whole_number_id(ack.order_id) != ack.order_id:
                found[ack.order_id] = Refused("Traede's ids are whole numbers")
            else:
                marked.append(ack)
        if marked:
            ids = [ack.order_id for ack in marked]
            answer = await self.endpoint.call(
                "POST",
                f"{self._path}/mark-as-exported",
                effect=Effect.WRITE,
                body=msgspec.json.encode({self._own.mark_key or self._listed: [self._mark(ack) for ack in marked]}),
                expected={404},
                judge=partial(judge, ids=ids),
            )
            found |= outcomes(answer, ids, self._id_keys[0])
        return found

    async def is_acknowledged(self, acks: Sequence[Acknowledgement]) -> Mapping[str, bool]:
        """
        Return which orders have left the feed; see `SupportsAckLookup`.

        The whole feed is read, with every flag set and without filters on `updated_at`, so that an order that was only
        cancelled or edited is still listed. A row that moves between two pages can hide an order: a feed of several
        pages is read twice, and an absence counts only if both readings found the same orders. An order that was
        deleted in Traede counts as acknowledged, as nothing is left to mark. Each system has a feed of its own.
        """
        known: dict[str, bool] = {}
        for system in dict.fromkeys(self._terms.under(ack.terms).system_id for ack in acks):
            found, pages, whole = await self._ids(system)
            again, _, still = await self._ids(system) if pages > 1 else (found, pages, whole)
            whole = whole and still  # an unreadable order is still in the feed
            asked = [ack.order_id for ack in acks if self._terms.under(ack.terms).system_id == system]
            listed = {each: each in found or each in again for each in asked}
            known |= {each: not here for each, here in listed.items() if here or (whole and found == again)}
        return known

    @property
    def terms(self) -> str:
        """The settings on which a mark depends; see `SupportsAckTerms`."""
        return self._terms.text

    def is_idempotent(self, ack: Acknowledgement) -> bool:
        """Return whether a mark may be repeated: not if it moves stock, as a second one might move more (6, #9)."""
        return self._terms.under(ack.terms).regulate_inventory is not True

    @abstractmethod
    def to_order(self, raw: bytes) -> Order:
        """Map one order of the feed to the canonical order. Pure; raises `Unmappable` and nothing else."""

    async def check(self) -> str:
        """Read the first page; see `Source.check`. The right to mark orders cannot be proved without marking one."""
        rows = await self._read(self._query(), 0, self._own.page_size)
        return f"export works for system {readable(self._own.system_id, 60)}, {len(rows)} orders on the first page"

    async def aclose(self) -> None:
        """Release the connections. Idempotent."""
        await self.endpoint.aclose()

    @abstractmethod
    def _flags(self, *, again: bool) -> dict[str, bool]:
        """Return the seed's flags; `again` includes orders that were marked before."""

    def _includes(self) -> list[str]:
        """Return the nested resources to load; without them no order has lines (6, #11)."""
        return ["lines"]

    def _mark(self, ack: Acknowledgement) -> dict[str, Any]:
        """Return a mark's entry for one order: the id as a number, and the note if there is one."""
        system = self._terms.under(ack.terms).system_id
        mark: dict[str, Any] = {self._id_keys[0]: int(ack.order_id), "system_id": system}
        id_there = external_id(self.name, ack.order_id)
        note = filled(self._own.note, message=ack.message, order_id=ack.order_id, external_id=id_there)
        return {**mark, "note": readable(note)} if note else mark

    def _query(
        self,
        system: str = "",
        *,
        again: bool = False,
        everything: bool = False,
        created: tuple[int, int] | None = None,
    ) -> list[tuple[str, str]]:
        """
        Return the query for the export to `system`; `everything` includes every order that can be listed.

        `created` are the seconds from which, and before which, the orders were created.
        """
        filters = [each for each in self._own.filters if not (everything and each.key == "updated_at")]
        filters += time_bisection.created(*created) if created else []
        flags = self._flags(again=again)
        return [
            ("system_id", system or self._own.system_id),
            *(("includes[]", name) for name in self._includes()),
            *((name, "1" if on or everything else "0") for name, on in flags.items()),
            *encoded(filters, [each for each in self._own.filter_groups if not (everything and each.moves)]),
        ]

    def _walk(
        self,
        purpose: str,
        query: Callable[..., list[tuple[str, str]]],
        gone: Callable[[], int] = lambda: 0,
    ) -> AsyncGenerator[Page, None]:
        """Poll the list of `query`; its unreadable rows are remembered by `purpose`."""
        size = self._own.page_size
        bisection = self._bisections.setdefault(purpose, Bisection(self._clock, attrgetter("order_id")))
        by_time = self._time_bisections.setdefault(purpose, time_bisection.TimeBisection(self._clock))

        async def created(number: int, start: int, end: int) -> list[FeedItem]:
            return await self._read(query(created=(start, end)), number, size)

        return walk(partial(self._read, query()), gone, size, bisection, by_time, created)

    async def _read(self, query: Sequence[tuple[str, str]], number: int, limit: int) -> list[FeedItem]:
        own = self._own
        paging = [(own.page_key, str(number + own.first_page)), (own.limit_key, str(limit))]
        answer = await self.endpoint.call("GET", f"{self._path}/export", effect=Effect.READ, query=[*query, *paging])
        return items(answer.decode(self._decoder).rows, self._id_keys)

    async def _ids(self, system: str) -> tuple[SeenIds, int, bool]:
        """Read the whole feed of `system`; return its ids, the number of pages, and whether all rows were readable."""
        ids = SeenIds()
        pages, whole = 0, True
        query = partial(self._query, system, everything=True)
        async with aclosing(self._walk(f"everything to {system}", query)) as feed:
            async for page in feed:
                ids.update(item.order_id for item in page.items)
                pages += 1
                whole = whole and not page.unreadable
        return ids, pages, whole


class TraedeOrders(TraedeSource):
    """A Traede account's orders (seed 001)."""

    settings: ClassVar[type[TraedeOrdersSettings]] = TraedeOrdersSettings
    _path = "/v10/orders"
    _listed = "orders"
    _id_keys = traede_order.ID_KEYS
    _decoder = msgspec.json.Decoder(_Orders)

    def __init__(self, name: str, settings: TraedeOrdersSettings, clock: Clock) -> None:
        super().__init__(name, settings, clock)
        self._settings = settings
        self._terms = MarkTerms(settings.system_id, settings.regulate_inventory)
        self.traits = SourceTraits(
            accepts_failures=False,
            feed_shrinks=True,
            ack_idempotent=not settings.regulate_inventory,  # see `is_idempotent`
            exports_cancelled=settings.include_cancelled,  # "export cancelled orders in the export" (seed 001)
        )

    def to_order(self, raw: bytes) -> Order:
        """Map one order of the feed to the canonical order. Pure; raises `Unmappable` and nothing else."""
        return traede_order.to_order(self.name, raw, self._zone)

    async def check(self) -> str:
        """Read the first page, and warn of the effect of marks; see `Source.check`."""
        line = await super().check()
        if not self._settings.regulate_inventory:
            return line
        return (
            f"{line}; careful: regulate_inventory is true, so each mark moves stock and archives the order in Traede, "
            "which cannot be undone"
        )

    def _flags(self, *, again: bool) -> dict[str, bool]:
        own = self._settings
        return {
            "include_not_approved": own.include_not_approved,
            "include_cancelled": own.include_cancelled,
            # A mark that regulates archives the order: without this flag, no order would be listed again (6, #14).
            "include_archived": own.include_archived or (again and own.regulate_inventory),
        }

    def _mark(self, ack: Acknowledgement) -> dict[str, Any]:
        return {**super()._mark(ack), "regulate_inventory": self._terms.under(ack.terms).regulate_inventory}


class TraedeProductionOrders(TraedeSource):
    """A Traede account's production orders (seed 002)."""

    settings: ClassVar[type[TraedeProductionOrdersSettings]] = TraedeProductionOrdersSettings
    traits = SourceTraits(accepts_failures=False, feed_shrinks=True, ack_idempotent=True)
    _path = "/v10/production-orders"
    _listed = "production_orders"
    _id_keys = production_order.ID_KEYS
    _decoder = msgspec.json.Decoder(_ProductionOrders)

    def __init__(self, name: str, settings: TraedeProductionOrdersSettings, clock: Clock) -> None:
        super().__init__(name, settings, clock)
        self._settings = settings

    def to_order(self, raw: bytes) -> Order:
        """Map one production order to the canonical order. Pure; raises `Unmappable` and nothing else."""
        return production_order.to_order(self.name, raw, self._zone)

    def _flags(self, *, again: bool) -> dict[str, bool]:
        return {"include_open": self._settings.include_open, "include_closed": self._settings.include_closed}

    def _includes(self) -> list[str]:
        return list(dict.fromkeys(["lines", *self._settings.include]))
