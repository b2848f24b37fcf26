"""A journal with an order in every state that the flow can bring about, written by the journal's own methods."""

from __future__ import annotations

from datetime import datetime, timedelta

from connector.ack import AckOutcome, Confirmed, NotApplied, Refused
from connector.journal.records import (
    AckResult,
    Arrival,
    Delivered,
    Held,
    InDoubt,
    Intent,
    Listing,
    NotSent,
    Outcome,
    Rejected,
    Settlement,
)
from connector.journal.sqlite import SqliteJournal

__all__ = ["MISSING", "STATES", "Filler", "fill"]

MISSING = "missing field: shipping_address"

STATES = {
    "acked": "acknowledged",
    "told": "delivered",
    "untold": "delivered",
    "bare": "held",
    "unfit": "held",
    "refused": "rejected",
    "lost": "in_doubt",
    "sending": "delivering",
    "waiting": "delivering",
    "fresh": "new",
    "quotation": "skipped",
    "parked": "held",
}
"""The orders of the source `shop`, and the state of each."""


class Filler:
    """Writes orders of one source, each for `receivers`, at `at`; the keys by order id are in `keys`."""

    def __init__(
        self, journal: SqliteJournal, at: datetime, source: str = "shop", receivers: str = "warehouse"
    ) -> None:
        self.journal, self.at, self.source = journal, at, source
        self.receivers = receivers.split()
        self.keys: dict[str, int] = {}

    async def list(self, *arrivals: Arrival) -> None:
        """Take a page in."""
        taken = await self.journal.orders.ingest(self.source, arrivals, Listing(asked_at=self.at), self.at)
        self.keys |= {arrival.order_id: one.key for arrival, one in zip(arrivals, taken, strict=True)}

    def arrival(self, order_id: str, *, revision: str = "r1") -> Arrival:
        """Return an order as the feed lists it."""
        return Arrival(
            order_id=order_id,
            external_id=f"{self.source}-{order_id}",
            revision=revision,
            raw=b"{}",
            receivers=tuple((receiver, True) for receiver in self.receivers),
        )

    async def intend(self, order_id: str, receiver: str = "warehouse") -> None:
        """Commit the will to create."""
        granted = await self.journal.deliveries.intend([Intent(self.keys[order_id], receiver, "r1", b"hash")], self.at)
        assert [True] == granted

    async def settle(self, order_id: str, outcome: Outcome, receiver: str = "warehouse") -> None:
        """Intend to create, and record the outcome."""
        await self.intend(order_id, receiver)
        (settled,) = await self.journal.deliveries.settle([Settlement(self.keys[order_id], receiver, outcome)], self.at)
        assert settled.applied

    async def tell(self, order_id: str, outcome: AckOutcome) -> None:
        """Send the acknowledgement, and record the outcome."""
        assert [True] == await self.journal.acks.claim([self.keys[order_id]], self.at)
        await self.journal.acks.settle([AckResult(self.keys[order_id], outcome, self.at)], self.at)


async def fill(journal: SqliteJournal, at: datetime) -> Filler:
    """Write the orders of `STATES`: found at `at`, settled a second later, acknowledged a second after that."""
    shop = Filler(journal, at)
    odd = {
        "bare": {"state": "held", "cause": MISSING, "detail": "the order has no address"},
        "quotation": {"state": "skipped", "cause": "quotation"},
    }
    arrivals = [shop.arrival(order_id) for order_id in STATES]
    await shop.list(
        *(
            Arrival(**{name: getattr(each, name) for name in each.__struct_fields__} | odd.get(each.order_id, {}))
            for each in arrivals
        )
    )
    later = timedelta(seconds=1)
    shop.at = at + later
    for order_id in ("acked", "told", "untold", "parked"):
        await shop.settle(order_id, Delivered(f"id-{order_id}", f"R-{order_id}", adopted=order_id == "told"))
    await shop.settle("unfit", Held(MISSING))
    await shop.settle("refused", Rejected("no such article"))
    await shop.settle("lost", InDoubt("the answer was lost", shop.at + timedelta(minutes=1)))
    await shop.settle("waiting", NotSent("could not connect", shop.at + later))
    await shop.intend("sending")
    shop.at += later
    await shop.tell("acked", Confirmed())
    await shop.tell("told", NotApplied("the shop is down"))
    await shop.tell("parked", Refused("the order is not there any more"))
    await journal.endpoints.polled("shop", shop.at, "")
    await journal.endpoints.polled("shop", shop.at + later, "the shop answered 502")
    await journal.endpoints.breaker_changed("warehouse", "open", "the warehouse is down", shop.at)
    return shop
