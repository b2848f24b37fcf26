"""What settings.yaml says of a Traede account (seeds 001 and 002; design.md, section 5)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from connector.settings.structs import SourceSettings
from connector.settings.values import Secret, Url
from connector.sources.traede_filters import Filter
from connector.sources.traede_order import TIMEZONE
from connector.sources.traede_production import Include
from connector.sources.values import checked_zone

__all__ = ["TraedeOrdersSettings", "TraedeProductionOrdersSettings", "TraedeSettings"]


class TraedeSettings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What both exports take. `system_id` names this connector to Traede; another one exports everything again."""

    base_url: Url = Url("https://api.traede.com")
    token: Secret
    app_key: Secret
    system_id: Annotated[str, Meta(min_length=1, max_length=200, description="The same for ever: it is the cursor.")]
    filters: list[Filter] = msgspec.field(default_factory=list)
    page_size: Annotated[int, Meta(ge=1, le=60)] = 60
    timezone: Annotated[str, Meta(description="The calendar on which a requested delivery day is read.")] = TIMEZONE

    def __post_init__(self) -> None:
        checked_zone(self.timezone, TIMEZONE)


class TraedeOrdersSettings(TraedeSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="traede_orders"):
    """A Traede account's orders."""

    regulate_inventory: Annotated[
        bool,
        Meta(description="true: a mark takes the pieces out of stock and archives the order; it cannot be undone."),
    ]
    include_not_approved: Annotated[bool, Meta(description="Also drafts that nobody has approved.")] = False
    include_cancelled: bool = False
    include_archived: bool = False


class TraedeProductionOrdersSettings(
    TraedeSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="traede_production_orders"
):
    """A Traede account's production orders."""

    include_open: Annotated[bool, Meta(description="Also drafts.")] = False
    include_closed: bool = False
    include: Annotated[list[Include], Meta(description="Nested resources to load; lines always are.")] = msgspec.field(
        default_factory=list
    )
