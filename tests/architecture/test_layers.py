"""Imports point down the layers, families keep to themselves, and no two modules need each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tests.architecture.source import Import, Module, imports, package, parsed

LAYERS: list[tuple[str, ...]] = [
    # Top to bottom. A module may import from its own layer and from those below; the longest pattern that fits counts.
    (
        "connector.__main__",
        "connector.cli",
        "connector.cli.*",
    ),
    (
        "connector.sandbox",
        "connector.sandbox.*",
        "connector.web",
        "connector.web.*",
    ),
    (
        "connector",
        "connector.app",
    ),
    ("connector.pipeline.pipeline",),
    ("connector.pipeline.drain",),
    (
        "connector.pipeline.acks",
        "connector.pipeline.acks.acknowledger",
        "connector.pipeline.acks.alarm",
        "connector.pipeline.acks.calls",
        "connector.pipeline.delivery.amender",
        "connector.pipeline.delivery.attempt",
        "connector.pipeline.delivery.consumer",
        "connector.pipeline.delivery.order_events",
        "connector.pipeline.delivery.rejections",
        "connector.pipeline.endpoint_status",
        "connector.pipeline.ingest.producer",
        "connector.pipeline.ingest.replays",
        "connector.pipeline.ingest.vanished",
        "connector.pipeline.internal_errors",
        "connector.pipeline.poison",
        "connector.pipeline.reports",
        "connector.pipeline.reports.comparison",
        "connector.pipeline.reports.reporter",
        "connector.pipeline.reports.watcher",
        "connector.reconcile",
        "connector.reconcile.*",
    ),
    (
        "connector.pipeline.lookup_rules",
        "connector.pipeline.receiver_witness",
        "connector.pipeline.routes",
        "connector.plugins",
        "connector.registry",
        "connector.settings.reload",
    ),
    (
        "connector.clients",
        "connector.clients.ewarehousing",
        "connector.clients.ewarehousing.client",
        "connector.clients.ewarehousing.errors",
        "connector.clients.ewarehousing.login",
        "connector.clients.ewarehousing.paging",
        "connector.clients.ewarehousing.requests",
        "connector.clients.ewarehousing.responses",
        "connector.clients.ewarehousing.settings",
        "connector.clients.ewarehousing.transport",
        "connector.mapping",
        "connector.mapping.*",
        "connector.pipeline.conformance",
        "connector.pipeline.delivery",
        "connector.pipeline.delivery.lookups",
        "connector.pipeline.delivery.task",
        "connector.pipeline.delivery.unmappable",
        "connector.pipeline.ingest",
        "connector.pipeline.ingest.intake",
        "connector.pipeline.ingest.shortfall",
        "connector.pipeline.ingest.surplus",
        "connector.pipeline.route",
        "connector.receivers",
        "connector.receivers.*",
        "connector.sources",
        "connector.sources.*",
    ),
    (
        "connector.journal",
        "connector.journal.*",
    ),
    ("connector.bus",),
    (
        "connector.http.attribution",
        "connector.http.breaker",
        "connector.http.connection_errors",
        "connector.http.endpoint",
        "connector.http.failures",
        "connector.http.rate_limit",
        "connector.http.send_once",
        "connector.http.tls",
        "connector.http.token",
    ),
    (
        "connector.ack",
        "connector.events",
    ),
    (
        "connector.settings",
        "connector.settings.*",
        "connector.sources.ack_text",
    ),
    (
        "connector.order",
        "connector.progress",
    ),
    (
        "connector.clock",
        "connector.early_signals",
        "connector.errors",
        "connector.http",
        "connector.http.reported_failure",
        "connector.pipeline",
        "connector.pipeline.log_throttle",
        "connector.sources.seen_ids",
        "connector.steady_clock",
    ),
]

STAGES = ("reading",)
"""What is in a family's folder, but serves all of its vendors."""

