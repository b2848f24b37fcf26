"""Changing an order at eWarehousing: when it is possible, and the decision after a lost response (seed 004)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from aiohttp import web

from connector.errors import ConflictError, InDoubtError, RejectedError, UnshownError
from connector.order import Document
from connector.receivers.base import Delivery, Receipt, SupportsAttachments, SupportsStatus, SupportsUpdate
from connector.receivers.ewarehousing.receiver import EwarehousingReceiver
from connector.sandbox.server import Fault
from tests.clients.ewarehousing.bench import ORDERS
from tests.doubles import EPOCH
from tests.receivers.ewarehousing.amend_bench import LATE, OPEN, delivery, lines, on, sent, warehouse
from tests.receivers.ewarehousing.bench import REQUEST, bench


def test_it_can_do_all_three() -> None:
    """The flow checks by the protocols which calls a receiver supports."""
    assert issubclass(EwarehousingReceiver, SupportsUpdate)
    assert issubclass(EwarehousingReceiver, SupportsAttachments)
    assert issubclass(EwarehousingReceiver, SupportsStatus)


@pytest.mark.parametrize("status", OPEN)
async def test_an_order_is_brought_to_its_new_form(status: str) -> None:
    """All lines are sent, the identity is not (it cannot change), and the receipt shows the later reading."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        standin.move(receipt.id, status)
        changed = await receiver.update(receipt, delivery(order_lines=lines(3, 1), note="Ring twice."))
        order = standin.orders[receipt.id]

    assert changed == Receipt(id=receipt.id, reference=receipt.reference, status=status)
    assert [(line["variant"]["article_code"], line["quantity"]) for line in order["order_lines"]] == [
        ("A-0", 3),
        ("A-1", 1),
    ]
    assert order["note"] == "Ring twice."
    (body,) = sent(standin, "PATCH")
    assert not {"external_reference", "external_id", "documents"} & body.keys()
    calls = [call.method for call in standin.history if call.path == f"{ORDERS}{receipt.id}/"]
    assert calls == ["GET", "PATCH", "GET"]


async def test_doing_it_again_changes_nothing() -> None:
    """An order that has the form already is read, and not written."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        for _ in range(3):
            await receiver.update(receipt, delivery(note="New."))

    assert len(sent(standin, "PATCH")) == 1


@pytest.mark.parametrize("part", ["price", "vat_number"])
async def test_what_no_answer_shows_is_sent_again(part: str) -> None:
    """A price or a VAT number cannot be compared, so that the change goes out."""
    changes: dict[str, Any] = {"order_lines": lines(2, price=100)} if part == "price" else {"vat_number": "NL1"}
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery(**changes))
        await receiver.update(receipt, delivery(**changes))

    assert len(sent(standin, "PATCH")) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"note": "other"},
        {"requested_delivery_date": "2026-04-19"},
        {"order_amount": 1},
        {"shipping_contactperson": "Other"},
        {"shipping_email": "other@example.com"},
        {"meta_data": {"priority": "high"}},
        {"shipping_address": REQUEST["shipping_address"] | {"street_number": "28"}},
        {"order_lines": lines(1)},
        {"order_lines": [REQUEST["order_lines"][0] | {"description": "other"}]},
        {"order_lines": [REQUEST["order_lines"][0] | {"meta_data": {"gift_wrap": "false"}}]},
        {"shipping_method": "9eb93dd6-6929-4b91-8419-8a619a72905c"},
    ],
)
async def test_every_difference_is_one(changes: dict[str, Any]) -> None:
    """Whatever part of the order is new, the change goes out once."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        await receiver.update(receipt, delivery(**changes))

    assert len(sent(standin, "PATCH")) == 1


@pytest.mark.parametrize("status", LATE)
async def test_a_late_change_is_rejected_with_the_status(status: str) -> None:
    """The status is read first, and nothing is sent (vendors.md 6/004 #10)."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        standin.move(receipt.id, status)
        with pytest.raises(RejectedError, match=f"ORD00000005939 is {status} and cannot be changed"):
            await receiver.update(receipt, delivery(note="New."))

    assert sent(standin, "PATCH") == []


async def test_an_order_that_moves_on_between_read_and_change() -> None:
    """The vendor refuses, and the reason names the status that it has by then."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())

        def moving(request: web.Request) -> bool:
            if request.method == "PATCH":
                standin.move(receipt.id, "processing")
            return False

        standin.fault(Fault.HANG, on=moving)
        with pytest.raises(RejectedError, match="is processing and cannot be changed"):
            await receiver.update(receipt, delivery(note="New."))


