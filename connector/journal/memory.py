"""The journal in memory: the same SQL without a file or a thread, for tests that own the time and for the demo."""

from __future__ import annotations

from connector.journal.engine.connection import InlineDatabase
from connector.journal.sqlite import SqliteJournal

__all__ = ["MemoryJournal"]


class MemoryJournal(SqliteJournal):
    """
    A `Journal` that is gone with the process.

    It takes it that nothing was delivered before; `begin` does not make it look orders up first, but for replays.
    """

    def __init__(self) -> None:
        super().__init__(InlineDatabase())

    async def changed_elsewhere(self) -> int:
        """Return the same number always: nobody else can reach it."""
        return 0
