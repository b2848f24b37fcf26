"""The settings of an eWarehousing source (seed 004)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar

from msgspec import Meta

from connector.clients.ewarehousing.paging import PAGE_SIZE
from connector.clients.ewarehousing.settings import PRODUCTION, SANDBOX_HOSTS, CustomerCode, Username, WmsCode
from connector.settings.model import SourceSettings
from connector.settings.values import Secret, Url
from connector.sources.ewarehousing.order import TIMEZONE
from connector.sources.parsing import checked_zone

__all__ = ["EwarehousingSourceSettings"]


class EwarehousingSourceSettings(
    SourceSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="ewarehousing"
):
    """A source of `type: ewarehousing`."""

    sandbox_hosts: ClassVar[frozenset[str]] = SANDBOX_HOSTS

    base_url: Url = PRODUCTION
    username: Username
    password: Secret
    wms_code: WmsCode
    customer_code: CustomerCode
    statuses: Annotated[
        list[Annotated[str, Meta(pattern=r"^[a-z_]+$", extra_json_schema={"x-form": "a status such as shipped"})]],
        Meta(min_length=1, description="Orders in these statuses are mirrored, for example [created, planned]."),
    ]
    is_business_to_business: Annotated[
        bool | None, Meta(description="Only orders between businesses (true), or only the others (false).")
    ] = None
    requested_delivery_date_gte: Annotated[
        date | None,
        Meta(
            description="Only orders to be delivered on this day or later, for example 2026-04-18.",
            extra_json_schema={"pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "x-form": "YYYY-MM-DD"},
        ),
    ] = None
    page_size: Annotated[int, Meta(ge=1, le=PAGE_SIZE, description="Orders on one page of the list.")] = PAGE_SIZE
    timezone: Annotated[str, Meta(description="The calendar on which a delivery time becomes a day.")] = TIMEZONE

    def __post_init__(self) -> None:
        checked_zone(self.timezone, TIMEZONE)
