"""The evidence of the three sides: orders listed by sources, orders in the journal, look-ups at receivers."""

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
    An order that a feed lists; its page was requested at `asked_at`.

    - `skip_reason`: the reason for which the order is not to be delivered (a quotation, cancelled), or empty.
    - `arrival`: the order itself, if the journal did not know it when it was listed.
    """

    asked_at: datetime
    skip_reason: str = ""
    arrival: Arrival | None = None


class SourceEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """
    The orders of one source.

    - `listed`: the orders in its feed.
    - `exported`: the orders that it lists as exported in the compared period.
    - `shrinks`: an exported order leaves the feed.
    - `error`: the failure that ended the poll early, so that unlisted orders may exist; or empty.
    """

    listed: Mapping[str, Listed] = {}
    exported: Mapping[str, Listed] = {}
    shrinks: bool = True
    asked_at: datetime
    error: str = ""


class Conflicting(msgspec.Struct, frozen=True):
    """The receiver has a record under the order's id that does not match the order."""

    reason: str


class NoAnswer(msgspec.Struct, frozen=True):
    """The look-up was not made, or failed."""

    reason: str


LookupResult = Receipt | Conflicting | NoAnswer | None
"""The result of a look-up; None means that the receiver certainly does not have the order."""


class ReceiverEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Look-up results of one receiver by external id; the first look-up was made at `asked_at`."""

    answers: Mapping[str, LookupResult] = {}
    asked_at: datetime


class JournalEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Orders of the journal by source and order id, and the time of each source's last successful poll."""

    orders: Mapping[tuple[str, str], OrderSnapshot] = {}
    polled: Mapping[str, datetime] = {}
