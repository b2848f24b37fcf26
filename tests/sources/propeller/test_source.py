"""Propeller as a source: the contract of all sources, and its settings."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import msgspec
import pytest
from aioresponses import aioresponses

from connector.clock import SystemClock
from connector.errors import TransientError
from connector.sandbox.propeller.orders import propeller_orders, seed_order
from connector.settings.values import Url
from connector.sources import SOURCES
from connector.sources.base import Source
from connector.sources.propeller.settings import PropellerSettings
from connector.sources.propeller.source import PropellerSource
from tests.contracts.source import SourceContract
from tests.contracts.source_harness import SourceHarness
from tests.sources.propeller.bench import BASE, TOKEN, listed, order, propeller, walk


class TestPropellerSource(SourceContract):
    """Propeller keeps the promises of every source."""

    source = PropellerSource
    page_limit = 5
    logs_in = True

    def make(self, ids: list[str], *, up: bool = True) -> AbstractAsyncContextManager[SourceHarness]:
        """Serve the seed's order under these ids."""
        return propeller([order(number) for number in ids], up=up)

    def offline(self) -> Source:
        """Return a source that will make no call."""
        return PropellerSource("shop", PropellerSettings(token=TOKEN), SystemClock())

    def sample(self) -> bytes:
        """Return the seed's order, with the fields that the vendor documents elsewhere."""
        return listed({"reference": "WEB-1", "remarks": "Ring twice.", "items": [{**seed_order()["items"][0]}]})


def test_it_is_registered() -> None:
    """`type: propeller` in settings.yaml means this tenant."""
    assert SOURCES["propeller"] is PropellerSource


async def test_a_check_says_how_much_waits() -> None:
    """One line for the operator, from one small search."""
    async with propeller(propeller_orders(7)) as h:
        assert await h.source.check() == "search works, 7 orders to export"


@pytest.mark.parametrize(
    ("given", "fine"),
    [
        ({}, False),
        ({"client_id": "a"}, False),
        ({"client_secret": TOKEN}, False),
        ({"token": TOKEN, "client_id": "a"}, False),
        ({"token": TOKEN, "client_id": "a", "client_secret": TOKEN}, False),
        ({"token": TOKEN}, True),
        ({"client_id": "a", "client_secret": TOKEN}, True),
    ],
)
def test_the_settings_want_one_way_in(given: dict[str, Any], fine: bool) -> None:
    """Either a token, or a client's id and secret."""
    problems = PropellerSettings(**given).problems()
    assert (problems == []) is fine
    assert fine or problems == [("token", "give either token, or client_id and client_secret")]


def test_no_status_means_both() -> None:
    """A status that is exported cannot mean cancelled as well, in whatever case it is written."""
    settings = PropellerSettings(token=TOKEN, statuses=["NEW", "VOID"], cancelled_statuses=["void", "GONE"])
    assert settings.problems() == [("cancelled_statuses", "void: cannot be exported (statuses) and cancelled")]


def test_the_settings_are_those_of_the_page() -> None:
    """The keys of design.md, section 5, with their defaults."""
    settings = msgspec.convert({"type": "propeller", "statuses": ["NEW"], "page_size": 50}, PropellerSettings)
    assert settings == PropellerSettings()
    assert settings.base_url == Url(BASE)
    bad: list[dict[str, Any]] = [
        {"page_size": 0},
        {"page_size": 101},
        {"statuses": []},
        {"status_key": "state"},
        {"pagesize": 5},
    ]
    for wrong in bad:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"type": "propeller", **wrong}, PropellerSettings)


async def test_a_connection_is_what_aioresponses_replaces(tenant: PropellerSource) -> None:
    """A call that no test foresaw fails here, and does not leave the machine."""
    with aioresponses(), pytest.raises(TransientError, match=aiohttp.ClientConnectionError.__name__):
        await walk(tenant)
