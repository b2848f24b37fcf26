"""Texts by people: settings, references, mappings, expressions, examples of orders, and arguments of commands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import msgspec
from click import UsageError

from connector.cli.param_types import DurationParam, SinceParam, ZonedTimeParam
from connector.clock import SystemClock
from connector.errors import SettingsError, Unmappable
from connector.mapping import examples
from connector.mapping.mapper import Mapper, checker, mapper
from connector.order import Order
from connector.progress import Progress
from connector.registry import make_receivers, make_sources, receiver_types, source_types
from connector.settings import load, parse
from connector.settings.interpolation import fill
from tests.fuzz.bodies import mutated
from tests.fuzz.feeding import folder, warehouse
from tests.fuzz.target import Target
from tests.fuzz.texts import respelt
from tests.sources.traede import bench as traede_bench
from tests.sources.zendera import bench as zendera_bench

__all__ = ["SETTINGS", "own"]

TOP = Path(__file__).parents[2]
SETTINGS: dict[str, Any] = {
    "environment": "sandbox",
    "server": {"host": "127.0.0.1", "port": 8080},
    "tables": {"carriers": {"a": "B", "c": 1}},
    "sources": {
        "shop": {
            "type": "propeller",
            "token": "${TOKEN:-secret-token}",
            "statuses": ["NEW"],
            "poll_interval": "60s",
            "rate_limit": "60/min",
            "retry": {"first": "1s", "longest": "5m"},
        },
        "transport": {"type": "zendera", "base_url": "https://zendera.example/api", "api_key": "abcdef"},
    },
    "receivers": {
        "erp": {"type": "webhook", "url": "https://erp.example.com/orders", "secret": "s" * 24, "idempotent": True},
        "archive": {"type": "file", "path": "orders.jsonl"},
    },
    "routes": [
        {"source": "shop", "receivers": ["erp"], "mapping": {"notes": "=notes", "currency": "EUR"}},
        {"source": "transport", "receivers": ["archive"], "totals": {"tolerance": "0.05"}},
    ],
}
"""As JSON, which is YAML."""
LEVELS = (2, 20, 30)
"""Around the 24 that settings may have; a mapping is part of them, and far more take YAML long to see through."""
DEEPEST = 24
TABLES: dict[str, dict[str, str | int | float]] = {"carriers": {"a": "B", "c": 1, "d": 2.5}}
MAPPING: dict[str, Any] = {
    "note": "Handle with care",
    "customer_note": "=notes",
    "po_number": None,
    "external_reference": "=concat('PO-', reference)",
    "shipping_method": {"when": "=metadata.status", "then": "=lookup('carriers', 'a')"},
    "meta_data": {"channel": "web", "\\each": "=order_id"},
    "shipping_address": {"when": "=delivery_address.country == 'DK'", "state": "=upper(delivery_address.city)"},
    "order_lines": {
        "each": "=lines",
        "do": {
            "article_code": "=item.sku",
            "quantity": "=item.quantity",
            "description": "=default(item.name, item.sku)",
            "price": "=cents(item.unit_price, currency)",
        },
    },
}
EXPRESSIONS = (
    b"default(delivery_address.company, 'nameless')",
    b"sum(lines[?quantity > `1`].mul(quantity, unit_price)) || `0`",
    b"date(created_at, '%d.%m.%Y', 'Europe/Copenhagen')",
    b"concat(reference, '-', lookup('carriers', metadata.status)) | upper(@)",
    b"{a: lines[*].sku, b: lines[0:2:1], c: join(', ', lines[].name), d: !cancelled && length(notes)}",
    b"round(to_number(metadata.season), `2`) <= `2.5` || replace(notes, 'a', 'b')",
)


def own() -> Iterator[Target]:
    """Yield the targets that people write."""
    yield from _settings()
    yield from _mappings()
    yield from _arguments()


def _settings() -> Iterator[Target]:
    sources = {name: each.settings for name, each in source_types().items()}
    receivers = {name: each.settings for name, each in receiver_types().items()}
    trees = checker({name: each.request for name, each in receiver_types().items()})
    ours = _brief((TOP / "settings.yaml").read_bytes())
    named = re.findall(r"\$\{(\w+)", ours.decode())
    environ = {name: "https://vendor.example" if name.endswith("_URL") else "secret-" * 4 for name in named}
    environ |= {"CONNECTOR_ENVIRONMENT": "", "TOKEN": "token-of-the-environment", "EMPTY": ""}
    path = folder() / "settings.yaml"

    async def settings(body: bytes, status: int) -> object:
        del status
        text = body.decode("utf-8", "replace")
        return parse(text, sources=sources, receivers=receivers, environ={}, mappings=trees).journal

    async def file(body: bytes, status: int) -> object:
        del status
        path.write_bytes(body)
        return load(path, sources=sources, receivers=receivers, environ=environ, mappings=trees).journal

    async def reference(body: bytes, status: int) -> object:
        del status
        return fill(body.decode("utf-8", "replace"), environ, TOP).text

    async def secret(body: bytes, status: int) -> object:
        del status
        path.write_bytes(body)
        text = fill(f"${{file:{path.name}}}", environ, path.parent).text
        assert "\0" not in text
        return text

    yield Target("settings", (msgspec.json.encode(SETTINGS),), settings, (SettingsError,), spoil=_flat)
    yield Target("settings.file", (ours,), file, (SettingsError,), spoil=respelt, share=10)
    written = (b"${TOKEN}", b"a ${NONE:-default} b$${x}", b"${file:LICENSE}", b"${EMPTY}-${TOKEN:-}")
    yield Target("settings.reference", written, reference, (ValueError,), spoil=respelt)
    yield Target("settings.secret", (b"a-secret\n", b"\xf0\x9f\x94\x91\r\n"), secret, (ValueError,), spoil=respelt)


def _brief(text: bytes) -> bytes:
    """Return our own settings without their comments, of which YAML makes nothing however they change."""
    lines = (line for line in text.splitlines(keepends=True) if line.strip() and not line.lstrip().startswith(b"#"))
    return b"".join(lines)


def _flat(sample: bytes, random: Random, depths: Sequence[int]) -> Iterator[bytes]:
    """Yield the bodies of `mutated`, few of them very deep: YAML takes half a second to see through that."""
    del depths
    bodies = mutated(sample, random, LEVELS)
    yield from (body for body in bodies if b"[" * 1000 not in body or random.random() < 0.02)


def _mappings() -> Iterator[Target]:
    taken = [traede_bench.source().to_order(msgspec.json.encode(traede_bench.order(7)))]
    taken.append(zendera_bench.offline().to_order(zendera_bench.group(zendera_bench.shipment(12345))))
    forms = [(warehouse(), receiver_types()["ewarehousing"].request), (None, receiver_types()["webhook"].request)]

    def mapped(tree: Any, number: int) -> list[bytes]:
        receiver, request = forms[number % 2]
        return _made(mapper(tree, request, receiver.default if receiver else _nothing, TABLES), taken)

    async def mapping(body: bytes, status: int) -> object:
        del status
        try:
            tree = msgspec.json.decode(body)
        except (ValueError, RecursionError):
            return None
        return mapped(tree, crc32(body)) if isinstance(tree, dict) and _depth(tree) <= DEEPEST else None

    async def expression(body: bytes, status: int) -> object:
        del status
        return mapped({"note": "=" + body.decode("utf-8", "replace")}, crc32(body))

    yield Target("mapping", (msgspec.json.encode(MAPPING),), mapping, (SettingsError,), spoil=_flat)
    yield Target("mapping.expression", EXPRESSIONS, expression, (SettingsError,), spoil=respelt)

    here = TOP / "tests" / "mapping" / "examples"
    known = {name: each.settings for name, each in source_types().items()}
    takers = {name: each.settings for name, each in receiver_types().items()}
    settings = load(here / "settings.yaml", sources=known, receivers=takers, environ={})
    sources = make_sources(settings, SystemClock(), {})
    receivers = make_receivers(settings, SystemClock(), {})
    path = folder() / "examples.yaml"

    async def tested(body: bytes, status: int) -> object:
        del status
        path.write_bytes(body)
        found = examples.run(settings, path, sources, receivers)
        return [each.differences for each in found]

    samples = tuple((here / name).read_bytes().split(b"\n\n")[0] for name in ("canonical.yaml", "propeller.yaml"))
    yield Target("mapping.examples", samples, tested, (SettingsError,), spoil=respelt, share=10)


def _made(apply: Mapper, orders: Sequence[Order]) -> list[bytes]:
    """Return the mapping's request for each order, or the cause that holds it."""
    made = []
    for order in orders:
        try:
            made.append(apply(order))
        except Unmappable as exc:
            made.append(exc.cause.encode())
    return made


