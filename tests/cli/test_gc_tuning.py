"""The garbage collector of `connector run`: seldom, not among what was loaded, and as before afterwards."""

from __future__ import annotations

import gc
import weakref
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from connector.cli import main
from connector.cli.gc_tuning import SELDOM, seldom, spare


class Ring:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.me = self


def test_cycles_are_freed_while_it_runs() -> None:
    """Seldom is not never: a process that runs for months keeps no garbage."""
    with seldom():
        spare()
        ring = weakref.ref(Ring())
        assert ring() is not None
        kept: list[list[int]] = [[] for _ in range(2 * SELDOM[0])]
        assert ring() is None
    assert kept


def test_nothing_is_looked_at_before_the_process_has_started() -> None:
    """While modules are loaded, thousands of objects come to stay: a look at them would find nothing."""
    with seldom():
        assert not gc.isenabled()
        spare()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold() == SELDOM


@pytest.mark.parametrize("enabled", [True, False])
def test_afterwards_everything_is_as_before(enabled: bool) -> None:
    """Whoever calls the command in a process of his own finds his collector as he left it, failure or not."""
    before = gc.get_threshold()
    if not enabled:
        gc.disable()
    try:
        with suppress(KeyError), seldom():
            spare()
            raise KeyError
        assert gc.isenabled() is enabled
        assert gc.get_threshold() == before
        assert gc.get_freeze_count() == 0
    finally:
        gc.enable()


def test_a_run_that_cannot_start_leaves_it_alone_too(tmp_path: Path) -> None:
    """Bad settings end the command before anything was started."""
    before = gc.get_threshold()
    ran = CliRunner().invoke(main, ["--settings", str(tmp_path / "none.yaml"), "run", "--once"])
    assert ran.exit_code == 78
    assert gc.isenabled()
    assert gc.get_threshold() == before