@pytest.mark.parametrize("applied", [True, False])
async def test_after_a_lost_answer_what_is_read_decides(applied: bool) -> None:
    """The loss is in doubt; called again, the change is repeated only if it is not there."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        standin.fault(Fault.LOSE_ANSWER if applied else Fault.LOSE_REQUEST, on=on("PATCH", f"{receipt.id}/"))
        with pytest.raises(InDoubtError):
            await receiver.update(receipt, delivery(note="New."))
        await receiver.update(receipt, delivery(note="New."))

    assert len(sent(standin, "PATCH")) == (1 if applied else 2)
    assert standin.orders[receipt.id]["note"] == "New."


@pytest.mark.fault(126)
@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.HTML, Fault.THROTTLE])
async def test_a_reading_that_fails_after_a_change_leaves_the_change_in_doubt(fault: Fault) -> None:
    """It is no proof that nothing was sent, so that a later reading has to be younger than the change."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())

        def after_the_change(request: web.Request) -> bool:
            return request.method == "GET" and bool(sent(standin, "PATCH"))

        standin.fault(fault, on=after_the_change)
        with pytest.raises(InDoubtError, match="was changed, and could not be read after that"):
            await receiver.update(receipt, delivery(note="New."))

    assert len(sent(standin, "PATCH")) == 1
    assert standin.orders[receipt.id]["note"] == "New."


async def test_a_change_that_was_applied_before_the_order_moved_on_is_done() -> None:
    """The response was lost and the warehouse has gone on: the order has the wanted form."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        standin.fault(Fault.LOSE_ANSWER, on=on("PATCH", f"{receipt.id}/"))
        with pytest.raises(InDoubtError):
            await receiver.update(receipt, delivery(note="New."))
        standin.move(receipt.id, "processing")
        assert (await receiver.update(receipt, delivery(note="New."))).status == "processing"


async def test_a_refused_change_keeps_the_vendors_reason() -> None:
    """An article that does not exist is for a person to read about."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        standin.articles = frozenset({"other"})
        with pytest.raises(RejectedError, match='Variant "A-0" was not found'):
            await receiver.update(receipt, delivery(order_lines=lines(1)))


async def test_lines_that_became_something_else_are_looked_at_again() -> None:
    """The reading after the change lacks the sent quantities (vendors.md 6/004 #16): it may be stale."""
    async with bench() as b:
        order = {"id": "1", "external_id": "order-1", "status": "created", "order_lines": []}
        b.vendor.script("GET", f"{ORDERS}1/", (200, order), (200, order))
        b.vendor.script("PATCH", f"{ORDERS}1/", (200, {"id": "1"}))
        with pytest.raises(UnshownError, match="its lines are not those that were sent") as unshown:
            await b.receiver.update(Receipt(id="1"), delivery())
        assert unshown.value.applied


@pytest.mark.fault(126)
@pytest.mark.parametrize("late", [True, False])
async def test_a_change_that_was_applied_and_not_shown_is_only_read_again(late: bool) -> None:
    """Shown by then or not, it is not sent a second time."""
    now = [EPOCH]
    async with warehouse(now=lambda: now[0], read_lag=20) as (receiver, standin):
        receipt = await receiver.create(delivery())
        now[0] += timedelta(seconds=60)
        changed = delivery(order_lines=lines(3, 1))
        with pytest.raises(UnshownError):
            await receiver.update(receipt, changed)
        now[0] += timedelta(seconds=10 if late else 60)
        again = msgspec.structs.replace(changed, applied=True)
        if late:
            with pytest.raises(UnshownError) as unshown:
                await receiver.update(receipt, again)
            assert unshown.value.applied
        else:
            await receiver.update(receipt, again)

    assert len(sent(standin, "PATCH")) == 1


@pytest.mark.fault(126)
async def test_a_new_order_that_is_not_shown_yet_is_looked_at_again() -> None:
    """A 404 about an order that was created just now proves nothing about it, nor about its documents."""
    now = [EPOCH]
    async with warehouse(now=lambda: now[0], read_lag=20) as (receiver, standin):
        receipt = await receiver.create(delivery())
        with pytest.raises(UnshownError, match="404") as unshown:
            await receiver.update(receipt, delivery(note="New."))
        assert not unshown.value.applied
        with pytest.raises(UnshownError, match="404"):
            await receiver.cancel(receipt)
        with pytest.raises(UnshownError, match="404"):
            await receiver.attach(receipt, [Document(title="label.pdf", content=b"%PDF")])

    assert sent(standin, "PATCH") == []
    assert standin.orders[receipt.id]["documents"] == []


@pytest.mark.parametrize(
    ("shown", "fine"),
    [
        ([{"variant": {"id": "v", "article_code": "a-0"}, "quantity": 5}], True),
        ([{"variant": {"id": "v", "ean": "A-0"}, "quantity": 5}], True),
        ([{"variant": {"id": "v", "article_code": "OTHER"}, "quantity": 5}], True),
        ([{"variant": {"id": "v", "article_code": "A-0"}, "quantity": q} for q in (2, 3)], True),
        ([{"variant": "v", "quantity": 2}, {"variant": "v", "quantity": 3}], True),
        ([{"variant": {"id": "v", "article_code": "A-0"}, "quantity": 4}], False),
        ([{"variant": {"id": "v", "article_code": "OTHER"}, "quantity": 4}], False),
        ([{"variant": "v", "quantity": 2}, {"variant": "w", "quantity": 3}], False),
        ([{"variant": {"id": "v", "article_code": "A-0"}, "quantity": 5}, {"variant": "w", "quantity": 1}], False),
        (None, False),
    ],
)
async def test_a_variant_may_show_another_code(shown: Any, fine: bool) -> None:
    """An EAN or SKU is resolved to an article that may not show it: then the quantities are compared."""
    order = {"id": "1", "external_id": "order-1", "status": "created", "order_lines": shown}
    async with bench() as b:
        b.vendor.script("GET", f"{ORDERS}1/", (200, order), (200, order))
        b.vendor.script("PATCH", f"{ORDERS}1/", (200, {"id": "1"}))
        if fine:
            await b.receiver.update(Receipt(id="1"), delivery(order_lines=lines(5)))
        else:
            with pytest.raises(UnshownError):
                await b.receiver.update(Receipt(id="1"), delivery(order_lines=lines(5)))


