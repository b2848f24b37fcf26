"""The garbage collector settings of `connector run`: rare collections, without loaded objects, restored afterwards."""

from __future__ import annotations

import gc
import weakref
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from connector.cli import main
from connector.cli.gc_tuning import THRESHOLDS, collect_rarely, freeze_loaded


class Ring:
    """An object that refers to itself."""

    def __init__(self) -> None:
        self.me = self


def test_cycles_are_freed_while_it_runs() -> None:
    """Collections are rare but do happen: a process that runs for months keeps no garbage."""
    with collect_rarely():
        freeze_loaded()
        ring = weakref.ref(Ring())
        assert ring() is not None
        kept: list[list[int]] = [[] for _ in range(2 * THRESHOLDS[0])]
        assert ring() is None
    assert kept


def test_nothing_is_looked_at_before_the_process_has_started() -> None:
    """While modules are loaded, thousands of permanent objects are created, and no collection happens."""
    with collect_rarely():
        assert not gc.isenabled()
        freeze_loaded()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold() == THRESHOLDS


@pytest.mark.parametrize("enabled", [True, False])
def test_afterwards_everything_is_as_before(enabled: bool) -> None:
    """After the command, even after a failure, the caller's collector settings are as before."""
    before = gc.get_threshold()
    if not enabled:
        gc.disable()
    try:
        with suppress(KeyError), collect_rarely():
            freeze_loaded()
            raise KeyError
        assert gc.isenabled() is enabled
        assert gc.get_threshold() == before
        assert gc.get_freeze_count() == 0
    finally:
        gc.enable()


def test_a_run_that_cannot_start_leaves_it_alone_too(tmp_path: Path) -> None:
    """Bad settings end the command before the start, with the collector settings restored."""
    before = gc.get_threshold()
    ran = CliRunner().invoke(main, ["--settings", str(tmp_path / "none.yaml"), "run", "--once"])
    assert ran.exit_code == 78
    assert gc.isenabled()
    assert gc.get_threshold() == before
