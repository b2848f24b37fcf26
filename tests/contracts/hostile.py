"""JSON that went wrong, one place at a time: every type where another is expected, and bytes that are no JSON."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import msgspec
from hypothesis import strategies as st

__all__ = ["HOSTILE", "REMOVED", "spoilt"]

REMOVED = object()

HOSTILE: list[Any] = [
    REMOVED,
    None,
    True,
    0,
    -1,
    2**80,
    1.5,
    "",
    " ",
    "12",
    "NaN",
    "Infinity",
    "9999-99-99T99:99:99Z",
    "0001-01-01T00:00:00+14:00",
    "\x00\x1b[31m\r\n\u202e",
    "${jndi:x}%s{}",
    "💥" * 2000,
    [],
    [None],
    {},
    {"": []},
    msgspec.Raw(b"1E+400000000"),
    msgspec.Raw(b"-1E-400000000"),
    msgspec.Raw(b"1e999"),
    msgspec.Raw(b"1" * 5000),
    msgspec.Raw(b"0." + b"1" * 5000),
    msgspec.Raw(b"NaN"),
    msgspec.Raw(b'"\xff\xfe"'),
    msgspec.Raw(b'"\\ud800"'),
    msgspec.Raw(b"[" * 20_000 + b"]" * 20_000),
]


def spoilt(sample: bytes) -> st.SearchStrategy[bytes]:
    """Return a strategy for `sample` with up to three places replaced or removed, or damaged as bytes."""
    places = list(_places(msgspec.json.decode(sample)))
    edits = st.lists(st.tuples(st.sampled_from(places), st.sampled_from(HOSTILE)), min_size=1, max_size=3)
    return st.one_of(
        edits.map(lambda chosen: _edited(sample, chosen)),
        st.binary(max_size=200),
        st.integers(0, len(sample)).map(lambda end: sample[:end]),
        st.tuples(st.integers(0, len(sample) - 1), st.binary(max_size=3)).map(
            lambda at: sample[: at[0]] + at[1] + sample[at[0] + 1 :]
        ),
    )


def _places(value: Any, path: tuple[Any, ...] = ()) -> Any:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield (*path, key)
        yield from _places(value[key], (*path, key))


def _edited(sample: bytes, edits: list[tuple[tuple[Any, ...], Any]]) -> bytes:
    whole = msgspec.json.decode(sample)
    for (*path, last), value in edits:
        place = whole
        try:
            for key in path:
                place = place[key]
            if value is REMOVED:
                del place[last]
            else:
                place[last] = deepcopy(value)  # two edits may put the same list in, one of them into the other
        except (KeyError, IndexError, TypeError):
            continue  # an earlier edit took the place away
    return msgspec.json.encode(whole)
