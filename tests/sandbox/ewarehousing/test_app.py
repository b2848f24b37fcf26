"""The stand-in for eWarehousing accepts documented requests and refuses all others."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from connector.sandbox.ewarehousing.app import EwarehousingStandIn
from tests.sandbox.ewarehousing.calls import CREATE, ORDERS, Clock, call, client, order, without


async def test_the_seeds_create() -> None:
    """The response has the seed's fields and values; the next order has the next number."""
    standin = EwarehousingStandIn(now=Clock())
    async with client(standin) as session:
        status, created = await call(session, "POST", ORDERS, CREATE)
        _, other = await call(session, "POST", ORDERS, order(2))
    assert status == 201
    assert created == {
        "id": created["id"],
        "created_at": "2026-04-17T14:36:42+00:00",
        "requested_delivery_date": "2026-04-18T00:00:00+00:00",
        "customer": "be62c27e-2aac-4ac1-902e-f770d64f8dce",
        "external_reference": "WEB-10001",
        "external_id": "order-10001",
        "po_number": "PO-841612",
        "reference": "ORD00000005939",
        "status": "created",
        "shipping_method": "9eb93dd6-6929-4b91-8419-8a619a72905b",
        "language": "en",
        "note": "Leave the parcel at the front desk.",
        "customer_note": "Gift order",
        "order_amount": 4599,
        "assured_amount": 4599,
        "currency": "EUR",
    }
    assert other["reference"] == "ORD00000005940"
    assert standin.created == [CREATE, order(2)]
    assert list(standin.orders) == [created["id"], other["id"]]
    assert [found["id"] for found in standin.by_external_id("order-10001")] == [created["id"]]


