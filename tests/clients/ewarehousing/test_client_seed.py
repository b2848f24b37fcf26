"""Every example of seed 004, as it stands there, through the client."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec

from connector.clients.ewarehousing.client import EXPAND
from connector.clients.ewarehousing.requests import CreateOrder, NewDocument, UpdateOrder, encoded
from tests.clients.ewarehousing.bench import DOCUMENTS, ORDERS, PDF, scripted
from tests.clients.ewarehousing.seed import (
    CREATE,
    CREATED,
    DOCUMENT,
    DOCUMENT_LIST,
    LIST,
    NEW_DOCUMENT,
    RETRIEVE,
    UPDATE,
    UPDATED,
)


async def test_list_all_orders() -> None:
    """Seed 004, "List all orders": the example's query, with its filters, and the example's answer."""
    async with scripted() as (client, vendor):
        vendor.script("GET", ORDERS, (200, LIST))
        (order,) = await client.list(external_reference="WEB-10001", status="created", limit=10)

    (call,) = vendor.sent(ORDERS)
    assert call.query == {"external_reference": "WEB-10001", "status": "created", "limit": "10"}
    assert (call.headers["X-Wms-Code"], call.headers["X-Customer-Code"]) == ("DEV", "C-1")
    assert call.headers["Authorization"] == "Bearer token-1"
    assert "Expand" not in call.headers
    assert order.id == "f9c392ac-6335-4828-85e2-fae7f82ff636"
    assert (order.external_reference, order.external_id) == ("WEB-10001", "order-10001")
    assert (order.po_number, order.reference, order.status) == ("841612", "ORD00000000001", "created")
    assert order.order_lines is None
    assert order.shipping_address is None


async def test_retrieve_an_order() -> None:
    """Seed 004, "Retrieve an order": every field of the example's answer is read."""
    path = f"{ORDERS}e710389a-5505-49d4-9b99-8314f3543427/"
    async with scripted() as (client, vendor):
        vendor.script("GET", path, (200, RETRIEVE))
        order = await client.get("e710389a-5505-49d4-9b99-8314f3543427", expand=EXPAND)

    (call,) = vendor.sent(path)
    asked = "shipping_address,order_lines,documents,meta_data,order_line_meta_data,serial_numbers"
    assert {*call.headers["Expand"].split(",")} == {*asked.split(","), "variants"}
    shown = msgspec.to_builtins(order)
    assert order.shipping_address is not None
    assert order.order_lines is not None
    assert order.documents is not None
    for name, value in msgspec.json.decode(RETRIEVE).items():
        if name not in ("shipping_address", "order_lines", "documents", "order_amount", "assured_amount"):
            assert shown[name] == value, name
    assert (order.order_amount, order.assured_amount) == (Decimal(4599), Decimal(4599))
    assert (order.contact_person, order.email) == ("Warehouse Team", "outbound@example.com")
    address = msgspec.to_builtins(order.shipping_address)
    assert address.items() >= msgspec.json.decode(RETRIEVE)["shipping_address"].items()
    (line,) = order.order_lines
    assert line.article.article_code == "default_variant_b_id"
    assert line.quantity == 7
    assert line.codes == {"default_variant_b_id"}
    assert (line.description, line.serial_numbers) == ("Blue T-shirt size M", ["SN-0001", "SN-0002"])
    assert line.pairs == {"gift_wrap": "true"}
    (document,) = order.documents
    assert (document.title, document.mime_type) == ("packing-slip.pdf", "application/pdf")
    assert document.quantity == 1
    assert document.is_shipping_label is False
    assert document.order_price == 0


async def test_create_an_order() -> None:
    """Seed 004, "Create an order": the example's body goes out as it is, also when it is made of structs."""
    async with scripted() as (client, vendor):
        vendor.script("POST", ORDERS, (201, CREATED), (201, CREATED))
        created = await client.create(CREATE)
        await client.create(msgspec.json.decode(CREATE, type=CreateOrder))

    as_bytes, as_struct = vendor.sent(ORDERS)
    assert as_bytes.body == CREATE
    assert msgspec.json.decode(as_struct.body) == msgspec.json.decode(CREATE)
    assert as_struct.headers["Content-Type"] == "application/json"
    assert (created.id, created.reference) == ("8faf6cd6-28e7-4e44-a258-4e927d8e680c", "ORD00000005939")
    assert created.order_amount == 4599


