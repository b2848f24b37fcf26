"""Reports of an order's progress (seed 003, step 3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import InDoubtError, RejectedError, Unmappable
from connector.sandbox.server import Fault
from connector.sources.zendera.reports import (
    CannotHandleOrder,
    Complete,
    CompleteInfo,
    Coordinates,
    Damage,
    EventInfo,
    NoOneThere,
    Other,
    Pricing,
    ProofOfDelivery,
    Report,
    decode_report,
    encode_report,
)
from tests.sources.zendera.bench import offline, shipment, told, zendera

SEED = """
{ "orderId": 12345, "status": "COMPLETE", "location": "DELIVERY", "completeInfo": { "date": "2026-06-11T14:30:00Z", "coordinates": { "latitude": 59.91, "longitude": 10.75 }, "pod": { "date": "2026-06-11T14:30:00Z", "comment": "Left at front desk", "pictures": [], "signeeName": "John Smith", "isContactless": false } } }
"""  # noqa: E501 - the seed's own text

AT = datetime(2026, 6, 11, 14, 30, tzinfo=UTC)
DELIVERED = Complete(
    location="DELIVERY",
    info=CompleteInfo(
        date=AT,
        coordinates=Coordinates(latitude=59.91, longitude=10.75),
        pod=ProofOfDelivery(comment="Left at front desk", signee_name="John Smith"),
    ),
)
INFO = EventInfo(date=AT, comment="Esken er våt", pictures=("aGVp",))


def fields(body: bytes) -> Any:
    """Decode a body."""
    return msgspec.json.decode(body)


def test_the_seeds_example() -> None:
    """Byte for byte but for the spaces between, and back."""
    assert encode_report("12345", DELIVERED) == msgspec.json.format(SEED.encode(), indent=-1)
    assert decode_report(SEED.encode()) == ("12345", DELIVERED)


@pytest.mark.parametrize(
    ("kind", "status", "key"),
    [
        (Damage, "DAMAGE", "damageInfo"),
        (NoOneThere, "NO_ONE_THERE", "noOneThereInfo"),
        (Other, "OTHER", "otherInfo"),
        (CannotHandleOrder, "CANNOT_HANDLE_ORDER", "cannotHandleOrderInfo"),
    ],
)
def test_each_status_has_the_info_that_is_read(kind: Any, status: str, key: str) -> None:
    """Exactly the one object that Zendera reads for it."""
    body = encode_report("12345", kind(location="PICKUP", info=INFO))
    info = {"date": "2026-06-11T14:30:00Z", "comment": "Esken er våt", "pictures": ["aGVp"]}
    assert fields(body) == {"orderId": 12345, "status": status, "location": "PICKUP", key: info}
    assert decode_report(body) == ("12345", kind(location="PICKUP", info=INFO))


def test_there_is_a_type_for_each_status_of_the_seed() -> None:
    """Five, and no more."""
    tags = {kind.__struct_config__.tag for kind in get_args(Report)}
    assert tags == {"COMPLETE", "DAMAGE", "NO_ONE_THERE", "OTHER", "CANNOT_HANDLE_ORDER"}


@pytest.mark.parametrize("kind", get_args(Report))
def test_no_report_can_be_made_without_its_info(kind: Any) -> None:
    """Nor with that of another status."""
    other = EventInfo(date=AT) if kind is Complete else CompleteInfo(date=AT)
    with pytest.raises(TypeError):
        kind(location="PICKUP")
    impossible: list[Any] = [None, {}, other]
    for wrong in impossible:
        with pytest.raises(ValueError, match="needs a"):
            kind(location="PICKUP", info=wrong)


def test_what_makes_no_sense_cannot_be_made() -> None:
    """A third kind of stop, a time without its zone, a place that is not on earth, a price that is no number."""
    impossible: list[Any] = [
        lambda: Damage(location="pickup", info=INFO),  # type: ignore[arg-type]
        lambda: EventInfo(date=datetime(2026, 6, 11)),  # noqa: DTZ001 - that is the point
        lambda: CompleteInfo(date=datetime(2026, 6, 11)),  # noqa: DTZ001
        lambda: ProofOfDelivery(date=datetime(2026, 6, 11)),  # noqa: DTZ001
        lambda: Coordinates(latitude=90.1, longitude=0),
        lambda: Coordinates(latitude=-90.1, longitude=0),
        lambda: Coordinates(latitude=0, longitude=180.1),
        lambda: Coordinates(latitude=0, longitude=-180.1),
        lambda: Coordinates(latitude=float("nan"), longitude=0),
        lambda: Pricing(amount=Decimal("NaN"), currency="NOK"),
        lambda: Pricing(amount=Decimal("1E+400000000"), currency="NOK"),
        lambda: EventInfo(date=AT, extra={"comment": "twice"}),
        lambda: Pricing(amount=Decimal(1), currency="NOK", extra={"amount": 2}),
    ]
    for make in impossible:
        with pytest.raises(ValueError):
            make()
    for latitude, longitude in ((90, 180), (-90, -180)):
        Coordinates(latitude=latitude, longitude=longitude)


def test_times_are_utc() -> None:
    """Whatever zone they come in; the proof of delivery has the time of the delivery unless it has one of its own."""
    at = AT.astimezone(timezone(timedelta(hours=2)))
    info = CompleteInfo(date=at, pod=ProofOfDelivery())
    assert info.pod is not None
    assert (info.date.isoformat(), info.pod.date) == ("2026-06-11T14:30:00+00:00", AT)
    signed = CompleteInfo(date=AT, pod=ProofOfDelivery(date=at - timedelta(minutes=1)))
    assert signed.pod is not None
    assert signed.pod.date == AT - timedelta(minutes=1)


def test_pricing_and_what_else_an_installation_wants() -> None:
    """The price keeps its digits; `extra` stands among the documented keys, and comes back."""
    report = Damage(
        location="DELIVERY",
        info=EventInfo(date=AT, extra={"damageCode": 7}),
        pricing=Pricing(amount=Decimal("1250.50"), currency="NOK", extra={"vat": "25"}),
    )
    body = encode_report("12345", report)
    assert b'"damageInfo":{"date":"2026-06-11T14:30:00Z","damageCode":7}' in body
    assert body.endswith(b',"pricing":{"amount":1250.50,"currency":"NOK","vat":"25"}}')
    assert decode_report(body) == ("12345", report)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "DAMAGE"},  # the seed's gotcha: with only completeInfo, the detail is lost
        {"damageInfo": {"date": "2026-06-11T14:30:00Z"}},
        {"completeInfo": None},
        {"completeInfo": {}},
        {"completeInfo": {"date": "2026-06-11T14:30:00"}},
        {"completeInfo": {"date": "2026-06-11T14:30:00Z", "coordinates": {"latitude": 91, "longitude": 0}}},
        {"location": "HOME"},
        {"location": None},
        {"status": "complete"},
        {"orderId": 0},
        {"pricing": {"amount": 5}},
        {"pricing": []},
    ],
)
def test_a_body_that_contradicts_itself_is_no_report(change: Any) -> None:
    """Read back or handed in, it is refused."""
    with pytest.raises(ValueError):
        decode_report(msgspec.json.encode({**fields(SEED.encode()), **change}))


@pytest.mark.parametrize(
    "report", [None, {}, "COMPLETE", INFO, Other(location="PICKUP", info=EventInfo(date=AT, extra={"x": object()}))]
)
def test_what_is_no_report_of_zenderas(report: Any) -> None:
    """It is not sent."""
    with pytest.raises(Unmappable):
        offline().encode_report("12345", report)


def test_a_wrong_type_inside_is_found_before_it_is_sent() -> None:
    """A struct accepts any value when it is made; the body is decoded again."""
    for info in (EventInfo(date=AT, comment=5), EventInfo(date=AT, pictures="no list")):  # type: ignore[arg-type]
        with pytest.raises(Unmappable):
            encode_report("12345", Damage(location="PICKUP", info=info))
    with pytest.raises(Unmappable):
        encode_report("", DELIVERED)


@given(
    st.sampled_from([kind for kind in get_args(Report) if kind is not Complete]),
    st.sampled_from(["PICKUP", "DELIVERY"]),
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.timezones()),  # noqa: DTZ001
    st.none() | st.builds(Coordinates, st.floats(-90, 90), st.floats(-180, 180)),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(1, 2**70),
)
def test_every_report_comes_back(kind: Any, location: Any, at: datetime, place: Any, comment: str, number: int) -> None:
    """Any encoded report decodes to the same report."""
    report = kind(location=location, info=EventInfo(date=at, coordinates=place, comment=comment))
    assert decode_report(encode_report(str(number), report)) == (str(number), report)


async def test_a_report_reaches_the_timeline() -> None:
    """It is sent as it was encoded, and shows beside the export, the oldest first."""
    async with zendera([shipment(12345)]) as h:
        await h.source.acknowledge([told("12345", "exported")])
        body = h.source.encode_report("12345", DELIVERED)
        await h.source.report("12345", body)
        assert h.vendor.history[-1].body == body
        # The report's own time is earlier than the acknowledgement of this test.
        events = await h.source.reported("12345") or []
        assert [event["type"] for event in events] == ["EVENT_TYPE_COMPLETE", "EVENT_TYPE_ORDER_EXPORTED"]


async def test_an_order_without_events_has_an_empty_timeline() -> None:
    """Protobuf leaves out empty values."""
    async with zendera([shipment(1)]) as h:
        assert await h.source.reported("1") == []


@pytest.mark.parametrize("fault", [Fault.LOSE_ANSWER, Fault.SERVER_ERROR, Fault.HTML])
async def test_a_report_without_an_answer_is_in_doubt(fault: Fault) -> None:
    """There is no key to repeat it under: the timeline is to be read first."""
    async with zendera([shipment(12345)]) as h:
        h.fault_at("/api/v1/exported-order/update", fault)
        with pytest.raises(InDoubtError):
            await h.source.report("12345", encode_report("12345", DELIVERED))


async def test_a_report_of_an_unknown_order_is_refused() -> None:
    """400: a person has to look."""
    async with zendera([shipment(1)]) as h:
        with pytest.raises(RejectedError, match="order 12345 not found"):
            await h.source.report("12345", encode_report("12345", DELIVERED))
