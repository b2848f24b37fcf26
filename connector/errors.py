"""
All errors of the connector, ordered by who acts next.

::

    ConnectorError
    ├── SettingsError      the operator corrects settings.yaml; nothing was started (exit 78)
    ├── JournalError       the operator examines the journal file; nothing was started (exit 1)
    │   ├── JournalBusy    the operator stops the other instance, or waits (exit 75)
    │   └── JournalStalled the operator frees or repairs the disk, or it recovers; a later run continues (exit 75)
    ├── UnattributedError  other orders decide who is at fault; nothing was applied
    │   ├── AuthError      the operator corrects credentials or rights
    │   └── EndpointError  the operator corrects an address or a contract
    ├── TransientError     nobody: we wait and retry (see `retry_after`); nothing was applied
    ├── InDoubtError       nobody yet: it may have been applied; we look it up after the settle time
    │   └── UnshownError   nobody yet: a reading does not show it, but the reading may be older
    ├── RejectedError      the operator, or the source: the other side does not accept this order as it is
    ├── ConflictError      the operator: the other side has a record that differs from ours
    └── Unmappable         the operator: the order lacks something; it is held under a cause

A call has one of three outcomes: applied (it returned), not applied (`TransientError`, `AuthError`, `EndpointError`,
`RejectedError`) or unknown (`InDoubtError`). Sources and receivers raise nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "AuthError",
    "ConflictError",
    "ConnectorError",
    "EndpointError",
    "InDoubtError",
    "JournalBusy",
    "JournalError",
    "JournalStalled",
    "RejectedError",
    "SettingsError",
    "TransientError",
    "UnattributedError",
    "Unmappable",
    "UnshownError",
    "is_lasting",
    "readable",
]

LONGEST_TEXT = 500
"""Characters that are kept of a vendor's text: enough to act on, too few to fill a log or a disk."""


def is_lasting(exc: ConnectorError) -> bool:
    """Return True if the problem lasts until someone fixes it; waiting alone does not help."""
    return exc.lasting if isinstance(exc, TransientError) else not isinstance(exc, InDoubtError)


def readable(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return foreign `text` as one printable line of at most `longest` characters."""
    start = text[: longest * 4]
    if not start.isprintable():
        start = "".join(c if c.isprintable() else " " for c in start)
    line = " ".join(start.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


class ConnectorError(Exception):
    """The base of all errors that the connector raises on purpose."""

    status = 0
    """The HTTP status of the response, if there was one."""


class SettingsError(ConnectorError):
    """The settings cannot be used. `problems` holds every mistake, one line each, with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class JournalError(ConnectorError):
    """The journal file cannot be used as it is; the message describes the remedy."""


class JournalBusy(JournalError):
    """Another process holds the journal; the message names it."""


class JournalStalled(JournalError):
    """The journal could not be read or written for too long, for a reason that may pass, such as a full disk."""


class UnattributedError(ConnectorError):
    """
    A rejection that leaves open who is at fault: we, or the content of one order. The call was not applied.

    `connector.http.attribution` decides it.
    """


class AuthError(UnattributedError):
    """The endpoint rejected our credentials or rights (401, 403). The call was not applied."""


class EndpointError(UnattributedError):
    """The endpoint is not as the settings describe it (404, 405, 3xx ...). The call was not applied."""


class TransientError(ConnectorError):
    """
    The same call may succeed later, unchanged. It was certainly not applied.

    * `retry_after`: the seconds that the endpoint demanded to wait, if it did.
    * `throttled`: the endpoint gets too many calls.
    * `reached`: the endpoint accepted the request and failed on it, so the request may be the reason: a smaller page of
      the same list may succeed.
    * `lasting`: waiting alone will not help; someone must fix it (an expired certificate, an unknown host name).
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        reached: bool = False,
        throttled: bool = False,
        lasting: bool = False,
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.reached = reached
        self.throttled = throttled
        self.lasting = lasting


class InDoubtError(ConnectorError):
    """The call may have been applied, or may still be. Only a look-up can decide."""


class UnshownError(InDoubtError):
    """
    A reading does not show the write, but may be older than it.

    `applied` is True if the write was answered with a success, so that there is no reason to repeat it.
    """

    def __init__(self, message: str, *, applied: bool = False) -> None:
        super().__init__(message)
        self.applied = applied


class RejectedError(ConnectorError):
    """
    The other side understood the call and does not accept it.

    `duplicate` is True if the reason was that it already has such a record: look it up.
    """

    def __init__(self, reason: str, *, duplicate: bool = False) -> None:
        super().__init__(readable(reason))
        self.duplicate = duplicate


class ConflictError(ConnectorError):
    """The record of the other side under our identity is not ours alone, or differs from the one that we wrote."""


class Unmappable(ConnectorError):
    """
    The order cannot be converted.

    * `cause` is short, and the same for all orders that wait for the same thing.
    * `detail` adds the details of this order.
    * `ours` is True if the settings must be corrected (a code is missing from a table) and not the order: such an order
      is never reported as failed to its source.
    """

    def __init__(self, cause: str, detail: str = "", *, ours: bool = False) -> None:
        super().__init__(f"{cause}: {detail}" if detail else cause)
        self.ours = ours
        self.cause = readable(cause, 200)
        self.detail = readable(detail)
