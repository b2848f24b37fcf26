"""Detects when the work-around for aioresponses in tests/conftest.py can be removed."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aioresponses import aioresponses

URL = "https://vendor.example.com/"


async def test_aioresponses_still_needs_its_shim() -> None:
    """Without the shim it cannot answer. When this test fails, delete the shim in tests/conftest.py and this file."""
    with aioresponses() as vendor:
        vendor.get(URL, response_class=aiohttp.ClientResponse)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(TypeError, match="stream_writer"):
                await session.get(URL)


async def test_aioresponses_answers_with_its_shim() -> None:
    """With the shim it answers."""
    content: Any = {"id": 1}
    with aioresponses() as vendor:
        vendor.get(URL, payload=content)
        async with aiohttp.ClientSession() as session, session.get(URL) as response:
            assert await response.json() == content
