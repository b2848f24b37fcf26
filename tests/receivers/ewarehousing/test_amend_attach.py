"""Documents for an order that eWarehousing has, and how far its orders are (seed 004)."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from connector.errors import AuthError, InDoubtError, RejectedError, TransientError
from connector.order import Document
from connector.receivers.base import Receipt
from connector.sandbox.server import Fault
from tests.clients.ewarehousing.bench import PDF
from tests.receivers.ewarehousing.amend_bench import delivery, on, sent, warehouse

LABEL = Document(title="label.pdf", content=PDF, quantity=2, shipping_label=True)
SLIP = Document(title="slip.pdf", content=b"%PDF slip")


async def test_documents_are_attached_once() -> None:
    """Each by its title, with its content, how often it is printed, and whether it is the label."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        for _ in range(2):
            await receiver.attach(receipt, [LABEL, SLIP, LABEL])
        await receiver.attach(receipt, [])
        shown = standin.orders[receipt.id]["documents"]

    assert [(d["title"], d["quantity"], d["is_shipping_label"]) for d in shown] == [
        ("label.pdf", 2, True),
        ("slip.pdf", 1, False),
    ]
    assert sent(standin, "POST", "/documents/")[0] == {
        "file": "JVBERi0xLjQgYSBsYWJlbA==",
        "title": "label.pdf",
        "quantity": 2,
        "shipping_label": True,
    }


async def test_titles_are_compared_exactly() -> None:
    """A title that only looks alike is another document."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        await receiver.attach(receipt, [LABEL])
        await receiver.attach(receipt, [msgspec.structs.replace(LABEL, title="Label.pdf")])

    assert [d["title"] for d in standin.orders[receipt.id]["documents"]] == ["label.pdf", "Label.pdf"]


@pytest.mark.parametrize("applied", [True, False])
async def test_after_a_lost_answer_the_titles_are_listed_again(applied: bool) -> None:
    """The loss is in doubt; the next call adds the missing documents only."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        standin.fault(Fault.LOSE_ANSWER if applied else Fault.LOSE_REQUEST, on=on("POST", "/documents/"))
        with pytest.raises(InDoubtError):
            await receiver.attach(receipt, [LABEL, SLIP])
        await receiver.attach(receipt, [LABEL, SLIP])

    assert sorted(d["title"] for d in standin.orders[receipt.id]["documents"]) == ["label.pdf", "slip.pdf"]


@pytest.mark.fault(126)
@pytest.mark.parametrize("first", [True, False])
async def test_documents_of_which_some_were_added_are_in_doubt(first: bool) -> None:
    """The list may not show yet a document that was added before a call that certainly failed."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        calls = itertools.count(1 if first else 0)
        standin.fault(Fault.THROTTLE, on=lambda request: request.path.endswith("/documents/") and next(calls) == 2)
        with pytest.raises(TransientError if first else InDoubtError):
            await receiver.attach(receipt, [LABEL, SLIP])

    assert [d["title"] for d in standin.orders[receipt.id]["documents"]] == ([] if first else ["label.pdf"])


@pytest.mark.parametrize(
    "documents",
    [
        [LABEL, msgspec.structs.replace(LABEL, content=b"other")],
        [SLIP, Document(title="", content=PDF)],
        [SLIP, Document(title="empty", content=b"")],
        [SLIP, Document(title="never", content=PDF, quantity=0)],
    ],
)
async def test_a_document_that_cannot_be_sent_stops_all_of_them(documents: list[Document]) -> None:
    """Two different ones of one title, or one without content: a person has to look, and nothing is half done."""
    async with warehouse() as (receiver, standin):
        receipt = await receiver.create(delivery())
        with pytest.raises(RejectedError):
            await receiver.attach(receipt, documents)

    assert standin.orders[receipt.id]["documents"] == []


@pytest.mark.parametrize("count", [1, 9, 35])
async def test_progress_is_the_status_of_each_order(count: int) -> None:
    """By the receiver's own id; a deleted order is left out."""
    async with warehouse() as (receiver, standin):
        receipts = [await receiver.create(delivery(number)) for number in range(count)]
        standin.move(receipts[0].id, "shipped")
        before = len(standin.history)
        found = await receiver.progress([*receipts, Receipt(id="gone")])
        calls = len(standin.history) - before

    assert found == {receipt.id: "shipped" if receipt is receipts[0] else "created" for receipt in receipts}
    assert calls <= (count + 1 if count < 10 else 5)


async def test_progress_of_old_orders_among_many_costs_a_tenth_more_at_most() -> None:
    """Orders that the newest pages of the list lack are read one by one."""
    async with warehouse() as (receiver, standin):
        old = [await receiver.create(delivery(number)) for number in range(10)]
        for number in range(10, 80):
            await receiver.create(delivery(number))
        for order in list(standin.orders.values())[10:]:
            order["modified_at"] = "2099-01-01T00:00:00+00:00"
        before = len(standin.history)
        found = await receiver.progress(old)

    assert found == {receipt.id: "created" for receipt in old}
    assert len(standin.history) - before <= 11


async def test_progress_says_what_it_could_learn() -> None:
    """One order whose answer gets lost does not hide the others; nothing at all is an error."""
    async with warehouse() as (receiver, standin):
        receipts = [await receiver.create(delivery(number)) for number in range(3)]
        standin.fault(Fault.SERVER_ERROR, on=on("GET", f"{receipts[0].id}/"))
        assert {*await receiver.progress(receipts)} == {receipt.id for receipt in receipts[1:]}
        standin.fault(Fault.SERVER_ERROR, times=3)
        with pytest.raises(TransientError):
            await receiver.progress(receipts)
        standin.fault(Fault.UNAUTHORIZED, times=100)
        with pytest.raises(AuthError):
            await receiver.progress(receipts)


async def test_nothing_to_follow_is_no_call() -> None:
    """No receipts, no question."""
    async with warehouse() as (receiver, standin):
        assert await receiver.progress([]) == {}

    assert standin.history == []
