"""
Reports of an order's progress for Zendera: picked up, delivered, damaged ... (seed 003, step 3).

`status` decides which info object Zendera reads; one under another name is lost. Each status has a type of its own,
with exactly the info that is read: a `Damage` without the details of the damage cannot be made.

The seed shows the info of COMPLETE. Of the other four it only states the content: a time, coordinates, a comment,
pictures. `extra` adds further keys that an installation expects, see vendors.md 6, seed 003, #8.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal, get_args

import msgspec
from msgspec.structs import fields, force_setattr, replace

from connector.errors import Unmappable
from connector.progress import Progress
from connector.sources.zendera.wire import identity

__all__ = [
    "CannotHandleOrder",
    "Complete",
    "CompleteInfo",
    "Coordinates",
    "Damage",
    "EventInfo",
    "Location",
    "NoOneThere",
    "Other",
    "Pricing",
    "ProofOfDelivery",
    "Report",
    "decode_report",
    "encode_report",
    "to_report",
    "wire_id",
]

Location = Literal["PICKUP", "DELIVERY"]

LARGEST_EXACT = 2**53
"""From here on, JSON numbers lose digits in some parsers."""


class Coordinates(msgspec.Struct, frozen=True):
    """A place in degrees: latitude from -90 to 90, longitude from -180 to 180."""

    latitude: float
    longitude: float

    def __post_init__(self) -> None:
        if not -90 <= self.latitude <= 90:  # NaN compares false
            raise ValueError("latitude is from -90 to 90 degrees")
        if not -180 <= self.longitude <= 180:
            raise ValueError("longitude is from -180 to 180 degrees")


class ProofOfDelivery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who accepted the goods, and how. Without a `date` it is that of the delivery (vendors.md 6, seed 003, #10)."""

    date: datetime | None = None
    comment: str = ""
    pictures: tuple[str, ...] = ()
    """Sent as they are; the form of a picture that Zendera expects is not published (#9)."""
    signee_name: str = ""
    is_contactless: bool = False

    def __post_init__(self) -> None:
        if self.date is not None:
            force_setattr(self, "date", _utc(self.date))


