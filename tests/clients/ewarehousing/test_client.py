"""The client of eWarehousing: single orders, documents and shipments, and its constructor (seed 004)."""

from __future__ import annotations

from typing import Any

import pytest

from connector.clients.ewarehousing.client import EXPAND
from connector.clients.ewarehousing.requests import AddressChange, UpdateOrder
from connector.clients.ewarehousing.settings import PRODUCTION
from connector.errors import InDoubtError, RejectedError
from connector.receivers.ewarehousing.receiver import EwarehousingClient
from connector.receivers.ewarehousing.settings import EwarehousingSettings
from connector.sandbox.server import Fault
from connector.settings.values import Secret, Url
from tests.clients.ewarehousing.bench import DOCUMENTS, ORDERS, PDF, client, request, scripted

ACCESS: dict[str, Any] = {"username": "u", "password": "p-p-p-p", "wms_code": "DEV", "customer_code": "C"}


async def test_one_order_with_all_of_its_groups() -> None:
    """The created order comes back with its lines, address and metadata; without `expand` they are None."""
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
    """A 200 with another server's log-in page leaves the result open."""
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
    """For any number of orders, each shipment comes once, with its tracking (vendors.md, section 4)."""
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
    """A filter that the vendor ignores, or compares by prefix, returns other orders, too."""
    rows = [{"id": "1", "order_external_reference": "WEB-10"}, {"id": 2, "order_external_reference": ["WEB-1", "X"]}]
    async with scripted() as (made, vendor):
        vendor.listing = lambda _query: rows
        assert [one.id for one in await made.shipments(["WEB-1"])] == ["2"]


def test_it_is_made_of_settings_or_of_keywords() -> None:
    """A receiver's settings, or the same as plain keyword arguments; never both, and never half of them."""
    settings = EwarehousingSettings(username="u", password=Secret("p"), wms_code="D", customer_code="C")
    assert EwarehousingClient(settings).endpoint.name == "ewarehousing"
    made = EwarehousingClient(**ACCESS, timeout="5s", rate_limit="60/min", concurrency=2, name="mine")
    assert made.endpoint.name == "mine"
    assert str(made.endpoint.url(ORDERS)) == f"{PRODUCTION}{ORDERS}"
    typed = EwarehousingClient(**{**ACCESS, "password": Secret("p")}, base_url=Url("https://x.example"))
    assert str(typed.endpoint.url(ORDERS)) == f"https://x.example{ORDERS}"
    with pytest.raises(TypeError):
        EwarehousingClient(settings, username="u")
    with pytest.raises(TypeError):
        EwarehousingClient()
    with pytest.raises(TypeError, match="user"):
        EwarehousingClient(user="x")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"wms_code": "a\r\nb"}, "wms_code"),
        ({"username": ""}, "username"),
        ({"password": 5}, "a secret is a text"),
        ({"base_url": "http://example.com"}, "https"),
        ({"timeout": "soon"}, "duration"),
        ({"rate_limit": "fast"}, "rate"),
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
    """The generic Documents resource, which the seed names as the replacement of the deprecated one."""
    async with scripted() as (made, vendor):
        vendor.script("GET", f"{DOCUMENTS}7/", (200, {"id": 7, "title": "x"}))
        assert (await made.document("7")).id == "7"
