"""
Parses Traede's response to a mark into an outcome per order.

The seeds (001, 002) show no response (vendors.md section 2, Mark response body: not found). A 2xx therefore confirms,
with three exceptions: an order that it names beside an error was not marked; a body that reports a failure leaves open
which orders were marked; and a page that is not JSON does not come from Traede.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from connector.errors import EndpointError, RejectedError, readable
from connector.http.endpoint import Answer
from connector.http.reported_failure import reported_failure
from connector.sources.base import AckOutcome, Confirmed, Denied, Refused
from connector.sources.parsing import whole_number_id

__all__ = ["judge", "outcomes"]

ERRORS = ("errors", "failed", "failures", "rejected", "not_found")
RESULTS = ("results", "data", "orders", "production_orders")
BAD = frozenset({"error", "failed", "failure", "rejected", "not_found"})
PLACE = re.compile(r"(?:production_)?orders\.(\d{1,3})(?:\..*)?")
"""The name of the n-th order of a request in the errors of the vendor's framework."""


def judge(answer: Answer, ids: Sequence[str]) -> None:
    """
    Raise for a response (2xx or 404) that does not answer the mark of `ids`.

    Raises:
        RejectedError: a 404 that names one of the orders.
        EndpointError: any other 404; the address is wrong.
        InDoubtError: a body that is not JSON; a proxy wrote it, and the result is unknown.
    """
    if answer.status == 404:
        said = answer.body.decode("utf-8", "replace")
        if set(re.findall(r"\b\d+\b", said)) & set(ids) - {"404"}:
            raise RejectedError(f"{answer.what}: 404: {said}")
        raise EndpointError(f"{answer.what}: 404")
    if answer.body.strip():
        try:
            msgspec.json.decode(answer.body)
        except (ValueError, RecursionError) as exc:
            raise answer.unusable(str(exc)) from None


def outcomes(answer: Answer, ids: Sequence[str], id_key: str) -> dict[str, AckOutcome]:
    """Return the outcome of each of `ids` (in the order of the request) in a judged 2xx response."""
    said = msgspec.json.decode(answer.body) if answer.body.strip() else None
    refused = _refused(said, ids, id_key)
    if not refused and ((isinstance(said, dict) and _failed(said)) or reported_failure(answer.body, answer.status)):
        return {each: Denied(f"{answer.what}: {readable(str(said))}") for each in ids}
    return {each: Refused(refused[each]) if each in refused else Confirmed() for each in ids}


def _refused(said: Any, ids: Sequence[str], id_key: str) -> dict[str, str]:
    """Return the orders that the response names beside an error, with the error."""
    found: dict[str, str] = {}
    top: Mapping[str, Any] = said if isinstance(said, dict) else {}
    for key in ERRORS:
        errors = top.get(key)
        if isinstance(errors, dict):
            for name, why in errors.items():
                place = PLACE.fullmatch(name)
                if place and int(place[1]) < len(ids):
                    found[ids[int(place[1])]] = _words(why)
                elif name in ids:
                    found[name] = _words(why)
        elif isinstance(errors, list):
            for each in errors:
                named = _id(each, id_key) if isinstance(each, dict) else whole_number_id(each)
                if named in ids:
                    found[str(named)] = _reason(each) if isinstance(each, dict) else f"named under {key}"
    for results in (said, *(top.get(key) for key in RESULTS)):
        for each in results if isinstance(results, list) else ():
            if isinstance(each, dict) and _id(each, id_key) in ids and _failed(each):
                found[str(_id(each, id_key))] = _reason(each)
    return found


def _failed(said: Mapping[str, Any]) -> bool:
    """Return whether a response, or one order's part of it, reports a failure."""
    bad = str(said.get("status", said.get("result", ""))).casefold() in BAD
    return bool(said.get("error") or said.get("errors") or said.get("success") is False or bad)


def _id(each: Mapping[str, Any], id_key: str) -> str | None:
    return whole_number_id(each.get(id_key, each.get("id")))


def _reason(each: Mapping[str, Any]) -> str:
    return _words(next((each[key] for key in ("error", "errors", "message", "reason") if each.get(key)), each))


def _words(why: Any) -> str:
    return readable(" ".join(map(str, why)) if isinstance(why, list) else str(why))
