"""
The event bus: in-process, typed, bounded, ordered; loud when it breaks, and quiet to its observers.

Subscribers (stages of the flow) get every event of their types in order, and a full inbox makes the publisher wait:
that is the back-pressure. When the last publisher of what an inbox hears has closed, the inbox ends, and with it the
stage that reads it: that is the shutdown. Observers get copies and never make anybody wait; a slow one loses the
oldest and is told how many.

What is on the bus can always be rebuilt from the journal, so a crash may take all of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Generic, TypeVar

import anyio
from anyio.lowlevel import checkpoint
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from connector.events import Event

__all__ = ["Bus", "Inbox", "Observer", "Publisher"]

E = TypeVar("E", bound=Event)

OBSERVER_BUFFER = 10_000
"""Events kept for an observer that is busy: a few megabytes, and minutes of a busy shop."""


class Inbox(Generic[E]):
    """What one stage hears, in order: `take` what there is; it ends by itself."""

    def __init__(self, stream: MemoryObjectReceiveStream[E]) -> None:
        self._stream = stream

    async def take(self, most: int) -> list[E]:
        """Wait for an event; return it and up to `most` - 1 that are there already. An empty list is the end."""
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
        """How many events are in it."""
        return self._stream.statistics().current_buffer_used

    def close(self) -> None:
        """Stop listening; from now on a publisher that sends here fails."""
        self._stream.close()

    def __enter__(self) -> Inbox[E]:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


class Publisher:
    """The right to publish some types of events. Closing it (it is a context manager) ends it."""

    def __init__(self, bus: Bus, outlets: dict[tuple[type[Event], str], MemoryObjectSendStream[Any]]) -> None:
        self._bus = bus
        self._outlets = outlets

    async def publish(self, event: Event, *topics: str) -> None:
        """
        Send `event` to the inboxes for its type and `topics`, waiting while one is full; observers get a copy.

        Raises `anyio.BrokenResourceError` when the stage that should hear it is gone: nothing is dropped in silence.
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
                await checkpoint()  # where everything is being cancelled, the stage is gone for that reason only
                raise

    async def offer(self, event: Event, topic: str) -> bool:
        """
        Send `event` to one inbox if it has room now, and tell whether it had. Observers do not see it.

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
    """A copy of everything that happens, from now on. `missed` counts what a slow reader lost."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._events: deque[Event] = deque(maxlen=OBSERVER_BUFFER)
        self._there = anyio.Event()
        self._ended = False
        self.missed = 0

    def put(self, event: Event) -> None:
        """Take a copy in; never waits."""
        if len(self._events) == OBSERVER_BUFFER:
            self.missed += 1
        self._events.append(event)
        self._there.set()

    def end(self) -> None:
        """Let the reader finish what is there, and stop."""
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
    """Where the stages meet. `capacity` is how many events an inbox holds before its publishers wait."""

    def __init__(self, capacity: int = 256) -> None:
        self._capacity = capacity
        self._inlets: dict[tuple[type[Event], str], MemoryObjectSendStream[Any]] = {}
        self._opened: list[Inbox[Any] | Publisher] = []
        self._observers: list[Observer] = []
        self._closed = False
        self.overflowed: set[str] = set()
        """Topics to which something was offered in vain; their stages look into the journal and take themselves out."""

    def subscribe(self, *types: type[E], topic: str = "") -> Inbox[E]:
        """Open an inbox for `types` under `topic`: one subscriber each, opened before its publishers."""
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
        """Open the right to publish `types` to `topics`. Publishing to nobody is a mistake of the wiring."""
        wanted = [(kind, topic) for kind in types for topic in topics]
        if unheard := [f"{kind.__name__} for {topic!r}" for kind, topic in wanted if (kind, topic) not in self._inlets]:
            raise LookupError(f"nobody subscribes to {', '.join(unheard)}")
        publisher = Publisher(self, {key: self._inlets[key].clone() for key in wanted})
        self._opened.append(publisher)
        return publisher

    def seal(self) -> None:
        """All publishers are open: from now on an inbox ends when its last one closes."""
        for inlet in self._inlets.values():
            inlet.close()

    def observe(self) -> Observer:
        """Start to observe; what happened before is not seen. An observer of a closed bus ends at once."""
        observer = Observer(self)
        if self._closed:
            observer.end()
        else:
            self._observers.append(observer)
        return observer

    def notice(self, event: Event) -> None:
        """Show `event` to the observers only."""
        for observer in self._observers:
            observer.put(event)

    def forget(self, observer: Observer) -> None:
        """Stop showing things to `observer`."""
        if observer in self._observers:
            self._observers.remove(observer)

    def close(self) -> None:
        """End everything. Idempotent."""
        self._closed = True
        self.seal()
        for opened in self._opened:
            opened.close()
        for observer in self._observers:
            observer.end()
