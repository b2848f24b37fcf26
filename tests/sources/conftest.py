"""Sources on their vendors' real addresses, for tests that replace the wire."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from connector.clock import SystemClock
from connector.sources.propeller.settings import PropellerSettings
from connector.sources.propeller.source import PropellerSource
from tests.sources.propeller.bench import TOKEN


@pytest.fixture
async def tenant() -> AsyncIterator[PropellerSource]:
    """Open a Propeller source with a fixed token."""
    made = PropellerSource("shop", PropellerSettings(token=TOKEN), SystemClock())
    yield made
    await made.aclose()