async def test_a_single_order_shows_the_groups_that_are_asked_for() -> None:
    """A single order has the fields of a create; lines, address, documents and metadata only with `expand`."""
    async with client(EwarehousingStandIn()) as session:
        _, created = await call(session, "POST", ORDERS, CREATE)
        path = f"{ORDERS}{created['id']}/"
        assert await call(session, "GET", path) == (200, created)

        expand = "shipping_address,order_lines,documents,meta_data,order_line_meta_data,serial_numbers"
        _, full = await call(session, "GET", path, expand=expand)
        assert full["shipping_address"] == {
            **CREATE["shipping_address"],
            "contact_person": "Warehouse Team",
            "email_address": "outbound@example.com",
        }
        line = full["order_lines"][0]
        assert line.pop("variant")["article_code"] == "default_variant_b_id"
        assert line == {
            "quantity": 2,
            "description": "Blue T-shirt size M",
            "serial_numbers": [],
            "meta_data": {"gift_wrap": "true"},
        }
        assert (full["documents"], full["meta_data"]) == ([], CREATE["meta_data"])

        _, plain = await call(session, "GET", path, expand="order_lines")
        assert sorted(plain["order_lines"][0]) == ["description", "quantity", "variant"]
        assert (await call(session, "GET", path, expand="lines"))[0] == 400
        assert (await call(session, "GET", f"{ORDERS}nothing/"))[0] == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (order(customer="be62c27e"), "customer"),
        (without("external_reference"), "externalReference"),
        (without("order_lines"), "orderLines"),
        (without("shipping_address"), "shippingAddress"),
        (without("shipping_contactperson"), "shippingContactperson"),
        (without("requested_delivery_date"), "requestedDeliveryDate"),
        (order(external_reference=""), "externalReference"),
        (order(external_id=5), "externalId"),
        (order(po_number=None), "poNumber"),
        (order(order_lines=[]), "orderLines"),
        (order(order_lines={}), "orderLines"),
        (order(order_amount=45.99), "orderAmount"),
        (order(assured_amount="4599"), "assuredAmount"),
        (order(assured_amount=True), "assuredAmount"),
        (order(inco_terms="EXW"), "incoTerms"),
        (order(currency="eur"), "currency"),
        (order(shipping_method="express"), "shippingMethod"),
        (order(requested_delivery_date="2026-04-18T00:00:00Z"), "requestedDeliveryDate"),
        (order(requested_delivery_date="2026-02-30"), "requestedDeliveryDate"),
        (order(meta_data={"Sales": "web"}), "metaData.Sales"),
        (order(meta_data={"sales": {}}), "metaData.sales"),
        (order(documents=[{"title": "slip"}]), "documents.0.file"),
    ],
)
async def test_a_create_that_is_not_documented_is_refused(body: Any, field: str) -> None:
    """Only documented keys of the right type, with all required keys; reasons come numbered and by field."""
    standin = EwarehousingStandIn()
    async with client(standin) as session:
        status, content = await call(session, "POST", ORDERS, body)
    assert (status, list(content), sorted(content["errors"])) == (400, ["errors"], ["0", field])
    assert content["errors"][field] == [content["errors"]["0"]]
    assert (standin.orders, standin.created) == ({}, [])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"quantity": 0}, "quantity"),
        ({"quantity": 1.5}, "quantity"),
        ({"quantity": "2"}, "quantity"),
        ({"price": "22.99"}, "price"),
        ({"description": ""}, "description"),
        ({"article_code": ""}, "articleCode"),
        ({"article_code": "#999"}, "articleCode"),
        ({"sku": "#117"}, "sku"),
        ({"meta_data": {"Gift": "yes"}}, "metaData.Gift"),
    ],
)
async def test_a_line_that_is_not_documented_is_refused(changes: dict[str, Any], field: str) -> None:
    """A quantity is an integer, a price a number, and an article must exist."""
    standin = EwarehousingStandIn(articles={"default_variant_b_id"})
    async with client(standin) as session:
        assert (await call(session, "POST", ORDERS, order(1)))[0] == 201
        line = {**CREATE["order_lines"][0], **changes}
        status, content = await call(session, "POST", ORDERS, order(2, order_lines=[CREATE["order_lines"][0], line]))
    assert (status, sorted(content["errors"])) == (400, ["0", f"orderLines.1.{field}"])
    assert len(standin.created) == 1


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"zipcode": ""}, 400),
        ({"zipcode": "", "country": "HK"}, 201),
        ({"country": "NLD"}, 400),
        ({"country": "nl"}, 400),
        ({"country": ["NL"]}, 400),
        ({"street_number": 27}, 400),
        ({"contact_person": "Warehouse Team"}, 400),
        ({"addressed_to": ""}, 400),
        ({"invalid": True, "state": "ZH"}, 201),
    ],
)
async def test_addresses(changes: dict[str, Any], status: int) -> None:
    """A zipcode is required except in countries without postal codes; a country has two letters; numbers are text."""
    async with client(EwarehousingStandIn()) as session:
        address = {**CREATE["shipping_address"], **changes}
        assert (await call(session, "POST", ORDERS, order(shipping_address=address)))[0] == status
        del address["street"]
        assert (await call(session, "POST", ORDERS, order(2, shipping_address=address)))[0] == 400


async def test_a_reference_that_exists_is_refused_in_the_vendors_words() -> None:
    """A cancelled order keeps its reference; without this rule the second order is a duplicate."""
    async with client(EwarehousingStandIn()) as session:
        _, created = await call(session, "POST", ORDERS, CREATE)
        assert (await call(session, "PATCH", f"{ORDERS}{created['id']}/cancel/"))[0] == 204
        assert await call(session, "POST", ORDERS, CREATE) == (
            400,
            {"errors": {"0": "Reference is not unique", "externalReference": ["Reference is not unique"]}},
        )
    careless = EwarehousingStandIn(unique_reference=False)
    async with client(careless) as session:
        for _ in range(2):
            assert (await call(session, "POST", ORDERS, CREATE))[0] == 201
    assert len(careless.by_external_id("order-10001")) == 2


