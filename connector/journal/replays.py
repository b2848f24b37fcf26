"""What another process asks the running connector to do, by a row of the journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

__all__ = ["Answer", "Replays", "Request"]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """The wish that `source` be replayed from `since` on."""

    id: int
    source: str
    since: datetime


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """How the walk of a request ended: the orders that it listed, how many of them were new, and what went wrong."""

    listed: int = 0
    fresh: int = 0
    error: str = ""


class Replays(Protocol):
    """The part of a journal that is about requests. See `connector.journal.base` for what holds for every write."""

    async def open_requests(self) -> Sequence[Request]:
        """Return the requests that nobody has answered, the oldest first."""

    async def answer_request(self, request: int, answer: Answer, now: datetime) -> bool:
        """Answer a request; return False, and change nothing, if it was answered before."""
