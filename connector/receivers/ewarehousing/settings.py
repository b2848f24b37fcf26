"""The settings of an eWarehousing receiver (seed 004)."""

from __future__ import annotations

from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo

from msgspec import Meta

from connector.clients.ewarehousing.settings import PRODUCTION, SANDBOX_HOSTS, CustomerCode, Username, WmsCode
from connector.receivers.ewarehousing import mapping
from connector.settings.model import ReceiverSettings
from connector.settings.values import Secret, Url

__all__ = ["EwarehousingSettings"]


class EwarehousingSettings(ReceiverSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="ewarehousing"):
    """A receiver of `type: ewarehousing`."""

    sandbox_hosts: ClassVar[frozenset[str]] = SANDBOX_HOSTS
    lists_newest: ClassVar[bool] = True

    base_url: Url = PRODUCTION
    username: Username
    password: Secret
    wms_code: WmsCode
    customer_code: CustomerCode
    delivery_days: Annotated[
        int, Meta(ge=0, le=30, description="Days from an order's creation to its delivery, if it names no date.")
    ] = 1
    timezone: Annotated[str, Meta(description="The warehouse's calendar, for that date.")] = "Europe/Amsterdam"
    line_price: Annotated[
        mapping.LinePrice, Meta(description="The unit of a line's price: cents, the currency's units, or none.")
    ] = "cents"

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):  # unknown, malformed, a folder of the time zone database
            raise ValueError(f"timezone: {self.timezone!r} is not a time zone such as Europe/Amsterdam") from None
