"""Propeller's OAuth2 log-in (vendors.md 1)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest
from aioresponses import CallbackResult, aioresponses
from yarl import URL

from connector.clock import SystemClock
from connector.errors import AuthError, TransientError
from connector.sandbox.server import encode
from connector.settings.values import Secret
from connector.sources.propeller.settings import PropellerSettings
from connector.sources.propeller.source import PropellerSource
from tests.sources.propeller.bench import BASE, SEARCH, found, order, propeller, walk


async def test_the_log_in() -> None:
    """OAuth2 client credentials, in a form (vendors.md 1); one token serves all calls."""
    async with propeller([order(1)]) as h:
        await h.listed()
        await h.acknowledge(["1"])
        (login,) = [call for call in h.vendor.history if call.path == "/oauth2/token"]
    assert login.headers["content-type"] == "application/x-www-form-urlencoded"
    assert dict(parse_qsl(login.body.decode())) == {
        "grant_type": "client_credentials",
        "client_id": "sandbox",
        "client_secret": "sandbox-secret",
    }


async def test_a_wrong_secret() -> None:
    """The error reaches the operator, without the secret in it."""
    async with propeller([order(1)], client_secret=Secret("not-the-secret")) as h:
        with pytest.raises(AuthError) as caught:
            await h.listed()
    assert "not-the-secret" not in str(caught.value)


@pytest.mark.parametrize("life", [1899, "1899", 1899.9, None, "soon", -1, ...])
async def test_the_life_of_a_token(life: Any) -> None:
    """It is a number, or one in text (vendors.md 1); an unreadable one counts as half an hour."""
    fetched = 0

    def token(url: URL, **kwargs: Any) -> CallbackResult:
        nonlocal fetched
        fetched += 1
        granted = {"access_token": f"token-{fetched}", "token_type": "Bearer", "expires_in": life}
        return CallbackResult(body=encode({key: value for key, value in granted.items() if value is not ...}))

    settings = PropellerSettings(client_id="a", client_secret=Secret("b-secret"))
    tenant = PropellerSource("shop", settings, SystemClock())
    with aioresponses() as vendor:
        vendor.post(f"{BASE}/oauth2/token", callback=token, repeat=True)
        vendor.post(SEARCH, body=encode(found()), repeat=True)
        for _ in range(3):
            await walk(tenant)
    await tenant.aclose()
    assert fetched == 1


@pytest.mark.parametrize("granted", [{}, {"access_token": ""}, {"access_token": "a\r\nX: y"}, {"access_token": 5}, []])
async def test_a_token_that_is_none(granted: Any) -> None:
    """A log-in that answers with something else is tried again later."""
    settings = PropellerSettings(client_id="a", client_secret=Secret("b-secret"))
    tenant = PropellerSource("shop", settings, SystemClock())
    with aioresponses() as vendor:
        vendor.post(f"{BASE}/oauth2/token", body=encode(granted))
        with pytest.raises(TransientError):
            await walk(tenant)
    await tenant.aclose()


async def test_a_fixed_token_needs_no_log_in() -> None:
    """`token` goes with every call as it is."""
    async with propeller([order(1)], client_id=None, client_secret=None, token=Secret("sandbox-token")) as h:
        assert len(await h.listed()) == 1
        assert {call.path for call in h.vendor.history} == {"/v2/orders/search"}
