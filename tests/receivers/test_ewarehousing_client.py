"""The client of eWarehousing: what it asks, what it reads, and what it makes of refusals (seed 004)."""

from __future__ import annotations

import json
from contextlib import aclosing
from datetime import date
from typing import Any

import msgspec
import pytest

from connector.errors import AuthError, EndpointError, InDoubtError, RejectedError, TransientError
from connector.receivers.ewarehousing import EwarehousingClient, EwarehousingSettings, NotFound
from connector.receivers.ewarehousing_access import PRODUCTION
from connector.receivers.ewarehousing_answers import DocumentRecord, LineRecord, OrderRecord, ShipmentRecord, Variant
from connector.receivers.ewarehousing_client import EXPAND
from connector.receivers.ewarehousing_reads import EndlessList
from connector.receivers.ewarehousing_wire import AddressChange, UpdateOrder
from connector.sandbox.standin import Fault
from connector.settings.values import Secret, Url
from tests.receivers.ewarehousing_bench import CREATED, LISTED
from tests.receivers.ewarehousing_client_bench import DOCUMENTS, ORDERS, PDF, client, request, scripted

ACCESS: dict[str, Any] = {"username": "u", "password": "p-p-p-p", "wms_code": "DEV", "customer_code": "C"}


async def test_every_filter_reaches_the_vendor() -> None:
    """All documented parameters of the list, each as the documents write its value."""
    async with scripted() as (made, vendor):
        await made.list(
            reference="ORD1",
            external_reference="WEB-1 & 2",
            external_id="order-1",
            status="created",
            is_business_to_business=False,
            requested_delivery_date_gte=date(2026, 4, 18),
            limit=10,
            page=0,
            direction="asc",
            sort="requestedDeliveryDate",
        )

    assert vendor.sent(ORDERS)[0].query == {
        "reference": "ORD1",
        "external_reference": "WEB-1 & 2",
        "external_id": "order-1",
        "status": "created",
        "is_business_to_business": "false",
        "requested_delivery_date_gte": "2026-04-18",
        "limit": "10",
        "page": "0",
        "direction": "asc",
        "sort": "requestedDeliveryDate",
    }


async def test_a_filter_that_does_not_exist_is_never_sent() -> None:
    """The vendor may ignore it and show everything, which no caller means."""
    wrong: dict[str, Any] = {"externalId": "order-1"}
    async with scripted() as (made, vendor):
        with pytest.raises(TypeError, match="externalId"):
            await made.list(**wrong)

    assert vendor.calls == []


async def test_the_filters_narrow_the_list() -> None:
    """The stand-in shows what was asked for."""
    async with client() as (made, standin):
        for number in (1, 2, 3):
            await made.create(request(number))
        (second,) = await made.list(external_reference="WEB-2")
        standin.move(second.id, "planned")
        assert [order.external_id for order in await made.list(status="planned")] == ["order-2"]
        assert [order.external_id for order in await made.list(requested_delivery_date_gte="2027-01-01")] == []


@pytest.mark.parametrize("page_base", [0, 1])
@pytest.mark.parametrize("count", [0, 4, 5, 6, 11])
async def test_a_scan_yields_every_order_once(page_base: int, count: int) -> None:
    """Whether pages count from 0 or 1, each order comes once, oldest first (vendors.md 6/004 #14, #15)."""
    async with client(page_base=page_base) as (made, _):
        for number in range(count):
            await made.create(request(number))
        found = [order.external_id async for order in made.scan(page_size=5)]

    assert sorted(found) == sorted(f"order-{number}" for number in range(count))


async def test_a_scan_is_not_shifted_by_new_orders() -> None:
    """Orders that come in while it goes on are at its end, and hide none of the others."""
    async with client() as (made, _):
        for number in range(6):
            await made.create(request(number))
        found = []
        async with aclosing(made.scan(page_size=2)) as scan:
            async for order in scan:
                if not found:
                    await made.create(request(99))
                found.append(order.external_id)

    assert {f"order-{number}" for number in range(6)} <= {*found}
    assert len(found) == len({*found})


async def test_a_scan_that_cannot_see_the_end_says_so() -> None:
    """A list that ignores `page` is no whole list, however often it is read."""
    async with scripted() as (made, vendor):
        vendor.listing = lambda _query: [LISTED | {"id": str(number)} for number in range(2)]
        found = []
        with pytest.raises(EndlessList):
            async for order in made.scan(page_size=2):
                found.append(order.id)  # noqa: PERF401 - what came before the error counts

    assert found == ["0", "1"]
    assert len(vendor.sent(ORDERS)) == 3


