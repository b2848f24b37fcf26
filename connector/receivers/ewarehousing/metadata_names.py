"""
Pairs of names and texts in the form of eWarehousing's meta data (seed 004; vendors.md 6/004 #18).

A source gives its orders, and their lines, the same keys again and again: what they become is worked out once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

__all__ = ["named"]


def named(pairs: Mapping[str, str]) -> dict[str, str]:
    """
    Return `pairs`, whose texts are clean, with keys as the receiver wants them, and without empty texts.

    Keys are lower case with `_` or `-`. Where two keys become one, the first in alphabetical order has the name, and
    the others are counted: `gift_wrap`, `gift_wrap_2`.
    """
    known = _names(tuple(pairs))
    if all(pairs.values()):
        return dict(zip(known.names, known.texts(pairs), strict=True))
    return {name: text for name, text in zip(known.names, known.texts(pairs), strict=True) if text}


class _Names(NamedTuple):
    """The receiver's names of some keys, and what takes the texts out of the pairs in that order."""

    names: tuple[str, ...]
    texts: Callable[[Mapping[str, str]], tuple[str, ...]]


@lru_cache(maxsize=256)
def _names(keys: tuple[str, ...]) -> _Names:
    found: dict[str, str] = {}
    for key in sorted(keys):
        name = wanted = _name(key)
        number = 1
        while name in found:
            number += 1
            name = f"{wanted}_{number}"
        found[name] = key
    ordered = tuple(found.values())
    # Of one key, `itemgetter` gives no tuple.
    texts = itemgetter(*ordered) if len(ordered) > 1 else lambda pairs: tuple(pairs[key] for key in ordered)
    return _Names(tuple(found), texts)


@lru_cache(maxsize=1024)
def _name(key: str) -> str:
    """Return a key in the receiver's form; one without a letter that it takes is spelt by its signs' codes."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
    name = re.sub(r"[^a-z0-9_-]+", "_", snake).strip("_-")
    return name or "_".join(f"u{ord(sign):04x}" for sign in key) or "unnamed"
