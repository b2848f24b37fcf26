"""Two small vendors for the tests of the settings, with every type of key that real vendors have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from connector.errors import SettingsError
from connector.settings import ReceiverSettings, Secret, Settings, SourceSettings, Url, parse

GOOD = """\
environment: sandbox
sources:
  shop:
    type: shop
    base_url: https://shop.example
    token: ${SHOP_TOKEN}
receivers:
  wms:
    type: wms
    base_url: https://wms.example
    username: me
    password: ${WMS_PASSWORD}
routes:
  - source: shop
    receivers: [wms]
"""

CANARY = "canary-7f3a-do-not-print"
ENVIRON = {"SHOP_TOKEN": CANARY, "WMS_PASSWORD": CANARY + "-2"}


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One condition."""

    key: str
    value: str | list[str] = ""


class ShopSettings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="shop"):
    """A shop."""

    sandbox_hosts: ClassVar[frozenset[str]] = frozenset({"test.shop.example"})

    base_url: Url
    token: Secret | None = None
    client_id: str | None = None
    statuses: Annotated[list[str], Meta(min_length=1)] = msgspec.field(default_factory=lambda: ["NEW"])
    page_size: Annotated[int, Meta(ge=1, le=100)] = 50
    archived: bool = False
    filters: list[Filter] = msgspec.field(default_factory=list)

    def problems(self) -> list[tuple[str, str]]:
        """Report two keys that exclude each other."""
        return [] if (self.token is None) != (self.client_id is None) else [("token", "give token or client_id")]


class WmsSettings(ReceiverSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="wms"):
    """A warehouse."""

    sandbox_hosts: ClassVar[frozenset[str]] = frozenset({"test.wms.example"})

    base_url: Url
    username: str
    password: Secret
    code: Annotated[str, Meta(pattern="^[A-Z]+$")] = "NL"
    zone: str = "UTC"
    price_unit: Literal["cents", "units"] = "cents"

    def __post_init__(self) -> None:
        if self.zone.startswith("Mars"):
            raise ValueError(f"zone: {self.zone!r} is not on this planet")


SOURCES: dict[str, type[SourceSettings]] = {"shop": ShopSettings}
RECEIVERS: dict[str, type[ReceiverSettings]] = {"wms": WmsSettings}


def good(text: str = GOOD, environ: Mapping[str, str] = ENVIRON, name: str = "settings.yaml") -> Settings:
    """Parse settings without mistakes."""
    return parse(text, name, sources=SOURCES, receivers=RECEIVERS, environ=environ)


def problems(text: str, environ: Mapping[str, str] = ENVIRON) -> tuple[str, ...]:
    """Return the mistakes of settings that have some."""
    try:
        good(text, environ)
    except SettingsError as exc:
        return exc.problems
    raise AssertionError("these settings were accepted")


def changed(old: str, new: str) -> str:
    """Return the good settings with one thing replaced."""
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)
