"""Marking Traede's orders as exported: the requests, and the meaning of the responses (seeds 001 and 002)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from aioresponses import aioresponses

from connector.errors import AuthError, ConnectorError, EndpointError, InDoubtError, RejectedError, TransientError
from connector.http.endpoint import Answer, Effect
from connector.sandbox.server import Fault, decode
from connector.sources.base import AckOutcome, Confirmed, Refused, SupportsAckTerms, Unknown
from connector.sources.traede.acks import judge, outcomes
from connector.sources.traede.filters import Filter
from tests.sources.traede.bench import BASE, Export, marks, order, production_order, source, told, traede

BOTH = pytest.mark.parametrize("export", ["orders", "production-orders"])
MARK = f"{BASE}/v10/orders/mark-as-exported"
IDS = ["11", "12", "13"]


def held(export: Export, count: int) -> list[dict[str, Any]]:
    """Return orders 1 to `count` of an export."""
    made = order if export == "orders" else production_order
    return [made(number) for number in range(1, count + 1)]


@pytest.mark.parametrize("regulate", [True, False])
async def test_a_mark_of_an_order_is_the_seeds(regulate: bool) -> None:
    """The id as a number, the system, `regulate_inventory` (always), and the receiver's reference as a note."""
    async with traede([order(1), order(2)], regulate_inventory=regulate) as h:
        found = await h.source.acknowledge([told("1", message="warehouse: ORD-1"), told("2", message="")])
        (call,) = [call for call in h.vendor.history if call.method == "POST"]
    assert found == {"1": Confirmed(), "2": Confirmed()}
    assert (call.path, call.headers["content-type"]) == ("/v10/orders/mark-as-exported", "application/json")
    assert call.headers["x-traede-app-key"] == "sandbox-app-key"
    assert decode(call.body) == {
        "orders": [
            {"order_id": 1, "system_id": "erp", "note": "warehouse: ORD-1", "regulate_inventory": regulate},
            {"order_id": 2, "system_id": "erp", "regulate_inventory": regulate},
        ]
    }


async def test_a_mark_of_a_production_order_is_the_seeds() -> None:
    """The key is `production_orders`, and not the document's slip with a blank in it (#3); no stock is regulated."""
    async with traede([production_order(7)], "production-orders") as h:
        assert await h.source.acknowledge([told("7")]) == {"7": Confirmed()}
        assert marks(h.vendor) == [
            {"production_orders": [{"production_order_id": 7, "system_id": "erp", "note": "erp: 1"}]}
        ]


@pytest.mark.fault(103)
async def test_a_mark_is_made_under_its_own_terms() -> None:
    """Whatever the settings are by now; without terms of its own, under those of now. The text is the journal's."""
    was = source(system_id="old", regulate_inventory=True)
    assert was.terms == '{"system_id":"old","regulate_inventory":true}'
    async with traede([order(1), order(2)], regulate_inventory=False) as h:
        before = msgspec.structs.replace(told("1", message=""), terms=was.terms)
        assert await h.source.acknowledge([before]) == {"1": Confirmed()}
        assert await h.source.acknowledge([told("2", message="")]) == {"2": Confirmed()}
        assert h.source.traits.ack_idempotent
        assert isinstance(h.source, SupportsAckTerms)
        assert (h.source.is_idempotent(before), h.source.is_idempotent(told("2"))) == (False, True)
        assert marks(h.vendor) == [
            {"orders": [{"order_id": 1, "system_id": "old", "regulate_inventory": True}]},
            {"orders": [{"order_id": 2, "system_id": "erp", "regulate_inventory": False}]},
        ]
        assert h.vendor.regulated == {1: 1}
        assert await h.known([before, told("2")]) == {"1": True, "2": True}
        assert await h.known([told("1"), msgspec.structs.replace(told("2"), terms=was.terms)]) == {
            "1": False,
            "2": False,
        }
    await was.aclose()


async def test_a_production_order_is_marked_for_the_system_of_its_terms() -> None:
    """Its terms say no more than that, and each may be repeated."""
    async with traede([production_order(7)], "production-orders") as h:
        assert isinstance(h.source, SupportsAckTerms)
        assert h.source.terms == '{"system_id":"erp"}'
        before = msgspec.structs.replace(told("7", message=""), terms='{"system_id":"old"}')
        assert h.source.is_idempotent(before)
        assert await h.source.acknowledge([before]) == {"7": Confirmed()}
        assert marks(h.vendor) == [{"production_orders": [{"production_order_id": 7, "system_id": "old"}]}]


