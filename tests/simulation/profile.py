"""The make-up of a schedule: drawn from its seed, before anything happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Literal, get_args

import msgspec

from connector.receivers.ewarehousing.settings import EwarehousingSettings
from connector.receivers.webhook.settings import WebhookSettings
from connector.settings import Duration, Rate, RetrySettings, RouteSettings, Secret, Settings, Url
from connector.settings.model import ProgressSettings
from connector.sources.propeller.settings import PropellerSettings
from connector.sources.traede.settings import TraedeOrdersSettings
from connector.sources.zendera.settings import ZenderaSettings
from tests.simulation.disk import Loss
from tests.simulation.vendors import plugin
from tests.simulation.vendors.erp import Manners

__all__ = ["Profile", "drawn", "secret", "settings", "with_plugin"]

SETTLE = 60.0
RETRY = RetrySettings(first=Duration(1), longest=Duration(30))


def secret(name: str) -> str:
    """Return a secret of the settings: like no other text, and with all that is written differently here and there."""
    return f"c4n+ry of/{name} &\"='\\%"


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """
    The make-up of one schedule; times are in seconds, and likelihoods of faults are shares of the orders.

    `chaos` is how long anything may go wrong. `lag` is how much later a record is found than made; with the longest
    that an answer may be late it stays below `SETTLE`, or the promise of faults.md 4.5 (A1, A2) would be broken.
    """

    sources: Sequence[str]
    orders: Mapping[str, int]
    chaos: float
    endings: int
    concurrency: int
    page_size: int
    ack_interval: float
    poll_interval: float
    timeout: float
    rate_limit: str
    regulate: bool
    unique: bool
    fuzzy: bool
    lag: float
    token_life: int
    broken: float
    refused: float
    edited: float
    cancelled: float
    partly: float
    withdrawn: float
    shipped: float
    slow_disk: float
    replays: int
    second: Literal["", "required", "optional"]
    """The kind of the second receiver, a webhook, in this schedule; empty: there is none."""
    manners: Manners
    given_up: float
    outage: bool
    picky: float
    loss: Loss
    look_up_first: Literal["auto", "always", "never"]
    clock_steps: int
    """The number of times that our machine's clock is set, ahead or back, while a process runs or between two."""
    afterlife: bool
    """True if much happens to orders after they are delivered."""


