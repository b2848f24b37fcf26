"""The words of docstrings, and the names of classes: plain English, and each class name once."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from tests.architecture.source import Module, package, parsed

FIRST = re.compile(r"(What|Whether|How|Which)\b")
"""Words with which no docstring begins: its first line says what the thing is or does."""

MOST = 2.0
"""Uses of "what" in a thousand words of docstrings."""

RETIRED = re.compile(
    r"\b(vain|unforeseen|lateness|caution|strangers?|telling|moves of (?:a |the )?breaker)\b", re.IGNORECASE
)
"""Words of the private vocabulary that the glossary has replaced."""

WIRE = re.compile(r"\.(wire|requests|responses)$")
"""Modules whose structs mirror a vendor's documents, and have its names."""


def docstrings(module: Module) -> Iterator[tuple[str, str]]:
    """Yield the place and text of each docstring, those of fields and constants included."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield module.at(node), node.value.value.strip()


def questions(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield docstrings that begin with a word of `FIRST`."""
    for module in modules.values():
        for place, text in docstrings(module):
            if FIRST.match(text):
                yield f"{place}: {text.splitlines()[0]}"


def density(modules: Mapping[str, Module]) -> float:
    """Return how often docstrings use the word "what", in a thousand words."""
    words = [
        word
        for module in modules.values()
        for _, text in docstrings(module)
        for word in re.findall(r"[a-z']+", text.lower())
    ]
    return 1000 * words.count("what") / len(words)


def retired(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield modules, classes and docstrings that use a retired word."""
    for module in modules.values():
        if RETIRED.search(re.sub(r"[._]", " ", module.name)):
            yield f"{module.path}: {module.name}"
        for place, text in docstrings(module):
            if found := RETIRED.search(text):
                yield f"{place}: {found[0]!r} in {text.splitlines()[0]}"


def twice(modules: Mapping[str, Module]) -> dict[str, list[str]]:
    """Return the names that several classes have, with the modules; structs of a vendor's wire format do not count."""
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for module in modules.values():
        if WIRE.search(module.name):
            continue
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(module.name)
    return {name: found for name, found in homes.items() if len(found) > 1}


def test_no_docstring_begins_with_a_question_word() -> None:
    """The first line names the thing: "Records the state of circuit breakers", not "What is made of breakers"."""
    assert list(questions(package())) == []


def test_docstrings_name_their_subjects() -> None:
    """A text full of "what" makes the reader guess the noun."""
    assert density(package()) <= MOST


def test_retired_words_stay_away() -> None:
    """The glossary's words are the only ones."""
    assert list(retired(package())) == []


def test_each_class_name_is_used_once() -> None:
    """A name that is met in a log or a traceback leads to one class."""
    assert twice(package()) == {}


def test_the_rules_find_what_they_forbid() -> None:
    """Each of them, in a module made for it."""
    bad = {"connector.vain": parsed("connector.vain", '"""What is tried in vain."""\nclass A:\n    """What."""\n')}
    other = {"connector.b": parsed("connector.b", '"""A class."""\nclass A:\n    """Nothing."""\n')}
    assert len(list(questions(bad))) == 2
    assert density(bad) > MOST
    assert len(list(retired(bad))) == 2
    assert twice(bad | other) == {"A": ["connector.vain", "connector.b"]}
