"""The three evidence that are compared: what a source lists, what the journal holds, what a receiver has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from connector.journal.records import Arrival
from connector.journal.views.audit import OrderSnapshot
from connector.receivers.base import Receipt

__all__ = ["Conflicting", "JournalEvidence", "Listed", "LookupResult", "NoAnswer", "ReceiverEvidence", "SourceEvidence"]


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """
    An order that a feed lists; `asked_at` is when its page was asked for.

    `aside` says why it is none of ours (a quotation, cancelled there). `arrival` is there for an order that the journal
    did not know when it was listed.
    """

    asked_at: datetime
    aside: str = ""
    arrival: Arrival | None = None


class SourceEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """
    What one source shows.

    `listed` are the orders in its feed, `exported` those that it lists as exported since the time that was asked
    about. `shrinks`: an order that was exported leaves the feed. `error` is why the walk did not come to its end; then
    an order that is missing from it may be there.
    """

    listed: Mapping[str, Listed] = {}
    exported: Mapping[str, Listed] = {}
    shrinks: bool = True
    asked_at: datetime
    error: str = ""


class Conflicting(msgspec.Struct, frozen=True):
    """The receiver has something under the order's id that must not be taken for it."""

    reason: str


class NoAnswer(msgspec.Struct, frozen=True):
    """The receiver could not be asked."""

    reason: str


LookupResult = Receipt | Conflicting | NoAnswer | None
"""What a look-up said; None is the certain answer that the receiver does not have the order."""


class ReceiverEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What one receiver said, by external id; `asked_at` is when the first of it was asked."""

    answers: Mapping[str, LookupResult] = {}
    asked_at: datetime


class JournalEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal holds, by source and order id; `polled` is when each source's feed was last walked."""

    orders: Mapping[tuple[str, str], OrderSnapshot] = {}
    polled: Mapping[str, datetime] = {}