def _nothing(order: Order) -> Any:
    del order
    return {}


def _depth(value: Any, room: int = DEEPEST) -> int:
    """Return how many levels there are, as far as that is within `room`."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((_depth(each, room - 1) for each in inner), default=0) if room else 1


def _arguments() -> Iterator[Target]:
    zendera = zendera_bench.offline()

    async def time(body: bytes, status: int) -> object:
        del status
        text = body.decode("utf-8", "replace")
        found = [_converted(kind, text) for kind in (SinceParam(), ZonedTimeParam(), DurationParam())]
        if isinstance(found[0], datetime):
            assert found[0].tzinfo is UTC
        return found

    async def progress(body: bytes, status: int) -> object:
        del status
        try:
            about = msgspec.json.decode(body, type=_About)
        except (ValueError, RecursionError):
            return None
        at = _converted(ZonedTimeParam(), about.at)
        if not isinstance(at, datetime):
            return None
        given = {name: getattr(about, name) for name in about.__struct_fields__} | {"at": at}
        order_id = given.pop("order_id")
        try:
            return zendera.encode_report(order_id, Progress(**given))
        except (ValueError, Unmappable):  # as the command takes them
            return None

    times = (
        b"2026-11-01",
        b"2026-11-01T12:00:00Z",
        b"2026-06-11T14:30:00+02:00",
        b"90s",
        b"500ms",
        b"0001-01-01T00:00:00+01:00",
    )
    yield Target("arguments.time", times, time, (), spoil=respelt)
    sample = _About("12345", "COMPLETE", "DELIVERY", "2026-06-11T14:30:00Z", "at the door", 59.9, 10.7, "N. N.")
    yield Target("arguments.progress", (msgspec.json.encode(sample),), progress, ())


def _converted(kind: Any, text: str) -> object:
    try:
        return kind.convert(text, None, None)
    except UsageError:
        return None


class _About(msgspec.Struct):
    """The arguments of `connector report`, in the types that click makes of them."""

    order_id: str
    status: str
    location: str
    at: str
    comment: str = ""
    latitude: float | None = None
    longitude: float | None = None
    signee: str = ""
