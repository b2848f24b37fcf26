"""The bus while everything is being cancelled."""

from __future__ import annotations

from datetime import UTC, datetime

import anyio
import pytest

from connector.bus import Bus, Publisher
from connector.events import PassFinished

EVENT = PassFinished(at=datetime(2026, 1, 1, tzinfo=UTC), source="shop", seen=0, new=0, total=None)


def _unheard() -> Publisher:
    """Return a publisher whose only subscriber has gone."""
    bus = Bus()
    inbox = bus.subscribe(PassFinished)
    publisher = bus.publisher(PassFinished)
    bus.seal()
    inbox.close()
    return publisher


async def test_publishing_to_nobody_is_loud() -> None:
    """An event for a stage that has gone raises: nothing is dropped in silence."""
    with _unheard() as publisher, pytest.raises(anyio.BrokenResourceError):
        await publisher.publish(EVENT)


async def test_publishing_to_nobody_while_cancelled_is_the_cancellation() -> None:
    """A stage that is being cancelled with the one it tells ends cancelled, and not with that one's absence."""
    with _unheard() as publisher, anyio.CancelScope() as scope:
        scope.cancel()
        await publisher.publish(EVENT)

    assert scope.cancelled_caught
