"""The floor plan: imports point down the layers, stages and vendors keep to themselves, and folders stay small."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import pytest

from tests.architecture.source import Import, Module, imports, package, parsed

LAYERS: list[tuple[str, ...]] = [
    # Top to bottom. A module may import from its own layer and from those below; the longest pattern that fits counts.
    ("connector.__main__", "connector.cli", "connector.cli.*"),
    ("connector.web", "connector.web.*", "connector.sandbox", "connector.sandbox.*"),
    ("connector", "connector.app", "connector.reconcile", "connector.reconcile.*"),
    ("connector.pipeline", "connector.pipeline.*"),
    ("connector.registry",),
    ("connector.sources", "connector.sources.*", "connector.receivers", "connector.receivers.*"),
    ("connector.clients", "connector.clients.*"),
    ("connector.mapping", "connector.mapping.*"),
    ("connector.journal", "connector.journal.*", "connector.http", "connector.http.*", "connector.bus"),
    ("connector.settings", "connector.settings.*"),
    ("connector.events", "connector.retry", "connector.causes"),
    (
        "connector.ack",
        "connector.order",
        "connector.progress",
        "connector.errors",
        "connector.clock",
        "connector.early_signals",
    ),
]

DRIVERS = {
    "connector.pipeline.assembly",
    "connector.pipeline.pipeline",
    "connector.pipeline.stages",
    "connector.pipeline.drain",
}
"""The modules that know the stages."""

STAGE_USERS: dict[tuple[str, str], str] = {
    ("connector.cli.replay", "connector.pipeline.ingest.intake"): "reads the revision of an order as the stage would",
    ("connector.cli.show", "connector.pipeline.reports.comparison"): "shows a report as the stage compares it",
    (
        "connector.reconcile.collect",
        "connector.pipeline.ingest.intake",
    ): "reads the revision of an order as the stage would",
}
"""Other modules that use a part of a stage, each with the reason."""

JOURNAL_DOORS = (
    "base",
    "records",
    "states",
    "views",
    "decisions",
    "repairs",
    "backup",
    "sqlite",
)
"""The modules of the journal that others import."""

MOST_AT_ROOT = 14
MOST_IN_FOLDER = 18
CROWDED: dict[str, str] = {
    "connector/cli": "a module for each command",
}
"""Folders with more modules, each with the reason."""

SHORTEST = 40
SHORT: dict[str, str] = {
    "connector.__main__": "what `python -m connector` runs",
    "connector.cli.backup": "a module for each command",
    "connector.cli.echo": "a module for each command",
    "connector.cli.gc_tuning": "one rule of CPython's collector, with its reason; `run` has no room for it",
    "connector.cli.retry": "a module for each command",
    "connector.cli.schema": "a module for each command",
    "connector.cli.skip": "a module for each command",
    "connector.http.rate_limit": "a concern that a reader looks for by its name",
    "connector.http.send_once": "a concern that a reader looks for by its name",
    "connector.journal.engine.codec": "used on each floor of the journal",
}
"""Modules with fewer lines, each with the reason why it is no part of its neighbour."""

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


def stage(name: str) -> str:
    """Return the stage of the pipeline that a module is in; empty if it is in none."""
    parts = name.split(".")
    return parts[2] if parts[:2] == ["connector", "pipeline"] and len(parts) > 3 else ""


def entangled(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield imports of a stage by another stage, and by modules that do not drive the stages."""
    for module in modules.values():
        for found in ours(module, modules):
            other = stage(found.module)
            if not other or other == stage(module.name):
                continue
            if module.name in DRIVERS or (module.name, found.module) in STAGE_USERS:
                continue
            yield f"{found.place}: {module.name} must not import {found.module}, a part of the stage {other}"


def vendor(name: str) -> tuple[str, str]:
    """Return the family and the vendor of a module; empty if it belongs to no vendor."""
    parts = name.split(".")
    if len(parts) < 4 or parts[1] not in ("sources", "receivers", "clients"):
        return "", ""
    return parts[1], parts[2]


