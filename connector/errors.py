"""
Everything that can go wrong, filed by who acts next.

::

    ConnectorError
    ├── SettingsError      the operator mends settings.yaml; nothing was started (exit 78)
    ├── JournalError       the operator looks at the journal file; nothing was started (exit 1)
    │   ├── JournalBusy    the operator stops the other instance, or waits (exit 75)
    │   └── JournalStalled the operator sees to the disk, or it mends itself; another run goes on (exit 75)
    ├── UnattributedError  whose fault it is other orders tell; nothing was applied
    │   ├── AuthError      the operator mends credentials or rights
    │   └── EndpointError  the operator mends an address or a contract
    ├── TransientError     nobody: we wait and try again (see `retry_after`); nothing was applied
    ├── InDoubtError       nobody yet: it may have been applied; we read back after the settle time
    │   └── UnshownError   nobody yet: what was read does not show it, and may be older
    ├── RejectedError      a person, or the source: the other side will not take this order as it is
    ├── ConflictError      a person: what the other side holds is not what we would have written
    └── Unmappable         a person: the order lacks something; it is held under a cause

Every outcome of a call is one of three: applied (it returned), not applied (`TransientError`, `AuthError`,
`EndpointError`, `RejectedError`) or unknown (`InDoubtError`). Nothing else may leave a source or a receiver.
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
    "lasts",
    "readable",
]

LONGEST_TEXT = 500
"""Characters of a vendor's text that we keep: enough to act on, too little to fill a log or a disk."""


def lasts(exc: ConnectorError) -> bool:
    """Tell whether somebody has to mend what `exc` is about, because waiting alone does not."""
    return exc.lasting if isinstance(exc, TransientError) else not isinstance(exc, InDoubtError)


def readable(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return foreign `text` as one printable line of at most `longest` characters."""
    start = text[: longest * 4]
    if not start.isprintable():
        start = "".join(c if c.isprintable() else " " for c in start)
    line = " ".join(start.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


class ConnectorError(Exception):
    """The root of the tree; catching it catches everything the connector raises on purpose."""

    status = 0
    """The HTTP status of the answer that it is about, if there was one."""


class SettingsError(ConnectorError):
    """The settings cannot be used. `problems` holds every mistake, one line each, with its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class JournalError(ConnectorError):
    """The journal file cannot be used as it is; the text says what to do."""


class JournalBusy(JournalError):
    """Another process holds the journal; the text says which."""


class JournalStalled(JournalError):
    """The journal could not be written or read for longer than one can wait; the cause may pass (a full disk, say)."""


class UnattributedError(ConnectorError):
    """
    A refusal that does not say whose fault it is: ours, or that of what one order contains. It was not applied.

    See `connector.http.attribution` for how that is found out.
    """


class AuthError(UnattributedError):
    """The endpoint refused our credentials or rights (401, 403). The call was not applied."""


class EndpointError(UnattributedError):
    """The endpoint is not what the settings say it is (404, 405, 3xx ...). The call was not applied."""


class TransientError(ConnectorError):
    """
    The same call may succeed later, unchanged. It provably was not applied.

    `retry_after` is the number of seconds that the endpoint asked us to wait, if it did; `throttled` says that it gets
    too many calls. `reached` says that the endpoint took the request and failed at it, so that it may be this request
    and not the endpoint: a smaller page of the same list may be answered. `lasting` says that waiting alone will not
    mend it: somebody has to (a certificate that has expired, a host name that does not exist).
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
    """The call may have been applied, or may yet be. Only reading back can tell."""


class UnshownError(InDoubtError):
    """
    A reading does not show what was written; it may be older than that.

    `applied` says that the write was answered with a success, so that there is no reason to repeat it.
    """

    def __init__(self, message: str, *, applied: bool = False) -> None:
        super().__init__(message)
        self.applied = applied


class RejectedError(ConnectorError):
    """
    The other side understood the call and will not take it.

    `duplicate` says that the reason was that it holds such a record already: look it up.
    """

    def __init__(self, reason: str, *, duplicate: bool = False) -> None:
        super().__init__(readable(reason))
        self.duplicate = duplicate


class ConflictError(ConnectorError):
    """What the other side holds under our identity is not ours alone, or not what we wrote."""


class Unmappable(ConnectorError):
    """
    The order cannot be turned into what is needed.

    `cause` is short and the same for all orders that wait for the same thing; `detail` says more about this one.
    `ours` says that the settings are to be mended (a code is missing from a table) and not the order: the source is
    never told that such an order failed.
    """

    def __init__(self, cause: str, detail: str = "", *, ours: bool = False) -> None:
        super().__init__(f"{cause}: {detail}" if detail else cause)
        self.ours = ours
        self.cause = readable(cause, 200)
        self.detail = readable(detail)
