"""Whatever can be named in settings.yaml, and every journal, passes the contract of its kind."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import connector.journal
from connector.journal.sqlite import MemoryJournal, SqliteJournal
from connector.receivers import RECEIVERS
from connector.sources import SOURCES
from tests.architecture.source import ROOT
from tests.contracts.journal import JournalContract
from tests.contracts.receiver import ReceiverContract
from tests.contracts.source import SourceContract
from tests.doubles import MemoryReceiver, MemorySource


class Stray:
    """A vendor that nobody tests."""


@pytest.fixture(autouse=True, scope="module")
def _every_test_is_imported() -> None:
    """A subclass is only known once its module is."""
    for family in ("sources", "receivers", "journal"):
        for path in sorted((ROOT / "tests" / family).rglob("test_*.py")):
            import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    import_module("tests.contracts.test_doubles")


def subclasses(suite: type[Any]) -> Iterator[type[Any]]:
    """Yield what inherits `suite`, at whatever remove."""
    for one in suite.__subclasses__():
        yield one
        yield from subclasses(one)


def covered(suite: type, attribute: str) -> set[Any]:
    """Return the classes that a test runs `suite` for: it would be collected, it is whole, and it names the class."""
    return {
        vars(one)[attribute]
        for one in subclasses(suite)
        if one.__name__.startswith("Test")
        and one.__module__.startswith("tests.")
        and Path(inspect.getfile(one)).name.startswith("test_")
        and not inspect.isabstract(one)
        and attribute in vars(one)
    }


def untested(registry: Mapping[str, type], suite: type, attribute: str) -> list[str]:
    """Return the entries of `registry` for which no test runs `suite`."""
    known = covered(suite, attribute)
    return sorted(name for name, kind in registry.items() if kind not in known)


def journals() -> dict[str, type]:
    """Return every journal that the package has."""
    folder = Path(connector.journal.__file__).parent
    found: dict[str, type] = {}
    for path in folder.glob("*.py"):
        for kind in vars(import_module(f"connector.journal.{path.stem}")).values():
            if not isinstance(kind, type) or inspect.isabstract(kind) or getattr(kind, "_is_protocol", False):
                continue
            if hasattr(kind, "open_work"):
                found[kind.__name__] = kind
    return found


def test_every_source_passes_the_contract_of_sources() -> None:
    """A new one without its test fails here."""
    assert SOURCES
    assert untested(SOURCES, SourceContract, "source") == []


def test_every_receiver_passes_the_contract_of_receivers() -> None:
    """A new one without its test fails here."""
    assert RECEIVERS
    assert untested(RECEIVERS, ReceiverContract, "receiver") == []


def test_every_journal_passes_the_contract_of_journals() -> None:
    """The file and the memory: what the tests of the flow rest on keeps the same promises as what users run."""
    assert journals() == {"SqliteJournal": SqliteJournal, "MemoryJournal": MemoryJournal}
    assert untested(journals(), JournalContract, "journal") == []


@pytest.mark.parametrize(
    ("suite", "attribute", "registry"),
    [(SourceContract, "source", SOURCES), (ReceiverContract, "receiver", RECEIVERS), (JournalContract, "journal", {})],
)
def test_an_entry_without_its_test_is_found(suite: type, attribute: str, registry: Mapping[str, type]) -> None:
    """One that nobody tests, and one that only inherits from what is tested."""
    heir = type("Heir", (next(iter(registry.values()), SqliteJournal),), {})
    found = untested({**registry, "untested": Stray, "heir": heir}, suite, attribute)
    assert found == ["heir", "untested"]


def test_a_suite_that_would_not_run_does_not_count() -> None:
    """Pytest collects classes that are named `Test...`; an abstract one tests nothing."""

    class Unlucky(SourceContract):
        source = Stray

    class TestHalf(SourceContract):
        source = Stray

    assert {Unlucky, TestHalf} <= set(subclasses(SourceContract))
    assert Stray not in covered(SourceContract, "source")


def test_the_doubles_of_the_flow_pass_the_contracts() -> None:
    """An in-memory end that does what no real one does would lie to the tests of the flow."""
    assert MemorySource in covered(SourceContract, "source")
    assert MemoryReceiver in covered(ReceiverContract, "receiver")


@pytest.mark.parametrize(("name", "kind"), sorted({**SOURCES, **RECEIVERS}.items()))
def test_an_entry_is_known_by_the_word_in_its_settings(name: str, kind: Any) -> None:
    """`type: NAME` finds the class whose settings carry that tag, and no other."""
    assert kind.settings.__struct_config__.tag == name
    assert kind.settings.__struct_config__.tag_field == "type"