@pytest.mark.parametrize("text", ["other words", "{}", '{"system_id": 5}', '{"system_id":"erp"}'])
async def test_terms_that_say_nothing_of_it_are_those_of_now(text: str) -> None:
    """A source of another kind may have had the name before; the mark is made all the same."""
    async with traede([order(1)], regulate_inventory=True) as h:
        ack = msgspec.structs.replace(told("1", message=""), terms=text)
        assert isinstance(h.source, SupportsAckTerms)
        assert not h.source.is_idempotent(ack)
        await h.source.acknowledge([ack])
        assert marks(h.vendor) == [{"orders": [{"order_id": 1, "system_id": "erp", "regulate_inventory": True}]}]


@BOTH
async def test_what_is_marked_has_left_the_feed(export: Export) -> None:
    """Ten at most in a call, which is the class's own limit; a second mark changes nothing."""
    async with traede(held(export, 12), export) as h:
        assert h.source.ack_limit == 10
        batch = [told(str(number)) for number in range(1, 11)]
        for _ in range(2 if h.source.traits.ack_idempotent else 1):
            assert set((await h.source.acknowledge(batch)).values()) == {Confirmed()}
        assert [item.order_id for item in await h.listed()] == ["11", "12"]
        assert await h.known([told("1"), told("11")]) == {"1": True, "11": False}


@BOTH
async def test_more_than_ten_are_refused_by_the_vendor(export: Export) -> None:
    """The connector never sends so many; the vendor refuses all of them, and none counts as marked."""
    async with traede(held(export, 11), export) as h:
        with pytest.raises(RejectedError):
            await h.source.acknowledge([told(str(number)) for number in range(1, 12)])
        assert h.vendor.marked == []


@BOTH
async def test_an_unknown_id_refuses_the_whole_call(export: Export) -> None:
    """The caller splits the call until the unknown order is alone (#8); its neighbours are marked."""
    async with traede(held(export, 10), export) as h:
        batch = [told(str(number)) for number in (*range(1, 10), 99)]
        with pytest.raises(RejectedError):
            await h.source.acknowledge(batch)
        assert h.vendor.marked == []
        found: dict[str, AckOutcome] = {}
        for each in batch:
            try:
                found |= await h.source.acknowledge([each])
            except RejectedError as exc:
                found[each.order_id] = Refused(str(exc))
        assert [number for number, outcome in found.items() if not isinstance(outcome, Confirmed)] == ["99"]
        assert len(h.vendor.marked) == 9


async def test_stock_is_moved_once() -> None:
    """A mark whose answer was lost is looked for in the feed, archived orders included, before it is repeated."""
    async with traede([order(1), order(2)], regulate_inventory=True) as h:
        h.fault("ack", Fault.LOSE_ANSWER)
        with pytest.raises(InDoubtError):
            await h.source.acknowledge([told("1")])
        assert h.source.traits.ack_idempotent is False
        assert await h.known([told("1"), told("2")]) == {"1": True, "2": False}
        assert h.vendor.regulated == {1: 1}


async def test_reading_back_sees_what_the_settings_hide() -> None:
    """An order that was cancelled, archived or edited meanwhile is not marked for that: it is looked for without
    flags and filters.
    """
    filters = [{"key": "updated_at", "operator": "lt", "value": "2026-01-02"}]
    held_back = [
        order(1, cancelled_at="2026-03-01 00:00:00"),
        order(2, archived_at="2026-03-01 00:00:00"),
        order(3, approved_at=None),
        order(4, updated_at="2026-03-01 00:00:00"),
    ]
    async with traede(held_back, filters=msgspec.convert(filters, list[Filter])) as h:
        assert await h.listed() == []
        asked = [told(str(number)) for number in (1, 2, 3, 4, 5)]
        assert await h.known(asked) == {"1": False, "2": False, "3": False, "4": False, "5": True}


async def test_what_is_never_told() -> None:
    """Traede has no word for a failure, and its ids are numbers: both are refused here, and no call is made."""
    async with traede([order(1)]) as h:
        found = await h.source.acknowledge([told("1", outcome="failed"), told("x-1"), told("007")])
        assert all(isinstance(outcome, Refused) for outcome in found.values())
        assert marks(h.vendor) == []
        assert list(found) == ["1", "x-1", "007"]
        assert list(await h.source.acknowledge([told("x"), told("1")])) == ["x", "1"]
        assert len(h.vendor.marked) == 1