async def test_update_an_order() -> None:
    """Seed 004, "Update an order": only set fields are sent, and the short response is read."""
    path = f"{ORDERS}774bf6ee-90cf-11e9-b36d-0242ac120005/"
    async with scripted() as (client, vendor):
        vendor.script("PATCH", path, (200, UPDATED))
        change = msgspec.json.decode(UPDATE, type=UpdateOrder)
        updated = await client.update("774bf6ee-90cf-11e9-b36d-0242ac120005", change)

    (call,) = vendor.sent(path)
    assert call.method == "PATCH"
    assert msgspec.json.decode(call.body) == msgspec.json.decode(UPDATE)
    assert (updated.status, updated.note) == ("created", "Leave the parcel at the neighbors if needed.")


async def test_cancel_an_order() -> None:
    """Seed 004, "Cancel an order": a PATCH without a body, whose empty answer is not parsed."""
    path = f"{ORDERS}774bf6ee-90cf-11e9-b36d-0242ac120005/cancel/"
    async with scripted() as (client, vendor):
        vendor.script("PATCH", path, (204, b""))
        await client.cancel("774bf6ee-90cf-11e9-b36d-0242ac120005")

    (call,) = vendor.sent(path)
    assert (call.method, call.body) == ("PATCH", b"")


async def test_list_all_order_documents() -> None:
    """Seed 004, "List all order documents"."""
    path = f"{ORDERS}184c47d4-d3ee-4412-b156-ce5a4518d641/documents/"
    async with scripted() as (client, vendor):
        vendor.script("GET", path, (200, DOCUMENT_LIST))
        (document,) = await client.documents("184c47d4-d3ee-4412-b156-ce5a4518d641")

    assert document.id == "8067cdfb-cb22-4490-902d-a9863f38f76f"
    assert (document.title, document.mime_type) == ("customs_file_en.pdf", "application/pdf")
    assert document.quantity == 1


async def test_retrieve_an_order_document() -> None:
    """Seed 004, "Retrieve an order document": the deprecated route, and the one that the seed names instead."""
    old = f"{ORDERS}184c47d4-d3ee-4412-b156-ce5a4518d641/documents/af7c1fe6-d669-414e-b066-e9733f0de7a8/"
    new = f"{DOCUMENTS}af7c1fe6-d669-414e-b066-e9733f0de7a8/"
    async with scripted() as (client, vendor):
        vendor.script("GET", old, (200, DOCUMENT))
        vendor.script("GET", new, (200, DOCUMENT))
        deprecated = await client.order_document(
            "184c47d4-d3ee-4412-b156-ce5a4518d641", "af7c1fe6-d669-414e-b066-e9733f0de7a8"
        )
        assert await client.document("af7c1fe6-d669-414e-b066-e9733f0de7a8") == deprecated

    assert deprecated.title == "customs_file.pdf"


async def test_add_a_document_to_an_order() -> None:
    """Seed 004, "Add a document to an order": the example's keys, with the file in base64."""
    path = f"{ORDERS}3f2a00b4-ce1d-473b-bacb-e6e12303244b/documents/"
    async with scripted() as (client, vendor):
        vendor.script("POST", path, (201, DOCUMENT))
        added = await client.add_document(
            "3f2a00b4-ce1d-473b-bacb-e6e12303244b",
            title="my_label",
            content=PDF,
            quantity=1,
            order_price=115,
            shipping_label=False,
        )

    (call,) = vendor.sent(path)
    sent = msgspec.json.decode(call.body)
    assert sent.pop("file") == "JVBERi0xLjQgYSBsYWJlbA=="
    assert sent == {key: value for key, value in msgspec.json.decode(NEW_DOCUMENT).items() if key != "file"}
    assert encoded(msgspec.json.decode(NEW_DOCUMENT, type=NewDocument))
    assert added.title == "customs_file.pdf"


def test_the_update_knows_the_keys_of_the_seed() -> None:
    """Seed 004, "Update an order": its attributes are those of a create but for the identity, and none is required."""
    identity = {"external_reference", "external_id"}
    assert {*UpdateOrder.__struct_fields__} == {*CreateOrder.__struct_fields__} - identity
    assert msgspec.json.decode(b"{}", type=UpdateOrder) == UpdateOrder()
    assert (
        encoded(UpdateOrder(requested_delivery_date=date(2026, 4, 18))) == b'{"requested_delivery_date":"2026-04-18"}'
    )
