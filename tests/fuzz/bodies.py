"""
Bodies that went wrong: mutations of a sample, and JSON that Hypothesis made up.

A mutation spoils up to four places of the sample, each with a value of another type, one of the hostile ones, one
from elsewhere in the sample, or itself at a depth; or it damages the bytes. Every body follows from the seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from random import Random
from typing import Any

import msgspec
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.contracts.hostile import HOSTILE, REMOVED

__all__ = ["generated", "mutated"]

Path = tuple[Any, ...]

ODD_TEXTS = [
    "\u202eevil",
    "a\u0300" * 50,
    "\ufeffx",
    "../cancel",
    "..",
    ".",
    "%2f?x=1#y",
    "'; DROP TABLE orders; --",
    "=cmd()",
    "<script>alert(1)</script>",
    "\x85\u2028\u2029",
    "١٢٣",
    "²",
    "0",
    "-0",
    "00012",
    "1e5",
    "9" * 25,
    "2026-13-40",
    "2026-06-11T24:00:00Z",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01",
    "unreadable-00",
    "x" * 5000,
    "\U0010ffff",
]
NUMBERS = [
    b"0",
    b"-0",
    b"-0.0",
    b"1e-400",
    b"1E+28",
    b"9007199254740993",
    b"18446744073709551616",
    b"0.1e1",
    b"1e99999999999999999999",
    b"1" * 400,
]
DEPTHS = (2, 60, 300, 700, *range(880, 1010, 7), 3000)
"""Around Python's own limit of recursion, too: what can be decoded may still be too deep to be printed."""


def mutated(sample: bytes, random: Random) -> Iterator[bytes]:
    """Yield mutations of `sample`, for ever; one in five is damaged as bytes, alone or on top."""
    places = list(_places(msgspec.json.decode(sample)))
    values = [value for _, value in places]
    while True:
        chance = random.random()
        body = sample if chance < 0.12 or not places else _edited(sample, places, values, random)
        yield _damaged(body, random) if chance < 0.2 else body


@lru_cache
def generated(count: int, number: int, keys: tuple[str, ...]) -> Sequence[bytes]:
    """Return `count` bodies of JSON from Hypothesis, whose objects have keys among `keys`."""
    leaf = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"]))
        | st.sampled_from(ODD_TEXTS)
    )
    key = st.sampled_from(keys or ("",)) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    tree = st.recursive(leaf, lambda inner: st.lists(inner) | st.dictionaries(key, inner), max_leaves=20)
    bodies: list[bytes] = []

    @seed(number)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck]
    )
    @given(tree)
    def collect(value: Any) -> None:
        bodies.append(_encode(value))

    collect()
    return bodies


def _encode(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (OverflowError, RecursionError):
        return b"{}"  # an integer beyond 64 bits: the mutations have them as bytes


def _places(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield (*path, key), value[key]
        yield from _places(value[key], (*path, key))


def _edited(sample: bytes, places: Sequence[tuple[Path, Any]], values: Sequence[Any], random: Random) -> bytes:
    whole = msgspec.json.decode(sample)
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        (*path, last), old = random.choice(places)
        place = whole
        try:
            for key in path:
                place = place[key]
            new = _other(old, values, random)
            if new is REMOVED:
                del place[last]
            else:
                place[last] = new
        except (KeyError, IndexError, TypeError):
            continue  # an earlier edit took the place away
    try:
        return msgspec.json.encode(whole)
    except RecursionError:
        return b"[" * 3000


def _other(old: Any, values: Sequence[Any], random: Random) -> Any:
    match random.randrange(9):
        case 0 | 1 | 2:
            return random.choice(HOSTILE)
        case 3:
            return random.choice(ODD_TEXTS)
        case 4:
            return msgspec.Raw(random.choice(NUMBERS))
        case 5:
            return msgspec.Raw(_encode(random.choice(values)))
        case 6:
            return _retyped(old, random)
        case 7:
            depth = random.choice(DEPTHS)
            opened, closed = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'{"error":', b"}")))
            return msgspec.Raw(opened * depth + _encode(old) + closed * depth)
        case _:
            return msgspec.Raw(_doubled(old, random))


def _retyped(old: Any, random: Random) -> Any:
    if isinstance(old, bool) or old is None:
        return random.choice((0, "true", "null", [old]))
    if isinstance(old, int | float):
        return random.choice((str(old), old + 0.5, -old, [old], {"value": old}, old * 10**12))
    if isinstance(old, str):
        return random.choice((old + "\x00", old * 20, [old], {"value": old}, old.upper(), old[: len(old) // 2], 7))
    if isinstance(old, list):
        return random.choice((old * 3, old[:1], {"0": old}, [old], [*old, None], None))
    return random.choice(([old], [*old], [*old.values()], {**old, "": old}, None))


def _doubled(old: Any, random: Random) -> bytes:
    """Return an object that says a key twice, or the old value with another one of its keys said again."""
    if isinstance(old, dict) and old:
        key = random.choice(list(old))
        other = _encode(random.choice(ODD_TEXTS))
        return _encode(old)[:-1] + b"," + _encode(key) + b":" + other + b"}"
    return b'{"id":1,"id":2}'


def _damaged(body: bytes, random: Random) -> bytes:
    at = random.randrange(len(body) + 1)
    match random.randrange(10):
        case 0:
            return body[:at]
        case 1:
            return body[at:]
        case 2:
            return body[:at] + bytes([random.randrange(256)]) + body[at + 1 :]
        case 3:
            return body[:at] + random.randbytes(random.randrange(1, 4)) + body[at:]
        case 4:
            return b"\xef\xbb\xbf" + body
        case 5:
            return body.decode("utf-8", "replace").encode(random.choice(("utf-16", "utf-32", "utf-16-be", "utf-7")))
        case 6:
            return body + random.choice((b"}", b"\n{}", b"\x00", b" " * 3000, b"<!-- -->"))
        case 7:
            return b"<!DOCTYPE html><html><body>" + body + b"</body></html>"
        case 8:
            return random.choice((b"", b" ", b"null", b"true", b"5", b'""', b"[]", b"{}", b"[[]]", b"[{}]", b"[null]"))
        case _:
            return random.randbytes(random.randrange(200))