async def test_a_page_is_never_larger_than_the_vendor_surely_grants() -> None:
    """Were 100 asked for and 50 given, the first page would look like the last one."""
    async with client() as (made, _):
        with pytest.raises(ValueError, match="from 1 to 50"):
            _ = [order async for order in made.scan(page_size=51)]


async def test_one_order_with_all_of_its_groups() -> None:
    """What was created comes back with its lines, address and metadata; without `expand` they are None."""
    async with client() as (made, _):
        created = await made.create(request())
        bare, full = await made.get(created.id), await made.get(created.id, expand=EXPAND)
        raw = await made.get_raw(created.id)

    assert (bare.order_lines, bare.shipping_address, bare.documents, bare.meta_data) == (None, None, None, None)
    assert full.order_lines is not None
    assert [line.quantity for line in full.order_lines] == [2]
    assert full.contact_person == "Warehouse Team"
    assert full.pairs == {"sales_channel": "webshop", "priority": "normal"}
    assert created.id.encode() in raw


async def test_an_update_changes_what_it_names() -> None:
    """Lines are replaced as a whole, an address part by part, and the rest stays."""
    async with client() as (made, _):
        created = await made.create(request())
        line = request().order_lines[0]
        change = UpdateOrder(order_lines=(line, line), shipping_address=AddressChange(street_number="28"))
        await made.update(created.id, change)
        after = await made.get(created.id, expand=EXPAND)

    assert len(after.order_lines or ()) == 2
    assert after.shipping_address is not None
    assert (after.shipping_address.street, after.shipping_address.street_number) == ("Nijverheidsweg", "28")
    assert after.note == "Leave the parcel at the front desk."


@pytest.mark.parametrize(
    "change", [UpdateOrder(order_lines=()), UpdateOrder(meta_data={"Upper": "x"}), UpdateOrder(currency="euro")]
)
async def test_a_body_that_the_vendor_does_not_document_is_never_sent(change: UpdateOrder) -> None:
    """A struct takes whatever it is made with; the client looks before it calls."""
    async with scripted() as (made, vendor):
        with pytest.raises(ValueError):
            await made.update("1", change)

    assert vendor.calls == []


async def test_a_cancelled_order_is_cancelled() -> None:
    """The vendor answers nothing to it, and refuses it where it is too late."""
    async with client() as (made, standin):
        one, other = await made.create(request(1)), await made.create(request(2))
        standin.move(other.id, "processing")
        await made.cancel(one.id)
        assert (await made.get(one.id)).status == "cancelled"
        with pytest.raises(RejectedError, match="processing"):
            await made.cancel(other.id)


async def test_a_page_is_no_answer_to_a_cancel() -> None:
    """A 200 with somebody's log-in page leaves it open what was done."""
    async with client() as (made, standin):
        created = await made.create(request())
        standin.fault(Fault.HTML, on=lambda call: call.path.endswith("/cancel/"))
        with pytest.raises(InDoubtError):
            await made.cancel(created.id)


async def test_documents_go_and_come_back() -> None:
    """A document is listed after it was added, and is found by its own id on both routes."""
    async with client() as (made, _):
        created = await made.create(request())
        added = await made.add_document(created.id, title="label", content=PDF, quantity=2, shipping_label=True)
        assert await made.documents(created.id) == [added]
        document = await made.document(added.id)
        assert await made.order_document(created.id, added.id) == added

    assert (added.title, added.mime_type) == ("label", "application/pdf")
    assert added.quantity == 2
    assert document.is_shipping_label is True
    assert document.url.startswith("https://")


@pytest.mark.parametrize("page_base", [0, 1])
async def test_shipments_by_external_reference(page_base: int) -> None:
    """However many orders are asked for, each shipment comes once, with its tracking (vendors.md, section 4)."""
    async with client(page_base=page_base) as (made, standin):
        ids = [(await made.create(request(number))).id for number in range(65)]
        for number in range(60):
            standin.ship(ids[number], f"3S{number}")
        one = await made.shipments(["WEB-7"])
        many = await made.shipments([f"WEB-{number}" for number in range(5, 65)])
        none = await made.shipments([])

    assert [(s.order_id, s.references) for s in one] == [(ids[7], ("WEB-7",))]
    assert [label.tracking_code for label in one[0].shipment_labels or ()] == ["3S7"]
    assert [line.shipped_quantity for line in one[0].shipment_lines or ()] == [2]
    assert sorted(s.references for s in many) == sorted((f"WEB-{number}",) for number in range(5, 60))
    assert none == []
    asked = [call for call in standin.history if call.path == "/wms/shipments/"]
    assert {name for call in asked[1:] for name, _ in call.query} >= {"order_external_reference[]"}


