"""
Bodies that went wrong: mutations of a sample, and JSON that is made up.

A mutation spoils up to four places of the sample, each with a value of another type, one of the hostile ones, one
from elsewhere in the sample, one that is made up, or itself at a depth; or it damages the bytes. Every body follows
from the seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from random import Random
from typing import Any

import msgspec

from tests.contracts.hostile import HOSTILE, REMOVED

__all__ = ["damaged", "grown", "invented", "mutated"]

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
DEEPEST = 12_000
"""Too deep for every version of Python: code written in C may go 1,000 to 10,000 deep."""
DEPTHS = (2, 60, 300, 700, *range(880, 1010, 7), 3000, DEEPEST)
"""Around Python's own limit of recursion, too: a body that can be decoded may still be too deep to be printed."""

FLAT = (2, 60)
"""Depths at which no reader comes near that limit, wherever it is called from."""
SCRIPTS = ((32, 127), (0, 32), (128, 591), (0x600, 0x700), (0x2000, 0x2070), (0x3040, 0x30FF), (0x1F300, 0x1F6FF))
"""Ranges of characters, the plain ones first."""


def mutated(sample: bytes, random: Random, depths: Sequence[int] = DEPTHS) -> Iterator[bytes]:
    """Yield mutations of `sample`, for ever; one in five is damaged as bytes, alone or on top."""
    places = list(_places(msgspec.json.decode(sample)))
    values = [value for _, value in places]
    while True:
        chance = random.random()
        body = sample if chance < 0.12 or not places else _edited(sample, places, values, random, depths)
        yield damaged(body, random) if chance < 0.2 else body


def grown(sample: bytes, random: Random, depths: Sequence[int] = DEPTHS) -> Iterator[bytes]:
    """Yield the sample, for ever, with a key in one of its objects that it has not, which a reader passes over."""
    places: list[Path] = [(), *(path for path, _ in _places(msgspec.json.decode(sample)))]
    while True:
        whole = place = msgspec.json.decode(sample)
        for key in random.choice(places):
            place = place[key]
        more: Any = random.choice(({}, [], 7, "x", {"a": [None]}))
        value = _other(more, [more], random, depths)
        if isinstance(place, dict):
            place[random.choice(("", "more", "error", "items", "\u00e9"))] = None if value is REMOVED else value
        elif isinstance(place, list):
            place.insert(random.randrange(len(place) + 1), None if value is REMOVED else value)
        else:
            continue
        try:
            yield msgspec.json.encode(whole)
        except RecursionError:
            continue


def invented(random: Random, keys: Sequence[str]) -> Iterator[bytes]:
    """Yield JSON that is made up, for ever; its objects have keys mostly among `keys`."""
    while True:
        yield _encode(_tree(random, keys, random.choice((1, 2, 3, 4))))


def _tree(random: Random, keys: Sequence[str], levels: int) -> Any:
    kind = random.randrange(4) if levels > 0 else 0
    if kind == 0:
        return _leaf(random)
    many = range(random.choice((0, 1, 1, 2, 3, 5)))
    if kind == 1:
        return [_tree(random, keys, levels - 1) for _ in many]
    return {
        random.choice(keys) if keys and random.random() < 0.9 else _text(random): _tree(random, keys, levels - 1)
        for _ in many
    }


def _leaf(random: Random) -> Any:
    match random.randrange(9):
        case 0:
            return None
        case 1:
            return random.random() < 0.5
        case 2:
            return random.randrange(-3, 130)
        case 3:
            return random.choice((1, -1)) * random.getrandbits(random.choice((31, 53, 63)))
        case 4:
            return random.uniform(-1, 1) * 10.0 ** random.randrange(-20, 20)
        case 5:
            return random.choice(ODD_TEXTS)
        case 6:
            return msgspec.Raw(random.choice(NUMBERS))
        case _:
            return _text(random)


def _text(random: Random) -> str:
    lowest, end = random.choice(SCRIPTS) if random.random() < 0.4 else SCRIPTS[0]
    return "".join(chr(random.randrange(lowest, end)) for _ in range(random.choice((0, 1, 2, 5, 9, 40))))


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


def _edited(
    sample: bytes, places: Sequence[tuple[Path, Any]], values: Sequence[Any], random: Random, depths: Sequence[int]
) -> bytes:
    whole = msgspec.json.decode(sample)
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        (*path, last), old = random.choice(places)
        place = whole
        try:
            for key in path:
                place = place[key]
            new = _other(old, values, random, depths)
            if new is REMOVED:
                del place[last]
            else:
                place[last] = deepcopy(new) if isinstance(new, dict | list) else new  # a later edit may fall into it
        except (KeyError, IndexError, TypeError):
            continue  # an earlier edit took the place away
    try:
        return msgspec.json.encode(whole)
    except RecursionError:
        return b"[" * DEEPEST


def _other(old: Any, values: Sequence[Any], random: Random, depths: Sequence[int]) -> Any:
    match random.randrange(13):
        case 0 | 1 | 2:
            return random.choice(HOSTILE)
        case 10 | 11 | 12:
            return _alike(old, values, random)
        case 3:
            return random.choice(ODD_TEXTS)
        case 4:
            return msgspec.Raw(random.choice(NUMBERS))
        case 5:
            return msgspec.Raw(_encode(random.choice(values)))
        case 6:
            return _retyped(old, random)
        case 7:
            depth = random.choice(depths)
            opened, closed = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'{"error":', b"}")))
            return msgspec.Raw(opened * depth + _encode(old) + closed * depth)
        case 8:
            return _tree(random, list(old) if isinstance(old, dict) else (), 2)
        case _:
            return msgspec.Raw(_doubled(old, random))


def _alike(old: Any, values: Sequence[Any], random: Random) -> Any:
    """Return another value of the same type: one that a check of types lets through."""
    if isinstance(old, str):
        return random.choice((random.choice(ODD_TEXTS), _text(random), "", old.swapcase(), f" {old} "))
    if isinstance(old, list):
        return random.choice((old[::-1], old[1:], old * 2, old[:1] * 3, []))
    if isinstance(old, dict):
        return random.choice(({key: old[key] for key in list(old)[1:]}, dict(reversed(old.items())), {}))
    if isinstance(old, bool):
        return not old
    if isinstance(old, int | float):
        return random.choice((0, 1, -old, old + 1, old / 3, msgspec.Raw(random.choice(NUMBERS))))
    return random.choice(values)


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


def damaged(body: bytes, random: Random) -> bytes:
    """Return `body` cut off, with other bytes in it or around it, in another encoding, or as something else at all."""
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
