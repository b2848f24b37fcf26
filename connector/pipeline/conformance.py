"""
Checks that the values which a source or receiver returns conform to the protocols.

A plugin is foreign code, and a wrong type in a row of the journal would end the run for all endpoints. The built-in
vendors pass these checks by construction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.ack import AckOutcome, Confirmed, NotApplied, Refused, Unknown
from connector.errors import EndpointError
from connector.receivers.base import Receipt
from connector.sources.base import FeedItem, Page

__all__ = ["checked_outcomes", "checked_page", "checked_receipt"]

FIX = "correct the source's code"
LARGEST = 2**63 - 1


def checked_page(page: Any, source: str) -> Page:
    """
    Return a page of a feed unchanged.

    Raises:
        EndpointError: it is no page, or an order in it has no text as its id, or no bytes.
    """
    if not isinstance(page, Page):
        raise EndpointError(f"{source}: its feed gave {_kind(page)} where a Page is due; {FIX}")
    if page.total is not None and (type(page.total) is not int or not 0 <= page.total <= LARGEST):
        raise EndpointError(f"{source}: its feed states the total {_shown(page.total)}, no whole number; {FIX}")
    for item in page.items:
        if type(item) is not FeedItem:
            raise EndpointError(f"{source}: a page of its feed holds {_kind(item)} where a FeedItem is due; {FIX}")
        if type(item.order_id) is not str or not item.order_id:
            raise EndpointError(f"{source}: its feed gave the order id {_shown(item.order_id)}, no text; {FIX}")
        if type(item.raw) is not bytes or type(item.skip) is not str:
            wrong = "raw" if type(item.raw) is not bytes else "skip"
            problem = f"order {item.order_id} of its feed has {_kind(getattr(item, wrong))} as {wrong}"
            raise EndpointError(f"{source}: {problem}; {FIX}")
    return page


def checked_receipt(receipt: Any) -> Receipt:
    """
    Return the receipt of an order unchanged.

    Raises:
        TypeError: it is no receipt, or a part of it is no text.
    """
    if not isinstance(receipt, Receipt):
        raise TypeError(f"{_kind(receipt)} came back where a Receipt is due")
    if any(type(each) is not str for each in (receipt.id, receipt.reference, receipt.status)):
        raise TypeError("a receipt came back whose id, reference or status is no text")
    return receipt


def checked_outcomes(outcomes: Any) -> Mapping[str, AckOutcome]:
    """
    Return the outcomes of acknowledgements by order id, unchanged.

    Raises:
        TypeError: it is no mapping of outcomes with reasons in text.
    """
    if not isinstance(outcomes, Mapping):
        raise TypeError(f"{_kind(outcomes)} came back where outcomes by order id are due")
    for outcome in outcomes.values():
        if not isinstance(outcome, Confirmed | NotApplied | Refused | Unknown):
            raise TypeError(f"{_kind(outcome)} came back where an outcome is due")
        if not isinstance(outcome, Confirmed) and type(outcome.reason) is not str:
            raise TypeError(f"a {type(outcome).__name__} came back whose reason is no text")
        if isinstance(outcome, NotApplied) and not isinstance(outcome.retry_after, int | float | None):
            raise TypeError("a NotApplied came back whose retry_after is no number")
    return outcomes


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}" if value is not None else "None"


def _shown(value: Any) -> str:
    return f"{value!r:.40}" if isinstance(value, int | float | str) else _kind(value)