async def test_shipments_of_other_orders_are_left_out() -> None:
    """A filter that the vendor ignores, or compares by its beginning, shows more than was asked for."""
    rows = [{"id": "1", "order_external_reference": "WEB-10"}, {"id": 2, "order_external_reference": ["WEB-1", "X"]}]
    async with scripted() as (made, vendor):
        vendor.listing = lambda _query: rows
        assert [one.id for one in await made.shipments(["WEB-1"])] == ["2"]


@pytest.mark.parametrize(
    "call",
    [
        lambda made: made.get("1"),
        lambda made: made.update("1", UpdateOrder(note="x")),
        lambda made: made.cancel("1"),
        lambda made: made.documents("1"),
        lambda made: made.document("1"),
        lambda made: made.order_document("1", "2"),
        lambda made: made.add_document("1", title="t", content=PDF),
    ],
)
async def test_what_is_not_there_is_not_found(call: Any) -> None:
    """A 404 about one id is about that id: nothing is paused, and the next call goes out."""
    async with client() as (made, _):
        with pytest.raises(NotFound):
            await call(made)
        assert await made.list() == []


async def test_a_page_that_is_not_there_is_a_wrong_address() -> None:
    """An HTML 404, and any 404 of a list, is of some other server than the middleware."""
    for method, path in (("GET", f"{ORDERS}1/"), ("GET", ORDERS)):
        async with scripted() as (made, vendor):
            vendor.script(method, path, (404, b"<html>nginx</html>"))
            with pytest.raises(EndpointError):
                await (made.list() if path == ORDERS else made.get("1"))


async def test_an_id_stays_an_id() -> None:
    """No id can reach another route: the cancel route is one segment away (faults.md 3, #22)."""
    async with scripted() as (made, vendor):
        vendor.listing = lambda _query: {"id": "1/cancel"}
        await made.get("1/cancel")
        for odd in ("..", "."):
            with pytest.raises(EndpointError):
                await made.get(odd)

    assert [call.path for call in vendor.calls[1:]] == [f"{ORDERS}1%2Fcancel/"]


@pytest.mark.parametrize("status", [400, 422])
async def test_a_refused_question_is_the_callers(status: int) -> None:
    """What the vendor says about a bad question reaches whoever asked, and pauses nothing."""
    async with scripted() as (made, vendor):
        vendor.script("GET", ORDERS, *[(status, {"message": "what is a status?"})] * 6)
        for _ in range(6):
            with pytest.raises(RejectedError, match=r"what is a status\?"):
                await made.list(status="x")


async def test_a_wrong_code_is_the_operators() -> None:
    """A refused header or customer code is no order's fault, on whatever call."""
    async with scripted() as (made, vendor):
        vendor.script("PATCH", f"{ORDERS}1/", (400, {"message": "Invalid customer"}))
        with pytest.raises(AuthError):
            await made.update("1", UpdateOrder(note="x"))


async def test_no_answer_holds_a_secret() -> None:
    """Should the vendor send our token or password back, the reason does not hold them."""
    async with scripted() as (made, vendor):
        vendor.script("PATCH", f"{ORDERS}1/", (400, {"message": "canary-password token-1 refresh-1 no"}))
        with pytest.raises(RejectedError) as caught:
            await made.update("1", UpdateOrder(note="x"))

    assert str(caught.value) == "*** *** *** no"


@pytest.mark.parametrize("answer", [b"", b"<html>", b"[]", b"5", b'{"id": {}}'])
async def test_an_answer_that_cannot_be_read(answer: bytes) -> None:
    """After a read: try again. After a write: nobody knows (faults.md 2.C)."""
    async with scripted() as (made, vendor):
        path = f"{ORDERS}1/"
        vendor.script("GET", path, (200, answer))
        vendor.script("PATCH", path, (200, answer))
        with pytest.raises(TransientError):
            await made.get("1")
        with pytest.raises(InDoubtError):
            await made.update("1", UpdateOrder(note="x"))


async def test_another_order_is_no_answer_where_bytes_are_kept() -> None:
    """What is kept as somebody's order must be that order."""
    async with scripted() as (made, vendor):
        vendor.script("GET", f"{ORDERS}1/", (200, CREATED))
        with pytest.raises(TransientError, match="not the order"):
            await made.get_raw("1")


