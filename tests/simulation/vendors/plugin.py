"""A source of another package that breaks the protocol in every way that a type checker would have found."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from random import Random
from typing import Any, ClassVar

from connector.ack import Acknowledgement, AckOutcome
from connector.errors import Unmappable
from connector.order import Order
from connector.settings.model import SourceSettings
from connector.sources.base import FeedItem, Page, SourceTraits

__all__ = ["NAME", "OddPlugin", "OddSettings"]

NAME = "plugged"

ODD: tuple[Any, ...] = (
    Page([FeedItem(7, b"{}")]),  # type: ignore[arg-type]
    Page([FeedItem("", b"{}")]),
    Page([FeedItem("7", "{}")]),  # type: ignore[arg-type]
    Page([FeedItem("7", b"{}", 1)]),  # type: ignore[arg-type]
    Page([None]),  # type: ignore[list-item]
    Page([], total="many"),  # type: ignore[arg-type]
    Page([], total=2**70),
    [],
    None,
)
"""The errors of its feed; each is the end of a walk, and of nothing else."""


class OddSettings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="odd"):
    """Settings of the plugin."""


class OddPlugin:
    """A source whose feed gives something of a wrong type in each walk, or raises."""

    ack_limit: ClassVar[int] = 10
    traits: ClassVar[SourceTraits] = SourceTraits(accepts_failures=False, feed_shrinks=True, ack_idempotent=True)
    endpoint = None

    def __init__(self, chance: Random) -> None:
        self.name = NAME
        self._chance = chance

    async def fetch(self, gone: Callable[[], int]) -> AsyncGenerator[Page]:
        """Give one odd thing, or raise."""
        if self._chance.random() < 0.1:
            raise KeyError("items")
        yield self._chance.choice(ODD)

    async def acknowledge(self, batch: Sequence[Acknowledgement]) -> Mapping[str, AckOutcome]:
        """Never called: no order of it comes in."""
        raise NotImplementedError

    def to_order(self, raw: bytes) -> Order:
        """Read nothing."""
        raise Unmappable("an odd order")

    async def check(self) -> str:
        """Say something."""
        return "odd"

    async def aclose(self) -> None:
        """Close nothing."""
