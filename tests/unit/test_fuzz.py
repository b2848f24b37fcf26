"""Generated answers to every place where a vendor's bytes are read; the long run is `python -m tests.fuzz`."""

from __future__ import annotations

import msgspec
import pytest

from connector.errors import TransientError
from tests.fuzz.target import Finding, Target
from tests.fuzz.targets import targets

TARGETS = targets()
SLOW = {"settings": 25}
"""YAML takes its time; the settings have a fuzz of their own in test_settings_mistakes.py."""


@pytest.mark.fault(41, 44, 47, 50, 85)
@pytest.mark.attack(12, 13, 14, 15)
@pytest.mark.parametrize("name", TARGETS)
async def test_no_answer_breaks_what_reads_it(name: str) -> None:
    """Whatever a vendor answers, only errors of our tree come out, or what can be written down, and soon."""
    found, through, _ = await TARGETS[name].run(SLOW.get(name, 300), seed=7)
    assert [str(each) for each in found] == []
    assert through > 0, "not even the documented answer came through: the target is wrong"


DEEP = b"[" * 960 + b"]" * 960


PINNED = [
    # Found by the fuzz; each broke what reads it.
    ("traede.orders.order", b'{"order_id":7,"lines":[{"quantity":1}],"cancelled":%b}' % DEEP),
    ("traede.orders.order", b'{"order_id":7,"lines":[{"quantity":1}],"created_at":%b}' % DEEP),
    ("traede.orders.order", b'{"order_id":7,"lines":[{"quantity":1}],"delivery_date":%b}' % DEEP),
    ("traede.orders.order", b'{"order_id":7,"lines":[{"quantity":1e99999999999999999999}]}'),
    ("zendera.order", b'{"orderId":"1","shipments":[{"orderId":1,"parcels":[{"weight":1e99999999999999999999}]}]}'),
    ("journal.report", b'{"date":"0001-01-01T00:00:00+14:00"}'),
    ("zendera.timeline", b'{"updates":[{"status":"COMPLETE","date":"0001-01-01T00:00:00+14:00"}]}'),
    ("ewarehousing.feed", b'[{"id":"%b","status":"created"}]' % (b"x" * 100_000)),
    ("ewarehousing.feed", b'[{"id":"..","status":"created"}]'),
    ("settings", b'{"sources":{"shop":{"type":"propeller","poll_interval":%b}}}' % (b"1" * 400)),
]


@pytest.mark.parametrize(("name", "body"), PINNED, ids=[f"{name} {n}" for n, (name, _) in enumerate(PINNED)])
async def test_what_was_found_stays_mended(name: str, body: bytes) -> None:
    """Each of these once brought something else out than an error of our tree."""
    finding, _ = await TARGETS[name].one(body)
    assert finding is None, str(finding)


@pytest.mark.attack(23)
@pytest.mark.parametrize("name", ["propeller.login", "ewarehousing.login"])
@pytest.mark.parametrize("token", ["abc\n", "abc\r\nX-Evil: 1", "abc ", "", "a\x00b", "a\u00e9"])
async def test_a_token_that_cannot_stand_in_a_header_is_none(name: str, token: str) -> None:
    """Else every call with it would fail on its way out, and a create would be in doubt."""
    body = {"access_token": token, "token": token, "iat": 0, "exp": 3600, "expires_in": 3600}
    with pytest.raises(TransientError):
        await TARGETS[name].feed(msgspec.json.encode(body), 200)


async def test_the_fuzz_finds_what_is_broken() -> None:
    """An uncaught exception, a text that cannot be written, an endless one, and a body that takes too long."""

    async def feed(body: bytes, status: int) -> object:
        del status
        if body == b"{}":
            raise KeyError("items")
        if body == b"[]":
            return ["\ud800"]
        if body == b"true":
            raise ValueError("x" * 30_000)
        if body == b"null":
            raise ValueError("\ud800")
        return None

    target = Target("broken", (b"{}",), feed, (ValueError,))
    for body in (b"{}", b"[]", b"true", b"null"):
        finding, through = await target.one(body)
        assert isinstance(finding, Finding)
        assert not through
    assert await target.one(b"5") == (None, True)
    found, _, _ = await target.run(1, seed=1)
    assert [finding.what for finding in found] == ["KeyError: 'items'"]