def strangers(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield imports of a vendor by anything but itself, its registry, and the vendor's own source and receiver."""
    for module in modules.values():
        family, own = vendor(module.name)
        for found in ours(module, modules):
            other, peer = vendor(found.module)
            if not peer or (family, own) == (other, peer):
                continue
            if module.name == f"connector.{other}" or (other == "clients" and own == peer):
                continue
            if module.name == "connector":  # the public names
                continue
            yield f"{found.place}: {module.name} must not know {found.module}"


def floor(name: str) -> str:
    """Return the folder, or the module, of the journal that a module is in; empty outside of the journal."""
    parts = name.split(".")
    return parts[2] if parts[:2] == ["connector", "journal"] and len(parts) > 2 else ""


def burglars(modules: Mapping[str, Module]) -> Iterator[tuple[str, str]]:
    """Yield importer and import where the inside of the journal is reached from outside, or from a lower floor."""
    floors = ["engine", "tables", "views"]
    for module in modules.values():
        own = floor(module.name)
        for found in ours(module, modules):
            other = floor(found.module)
            if not other:
                continue
            if own in floors:
                bad = other in floors and floors.index(other) > floors.index(own)
            else:
                bad = not own and other not in JOURNAL_DOORS
            if bad:
                yield module.name, found.module


def cycles(modules: Mapping[str, Module]) -> list[list[str]]:
    """Return the groups of modules that need each other."""
    needs = {name: {found.module for found in ours(module, modules)} & set(modules) for name, module in modules.items()}
    while True:  # whoever needs nobody that is left is in no circle
        free = {name for name in needs if not needs[name] & set(needs)}
        if not free:
            break
        needs = {name: others for name, others in needs.items() if name not in free}
    return [sorted(needs)] if needs else []


def crowded(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield folders with more modules than a reader takes in at a glance."""
    for folder, count in Counter(module.path.rpartition("/")[0] for module in modules.values()).items():
        if count > (MOST_AT_ROOT if folder == "connector" else MOST_IN_FOLDER):
            yield folder


def short(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield modules that are hardly more than their heading."""
    for module in modules.values():
        if not module.is_package and len(module.text.splitlines()) < SHORTEST:
            yield module.name


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


def test_stages_keep_to_themselves() -> None:
    """Only what drives the stages knows them; they speak by the bus and the journal."""
    assert list(entangled(package())) == []


def test_vendors_keep_to_themselves() -> None:
    """A vendor's modules know their own, the base of the family, and the client of the same vendor."""
    assert list(strangers(package())) == []


def test_the_inside_of_the_journal_is_not_reached() -> None:
    """Views build on tables, tables on the engine; others use the doors."""
    assert list(burglars(package())) == []


def test_no_modules_need_each_other() -> None:
    """Each can be read, and understood, after those that it imports."""
    assert cycles(package()) == []


def test_folders_are_small() -> None:
    """At most 14 modules at the root, and 18 in a folder."""
    assert sorted(crowded(package())) == sorted(CROWDED)


def test_a_module_is_worth_its_file() -> None:
    """At least 40 lines, or a reason; the table has no module that is longer."""
    assert sorted(short(package())) == sorted(SHORT)


def test_production_knows_no_stand_ins_and_nothing_knows_the_tests() -> None:
    """The stand-ins are for `demo` and `sandbox`."""
    assert list(outsiders(package())) == []


def test_every_pattern_is_needed() -> None:
    """A layer names modules that exist."""
    unused = {
        pattern
        for patterns in LAYERS
        for pattern in patterns
        if not any(name.startswith(pattern[:-1]) if pattern.endswith(".*") else name == pattern for name in package())
    }
    assert unused == set()
    assert set(SANDBOX_USERS) <= set(package())
    used = {(module.name, found.module) for module in package().values() for found in ours(module, package())}
    assert set(STAGE_USERS) <= used


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("errors", "import connector.clock\nimport connector.events", "connector/errors.py:2"),
        ("errors", "from connector import events", "connector/errors.py:1"),
        ("order", "def f():\n    from connector.bus import Bus", "connector/order.py:2"),
        (
            "settings__load",
            "if TYPE_CHECKING:\n    from connector.journal.base import Journal",
            "connector/settings/load.py:2",
        ),
        ("journal__base", "from connector.sources.base import Page", "connector/journal/base.py:1"),
        ("sources__shop", "from connector.pipeline.ingest.producer import Producer", "connector/sources/shop.py:1"),
        ("clients__shop", "from connector.receivers.base import Receipt", "connector/clients/shop.py:1"),
        ("pipeline__drain", "from connector.cli import main", "connector/pipeline/drain.py:1"),
        ("errors", "from . import events", "connector/errors.py:1"),
        ("journal__base", "from ..sources.base import Page", "connector/journal/base.py:1"),
        ("surprise", "", "connector/surprise.py:1"),
    ],
)
def test_an_import_that_points_up_is_found(name: str, text: str, place: str) -> None:
    """With its file and line; so is a module that nobody gave a layer."""
    (finding,) = upward({**made(events="", sources__base=""), **made(**{name: text})})
    assert finding.startswith(f"{place}: ")


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("sources__traede__source", "from connector.sources.propeller.source import PropellerSource", False),
        ("sources__traede__source", "from connector.sources.traede.order import to_order", True),
        ("sources__traede__source", "from connector.sources.base import Page", True),
        ("sources__traede__source", "from connector.mapping.money import rounded", True),
        ("sources__ewarehousing__source", "from connector.clients.ewarehousing.client import Filters", True),
        ("sources__ewarehousing__source", "from connector.receivers.ewarehousing.diff import differences", False),
        ("receivers__file__receiver", "from connector.clients.ewarehousing.client import Filters", False),
        ("sources", "from connector.sources.traede.source import TraedeSource", True),
        ("registry", "from connector.sources.traede.source import TraedeSource", False),
        ("sources__base", "from connector.http.endpoint import Endpoint", True),
    ],
)
def test_a_stranger_in_a_family_is_found(name: str, text: str, allowed: bool) -> None:
    """And what a family shares is not."""
    assert (list(strangers(made(**{name: text}))) == []) == allowed


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("pipeline__ingest__producer", "from connector.pipeline.delivery.task import DeliveryTask", False),
        ("pipeline__ingest__producer", "from connector.pipeline.ingest.intake import Intake", True),
        ("pipeline__poison", "from connector.pipeline.ingest.intake import Intake", False),
        ("pipeline__drain", "from connector.pipeline.ingest.producer import Producer", True),
        ("app", "from connector.pipeline.ingest.producer import Producer", False),
    ],
)
def test_an_import_of_a_stage_is_found(name: str, text: str, allowed: bool) -> None:
    """By another stage, and by what stands above or below them."""
    assert (list(entangled(made(**{name: text}))) == []) == allowed


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("journal__engine__bulk", "from connector.journal.tables import acks", False),
        ("journal__tables__acks", "from connector.journal.views import backlog", False),
        ("journal__views__backlog", "from connector.journal.tables import acks", True),
        ("journal__sqlite", "from connector.journal.tables import acks", True),
        ("cli__show", "from connector.journal.tables import acks", False),
        ("cli__show", "from connector.journal.views import timeline", True),
    ],
)
def test_an_import_of_the_inside_of_the_journal_is_found(name: str, text: str, allowed: bool) -> None:
    """From outside, and from a lower floor."""
    modules = made(journal__tables__acks="", journal__views__backlog="", journal__views__timeline="")
    assert (list(burglars({**modules, **made(**{name: text})})) == []) == allowed


