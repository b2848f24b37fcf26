"""Zendera as a source: the contract of all sources, and its settings."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
import pytest
from aioresponses import aioresponses
from yarl import URL

from connector.errors import AuthError, TransientError
from connector.sandbox.server import Fault
from connector.sandbox.zendera.shipments import seed_shipment, zendera_shipments
from connector.sources import SOURCES
from connector.sources.base import Source, SupportsAckLookup, SupportsReports
from connector.sources.zendera.settings import ZenderaSettings
from connector.sources.zendera.source import ZenderaSource
from tests.contracts.source import SourceContract
from tests.contracts.source_harness import SourceHarness
from tests.sources.zendera.bench import BASE, KEY, group, offline, shipment, zendera


class TestZenderaSource(SourceContract):
    """Zendera keeps the promises of every source."""

    source = ZenderaSource
    page_limit = 5

    def make(self, ids: list[str], *, up: bool = True) -> AbstractAsyncContextManager[SourceHarness]:
        """Serve one shipment for each of these orders."""
        return zendera([shipment(number) for number in map(int, ids)], up=up)

    def offline(self) -> Source:
        """Return a source that will make no call."""
        return offline()

    def sample(self) -> bytes:
        """Return an order of two shipments, with every field that we know of."""
        return group(seed_shipment(), seed_shipment(id=700002, cashOnDelivery={}))


def test_it_is_registered() -> None:
    """`type: zendera` in settings.yaml means this source; it reads back, and takes reports."""
    assert SOURCES["zendera"] is ZenderaSource
    assert isinstance(offline(), SupportsAckLookup)
    assert isinstance(offline(), SupportsReports)


async def test_a_call_is_the_seeds() -> None:
    """The path of the base address is kept, the page requested as in the seed, the key sent after `apikey`."""
    source = offline()
    with aioresponses() as vendor:
        vendor.get(f"{BASE}/v1/orders/export?page=1&perPage=50", payload={})
        assert (await anext(source.fetch(lambda: 0))).items == []
        ((method, url), (call, *_)), *others = vendor.requests.items()
    await source.aclose()
    assert (method, url, others) == ("GET", URL(f"{BASE}/v1/orders/export?page=1&perPage=50"), [])
    assert call.kwargs["headers"]["Authorization"] == f"apikey {KEY.reveal()}"


async def test_a_check_says_how_much_waits() -> None:
    """One line for the operator, from one page of one shipment."""
    shipments = zendera_shipments(7, split=0)
    async with zendera(shipments) as h:
        assert await h.source.check() == "the feed can be read, 7 shipments to export"
        assert h.vendor.history[0].query == [("page", "1"), ("perPage", "1")]
    async with zendera() as h:
        assert await h.source.check() == "the feed can be read, 0 shipments to export"


def test_the_settings_are_those_of_the_page() -> None:
    """The keys of design.md, section 5, with their defaults; a key is needed."""
    settings = msgspec.convert(
        {"type": "zendera", "api_key": KEY, "base_url": ZenderaSettings(api_key=KEY).base_url, "page_size": 50},
        ZenderaSettings,
    )
    assert settings == ZenderaSettings(api_key=KEY)
    assert settings.base_url == BASE
    assert settings.poll_interval == 60.0
    assert "staging.zenderatms.com" in settings.sandbox_hosts
    bad: list[dict[str, Any]] = [
        {"page_size": 0},
        {"timezone": "Europe/Atlantis"},
        {"timezone": ""},
        {"cash_on_delivery": "twice"},
        {"token": "x"},
    ]
    for wrong in bad:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"type": "zendera", "api_key": KEY, **wrong}, ZenderaSettings)
    with pytest.raises(msgspec.ValidationError, match="api_key"):
        msgspec.convert({"type": "zendera"}, ZenderaSettings)


async def test_a_wrong_key_is_an_auth_error() -> None:
    """401 with AUTH_001; the answer's own words are shown."""
    async with zendera([shipment(1)]) as h:
        h.fault("fetch", Fault.UNAUTHORIZED, times=3)
        with pytest.raises(AuthError, match="AUTH_001"):
            await h.source.check()


async def test_no_test_leaves_the_machine() -> None:
    """A call that no test foresaw fails here."""
    source = offline()
    with aioresponses(), pytest.raises(TransientError):
        await source.check()
    await source.aclose()
