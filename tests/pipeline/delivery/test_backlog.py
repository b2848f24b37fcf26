"""The backlog of a consumer: when the journal is read, and for which orders."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from connector.pipeline.delivery.backlog import Backlog

NOW = datetime(2026, 3, 24, 9, 0, tzinfo=UTC)


def later(seconds: float) -> datetime:
    """Return a time after now."""
    return NOW + timedelta(seconds=seconds)


def read(backlog: Backlog, *, idle: bool = True) -> bool:
    """Begin a reading that finds nothing."""
    return backlog.begin(idle=idle)


def test_everything_is_read_at_the_start() -> None:
    """An earlier process may have left anything; after that, only a wake-up makes a reading due."""
    backlog = Backlog(NOW)
    assert 0 == backlog.wait(NOW, idle=True)
    assert read(backlog)
    assert backlog.wait(NOW, idle=True) is None
    assert backlog.wait(later(86_400), idle=True) is None


def test_new_orders_wait_until_the_consumer_is_idle() -> None:
    """Due orders do not wait: a busy consumer reads those alone, and reads new ones later."""
    backlog = Backlog(NOW)
    read(backlog)
    backlog.left_behind()
    assert backlog.wait(NOW, idle=False) is None
    backlog.look_at(NOW)
    assert 0 == backlog.wait(NOW, idle=False)
    assert not read(backlog, idle=False)
    assert backlog.wait(NOW, idle=False) is None
    assert 0 == backlog.wait(NOW, idle=True)
    assert read(backlog)


def test_the_earliest_time_counts() -> None:
    """In whatever sequence the times arrive; one in the past is due at once."""
    backlog = Backlog(NOW)
    read(backlog)
    for seconds in (30, 10, 20):
        backlog.look_at(later(seconds))
    backlog.look_at(None)
    assert 10 == backlog.wait(NOW, idle=True)
    assert 4 == backlog.wait(later(6), idle=False)
    assert 0 == backlog.wait(later(11), idle=True)


def test_a_wake_up_during_a_reading_makes_another_one_due() -> None:
    """The journal may have been read before that work was written."""
    for idle in (False, True):
        backlog = Backlog(NOW)
        read(backlog, idle=idle)
        backlog.look_now(NOW)
        assert 0 == backlog.wait(NOW, idle=idle)
        assert read(backlog) is True
