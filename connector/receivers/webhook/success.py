"""Decides which 2xx responses to a webhook are successes, because a proxy may have written one."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from connector.errors import InDoubtError, readable
from connector.http.endpoint import Answer
from connector.http.reported_failure import in_utf8, no_success
from connector.mapping.expressions import Expression, ExpressionError, ExpressionParser
from connector.mapping.field_types import OpaqueType
from connector.mapping.money import exact

__all__ = ["Success", "SuccessSettings"]

Status = Annotated[int, Meta(ge=200, le=299)]

_decode = msgspec.json.Decoder(float_hook=exact).decode


class SuccessSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The conditions under which a response counts as a delivery."""

    status: Annotated[
        Annotated[list[Status], Meta(min_length=1)] | None,
        Meta(description="The statuses of a success; every 2xx, if left out."),
    ] = None
    when: Annotated[
        str | None,
        Meta(
            description="An expression over the decoded body, such as =status == 'accepted', that is true of a "
            "success. Left out, a body is one unless it is HTML, calls itself a failure, or is JSON that is cut off."
        ),
    ] = None

    def problems(self) -> list[tuple[str, str]]:
        """Return the problems of the expression."""
        try:
            _expression(self.when)
        except ExpressionError as exc:
            return [("when", mistake) for mistake in exc.mistakes]
        return []


class Success:
    """
    Judges the responses to orders before they count as deliveries.

    An order whose response is no success is in doubt: its author is unknown, and the receiver may have the order.
    """

    def __init__(self, settings: SuccessSettings) -> None:
        self._statuses = None if settings.status is None else frozenset(settings.status)
        self._when = _expression(settings.when)

    def judge(self, answer: Answer) -> None:
        """Raise `InDoubtError` for a response that is no success."""
        why = self._refusal(answer)
        if why:
            raise InDoubtError(f"{answer.what}: {answer.status}, but {why}; it may have the order all the same")

    def _refusal(self, answer: Answer) -> str:
        if self._statuses is not None and answer.status not in self._statuses:
            return "success.status does not name it"
        if self._when is None:
            why = no_success(answer.body, answer.status)
            return f"the body {why}" if why else ""
        try:
            body = _decode(in_utf8(answer.body))
        except (ValueError, RecursionError):
            return "the body is not JSON, so success.when cannot be evaluated"
        try:
            value = self._when.find(body)
        except Exception as exc:  # noqa: BLE001 - the engine raises what its functions raise; the body is not ours
            return f"success.when cannot be evaluated ({type(exc).__name__})"
        return "" if _true(value) else f"success.when is {_shown(value)}"


def _expression(text: str | None) -> Expression | None:
    """Parse the expression. Raises `ExpressionError`."""
    if text is None:
        return None
    if not text.startswith("="):
        raise ExpressionError(["an expression begins with =, such as =status == 'accepted'"])
    return ExpressionParser({}).read(text[1:], OpaqueType())


def _true(value: Any) -> bool:
    """Return whether a value is true: neither false, null or empty, nor the number 0."""
    return bool(value)


def _shown(value: Any) -> str:
    return readable(repr(value).lower(), 20) if value in (None, False) or value == 0 else "empty"
