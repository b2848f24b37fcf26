"""
Finds the tests that show each case: the markers `fault(number, ...)` and `attack(number, ...)` in the tests' source.

Nothing is imported or collected, so that the table can be printed without the test libraries. A marker may stand on a
test, on a class, in a module's `pytestmark`, or on one parameter of a test. `fault(*row.cases)` stands for the numbers
of all the `Row(...)` in the folder of that test, where they are written out, and `fault(*range(1, 4))` for three.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["KINDS", "Mark", "marks", "titles"]

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent

KINDS = {"fault": "faults.txt", "attack": "attacks.txt"}
"""The markers, each with the file that names its cases."""


@dataclass(frozen=True)
class Mark:
    """One number on one test: `number` is None where the marker holds something else than whole numbers."""

    kind: str
    number: int | None
    test: str
    line: int

    @property
    def place(self) -> str:
        """Return where the marker stands, for a person."""
        return f"{self.test.partition('::')[0]}:{self.line}"


def titles(kind: str) -> dict[int, str]:
    """Return the description of each case of a kind, by its number."""
    lines = (HERE / KINDS[kind]).read_text("utf-8").splitlines()
    return {int(number): title.strip() for number, _, title in (line.strip().partition(" ") for line in lines)}


@cache
def marks(tests: Path = TESTS) -> Sequence[Mark]:
    """Return every marker under `tests`, in the order of the files."""
    every: list[Mark] = []
    for path in sorted(tests.rglob("*.py")):
        text = path.read_text("utf-8")
        if any(f"mark.{kind}" in text for kind in KINDS):
            every += found(ast.parse(text), path.relative_to(tests.parent).as_posix(), path.parent)
    return every


def found(tree: ast.AST, name: str, folder: Path) -> Iterator[Mark]:
    """Yield the markers of one module in `folder`, or of one thing in it, called `name`."""
    for child in ast.iter_child_nodes(tree):
        inner = name
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{name}::{child.name}"
        if isinstance(child, ast.Call) and (kind := marker(child.func)):
            for argument in [*child.args, *(keyword.value for keyword in child.keywords)] or [child]:
                for number in (
                    starred(argument.value, folder) if isinstance(argument, ast.Starred) else [whole(argument)]
                ):
                    yield Mark(kind, number, inner, child.lineno)
            continue
        yield from found(child, inner, folder)


def whole(node: ast.expr) -> int | None:
    """Return a whole number that is written out."""
    return node.value if isinstance(node, ast.Constant) and type(node.value) is int else None


def starred(node: ast.expr, folder: Path) -> list[int | None]:
    """Return the numbers that `*range(1, 4)` stands for, or `*row.cases`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range":
        ends = [end for argument in node.args if (end := whole(argument)) is not None]
        return [*range(*ends)] if len(ends) == len(node.args) > 0 else [None]
    return rows(folder)


@cache
def rows(folder: Path) -> list[int | None]:
    """Return the numbers in every `Row(...)` of a folder's modules; [None] where there are none."""
    numbers: list[int | None] = []
    for path in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Row":
                given = [*node.args, *(keyword.value for keyword in node.keywords)]
                numbers += [whole(each) for listed in given if isinstance(listed, ast.Tuple) for each in listed.elts]
    return numbers or [None]


def marker(node: ast.AST) -> str:
    """Return the kind of a marker that is named as `pytest.mark.KIND`; empty if it is none of ours."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "mark":
        return node.attr if node.attr in KINDS else ""
    return ""