SHARED = ("", "base", "bisection", "parsing", "ack_text", "seen_ids")
"""What the vendors of a family build on."""

SANDBOX_USERS = {
    "connector.cli.demo": "the demonstration runs against the stand-ins",
    "connector.cli.demo_scenes": "the demonstration's acts, in which the stand-ins have their parts",
    "connector.cli.demo_narrator": "tells what the demonstration did, as the stand-ins saw it",
    "connector.cli.sandbox": "serves the stand-ins",
}


def layer(name: str) -> int | None:
    """Return the number of a module's layer, counted from the top; None if no pattern fits."""
    best: tuple[int, int] | None = None
    for number, patterns in enumerate(LAYERS):
        for pattern in patterns:
            fits = name.startswith(pattern[:-1]) if pattern.endswith(".*") else name == pattern
            if fits and (best is None or len(pattern) > best[0]):
                best = len(pattern), number
    return best and best[1]


def upward(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield imports that point up, and modules without a layer."""
    for module in modules.values():
        own = layer(module.name)
        if own is None:
            yield f"{module.path}:1: {module.name} is in no layer; put it into LAYERS"
            continue
        for found in ours(module, modules):
            below = layer(found.module)
            if below is not None and below < own:
                yield f"{found.place}: {module.name} must not import {found.module}, which is above it"


def ours(module: Module, modules: Mapping[str, Module]) -> Iterator[Import]:
    """Yield the imports of our own modules."""
    return (found for found in imports(module, modules) if found.module.split(".")[0] == "connector")


def strangers(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield imports by which a family, or a vendor, knows of another one."""
    for module in modules.values():
        family, vendor = member(module.name)
        if vendor in ("", "base", *STAGES):
            continue
        for found in ours(module, modules):
            other, peer = member(found.module)
            if not other or (family, vendor) == (other, peer) or (family == other and peer in SHARED):
                continue
            if other == "mapping" or (family == "mapping" and other == "receivers" and found.module.endswith("_wire")):
                continue
            if family == "sources" and other == "receivers" and peer == vendor:
                continue  # one vendor that is both has one client
            yield f"{found.place}: {module.name} must not know {found.module}"


def member(name: str) -> tuple[str, str]:
    """Return the family and the vendor of a module; a vendor is a package."""
    parts = name.split(".")
    if len(parts) < 2 or parts[1] not in ("sources", "receivers", "mapping"):
        return "", ""
    return parts[1], parts[2] if len(parts) > 2 else ""


def cycles(modules: Mapping[str, Module]) -> list[list[str]]:
    """Return the groups of modules that need each other."""
    needs = {name: {found.module for found in ours(module, modules)} & set(modules) for name, module in modules.items()}
    while True:  # whoever needs nobody that is left is in no circle
        free = {name for name in needs if not needs[name] & set(needs)}
        if not free:
            break
        needs = {name: others for name, others in needs.items() if name not in free}
    return [sorted(needs)] if needs else []


def outsiders(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield imports of the stand-ins by what runs in production, and of the tests by anything."""
    for module in modules.values():
        for found in imports(module, modules):
            root, _, rest = found.module.partition(".")
            if root == "tests":
                yield f"{found.place}: {module.name} must not import {found.module}"
            if root == "connector" and rest.split(".")[0] == "sandbox":
                if module.name.startswith("connector.sandbox") or module.name in SANDBOX_USERS:
                    continue
                yield f"{found.place}: {module.name} must not import {found.module}; production has no stand-ins"


def made(**texts: str) -> dict[str, Module]:
    """Return modules made of these texts; `__` in a name stands for a dot."""
    names = {f"connector.{name.replace('__', '.')}": text for name, text in texts.items()}
    return {
        name: parsed(name, text, is_package=name.count(".") == 1 and "base" in text) for name, text in names.items()
    }


def test_imports_point_down() -> None:
    """At the top of a module, in a function, or for type checkers only."""
    assert list(upward(package())) == []


def test_families_keep_to_themselves() -> None:
    """A vendor's files know their own, the base of the family, and mappings; a mapping knows a receiver's form."""
    assert list(strangers(package())) == []


def test_no_modules_need_each_other() -> None:
    """Each can be read, and understood, after those that it imports."""
    assert cycles(package()) == []


def test_production_knows_no_stand_ins_and_nothing_knows_the_tests() -> None:
    """The stand-ins are for `demo` and `sandbox`."""
    assert list(outsiders(package())) == []


def test_every_pattern_is_needed() -> None:
    """A layer names what there is, or will be by the design."""
    planned = {"connector.pipeline.reports.watcher"}
    unused = {
        pattern
        for patterns in LAYERS
        for pattern in patterns
        if not any(name.startswith(pattern[:-1]) if pattern.endswith(".*") else name == pattern for name in package())
    }
    assert unused <= planned
    assert set(SANDBOX_USERS) <= set(package())


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("errors", "import connector.clock\nimport connector.order", "connector/errors.py:2"),
        ("errors", "from connector import order", "connector/errors.py:1"),
        ("order", "def f():\n    from connector.bus import Bus", "connector/order.py:2"),
        ("bus", "if TYPE_CHECKING:\n    from connector.journal.base import Journal", "connector/bus.py:2"),
        ("journal__base", "from connector.sources.base import Page", "connector/journal/base.py:1"),
        (
            "sources__propeller",
            "from connector.pipeline.ingest.producer import Producer",
            "connector/sources/propeller.py:1",
        ),
        ("pipeline", "from connector.cli import main", "connector/pipeline.py:1"),
        ("errors", "from . import order", "connector/errors.py:1"),
        ("journal__base", "from ..sources.base import Page", "connector/journal/base.py:1"),
        ("surprise", "", "connector/surprise.py:1"),
    ],
)
def test_an_import_that_points_up_is_found(name: str, text: str, place: str) -> None:
    """With its file and line; so is a module that nobody gave a layer."""
    (finding,) = upward({**made(order="", sources__base=""), **made(**{name: text})})
    assert finding.startswith(f"{place}: ")


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("sources__traede", "from connector.sources.propeller.source import PropellerSource", False),
        ("sources__traede", "from connector.sources.traede.order import to_order", True),
        ("sources__traede", "from connector.sources.base import Page", True),
        ("sources__traede", "from connector.receivers.base import Receipt", False),
        ("sources__traede", "from connector.mapping.money import rounded", True),
        ("receivers__webhook", "from connector.sources.base import Page", False),
        ("mapping__webhook", "from connector.receivers.webhook_wire import Order", True),
        ("mapping__webhook", "from connector.receivers.webhook.receiver import Order", False),
        ("sources__base", "from connector.http.endpoint import Endpoint", True),
    ],
)
def test_a_stranger_in_a_family_is_found(name: str, text: str, allowed: bool) -> None:
    """And what a family shares is not."""
    assert (list(strangers(made(**{name: text}))) == []) == allowed


def test_a_circle_is_found() -> None:
    """However long; what only leads to it is named as well."""
    assert cycles(made(a="import connector.b", b="from connector import c", c="", d="import connector.a")) == []
    circle = made(a="import connector.b", b="def f():\n    from connector import c", c="import connector.a", d="")
    assert cycles(circle) == [["connector.a", "connector.b", "connector.c"]]


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("pipeline", "from connector.sandbox import serving", False),
        ("cli__run", "def f():\n    import connector.sandbox.server", False),
        ("cli__demo", "from connector.sandbox import serving", True),
        ("sandbox__orders", "from connector.sandbox.server import Fault", True),
        ("cli__demo", "from tests.doubles import LoopClock", False),
    ],
)
def test_an_import_of_what_is_not_production_is_found(name: str, text: str, allowed: bool) -> None:
    """In a function, too."""
    assert (list(outsiders(made(**{name: text}))) == []) == allowed
