"""
The event bus: in-process, typed, bounded and ordered.

- Subscribers (stages of the flow) receive every event of their types in order. A full inbox makes its publishers wait:
  that is the back-pressure.
- When the last publisher to an inbox has closed, the inbox ends, and with it the stage that reads it: that is the
  shutdown.
- Observers receive copies and never make a publisher wait. A slow observer loses the oldest events, and counts them.

The journal can rebuild every event, so a crash may lose all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Generic, TypeVar

import anyio
from anyio.lowlevel import checkpoint
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from msgspec.structs import force_setattr

from connector.clock import Clock
from connector.events import UNPUBLISHED, Event

__all__ = ["Bus", "Inbox", "Observer", "Publisher"]

E = TypeVar("E", bound=Event)

OBSERVER_BUFFER = 10_000
"""Events buffered for a slow observer: a few megabytes, and minutes of a busy shop."""


class Inbox(Generic[E]):
    """The events for one stage, in order. It ends when its publishers have closed."""

    def __init__(self, stream: MemoryObjectReceiveStream[E]) -> None:
        self._stream = stream

    async def take(self, most: int) -> list[E]:
        """Wait for an event; return it with up to `most` - 1 further ones that are ready. An empty list is the end."""
        try:
            events = [await self._stream.receive()]
        except anyio.EndOfStream:
            return []
        try:
            while len(events) < most:
                events.append(self._stream.receive_nowait())
        except (anyio.WouldBlock, anyio.EndOfStream):
            pass
        return events

    @property
    def waiting(self) -> int:
        """The number of events in it."""
        return self._stream.statistics().current_buffer_used

    def close(self) -> None:
        """Stop receiving; from now on a publisher that sends here fails."""
        self._stream.close()

    def __enter__(self) -> Inbox[E]:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class Publisher:
    """The right to publish events of some types, until it is closed (it is a context manager)."""

    def __init__(self, bus: Bus, outlets: dict[tuple[type[Event], str], MemoryObjectSendStream[Any]]) -> None:
        self._bus = bus
        self._outlets = outlets

    async def publish(self, event: Event, *topics: str) -> None:
        """
        Send `event` to the inboxes for its type and `topics`, waiting while one is full; observers get a copy.

        Raises `anyio.BrokenResourceError` if the subscriber has ended: no event is dropped silently.
        """
        self._bus.notice(event)
        for topic in topics or ("",):
            outlet = self._outlets[type(event), topic]
            try:
                try:
                    outlet.send_nowait(event)
                except anyio.WouldBlock:
                    await outlet.send(event)
            except anyio.BrokenResourceError:
                await checkpoint()  # during a cancellation the subscriber has ended for that reason only
                raise

    async def offer(self, event: Event, topic: str) -> bool:
        """
        Send `event` to one inbox if it has room now; return whether it had. Observers do not see the event.

        Raises `anyio.BrokenResourceError` as `publish` does.
        """
        try:
            self._outlets[type(event), topic].send_nowait(event)
        except anyio.WouldBlock:
            self._bus.overflowed.add(topic)
            return False
        except anyio.BrokenResourceError:
            await checkpoint()  # as above
            raise
        return True

    def close(self) -> None:
        """Publish no more. Idempotent."""
        for outlet in self._outlets.values():
            outlet.close()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class Observer:
    """A copy of all events from now on. `missed` counts the events that a slow reader lost."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._events: deque[Event] = deque(maxlen=OBSERVER_BUFFER)
        self._there = anyio.Event()
        self._ended = False
        self.missed = 0

    def put(self, event: Event) -> None:
        """Add a copy of an event; never waits."""
        if len(self._events) == OBSERVER_BUFFER:
            self.missed += 1
        self._events.append(event)
        self._there.set()

    def end(self) -> None:
        """End after the events that are buffered."""
        self._ended = True
        self._there.set()

    async def __aiter__(self) -> AsyncIterator[Event]:
        try:
            while True:
                while self._events:
                    yield self._events.popleft()
                if self._ended:
                    return
                self._there = anyio.Event()
                await self._there.wait()
        finally:
            self._bus.forget(self)


class Bus:
    """Connects publishers to subscribers. `capacity`: the events that fit into an inbox before its publishers wait."""

    def __init__(self, clock: Clock, capacity: int = 256) -> None:
        self._clock = clock
        self._capacity = capacity
        self._inlets: dict[tuple[type[Event], str], MemoryObjectSendStream[Any]] = {}
        self._opened: list[Inbox[Any] | Publisher] = []
        self._observers: list[Observer] = []
        self._closed = False
        self.overflowed: set[str] = set()
        """Topics whose inbox had no room for an offered event; their stages read the journal and remove themselves."""

    def subscribe(self, *types: type[E], topic: str = "") -> Inbox[E]:
        """Open an inbox for `types` under `topic`: the only one for them, and before their publishers are opened."""
        if taken := [kind.__name__ for kind in types if (kind, topic) in self._inlets]:
            raise LookupError(f"{', '.join(taken)} for {topic!r} has a subscriber already")
        send, receive = anyio.create_memory_object_stream[Any](self._capacity)
        for kind in types:
            self._inlets[kind, topic] = send.clone()
        send.close()
        inbox = Inbox[E](receive)
        self._opened.append(inbox)
        return inbox

    def publisher(self, *types: type[Event], topics: Iterable[str] = ("",)) -> Publisher:
        """Open a publisher of `types` to `topics`. Raises `LookupError` for a type and topic without a subscriber."""
        wanted = [(kind, topic) for kind in types for topic in topics]
        if unheard := [f"{kind.__name__} for {topic!r}" for kind, topic in wanted if (kind, topic) not in self._inlets]:
            raise LookupError(f"no stage subscribes to {', '.join(unheard)}")
        publisher = Publisher(self, {key: self._inlets[key].clone() for key in wanted})
        self._opened.append(publisher)
        return publisher

    def seal(self) -> None:
        """Declare that all publishers are open: from now on an inbox ends when its last publisher closes."""
        for inlet in self._inlets.values():
            inlet.close()

    def observe(self) -> Observer:
        """Observe all events from now on. An observer of a closed bus ends at once."""
        observer = Observer(self)
        if self._closed:
            observer.end()
        else:
            self._observers.append(observer)
        return observer

    def stamp(self, event: E) -> E:
        """Set the time of an event that was not published before; return the event."""
        if event.at is UNPUBLISHED:
            force_setattr(event, "at", self._clock.now())
        return event

    def notice(self, event: Event) -> None:
        """Stamp `event`, and show it to the observers only."""
        self.stamp(event)
        for observer in self._observers:
            observer.put(event)

    def forget(self, observer: Observer) -> None:
        """Remove an observer."""
        if observer in self._observers:
            self._observers.remove(observer)

    def close(self) -> None:
        """Close every inbox and publisher, and end the observers. Idempotent."""
        self._closed = True
        self.seal()
        for opened in self._opened:
            opened.close()
        for observer in self._observers:
            observer.end()
