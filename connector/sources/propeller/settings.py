"""The settings of a Propeller source (seed 000; design.md, section 5)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from connector.settings.model import SourceSettings
from connector.settings.values import Secret, Url
from connector.sources import ack_text
from connector.sources.parsing import checked_zone
from connector.sources.propeller.order import TIMEZONE

__all__ = ["PropellerSettings"]


class PropellerSettings(SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="propeller"):
    """A Propeller tenant. Either `client_id` and `client_secret`, or `token`."""

    numeric_ids: ClassVar[bool] = True

    base_url: Url = Url("https://api.helice.cloud")
    client_id: str | None = None
    client_secret: Secret | None = None
    token: Secret | None = None
    statuses: Annotated[
        list[str], Meta(min_length=1, description="Order statuses to export; tenants name their own.")
    ] = msgspec.field(default_factory=lambda: ["NEW"])
    cancelled_statuses: Annotated[
        list[str],
        Meta(
            description="Order statuses that mean cancelled, listed too: such an order is not exported, and what was "
            "delivered of it is treated as the route's on_cancel says."
        ),
    ] = msgspec.field(default_factory=list)
    page_size: Annotated[int, Meta(ge=1, le=100)] = 50
    export_statuses: Annotated[
        list[str], Meta(description='Sent as exportStatuses. Should [] not select un-exported orders, try [""].')
    ] = msgspec.field(default_factory=list)
    status_key: Annotated[
        Literal["status", "statuses"], Meta(description="What the search calls the status filter; its pages differ.")
    ] = "status"
    timezone: Annotated[str, Meta(description="The calendar on which a requested delivery day is read.")] = TIMEZONE

    export_message: Annotated[str, Meta(max_length=250, description=ack_text.DESCRIPTION)] = ack_text.DEFAULT

    def __post_init__(self) -> None:
        checked_zone(self.timezone, TIMEZONE)
        ack_text.check_template("export_message", self.export_message)

    def problems(self) -> list[tuple[str, str]]:
        """Return contradictions between keys: (key, problem)."""
        found = []
        pair = self.client_id is not None, self.client_secret is not None
        if (self.token is None and not all(pair)) or (self.token is not None and any(pair)):
            found.append(("token", "give either token, or client_id and client_secret"))
        exported = {status.casefold() for status in self.statuses}
        both = [status for status in self.cancelled_statuses if status.casefold() in exported]
        if both:
            found.append(("cancelled_statuses", f"{', '.join(both)}: cannot be exported (statuses) and cancelled"))
        return found
