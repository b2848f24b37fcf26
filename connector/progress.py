"""The progress of an order after its delivery, in one vocabulary for all sources."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal, get_args

import msgspec
from msgspec.structs import force_setattr

__all__ = ["Location", "Progress", "Status"]

Status = Literal["COMPLETE", "DAMAGE", "NO_ONE_THERE", "OTHER", "CANNOT_HANDLE_ORDER"]
"""The kind of event (seed 003, step 3)."""

Location = Literal["PICKUP", "DELIVERY"]
"""The stop at which it happened."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """
    One event of an order on its way: `status` at the stop `location`, at the time `at` (with its zone; kept in UTC).

    - `latitude`, `longitude`: degrees, both or none.
    - `signee`: who received the goods, at `signed_at` if that differs from `at`; `contactless`: nobody
      received them in person. Only for the status COMPLETE.
    - `pictures`: passed on unchanged.
    - `price`, `currency`: the cost of the transport, both or none.

    A source that accepts reports accepts this beside its own, richer kinds. Raises `ValueError` if it is inconsistent.
    """

    status: Status
    location: Location
    at: datetime
    comment: str = ""
    latitude: float | None = None
    longitude: float | None = None
    signee: str = ""
    signed_at: datetime | None = None
    contactless: bool = False
    pictures: tuple[str, ...] = ()
    price: Decimal | None = None
    currency: str = ""

    def __post_init__(self) -> None:
        if self.status not in get_args(Status):
            raise ValueError(f"status is one of {', '.join(get_args(Status))}")
        if self.location not in get_args(Location):
            raise ValueError(f"location is one of {', '.join(get_args(Location))}")
        if self.at.utcoffset() is None:
            raise ValueError("a time needs its zone")
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("a place has a latitude and a longitude")
        if (self.signee or self.signed_at or self.contactless) and self.status != "COMPLETE":
            raise ValueError("only a COMPLETE event has a signature")
        if self.signed_at is not None and self.signed_at.utcoffset() is None:
            raise ValueError("a time needs its zone")
        if (self.price is None) != (not self.currency):
            raise ValueError("a price has an amount and a currency")
        try:
            force_setattr(self, "at", self.at.astimezone(UTC))
            if self.signed_at is not None:
                force_setattr(self, "signed_at", self.signed_at.astimezone(UTC))
        except OverflowError:  # at the ends of time, in another zone
            raise ValueError("a time is in the years 1 to 9999, in UTC, too") from None
