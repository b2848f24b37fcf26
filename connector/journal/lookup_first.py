"""What a journal does because it may not know all that was delivered: it is new, lost, or restored from a backup."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Protocol

import msgspec

__all__ = ["LookupFirst", "LookupRule", "OrderAt", "may_be_at"]


def may_be_at(receiver: str) -> str:
    """Return the cause of a delivery that may have been made before the journal knew, where nobody can be asked."""
    return f"may be at {receiver} already"


class LookupRule(msgspec.Struct, frozen=True, kw_only=True):
    """
    From one source to one receiver, with what a look-up before the first create depends on.

    `settle` is seconds; `finds` and `repeatable` are the receiver's, `ack_repeatable` the source's. `account` names
    whose orders the receiver shows; empty where it has no word for that.
    """

    source: str
    receiver: str
    look_up_first: Literal["auto", "always", "never"] = "auto"
    settle: float = 0.0
    finds: bool = True
    repeatable: bool = False
    ack_repeatable: bool = True
    account: str = ""


class OrderAt(msgspec.Struct, frozen=True, kw_only=True):
    """An order of ours as a receiver lists it; `record` is the receiver's own id."""

    source: str
    order_id: str
    record: str


class LookupFirst(Protocol):
    """The part of a journal that keeps its gaps from doubling orders."""

    async def compare_newest(self, receiver: str, orders: Sequence[OrderAt]) -> Sequence[OrderAt]:
        """
        Compare the journal, before `begin`, with `orders`, the newest of ours that a receiver holds.

        One that the journal never sent there shows that a newer journal did: what this one may not know is then looked
        up, as in one that was restored from a backup. Returns those orders, but for the ones that a start before this
        one was told of.
        """

    async def distrust(self) -> bool:
        """Let `begin` take the journal for one that was restored; return False if there is such a doubt already."""

    async def begin(self, ways: Sequence[LookupRule], now: datetime) -> None:
        """
        Settle, at a start and before `recover`, what is to be looked up before its first create.

        A journal that is new, took the place of a lost one, or was restored does not know all that was delivered:
        until a complete walk over a source has ended (`polled`), what its pages bring is looked up first. What a
        restored one holds as not delivered yet is looked up, and acknowledgements and reports that it holds for not
        told are asked about where telling twice would do something twice. What is in doubt at a receiver whose
        account is another one now is held.
        """

    async def to_look_up(self, receiver: str, now: datetime, limit: int) -> list[str]:
        """Return the external ids of up to `limit` deliveries whose look-up is due, the longest waiting first."""

    async def mark(self) -> None:
        """Note beside the journal how far it is, if it was written to since: an older copy is known by that."""
