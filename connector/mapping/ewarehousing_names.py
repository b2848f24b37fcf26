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

    Keys are lower case with `_` or `-`. Where two keys become one, the first in alphabetical order stays.
    """
    known = _names(tuple(pairs))
    if known is not None and all(pairs.values()):
        return dict(zip(known.names, known.texts(pairs), strict=True))
    result: dict[str, str] = {}
    for key in sorted(pairs):
        if (name := _name(key)) and (text := pairs[key]):
            result.setdefault(name, text)
    return result


class _Names(NamedTuple):
    """The receiver's names of some keys, and what takes the texts out of the pairs in that order."""

    names: tuple[str, ...]
    texts: Callable[[Mapping[str, str]], tuple[str, ...]]


@lru_cache(maxsize=256)
def _names(keys: tuple[str, ...]) -> _Names | None:
    """Return the names of `keys`; None where two become one."""
    found = {key: name for key in sorted(keys) if (name := _name(key))}
    if len(set(found.values())) < len(found):
        return None
    # Of one key, `itemgetter` gives no tuple.
    texts = itemgetter(*found) if len(found) > 1 else lambda pairs: tuple(pairs[key] for key in found)
    return _Names(tuple(found.values()), texts)


@lru_cache(maxsize=1024)
def _name(key: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
    return re.sub(r"[^a-z0-9_-]+", "_", snake).strip("_-")