async def test_an_update_changes_what_it_names() -> None:
    """Lines are replaced, metadata and address merged key by key; the identity cannot be changed."""
    standin = EwarehousingStandIn()
    async with client(standin) as session:
        _, created = await call(session, "POST", ORDERS, CREATE)
        path = f"{ORDERS}{created['id']}/"
        lines = [{"article_code": "other", "description": "Red", "quantity": 3, "price": 2299}]
        body = {"note": "No", "meta_data": {"priority": "high"}, "shipping_address": {"city": "Gent"}}
        assert await call(session, "PATCH", path, {**body, "order_lines": lines}) == (
            200,
            {
                "id": created["id"],
                "external_reference": "WEB-10001",
                "external_id": "order-10001",
                "po_number": "PO-841612",
                "status": "created",
                "note": "No",
                "shipping_method": created["shipping_method"],
            },
        )
        _, full = await call(session, "GET", path, expand="order_lines,meta_data,shipping_address")
        assert [line["variant"]["article_code"] for line in full["order_lines"]] == ["other"]
        assert full["meta_data"] == {"sales_channel": "webshop", "priority": "high"}
        assert (full["shipping_address"]["city"], full["shipping_address"]["zipcode"]) == ("Gent", "3331MB")

        for refused in (
            {"external_id": "x"},
            {"order_lines": [{"quantity": 3}]},
            {"shipping_address": {"zipcode": ""}},
        ):
            assert (await call(session, "PATCH", path, refused))[0] == 400
        standin.orders[created["id"]]["status"] = "processing"
        assert (await call(session, "PATCH", path, {"note": "late"}))[0] == 400
    assert standin.orders[created["id"]]["note"] == "No"


@pytest.mark.parametrize(
    ("status", "answer"), [("created", 204), ("planned", 204), ("invalid_address", 204), ("shipped", 400)]
)
async def test_an_order_is_cancelled_while_it_is_open(status: str, answer: int) -> None:
    """An order can be cancelled once, in the three documented statuses, with an empty response."""
    standin = EwarehousingStandIn()
    async with client(standin) as session:
        _, created = await call(session, "POST", ORDERS, CREATE)
        standin.orders[created["id"]]["status"] = status
        path = f"{ORDERS}{created['id']}/cancel/"
        assert (await call(session, "PATCH", path))[0] == answer
        assert (await call(session, "PATCH", path))[0] == 400
        assert standin.orders[created["id"]]["status"] == ("cancelled" if answer == 204 else status)
        assert (await call(session, "PATCH", f"{ORDERS}nothing/cancel/"))[0] == 404


async def test_documents() -> None:
    """A base64 file is added, listed, found by id, and shown with its order."""
    pdf = {"file": base64.b64encode(b"%PDF-1.7 ...").decode(), "title": "my_label", "quantity": 1, "order_price": 115}
    async with client(EwarehousingStandIn()) as session:
        _, created = await call(session, "POST", ORDERS, order(documents=[pdf]))
        path = f"{ORDERS}{created['id']}/documents/"
        status, added = await call(session, "POST", path, {**pdf, "title": "slip", "shipping_label": True})
        assert (status, added) == (
            201,
            {"id": added["id"], "title": "slip", "mime_type": "application/pdf", "quantity": 1},
        )
        _, documents = await call(session, "GET", path)
        assert [document["title"] for document in documents] == ["my_label", "slip"]
        assert await call(session, "GET", f"{path}{added['id']}/") == (200, added)
        assert (await call(session, "GET", f"{path}nothing/"))[0] == 404
        _, full = await call(session, "GET", f"{ORDERS}{created['id']}/", expand="documents")
        assert full["documents"][1] == {**added, "is_shipping_label": True, "order_price": 115}
        for refused in ({**pdf, "file": "not base64!"}, {"title": "x"}, {**pdf, "mime_type": "text/plain"}):
            assert (await call(session, "POST", path, refused))[0] == 400
