"""The bus: bounded, ordered, and loud on misuse; it ends by itself, and observers never delay it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import anyio
import pytest
from anyio.lowlevel import checkpoint

from connector import bus as bus_module
from connector.bus import Bus, Inbox, Observer, Publisher
from connector.clock import SystemClock
from connector.events import Event, OrderAcknowledged, OrderHeld, OrderInDoubt, PollFinished

AT = datetime(2026, 3, 24, 9, 0, tzinfo=UTC)


@pytest.fixture
def bus() -> Iterator[Bus]:
    """Make a bus whose inboxes hold three events."""
    made = Bus(SystemClock(), capacity=3)
    yield made
    made.close()


def walk(number: int) -> PollFinished:
    """Return an event with a number."""
    return PollFinished(at=AT, source="shop", seen=number, new=0, total=None)


def held(number: int) -> OrderHeld:
    """Return an event of another type, with a number."""
    return OrderHeld(at=AT, key=number, source="shop", order_id="1", receiver="wms", cause="no street")


def numbers(events: list[PollFinished]) -> list[int]:
    """Return their numbers."""
    return [event.seen for event in events]


async def turns(count: int = 20) -> None:
    """Let all other tasks run until they wait."""
    for _ in range(count):
        await checkpoint()


async def observed(observer: Observer) -> list[Event]:
    """Read an observer to its end."""
    return [event async for event in observer]


async def test_events_come_in_order(bus: Bus) -> None:
    """In the order of publishing, however many publishers wait for room."""
    inbox = bus.subscribe(PollFinished)
    publishers = [bus.publisher(PollFinished) for _ in range(2)]
    bus.seal()
    heard: list[PollFinished] = []

    async def publish(publisher: Publisher, first: int) -> None:
        with publisher:
            for number in range(first, 40, 2):
                await publisher.publish(walk(number))

    async with anyio.create_task_group() as tg:
        for first, publisher in enumerate(publishers):
            tg.start_soon(publish, publisher, first)
        while events := await inbox.take(2):
            heard += events
    assert sorted(numbers(heard)) == list(range(40))
    for first in range(2):
        own = [number for number in numbers(heard) if number % 2 == first]
        assert all(one < other for one, other in pairwise(own))


async def test_a_full_inbox_makes_its_publisher_wait(bus: Bus) -> None:
    """This is the back-pressure: one event taken makes room for one, and memory never holds more than the capacity."""
    inbox, publisher = bus.subscribe(PollFinished), bus.publisher(PollFinished)
    sent: list[int] = []

    async def publish() -> None:
        for number in range(6):
            await publisher.publish(walk(number))
            sent.append(number)

    async with anyio.create_task_group() as tg:
        tg.start_soon(publish)
        await turns()
        assert (sent, inbox.waiting) == ([0, 1, 2], 3)
        await turns()
        assert sent == [0, 1, 2]
        assert numbers(await inbox.take(1)) == [0]
        await turns()
        assert (sent, inbox.waiting) == ([0, 1, 2, 3], 3)
        assert numbers(await inbox.take(10)) == [1, 2, 3, 4]
        await turns()
    assert sent == list(range(6))


async def test_only_the_full_inbox_is_waited_for(bus: Bus) -> None:
    """A slow receiver delays the orders for others only if they come from the same publisher."""
    slow, quick = (bus.subscribe(PollFinished, topic=topic) for topic in ("slow", "quick"))
    publisher = bus.publisher(PollFinished, topics=["slow", "quick"])
    for number in range(3):
        await publisher.publish(walk(number), "slow")
        await publisher.publish(walk(number), "quick")
    async with anyio.create_task_group() as tg:
        tg.start_soon(publisher.publish, walk(3), "slow")
        await turns()
        assert numbers(await quick.take(9)) == [0, 1, 2]
        await publisher.publish(walk(4), "quick")
        assert numbers(await quick.take(9)) == [4]
        assert numbers(await slow.take(9)) == [0, 1, 2, 3]


async def test_take_waits_for_one_and_returns_what_there_is(bus: Bus) -> None:
    """At least one event, at most the requested number, without waiting for more."""
    inbox, publisher = bus.subscribe(PollFinished), bus.publisher(PollFinished)
    taking = asyncio.create_task(inbox.take(2))
    await turns()
    assert not taking.done()
    for number in range(3):
        await publisher.publish(walk(number))
    assert numbers(await taking) == [0, 1]
    assert numbers(await inbox.take(2)) == [2]


async def test_an_inbox_ends_when_its_last_publisher_closes(bus: Bus) -> None:
    """Not earlier, and not before it has been read to its end: this is the shutdown."""
    inbox = bus.subscribe(PollFinished)
    one, other = bus.publisher(PollFinished), bus.publisher(PollFinished)
    bus.seal()
    await one.publish(walk(1))
    one.close()
    one.close()
    await other.publish(walk(2))
    assert numbers(await inbox.take(9)) == [1, 2]
    ended = asyncio.create_task(inbox.take(9))
    await turns()
    assert not ended.done()
    await other.publish(walk(3))
    assert numbers(await ended) == [3]
    await other.publish(walk(4))
    with other:
        pass
    assert numbers(await inbox.take(9)) == [4]
    assert await inbox.take(9) == []
    assert await inbox.take(9) == []


async def test_the_end_runs_down_the_stages(bus: Bus) -> None:
    """A stage that reads to the end and then closes its publisher ends the next stage."""
    first, second = bus.subscribe(PollFinished), bus.subscribe(OrderHeld)
    source, middle = bus.publisher(PollFinished), bus.publisher(OrderHeld)
    bus.seal()
    heard: list[int] = []

    async def stage() -> None:
        with middle:
            while events := await first.take(9):
                for event in events:
                    await middle.publish(held(event.seen))

    async def last() -> None:
        while events := await second.take(9):
            heard.extend(event.key for event in events)

    async with anyio.create_task_group() as tg:
        tg.start_soon(stage)
        tg.start_soon(last)
        with source:
            for number in range(10):
                await source.publish(walk(number))
    assert heard == list(range(10))


async def test_a_bus_that_is_not_sealed_ends_nothing(bus: Bus) -> None:
    """Until all publishers are open, more may follow."""
    inbox = bus.subscribe(PollFinished)
    bus.publisher(PollFinished).close()
    ended = asyncio.create_task(inbox.take(9))
    await turns()
    assert not ended.done()
    bus.seal()
    assert await ended == []


def test_publishing_to_nobody_is_a_mistake_of_the_wiring(bus: Bus) -> None:
    """It is found when the flow is assembled, and the error names all events without a subscriber."""
    bus.subscribe(PollFinished, topic="wms")
    with pytest.raises(LookupError, match="no stage subscribes to PollFinished for 'erp', OrderHeld for 'erp'"):
        bus.publisher(PollFinished, OrderHeld, topics=["erp"])
    with pytest.raises(LookupError):
        bus.publisher(PollFinished)
    with bus.publisher(PollFinished, topics=["wms"]):
        pass


def test_two_that_want_the_same_events_are_a_mistake_of_the_wiring(bus: Bus) -> None:
    """Each event has one stage that acts on it; the first one keeps its inbox."""
    bus.subscribe(PollFinished, topic="wms")
    bus.subscribe(PollFinished, topic="erp")
    with pytest.raises(LookupError, match="PollFinished for 'wms' has a subscriber already"):
        bus.subscribe(OrderHeld, PollFinished, topic="wms")
    with pytest.raises(LookupError, match="no stage subscribes"):
        bus.publisher(OrderHeld, topics=["wms"])


async def test_a_publisher_publishes_what_it_was_opened_for(bus: Bus) -> None:
    """Other types and topics are rejected, as a whole."""
    inbox = bus.subscribe(PollFinished, OrderHeld)
    publisher = bus.publisher(PollFinished)
    with pytest.raises(LookupError):
        await publisher.publish(held(1))
    with pytest.raises(LookupError):
        await publisher.publish(walk(1), "wms")
    with pytest.raises(LookupError):
        await publisher.offer(walk(1), "wms")
    assert inbox.waiting == 0


async def test_an_inbox_hears_its_types_and_no_other(bus: Bus) -> None:
    """And only its topic; several types arrive in one order."""
    both: Inbox[Event] = bus.subscribe(PollFinished, OrderHeld)
    other = bus.subscribe(PollFinished, topic="wms")
    publisher = bus.publisher(PollFinished, OrderHeld)
    await publisher.publish(walk(1))
    await publisher.publish(held(2))
    await publisher.publish(walk(3))
    assert await both.take(9) == [walk(1), held(2), walk(3)]
    assert other.waiting == 0


@pytest.mark.parametrize("full", [False, True])
async def test_a_dead_stage_breaks_its_publisher(bus: Bus, full: bool) -> None:
    """Events without a reader are not dropped silently; a publisher that waits for room gets the error."""
    inbox, publisher = bus.subscribe(PollFinished), bus.publisher(PollFinished)
    if full:
        for number in range(3):
            await publisher.publish(walk(number))
    task = asyncio.create_task(publisher.publish(walk(4))) if full else None
    await turns()
    with inbox:
        pass
    if task is not None:
        with pytest.raises(anyio.BrokenResourceError):
            await task
    with pytest.raises(anyio.BrokenResourceError):
        await publisher.publish(walk(5))
    with pytest.raises(anyio.BrokenResourceError):
        await publisher.offer(walk(5), "")


async def test_a_closed_publisher_is_closed(bus: Bus) -> None:
    """Publishing with it raises."""
    bus.subscribe(PollFinished)
    publisher = bus.publisher(PollFinished)
    publisher.close()
    with pytest.raises(anyio.ClosedResourceError):
        await publisher.publish(walk(1))


async def test_an_offer_never_waits(bus: Bus) -> None:
    """An event that finds no room sets a mark; its stage reads the journal, and clears the mark itself."""
    inbox, publisher = bus.subscribe(PollFinished, topic="wms"), bus.publisher(PollFinished, topics=["wms"])
    observer = bus.observe()
    assert [await publisher.offer(walk(number), "wms") for number in range(5)] == [True] * 3 + [False] * 2
    assert bus.overflowed == {"wms"}
    assert numbers(await inbox.take(9)) == [0, 1, 2]
    assert bus.overflowed == {"wms"}
    assert await publisher.offer(walk(5), "wms")
    bus.close()
    assert await observed(observer) == []


async def test_an_observer_sees_everything_from_now_on(bus: Bus) -> None:
    """Published and noticed events, in order; earlier events are not seen."""
    bus.subscribe(PollFinished)
    publisher = bus.publisher(PollFinished)
    await publisher.publish(walk(0))
    one, other = bus.observe(), bus.observe()
    told = OrderAcknowledged(at=AT, key=1, source="shop", order_id="1", outcome="exported")
    await publisher.publish(walk(1))
    bus.notice(told)
    await publisher.publish(walk(2))
    bus.close()
    assert await observed(one) == await observed(other) == [walk(1), told, walk(2)]


async def test_an_event_for_many_topics_is_one_to_observers(bus: Bus) -> None:
    """Observers see the event, not its recipients."""
    for topic in ("wms", "erp"):
        bus.subscribe(PollFinished, topic=topic)
    observer = bus.observe()
    await bus.publisher(PollFinished, topics=["wms", "erp"]).publish(walk(1), "wms", "erp")
    bus.close()
    assert await observed(observer) == [walk(1)]


async def test_a_slow_observer_loses_the_oldest_and_is_told(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """It delays nobody and fills no memory; `missed` counts the events that it lost."""
    monkeypatch.setattr(bus_module, "OBSERVER_BUFFER", 4)
    slow = bus.observe()
    for number in range(10):
        bus.notice(walk(number))
    assert slow.missed == 6
    bus.close()
    assert await observed(slow) == [walk(number) for number in range(6, 10)]


async def test_an_observer_wakes_up_for_each_event(bus: Bus) -> None:
    """It reads along as events occur, and misses none."""
    observer = bus.observe()
    reading = asyncio.create_task(observed(observer))
    for number in range(5):
        bus.notice(walk(number))
        await turns(number)
        with anyio.fail_after(5):
            await anyio.wait_all_tasks_blocked()  # it waits, and does not turn in circles
    assert not reading.done()
    bus.close()
    assert await reading == [walk(number) for number in range(5)]
    assert observer.missed == 0


async def test_an_observer_that_has_left_is_forgotten(bus: Bus) -> None:
    """Nothing more is kept for it."""
    observer = bus.observe()
    bus.notice(walk(1))
    events = observer.__aiter__()
    assert await anext(events) == walk(1)
    await events.aclose()  # type: ignore[attr-defined]
    bus.notice(walk(2))
    assert await observed(observer_of_nothing(observer)) == []


def observer_of_nothing(observer: Observer) -> Observer:
    """End an observer, so that reading it ends as well."""
    observer.end()
    return observer


async def test_a_closed_bus_is_closed_for_everybody(bus: Bus) -> None:
    """Publishers, inboxes, and observers that come too late; closing again is harmless."""
    inbox, publisher = bus.subscribe(PollFinished), bus.publisher(PollFinished)
    bus.close()
    bus.close()
    with pytest.raises(anyio.ClosedResourceError):
        await publisher.publish(walk(1))
    with pytest.raises(anyio.ClosedResourceError):
        await inbox.take(1)
    with anyio.fail_after(5):
        assert await observed(bus.observe()) == []


async def test_events_are_values(bus: Bus) -> None:
    """They are immutable, and carry their type on the console's wire."""
    event = OrderInDoubt(at=AT, key=1, source="shop", order_id="1", receiver="wms", reason="lost")
    with pytest.raises(AttributeError):
        event.reason = "other"  # type: ignore[misc]
    assert event == OrderInDoubt(at=AT, key=1, source="shop", order_id="1", receiver="wms", reason="lost")


async def test_the_bus_stamps_an_event_when_it_is_published(bus: Bus) -> None:
    """With the machine's clock, once; an event that has a time keeps the time."""
    before = datetime.now(UTC)
    observer = bus.observe()
    fresh, dated = PollFinished(source="shop", seen=0, new=0, total=None), walk(1)
    for event in (fresh, dated):
        bus.notice(event)
    first = fresh.at
    bus.notice(fresh)
    observer.end()
    assert [first, AT, first] == [event.at for event in await observed(observer)]
    assert before <= first <= datetime.now(UTC)
