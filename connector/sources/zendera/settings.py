"""The settings of a Zendera source (seed 003; design.md, section 5)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from connector.settings.model import SourceSettings
from connector.settings.values import Secret, Url
from connector.sources.parsing import checked_zone
from connector.sources.zendera.order import CashStated

__all__ = ["ZenderaSettings"]


class ZenderaSettings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="zendera"):
    """
    A Zendera organisation. Staging and production have keys of their own.

    Zendera may count fetches among the five attempts after which an order leaves the feed, so do not poll more often
    than once a minute (vendors.md 6, seed 003, #2). One copy of its documents allows 1000 calls an hour.
    """

    sandbox_hosts: ClassVar[frozenset[str]] = frozenset({"staging.zenderatms.com"})
    numeric_ids: ClassVar[bool] = True

    base_url: Url = Url("https://app.zenderatms.com/api")
    api_key: Secret
    page_size: Annotated[int, Meta(ge=1, le=500, description="Shipments a page.")] = 50
    timezone: Annotated[str, Meta(description="The calendar on which a delivery window's day is read.")] = "Europe/Oslo"
    cash_on_delivery: Annotated[
        CashStated | None,
        Meta(
            description="The cash on delivery of several shipments of one order: each states its own, or the order's "
            "(once). Unset: such orders are held."
        ),
    ] = None

    def __post_init__(self) -> None:
        checked_zone(self.timezone, "Europe/Oslo")
