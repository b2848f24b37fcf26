"""The checks of every module of the package, and the exceptions from them with their reasons."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping

from tests.architecture.source import ROOT, Module, imports, package, walk

__all__ = [
    "ALLOWED",
    "CHECKS",
    "LONG",
    "SQL",
    "calls",
    "fixed",
    "formatting",
    "injectable",
    "long",
    "nameless",
    "public",
    "silent",
    "trusting",
    "undeclared",
    "untimely",
    "uses",
]

LONGEST = 400
LONG: dict[str, str] = {
    "connector.journal.base": "the interface of the journal, which a second engine would fulfil, on one page",
    "connector.journal.records": "the vocabulary of the journal; a second page of it would be a split by length",
}
"""Modules that may be longer, each with the reason."""

NAMELESS = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc", "core", "lib"}

CHANCE_AND_TIME = (
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.perf_counter_ns",
    "time.clock_gettime",
    "time.clock_gettime_ns",
    "time.sleep",
    "time.localtime",
    "time.gmtime",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
    "asyncio.sleep",
    "anyio.sleep",
    "anyio.sleep_until",
    "anyio.sleep_forever",
    "anyio.current_time",
    "random",
    "secrets",
    "uuid.uuid1",
    "uuid.uuid4",
    "os.urandom",
)
"""What only the clock may ask for: whoever owns the clock owns the time, in a test, a simulation, or a replay."""

ALLOWED: dict[tuple[str, str], str] = {
    ("connector.clock", "datetime.datetime.now"): "this is the clock",
    ("connector.clock", "time.clock_gettime"): "this is the clock",
    ("connector.clock", "anyio.sleep"): "this is the clock",
    ("connector.clock", "random"): "this is the clock",
    (
        "connector.journal.engine.sentinel",
        "uuid.uuid4",
    ): "a journal's id must differ from every other's, in every process",
    ("connector.cli.status", "datetime.datetime.now"): "says how long ago something was, once, and waits for nothing",
    ("connector.cli.sandbox", "anyio.sleep"): "tells a person at a terminal what the stand-ins hold; no order waits",
    ("connector.sandbox.server", "datetime.datetime.now"): "the default of a stand-in's clock, which tests replace",
    ("connector.sandbox.propeller.orders", "random"): "made-up orders, from a seeded generator",
    ("connector.sandbox.traede.orders", "random"): "made-up orders, from a seeded generator",
    ("connector.sandbox.zendera.shipments", "random"): "made-up shipments, from a seeded generator",
    ("connector.sandbox.propeller.app", "secrets"): "the stand-in hands out tokens, as the vendor does",
    ("connector.sandbox.ewarehousing.app", "secrets"): "the stand-in hands out tokens, as the vendor does",
}

SQL: dict[tuple[str, str], str] = {
    ("connector.journal.views.status", "example"): "one of the three statements beside it",
    ("connector.journal.tables.orders_listed", "_renew"): "one of the two statements above it",
    ("connector.journal.engine.bulk", "execute_values"): "question marks for rows, as many as there are",
    ("connector.journal.engine.bulk", "update_keys"): "question marks for keys, as many as there are",
    ("connector.journal.engine.bulk", "select_keys"): "question marks for keys, as many as there are",
    ("connector.journal.engine.connection", "_prepare"): "three pragmas, which take no parameters",
    ("connector.journal.engine.migrations", "migrate"): "the package's own schema files, and their numbers",
    ("connector.journal.views.orders", "matching"): "conditions of that module; what a user asks for is bound",
    ("connector.journal.views.orders", "orders"): "the columns of a view",
    ("connector.journal.views.orders", "similar"): "one of the three conditions beside it",
    ("connector.journal.views.status", "_counts"): "one of the two questions of `status`",
    ("connector.journal.engine.bulk", "distinct"): "columns, tables and conditions of its callers, all constants",
    ("connector.journal.views.backlog", "_counts"): "one of the four conditions of that module",
    ("connector.journal.views.backlog", "_next"): "one of the four conditions of that module",
    ("connector.journal.engine.clock_steps", "begin"): "the tables, columns and conditions of the list above it",
}
"""Functions whose SQL is put together, each with the reason why nothing of it is data."""

UNDECLARED = {"yarl": "aiohttp", "multidict": "aiohttp", "aiohappyeyeballs": "aiohttp"}
"""What comes with a declared dependency, as a part of its interface."""


def nameless(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield modules whose name does not say what is in them."""
    for module in modules.values():
        if NAMELESS & set(re.split(r"[._]", module.name)):
            yield f"{module.path}:1: a name that says what is in it, please"


