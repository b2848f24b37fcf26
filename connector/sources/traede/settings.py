"""The settings of a Traede account (seeds 001 and 002; design.md, section 5), and the terms of its marks."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from connector.settings.model import SourceSettings
from connector.settings.values import Secret, Url
from connector.sources import ack_text
from connector.sources.parsing import checked_zone
from connector.sources.traede.filters import Filter, FilterGroup
from connector.sources.traede.order import TIMEZONE
from connector.sources.traede.production_order import Include

__all__ = ["MarkTerms", "TraedeOrdersSettings", "TraedeProductionOrdersSettings", "TraedeSettings"]


QueryName = Annotated[
    str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,39}$", extra_json_schema={"x-form": "a parameter such as page"})
]


class TraedeSettings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The settings of both exports. `system_id` identifies this connector to Traede; with another one, everything is
    exported again.
    """

    numeric_ids: ClassVar[bool] = True

    base_url: Url = Url("https://api.traede.com")
    token: Secret
    app_key: Secret
    system_id: Annotated[str, Meta(min_length=1, max_length=200, description="The same for ever: it is the cursor.")]
    filters: list[Filter] = msgspec.field(default_factory=list)
    filter_groups: Annotated[
        list[FilterGroup],
        Meta(description="Further conditions, each a group of which one (`or: true`) or every filter must hold."),
    ] = msgspec.field(default_factory=list)
    page_size: Annotated[int, Meta(ge=1, le=60)] = 60
    page_key: Annotated[
        QueryName, Meta(description="The parameter for a page's number; Traede's documentation names none.")
    ] = "page"
    limit_key: Annotated[QueryName, Meta(description="The parameter for a page's size, likewise.")] = "limit"
    first_page: Annotated[int, Meta(ge=0, le=1, description="The number of the first page.")] = 0
    mark_key: Annotated[
        str,
        Meta(
            max_length=60,
            description="The key of the list in the body of a mark. Empty: orders, or production_orders, which "
            "Traede's documentation writes with a blank.",
        ),
    ] = ""
    note: Annotated[str, Meta(max_length=250, description=ack_text.DESCRIPTION)] = ack_text.DEFAULT
    timezone: Annotated[str, Meta(description="The calendar on which a requested delivery day is read.")] = TIMEZONE

    def __post_init__(self) -> None:
        checked_zone(self.timezone, TIMEZONE)
        ack_text.check_template("note", self.note)

    def problems(self) -> list[tuple[str, str]]:
        """Return contradictions between keys: the number and the size of a page need a parameter each."""
        found = super().problems()
        if self.limit_key == self.page_key:
            found = [*found, ("limit_key", "page_key has this name, too; a page's number and size need one each")]
        return found


class TraedeOrdersSettings(TraedeSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="traede_orders"):
    """A Traede account's orders."""

    regulate_inventory: Annotated[
        bool,
        Meta(description="true: a mark takes the pieces out of stock and archives the order; it cannot be undone."),
    ]
    include_not_approved: Annotated[bool, Meta(description="Also drafts that nobody has approved.")] = False
    include_cancelled: Annotated[
        bool, Meta(description="Export cancelled orders, too; the route's `cancelled` decides their treatment.")
    ] = False
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


class MarkTerms(msgspec.Struct, frozen=True):
    """
    The settings on which a mark depends; a pending mark keeps its own while they change (faults.md 103).

    A mark is made for `system_id`; that of an order may also move stock.
    """

    system_id: str
    regulate_inventory: bool | UnsetType = UNSET

    @property
    def text(self) -> str:
        """The terms as the journal stores them. Any change must leave `under` able to read older texts."""
        return msgspec.json.encode(self).decode()

    def under(self, text: str) -> MarkTerms:
        """
        Return the terms of an acknowledgement from their `text`; these, if it has none.

        A value that `text` lacks is taken from these terms. The text of another kind of source with the same name is
        ignored.
        """
        if not text:
            return self
        try:
            kept = msgspec.json.decode(text, type=MarkTerms)
        except (ValueError, RecursionError):
            return self
        regulate = self.regulate_inventory if kept.regulate_inventory is UNSET else kept.regulate_inventory
        return MarkTerms(kept.system_id, regulate)
