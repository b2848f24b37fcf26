"""
A client of eWarehousing Solutions' middleware: every documented call on orders, their documents and shipments.

Seed 004; vendors.md, section 4 for the log-in, the headers and the shipments. It can be used on its own::

    async with EwarehousingClient(username="...", password="...", wms_code="DEV", customer_code="...") as client:
        async for order in client.scan(status="created"):
            print((await client.get(order.id, expand=EXPAND)).order_lines)

Methods raise only the errors of `connector.errors`, and `ValueError` for invalid arguments, before any call. A call is
repeated only if its token had expired; after five failures in a row the calls pause (`TransientError`), as everywhere
in the connector. After an `InDoubtError`, read before you repeat.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from decimal import Decimal
from types import TracebackType
from typing import Literal, TypeVar, Unpack

import msgspec

from connector.clients.ewarehousing.paging import MOST_PAGES, PAGE_SIZE, Filters, Query, filtered, paged
from connector.clients.ewarehousing.requests import CreateOrder, NewDocument, UpdateOrder, encoded
from connector.clients.ewarehousing.responses import DocumentRecord, OrderRecord, ShipmentRecord, row_id
from connector.clients.ewarehousing.settings import EwarehousingAccess
from connector.clients.ewarehousing.transport import NotFound, Transport
from connector.clock import Clock, SystemClock
from connector.http.endpoint import Answer, segment
from connector.http.reported_failure import in_utf8
from connector.settings.model import EndpointSettings
from connector.settings.values import Rate, Secret

__all__ = ["EXPAND", "EwarehousingClient", "Filters", "NotFound"]

ORDERS = "/wms/orders/"
"""With its trailing slash, as all of them: otherwise the call is redirected, and a redirected POST loses its body."""
DOCUMENTS = "/wms/documents/"
SHIPMENTS = "/wms/shipments/"

EXPAND = (
    "shipping_address",
    "order_lines",
    "documents",
    "serial_numbers",
    "variants",
    "meta_data",
    "order_line_meta_data",
)
"""All groups of a single order; a list has none (vendors.md, section 4)."""
SHIPMENT_EXPAND = ("shipment_lines", "shipment_labels", "shipping_method")

MOST_REFERENCES = 20
"""External references in one call: the address stays short enough for any gateway."""

_rows = msgspec.json.Decoder(list[msgspec.Raw])
_order = msgspec.json.Decoder(OrderRecord)
_orders = msgspec.json.Decoder(list[OrderRecord])
_document = msgspec.json.Decoder(DocumentRecord)
_documents = msgspec.json.Decoder(list[DocumentRecord])
_shipments = msgspec.json.Decoder(list[ShipmentRecord])

R = TypeVar("R", OrderRecord, ShipmentRecord, DocumentRecord)
Orders = list[OrderRecord]
Documents = list[DocumentRecord]
Shipments = list[ShipmentRecord]


class EwarehousingClient:
    """
    Calls the middleware for one customer at one warehouse.

    Takes `settings` (a receiver's, a source's, or `EwarehousingAccess`), or the same as keyword arguments:
    `EwarehousingClient(username=..., password=..., wms_code=..., customer_code=...)`. Optional are `base_url` (the
    European production address if left out), `timeout` ("10s"), `concurrency` and `rate_limit` ("60/min"). `name` is
    the name by which errors call it.

    Raises:
        ValueError: a value is missing or wrong; the text names its key and shows no value.
        TypeError: both settings and keyword arguments were given, or neither.
    """

    def __init__(
        self,
        settings: EndpointSettings | None = None,
        *,
        name: str = "ewarehousing",
        clock: Clock | None = None,
        base_url: str | None = None,
        username: str | None = None,
        password: str | Secret | None = None,
        wms_code: str | None = None,
        customer_code: str | None = None,
        timeout: float | str | None = None,
        concurrency: int | None = None,
        rate_limit: str | Rate | None = None,
    ) -> None:
        given = (base_url, username, password, wms_code, customer_code, timeout, concurrency, rate_limit)
        if (settings is not None) is any(value is not None for value in given):
            raise TypeError("give either settings, or username, password, wms_code and customer_code")
        if settings is not None:
            access = EwarehousingAccess.of(settings)
        else:
            access = EwarehousingAccess.parsed(
                base_url=base_url,
                username=username,
                password=password,
                wms_code=wms_code,
                customer_code=customer_code,
                timeout=timeout,
                concurrency=concurrency,
                rate_limit=rate_limit,
            )
        self._transport = Transport(name, access, clock or SystemClock())
        self.endpoint = self._transport.endpoint

    async def __aenter__(self) -> EwarehousingClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    def rotate_secrets(self, settings: EndpointSettings) -> None:
        """Log in with the user and password of `settings` from the next call on."""
        self._transport.rotate_secrets(EwarehousingAccess.of(settings))

    async def aclose(self) -> None:
        """Release the connections. Idempotent."""
        await self.endpoint.aclose()

    async def list(
        self,
        *,
        limit: int | None = None,
        page: int | None = None,
        direction: Literal["asc", "desc"] | None = None,
        sort: Literal["createdAt", "status", "modifiedAt", "requestedDeliveryDate"] | None = None,
        **filters: Unpack[Filters],
    ) -> Orders:
        """
        Return one page of the list, newest first by default; `GET /wms/orders/`.

        The vendor's own default is a `limit` of 50. The documents do not state whether `page` counts from 0 or 1:
        `scan` reads all pages either way. Lists show neither lines nor addresses.
        """
        shape = {"limit": limit, "page": page, "direction": direction, "sort": sort}
        query = filtered(filters) + [(name, str(value)) for name, value in shape.items() if value is not None]
        return _decoded(await self._transport.read(ORDERS, query), _orders)

    async def scan(
        self, *, page_size: int = PAGE_SIZE, **filters: Unpack[Filters]
    ) -> AsyncGenerator[OrderRecord, None]:
        """
        Yield every order that passes the filters, once each, oldest first; see `paged`.

        Raises `EndlessList`, a `TransientError`, if the end of the list is uncertain. Close the generator (`aclosing`)
        if you leave it early.
        """
        async with aclosing(self.pages(page_size=page_size, **filters)) as pages:
            async for page in pages:
                for order in page:
                    yield order

    def pages(
        self, *, page_size: int = PAGE_SIZE, most: int = MOST_PAGES, **filters: Unpack[Filters]
    ) -> AsyncGenerator[Orders, None]:
        """As `scan`, page by page, and at most `most` pages."""

        async def read(query: Query) -> Sequence[tuple[str, OrderRecord]]:
            return [(order.id, order) for order in _decoded(await self._transport.read(ORDERS, query), _orders)]

        return paged(read, filtered(filters), size=page_size, most=most)

    def raw_pages(
        self, *, page_size: int = PAGE_SIZE, **filters: Unpack[Filters]
    ) -> AsyncGenerator[Sequence[bytes], None]:
        """As `pages`, each row in the vendor's own bytes, so that an unreadable one does not lose its page."""

        async def read(query: Query) -> Sequence[tuple[str, bytes]]:
            answer = await self._transport.read(ORDERS, query)
            return [(row_id(bytes(row)), bytes(row)) for row in answer.decode(_rows)]

        return paged(read, filtered(filters), size=page_size)

    async def raw_page(
        self, *, limit: int, page: int | None = None, **filters: Unpack[Filters]
    ) -> Sequence[tuple[str, bytes]]:
        """Return one page, oldest first: the id of each row, and the row in the vendor's own bytes."""
        query = [*filtered(filters), ("limit", str(limit)), ("sort", "createdAt"), ("direction", "asc")]
        answer = await self._transport.read(ORDERS, query if page is None else [*query, ("page", str(page))])
        return [(row_id(bytes(row)), bytes(row)) for row in answer.decode(_rows)]

    async def get(self, order_id: str, *, expand: Sequence[str] = ()) -> OrderRecord:
        """Return one order with the groups of `expand` (see `EXPAND`). Raises `NotFound`."""
        answer = await self._transport.read(_path(order_id), one=True, expand=expand)
        record = answer.decode(_order)
        if not record.id:
            raise answer.unusable("no id")
        return record

    async def get_raw(self, order_id: str, *, expand: Sequence[str] = ()) -> bytes:
        """As `get`, in the vendor's own bytes. Raises `TransientError` for a body that is not the order of that id."""
        answer = await self._transport.read(_path(order_id), one=True, expand=expand)
        if row_id(answer.body) != order_id:
            raise answer.unusable("not the requested order")
        return answer.body

    async def create(self, order: CreateOrder | bytes) -> OrderRecord:
        """
        Create an order; `bytes` are sent as they are. `POST /wms/orders/`.

        Only a 200 or 201 with the new id is a success. Raises `RejectedError`, with `duplicate` if the reference
        exists.
        """
        body = order if isinstance(order, bytes) else encoded(order)
        answer = await self._transport.write("POST", ORDERS, body)
        if answer.status not in (200, 201):
            raise answer.unusable("neither 200 nor 201")
        record = answer.decode(_order)
        if not record.id:
            raise answer.unusable("no id")
        return record

    async def update(self, order_id: str, change: UpdateOrder) -> OrderRecord:
        """
        Change an order; `PATCH /wms/orders/:id/`. The response shows only a few fields.

        `order_lines` replace all lines of the order. Raises `NotFound`, `RejectedError`.
        """
        answer = await self._transport.write("PATCH", _path(order_id), encoded(change), one=True)
        return answer.decode(_order)

    async def cancel(self, order_id: str) -> None:
        """
        Cancel an order; `PATCH /wms/orders/:id/cancel/`.

        The vendor allows it while the order is created, planned or invalid_address, and returns no body. Raises
        `NotFound`, `RejectedError`.
        """
        answer = await self._transport.write("PATCH", f"{_path(order_id)}cancel/", None, one=True)
        if in_utf8(answer.body).lstrip().startswith(b"<"):
            raise answer.unusable("a page")

    async def documents(self, order_id: str) -> Documents:
        """Return the documents of an order, without their content. Raises `NotFound`."""
        return _decoded(await self._transport.read(f"{_path(order_id)}documents/", one=True), _documents)

    async def document(self, document_id: str) -> DocumentRecord:
        """Return one document; `GET /wms/documents/:id/`. Raises `NotFound`."""
        return (await self._transport.read(f"{DOCUMENTS}{segment(document_id)}/", one=True)).decode(_document)

    async def order_document(self, order_id: str, document_id: str) -> DocumentRecord:
        """As `document`, by the route that the vendor has deprecated (seed 004)."""
        path = f"{_path(order_id)}documents/{segment(document_id)}/"
        return (await self._transport.read(path, one=True)).decode(_document)

    async def add_document(
        self,
        order_id: str,
        *,
        title: str,
        content: bytes,
        quantity: int | None = None,
        shipping_label: bool | None = None,
        order_price: int | Decimal | None = None,
    ) -> DocumentRecord:
        """
        Add a document to an order, to be printed `quantity` times; `POST /wms/orders/:id/documents/`.

        Doing it twice adds it twice. Raises `NotFound`, `RejectedError`.
        """
        file = base64.b64encode(content).decode()
        new = NewDocument(
            file=file, title=title, quantity=quantity, order_price=order_price, shipping_label=shipping_label
        )
        answer = await self._transport.write("POST", f"{_path(order_id)}documents/", encoded(new), one=True)
        record = answer.decode(_document)
        if not record.id:
            raise answer.unusable("no id")
        return record

    async def shipments(
        self, external_references: Sequence[str], *, expand: Sequence[str] = SHIPMENT_EXPAND
    ) -> Shipments:
        """Return the shipments of the orders with exactly these external references; `GET /wms/shipments/`."""
        found: dict[str, ShipmentRecord] = {}
        wanted = list(dict.fromkeys(external_references))

        async def read(query: Query) -> Sequence[tuple[str, ShipmentRecord]]:
            answer = await self._transport.read(SHIPMENTS, query, expand=expand)
            return [(one.id, one) for one in _decoded(answer, _shipments)]

        for start in range(0, len(wanted), MOST_REFERENCES):
            asked = wanted[start : start + MOST_REFERENCES]
            key = "order_external_reference" if len(asked) == 1 else "order_external_reference[]"
            async with aclosing(paged(read, [(key, reference) for reference in asked])) as pages:
                async for page in pages:
                    found |= {one.id: one for one in page if not {*asked}.isdisjoint(one.references)}
        return [*found.values()]


def _path(order_id: str) -> str:
    return f"{ORDERS}{segment(order_id)}/"


def _decoded(answer: Answer, rows: msgspec.json.Decoder[list[R]]) -> list[R]:
    """Return the rows of a list; one without an id makes the list unusable, since it cannot be named."""
    records = answer.decode(rows)
    if not all(record.id for record in records):
        raise answer.unusable("a row without id")
    return records
