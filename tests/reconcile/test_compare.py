"""The comparison of given evidence: the findings, the differences that are none, and the remedies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from connector.journal.records import Arrival
from connector.journal.views.audit import KeptDelivery, OrderSnapshot
from connector.receivers.base import Receipt
from connector.reconcile.compare import Compared, Rules, compare
from connector.reconcile.evidence import (
    Conflicting,
    JournalEvidence,
    Listed,
    LookupResult,
    NoAnswer,
    ReceiverEvidence,
    SourceEvidence,
)

NOW = datetime(2026, 3, 24, 9, 0, tzinfo=UTC)
RULES = Rules(
    now=NOW,
    settle={"wms": 60.0, "erp": 60.0},
    timeout={"wms": 30.0, "erp": 30.0},
    poll={"shop": 60.0},
    receivers={"shop": (("wms", True), ("erp", False))},
)
HAS = Receipt(id="id-1", reference="R-1")


def ago(**span: float) -> datetime:
    """Return a time before now."""
    return NOW - timedelta(**span)


def kept(state: str, *, receiver: str = "wms", **more: Any) -> OrderSnapshot:
    """Return order 1 with one delivery in `state`; other changes apply to the order."""
    own = {name: more.pop(name) for name in list(more) if name in KeptDelivery.__struct_fields__}
    if state == "delivered":
        own = {"receipt": "id-1", "delivered_at": ago(hours=1), **own}
        more = {"ack_state": "confirmed", "ack_outcome": "exported", "ack_at": ago(hours=1),
                "ack_done_at": ago(minutes=50), **more}  # fmt: skip
    return OrderSnapshot(
        key=1,
        source="shop",
        order_id="1",
        external_id="shop-1",
        found_at=ago(hours=2),
        deliveries=(KeptDelivery(receiver=receiver, state=state, **own),),
        **more,
    )


def listed(**more: Any) -> Listed:
    """Return order 1 as the feed lists it."""
    return Listed(**{"asked_at": ago(minutes=1), **more})


def arrival() -> Arrival:
    """Return order 1 as an arrival."""
    return Arrival(order_id="1", external_id="shop-1", revision="a", raw=b"{}", receivers=(("wms", True),))


def seen(
    order: OrderSnapshot | None,
    answer: LookupResult = None,
    *,
    feed: Listed | None = None,
    exported: Listed | None = None,
    polled: datetime | None = None,
    rules: Rules = RULES,
    **more: Any,
) -> Compared:
    """Compare one order whose look-up at the warehouse gave `answer`."""
    source = SourceEvidence(
        **{
            "listed": {} if feed is None else {"1": feed},
            "exported": {} if exported is None else {"1": exported},
            "asked_at": ago(minutes=1),
            **more,
        }
    )
    journal = JournalEvidence(
        orders={} if order is None else {("shop", "1"): order}, polled={} if polled is None else {"shop": polled}
    )
    answers: dict[str, LookupResult] = {} if isinstance(answer, NoAnswer) else {"shop-1": answer}
    receivers = {"wms": ReceiverEvidence(answers=answers, asked_at=ago(seconds=30))}
    return compare({"shop": source}, journal, receivers, rules)


def one(compared: Compared) -> tuple[str, str]:
    """Return kind and remedy of the only finding, or two empty texts without one."""
    kinds = [(each.kind, each.remedy) for each in compared.findings]
    assert len(kinds) <= 1, kinds
    return kinds[0] if kinds else ("", "")


@pytest.mark.fault(88)
@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({}, "ghost_delivery"),
        ({"delivered_at": ago(seconds=80)}, ""),
        ({"delivered_at": ago(seconds=91)}, "ghost_delivery"),
        ({"withdrawn": True}, ""),
    ],
)
def test_a_delivery_that_the_receiver_does_not_have_is_a_ghost(more: dict[str, Any], kind: str) -> None:
    """A missing order is a ghost once the look-up is reliable, unless it was withdrawn; no order is created for it."""
    assert one(seen(kept("delivered", **more))) == (kind, "none" if kind else "")


@pytest.mark.parametrize(
    ("receipt", "more", "kind"),
    [
        (HAS, {}, ""),
        (Receipt(id="id-2"), {}, "conflict"),
        (Receipt(id="7"), {"receipt": "shop-1"}, ""),
        (Conflicting("two of them"), {}, "conflict"),
        (Conflicting("cancelled"), {"withdrawn": True}, ""),
        (NoAnswer("down"), {}, ""),
    ],
)
def test_another_record_under_the_same_id_is_a_conflict(receipt: LookupResult, more: dict[str, Any], kind: str) -> None:
    """A different receipt is a conflict; a delivery recorded under our own id, or a failed look-up, is not."""
    compared = seen(kept("delivered", **more), receipt)
    assert one(compared) == (kind, "none" if kind else "")
    assert (compared.agreed == {"shop": {"wms": 1}}) == (not kind and not isinstance(receipt, NoAnswer))


@pytest.mark.parametrize(
    ("state", "more", "answer", "expected"),
    [
        ("in_doubt", {"next_try_at": ago(seconds=50)}, HAS, ("", "")),
        ("in_doubt", {"next_try_at": ago(minutes=5)}, HAS, ("stuck_in_doubt", "adopt")),
        ("in_doubt", {"next_try_at": ago(minutes=5)}, None, ("stuck_in_doubt", "look_again")),
        ("in_doubt", {"next_try_at": ago(minutes=5)}, NoAnswer("down"), ("stuck_in_doubt", "none")),
        ("in_doubt", {"next_try_at": ago(minutes=5)}, Conflicting("two"), ("conflict", "none")),
        ("intent", {"intent_at": ago(seconds=140)}, HAS, ("", "")),
        ("intent", {"intent_at": ago(seconds=160)}, HAS, ("stuck_in_doubt", "adopt")),
        ("intent", {"intent_at": ago(seconds=160)}, None, ("stuck_in_doubt", "none")),
        ("new", {}, None, ("", "")),
        ("new", {}, HAS, ("unknown_to_journal", "adopt")),
        ("ready", {}, HAS, ("unknown_to_journal", "adopt")),
        ("held", {"cause": "no stock"}, None, ("", "")),
        ("held", {"cause": "no stock"}, HAS, ("unknown_to_journal", "adopt")),
        ("held", {"cause": "conflict at wms"}, Conflicting("two"), ("conflict", "none")),
        ("rejected", {"cause": "no such article"}, None, ("", "")),
        ("rejected", {"cause": "no such article"}, HAS, ("conflict", "none")),
        ("cancelled", {}, HAS, ("conflict", "none")),
        ("vanished", {}, HAS, ("conflict", "none")),
        ("skipped", {"cause": "skipped by a person"}, HAS, ("", "")),
    ],
)
def test_what_was_not_delivered_yet(
    state: str, more: dict[str, Any], answer: LookupResult, expected: tuple[str, str]
) -> None:
    """An undelivered order that the receiver has is adopted; an old doubt is looked up again."""
    assert one(seen(kept(state, **more), answer, feed=listed())) == expected


@pytest.mark.parametrize(
    ("more", "feed", "expected"),
    [
        ({}, listed(), ("unacknowledged", "tell_again")),
        ({"ack_done_at": ago(seconds=30)}, listed(), ("", "")),
        ({}, listed(skip_reason="a quotation"), ("", "")),
        ({}, None, ("", "")),
        ({"ack_state": "none", "ack_done_at": None}, listed(), ("unacknowledged", "none")),
        ({"ack_state": "pending"}, None, ("untold", "tell_again")),
        ({"ack_state": "pending", "ack_at": ago(minutes=14)}, listed(), ("", "")),
        ({"ack_state": "in_doubt"}, None, ("untold", "tell_again")),
        ({"ack_state": "sending"}, None, ("untold", "none")),
        ({"ack_state": "parked", "ack_at": ago(seconds=1)}, None, ("untold", "tell_again")),
        ({"ack_state": "parked", "ack_outcome": "failed"}, None, ("", "")),
    ],
)
def test_what_the_source_has_to_know(more: dict[str, Any], feed: Listed | None, expected: tuple[str, str]) -> None:
    """An order confirmed before its page was requested, but still listed, is acknowledged again; so is a parked one."""
    assert one(seen(kept("delivered", **more), HAS, feed=feed)) == expected


@pytest.mark.fault(126)
@pytest.mark.parametrize(
    ("more", "once", "expected"),
    [
        ({"ack_done_at": ago(minutes=5)}, (), ("unacknowledged", "tell_again")),
        ({"ack_done_at": ago(minutes=5)}, ("shop",), ("unacknowledged", "none")),
        ({"ack_done_at": ago(seconds=89)}, (), ("", "")),
        ({"ack_state": "parked"}, ("shop",), ("untold", "none")),
        ({"ack_state": "in_doubt"}, ("shop",), ("untold", "tell_again")),
    ],
)
def test_a_confirmation_is_not_judged_by_a_list_that_may_be_behind_it(
    more: dict[str, Any], once: tuple[str, ...], expected: tuple[str, str]
) -> None:
    """Within the source's `settle` a listed order is no finding; a repeat with an effect is left to an operator."""
    rules = msgspec.structs.replace(RULES, believed={"shop": 30.0}, once=once)
    assert one(seen(kept("delivered", **more), HAS, feed=listed(), rules=rules)) == expected