@pytest.mark.attack(34)
@pytest.mark.parametrize("shown", [{"id": "2"}, {"id": "1", "external_id": "order-2"}])
async def test_somebody_elses_order_is_never_changed(shown: dict[str, str]) -> None:
    """A receipt that leads to another order is for a person."""
    async with bench() as b:
        b.vendor.script("GET", f"{ORDERS}1/", (200, shown | {"status": "created"}))
        with pytest.raises(ConflictError, match="should be order-1"):
            await b.receiver.update(Receipt(id="1"), delivery())

    assert [call.method for call in b.vendor.sent(f"{ORDERS}1/")] == ["GET"]


async def test_an_order_that_is_gone_cannot_be_changed_or_cancelled() -> None:
    """A 404 about the order is about that order, and no reason to pause the receiver; it is looked at again."""
    async with warehouse() as (receiver, _):
        with pytest.raises(UnshownError, match="404"):
            await receiver.update(Receipt(id="gone"), delivery())
        with pytest.raises(UnshownError, match="404"):
            await receiver.cancel(Receipt(id="gone"))
        await receiver.check()


@pytest.mark.parametrize("body", [b"", b"[]", b'{"order_lines": []}', b'{"unknown": 1}'])
async def test_what_is_no_order_is_not_sent(body: bytes) -> None:
    """A delivery in another form than a create's is refused before any call."""
    async with warehouse() as (receiver, standin):
        with pytest.raises(RejectedError):
            await receiver.update(Receipt(id="1"), Delivery("order-1", body))

    assert standin.history == []


async def test_what_an_order_does_not_have_any_more_is_emptied() -> None:
    """No old house number in a new street, and no amount to collect that is paid; the warehouse's own texts stay."""
    address = REQUEST["shipping_address"] | {"street2": "Gebouw C", "phone_number": "+31 20"}
    pairs = {
        "cash_on_delivery_amount": "1250.50",
        "parcel_2_weight": "3",
        "sales_channel": "web",
        "invoice_city": "Ski",
    }
    async with warehouse() as (receiver, standin):
        first = delivery(
            shipping_address=address, meta_data=pairs, customer_note="Gift", po_number="PO 1", note="Dock 3"
        )
        receipt = await receiver.create(first)
        moved = {key: part for key, part in address.items() if key not in ("street_number", "street2", "phone_number")}
        content = msgspec.json.decode(
            delivery(shipping_address=moved | {"street": "Dam"}, meta_data={"kind": "b"}).body
        )
        body = {key: part for key, part in content.items() if key not in ("customer_note", "po_number", "note")}
        second = Delivery(first.external_id, msgspec.json.encode(body))
        await receiver.update(receipt, second)
        await receiver.update(receipt, second)
        order = standin.orders[receipt.id]

    assert len(sent(standin, "PATCH")) == 1
    shown = order["shipping_address"]
    assert (shown["street"], shown["street_number"], shown["street2"], shown["phone_number"]) == ("Dam", "", "", "")
    assert (order["customer_note"], order["po_number"], order["note"]) == ("", "", "Dock 3")
    left = {key: text for key, text in order["meta_data"].items() if text}
    assert left == {"kind": "b", "sales_channel": "web"}


async def test_everything_new_about_an_order_is_carried_by_a_change() -> None:
    """Prices below a cent, further address lines, the customer's number, cash on delivery: as in a create, exactly."""
    line = REQUEST["order_lines"][0] | {"price": 0.45, "meta_data": {"notes": "Voor Oma"}}
    changes = {
        "order_lines": [line],
        "po_number": "PO 9117",
        "meta_data": {"cash_on_delivery_amount": "1250.50", "delivery_notes": "Poort 3"},
        "shipping_address": REQUEST["shipping_address"] | {"street2": "c/o Hansen", "fax_number": "1"},
    }
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        await receiver.update(receipt, delivery(**changes))

    (body,) = sent(standin, "PATCH")
    assert body["order_lines"] == [line]
    assert body["po_number"] == "PO 9117"
    assert body["meta_data"].items() >= changes["meta_data"].items()
    assert body["shipping_address"].items() >= {"street2": "c/o Hansen", "fax_number": "1"}.items()
