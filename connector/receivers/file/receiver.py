"""Files as a receiver: JSON lines or CSV, one file that is appended to or a new one for each batch, each order once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar, get_args

import anyio
import msgspec
from anyio import to_thread

from connector.clock import Clock
from connector.errors import ConnectorError, EndpointError, InDoubtError, RejectedError, TransientError
from connector.http.endpoint import Endpoint
from connector.http.rate_limit import RateLimiter
from connector.mapping.plain import PlainOrder, partial_plain, plain_order
from connector.order import Order
from connector.receivers.base import Delivery, Receipt, ReceiverTraits
from connector.receivers.file.columns import Kind, defaults
from connector.receivers.file.disk import Disk
from connector.receivers.file.rows import LARGEST, CsvRows, JsonLines, Rows
from connector.receivers.file.settings import BatchSettings, FileSettings
from connector.receivers.file.store import Store
from connector.settings.model import ReceiverSettings

__all__ = ["FileReceiver"]

T = TypeVar("T")


class Waiting(NamedTuple):
    """A line that waits to be written, and the future of its create."""

    external_id: str
    record: bytes
    done: asyncio.Future[Receipt]


class FileReceiver:
    """
    Writes orders to a file, or to a file for each batch, and looks them up there. Implements `Receiver`.

    All creates that arrive while a group is being written form the next group, which is one write. With `hand_over:
    rename` a group waits until it is a batch. An order that is or was in a file is refused as a duplicate, so none is
    written twice. `endpoint` makes no calls; its breaker pauses the receiver while the disk is full.
    """

    settings: ClassVar[type[ReceiverSettings]] = FileSettings
    request: ClassVar[type[msgspec.Struct]] = PlainOrder

    def __init__(self, name: str, settings: FileSettings, clock: Clock, *, disk: Disk | None = None) -> None:
        self.name = name
        self.endpoint = Endpoint(name, "", settings, clock)
        self.traits = ReceiverTraits(can_find=True, account=settings.path, accepts_cancelled=True)
        self._clock = clock
        self._timeout = float(settings.timeout)
        self._pace = RateLimiter(settings.rate_limit, clock)
        self._rows = _rows(settings)
        batches = settings.hand_over == "rename"
        self.store = Store(
            Path(settings.path),
            self._rows,
            daily=settings.rotate == "daily",
            batches=batches,
            follow=settings.hand_over == "follow",
            mode=int(settings.mode, 8),
            disk=disk,
        )
        self._batch = settings.batch if batches else None
        self._most = min(settings.batch.orders, settings.concurrency)
        """The largest number of orders that can wait at once: a batch of that size is not waited for any longer."""
        self._more = asyncio.Event()
        self._waiting: list[Waiting] = []
        self._writer: asyncio.Task[None] | None = None

    def default(self, order: Order) -> PlainOrder:
        """Map `order` to its plain form, see `connector.mapping.plain`. Raises `Unmappable` and nothing else."""
        return plain_order(order)

    def partial(self, order: Order) -> dict[str, Any]:
        """Map an order as far as possible, see `SupportsPartialMapping`."""
        return partial_plain(order)

    async def find(self, external_id: str) -> Receipt | None:
        """Look up an order in the files, and in the handover log for files taken away; see `Receiver.find`."""
        return await self._in_thread(partial(self.store.find, external_id, self._now()))

    async def newest(self, limit: int) -> Sequence[tuple[str, Receipt]]:
        """Return the last orders of the newest file; see `SupportsNewest.newest` and `Store.newest`."""
        return await self._in_thread(partial(self.store.newest, limit, self._now()))

    async def create(self, delivery: Delivery) -> Receipt:
        """
        Write the order; return once it is on the disk, in a file at its place. See `Receiver.create`.

        Raises `TransientError` if the disk is full, or another process has the file; a started write was undone.
        """
        record = self._rows.written(delivery)
        if len(record) >= LARGEST:
            raise RejectedError(f"the order has {len(record)} bytes; the file takes up to {LARGEST}")
        self._guard()
        await self._pace.wait()
        waiting = Waiting(delivery.external_id, record, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._more.set()
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write(), name=f"write to {self.name}")
        with anyio.move_on_after(self._timeout) as scope:
            return await waiting.done
        assert scope.cancelled_caught, "nothing else ends the block"  # noqa: S101
        raise self._count(InDoubtError(f"{self.name}: it was not on the disk within {self._timeout:g} s"))

    async def check(self) -> str:
        """Prove that the file can be written, without creating or changing it; return one line for the operator."""
        return await to_thread.run_sync(self.store.look, self._now())

    async def aclose(self) -> None:
        """Wait for the current write, and close the file. Idempotent."""
        if self._writer is not None:
            await asyncio.wait([self._writer])
        await to_thread.run_sync(self.store.close)
        await self.endpoint.aclose()

    async def _write(self) -> None:
        """Write group after group, until no order waits."""
        while self._waiting:
            group = await self._gathered()
            orders = [(each.external_id, each.record) for each in group]
            results: list[Receipt | RejectedError] | Exception
            try:
                results = await to_thread.run_sync(self.store.append, orders, self._now())
                self._count(None)
            except ConnectorError as exc:
                results = self._count(exc)
            except Exception as exc:  # noqa: BLE001 - a fault of ours; each caller takes it for what it is
                results = exc
            except asyncio.CancelledError:
                _settle(group, InDoubtError(f"{self.name} was stopped while it wrote"))
                raise
            _settle(group, results)

    async def _gathered(self) -> list[Waiting]:
        """Return the next group: all waiting orders, or a batch once it is complete."""
        batch = self._batch
        if batch is not None:
            with anyio.move_on_after(float(batch.age)):
                while len(self._waiting) < self._most and sum(len(each.record) for each in self._waiting) < batch.size:
                    self._more.clear()
                    await self._more.wait()
        waiting = [each for each in self._waiting if not each.done.done()]  # the others were cancelled
        group = waiting if batch is None else _fitting(waiting, batch)
        self._waiting = waiting[len(group) :]
        return group

    async def _in_thread(self, call: Callable[[], T]) -> T:
        """Run a call of the files in a worker thread; return its result."""
        self._guard()
        with anyio.move_on_after(self._timeout) as scope:
            try:
                answer = await to_thread.run_sync(call, abandon_on_cancel=True)
            except ConnectorError as exc:
                self._count(exc)
                raise
            self._count(None)
            return answer
        assert scope.cancelled_caught, "nothing else ends the block"  # noqa: S101
        raise self._count(TransientError(f"{self.name}: the file could not be read within {self._timeout:g} s"))

    def _guard(self) -> None:
        if (wait := self.endpoint.breaker.wait()) > 0:
            raise TransientError(f"{self.name} is paused: {self.endpoint.breaker.reason}", retry_after=wait)

    def _count(self, exc: ConnectorError | None) -> ConnectorError:
        """Report the result of a call to the breaker."""
        if isinstance(exc, TransientError | InDoubtError | EndpointError):
            self.endpoint.breaker.failed(str(exc), hopeless=isinstance(exc, EndpointError))
        else:
            self.endpoint.breaker.succeeded()
        return exc or ConnectorError()

    def _now(self) -> datetime:
        return self._clock.now().astimezone(UTC)


def _fitting(waiting: list[Waiting], batch: BatchSettings) -> list[Waiting]:
    """Return the first of the waiting orders that make one file."""
    size = 0
    for number, each in enumerate(waiting[: batch.orders], start=1):
        size += len(each.record)
        if size >= batch.size:
            return waiting[:number]
    return waiting[: batch.orders]


def _settle(group: list[Waiting], results: list[Receipt | RejectedError] | Exception) -> None:
    each: list[Receipt | RejectedError] | list[Exception]
    each = [results] * len(group) if isinstance(results, Exception) else results
    for waiting, result in zip(group, each, strict=True):
        if waiting.done.done():
            continue
        if isinstance(result, Exception):
            waiting.done.set_exception(result)
        else:
            waiting.done.set_result(result)


def _rows(settings: FileSettings) -> Rows:
    if settings.format == "jsonl":
        return JsonLines()
    per_line = settings.rows == "line"
    each = settings.formulas
    formulas = {kind: each if isinstance(each, str) else getattr(each, kind) for kind in get_args(Kind)}
    return CsvRows(settings.columns or defaults(per_line=per_line), per_line=per_line, formulas=formulas)
