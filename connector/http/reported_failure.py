"""
Detects failures that the body of a successful response reports: `{"success": false}`, `{"error": ...}`, an HTML page.

A gateway, a log-in page, or an application that knows only one status may answer 2xx to a call that changed nothing.
This is the only place that decides whether a body reports a failure, or was truncated before it could. The caller
decides the consequence: after a write the call is in doubt, after a read there is no result.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Container, Iterator
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import msgspec

__all__ = ["DEEPEST", "failure_in", "in_utf8", "is_page", "no_success", "reported_failure"]

LONGEST_KEY = 64
"""Keys up to this many characters have their words cached."""
DEEPEST = 6
"""Levels of envelopes that are examined: real ones have two or three."""
LARGEST = 64 * 1024
"""Bytes of a text or page that are examined: its message is at the beginning."""
ASIDE = 4096
"""Characters within which the first element of a page, or of XML, must begin."""
MULTI_STATUS = 207

ENVELOPES = frozenset(
    {"body", "create", "d", "data", "items", "multistatus", "operations", "orders", "payload", "response", "responses",
     "result", "results", "return", "value"}
)  # fmt: skip
"""Keys whose value is the actual result. Other keys may hold anything, including the order sent back."""
ERROR_KEYS = frozenset({"exception", "exceptions", "failed", "failure", "failures", "fault", "faults"})
"""Keys that report a failure unless they are empty, like all keys whose last word is `error` or `errors`."""
ERROR_PREFIXES = ("errorcode", "errorcount", "errordescription", "errormessage", "errormsg", "errortext", "errortype")
SUCCESS_KEYS = frozenset({"accepted", "issuccess", "ok", "succeeded", "success", "successful", "wassuccessful"})
OUTCOME_KEYS = frozenset({"outcome", "result", "resultcode", "state", "status", "statuscode", "statustext"})
CODE_KEYS = frozenset({"code", "httpcode", "httpstatus", "httpstatuscode", "resultcode", "status", "statuscode"})
"""Keys that may repeat the status that the response should have had."""
TEXT_KEYS = frozenset({"detail", "message", "msg", "title"})

FAILURES = frozenset(
    {"denied", "err", "error", "errors", "exception", "fail", "failed", "failure", "fatal", "forbidden", "invalid",
     "ko", "nok", "notok", "refused", "rejected", "unauthenticated", "unauthorized", "unsuccessful"}
)  # fmt: skip
"""Words that an outcome, or a whole text, may consist of."""
NOTHING = frozenset({"", "0", "-", "false", "n/a", "na", "nil", "no", "no error", "no errors", "none", "null", "ok",
                     "success", "successful"})  # fmt: skip
"""Texts in the place of an error that mean that there is none."""
PHRASES = frozenset(each.phrase.lower() for each in HTTPStatus if each >= 400)
"""`Unauthorized`, `Bad Gateway` and the like: a text equal to one of these is a status, whatever its key."""

_text_of_failure = re.compile(
    r"(?:\d{3} )?(?:(?:fatal |internal |parse |syntax )?error\b|exception\b|fatal\b|failed\b|failure\b|access denied\b"
    r"|unauthorized\b|forbidden\b)"
).match
_xml_failure = re.compile(
    r"<(?:[\w.-]+:)?(?:error|errors|exception|failure|fault)\b[^>/]{0,200}>\s*[^<\s]|<[\w.-]+:fault\b"
).search
_element_of_page = re.compile(r"<(?:!doctype html|html|head|body|form|script)\b").search
_aside = re.compile(r"<!--.*?-->|<\?.*?\?>", re.DOTALL)
_first_element = re.compile(r"\s*<([a-z][a-z0-9]*)[\s/>]").match
HTML = frozenset(
    {"a", "article", "b", "blockquote", "br", "center", "code", "dd", "div", "dl", "dt", "em", "embed", "font",
     "footer", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "i", "iframe", "img", "input", "li",
     "link", "main", "meta", "nav", "noscript", "ol", "p", "pre", "section", "small", "span", "strong", "style",
     "table", "title", "tt", "ul"}
)  # fmt: skip
"""Elements that a part of a page may begin with; a text that begins with another element is XML."""

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is a prefix of this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
ZEROS = {(0, 0, 0, 1): "utf-32-be", (1, 0, 0, 0): "utf-32-le", (0, 1): "utf-16-be", (1, 0): "utf-16-le"}
"""
The zero bytes at the start of a text without a byte order mark, as JSON and
markup begin with ASCII (RFC 4627, 3).
"""

_begins_as_json = re.compile(
    rb"""\s*(?:
        \{ (?! [\dA-Fa-f]{8} (?: -?[\dA-Fa-f]{4} ){3} -?[\dA-Fa-f]{12} \}\s*\Z )  # an object, and no GUID in braces
        | \[\s* (?: [\[{"] | [-\d][-+\d\s,.eE]*+\Z | \Z )  # a list, and no `[info] done`, no `[2026-12-01 10:00] done`
        | " (?: [^"\\]++ | \\. )*+ \\?\Z  # a text that does not end, and no `"A" is stored`
    )""",
    re.DOTALL | re.VERBOSE,
).match
_first_tag = re.compile(r"\s*<([A-Za-z_][\w.:-]*)(?=[\s/>]|\Z)").match
_prolog = re.compile(r"\s*<[?!]").match


def no_success(body: bytes, status: int = 200, *, own: Container[str] = ()) -> str:
    """
    Return why a 2xx with `body` is no proof of success, in words that follow "the body"; empty if it may be one.

    The body reports a failure (`reported_failure`), or it is JSON or XML that cannot be parsed: truncated or broken
    text might have gone on to report one. Text of any other form means what its status says.
    """
    failure, broken = _read(body, status, own)
    return f"reports a failure: {failure}" if failure else broken and f"cannot be parsed: {broken}"


def reported_failure(body: bytes, status: int = 200, *, own: Container[str] = ()) -> str:
    """
    Return how `body` reports a failure, such as `"success": false`; empty if it does not.

    `status` is that of the response; in a 207 every item counts. `own` are keys that mean something else in a record,
    which is an object with an id (an order's own `status`). Values of free text are not repeated, as they may contain a
    secret that was sent. An empty body, or one of an unknown form, reports nothing.
    """
    return _read(body, status, own)[0]


def failure_in(decoded: Any, status: int = 200, *, own: Container[str] = ()) -> str:
    """Return how a decoded body reports a failure, as `reported_failure` does; `decoded` may be nested to any depth."""
    return next(_in_value(decoded, status == MULTI_STATUS, own, 0), "")


def is_page(body: bytes) -> bool:
    """Return True if `body` is HTML, or a part of it: written for people, by some system in between."""
    text = in_utf8(body[:LARGEST]).decode("utf-8", "replace").lstrip().lower()
    if not text.startswith("<"):
        return False
    first = _first_element(_aside.sub("", text[:ASIDE]))
    return _element_of_page(text) is not None or (first is not None and first[1] in HTML)


def in_utf8(body: bytes) -> bytes:
    """Return a text in UTF-8 without a byte order mark, from UTF-8, UTF-16 or UTF-32."""
    for mark, encoding in MARKS:
        if body.startswith(mark):
            return _recoded(body[len(mark) :], encoding)
    if 0 in body[:2]:
        zeros = tuple(min(each, 1) for each in body[:4])
        if encoding := ZEROS.get(zeros) or ZEROS.get(zeros[:2], ""):
            return _recoded(body, encoding)
    return body


def _recoded(body: bytes, encoding: str) -> bytes:
    return body if encoding == "utf-8" else body.decode(encoding, "replace").encode()


def _read(body: bytes, status: int, own: Container[str]) -> tuple[str, str]:
    """Return how a body reports a failure, and why it cannot be parsed; at most one of the two is not empty."""
    text = in_utf8(body)
    start = text.lstrip()[:1]
    if not start:
        return "", ""
    if start == b"<":
        return _in_markup(text)
    if start in b'{["fFnt0123456789-':
        try:
            decoded = _decoded(text)
        except (ValueError, RecursionError):
            if _begins_as_json(text) and not _is_json(text):
                return "", "it begins as JSON and is broken or truncated"
        else:
            return failure_in(decoded, status, own=own), ""
    return _in_text(text[:LARGEST].decode("utf-8", "replace")), ""


def _decoded(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except ValueError:
        # Another encoding, NaN, a control character: a reported failure can be found all the same.
        return json.loads(text.decode("utf-8", "replace"), strict=False)


def _is_json(text: bytes) -> bool:
    """Return True if a text is well-formed JSON although it cannot be decoded, for example because of a long number."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return False
    return True


def _in_markup(text: bytes) -> tuple[str, str]:
    if is_page(text):
        return "it is an HTML page", ""
    if _xml_failure(text[:LARGEST].decode("utf-8", "replace").lower()):
        return "it is XML with an error in it", ""
    return "", "" if _ends_as_xml(text) else "it begins as XML and is truncated"


def _ends_as_xml(text: bytes) -> bool:
    """Return True if the first element of XML is closed at the end; text that begins with anything else is not XML."""
    beginning = _aside.sub("", text[:ASIDE].decode("utf-8", "replace"))
    root = _first_tag(beginning)
    if root is None:
        return not _prolog(beginning) and bool(beginning.strip())
    end = _aside.sub("", text[-ASIDE:].decode("utf-8", "replace")).rstrip()
    if len(text) <= ASIDE and end.endswith("/>") and end.count("<") == 1:
        return True
    return re.search(rf"</{re.escape(root[1])}\s*>\Z", end) is not None


def _in_text(text: str) -> str:
    line = " ".join(text.split()).lower().strip('"')
    if line.rstrip(".!") in FAILURES | PHRASES or re.sub(r"^\d{3} ", "", line.rstrip(".!")) in PHRASES:
        return "its text is an error"
    return "its text begins with an error" if _text_of_failure(line) else ""


def _in_value(decoded: Any, multi: bool, own: Container[str], depth: int) -> Iterator[str]:
    """Yield the ways in which a decoded value reports a failure."""
    if decoded is False and not depth:
        yield "it is false"
    elif isinstance(decoded, str) and not depth:
        if found := _in_text(decoded):
            yield found
    elif depth < DEEPEST and isinstance(decoded, list):
        for item in decoded:
            # In a list of records each has a status of its own; an error in place of a record has no id.
            if multi or not (isinstance(item, dict) and item.get("id")):
                yield from _in_value(item, multi, own, depth + 1)
    elif depth < DEEPEST and isinstance(decoded, dict):
        yield from _in_object(decoded, multi, own, depth)


def _in_object(decoded: dict[str, Any], multi: bool, own: Container[str], depth: int) -> Iterator[str]:
    for key, value in decoded.items():
        if key in own and decoded.get("id"):
            continue
        name, words = _spelt(key) if len(key) <= LONGEST_KEY else _parts(key)
        if found := _by_key(key, name, words, value, decoded):
            yield found
        elif (multi or name in ENVELOPES) and isinstance(value, dict | list):
            yield from _in_value(value, multi, own, depth + 1)
    if "title" in decoded and "detail" in decoded and not decoded.get("id"):
        yield "it is a problem document"


def _parts(key: str) -> tuple[str, list[str]]:
    """Return a key without case and separators, and the words that it consists of."""
    words = re.sub(r"([a-z])([A-Z])", r"\1 \2", key).lower().replace("_", " ").replace("-", " ").split()
    return _plain(key), words


_spelt = lru_cache(maxsize=1024)(_parts)  # a vendor's answers have the same few keys


def _by_key(key: str, name: str, words: list[str], value: Any, decoded: dict[str, Any]) -> str:
    """Return how one key reports a failure; `name` is the key without case and separators."""
    if name in SUCCESS_KEYS and (value is False or (_flat(value) in ("0", "false", "no") and value is not None)):
        return f'"{_shown(key)}" is {_flat(value)}'
    if name in ERROR_KEYS or name.startswith(ERROR_PREFIXES) or (words and words[-1] in ("error", "errors")):
        negated = words[0] in ("no", "without", "ignore", "ignored")
        return "" if negated or _nothing(value) else f'"{_shown(key)}" is not empty'
    if name in CODE_KEYS and _is_error_code(value) and (name != "code" or not decoded.get("id")):
        return f'"{_shown(key)}" is {_flat(value)}'
    if name in OUTCOME_KEYS and _plain(_flat(value)) in FAILURES:
        return f'"{_shown(key)}" is {_shown(_flat(value))}'
    if name in TEXT_KEYS and _flat(value).rstrip(".!") in PHRASES:
        return f'"{_shown(key)}" is {_flat(value)}'
    return ""


def _nothing(value: Any, depth: int = 0) -> bool:
    """Return True if the value in the place of an error means that there is none; deeper nesting counts as an error."""
    if isinstance(value, list | dict):
        inner = value.values() if isinstance(value, dict) else value
        return depth < DEEPEST and all(_nothing(each, depth + 1) for each in inner)
    return _flat(value) in NOTHING or value is None or (isinstance(value, float) and not value)


def _is_error_code(value: Any) -> bool:
    text = _flat(value)
    return len(text) == 3 and text.isdecimal() and text[0] in "45"


def _flat(value: Any) -> str:
    """Return a scalar as short text in lower case; empty for anything else."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip().lower()[:60] if isinstance(value, str | int) else ""


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()


def _shown(key: str) -> str:
    return re.sub(r"[^\w .-]", "?", key)[:40]
