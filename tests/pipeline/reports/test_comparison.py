"""The vocabulary of progress, its table in the settings, and reports compared with a source's timeline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from connector.errors import SettingsError, Unmappable
from connector.pipeline.reports.comparison import contains, summary
from connector.progress import Progress
from connector.receivers import RECEIVERS
from connector.settings import Settings, echo, parse
from connector.settings.model import ProgressReport, ProgressSettings
from connector.sources import SOURCES
from connector.sources.zendera.reports import Complete, Damage, decode_report
from tests.sources.zendera.bench import offline

AT = datetime(2026, 6, 11, 14, 30, tzinfo=UTC)
BODY = offline().encode_report("12345", Progress(status="DAMAGE", location="DELIVERY", at=AT, comment="wet"))
EXPORTED = {"type": "EVENT_TYPE_ORDER_EXPORTED", "date": "2026-06-11T14:30:00Z", "success": True}


def entry(status: str = "EVENT_TYPE_DAMAGE", location: str = "DELIVERY", date: Any = "2026-06-11T14:30:00Z") -> Any:
    """Return an entry of a timeline."""
    return {"type": status, "location": location, "date": date, "comment": "wet"}


@pytest.mark.parametrize(
    "event",
    [
        entry(),
        entry(date="2026-06-11T14:30:00.512Z"),
        entry(date="2026-06-11T16:30:00+02:00"),
        entry(date="1781188200000"),
        entry(date=1781188200000),
        {"status": "DAMAGE", "location": "DELIVERY", "damageInfo": {"date": "2026-06-11T14:30:00Z"}},
        {"eventType": "DAMAGE", "stop": "LOCATION_DELIVERY", "eventDate": "2026-06-11T14:30:00Z", "id": 7},
        {"event": {"status": "STATUS_DAMAGE", "location": "DELIVERY", "times": ["2026-06-11T14:30:00Z"]}},
    ],
)
def test_an_entry_with_the_status_the_stop_and_the_time_is_the_report(event: dict[str, Any]) -> None:
    """In any format: the vendor's timeline is not documented."""
    assert contains(BODY, [EXPORTED, entry(date="2026-06-10T08:00:00Z"), event]) is True


@pytest.mark.parametrize(
    "event",
    [
        EXPORTED,
        entry(status="EVENT_TYPE_COMPLETE"),
        entry(location="PICKUP"),
        entry(date="2026-06-11T14:30:02Z"),
        {"type": "something", "date": "2026-06-10T08:00:00Z"},
    ],
)
def test_another_entry_is_not_the_report(event: dict[str, Any]) -> None:
    """Another status, stop or time, or the acknowledgement: the report did not arrive."""
    assert contains(BODY, []) is False
    assert contains(BODY, [event]) is False


@pytest.mark.parametrize(
    "event",
    [
        {"text": "the goods are damaged"},
        {"type": "something", "date": "2026-06-11T14:30:00Z"},
        {"type": "EVENT_TYPE_DAMAGE", "location": "DELIVERY"},
        {"type": "EVENT_TYPE_DAMAGE", "location": "DELIVERY", "receivedAt": "2026-06-12T09:00:00Z"},
        {},
    ],
)
def test_what_could_be_the_report_is_no_answer(event: dict[str, Any]) -> None:
    """It could be this report or another one; a certain entry beside it decides."""
    assert contains(BODY, [event]) is None
    assert contains(BODY, [event, entry()]) is True


def test_what_was_told_before_accounts_for_one_entry_each() -> None:
    """The same status at the same time, reported twice with other comments: two entries, or the second is missing."""
    before = msgspec.json.encode(summary(BODY))
    assert contains(BODY, [entry()], [before]) is False
    assert contains(BODY, [entry(), entry()], [before]) is True
    assert contains(BODY, [EXPORTED], [before]) is False


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'{"status": "LATE", "date": "soon"}', b"[" * 5000, b"\xff"])
def test_a_body_that_says_nothing_is_never_found(body: bytes) -> None:
    """It breaks nothing; any entry could be it."""
    assert summary(body) == {}
    assert contains(body, []) is False
    assert contains(body, [{"comment": "?"}]) is None


def test_only_the_outline_is_kept() -> None:
    """It has neither the comment nor the name of the signee."""
    report = Progress(status="COMPLETE", location="DELIVERY", at=AT, comment="front desk", signee="John Smith")
    body = offline().encode_report("1", report)
    assert summary(body) == {"status": "COMPLETE", "location": "DELIVERY", "date": "2026-06-11T14:30:00Z"}
    assert summary(msgspec.json.encode(summary(body))) == summary(body)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"status": "LATE"}, "status is one of COMPLETE"),
        ({"location": "ROAD"}, "location is one of PICKUP"),
        ({"at": datetime(2026, 6, 11)}, "a time needs its zone"),  # noqa: DTZ001 - that is the mistake
        ({"latitude": 59.9}, "a latitude and a longitude"),
        ({"signee": "John"}, "only a COMPLETE event"),
        ({"contactless": True}, "only a COMPLETE event"),
        ({"signed_at": AT}, "only a COMPLETE event"),
        ({"status": "COMPLETE", "signed_at": datetime(2026, 6, 11)}, "needs its zone"),  # noqa: DTZ001 - the mistake
        ({"price": Decimal("49.5")}, "an amount and a currency"),
        ({"currency": "NOK"}, "an amount and a currency"),
    ],
)
def test_what_cannot_be_told_is_not_made(wrong: dict[str, Any], text: str) -> None:
    """The error is raised where the event is made."""
    with pytest.raises(ValueError, match=text):
        Progress(**{"status": "DAMAGE", "location": "PICKUP", "at": AT, **wrong})


