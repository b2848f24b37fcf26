"""An order whose create failed on the wire reaches the warehouse once, whatever the response was."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from tests.wire.life import Life, life
from tests.wire.mishaps import LOST, REFUSED, applied

pytestmark = pytest.mark.slow  # the lives of all rows take longer than two seconds together

AT_ONCE = 8
"""The number of lives at a time: they mostly wait."""

Lives = Mapping[str, Life]


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> Lives:
    """Let all of them live, some at a time."""
    rows = {name: (row.mishap, row.timeout) for name, row in (LOST | REFUSED).items()}
    rows |= {f"{name}, applied": (applied(row.mishap), row.timeout) for name, row in LOST.items()}

    async def all_of_them() -> dict[str, Life]:
        free = asyncio.Semaphore(AT_ONCE)
        found: dict[str, Life] = {}

        async def one(name: str) -> None:
            async with free:
                mishap, timeout = rows[name]
                found[name] = await life(tmp_path_factory.mktemp("life"), mishap, timeout=timeout)

        async with asyncio.TaskGroup() as tg:
            for name in rows:
                tg.create_task(one(name))
        return found

    return asyncio.run(all_of_them())


LOST_ROWS = [pytest.param(name, id=name, marks=pytest.mark.fault(*row.cases)) for name, row in LOST.items()]
REFUSED_ROWS = [pytest.param(name, id=name, marks=pytest.mark.fault(*row.cases)) for name, row in REFUSED.items()]


@pytest.mark.parametrize("name", LOST_ROWS)
def test_a_create_that_was_not_applied_is_made_again_once(name: str, lives: Lives) -> None:
    """It is in doubt, a look-up does not find it, and only then it is created and acknowledged."""
    found = lives[name]
    assert "in doubt" in found.noted
    assert ("delivered", 1, True) == (found.state, found.records, found.told)
    assert 2 == found.creates
    assert found.looked_up_between


@pytest.mark.parametrize("name", LOST_ROWS)
def test_a_create_that_was_applied_is_found(name: str, lives: Lives) -> None:
    """It is in doubt until a look-up finds it; it is not created again, and it is acknowledged."""
    found = lives[f"{name}, applied"]
    assert "found" == found.noted[-1]
    assert ("delivered", 1, True) == (found.state, found.records, found.told)
    assert 1 == found.creates


@pytest.mark.parametrize("name", REFUSED_ROWS)
def test_a_create_that_was_refused_for_our_fault_is_made_again(name: str, lives: Lives) -> None:
    """It was not applied, the order is not at fault, and nothing is in doubt; still it is looked up first."""
    found = lives[name]
    assert ["not sent"] == found.noted if name != "401" else [] == found.noted  # a 401 renews the token, no more
    assert ("delivered", 1, True) == (found.state, found.records, found.told)
    assert 2 == found.creates
    assert found.looked_up_between or name == "401"