def test_a_feed_that_does_not_shrink_says_nothing_by_listing() -> None:
    """A feed that keeps exported orders proves nothing by listing them."""
    assert one(seen(kept("delivered"), HAS, feed=listed(), shrinks=False)) == ("", "")


@pytest.mark.parametrize(
    ("state", "answer", "more", "expected"),
    [
        ("held", None, {}, ("missing_from_feed", "none")),
        ("new", None, {}, ("missing_from_feed", "none")),
        ("new", NoAnswer("down"), {}, ("missing_from_feed", "none")),
        ("new", None, {"error": "the shop is away"}, ("", "")),
        ("new", None, {"asked_at": ago(hours=3)}, ("", "")),
        ("rejected", None, {}, ("", "")),
        ("new", None, {"exported": listed()}, ("orphan_ack", "none")),
        ("rejected", None, {"exported": listed()}, ("orphan_ack", "none")),
        ("new", NoAnswer("down"), {"exported": listed()}, ("", "")),
        ("new", None, {"exported": listed(skip_reason="cancelled there")}, ("", "")),
    ],
)
def test_what_left_the_feed_and_is_nowhere(
    state: str, answer: LookupResult, more: dict[str, Any], expected: tuple[str, str]
) -> None:
    """A feed that was read incompletely, or before the order was found, proves nothing."""
    assert one(seen(kept(state, cause="x"), answer, **more)) == expected


