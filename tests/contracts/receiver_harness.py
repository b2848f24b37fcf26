"""The test bench of the receivers' contract: the receiver, its vendor, and faults on the line between them."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal

import msgspec
import pytest

from connector.order import Address, Contact, Customer, Line, Order, Totals
from connector.receivers.base import Delivery, Receiver

__all__ = ["EXAMPLE", "Call", "Harness", "ReceiverBench", "Vendor", "mutated"]

Call = Literal["login", "find", "create"]

ADDRESS = Address(
    company="Voorbeeld B.V.",
    first_name="Jan",
    last_name="de Vries",
    street="Keizersgracht",
    number="100",
    postal_code="1015AA",
    city="Amsterdam",
    country="NL",
    email="jan@example.com",
    phone="+31201234567",
)
EXAMPLE = Order(
    source="shop",
    order_id="20106",
    reference="WEB-20106",
    created_at=datetime(2026, 3, 24, 9, 26, 7, tzinfo=UTC),
    currency="EUR",
    language="NL",
    customer=Customer(id="174112", name="Voorbeeld B.V."),
    contact=Contact(name="Jan de Vries", email="customer@example.com"),
    delivery_address=ADDRESS,
    invoice_address=ADDRESS,
    lines=(
        Line(line_id="1", sku="#117", name="voorbeeld artikel", quantity=Decimal(2), unit_price=Decimal("49.99")),
        Line(line_id="2", sku="8712345678906", name="tweede", quantity=Decimal(1), unit_price=Decimal("5.99")),
    ),
    totals=Totals(excluding_tax=Decimal("105.97"), including_tax=Decimal("128.22"), tax=Decimal("22.25")),
    notes="Ring twice.",
    requested_delivery_date=date(2026, 3, 27),
    metadata={"paymentMethod": "rekening"},
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Vendor:
    """The behaviour of the vendor where its documents leave it open."""

    fuzzy: bool = False
    """A look-up lists orders that start with the external id, too."""
    first_page: int = 1
    up: bool = True
    """False: nothing listens at its address."""


class Harness(ABC):
    """One receiver and the vendor at the other end of a real socket."""

    receiver: Receiver

    @property
    @abstractmethod
    def secrets(self) -> tuple[str, ...]:
        """The texts that no error may hold: passwords, keys, and the tokens in use."""

    @abstractmethod
    def ids(self, external_id: str) -> list[str]:
        """Return the ids of the records that the vendor holds under exactly this external id."""

    @abstractmethod
    def put(self, external_id: str, *, cancelled: bool = False) -> str:
        """Let the vendor hold another record, which did not come from us; return its id."""

    @abstractmethod
    def requests(self, call: Call) -> int:
        """Return how many requests of this kind reached the vendor."""

    @abstractmethod
    def lose(self, call: Call, *, applied: bool) -> None:
        """Let the next call of this kind end without an answer, after or before it was applied."""

    @abstractmethod
    def answer(
        self, call: Call, status: int, body: bytes = b"", *, applied: bool = False, times: int = 1, echo: bool = False
    ) -> None:
        """
        Answer the next `times` calls of this kind so, a 429 with `Retry-After: 7`.

        `applied` carries the call out first; `echo` adds all that was sent, headers and body, to the answer.
        """

    @abstractmethod
    def refusal(self, reason: str) -> bytes:
        """Return the body of a 400 that gives `reason`, as this vendor writes it."""

    def created(self, external_id: str) -> bytes:
        """Return the body of a successful create of `external_id`; empty if the vendor's answer does not name it."""
        return b""

    def order(self, order_id: str) -> Order:
        """Return an order that the vendor will take."""
        return msgspec.structs.replace(EXAMPLE, order_id=order_id, reference=f"WEB-{order_id}")

    def delivery(self, order: Order) -> Delivery:
        """Return `order` as the pipeline hands it over."""
        return Delivery(order.external_id, msgspec.json.encode(self.receiver.default(order)))


class ReceiverBench(ABC):
    """The receiver under test, its vendor's abilities, and a factory for both."""

    receiver: ClassVar[type[Any]]
    can_find: ClassVar[bool] = True
    """True if the receivers that `make` yields have a look-up; a test compares it with their traits."""
    logs_in: ClassVar[bool] = True
    """True if calls carry a token that can be renewed."""
    refuses_duplicates: ClassVar[bool] = True
    """True if the vendor refuses a second record of one external id."""
    reads_answers: ClassVar[bool] = True
    """True if a create's response must hold a value: an id, at least."""
    first_pages: ClassVar[tuple[int, ...]] = (1,)
    """The numbers that the first page of a look-up may have."""

    @abstractmethod
    def make(self, vendor: Vendor) -> AbstractAsyncContextManager[Harness]:
        """Serve `vendor` and point a fresh receiver at it."""

    def needs_find(self) -> None:
        """Skip the test for a receiver without look-up."""
        if not self.can_find:
            pytest.skip("has no look-up")

    def calls(self) -> list[Call]:
        """Return the kinds of call that the receiver makes for an order."""
        return ["create", "find"] if self.can_find else ["create"]

    async def do(self, harness: Harness, call: Call) -> object:
        """Make one such call for order 1, whose external id is `shop-1`."""
        if call == "find":
            return await harness.receiver.find("shop-1")
        return await harness.receiver.create(harness.delivery(harness.order("1")))

    async def create(self, harness: Harness, order_id: str) -> str:
        """Create an order and return the vendor's id of it."""
        return (await harness.receiver.create(harness.delivery(harness.order(order_id)))).id


def mutated() -> Iterator[Order]:
    """Yield the example order with each part missing, and with each part hostile."""
    yield from _each(EXAMPLE)
    assert EXAMPLE.delivery_address is not None
    for address in _each(EXAMPLE.delivery_address):
        yield msgspec.structs.replace(EXAMPLE, delivery_address=address)
    for line in _each(EXAMPLE.lines[0]):
        yield msgspec.structs.replace(EXAMPLE, lines=(line,))
    for totals in _each(EXAMPLE.totals):
        yield msgspec.structs.replace(EXAMPLE, totals=totals)


def _each(struct: Any) -> Iterator[Any]:
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        odd = _hostile(value)
        if not field.required and field.default is not msgspec.NODEFAULT:
            odd.append(field.default)
        for other in odd:
            yield msgspec.structs.replace(struct, **{field.name: other})


def _hostile(value: Any) -> list[Any]:
    if isinstance(value, str):
        return ["", " ", "\x00\x1b[31m\r\n", "\ud800", "💥" * 2000, "${jndi:x}"]
    if isinstance(value, Decimal):
        return [Decimal(text) for text in ("0", "-1", "1.5", "NaN", "-Infinity", "1E+400000000", "1E-400000000")]
    if isinstance(value, datetime):
        return [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
    if isinstance(value, dict):
        return [{}, {"": "", "Ä ö": "x", "a b": "\x00"}]
    return []
