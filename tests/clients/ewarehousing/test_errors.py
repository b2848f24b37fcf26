"""The reasons of eWarehousing's refusals."""

from __future__ import annotations

import pytest

from connector.clients.ewarehousing.errors import reason


@pytest.mark.fault(86)
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "400 without a reason"),
        (b"null", "400 without a reason"),
        (b"{}", "400 without a reason"),
        (b'"no"', "no"),
        (b'["a", "b", "a"]', "a; b"),
        (b"<html>\n<b>Bad</b>\x00\x1b[1m", "<html> <b>Bad</b> [1m"),
        (b'{"code": 400, "message": "no", "errors": null}', "no"),
        (b'{"message": "Invalid", "errors": {"city": ["empty"]}}', "city: empty; Invalid"),
        (b'{"errors": {"address": {"city": ["empty", "short"]}}}', "address.city: empty; address.city: short"),
        (b'{"errors": {"lines": [{"price": "x"}, {"price": "x"}]}}', "lines.0.price: x; lines.1.price: x"),
        (b'{"errors": {"a": {"0": "x"}}}', "a.0: x"),
        (b'{"title": "T", "detail": "D"}', "D; T"),
        (b'{"unknown": {"shape": 5}}', "unknown.shape: 5"),
    ],
)
def test_errors_of_every_shape_become_one_line(body: bytes, expected: str) -> None:
    """Lists, nested fields, texts and pages: each reason once, under its field's name if it has one."""
    assert reason(400, body) == expected


@pytest.mark.fault(86)
@pytest.mark.parametrize("body", [b'{"errors": ["' + b"x" * 9000 + b'"]}', b"y" * 100_000, b'{"a":' * 5000])
def test_a_reason_is_never_long(body: bytes) -> None:
    """A page of an error fills neither the log nor the source's message (faults.md #86)."""
    assert 0 < len(reason(400, body)) <= 500