@pytest.mark.parametrize(
    ("answer", "more", "expected"),
    [
        (None, {"feed": listed(arrival=arrival())}, ("unknown_to_journal", "none")),
        (None, {"feed": listed(arrival=arrival()), "polled": ago(minutes=10)}, ("unknown_to_journal", "none")),
        (None, {"feed": listed(arrival=arrival()), "polled": ago(minutes=2)}, ("", "")),
        (None, {"feed": listed(arrival=arrival(), skip_reason="a quotation")}, ("", "")),
        (HAS, {"feed": listed(arrival=arrival()), "polled": ago(minutes=1)}, ("unknown_to_journal", "adopt")),
        (Conflicting("two"), {"feed": listed(arrival=arrival())}, ("conflict", "none")),
        (HAS, {"exported": listed(arrival=arrival())}, ("unknown_to_journal", "adopt")),
        (NoAnswer("down"), {"exported": listed(arrival=arrival())}, ("", "")),
        (Conflicting("two"), {"exported": listed(arrival=arrival())}, ("conflict", "none")),
    ],
)
def test_what_the_journal_does_not_know(answer: LookupResult, more: dict[str, Any], expected: tuple[str, str]) -> None:
    """An unknown order is new if the feed was polled lately; if a receiver has it, it is adopted."""
    compared = seen(None, answer, **more)
    assert one(compared) == expected
    assert (compared.fresh == {"shop": 1}) == (expected == ("", "") and more.get("polled") is not None)


@pytest.mark.parametrize(("second", "kinds"), [(None, ["orphan_ack"]), (NoAnswer("it has no look-up"), [])])
def test_an_exported_order_is_an_orphan_only_if_every_receiver_has_said_so(
    second: LookupResult, kinds: list[str]
) -> None:
    """A receiver without a look-up may have the order, so it is no orphan."""
    source = SourceEvidence(exported={"1": listed(arrival=arrival())}, asked_at=NOW)
    said: list[LookupResult] = [None, second]
    receivers = {
        name: ReceiverEvidence(answers={"shop-1": answer}, asked_at=NOW)
        for name, answer in zip(("wms", "erp"), said, strict=True)
    }
    compared = compare({"shop": source}, JournalEvidence(), receivers, RULES)
    assert [each.kind for each in compared.findings] == kinds


def test_each_receiver_is_compared_by_itself() -> None:
    """Each receiver is compared separately, also when the source was not read."""
    order = kept("delivered")
    other = KeptDelivery(receiver="erp", state="delivered", receipt="e-1", delivered_at=ago(hours=1), required=False)
    order = msgspec.structs.replace(order, deliveries=(*order.deliveries, other))
    receivers = {
        "wms": ReceiverEvidence(answers={"shop-1": HAS}, asked_at=NOW),
        "erp": ReceiverEvidence(answers={"shop-1": None}, asked_at=NOW),
    }
    compared = compare({}, JournalEvidence(orders={("shop", "1"): order}), receivers, RULES)
    (finding,) = compared.findings
    assert (finding.kind, finding.receiver, finding.source_says) == ("ghost_delivery", "erp", "not read")
    assert compared.agreed == {"shop": {"wms": 1}}
