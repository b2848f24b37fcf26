"""Files as a receiver: JSON lines or CSV, one that is appended to or a new one for each batch, each order once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar, get_args

import anyio
import msgspec
from anyio import to_thread
from msgspec import Meta

from connector.clock import Clock
from connector.errors import ConnectorError, EndpointError, InDoubtError, RejectedError, TransientError
from connector.http.endpoint import Endpoint
from connector.http.rate_limit import RateLimiter
from connector.mapping.plain import PlainOrder, partial_plain, plain_order
from connector.order import Order
from connector.receivers.base import Delivery, Receipt, ReceiverTraits
from connector.receivers.file.columns import Kind, defaults, problem
from connector.receivers.file.disk import Disk
from connector.receivers.file.rows import LARGEST, CsvRows, Formulas, JsonLines, Rows
from connector.receivers.file.store import Store
from connector.settings.model import ReceiverSettings
from connector.settings.paths import LOCAL_PATH
from connector.settings.values import Duration

__all__ = ["FileReceiver", "FileSettings"]

T = TypeVar("T")


class BatchSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a batch of orders becomes a file, for `hand_over: rename`: whichever comes first."""

    orders: Annotated[int, Meta(ge=1, le=256, description="This many orders.")] = 64
    size: Annotated[int, Meta(ge=1, description="This many bytes, or more with the order that reaches it.")] = 1_048_576
    age: Annotated[Duration, Meta(description="This long after its first order; shorter than the timeout.")] = Duration(
        1
    )


class FormulaSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of texts that a spreadsheet would take for a formula, by what their column holds."""

    phone: Annotated[Formulas, Meta(description="Columns of phone, mobile and fax numbers.")] = "escape"
    code: Annotated[Formulas, Meta(description="Columns of ids, article codes, references and the like.")] = "escape"
    text: Annotated[Formulas, Meta(description="All other columns.")] = "escape"


class FileSettings(ReceiverSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="file"):
    """A receiver of `type: file`."""

    writes: ClassVar[tuple[str, ...]] = ("path",)
    lists_newest: ClassVar[bool] = True

    path: Annotated[
        str, LOCAL_PATH, Meta(description="The file, relative to the settings file. Its folder must be there.")
    ]
    format: Literal["jsonl", "csv"] = "jsonl"
    rotate: Annotated[
        Literal["none", "daily"],
        Meta(description="daily: orders.jsonl becomes orders-2026-03-24.jsonl, by the UTC day of writing."),
    ] = "none"
    columns: Annotated[
        list[str],
        Meta(description="For csv: names such as customer.name or lines.0.sku, with rows: line also lines.sku."),
    ] = msgspec.field(default_factory=list)
    formulas: Annotated[
        Formulas | FormulaSettings,
        Meta(
            description="For csv: what becomes of a text that begins as a formula does, +31 20 1234567 for example. "
            "escape: an apostrophe comes before it; refuse: the order is refused; allow: it stays as it is."
        ),
    ] = "escape"
    rows: Annotated[
        Literal["order", "line"], Meta(description="For csv: a row for each order, or for each of its lines.")
    ] = "order"
    hand_over: Annotated[
        Literal["append", "follow", "rename"],
        Meta(
            description="append: one file, which a consumer takes away by renaming it. follow: one file that is never "
            "renamed, for a consumer that reads on as it grows (tail -F, a log shipper). rename: a new file for each "
            "batch (orders-20260324T092607Z-000001.jsonl), never changed once it is there."
        ),
    ] = "append"
    batch: Annotated[BatchSettings, Meta(description="For hand_over: rename; when a batch becomes a file.")] = (
        BatchSettings()
    )
    mode: Annotated[
        str,
        Meta(
            pattern=r"^0?[4-7][0-7]{2}$",
            description="The rights of a file that is made here, in quotes; its owner may read it, and append to it.",
            extra_json_schema={"x-form": '"0640"'},
        ),
    ] = "0600"
    concurrency: Annotated[int, Meta(ge=1, le=256, description="Orders that may share one write.")] = 64

    def __post_init__(self) -> None:
        if not self.path.isprintable() or Path(self.path).name in ("", "..") or self.path.endswith(("/", "/.")):
            raise ValueError("path: this is not the name of a file")

    def problems(self) -> list[tuple[str, str]]:
        """What is only for csv, a column that is there twice, and what goes only with one way of handing over."""
        return [*self._of_columns(), *self._of_hand_over()]

    def _of_hand_over(self) -> list[tuple[str, str]]:
        found = []
        if self.hand_over != "rename":
            if self.batch != BatchSettings():
                found.append(("batch", "this is for hand_over: rename"))
            if not int(self.mode, 8) & 0o200:
                found.append(("mode", "unless hand_over is rename, its owner has to be able to write it, as in 0640"))
            return found
        if self.rotate != "none":
            found.append(("rotate", "with hand_over: rename each batch is a file of its own"))
        if self.batch.age >= self.timeout:
            found.append(("batch.age", "an order waits for its batch, so this has to be shorter than the timeout"))
        return found

    def _of_columns(self) -> list[tuple[str, str]]:
        if self.format != "csv":
            wrong = [
                ("columns", bool(self.columns)),
                ("rows", self.rows != "order"),
                ("formulas", self.formulas != "escape"),
            ]
            return [(key, "this is for format: csv") for key, given in wrong if given]
        return [("columns", "the same column is there twice")] if len(set(self.columns)) < len(self.columns) else []

    def problems_with(self, mappings: Sequence[Any]) -> list[tuple[str, str]]:
        """Columns that no order has, as it comes from the routes' mappings; what a function returns, nobody knows."""
        if self.format != "csv" or any(isinstance(mapping, str) for mapping in mappings):
            return []
        own = {key for mapping in mappings if isinstance(mapping, dict) for key in mapping}
        if mappings and all(isinstance(each, dict) and each.get("defaults") is False for each in mappings):
            return self._unwritten(own - {"defaults"} | {"external_id"})
        if not self.columns and (more := own - {"defaults"} - set(PlainOrder.__struct_fields__)):
            return [("columns", f"name them; the mapping gives {', '.join(sorted(more))}, which have no column else")]
        found = [
            problem(column, per_line=self.rows == "line") for column in self.columns if column.split(".")[0] not in own
        ]
        return [("columns", text) for text in found if text]

    def _unwritten(self, given: set[str]) -> list[tuple[str, str]]:
        """Return what is wrong where a mapping gives these keys and nothing else."""
        listed = f"the mapping gives {', '.join(sorted(given))}"
        if not self.columns:
            return [("columns", f"name them, as defaults is false; {listed}")]
        if self.rows == "line" and "lines" not in given:
            return [("rows", f"there are no lines to have a row each; {listed}")]
        return [
            ("columns", f"{each!r} is no column; {listed}") for each in self.columns if each.split(".")[0] not in given
        ]


