"""
Bodies that report a failure, or are truncated, are recognised in all known
forms, and others are not mistaken for them.
"""

from __future__ import annotations

import pytest

from connector.http.reported_failure import in_utf8, is_page, no_success, reported_failure

FAILURES = [
    b"<!DOCTYPE html><html><body>Sign in</body></html>",
    b"\n <h1>It works</h1>",
    b"<br />\n<b>Fatal error</b>: Uncaught PDOException",
    b"<!-- gateway --><html lang='en'>",
    b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "x"><html xmlns="y">',
    b'<?xml version="1.0"?><s:Envelope><s:Body><s:Fault>no</s:Fault></s:Body></s:Envelope>',
    b"<response><error>no such shop</error></response>",
    b'{"error": "no such shop"}',
    b'{"error": true}',
    b'{"error": {"code": 7}}',
    b'{"Error": "x"}',
    b'{"error_message": "x", "id": "1"}',
    b'{"errorCode": 12}',
    b'{"errors": {"reference": ["is not unique"]}}',
    b'{"data": {"orderCreate": null}, "errors": [{"message": "x"}]}',
    b'{"userErrors": [{"field": "x"}]}',
    b'{"data": {"success": false}}',
    b'{"fault": {"faultstring": "Rate limit"}}',
    b'{"isError": true}',
    b'{"success": false}',
    b'{"success": "false"}',
    b'{"Success": 0}',
    b'{"ok": false}',
    b'{"status": "error", "id": "request-1"}',
    b'{"status": "FAILED"}',
    b'{"result": "rejected"}',
    b'{"status": 422}',
    b'{"statusCode": "503", "body": null}',
    b'{"code": 401, "message": "who are you"}',
    b'{"message": "Unauthorized"}',
    b'{"message": "Internal Server Error"}',
    b'{"type": "about:blank", "title": "no credit", "detail": "30 of 50"}',
    b'[{"error": "x"}]',
    b"false",
    b'"Forbidden"',
    b"Unauthorized",
    b"502 Bad Gateway",
    b"ERROR: no such table",
    b'\xef\xbb\xbf{"success": false}',
    b'{"error": "caf\xe9"}',
]

SUCCESSES = [
    b"",
    b" \n",
    b"ok",
    b"OK",
    b"200 OK",
    b"Accepted",
    b"{}",
    b"[]",
    b"null",
    b"true",
    b"1",
    b'"ok"',
    b'{"id": "1", "external_id": "shop-1", "status": "received"}',
    b'{"error": null}',
    b'{"error": false, "id": 1}',
    b'{"success": true, "error": "", "errors": []}',
    b'{"errorCode": 0, "errorMessage": null}',
    b'{"error": {"code": 0, "message": ""}}',
    b'{"error": "no errors"}',
    b'{"noErrors": true}',
    b'{"success": null}',
    b'{"code": 200}',
    b'{"code": 450, "id": "the code of an order"}',
    b'{"message": "Order received"}',
    b'{"order": {"payment": {"status": "failed"}, "metadata": {"error": "x"}}}',
    b'{"warnings": ["x"]}',
    b'[{"id": 1, "status": "failed"}]',
    b'{"id": "a\x15b", "x": NaN}',
    b'{"n": %s}' % (b"1" * 5000),
    b"[info] done",
    b"[2026-12-01 10:00:00] stored",
    b"[200] OK",
    b"[n] more",
    b'"A-17" is stored',
    b"1234",
    b"-",
    b"0001234",
    b"{3F2504E0-4F89-11D3-9A0C-0305E82C3301}",
    b"{3f2504e04f8911d39a0c0305e82c3301}\r\n",
    b"<20261201.77@mail.example>",
    b"<ok/>",
    b'<ok at="10:00" />',
    b'<?xml version="1.0"?><response><ok/></response>',
    b"<Response><Status>ok</Status></Response>",
    b"<s:Envelope xmlns:s='x'><s:Body/></s:Envelope >\n<!-- node 3 -->\n",
]