class _Info(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    date: datetime
    """The time of the event; a time without a zone is refused."""
    coordinates: Coordinates | None = None

    def __post_init__(self) -> None:
        force_setattr(self, "date", _utc(self.date))


class CompleteInfo(_Info, frozen=True, kw_only=True, rename="camel"):
    """The info of a stop that went well."""

    pod: ProofOfDelivery | None = None
    extra: dict[str, Any] = {}

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_extra(self)
        if self.pod is not None and self.pod.date is None:
            force_setattr(self, "pod", replace(self.pod, date=self.date))


class EventInfo(_Info, frozen=True, kw_only=True, rename="camel"):
    """The info of any other event."""

    comment: str = ""
    pictures: tuple[str, ...] = ()
    extra: dict[str, Any] = {}

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_extra(self)


class Pricing(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The price of the transport [INF: the seed names no field of it]."""

    amount: Decimal
    currency: str
    extra: dict[str, Any] = {}

    def __post_init__(self) -> None:
        _check_extra(self)
        if not self.amount.is_finite() or abs(self.amount.adjusted()) > 12:
            raise ValueError("a price is a number")


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    info_key: ClassVar[str]
    info_type: ClassVar[type[_Info]]

    location: Location
    """The stop of the event."""
    pricing: Pricing | None = None

    def __post_init__(self) -> None:
        if self.location not in get_args(Location):
            raise ValueError(f"location is one of {', '.join(get_args(Location))}")
        if type(getattr(self, "info", None)) is not self.info_type:
            raise ValueError(f"{type(self).__name__} needs a {self.info_type.__name__}")


class Complete(_Report, frozen=True, kw_only=True, tag="COMPLETE", tag_field="status"):
    """Picked up, or delivered."""

    info_key: ClassVar[str] = "completeInfo"
    info_type: ClassVar[type[_Info]] = CompleteInfo
    info: CompleteInfo


class _Event(_Report, frozen=True, kw_only=True):
    info_type: ClassVar[type[_Info]] = EventInfo
    info: EventInfo


class Damage(_Event, frozen=True, kw_only=True, tag="DAMAGE", tag_field="status"):
    """The goods are damaged."""

    info_key: ClassVar[str] = "damageInfo"


class NoOneThere(_Event, frozen=True, kw_only=True, tag="NO_ONE_THERE", tag_field="status"):
    """Nobody was at the stop."""

    info_key: ClassVar[str] = "noOneThereInfo"


class Other(_Event, frozen=True, kw_only=True, tag="OTHER", tag_field="status"):
    """Another event, described by the comment."""

    info_key: ClassVar[str] = "otherInfo"


class CannotHandleOrder(_Event, frozen=True, kw_only=True, tag="CANNOT_HANDLE_ORDER", tag_field="status"):
    """The carrier returns the order."""

    info_key: ClassVar[str] = "cannotHandleOrderInfo"


Report = Complete | Damage | NoOneThere | Other | CannotHandleOrder
"""One event of an order."""

KINDS: dict[str, type[Report]] = {kind.__struct_config__.tag: kind for kind in get_args(Report)}

_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def to_report(progress: Progress) -> Report:
    """
    Return the report of a progress; raises `ValueError` for coordinates out of range.

    In the seed, `completeInfo` has no comment, but its proof of delivery has: a comment on a completed stop goes there.
    """
    place = None
    if progress.latitude is not None and progress.longitude is not None:
        place = Coordinates(progress.latitude, progress.longitude)
    pricing = None
    if progress.price is not None:
        pricing = Pricing(amount=progress.price, currency=progress.currency)
    if progress.status == "COMPLETE":
        proof = None
        proven = (progress.signee, progress.comment, progress.signed_at, progress.contactless, progress.pictures)
        if any(proven):
            proof = ProofOfDelivery(
                date=progress.signed_at,
                comment=progress.comment,
                pictures=progress.pictures,
                signee_name=progress.signee,
                is_contactless=progress.contactless,
            )
        complete = CompleteInfo(date=progress.at, coordinates=place, pod=proof)
        return Complete(location=progress.location, info=complete, pricing=pricing)
    info = EventInfo(date=progress.at, coordinates=place, comment=progress.comment, pictures=progress.pictures)
    kind = KINDS[progress.status]
    return kind(location=progress.location, info=info, pricing=pricing)  # type: ignore[arg-type]


def encode_report(order_id: str, report: object) -> bytes:
    """Encode a report as the body of its call, in the seed's order of keys. Pure; raises `Unmappable`."""
    if not isinstance(report, Report) or not identity(order_id):
        raise Unmappable("not a report that Zendera takes", type(report).__name__)
    body = {
        "orderId": wire_id(order_id),
        "status": report.__struct_config__.tag,
        "location": report.location,
        report.info_key: _object(report.info),
    }
    if report.pricing is not None:
        body["pricing"] = _object(report.pricing)
    try:
        encoded = _encode(body)
        decode_report(encoded)  # a struct takes whatever it is made with
    except (TypeError, ValueError, RecursionError) as exc:
        raise Unmappable("not a report that Zendera takes", str(exc)) from None
    return encoded


def decode_report(body: bytes) -> tuple[str, Report]:
    """
    Return the order's id and the report of a body.

    Raises `ValueError` unless the body holds the info object of its status, and no other one.
    """
    found = _decode(body)
    kind = KINDS.get(str(found.get("status")))
    if kind is None:
        raise ValueError(f"status is one of {', '.join(KINDS)}")
    infos = sorted(key for key in found if key.endswith("Info"))
    if infos != [kind.info_key]:
        raise ValueError(f"{found['status']} has {kind.info_key} and no other info, not {', '.join(infos) or 'none'}")
    info = _struct(found[kind.info_key], kind.info_type)
    pricing = _struct(found["pricing"], Pricing) if found.get("pricing") is not None else None
    order_id = identity(found.get("orderId"))
    if not order_id:
        raise ValueError("orderId is missing")
    return order_id, kind(location=found.get("location"), info=info, pricing=pricing)  # type: ignore[arg-type]


def wire_id(order_id: str) -> int | str:
    """Return an order's id as Zendera's own examples write it: a number, if JSON can carry it exactly."""
    if order_id.isascii() and order_id.isdecimal() and order_id == str(int(order_id[:20])):
        number = int(order_id)
        return number if number < LARGEST_EXACT else order_id
    return order_id


def _object(part: msgspec.Struct) -> dict[str, Any]:
    """Return an object without unset keys; a proof of delivery is complete, as in the seed."""
    whole = isinstance(part, ProofOfDelivery)
    found: dict[str, Any] = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if field.name == "extra":
            found |= value
        elif isinstance(value, msgspec.Struct):
            found[field.encode_name] = _object(value)
        elif whole or value not in (None, "", ()):
            found[field.encode_name] = value
    return found


def _struct(content: Any, kind: type[Any]) -> Any:
    """Return an object as a struct; undocumented keys go to its `extra`."""
    if not isinstance(content, dict):
        raise ValueError(f"{kind.__name__} is an object")
    known = _known(kind)
    extra = {key: value for key, value in content.items() if key not in known}
    return msgspec.convert(
        {**{key: value for key, value in content.items() if key in known}, "extra": extra}, kind, strict=True
    )


def _known(kind: type[Any]) -> set[str]:
    return {field.encode_name for field in fields(kind)} - {"extra"}


def _check_extra(part: Any) -> None:
    if taken := sorted(_known(type(part)) & part.extra.keys()):
        raise ValueError(f"extra may not repeat {', '.join(taken)}")


def _utc(at: datetime) -> datetime:
    if at.tzinfo is None or at.utcoffset() is None:
        raise ValueError("a time needs its zone")
    return at.astimezone(UTC)
