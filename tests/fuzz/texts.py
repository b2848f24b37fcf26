"""Texts that went wrong: a file of lines, a header, a request on the wire. Every one follows from the seed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from random import Random

from tests.fuzz.bodies import NUMBERS, ODD_TEXTS, damaged

__all__ = ["respelt"]

MARKS = [*"'\":,-#|>%@`{}[]?~\t\r\n\x00\x85\u2028\ufeff", ": ", "- ", "&a", "*a", "!x", "\r\n", "\r\n\r\n", "..."]
MARKS += ["${", "$${x}", "${X}", "${X:-y}", "<<: ", "---\n", "\n  ", "? "]
LONGEST = 40_000
"""Bytes at which a body is cut: a word that is repeated 9,000 times may be repeated again."""
WORD = re.compile(rb"\w+|[^\w\s]")


def respelt(sample: bytes, random: Random, depths: Sequence[int] = ()) -> Iterator[bytes]:
    """Yield mutations of `sample`, for ever: words, marks and lines that are others, twice, elsewhere or gone."""
    del depths
    words = [found.group() for found in WORD.finditer(sample)]
    while True:
        body = sample
        for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
            body = _line(body, random) if random.random() < 0.3 else _word(body, words, random)[:LONGEST]
        yield damaged(body, random) if random.random() < 0.15 else body


def _word(body: bytes, words: Sequence[bytes], random: Random) -> bytes:
    """Return `body` with one of its words, or one place between them, changed."""
    at = random.randrange(len(body) + 1)
    found = WORD.search(body, at)
    start, end = found.span() if found else (at, at)
    new = b""
    match random.randrange(7):
        case 0:
            new = random.choice(MARKS).encode()
        case 1:
            new, end = random.choice(MARKS).encode(), start
        case 2:
            new = random.choice(ODD_TEXTS).encode()
        case 3:
            new = random.choice(NUMBERS)
        case 4:
            new = random.choice(words) if words else b""
        case 5:
            new = body[start:end] * random.choice((2, 2, 70, 9000))
    return body[:start] + new + body[end:]


def _line(body: bytes, random: Random) -> bytes:
    lines = body.splitlines(keepends=True) or [b""]
    at, other = random.randrange(len(lines)), random.randrange(len(lines))
    match random.randrange(5):
        case 0:
            del lines[at]
        case 1:
            lines.insert(other, lines[at])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines[at] = random.choice((b" ", b"  ", b"\t", b"- ")) + lines[at]
        case _:
            lines[at] = lines[at].lstrip(b" ")
    return b"".join(lines)