BROKEN = [
    b'{"success":false',
    b'{"success":tr',
    b'{"id": "cut o',
    b"{",
    b" {\n",
    b'{"id": 1,}',
    b"{'success': False}",
    b'{"id": 1}{"success": false}',
    b'{"id": 1}<!-- served by node 3 -->',
    b"[",
    b"[ ",
    b'[{"id": 1}',
    b'["a", "b',
    b"[[1, 2]",
    b"[1, 2",
    b'"Order rec',
    b'"Order \\',
    b'"Order \\"rec',
    b"<response><ok/>",
    b"<response>" + b"<line/>" * 20_000,
    b"<resp",
    b'<?xml version="1.0"?>',
    b"<!-- served by",
    b"[" * 100_000,
]
TEXTS = [*FAILURES, *SUCCESSES, *BROKEN]


@pytest.mark.fault(128)
@pytest.mark.parametrize("body", FAILURES)
def test_a_body_that_calls_itself_a_failure_is_one(body: bytes) -> None:
    """A page, an error, a false success, a status of 4xx or 5xx, wherever an application puts it."""
    assert reported_failure(body)


@pytest.mark.parametrize("body", SUCCESSES)
def test_a_body_that_does_not_is_none(body: bytes) -> None:
    """Empty errors, the status of an order itself, and texts of unknown form report nothing."""
    assert not reported_failure(body)
    assert not no_success(body)


@pytest.mark.fault(128)
@pytest.mark.parametrize("body", BROKEN)
def test_a_body_that_is_cut_off_says_nothing_of_a_success(body: bytes) -> None:
    """A body that begins as JSON or XML and cannot be parsed may have been about to report a failure."""
    assert not reported_failure(body)
    assert no_success(body).startswith("cannot be parsed: it begins as ")


@pytest.mark.fault(128)
@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_the_encoding_of_a_body_changes_nothing(encoding: str) -> None:
    """The result is the same in UTF-8, UTF-16 and UTF-32, with a byte order mark and without."""
    for body in TEXTS:
        if body.isascii():
            there = body.decode().encode(encoding)
            assert in_utf8(there) == body
            assert (no_success(there), is_page(there)) == (no_success(body), is_page(body)), body


def test_half_a_character_is_no_end() -> None:
    """A body truncated within a character is broken, even if the rest is complete."""
    assert no_success('{"success": true}x'.encode("utf-16-le")[:-1])
    assert in_utf8(b"{\x00\xff") == "{\N{REPLACEMENT CHARACTER}".encode()


@pytest.mark.parametrize("body", [b'[{"id": 1, "status": 201}, {"id": 2, "status": 422}]', b'{"x": [{"status": 422}]}'])
def test_each_item_of_a_207_has_a_status_of_its_own(body: bytes) -> None:
    """One failed item is enough; in any other response only known envelopes are examined."""
    assert reported_failure(body, 207) == '"status" is 422'
    assert not reported_failure(body, 200)


def test_a_key_that_means_something_else_is_left_out() -> None:
    """An order's own status is no statement about the call that shows it."""
    assert not reported_failure(b'{"id": "1", "status": "failed"}', own={"status"})


def test_no_text_of_the_body_is_repeated() -> None:
    """An error may echo the request, including a signature."""
    assert reported_failure(b'{"error": "bad signature v1,canary"}') == '"error" is not empty'


def test_a_page_is_told_from_xml() -> None:
    """XML may be the answer of a system; a page is for people."""
    assert is_page(b"<p>Hello</p>")
    assert not is_page(b"<ok/>")
    assert not is_page(b"{}")


def test_depth_is_bounded() -> None:
    """No body can exhaust the stack."""
    assert not reported_failure(b'{"data":' * 500 + b"1" + b"}" * 500)
    assert not reported_failure(b"[" * 100_000)
