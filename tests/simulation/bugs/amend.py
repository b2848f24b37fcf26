"""Bugs in the use of a reading that may be older than the last call: updates, changes back, documents."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from connector.errors import ConflictError
from connector.journal.tables import changes
from connector.receivers.ewarehousing import amend as ewarehousing_amend
from tests.simulation.bugs.planting import FROM, bug, put

__all__: list[str] = []

FROM |= {"attaches_again": 50, "is_so_already": 550}


@bug
def believes_an_older_reading(stack: ExitStack) -> None:
    """A reading right after a change that does not show it is a conflict."""
    put(stack, ewarehousing_amend, "UnshownError", lambda text, **_how: ConflictError(text))


@bug
def is_so_already(stack: ExitStack) -> None:
    """An order is read for its next change at once, though the change sent before it may not show yet."""
    real = changes.put

    def put_at_once(key: int, receiver: str, what: str, revision: str, db: Any) -> None:
        real(key, receiver, what, revision, db)
        db.execute("UPDATE changes SET next_try_at = 0 WHERE key = ? AND receiver = ?", (key, receiver))

    put(stack, changes, "put", put_at_once)


@bug
def attaches_again(stack: ExitStack) -> None:
    """A change that a crash cut off is sent again at once."""

    async def claim(_self: Any, _receiver: str, _change: Any) -> bool:
        return True

    put(stack, changes.ChangesTable, "claim", claim)
