"""The bus during a cancellation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import anyio
import pytest

from connector.bus import Bus, Publisher
from connector.clock import SystemClock
from connector.events import PollFinished

EVENT = PollFinished(at=datetime(2026, 1, 1, tzinfo=UTC), source="shop", seen=0, new=0, total=None)


def _unheard() -> Publisher:
    """Return a publisher whose only subscriber has gone."""
    bus = Bus(SystemClock())
    inbox = bus.subscribe(PollFinished)
    publisher = bus.publisher(PollFinished)
    bus.seal()
    inbox.close()
    return publisher


async def _publish(publisher: Publisher) -> None:
    await publisher.publish(EVENT)


async def _offer(publisher: Publisher) -> None:
    await publisher.offer(EVENT, "")


both = pytest.mark.parametrize("tell", [_publish, _offer])


@both
async def test_telling_nobody_is_loud(tell: Callable[[Publisher], Awaitable[None]]) -> None:
    """An event for a stage that has gone raises: nothing is dropped silently."""
    with _unheard() as publisher, pytest.raises(anyio.BrokenResourceError):
        await tell(publisher)


@both
async def test_telling_nobody_while_cancelled_is_the_cancellation(
    tell: Callable[[Publisher], Awaitable[None]],
) -> None:
    """
    A stage that is cancelled together with its subscriber ends as cancelled,
    without an error about the subscriber.
    """
    with _unheard() as publisher, anyio.CancelScope() as scope:
        scope.cancel()
        await tell(publisher)

    assert scope.cancelled_caught
