"""
The failure that the body of a successful answer reports: `{"success": false}`, `{"error": ...}`, an HTML page.

A gateway, a log-in page or an application that knows one status only may answer 2xx to a call that changed nothing.
This is the one place that decides whether a body reports a failure, or was cut off before it could; who made the call
decides what follows from it (after a write it is in doubt, after a read it is no answer).
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
"""Characters of a key whose parts are remembered."""
DEEPEST = 6
"""Levels of envelopes that are opened: real ones have two or three."""
LARGEST = 64 * 1024
"""Bytes of a text, or of a page, that are looked at: whatever it has to say stands at its beginning."""
ASIDE = 4096
"""Characters in which the first element of a page, or of XML, has to begin."""
MULTI_STATUS = 207

ENVELOPES = frozenset(
    {"body", "create", "d", "data", "items", "multistatus", "operations", "orders", "payload", "response", "responses",
     "result", "results", "return", "value"}
)  # fmt: skip
"""Keys whose value is the answer proper. Others may hold anything, an order that is sent back included."""
ERROR_KEYS = frozenset({"exception", "exceptions", "failed", "failure", "failures", "fault", "faults"})
"""Keys that report a failure unless they are empty, beside all whose last word is `error` or `errors`."""
ERROR_PREFIXES = ("errorcode", "errorcount", "errordescription", "errormessage", "errormsg", "errortext", "errortype")
SUCCESS_KEYS = frozenset({"accepted", "issuccess", "ok", "succeeded", "success", "successful", "wassuccessful"})
OUTCOME_KEYS = frozenset({"outcome", "result", "resultcode", "state", "status", "statuscode", "statustext"})
CODE_KEYS = frozenset({"code", "httpcode", "httpstatus", "httpstatuscode", "resultcode", "status", "statuscode"})
"""Keys that may repeat the status that the answer should have had."""
TEXT_KEYS = frozenset({"detail", "message", "msg", "title"})

FAILURES = frozenset(
    {"denied", "err", "error", "errors", "exception", "fail", "failed", "failure", "fatal", "forbidden", "invalid",
     "ko", "nok", "notok", "refused", "rejected", "unauthenticated", "unauthorized", "unsuccessful"}
)  # fmt: skip
"""Words that an outcome, or a whole text, may consist of."""
NOTHING = frozenset({"", "0", "-", "false", "n/a", "na", "nil", "no", "no error", "no errors", "none", "null", "ok",
                     "success", "successful"})  # fmt: skip
"""Texts that stand in the place of an error where there is none."""
PHRASES = frozenset(each.phrase.lower() for each in HTTPStatus if each >= 400)
"""`Unauthorized`, `Bad Gateway` and the others: what stands there is a status, whatever the key is called."""

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
"""Elements that a part of a page may begin with; what begins with another one is XML."""

MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
ZEROS = {(0, 0, 0, 1): "utf-32-be", (1, 0, 0, 0): "utf-32-le", (0, 1): "utf-16-be", (1, 0): "utf-16-le"}
"""Where the first bytes of a text without a mark are zero, for JSON and markup begin with ASCII (RFC 4627, 3)."""

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
    Return why a 2xx with `body` says nothing about a success, in words that follow "the body"; empty if it may be one.

    It reports a failure (`reported_failure`), or it is JSON or XML that cannot be read: what was cut off, or broken,
    may have been about to report one. A text of no such form is what its status says.
    """
    failure, broken = _read(body, status, own)
    return f"calls itself a failure: {failure}" if failure else broken and f"cannot be read: {broken}"


def reported_failure(body: bytes, status: int = 200, *, own: Container[str] = ()) -> str:
    """
    Return how `body` reports a failure, such as `"success": false`; an empty text if it does not.

    `status` is that of the answer: in a 207 every item counts. `own` are keys that mean something else in a record,
    which is what has an id (an order's own `status`). The values of free texts are not repeated, for they may hold a
    secret that was sent.
    An empty body reports nothing, and neither does one of a form that is not known.
    """
    return _read(body, status, own)[0]


def failure_in(said: Any, status: int = 200, *, own: Container[str] = ()) -> str:
    """Return how a decoded body reports a failure, as `reported_failure` does; `said` may be nested to any depth."""
    return next(_in_value(said, status == MULTI_STATUS, own, 0), "")


def is_page(body: bytes) -> bool:
    """Tell whether `body` is HTML, or a part of it: written for a person, by whatever stands in between."""
    text = in_utf8(body[:LARGEST]).decode("utf-8", "replace").lstrip().lower()
    if not text.startswith("<"):
        return False
    first = _first_element(_aside.sub("", text[:ASIDE]))
    return _element_of_page(text) is not None or (first is not None and first[1] in HTML)


