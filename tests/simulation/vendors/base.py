"""The simulation's interface of a vendor: requests without a socket, and the truth about its orders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

import msgspec
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

__all__ = ["EVERY", "Act", "Request", "SourceVendor", "Truth", "Vendor"]


class Request:
    """As much of an `aiohttp.web.Request` as the stand-ins look at."""

    def __init__(self, method: str, url: URL, headers: Any, body: bytes) -> None:
        self.method = method
        self.rel_url = url
        self.headers = CIMultiDict[str](headers)
        self.body = body

    @property
    def path(self) -> str:
        """The path, decoded."""
        return self.rel_url.path

    @property
    def raw_path(self) -> str:
        """The path with its query, as it is on the wire."""
        return self.rel_url.raw_path_qs

    @property
    def query(self) -> Any:
        """The query's pairs."""
        return self.rel_url.query

    @property
    def content_type(self) -> str:
        """The body's type, without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0]

    @cached_property
    def content(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


EVERY = "*"
"""Whom a reading of the receiver's whole list is about."""


class Act(msgspec.Struct, frozen=True):
    """
    The description of a request: a kind of call (`crashes.CALLS`), the orders it is about, and its content for each.

    `named` is the identity in the body of a create.
    """

    kind: str
    ids: tuple[str, ...] = ()
    outcomes: tuple[str, ...] = ()
    named: str = ""


class Truth(msgspec.Struct):
    """
    The world's record of one order.

    `refused` means that the receiver rejects it, `broken` that its source has not filled it in, `skipped` that it is
    none of ours. All of `changed`, `corrected` and `cancelled` are times.
    """

    source: str
    order_id: str
    refused: bool = False
    broken: bool = False
    skipped: bool = False
    placed: float = -1.0
    changed: list[float] = []
    corrected: list[float] = []
    cancelled: float | None = None
    given_up: bool = False
    """True if a person has skipped it."""
    unreadable: bool = False
    """True if its row breaks every page that it is on, for good: nobody can recognise it who has not read it before."""
    unwanted: bool = False
    """True if the second receiver rejects it."""
    withdrawn: float | None = None
    """When people at the receiver cancelled it."""
    released: int = 0
    """The number of times that a person released it again."""
    marks: list[tuple[float, str]] = []
    """The acknowledgements that the source received, and applied."""
    said: list[bytes] = []
    """The order in each form that its source ever had it in."""
    hints: list[tuple[float, str]] = []
    """The values of a field that only a mapping reads, and the times since when."""
    was_cancelled: bool = False
    misnamed: bool = False
    """True if its source, a plugin with a fault, reads another order out of it: nobody may get it."""

    @property
    def external_id(self) -> str:
        """The order's identity at the receiver."""
        return f"{self.source}-{self.order_id}"


class Vendor(Protocol):
    """Somebody who is called."""

    def sort(self, request: Request) -> Act:
        """Return the description of a request."""

    def handle(self, request: Request) -> web.Response:
        """Carry a request out, in one step."""

    def refuse(self) -> web.Response:
        """Return the answer to credentials that are not good."""

    def expire(self) -> None:
        """Let every token that was issued be bad from now on."""


class SourceVendor(Vendor, Protocol):
    """
    Somebody who has orders. Most methods are actions of people over there.

    `partly` are orders that the next acknowledgement leaves out, though its call succeeds; `spared` those that the last
    one did leave out.
    """

    name: str
    partly: set[str]
    spared: set[str]
    list_lag: float
    unmoved: Counter[str]
    unmoved_answer: Any

    def place(self, truth: Truth) -> None:
        """Put an order into the feed."""

    def edit(self, truth: Truth) -> None:
        """Change the content of an order."""

    def hint(self, truth: Truth) -> None:
        """Let the order say the last of its hints, in a field of the vendor's own."""

    def correct(self, truth: Truth) -> None:
        """Mend a broken order."""

    def cancel(self, truth: Truth) -> bool:
        """Cancel the order, if that can be done here; return True if it was."""

    def reinstate(self, truth: Truth) -> None:
        """Take its cancellation back."""

    def listed(self) -> Sequence[str]:
        """Return the orders in the feed."""

    def knows(self, order_id: str) -> tuple[bool, int]:
        """Return True if the source has the order as exported, and the number of its failure notices."""

    def reports(self, order_id: str) -> Sequence[bytes]:
        """Return the reports of an order."""

    def moved(self, order_id: str) -> int:
        """Return the number of times that an acknowledgement moved the stock, which must be moved once."""
