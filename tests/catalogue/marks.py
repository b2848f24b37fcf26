"""
Which tests show which case: the markers `fault(number, ...)` and `attack(number, ...)`, read from the tests' source.

Nothing is imported or collected, so that the table can be printed without the test libraries. A marker may stand on
a test, on a class, in a module's `pytestmark`, or on one parameter of a test.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
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
    """Return what each case of a kind is, by its number."""
    lines = (HERE / KINDS[kind]).read_text("utf-8").splitlines()
    return {int(number): title.strip() for number, _, title in (line.strip().partition(" ") for line in lines)}


def marks(tests: Path = TESTS) -> Iterator[Mark]:
    """Yield every marker under `tests`, in the order of the files."""
    for path in sorted(tests.rglob("*.py")):
        text = path.read_text("utf-8")
        if any(f"mark.{kind}" in text for kind in KINDS):
            yield from found(ast.parse(text), path.relative_to(tests.parent).as_posix())


def found(tree: ast.AST, name: str) -> Iterator[Mark]:
    """Yield the markers of one module, or of one thing in it, called `name`."""
    for child in ast.iter_child_nodes(tree):
        inner = name
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{name}::{child.name}"
        if isinstance(child, ast.Call) and (kind := marker(child.func)):
            for argument in [*child.args, *(keyword.value for keyword in child.keywords)] or [child]:
                value = argument.value if isinstance(argument, ast.Constant) else None
                yield Mark(kind, value if type(value) is int else None, inner, child.lineno)
            continue
        yield from found(child, inner)


def marker(node: ast.AST) -> str:
    """Return the kind of a marker that is named as `pytest.mark.KIND`; empty if it is none of ours."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Attribute) and node.value.attr == "mark":
        return node.attr if node.attr in KINDS else ""
    return ""
