"""A reload applies some changes of the settings, secrets included, and reports those that need a restart."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from standardwebhooks import Webhook

from connector.clock import SystemClock
from connector.receivers import RECEIVERS
from connector.settings import Secret, Settings
from connector.settings.model import RouteSettings
from connector.settings.reload import changed_keys, with_new_parts
from connector.settings.values import Url
from connector.sources import SOURCES
from connector.sources.propeller.settings import PropellerSettings
from connector.sources.zendera.settings import ZenderaSettings
from tests.doubles import DoubleReceiverSettings
from tests.settings.vendors import WmsSettings

BASE = Url("https://vendor.example")
KEYS: dict[str, dict[str, Any]] = {
    "propeller": {"base_url": BASE, "client_id": "me", "client_secret": Secret("s3cret-of-before")},
    "traede_orders": {
        "base_url": BASE,
        "token": Secret("t0ken-of-before"),
        "app_key": Secret("k3y-of-before"),
        "system_id": "erp",
        "regulate_inventory": False,
    },
    "traede_production_orders": {
        "base_url": BASE,
        "token": Secret("t0ken-of-before"),
        "app_key": Secret("k3y-of-before"),
        "system_id": "erp",
    },
    "zendera": {"base_url": BASE, "api_key": Secret("k3y-of-before")},
    "ewarehousing": {
        "base_url": BASE,
        "username": "me",
        "password": Secret("p4ss-of-before"),
        "wms_code": "A",
        "customer_code": "B",
    },
    "webhook": {"url": BASE, "secret": Secret("s3cret-of-before")},
}


def settings(**more: Any) -> Settings:
    """Return settings with one source and one receiver."""
    shop = PropellerSettings(base_url=BASE, client_id="me", client_secret=Secret("before"))
    wms = WmsSettings(base_url=BASE, username="me", password=Secret("before"))
    own = Settings(
        sources={"shop": shop},
        receivers={"wms": wms},
        routes=[RouteSettings(source="shop", receivers=["wms"])],
    )
    return msgspec.structs.replace(own, **more)


@pytest.mark.parametrize("family", [SOURCES, RECEIVERS], ids=["sources", "receivers"])
async def test_every_vendor_with_secrets_takes_new_ones(family: Any) -> None:
    """The next call uses the new secrets; errors mask both the old and the new ones."""
    for name, kind in family.items():
        if not any("Secret" in str(field.type) for field in msgspec.structs.fields(kind.settings)):
            continue
        keys = dict(KEYS[name])
        if name == "ewarehousing" and family is SOURCES:
            keys["statuses"] = ["created"]
        before = kind.settings(**keys)
        end: Any = kind("it", before, SystemClock())
        assert hasattr(end, "rotate_secrets"), name
        secrets = {key: Secret(value.reveal() + "-2") for key, value in keys.items() if isinstance(value, Secret)}
        end.endpoint.breaker.failed("401", hopeless=True)

        end.rotate_secrets(msgspec.structs.replace(before, **secrets))

        for old in (value.reveal() for value in keys.values() if isinstance(value, Secret)):
            assert {old, old + "-2"} <= end.endpoint._secrets, name
            assert not any(value.endswith(old) for value in end.endpoint._headers.values()), name
        assert "closed" == end.endpoint.breaker.state
        await end.aclose()


def test_a_webhook_is_signed_with_the_new_secret() -> None:
    """The receiver verifies with the secret that it has now."""
    kind = RECEIVERS["webhook"]
    before = kind.settings(**KEYS["webhook"])
    end: Any = kind("it", before, SystemClock())
    end.rotate_secrets(msgspec.structs.replace(before, secret=Secret("s3cret-of-today-x")))

    headers = end._signed("shop-1", b"{}")

    Webhook(b"s3cret-of-today-x").verify("{}", headers)


def test_what_can_be_taken_is_taken_and_the_rest_is_named() -> None:
    """
    Tables, a route's mapping and totals, and secrets with their account names
    apply; paths are reported, never values.
    """
    old = settings()
    route = RouteSettings(source="shop", receivers=["wms"], mapping={"note": "x"}, split_street=True, on_cancel="hold")
    new = settings(
        tables={"places": {"NL": "here"}},
        routes=[route],
        sources={
            "shop": PropellerSettings(
                base_url=Url("https://other.example"), client_id="you", client_secret=Secret("after"), page_size=7
            )
        },
        receivers={
            "wms": WmsSettings(base_url=BASE, username="me", password=Secret("after")),
            "erp": DoubleReceiverSettings(),
        },
    )

    now = with_new_parts(old, new, lambda name: name == "shop")

    assert [
        "routes.shop.mapping",
        "routes.shop.split_street",
        "sources.shop.client_id",
        "sources.shop.client_secret",
        "tables.places",
    ] == changed_keys(old, now)
    assert [
        "receivers.erp",
        "receivers.wms.password",
        "routes.shop.on_cancel",
        "sources.shop.base_url",
        "sources.shop.page_size",
    ] == changed_keys(now, new)
    assert old.sources["shop"].base_url == now.sources["shop"].base_url


def test_a_route_that_leads_elsewhere_waits_for_a_restart_as_a_whole() -> None:
    """Its mapping may be per receiver, so no part of it is combined with the running route."""
    old = settings()
    route = RouteSettings(source="shop", receivers=["wms", "erp"], mapping={"wms": {}, "erp": {}})
    new = settings(routes=[route, RouteSettings(source="new", receivers=["wms"])])

    now = with_new_parts(old, new, lambda _name: True)

    assert old == now
    assert ["routes.new", "routes.shop.mapping", "routes.shop.receivers"] == changed_keys(now, new)


def test_a_source_of_another_type_waits_for_a_restart() -> None:
    """None of its keys fit the running source."""
    old = settings()
    new = settings(sources={"shop": ZenderaSettings(base_url=BASE, api_key=Secret("k"))})

    assert old == with_new_parts(old, new, lambda _name: True)
    assert ["sources.shop"] == changed_keys(old, new)
