"""The names that other programs import."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys

import pytest

import connector
from tests.architecture.source import ROOT, package, walk

CONTRACT = {"Connector", "load_settings", "Unmappable", "Order", "ConnectorError", "SettingsError"}
"""Those that the documents promise: the rest may grow."""


def test_every_public_name_is_there() -> None:
    """As itself, the one object, from the module that it lives in."""
    for name in connector.__all__:
        assert getattr(connector, name) is getattr(importlib.import_module(connector._HOMES[name]), name)


def test_the_promised_names_are_public() -> None:
    """design.md, section 9."""
    assert set(connector.__all__) >= CONTRACT


def test_the_three_lists_agree() -> None:
    """`__all__`, the table of homes, and what type checkers are told."""
    told = {
        alias.asname: node.module
        for node in walk(package()["connector"], ast.ImportFrom)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("connector.")
        for alias in node.names
    }
    assert told == connector._HOMES
    assert sorted(connector._HOMES) == connector.__all__


@pytest.mark.parametrize("name", ["Nonsense", "_private", "__wrapped__"])
def test_another_name_is_an_attribute_error(name: str) -> None:
    """As of any module, so that `hasattr` and `from connector import x` say the usual things."""
    with pytest.raises(AttributeError, match=name):
        getattr(connector, name)


def test_importing_the_package_imports_nothing_heavy() -> None:
    """Whoever only asks for `--help` does not wait for an HTTP client."""
    code = "import sys, connector; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {"aiohttp", "anyio", "aiosqlite", "jsonschema", "msgspec", "rich", "ruamel", "prometheus_client"}
    assert set(loaded.stdout.split()) & heavy == set()


EACH = """
import gc, os, sys
import aiohttp.web, aiosqlite, anyio.abc, click, jmespath, jsonschema, msgspec, prometheus_client, rich, ruamel.yaml
import csv, difflib, hmac, importlib.metadata, sqlite3, standardwebhooks, anyio.to_thread, anyio.lowlevel, zoneinfo
gc.disable()  # a child lives for a moment
gc.freeze()
import connector  # runs before any module of it, whichever one is asked for: the same for all
for name in sys.argv[1:]:
    if not os.fork():
        __import__(name)
        os._exit(0)
    if os.wait()[1]:
        print(name)
"""


@pytest.mark.slow
def test_every_module_can_be_imported_first() -> None:
    """Whichever one a program starts with: none relies on another having been imported before it."""
    names = [name for name in package() if not name.endswith("__main__")]
    done = subprocess.run([sys.executable, "-c", EACH, *names], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
