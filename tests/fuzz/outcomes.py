"""
The outcomes of all targets for the same bodies, in words by which two versions of the connector can be compared.

An outcome is the value that came out, or which error and for which cause. The words of an error's details are left out:
they may change freely, and the exceptions of libraries are quoted in them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from connector.errors import Unmappable
from tests.fuzz.target import Target

__all__ = ["digests", "outcome", "outcomes"]

WORDING = frozenset({"detail", "reason", "message", "error"})
"""Fields of an outcome that hold an error's words."""


def outcomes(target: Target, bodies: Iterable[tuple[bytes, int]]) -> list[str]:
    """Return the outcome of each body with its status."""

    async def run() -> list[str]:
        return [await outcome(target, body, status) for body, status in bodies]

    logging.disable(logging.CRITICAL)
    try:
        return asyncio.run(run())
    finally:
        logging.disable(logging.NOTSET)


async def outcome(target: Target, body: bytes, status: int) -> str:
    """Return the outcome of `target` for a body."""
    try:
        return ascii(plain(await target.feed(body, status)))
    except Unmappable as exc:
        return f"Unmappable: {exc.cause}{', ours' if exc.ours else ''}"
    except Exception as exc:  # noqa: BLE001 - whatever it is, the other version is to make the same of it
        return type(exc).__name__


def plain(value: Any) -> Any:
    """Return `value` in types that every version has; fields that have their default are left out."""
    if isinstance(value, msgspec.Struct):
        found = {
            field.name: plain(getattr(value, field.name))
            for field in msgspec.structs.fields(value)
            if field.name not in WORDING and getattr(value, field.name) != field.default
        }
        return {"": type(value).__name__, **found}
    if isinstance(value, Mapping):
        return {key: plain(value[key]) for key in sorted(value, key=ascii)}  # one may be made of a set
    if isinstance(value, tuple | list):
        return [plain(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return sorted(map(ascii, value))
    return value


def digests(found: Iterable[str]) -> bytes:
    """Return four bytes of each outcome's hash: enough to see that one has changed."""
    return b"".join(blake2b(each.encode("utf-8", "surrogatepass"), digest_size=4).digest() for each in found)