def test_both_spellings_are_read() -> None:
    """Where the documents spell a name in two ways, either fills both attributes (vendors.md 6/004 #6)."""
    for pair in (("is_business_to_business", "business_to_business"), ("inco_terms", "incoterms")):
        for name in pair:
            value: Any = True if "business" in name else "DAP"
            order = read({name: value}, OrderRecord)
            assert [getattr(order, one) for one in pair] == [value, value]
    for name in ("is_shipping_label", "shipping_label"):
        document = read({name: False}, DocumentRecord)
        assert (document.is_shipping_label, document.shipping_label) == (False, False)
    for name in ("order_price", "orderPrice"):
        assert read({name: 115}, DocumentRecord).order_price == 115
    for name in ("meta_data", "order_line_meta_data"):
        assert read({name: {"a": "b"}}, LineRecord).pairs == {"a": "b"}
    for name in ("shipment_labels", "labels"):
        shipment = read({name: [{"tracking_code": "3S"}]}, ShipmentRecord)
        assert [label.tracking_code for label in shipment.shipment_labels or ()] == ["3S"]


def test_answers_are_read_with_an_open_mind() -> None:
    """Unknown fields, ids as numbers, null for nothing, an empty object as PHP writes it, a variant by its id."""
    order = read(
        {
            "id": 5,
            "external_id": None,
            "surprise": [{}],
            "meta_data": [],
            "shipping_address": None,
            "order_lines": [{"variant": "v-1", "quantity": "7", "serial_numbers": [12], "meta_data": {"n": 2**80}}],
        },
        OrderRecord,
    )
    assert (order.id, order.external_id, order.status) == ("5", "", "")
    assert (order.meta_data, order.pairs) == ({}, {})
    (line,) = order.order_lines or ()
    assert line.article == Variant(id="v-1")
    assert line.quantity == 7
    assert line.pairs == {"n": str(2**80)}


def read(content: Any, kind: Any) -> Any:
    """Return `content` as it is read off the wire; json writes 2**80, where msgspec does not."""
    return msgspec.json.decode(json.dumps(content), type=kind)


def test_it_is_made_of_settings_or_of_keywords() -> None:
    """A receiver's settings, or the same as plain keyword arguments; never both, and never half of them."""
    settings = EwarehousingSettings(username="u", password=Secret("p"), wms_code="D", customer_code="C")
    assert EwarehousingClient(settings).endpoint.name == "ewarehousing"
    assert EwarehousingClient(**ACCESS, timeout="5s", rate_limit="60/min", concurrency=2, name="mine").endpoint.url(
        ORDERS
    ).human_repr() == (f"{PRODUCTION}{ORDERS}")
    assert EwarehousingClient(**{**ACCESS, "password": Secret("p")}, base_url=Url("https://x.example")).endpoint
    with pytest.raises(TypeError):
        EwarehousingClient(settings, username="u")
    with pytest.raises(TypeError):
        EwarehousingClient()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"wms_code": "a\r\nb"}, "wms_code"),
        ({"username": ""}, "username"),
        ({"password": 5}, "a secret is a text"),
        ({"base_url": "http://example.com"}, "https"),
        ({"timeout": "soon"}, "duration"),
        ({"rate_limit": "fast"}, "rate"),
        ({"user": "x"}, "user"),
    ],
)
def test_a_wrong_keyword_is_named(changes: dict[str, Any], says: str) -> None:
    """A mistake is found before the first call, and the message holds no password."""
    with pytest.raises(ValueError, match=says) as caught:
        EwarehousingClient(**{**ACCESS, **changes})
    assert "p-p-p-p" not in str(caught.value)


def test_a_missing_keyword_is_named() -> None:
    """Half of the credentials are none."""
    with pytest.raises(ValueError, match="customer_code"):
        EwarehousingClient(username="u", password="p", wms_code="DEV")


async def test_it_closes_twice() -> None:
    """Leaving the block closes the connections; closing again is harmless."""
    async with client() as (made, _):
        await made.list()
    await made.aclose()


async def test_documents_of_their_own_route_use_the_documented_path() -> None:
    """The generic Documents resource, which the seed names for what it has deprecated."""
    async with scripted() as (made, vendor):
        vendor.script("GET", f"{DOCUMENTS}7/", (200, {"id": 7, "title": "x"}))
        assert (await made.document("7")).id == "7"