def test_a_crowded_folder_is_found() -> None:
    """One module too many is enough."""
    assert list(crowded(made(**{f"http__m{number}": "" for number in range(18)}))) == []
    assert list(crowded(made(**{f"http__m{number}": "" for number in range(19)}))) == ["connector/http"]


def test_a_short_module_is_found() -> None:
    """One line too few is enough."""
    assert list(short(made(a="\n" * 39))) == ["connector.a"]
    assert list(short(made(a="\n" * 40))) == []


def test_a_circle_is_found() -> None:
    """However long; what only leads to it is named as well."""
    assert cycles(made(a="import connector.b", b="from connector import c", c="", d="import connector.a")) == []
    circle = made(a="import connector.b", b="def f():\n    from connector import c", c="import connector.a", d="")
    assert cycles(circle) == [["connector.a", "connector.b", "connector.c"]]


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("pipeline__drain", "from connector.sandbox import serving", False),
        ("cli__run", "def f():\n    import connector.sandbox.server", False),
        ("cli__demo", "from connector.sandbox import serving", True),
        ("sandbox__stage", "from connector.sandbox.server import Fault", True),
        ("cli__demo", "from tests.doubles import LoopClock", False),
    ],
)
def test_an_import_of_what_is_not_production_is_found(name: str, text: str, allowed: bool) -> None:
    """In a function, too."""
    assert (list(outsiders(made(**{name: text}))) == []) == allowed