def long(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield modules that nobody reads in one go."""
    for module in modules.values():
        lines = len(module.text.splitlines())
        if (lines > LONGEST) != (module.name in LONG):
            yield f"{module.path}:1: {lines} lines"


def silent(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield modules that do not say what they are."""
    for module in modules.values():
        if not (ast.get_docstring(module.tree) or "").strip():
            yield f"{module.path}:1: no docstring"


def dotted(node: ast.AST, names: Mapping[str, str]) -> str:
    """Return what an expression like `a.b.c` names, with its first part looked up among the imported `names`."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return ""
    return ".".join([names[node.id], *reversed(parts)])


def imported(module: Module) -> dict[str, str]:
    """Return what each imported name stands for."""
    names: dict[str, str] = {}
    for node in walk(module, ast.Import, ast.ImportFrom):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def uses(module: Module) -> Iterator[tuple[str, str]]:
    """Yield each use of what only the clock may ask for: what, and where."""
    names = imported(module)
    found: dict[tuple[str, str], None] = {}
    for node in walk(module, ast.Name, ast.Attribute):
        full = dotted(node, names)
        for banned in CHANCE_AND_TIME:
            if full == banned or full.startswith(f"{banned}."):
                found[banned, module.at(node)] = None
    yield from found


def untimely(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield uses of time and chance behind the clock's back."""
    for module in modules.values():
        for banned, place in uses(module):
            if (module.name, banned) not in ALLOWED:
                yield f"{place}: {banned} is for the clock to ask"


def trusting(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield where certificates are not checked."""
    for module in modules.values():
        names = imported(module)
        for node in ast.walk(module.tree):
            if (
                isinstance(node, ast.keyword)
                and node.arg in ("ssl", "verify", "verify_ssl", "check_hostname")
                and isinstance(node.value, ast.Constant)
                and node.value.value is False
            ):
                yield f"{module.at(node.value)}: certificates are checked"
            if isinstance(node, ast.Attribute) and (
                node.attr in ("CERT_NONE", "_create_unverified_context")
                or dotted(node, names) in ("ssl.CERT_NONE", "ssl._create_unverified_context")
            ):
                yield f"{module.at(node)}: certificates are checked"


def injectable(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield SQL that is put together from anything but constants of ours."""
    for module in modules.values():
        for function, call in calls(module):
            if not isinstance(call.func, ast.Attribute) or call.func.attr not in (
                "execute",
                "executemany",
                "executescript",
            ):
                continue
            if call.args and not fixed(call.args[0]) and (module.name, function) not in SQL:
                yield f"{module.at(call)}: {function} puts SQL together"


def formatting(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield formats and programs that are not written out where they are used: data would be one some day."""
    for module in modules.values():
        for _, call in calls(module):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            owner = call.func.value if isinstance(call.func, ast.Attribute) else None
            if isinstance(owner, ast.Name) and owner.id == "logger" and call.args:
                text = call.args[1] if name == "log" and len(call.args) > 1 else call.args[0]
                if not isinstance(text, ast.Constant):
                    yield f"{module.at(call)}: what is logged is a format of ours, and the data beside it"
            elif name == "format_map" and owner is not None and not fixed(owner):
                yield f"{module.at(call)}: a format is written out"
            elif name == "Template" or (isinstance(call.func, ast.Name) and call.func.id in ("eval", "exec")):
                yield f"{module.at(call)}: text is not run"


def calls(module: Module) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call with the name of the function that it stands in."""

    def visit(node: ast.AST, function: str) -> Iterator[tuple[str, ast.Call]]:
        for child in ast.iter_child_nodes(node):
            inner = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
            if isinstance(child, ast.Call):
                yield inner, child
            yield from visit(child, inner)

    yield from visit(module.tree, "")


def fixed(node: ast.AST) -> bool:
    """Tell whether a text is a literal, or put together from constants (NAMED_LIKE_THIS) only."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.JoinedStr):
        return all(fixed(value) for value in node.values)
    if isinstance(node, ast.FormattedValue):
        return fixed(node.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return fixed(node.left) and fixed(node.right)
    if isinstance(node, ast.Subscript):  # a table of statements
        return fixed(node.value)
    return isinstance(node, ast.Name) and node.id.isupper()


def public(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield lists of public names that are missing where something is public, in disorder, or untrue."""
    for module in modules.values():
        listed = declared(module)
        if listed is None:
            continue
        if listed != sorted(set(listed), key=isort):
            yield f"{module.path}:1: __all__ is not sorted"
        loaded = importlib.import_module(module.name) if module.name in package() else None
        for name in listed:
            if loaded is not None and not hasattr(loaded, name):
                yield f"{module.path}:1: __all__ names {name}, which is not there"


def declared(module: Module) -> list[str] | None:
    """Return the module's `__all__`; None if it has none."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return [str(name) for name in ast.literal_eval(node.value)]
    return None


def isort(name: str) -> tuple[int, str]:
    """Return the key of the usual order: constants, classes, the rest."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2), name


def undeclared(modules: Mapping[str, Module]) -> Iterator[str]:
    """Yield imports of what pyproject.toml does not ask for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"].get("speed", [])]
    roots = {re.split(r"[<>=;!~\[ ]", line)[0].replace("-", "_").partition(".")[0] for line in asked}
    for module in modules.values():
        for found in imports(module, modules):
            root = found.module.partition(".")[0]
            if root in sys.stdlib_module_names or root in ("connector", "__future__"):
                continue
            if UNDECLARED.get(root, root) not in roots:
                yield f"{found.place}: {root} is not among the dependencies"


CHECKS = [nameless, long, silent, untimely, trusting, injectable, formatting, public, undeclared]
