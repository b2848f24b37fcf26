"""Generated answers to every place where a vendor's bytes are read; the long run is `python -m tests.fuzz`."""

from __future__ import annotations

import pytest

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
