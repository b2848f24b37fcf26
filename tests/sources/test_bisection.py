"""Pages that fail for one of their rows: the row is named, and all others are read."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from connector.errors import AuthError, ConnectorError, RejectedError, TransientError
from connector.sources.bisection import Bisection, UnreadableRow, parts_of
from tests.doubles import LoopClock

BROKEN = TransientError("500", reached=True)


class HandClock(LoopClock):
    """A clock that is moved by hand."""

    at = 0.0

    def monotonic(self) -> float:
        """Return where it stands."""
        return self.at

    def step(self, seconds: float) -> None:
        """Move it ahead."""
        self.at += seconds


class List:
    """A list whose pages fail while a row of `bad` is on them; `down` fails every call."""

    def __init__(self, rows: int, *bad: str, size: int = 50) -> None:
        self.rows = [f"o{number}" for number in range(rows)]
        self.bad = set(bad)
        self.down: ConnectorError | None = None
        self.calls: list[tuple[int, int]] = []
        self.size = size
        self.clock = HandClock()
        self.bisection: Bisection[str] = Bisection(self.clock, str)

    async def read(self, number: int, size: int) -> Sequence[str]:
        """Return a page."""
        self.calls.append((number, size))
        rows = self.rows[number * size : (number + 1) * size]
        if self.down is not None or self.bad & set(rows):
            raise self.down or BROKEN
        return rows

    async def poll(self) -> list[str | UnreadableRow]:
        """Read page after page."""
        self.calls.clear()
        self.bisection.begin()
        found: list[str | UnreadableRow] = []
        for number in range(1000):
            rows = await self.bisection.page(self.read, number, self.size)
            found += rows
            if not rows:
                break
        return found

    async def polled(self) -> list[str | UnreadableRow]:
        """As `poll`, again after the first failure of a page."""
        for _ in range(100):
            try:
                return await self.poll()
            except ConnectorError as exc:
                assert exc is BROKEN  # noqa: PT017 - it is the page's
        raise AssertionError("it never goes through")


def read_of(found: Sequence[str | UnreadableRow]) -> list[str]:
    """Return the rows that could be read."""
    return [row for row in found if isinstance(row, str)]


def named(found: Sequence[str | UnreadableRow]) -> list[tuple[int, str, str]]:
    """Return the stand-ins of the unreadable rows, with their neighbours."""
    return [(row.position, row.after, row.before) for row in found if isinstance(row, UnreadableRow)]


@pytest.mark.fault(136)
@pytest.mark.parametrize("size", [1, 2, 7, 12, 50, 60, 100])
@pytest.mark.parametrize("bad", [0, 1, 24, 25, 49, 58, 148])
async def test_a_row_that_makes_its_page_fail_is_named_and_the_rest_is_read(size: int, bad: int) -> None:
    """Wherever it is, and however large the pages are: the orders beside it say which one it is."""
    feed = List(149, f"o{bad}", size=size)
    found = await feed.polled()

    assert read_of(found) == [row for row in feed.rows if row not in feed.bad]
    assert named(found) == [(bad, f"o{bad - 1}" if bad else "", f"o{bad + 1}" if _same_page(bad, size) else "")]
    assert len(feed.calls) <= 149 // size + 40


def _same_page(bad: int, size: int) -> bool:
    return bad + 1 < 149 and bad // size == (bad + 1) // size


@pytest.mark.parametrize("bad", [[0, 1, 2, 3, 4, 5, 6, 7], [0, 49], [3, 17, 40, 60, 61], list(range(0, 149, 10))])
async def test_several_such_rows_are_all_named(bad: list[int]) -> None:
    """Beside each other, at both ends, all over the list."""
    feed = List(149, *(f"o{each}" for each in bad))
    found = await feed.polled()
    assert read_of(found) == [row for row in feed.rows if row not in feed.bad]
    assert [position for position, _, _ in named(found)] == bad


async def test_no_row_is_tried_in_vain_at_every_poll() -> None:
    """While its neighbours are the same it is left alone, for longer and longer; its page is not tried whole."""
    feed = List(149, "o7")
    await feed.polled()
    failures = 0
    for _ in range(60):
        feed.clock.step(60)
        found = await feed.poll()
        assert len(read_of(found)) == 148
        failures += (7, 1) in feed.calls
        assert (0, 50) not in feed.calls
        assert len(feed.calls) <= 18
    assert 3 <= failures <= 8


async def test_a_row_that_was_mended_is_read_after_a_while() -> None:
    """Nothing is left alone for longer than a quarter of an hour; then its page is read at once again."""
    feed = List(149, "o7")
    await feed.polled()
    for _ in range(30):
        feed.clock.step(60)
        await feed.poll()
    feed.bad.clear()
    feed.clock.step(900)
    assert read_of(await feed.poll()) == feed.rows
    await feed.poll()
    assert feed.calls == [(0, 50), (1, 50), (2, 50), (3, 50)]


async def test_what_has_moved_to_the_place_of_such_a_row_is_read_at_once() -> None:
    """A row is left alone by its neighbours, not by its position: orders before it leave the list."""
    feed = List(149, "o7")
    await feed.polled()
    del feed.rows[:5]
    found = await feed.polled()
    assert read_of(found) == [row for row in feed.rows if row != "o7"]
    assert [position for position, _, _ in named(found)] == [2]
    feed.rows.remove("o7")
    assert read_of(await feed.polled()) == feed.rows


async def test_a_row_that_is_read_again_is_the_neighbour_of_the_one_ahead_of_it() -> None:
    """Two rows cannot be read; the second one can by now: it may belong together with the first one."""
    feed = List(10, "o3", "o4", size=10)
    with pytest.raises(TransientError):
        await feed.poll()
    assert named(await feed.poll()) == [(3, "o2", "o5"), (4, "o2", "o5")]
    feed.bad = {"o3"}
    feed.rows[5] = "another"

    found = await feed.poll()

    assert "o4" in found
    assert named(found) == [(3, "o2", "o4")]


async def test_an_endpoint_that_is_down_is_not_narrowed() -> None:
    """It answers no other call either: three calls prove that, at every second failure at the earliest."""
    feed = List(149)
    feed.down = BROKEN
    for _ in range(5):
        with pytest.raises(TransientError):
            await feed.poll()
        assert len(feed.calls) <= 4
    feed.down = None
    assert await feed.poll() == feed.rows


@pytest.mark.parametrize("bad", [0, 25, 49, 50])
async def test_what_goes_first_after_a_pause_is_another_call_each_time(bad: int) -> None:
    """A paused endpoint lets one call through; were it always the page that fails, nothing would ever move."""
    feed = List(149, f"o{bad}", f"o{bad + 1}")
    firsts = []
    for _ in range(4):
        feed.bisection.begin()
        allowed = 1

        async def read(number: int, size: int) -> Sequence[str]:
            nonlocal allowed
            if allowed <= 0:
                raise TransientError("paused", retry_after=1)
            try:
                rows = await feed.read(number, size)
            except TransientError:
                allowed -= 1
                raise
            allowed = 1000
            return rows

        feed.calls.clear()
        try:
            rows = [*await feed.bisection.page(read, 0, 50), *await feed.bisection.page(read, 1, 50)]
        except TransientError:
            firsts.append(feed.calls[0])
        else:
            assert [row.position for row in rows if isinstance(row, UnreadableRow)] == [bad, bad + 1]
            break
    else:
        raise AssertionError(f"it never goes through: {firsts}")


async def test_a_page_that_fails_once_is_simply_read_again() -> None:
    """Endpoints stumble; a page is narrowed when it fails twice in a row."""
    feed = List(149, "o7")
    with pytest.raises(TransientError):
        await feed.poll()
    assert feed.calls == [(0, 50)]


async def test_an_endpoint_that_goes_down_meanwhile_blames_no_row() -> None:
    """A failure that may be an outage is not remembered."""
    feed = List(149, "o7")
    with pytest.raises(TransientError):
        await feed.poll()
    left = 4

    async def read(number: int, size: int) -> Sequence[str]:
        nonlocal left
        left -= 1
        feed.down = None if left >= 0 else BROKEN
        return await feed.read(number, size)

    feed.bisection.begin()
    with pytest.raises(TransientError):
        await feed.bisection.page(read, 0, 50)
    feed.down = None
    feed.bad.clear()
    assert await feed.poll() == feed.rows
    assert (0, 50) in feed.calls


@pytest.mark.parametrize("exc", [AuthError("401"), TransientError("429", retry_after=5), TransientError("refused")])
async def test_what_is_about_the_endpoint_is_not_narrowed(exc: ConnectorError) -> None:
    """Credentials, a limit and a connection that is refused have nothing to do with a row."""
    feed = List(149)
    feed.down = exc
    for _ in range(3):
        with pytest.raises(type(exc)):
            await feed.poll()
        assert feed.calls == [(0, 50)]


async def test_a_refused_page_is_narrowed_like_one_that_fails() -> None:
    """400 and 422 may be about a row, too."""
    feed = List(60, "o7")
    refused = RejectedError("422")

    async def read(number: int, size: int) -> Sequence[str]:
        try:
            return await feed.read(number, size)
        except TransientError:
            raise refused from None

    feed.bisection.begin()
    with pytest.raises(RejectedError):
        await feed.bisection.page(read, 0, 50)
    assert len(read_of(await feed.bisection.page(read, 0, 50))) == 49


async def test_a_vendor_that_ignores_the_size_is_not_narrowed() -> None:
    """Its rows cannot be read one by one, so the page's error is raised."""
    rows = [f"o{number}" for number in range(90)]
    calls = 0

    async def read(number: int, size: int) -> Sequence[str]:
        nonlocal calls
        calls += 1
        if size == 50:
            raise BROKEN
        return rows

    bisection: Bisection[str] = Bisection(HandClock(), str)
    for _ in range(2):
        bisection.begin()
        with pytest.raises(TransientError, match="500"):
            await bisection.page(read, 0, 50)
    assert calls == 3


def test_a_page_is_cut_into_equal_parts() -> None:
    """Every part is a page of its own size, so that one call can read it."""
    for size in range(2, 501):
        part = parts_of(size)
        assert 1 <= part < size
        assert size % part == 0