def in_utf8(body: bytes) -> bytes:
    """Return a text in UTF-8 without a mark of its encoding, whichever of UTF-8, UTF-16 and UTF-32 it came in."""
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
    """Return how a body reports a failure, and why it cannot be read; at most one of them says something."""
    text = in_utf8(body)
    start = text.lstrip()[:1]
    if not start:
        return "", ""
    if start == b"<":
        return _in_markup(text)
    if start in b'{["fFnt0123456789-':
        try:
            said = _decoded(text)
        except (ValueError, RecursionError):
            if _begins_as_json(text) and not _is_json(text):
                return "", "it begins as JSON, and is broken or cut off"
        else:
            return failure_in(said, status, own=own), ""
    return _in_text(text[:LARGEST].decode("utf-8", "replace")), ""


def _decoded(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text)
    except ValueError:
        # Another encoding, NaN, a control character: what it reports can be told all the same.
        return json.loads(text.decode("utf-8", "replace"), strict=False)


def _is_json(text: bytes) -> bool:
    """Tell whether a text is JSON by its form, though it cannot be decoded: a number may be too long for that."""
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
    return "", "" if _ends_as_xml(text) else "it begins as XML, and is cut off"


def _ends_as_xml(text: bytes) -> bool:
    """Tell whether the first element of XML is closed at its end; what begins with something else is no XML."""
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


def _in_value(said: Any, multi: bool, own: Container[str], depth: int) -> Iterator[str]:
    """Yield how a decoded value reports a failure."""
    if said is False and not depth:
        yield "it is false"
    elif isinstance(said, str) and not depth:
        if found := _in_text(said):
            yield found
    elif depth < DEEPEST and isinstance(said, list):
        for item in said:
            # In a list of records each has its own status; an error in their place has no id.
            if multi or not (isinstance(item, dict) and item.get("id")):
                yield from _in_value(item, multi, own, depth + 1)
    elif depth < DEEPEST and isinstance(said, dict):
        yield from _in_object(said, multi, own, depth)


def _in_object(said: dict[str, Any], multi: bool, own: Container[str], depth: int) -> Iterator[str]:
    for key, value in said.items():
        if key in own and said.get("id"):
            continue
        name, words = _spelt(key) if len(key) <= LONGEST_KEY else _parts(key)
        if found := _by_key(key, name, words, value, said):
            yield found
        elif (multi or name in ENVELOPES) and isinstance(value, dict | list):
            yield from _in_value(value, multi, own, depth + 1)
    if "title" in said and "detail" in said and not said.get("id"):
        yield "it is a problem document"


def _parts(key: str) -> tuple[str, list[str]]:
    """Return a key without its case and its separators, and the words that it is made of."""
    words = re.sub(r"([a-z])([A-Z])", r"\1 \2", key).lower().replace("_", " ").replace("-", " ").split()
    return _plain(key), words


_spelt = lru_cache(maxsize=1024)(_parts)  # a vendor's answers have the same few keys


def _by_key(key: str, name: str, words: list[str], value: Any, said: dict[str, Any]) -> str:
    """Return how one key reports a failure; `name` is the key without its case and its separators."""
    if name in SUCCESS_KEYS and (value is False or (_flat(value) in ("0", "false", "no") and value is not None)):
        return f'"{_shown(key)}" is {_flat(value)}'
    if name in ERROR_KEYS or name.startswith(ERROR_PREFIXES) or (words and words[-1] in ("error", "errors")):
        negated = words[0] in ("no", "without", "ignore", "ignored")
        return "" if negated or _nothing(value) else f'"{_shown(key)}" is not empty'
    if name in CODE_KEYS and _is_error_code(value) and (name != "code" or not said.get("id")):
        return f'"{_shown(key)}" is {_flat(value)}'
    if name in OUTCOME_KEYS and _plain(_flat(value)) in FAILURES:
        return f'"{_shown(key)}" is {_shown(_flat(value))}'
    if name in TEXT_KEYS and _flat(value).rstrip(".!") in PHRASES:
        return f'"{_shown(key)}" is {_flat(value)}'
    return ""


def _nothing(value: Any, depth: int = 0) -> bool:
    """Tell whether what stands at the place of an error says that there is none; what is nested deeper says more."""
    if isinstance(value, list | dict):
        inner = value.values() if isinstance(value, dict) else value
        return depth < DEEPEST and all(_nothing(each, depth + 1) for each in inner)
    return _flat(value) in NOTHING or value is None or (isinstance(value, float) and not value)


def _is_error_code(value: Any) -> bool:
    text = _flat(value)
    return len(text) == 3 and text.isdecimal() and text[0] in "45"


def _flat(value: Any) -> str:
    """Return a scalar as a short text in lower case; of anything else an empty one."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip().lower()[:60] if isinstance(value, str | int) else ""


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).lower()


def _shown(key: str) -> str:
    return re.sub(r"[^\w .-]", "?", key)[:40]
