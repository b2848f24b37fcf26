"""The rules for every module of the package: its name, its size, its docstring, and the calls that it must not make."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.checks import (
    ALLOWED,
    CHECKS,
    LONG,
    SQL,
    calls,
    fixed,
    formatting,
    injectable,
    long,
    nameless,
    public,
    silent,
    trusting,
    undeclared,
    untimely,
    uses,
)
from tests.architecture.source import package, parsed


@pytest.mark.attack(7, 19)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_module_is_in_order(check: object) -> None:
    """See each check's own text."""
    assert callable(check)
    assert list(check(package())) == []


def test_every_exception_is_needed() -> None:
    """One that nothing uses any more would let something else through."""
    used = {(module.name, banned) for module in package().values() for banned, _ in uses(module)}
    assert set(ALLOWED) == used & set(ALLOWED)
    together = {
        (module.name, function)
        for module in package().values()
        for function, call in calls(module)
        if isinstance(call.func, ast.Attribute)
        and call.func.attr.startswith("execute")
        and call.args
        and not fixed(call.args[0])
    }
    assert set(SQL) == together & set(SQL)
    assert set(LONG) <= set(package())


HEAD = '"""Doc."""\n'


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (long, HEAD + "\n" * 400),
        (silent, "x = 1\n"),
        (silent, '"""  """\n'),
        (untimely, "import time\ntime.time()"),
        (untimely, "import time as t\nt.sleep(1)"),
        (untimely, "from time import monotonic\nmonotonic()"),
        (untimely, "from datetime import datetime\ndatetime.now(UTC)"),
        (untimely, "import datetime\ndatetime.datetime.utcnow()"),
        (untimely, "import datetime as dt\nnow = dt.date.today"),
        (untimely, "import random\nrandom.random()"),
        (untimely, "from random import choice\nchoice([1])"),
        (untimely, "from random import Random\nRandom()"),
        (untimely, "import uuid\nuuid.uuid4()"),
        (untimely, "from uuid import uuid4 as new\nnew()"),
        (untimely, "async def f():\n    import asyncio\n    await asyncio.sleep(1)"),
        (untimely, "import anyio\nanyio.sleep(1)"),
        (untimely, "import os\nos.urandom(9)"),
        (trusting, "connect(ssl=False)"),
        (trusting, "import ssl\ncontext.verify_mode = ssl.CERT_NONE"),
        (trusting, "import ssl\nssl._create_unverified_context()"),
        (injectable, 'db.execute(f"SELECT {name}")'),
        (injectable, 'db.execute("SELECT " + name)'),
        (injectable, 'db.execute("SELECT %s" % name)'),
        (injectable, 'db.execute("SELECT {}".format(name))'),
        (injectable, "db.executescript(text)"),
        (injectable, 'def f():\n    db.executemany(f"SELECT {NAME} {name}", [])'),
        (formatting, "logger.info(text)"),
        (formatting, "text.format_map(a)"),
        (public, '__all__ = ["b", "a"]'),
        (public, '__all__ = ["a", "a"]'),
        (public, '__all__ = ["a", "A"]'),
        (undeclared, "import requests"),
        (undeclared, "def f():\n    from numpy.linalg import norm"),
    ],
)
def test_a_module_that_is_not_in_order_is_found(check: object, text: str) -> None:
    """Each check can fail."""
    assert callable(check)
    (finding,) = check({"connector.sample": parsed("connector.sample", text)})
    assert finding.startswith("connector/sample.py:")


@pytest.mark.parametrize("name", ["connector.utils", "connector.http_helpers", "connector.common.orders"])
def test_a_name_that_says_nothing_is_found(name: str) -> None:
    """Whatever stands around it."""
    assert len(list(nameless({name: parsed(name, HEAD)}))) == 1


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (long, HEAD + "\n" * 299),
        (untimely, "def f(random):\n    return random.random()"),
        (untimely, "from datetime import datetime\ndatetime.fromtimestamp(1)"),
        (untimely, "from uuid import UUID, uuid5\nuuid5(a, b)"),
        (untimely, "await clock.sleep(1)\nclock.now()"),
        (trusting, "connect(ssl=context)"),
        (injectable, 'db.execute("SELECT ?" " FROM t", (name,))'),
        (injectable, 'db.execute(f"SELECT {COLUMNS} FROM t")'),
        (injectable, "db.execute(STEPS[name])"),
        (public, '__all__ = ["LIMIT", "Zebra", "apple"]'),
        (undeclared, "import json, aiohttp, ruamel.yaml, yarl, connector.errors"),
    ],
)
def test_a_module_that_is_in_order_is_let_through(check: object, text: str) -> None:
    """No check is so strict that it would be switched off."""
    assert callable(check)
    assert list(check({"connector.sample": parsed("connector.sample", text)})) == []


def test_the_list_of_public_names_must_be_true(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is listed, and is not there, breaks `from module import *`."""
    real = package()["connector.clock"]
    lying = parsed("connector.clock", real.text.replace('"wall_time"]', '"wall_time", "wall_time_nonsense"]'))
    (finding,) = public({"connector.clock": lying})
    assert "nonsense" in finding
