"""Repeated warnings: after 15 minutes, then at doubling intervals, at least daily."""

from __future__ import annotations

import anyio
import pytest

from connector.pipeline.log_throttle import LogThrottle
from tests.doubles import LoopClock

pytestmark = pytest.mark.looptime


async def test_a_trouble_is_logged_when_it_has_lasted_twice_as_long_and_once_a_day() -> None:
    """And the next trouble starts from the beginning."""
    throttle = LogThrottle(LoopClock())
    for _ in range(2):
        logged = []
        for minute in range(4 * 1440):
            if throttle.ongoing() is not None:
                logged.append(minute)
            await anyio.sleep(60)
        assert [15, 30, 60, 120, 240, 480, 960, 1920, 3360, 4800] == logged
        throttle.reset()
