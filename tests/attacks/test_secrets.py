"""A vendor that echoes everything that it was sent, in any form, puts no secret into an error."""

from __future__ import annotations

import json
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from connector.clock import SystemClock
from connector.errors import ConnectorError
from connector.receivers.base import Delivery
from connector.registry import receiver_types
from connector.settings.values import Secret, Url
from connector.sources.propeller.settings import PropellerSettings
from connector.sources.propeller.source import PropellerSource

CANARY = 'cAnArY+7f3a/"&é x%'
FORMS = {CANARY, quote(CANARY, safe=""), quote_plus(CANARY), json.dumps(CANARY)[1:-1], repr(CANARY)[1:-1]}
STATUSES = (200, 201, 400, 401, 403, 404, 409, 422, 429, 500)


@asynccontextmanager
async def echoing(status: int, session: bytes = b"") -> AsyncIterator[Url]:
    """Serve a vendor that echoes everything as text and as JSON; with `session`, it answers a log-in with it."""

    async def echo(request: web.Request) -> web.Response:
        if session and "auth" in request.path:
            return web.Response(body=session)
        body = (await request.read()).decode()
        told = json.dumps({"errors": [repr(dict(request.headers)), body, str(request.url)]}, ensure_ascii=False)
        return web.Response(status=status, text=told + body)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", echo)
    async with TestServer(app) as server:
        yield Url(str(server.make_url("")))


async def printed(call: Any) -> str:
    """Return everything that an error of this call can print."""
    try:
        await call
    except ConnectorError as exc:
        return "".join(traceback.format_exception(exc)) + repr(exc) + str(exc.__cause__) + str(exc.__context__)
    return ""


@pytest.mark.attack(24)
@pytest.mark.parametrize("status", STATUSES)
async def test_a_form_that_is_said_back(status: int) -> None:
    """Propeller's client secret is sent form-encoded, so it differs from its plain form."""
    async with echoing(status) as base:
        settings = PropellerSettings(base_url=base, client_id="client", client_secret=Secret(CANARY))
        source = PropellerSource("shop", settings, SystemClock())
        said = await printed(source.check())
        await source.aclose()
    assert said
    assert [form for form in FORMS if form in said] == []


@pytest.mark.attack(24)
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("logged_in", [False, True])
async def test_a_password_that_is_said_back(status: int, logged_in: bool) -> None:
    """EWarehousing's password is sent as JSON, and its tokens in a header."""
    session = msgspec.json.encode({"token": "t0ken-cAnArY", "refresh_token": "r3fresh", "iat": 0, "exp": 3600})
    kind = receiver_types()["ewarehousing"]
    async with echoing(status, session if logged_in else b"") as base:
        settings = kind.settings(
            base_url=base, username="me", password=Secret(CANARY), wms_code="DEV", customer_code="C-1"
        )
        receiver = kind("wms", settings, SystemClock())
        said = await printed(receiver.create(Delivery("shop-1", json.dumps({"note": CANARY}).encode())))
        said += await printed(receiver.find("shop-1"))
        await receiver.aclose()
    assert said
    assert [form for form in {*FORMS, "t0ken-cAnArY"} if form in said] == []
