"""What of the settings a mark depends on: a mark that waits while they change is made as they were (faults.md 103)."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

__all__ = ["Terms"]


class Terms(msgspec.Struct, frozen=True):
    """To which system an order is marked as exported; and, of an order, whether the mark moves stock."""

    system_id: str
    regulate_inventory: bool | UnsetType = UNSET

    @property
    def text(self) -> str:
        """These terms as the journal keeps them. Change it only so that `under` still reads what it was."""
        return msgspec.json.encode(self).decode()

    def under(self, text: str) -> Terms:
        """
        Return the terms of an acknowledgement whose own are `text`; these, if it has none.

        What `text` does not say is as here. That of another kind of source, which had the name before, says nothing.
        """
        if not text:
            return self
        try:
            kept = msgspec.json.decode(text, type=Terms)
        except (ValueError, RecursionError):
            return self
        regulate = self.regulate_inventory if kept.regulate_inventory is UNSET else kept.regulate_inventory
        return Terms(kept.system_id, regulate)
