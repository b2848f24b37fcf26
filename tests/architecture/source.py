"""The package's source as the architecture tests read it: its modules, and what they import."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import connector

__all__ = ["ROOT", "Import", "Module", "imports", "package", "parsed", "walk"]

HOME = Path(connector.__file__).resolve().parent.parent
"""Where the package is; it may be installed, and then the checkout has none."""
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Module:
    """One module: its dotted name, where it is, and its syntax tree."""

    name: str
    path: str
    text: str
    tree: ast.Module
    is_package: bool

    def at(self, node: ast.AST) -> str:
        """Return the place of `node`, for a person."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


@dataclass(frozen=True)
class Import:
    """One import, wherever in the module it stands: the module it names, and its place."""

    module: str
    place: str


def parsed(name: str, text: str, *, path: str | None = None, is_package: bool = False) -> Module:
    """Return a module made of `text`."""
    where = path or name.replace(".", "/") + ".py"
    return Module(name, where, text, ast.parse(text), is_package)


@cache
def package() -> Mapping[str, Module]:
    """Return every module of the package by its name."""
    found = {}
    for path in sorted((HOME / "connector").rglob("*.py")):
        inside = path.relative_to(HOME)
        is_package = path.name == "__init__.py"
        name = ".".join((inside.parent if is_package else inside.with_suffix("")).parts)
        found[name] = parsed(name, path.read_text("utf-8"), path=str(inside), is_package=is_package)
    return found


def imports(module: Module, known: Iterable[str]) -> Iterator[Import]:
    """
    Yield what `module` imports, at its top, in its functions, and for type checkers only.

    `from package import name` names the module `package.name` where `known` has one, else the package.
    """
    names = set(known)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, module.at(node))
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield Import(inner if inner in names else base, module.at(node))


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    parts = parts[: len(parts) - node.level + (1 if module.is_package else 0)]
    return ".".join([*parts, *([node.module] if node.module else [])])


def walk(module: Module, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes of these kinds."""
    return (node for node in ast.walk(module.tree) if isinstance(node, kinds))