async def test_a_note_is_readable() -> None:
    """The receiver's name of an order may contain any characters; people read it in the order's timeline."""
    async with traede([order(1)]) as h:
        await h.source.acknowledge([told("1", message="ORD\x00\n1" + "x" * 1000)])
        ((_, mark),) = h.vendor.marked
    assert mark["note"].isprintable()
    assert len(mark["note"]) <= 500


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, "{}", AuthError),
        (403, "{}", AuthError),
        (404, "{}", EndpointError),
        (404, '{"message": "No query results for order 1"}', RejectedError),
        (404, '{"message": "404"}', EndpointError),
        (422, '{"message": "The given data was invalid."}', RejectedError),
        (429, "{}", TransientError),
        (500, "{}", InDoubtError),
        (301, "", EndpointError),
        (200, "<html>Log in</html>", InDoubtError),
        (200, "{", InDoubtError),
    ],
)
async def test_what_an_answer_means(status: int, body: str, error: type[ConnectorError]) -> None:
    """A 404 that names the order is about the order; a page of a proxy leaves the result open."""
    made = source()
    with aioresponses() as vendor:
        vendor.post(MARK, status=status, body=body)
        with pytest.raises(error):
            await made.acknowledge([told("1")])
    await made.aclose()


@pytest.mark.parametrize("body", ["", " ", "null", "{}", "[]", '{"success": true}', '{"orders": [{"order_id": 1}]}'])
async def test_what_confirms(body: str) -> None:
    """The vendor documents no response: a success without an error confirms."""
    made = source()
    with aioresponses() as vendor:
        vendor.post(MARK, status=200, body=body)
        assert await made.acknowledge([told("1")]) == {"1": Confirmed()}
    await made.aclose()


def answered(body: Any) -> dict[str, str]:
    """Return the orders that an answer to the mark of `IDS` does not confirm, and the reasons."""
    found = outcomes(Answer(200, msgspec.json.encode(body), "what", Effect.WRITE), IDS, "order_id")
    assert list(found) == IDS
    return {key: each.reason for key, each in found.items() if isinstance(each, Refused | Unknown)}


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"errors": {"orders.1.order_id": ["is invalid", "or so"]}}, {"12": "is invalid or so"}),
        ({"errors": {"production_orders.2": "no"}}, {"13": "no"}),
        ({"errors": {"12": "not found"}}, {"12": "not found"}),
        ({"failed": [{"order_id": 11, "message": "locked"}, {"order_id": 99, "message": "x"}]}, {"11": "locked"}),
        ({"not_found": [13, "12"]}, {"13": "named under not_found", "12": "named under not_found"}),
        ({"results": [{"order_id": 11, "success": True}, {"id": "12", "success": False}]}, {"12": ...}),
        ([{"order_id": 13, "status": "failed", "reason": "gone"}], {"13": "gone"}),
        ({"orders": [{"order_id": 12, "error": "archived"}]}, {"12": "archived"}),
        ({"errors": {"orders.7": "x"}, "success": True}, {"11": ..., "12": ..., "13": ...}),
        ({"success": False}, {"11": ..., "12": ..., "13": ...}),
        ({"error": "no"}, {"11": ..., "12": ..., "13": ...}),
        ({"errors": [], "success": True}, {}),
        ("ok", {}),
        (5, {}),
    ],
)
def test_what_an_answer_says_of_each(body: Any, refused: dict[str, Any]) -> None:
    """An order that is named beside an error was not marked; a failure that names none leaves all of them open."""
    found = answered(body)
    assert set(found) == set(refused)
    assert all(why is ... or found[key] == why for key, why in refused.items())


def test_a_failure_of_which_nobody_knows_whose_it_is_is_no_refusal() -> None:
    """It is looked for in the feed, and not believed."""
    found = outcomes(Answer(200, b'{"success": false}', "what", Effect.WRITE), IDS, "order_id")
    assert all(isinstance(each, Unknown) for each in found.values())


def test_a_number_that_is_no_id_of_ours() -> None:
    """A 404 that names another number, or an order whose id is 404, is about the address."""
    for body, ids in ((b"order 99 not found", IDS), (b"404", ["404"])):
        with pytest.raises(EndpointError):
            judge(Answer(404, body, "what", Effect.WRITE), ids)