def test_each_status_becomes_the_vendors_own_kind() -> None:
    """With the time in UTC, the place, and the texts that the vendor reads."""
    here = AT.astimezone(timezone(timedelta(hours=2)))
    about: Any = {"location": "DELIVERY", "at": here, "comment": "front desk", "latitude": 59.91, "longitude": 10.75}
    order_id, done = decode_report(
        offline().encode_report("12345", Progress(status="COMPLETE", signee="John", **about))
    )
    assert isinstance(done, Complete)
    assert done.info.pod is not None
    assert (order_id, done.info.date, done.info.pod.signee_name, done.info.pod.comment) == (
        "12345", AT, "John", "front desk",
    )  # fmt: skip
    _, damage = decode_report(offline().encode_report("12345", Progress(status="DAMAGE", **about)))
    assert isinstance(damage, Damage)
    assert (damage.info.comment, damage.info.coordinates) == ("front desk", done.info.coordinates)
    for status in ("NO_ONE_THERE", "OTHER", "CANNOT_HANDLE_ORDER"):
        report = Progress(**{**about, "status": status})
        assert msgspec.json.decode(offline().encode_report("1", report))["status"] == status
    bare = msgspec.json.decode(offline().encode_report("1", Progress(status="COMPLETE", location="PICKUP", at=AT)))
    assert bare["completeInfo"] == {"date": "2026-06-11T14:30:00Z"}


def test_a_place_that_is_none_is_not_told() -> None:
    """The vendor's own rules apply to the neutral kind, too."""
    far = Progress(status="OTHER", location="PICKUP", at=AT, latitude=159.0, longitude=1.0)
    with pytest.raises(Unmappable, match="latitude is from -90"):
        offline().encode_report("1", far)


TEXT = """
sources: {transport: {type: zendera, api_key: k}}
receivers:
  warehouse: {type: ewarehousing, username: u, password: p, wms_code: W, customer_code: C}
routes:
  - source: transport
    receivers: [warehouse]
"""


def loaded(progress: str = "") -> Settings:
    """Load settings with this `progress` of the route."""
    text = TEXT + (f"    progress: {progress}\n" if progress else "")
    return parse(
        text,
        sources={name: kind.settings for name, kind in SOURCES.items()},  # type: ignore[attr-defined]
        receivers={name: kind.settings for name, kind in RECEIVERS.items()},
        environ={},
    )


def test_the_default_table() -> None:
    """Shipped is a pick-up, a problem is a comment, a cancelled order is handed back; every five minutes."""
    (route,) = loaded().routes
    assert route.progress == ProgressSettings()
    assert float(route.progress.interval) == 300
    assert route.progress.statuses == {
        "shipped": ProgressReport(status="COMPLETE", location="PICKUP"),
        "problem": ProgressReport(status="OTHER", location="PICKUP"),
        "cancelled": ProgressReport(status="CANNOT_HANDLE_ORDER", location="PICKUP"),
    }
    assert "CANNOT_HANDLE_ORDER" in echo(loaded())


def test_a_table_in_the_settings_goes_over_the_default_one() -> None:
    """Statuses that it does not name keep their meaning."""
    table = "{problem: ignore, backorder: {status: OTHER, location: PICKUP, comment: late}}"
    (route,) = loaded(f"{{interval: 1m, final: [shipped], statuses: {table}}}").routes
    assert (float(route.progress.interval), route.progress.final) == (60, ["shipped"])
    assert route.progress.statuses["problem"] == "ignore"
    assert route.progress.statuses["backorder"] == ProgressReport(status="OTHER", location="PICKUP", comment="late")
    assert route.progress.statuses["shipped"] == ProgressSettings().statuses["shipped"]


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        ("{interval: 0}", "it must be greater than 0"),
        ("{statuses: {shipped: {status: DONE, location: PICKUP}}}", "'DONE' is not one of CANNOT_HANDLE_ORDER"),
        ("{statuses: {shipped: {status: OTHER}}}", "the key 'location' is missing"),
        ("{statuses: {shipped: never}}", "'never' is not one of ignore"),
        ("{status: {}}", "did you mean 'statuses'"),
    ],
)
def test_a_mistake_in_the_table_is_told_at_its_place(progress: str, text: str) -> None:
    """Like every error in the settings."""
    with pytest.raises(SettingsError, match=r"settings\.yaml:8:") as caught:
        loaded(progress)
    assert text in str(caught.value)