def drawn(chance: Random) -> Profile:
    """Return the profile of one schedule."""
    names = ["shop", "wholesale", "transport"]
    sources = sorted(chance.sample(names, chance.choice((1, 1, 2, 3))))
    total = chance.choice((3, 6, 10, 16, 25))
    orders = {name: max(1, total // len(sources)) for name in sources}
    calm = chance.random() < 0.3
    loss: Loss = chance.choice(("", "", "", "", "", *get_args(Loss)))
    afterlife = not calm and chance.random() < 0.35
    return Profile(
        sources=sources,
        orders=orders,
        chaos=chance.uniform(20, 240),
        endings=chance.choice((3, 4, 6, 8, 12, 16) if loss else (0, 3, 4, 6, 8, 12, 16)),
        concurrency=chance.choice((1, 3, 8)),
        page_size=chance.choice((3, 5, 50)),
        ack_interval=chance.choice((0.1, 1.0, 5.0)),
        poll_interval=chance.choice((15.0, 30.0, 60.0)),
        timeout=chance.choice((5.0, 20.0)),
        rate_limit=chance.choice(("", "", "30/min")),
        regulate=chance.random() < 0.7,
        unique=chance.random() < 0.15,
        fuzzy=chance.random() < 0.3,
        lag=chance.choice((0.0, 0.0, 1.0, 20.0)),
        token_life=chance.choice((40, 600, 3600)),
        broken=0.0 if calm else chance.choice((0.0, 0.1, 0.4)),
        refused=0.0 if calm else chance.choice((0.0, 0.1, 0.4)),
        edited=0.0 if calm else 0.5 if afterlife else chance.choice((0.0, 0.1, 0.4)),
        cancelled=0.0 if calm else 0.4 if afterlife else chance.choice((0.0, 0.1, 0.3)),
        partly=0.0 if calm else chance.choice((0.0, 0.0, 0.2)),
        replays=8 if afterlife else chance.choice((0, 0, 0, 2)),
        afterlife=afterlife,
        slow_disk=chance.choice((0.02, 0.02, 0.3)),
        shipped=0.4 if afterlife else chance.choice((0.0, 0.0, 0.4)),
        withdrawn=0.0 if calm else chance.choice((0.0, 0.0, 0.2)),
        second=chance.choice(("", "", "", "required", "optional")),
        manners=chance.choice(get_args(Manners)),
        given_up=0.0 if calm else chance.choice((0.0, 0.0, 0.3)),
        outage=not calm and chance.random() < 0.3,
        picky=0.0 if calm else chance.choice((0.0, 0.0, 0.4)),
        loss=loss,
        look_up_first=chance.choice(("auto", "auto", "always") if loss else ("never", "never", "auto", "always")),
        clock_steps=chance.choice((0, 0, 1, 3)),
    )


def with_plugin(own: Settings) -> Settings:
    """Return settings with a source of another package beside the others."""
    return msgspec.structs.replace(
        own,
        sources={**own.sources, plugin.NAME: plugin.OddSettings(poll_interval=Duration(15), retry=RETRY)},
        routes=[*own.routes, RouteSettings(source=plugin.NAME, receivers=["warehouse"])],
    )


def settings(profile: Profile) -> Settings:
    """Return the settings with which the connector runs."""
    common: dict[str, Any] = {
        "poll_interval": Duration(profile.poll_interval),
        "ack_interval": Duration(profile.ack_interval),
        "settle": Duration(SETTLE / 2),
        "timeout": Duration(profile.timeout),
        "retry": RETRY,
    }
    size = profile.page_size
    sources: dict[str, Callable[[], Any]] = {
        "shop": lambda: PropellerSettings(
            base_url=Url("https://shop.invalid"),
            client_id="sandbox",
            client_secret=Secret(secret("client_secret")),
            page_size=size,
            **common,
        ),
        "wholesale": lambda: TraedeOrdersSettings(
            base_url=Url("https://wholesale.invalid"),
            token=Secret(secret("token")),
            app_key=Secret(secret("app_key")),
            system_id="erp",
            regulate_inventory=profile.regulate,
            include_cancelled=True,
            page_size=size,
            **common,
        ),
        "transport": lambda: ZenderaSettings(
            base_url=Url("https://transport.invalid/api"),
            api_key=Secret(secret("api_key")),
            page_size=size,
            **common,
        ),
    }
    second = [] if not profile.second else ["erp"]
    return Settings(
        journal="simulated",
        sources={name: sources[name]() for name in profile.sources},
        receivers={
            "warehouse": EwarehousingSettings(
                base_url=Url("https://warehouse.invalid"),
                username="sandbox",
                password=Secret(secret("password")),
                wms_code="DEV",
                customer_code="SANDBOX",
                concurrency=profile.concurrency,
                rate_limit=Rate.parse(profile.rate_limit) if profile.rate_limit else None,
                settle=Duration(SETTLE),
                look_up_first=profile.look_up_first,
                timeout=Duration(profile.timeout),
                retry=RETRY,
            ),
            **{
                name: WebhookSettings(
                    url=Url("https://erp.invalid/orders"),
                    secret=Secret(secret("signing")),
                    idempotent=profile.manners in ("recognises", "refuses"),
                    find_url=Url("https://erp.invalid/orders") if profile.manners == "finds" else None,
                    concurrency=profile.concurrency,
                    settle=Duration(SETTLE),
                    look_up_first=profile.look_up_first if profile.manners == "finds" or not profile.loss else "auto",
                    timeout=Duration(profile.timeout),
                    retry=RETRY,
                )
                for name in second
            },
        },
        routes=[
            RouteSettings(
                source=name,
                receivers=["warehouse", *(second if profile.second == "required" else ())],
                optional=second if profile.second == "optional" else [],
                cancelled="leave",
                progress=ProgressSettings(interval=Duration(30)),
            )
            for name in profile.sources
        ],
    )
