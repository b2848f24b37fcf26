"""Every reader of a vendor's bytes has the same outcomes for some hundred odd bodies now as when they were recorded."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import connector
from tests.fuzz import compare
from tests.fuzz.outcomes import outcomes

TARGETS = compare.vendors()
NAMES = [pytest.param(name, marks=[pytest.mark.slow] if name.endswith(".order") else []) for name in TARGETS]
"""The reading of one order is recorded for more bodies than the others."""


@pytest.mark.parametrize("name", NAMES)
def test_a_reader_makes_of_each_body_what_it_always_made_of_it(name: str) -> None:
    """
    A quicker reader is no other reader, not of the oddest body either.

    A change that is meant is recorded anew, once `python -m tests.fuzz.compare --against` has shown that nothing else
    changed with it.
    """
    record = compare.recorded(TARGETS[name])
    assert record is not None, "nothing is recorded: `python -m tests.fuzz.compare --record --only` ..."
    assert len(record.outcomes) == 8 * record.bodies
    differing = list(compare.differing(TARGETS[name], record))
    assert not differing, f"{len(differing)} of {record.bodies} bodies, the first:\n{differing[0]}"


@pytest.mark.slow
def test_a_reader_that_changes_is_noticed() -> None:
    """One body of all is enough."""
    target = TARGETS["traede.orders.order"]
    record = compare.recorded(target)
    assert record is not None
    fed = 0

    async def feed(body: bytes, status: int) -> Any:
        nonlocal fed
        fed += 1
        return await target.feed(body, status) if fed != 700 else []

    (found,) = compare.differing(replace(target, feed=feed), record)
    assert found.startswith("traede.orders.order, body 699, ")


def test_the_words_of_an_error_are_free() -> None:
    """They quote libraries, whose words change with their versions."""
    target = TARGETS["traede.orders.order"]
    (first, second) = outcomes(target, [(b'{"order_id":7,"lines":0}', 200), (b'{"order_id":7,"lines":"x"}', 200)])
    assert first.replace('"lines":0', '"lines":"x"') != first
    assert "'cause': 'unreadable order'" in first
    assert "is not a list" not in first + second


@pytest.mark.slow
def test_another_checkout_is_compared_body_by_body(tmp_path: Path) -> None:
    """Differences are shown: the body, and where the two outcomes part."""
    shutil.copytree(Path(connector.__file__).parent, tmp_path / "connector", ignore=shutil.ignore_patterns("*.pyc"))
    command = [sys.executable, "-m", "tests.fuzz.compare", "--against", str(tmp_path), "--bodies", "150"]
    command += ["--only", "webhook.find"]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    same = subprocess.run(command, cwd=compare.TOP, env=environment, capture_output=True, text=True, check=False)
    assert (same.returncode, same.stderr) == (0, "")
    changed = tmp_path / "connector" / "receivers" / "webhook" / "receiver.py"
    changed.write_text(changed.read_text().replace("if found else None", "").replace('"canceled"', '"received"'))
    other = subprocess.run(command, cwd=compare.TOP, env=environment, capture_output=True, text=True, check=False)
    assert other.returncode == 1, other.stderr
    assert "there ConflictError" in other.stdout
    assert "here  {'': 'Receipt', 'id': '5', 'status': 'received'}" in other.stdout
