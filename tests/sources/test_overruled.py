"""Settings in the place of assumptions: keys and paging of Traede, and the texts of marks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from aioresponses import aioresponses

from connector.ack import Acknowledgement, Confirmed
from connector.clock import SystemClock
from connector.sandbox.traede.export import KINDS, query
from connector.settings.values import Secret, Url
from connector.sources.ack_text import check_template, filled
from connector.sources.propeller.settings import PropellerSettings
from connector.sources.propeller.source import PropellerSource
from connector.sources.traede.filters import Filter, FilterGroup, encoded
from connector.sources.traede.settings import TraedeProductionOrdersSettings
from tests.sources.traede.bench import BASE, source

ACK = Acknowledgement(
    key=1, order_id="7", outcome="exported", at=datetime(2026, 3, 24, 10, tzinfo=UTC), message="wms: R-1; erp: 12; 5"
)


async def sent(made: Any, method: str, path: str, answer: Any) -> Any:
    """Acknowledge one order; return the body that was sent."""
    with aioresponses() as vendor:
        getattr(vendor, method)(path, payload=answer)
        assert await made.acknowledge([ACK]) == {"7": Confirmed()}
        ((call,),) = vendor.requests.values()
    await made.aclose()
    return msgspec.json.decode(call.kwargs["data"])


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{message}", "wms: R-1; erp: 12; 5"),
        ("ERP order id = {reference}", "ERP order id = R-1; 12; 5"),
        ("{external_id} is {order_id}, {{so}}", "shop-7 is 7, {so}"),
    ],
)
async def test_propellers_export_message_and_traedes_note_follow_a_template(template: str, text: str) -> None:
    """Seed 000's own example is the receiver's number alone."""
    own = PropellerSettings(base_url=Url("https://shop.invalid"), token=Secret("t"), export_message=template)
    shop = PropellerSource("shop", own, SystemClock())
    marked = {"id": 7, "exportStatus": "exported"}
    body = await sent(shop, "patch", "https://shop.invalid/v2/orders/id/7", marked)
    assert body["exportMessage"] == text
    traede = source(note=template.replace("{external_id}", "shop-{order_id}"))
    body = await sent(traede, "post", f"{BASE}/v10/orders/mark-as-exported", {})
    assert body["orders"][0]["note"] == text


async def test_without_a_template_there_is_no_note() -> None:
    """It is optional at Traede."""
    body = await sent(source(note=""), "post", f"{BASE}/v10/orders/mark-as-exported", {})
    assert "note" not in body["orders"][0]


@pytest.mark.parametrize("template", ["{order}", "{message!r}", "{message:>9}", "{", "{0}", "{message.key}"])
def test_a_template_with_anything_else_in_it_is_a_mistake(template: str) -> None:
    """It is found when the settings are read, and names the key."""
    with pytest.raises(ValueError, match=r"^note: "):
        check_template("note", template)
    with pytest.raises(ValueError, match=r"^note: "):
        source(note=template)


def test_a_reference_that_looks_like_a_receivers_name_is_left_whole() -> None:
    """Only one name is taken off each part."""
    assert filled("{reference}", message="wms: a: b", order_id="", external_id="") == "a: b"


async def test_traedes_keys_can_be_overruled() -> None:
    """Seed 002 writes `production orders`, and no seed names the paging."""
    made = source("production-orders", mark_key="production orders")
    body = await sent(made, "post", f"{BASE}/v10/production-orders/mark-as-exported", {})
    assert list(body) == ["production orders"]
    made = source(page_key="page[number]".replace("[", ".").replace("]", ""), limit_key="per_page", first_page=1)
    with aioresponses() as vendor:
        url = (
            f"{BASE}/v10/orders/export?system_id=erp&includes%5B%5D=lines&include_not_approved=0&include_cancelled=0"
            "&include_archived=0&page.number=1&per_page=60"
        )
        vendor.get(url, payload={"orders": []})
        assert all([not page.items async for page in made.fetch(lambda: 0)])
        assert len(vendor.requests) == 1
    await made.aclose()


def test_a_group_of_filters_of_which_one_must_hold() -> None:
    """Bruno's `or`; the plain filters stay a group of their own, and the stand-in reads it so."""

    def condition(key: Any, value: str) -> Filter:
        return Filter(key=key, operator="gte", value=value)

    plain = [condition("created_at", "2026-01-01")]
    either = FilterGroup(
        any_of=True, filters=[condition("created_at", "2026-03-01"), condition("updated_at", "2026-02-01")]
    )
    pairs = encoded(plain, [either])
    assert ("filter_groups[1][or]", "true") in pairs
    assert ("filter_groups[0][filters][0][key]", "created_at") in pairs
    wants = query(KINDS["orders"], [("system_id", "erp"), *pairs])
    order = {"approved_at": "x", "cancelled_at": None, "archived_at": None}
    for created, updated, wanted in (
        ("2026-01-05", "2026-02-05", True),
        ("2026-03-05", "2026-01-01", True),
        ("2026-01-05", "2026-01-06", False),
        ("2025-12-31", "2026-02-05", False),
    ):
        assert wants.matches(KINDS["orders"], {**order, "created_at": created, "updated_at": updated}) is wanted
    assert msgspec.convert(
        {"or": True, "filters": [{"key": "created_at", "operator": "eq", "value": "2026-01-01"}]}, FilterGroup
    ).any_of


def test_number_and_size_of_a_page_need_a_parameter_each() -> None:
    """Both under one name would request no page at all."""
    own = TraedeProductionOrdersSettings(token=Secret("t"), app_key=Secret("k"), system_id="erp", limit_key="page")
    ((key, said),) = own.problems()
    assert key == "limit_key"
    assert "page_key" in said
