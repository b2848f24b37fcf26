"""
Encodes acknowledgements for Zendera, and parses its responses into an outcome per order (seed 003, step 2).

The form of a response is not published (vendors.md 3), so any 2xx confirms; everything beyond that is inferred.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from connector.ack import Acknowledgement
from connector.errors import EndpointError, RejectedError, readable
from connector.http.endpoint import Answer
from connector.http.reported_failure import DEEPEST, failure_in
from connector.sources.zendera.reports import wire_id
from connector.sources.zendera.wire import identity

__all__ = ["check_address", "complaints", "denials", "reason", "status"]

LONGEST_REASON = 250
ECHOED = frozenset({"status", "failureReason"})
"""Keys of the acknowledgement that an entry of the response may repeat."""

_any = msgspec.json.Decoder()


def status(ack: Acknowledgement) -> dict[str, int | str]:
    """Return one entry of the seed's `create`."""
    entry: dict[str, int | str] = {"orderId": wire_id(ack.order_id)}
    if ack.outcome == "exported":
        return {**entry, "status": "EXPORTED_SUCCESSFULLY"}
    return {**entry, "status": "FAILED", "failureReason": reason(ack.message)}


def reason(message: str) -> str:
    """Return the reason of a failure, as one line for the dispatcher."""
    return readable(message, LONGEST_REASON) or "no reason given"


def check_address(answer: Answer, order_ids: Sequence[str]) -> None:
    """Raise for a 404: `RejectedError` if it names one of the orders, else `EndpointError`, as the address is wrong."""
    if answer.status != 404:
        return
    said = answer.body[:4096].decode("utf-8", "replace")
    for order_id in order_ids:
        if re.search(rf"(?<!\w){re.escape(order_id)}(?!\w)", said):
            raise RejectedError(f"{answer.what}: 404, it names order {order_id}")
    raise EndpointError(f"{answer.what}: 404")


def complaints(answer: Answer) -> dict[str, str]:
    """
    Return the orders that a 2xx names with an error, and the errors [INF].

    An empty body names none. A body that is not JSON, or an error that names no order, does not answer the call: the
    result is unknown.
    """
    if not answer.body.strip():
        return {}
    body = answer.decode(_any)
    if isinstance(body, dict) and (error := body.get("error")) and not identity(body.get("orderId")):
        raise answer.unusable(f"an error: {readable(str(error), 100)}")
    found: dict[str, str] = {}
    for entry in _entries(body):
        order_id = identity(entry.get("orderId"))
        if order_id and (said := entry.get("error") or entry.get("errors") or entry.get("errorMessage")):
            found[order_id] = readable(said if isinstance(said, str) else msgspec.json.encode(said).decode())
    return found


def denials(answer: Answer, order_ids: Sequence[str]) -> dict[str, str]:
    """
    Return the orders whose failure a 2xx reports, and the failure [INF].

    An entry with an order's id is about that order, whatever it repeats of the acknowledgement; the rest of the body is
    about the whole call.
    """
    if not answer.body.strip():
        return {}
    body = answer.decode(_any)
    found: dict[str, str] = {}
    for entry in _entries(body):
        order_id = identity(entry.get("orderId"))
        if order_id in order_ids and (
            failure := _failure(answer, {key: value for key, value in entry.items() if key not in ECHOED})
        ):
            found[order_id] = failure
    if failure := _failure(answer, _without_orders(body)):
        found = dict.fromkeys(order_ids, failure) | found
    return found


def _entries(body: Any) -> list[dict[str, Any]]:
    """Return the objects of a response that are about one order."""
    lists = [value for value in body.values() if isinstance(value, list)] if isinstance(body, dict) else [body]
    every = [body, *(each for listed in lists if isinstance(listed, list) for each in listed)]
    return [each for each in every if isinstance(each, dict) and identity(each.get("orderId"))]


def _without_orders(body: Any, depth: int = 0) -> Any:
    """Return a response without the objects about one order, as deep as failures are searched for."""
    if isinstance(body, dict) and depth <= DEEPEST:
        kept = {} if identity(body.get("orderId")) else body
        return {key: _without_orders(each, depth + 1) for key, each in kept.items()}
    if isinstance(body, list):
        return [each for each in body if not (isinstance(each, dict) and identity(each.get("orderId")))]
    return body


def _failure(answer: Answer, said: Any) -> str:
    failure = failure_in(said, answer.status)
    return f"{answer.what}: {failure}" if failure else ""
