"""A body that calls itself a failure is told from one that does not, in all the forms that are known."""

from __future__ import annotations

import pytest

from connector.reported_failure import is_page, reported_failure

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
    b'{"id": "cut o',
    b'<?xml version="1.0"?><response><ok/></response>',
    b"<Response><Status>ok</Status></Response>",
]


@pytest.mark.fault(128)
@pytest.mark.parametrize("body", FAILURES)
def test_a_body_that_calls_itself_a_failure_is_one(body: bytes) -> None:
    """A page, an error, a false success, a status of 4xx or 5xx: in whatever place an application puts it."""
    assert reported_failure(body)


@pytest.mark.parametrize("body", SUCCESSES)
def test_a_body_that_does_not_is_none(body: bytes) -> None:
    """An empty error is none, what an order says of itself is its own, and what nobody can read says nothing."""
    assert not reported_failure(body)


@pytest.mark.parametrize("body", [b'[{"id": 1, "status": 201}, {"id": 2, "status": 422}]', b'{"x": [{"status": 422}]}'])
def test_each_item_of_a_207_has_a_status_of_its_own(body: bytes) -> None:
    """One item that failed is enough; of any other answer only what is known to be its envelope is opened."""
    assert reported_failure(body, 207) == '"status" is 422'
    assert not reported_failure(body, 200)


def test_a_key_that_means_something_else_is_left_out() -> None:
    """An order's own status says nothing about the call that shows it."""
    assert not reported_failure(b'{"id": "1", "status": "failed"}', own={"status"})


def test_no_text_of_the_body_is_repeated() -> None:
    """An error may send back what it was sent, a signature included."""
    assert reported_failure(b'{"error": "bad signature v1,canary"}') == '"error" is not empty'


def test_a_page_is_told_from_xml() -> None:
    """Some systems answer XML; a page is for people."""
    assert is_page(b"<p>Hello</p>")
    assert not is_page(b"<ok/>")
    assert not is_page(b"{}")


def test_depth_is_bounded() -> None:
    """Nothing that is sent can exhaust the stack."""
    assert not reported_failure(b'{"data":' * 500 + b"1" + b"}" * 500)
    assert not reported_failure(b"[" * 100_000)