class Waiting(NamedTuple):
    """A line that waits to be written, and who waits for that."""

    external_id: str
    record: bytes
    done: asyncio.Future[Receipt]


class FileReceiver:
    """
    Writes orders to a file, or to one for each batch, and looks them up there. Implements `Receiver`.

    All creates that come while a group is being written are the next group: one write for all of them. With
    `hand_over: rename` a group waits until it is a batch. An order that is, or was, there already is refused as a
    duplicate, so none is there twice. `endpoint` makes no calls; it is there for its breaker, which pauses the receiver
    while the disk is full.
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
        """Orders that can wait at once: with these nothing more is to be waited for."""
        self._more = asyncio.Event()
        self._waiting: list[Waiting] = []
        self._writer: asyncio.Task[None] | None = None

    def default(self, order: Order) -> PlainOrder:
        """Map `order` to its plain form, see `connector.mapping.plain`. Raises `Unmappable` and nothing else."""
        return plain_order(order)

    def partial(self, order: Order) -> dict[str, Any]:
        """Map what can be mapped, see `SupportsPartialMapping`."""
        return partial_plain(order)

    async def find(self, external_id: str) -> Receipt | None:
        """Look an order up in the files, and in the record of those that were taken away; see `Receiver.find`."""
        return await self._asked(partial(self.store.find, external_id, self._now()))

    async def newest(self, limit: int) -> Sequence[tuple[str, Receipt]]:
        """Return the last orders of the file that was written last; see `SupportsNewest.newest` and `Store.newest`."""
        return await self._asked(partial(self.store.newest, limit, self._now()))

    async def create(self, delivery: Delivery) -> Receipt:
        """
        Write the order; return once it is on the disk, in a file at its place. See `Receiver.create`.

        `TransientError`: the disk is full, or another process has the file; what was begun was taken back.
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
        """Prove that the file can be written, without making or changing it; return one line for the operator."""
        return await to_thread.run_sync(self.store.look, self._now())

    async def aclose(self) -> None:
        """Wait for what is being written, and close the file. Idempotent."""
        if self._writer is not None:
            await asyncio.wait([self._writer])
        await to_thread.run_sync(self.store.close)
        await self.endpoint.aclose()

    async def _write(self) -> None:
        """Write group after group, until nobody waits."""
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
        """Return the next group: all that wait, or a batch once it is one."""
        batch = self._batch
        if batch is not None:
            with anyio.move_on_after(float(batch.age)):
                while len(self._waiting) < self._most and sum(len(each.record) for each in self._waiting) < batch.size:
                    self._more.clear()
                    await self._more.wait()
        waiting = [each for each in self._waiting if not each.done.done()]  # the others have been given up
        group = waiting if batch is None else _fitting(waiting, batch)
        self._waiting = waiting[len(group) :]
        return group

    async def _asked(self, question: Callable[[], T]) -> T:
        """Ask the files something in a worker thread; return the answer."""
        self._guard()
        with anyio.move_on_after(self._timeout) as scope:
            try:
                answer = await to_thread.run_sync(question, abandon_on_cancel=True)
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
        """Let the breaker know how a call went."""
        if isinstance(exc, TransientError | InDoubtError | EndpointError):
            self.endpoint.breaker.failed(str(exc), hopeless=isinstance(exc, EndpointError))
        else:
            self.endpoint.breaker.succeeded()
        return exc or ConnectorError()

    def _now(self) -> datetime:
        return self._clock.now().astimezone(UTC)


def _fitting(waiting: list[Waiting], batch: BatchSettings) -> list[Waiting]:
    """Return the first of those who wait that make one file."""
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
