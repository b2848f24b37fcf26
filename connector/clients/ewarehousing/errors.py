"""
Turns eWarehousing's error bodies, which have many forms, into one readable line.

The documented example is `{"errors": {"0": "Reference is not unique", "externalReference": ["Reference is not
unique"]}}`: numbered texts beside lists by field name (vendors.md, section 4). Login errors come as `message`, the
older API's as `error`, and a gateway's as HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from connector.errors import readable
from connector.http.reported_failure import in_utf8

__all__ = ["is_duplicate", "is_ours", "reason"]

_KEYS = ("errors", "error", "message", "detail", "title")
_DEEPEST = 8
_DUPLICATE = re.compile(r"not unique|already exists", re.IGNORECASE)
_OURS = re.compile(
    r"x-wms-code|x-customer-code|invalid wms|(?:invalid|unknown|missing) customer(?![ _-]?note)|customer code", re.I
)
_LARGEST = 64 * 1024


def reason(status: int, body: bytes) -> str:
    """Return the reason of a refusal: one printable line of at most 500 characters, each reason once."""
    text = in_utf8(body[:_LARGEST])
    try:
        said = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return readable(text.decode("utf-8", "replace")) or f"{status} without a reason"
    found = list(dict.fromkeys(_found(said)))
    # A text under its field's name need not be repeated without it.
    named = {what for where, what in found if where}
    lines = [f"{where}: {what}" if where else what for where, what in found if where or what not in named]
    return readable("; ".join(lines)) or f"{status} without a reason"


def is_duplicate(why: str) -> bool:
    """Return whether the order was refused because the receiver has one under this reference already."""
    return _DUPLICATE.search(why) is not None


def is_ours(why: str) -> bool:
    """Return whether the refusal concerns our settings (a header, a code) and would be the same for every order."""
    return _OURS.search(why) is not None


def _found(said: Any) -> Iterator[tuple[str, str]]:
    if isinstance(said, dict):
        known = [said[key] for key in _KEYS if said.get(key)]
        for part in known:
            yield from _walk(part, "", 0)
        if known:
            return
    yield from _walk(said, "", 0)


def _walk(value: Any, where: str, depth: int) -> Iterator[tuple[str, str]]:
    """Yield (field, text) for every text in `value`. Numbers are names only below a name: `order_lines.0.price`."""
    if value is None or depth > _DEEPEST:
        return
    if isinstance(value, dict):
        for key, part in value.items():
            below = "" if key.isdecimal() and not where else key
            yield from _walk(part, f"{where}.{below}" if where and below else where or below, depth + 1)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            below = f"{where}.{number}" if where and isinstance(part, dict | list) else where
            yield from _walk(part, below, depth + 1)
    else:
        what = readable(str(value))
        if what:
            yield readable(where, 100), what
