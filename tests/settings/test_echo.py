"""The echo of the settings loads again; the JSON Schema accepts the same settings as the loader."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connector.settings import Duration, Rate, Settings, echo, schema
from connector.settings.yaml_file import read
from tests.settings.vendors import ENVIRON, GOOD, RECEIVERS, SOURCES, changed, good

TOKEN = "token: ${SHOP_TOKEN}"
FULL = changed(
    TOKEN,
    TOKEN
    + """
    timeout: 1500ms
    rate_limit: 60 / min
    retry: {first: 0.25, longest: 90m}
    poll_interval: 3601
    ack_interval: 0
    statuses: [NO, "0123", "true", "22:30", "$${X}", "a: b"]
    filters: [{key: a, value: [b]}]
server: {port: 0}
journal: "0"
""",
)


def again(settings: Settings) -> Settings:
    """Load the echo of these settings."""
    return good(echo(settings))


@pytest.mark.attack(25)
def test_echo_loads_again() -> None:
    """The echo loads as the same settings, except for the secrets."""
    settings = good(FULL)
    assert echo(again(settings)) == echo(settings)
    found, before = again(settings).sources["shop"], settings.sources["shop"]
    for key in ("timeout", "rate_limit", "retry", "poll_interval", "ack_interval", "statuses", "filters"):
        assert getattr(found, key) == getattr(before, key), key
    assert (before.timeout, before.rate_limit, before.poll_interval) == (1.5, Rate.parse("60/min"), 3601.0)
    assert before.statuses == ["NO", "0123", "true", "22:30", "${X}", "a: b"]
    assert again(settings).server == settings.server


@pytest.mark.parametrize(
    ("written", "seconds", "printed"),
    [
        ("500ms", 0.5, "500ms"),
        ("90s", 90, "90s"),
        ("120s", 120, "2m"),
        ("1.5h", 5400, "90m"),
        (0, 0, "0s"),
        ("7", 7, "7s"),
    ],
)
def test_durations(written: object, seconds: float, printed: str) -> None:
    """A duration is in seconds, and prints in the largest unit that divides it."""
    assert (Duration.parse(written), str(Duration.parse(written))) == (seconds, printed)


@pytest.mark.parametrize("seconds", [1.5, 90.25, 0.001, 59.999, 1234567, 86399.5, 3600.001])
def test_a_printed_duration_is_the_same_duration(seconds: float) -> None:
    """No digit of a duration is lost when it is printed."""
    assert Duration.parse(str(Duration(seconds))) == seconds


@pytest.mark.parametrize(
    ("written", "calls", "seconds"),
    [("60/min", 60, 60), ("5/s", 5, 1), ("1000 / hour", 1000, 3600), ("1/second", 1, 1)],
)
def test_rates(written: str, calls: int, seconds: float) -> None:
    """A rate is a number of calls in a number of seconds, and prints as an equal rate."""
    found = Rate.parse(written)
    assert (found.calls, found.seconds) == (calls, seconds)
    assert Rate.parse(str(found)) == found


def validator() -> Draft202012Validator:
    """Return the published schema, itself checked."""
    found = schema(SOURCES, RECEIVERS)
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


def test_the_schema_accepts_what_the_loader_accepts() -> None:
    """The schema describes the file as written: references may replace numbers, rates and durations."""
    more = "\n    page_size: ${P:-7}\n    archived: ${A:-true}\n    timeout: ${T:-90}\n    rate_limit: ${R:-5/s}"
    for text in (GOOD, FULL, changed(TOKEN, TOKEN + more).replace("sandbox", "${E:-sandbox}"), echo(good(FULL))):
        good(text, ENVIRON)
        assert list(validator().iter_errors(read(text).values)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (TOKEN, "tokn: a"),
        (TOKEN, "token: 1"),
        (TOKEN, TOKEN + "\n    timeout: 22:30"),
        (TOKEN, TOKEN + "\n    page_size: many"),
        ("type: shop", "type: shopp"),
        ("environment: sandbox", "environment: prod"),
        ("  wms:", "  -wms:"),
        ("[wms]", "wms"),
    ],
)
def test_the_schema_refuses_mistakes(old: str, new: str) -> None:
    """An editor with the schema shows such a mistake while it is typed."""
    assert list(validator().iter_errors(read(changed(old, new)).values))


def keys(found: Any) -> set[str]:
    """Return every keyword of a schema, at any depth, that is not the name of a setting."""
    if isinstance(found, list):
        return set().union(*(keys(each) for each in found))
    if not isinstance(found, dict):
        return set()
    inner = (keys(each) for key, each in found.items() if key != "default")
    return {key for key in found if key.startswith("x-")}.union(*inner)


def test_the_schema_is_plain_json_schema() -> None:
    """Secrets are write-only and have no default; the keywords of our own are left out."""
    found = schema(SOURCES, RECEIVERS)
    password = found["$defs"]["receivers.wms"]["properties"]["password"]
    assert (password["type"], password["writeOnly"], "default" in password) == ("string", True, False)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert keys(found) == set()


def test_every_common_key_has_a_description() -> None:
    """An editor can explain each key at the top level, and each key that all endpoints have."""
    found = schema(SOURCES, RECEIVERS)
    parts = [found["properties"], found["$defs"]["receivers.wms"]["properties"]]
    own = {"base_url", "username", "password", "code", "zone", "price_unit"}
    assert [key for part in parts for key, each in part.items() if key not in own and not each.get("description")] == []
