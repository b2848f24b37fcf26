"""Summarizes the stand-ins' records by feed: deliveries at receivers, and acknowledgements at the source."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from connector.order import external_id
from connector.sandbox.server import decode
from connector.sandbox.vendors import Vendors

__all__ = ["Feed", "feeds"]


class Feed(NamedTuple):
    """
    The records about one source's orders, by external id.

    - `wanted`: the orders that should be delivered.
    - `there`: for each receiver, the number of records of each order.
    - `marks`: the number of times each order was marked as exported.
    """

    source: str
    wanted: frozenset[str]
    there: dict[str, Counter[str]]
    marks: Counter[str]

    @property
    def once(self) -> int:
        """The number of orders that every receiver has exactly once."""
        return sum(all(count[each] == 1 for count in self.there.values()) for each in self.wanted)

    @property
    def surplus(self) -> int:
        """The number of surplus records: duplicates, and orders that should not be delivered."""
        return sum(sum((count - Counter(self.wanted)).values()) for count in self.there.values())

    @property
    def marked(self) -> int:
        """The number of orders that were marked as exported exactly once."""
        return sum(self.marks[each] == 1 for each in self.wanted)

    @property
    def wrongly_marked(self) -> int:
        """The number of orders that were marked as exported but should not be."""
        return len(self.marks.keys() - self.wanted)

    @property
    def good(self) -> bool:
        """True if each order is delivered and marked exactly once, and no other order is."""
        return self.once == self.marked == len(self.wanted) and not self.surplus and not self.wrongly_marked


def feeds(vendors: Vendors, archive: Path) -> list[Feed]:
    """Return the records of every feed of `vendors`; `archive` is the file that receives production orders."""
    warehouse = Counter(order["external_id"] for order in vendors.warehouse.orders.values())
    erp = Counter(record.external_id for record in vendors.erp.records)
    filed = Counter(decode(line)["external_id"] for line in archive.read_bytes().splitlines())
    traede_marks: dict[str, Counter[str]] = {"orders": Counter(), "production-orders": Counter()}
    for word, mark in vendors.wholesale.marked:
        traede_marks[word][str(mark["order_id" if word == "orders" else "production_order_id"])] += 1
    listed = {
        "shop": [
            order_id
            for order_id, order in vendors.shop.orders.items()
            if order["addresses"] and order["type"] != "quotation"
        ],
        "wholesale": list(vendors.wholesale.orders),
        "production": list(vendors.wholesale.production_orders),
        "transport": [shipment["orderId"] for shipment in vendors.transport.shipments],
    }
    marks = {
        "shop": Counter(str(order_id) for order_id, _ in vendors.shop.marked),
        "wholesale": traede_marks["orders"],
        "production": traede_marks["production-orders"],
        "transport": Counter(
            str(entry["orderId"]) for entry in vendors.transport.statuses if entry["status"] == "EXPORTED_SUCCESSFULLY"
        ),
    }
    found = []
    for source, ids in listed.items():
        receivers = {"erp": erp, "archive": filed} if source == "production" else {"warehouse": warehouse}
        own = {
            name: Counter({key: count for key, count in there.items() if key.startswith(f"{source}-")})
            for name, there in receivers.items()
        }
        found.append(
            Feed(
                source,
                frozenset(external_id(source, str(order_id)) for order_id in ids),
                own,
                Counter({external_id(source, order_id): count for order_id, count in marks[source].items()}),
            )
        )
    return found
