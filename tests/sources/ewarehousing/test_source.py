"""eWarehousing as a source: the contract of all sources, as far as it goes, and its settings."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from connector import load_settings
from connector.clock import SystemClock
from connector.errors import EndpointError, SettingsError, TransientError
from connector.sandbox.server import Fault
from connector.settings import echo
from connector.settings.values import Secret
from connector.sources import SOURCES
from connector.sources.base import Confirmed, Source
from connector.sources.ewarehousing.settings import EwarehousingSourceSettings
from connector.sources.ewarehousing.source import EwarehousingSource
from tests.clients.ewarehousing.seed import RETRIEVE
from tests.contracts.source import SourceContract
from tests.contracts.source_harness import SourceHarness, numbers
from tests.sources.ewarehousing.bench import ewarehousing, settings

FEED_STAYS = "the vendor has no mark for exported orders: they stay in the feed (feed_shrinks = False)"
MIRROR = """\
sources:
  mirror:
    type: ewarehousing
    username: a
    password: b
    wms_code: c
    customer_code: d
    requested_delivery_date_gte: {day}
    statuses: [created]
receivers:
  archive: {{type: file, path: o.jsonl}}
routes:
  - {{source: mirror, receivers: [archive]}}
"""
NO_CALL = "an acknowledgement makes no call"


class TestEwarehousingSource(SourceContract):
    """eWarehousing keeps the promises of every source that does not shrink."""

    source = EwarehousingSource
    page_limit = 5
    logs_in = True

    def make(self, ids: list[str], *, up: bool = True) -> AbstractAsyncContextManager[SourceHarness]:
        """Serve the seed's order under these ids."""
        return ewarehousing(ids, up=up)

    def offline(self) -> Source:
        """Return a source that will make no call."""
        return EwarehousingSource("warehouse", settings("http://127.0.0.1:1"), SystemClock())

    def sample(self) -> bytes:
        """Return the example of seed 004, "Retrieve an order"."""
        return RETRIEVE

    async def test_acknowledged_orders_are_not_listed_again(self) -> None:
        """This rule is not for this source: the journal decides which orders are known."""
        pytest.skip(FEED_STAYS)

    @pytest.mark.parametrize("fault", [Fault.LOSE_ANSWER])
    async def test_an_acknowledgement_without_an_answer_is_unknown(self, fault: Fault) -> None:
        """Not this source's: there is no answer to lose."""
        pytest.skip(NO_CALL)

    async def test_a_full_batch_is_taken(self) -> None:
        """As many orders as the limit allows are confirmed without a call to the vendor."""
        ids = numbers(self.source.ack_limit)
        async with ewarehousing(ids) as h:
            outcomes = await h.source.acknowledge([h.acknowledgement(order_id) for order_id in ids])
            assert outcomes == {order_id: Confirmed() for order_id in ids}
            assert h.vendor.history == []

    async def test_acknowledging_twice_is_harmless(self) -> None:
        """It is confirmed again, and the feed is as it was."""
        async with ewarehousing(numbers(3)) as h:
            for _ in range(2):
                assert await h.acknowledge(["2"]) == {"2": Confirmed()}
            assert {item.order_id for item in await h.listed()} == {"1", "2", "3"}


def test_it_is_registered_and_does_not_shrink() -> None:
    """`type: ewarehousing` among the sources; to list an order again means nothing."""
    assert SOURCES["ewarehousing"] is EwarehousingSource
    assert EwarehousingSource.traits.feed_shrinks is False


async def test_only_the_wanted_statuses_are_mirrored() -> None:
    """One walk for each status, each order whole, with all the groups that the documents name."""
    async with ewarehousing(["1", "2"]) as h:
        h.put("3", status="shipped")
        items = await h.listed()
        queries = [dict(call.query) for call in h.vendor.history if call.path == "/wms/orders/"]
        expands = {call.headers["expand"] for call in h.vendor.history if call.path == "/wms/orders/1/"}

    assert [item.order_id for item in items] == ["1", "2"]
    assert [query["status"] for query in queries] == ["created", "planned"]
    asked = "shipping_address,order_lines,documents,meta_data,order_line_meta_data,serial_numbers,variants"
    assert [{*expand.split(",")} for expand in expands] == [{*asked.split(",")}]
    assert {"order_lines", "shipping_address", "meta_data"} <= msgspec.json.decode(items[0].raw).keys()


@pytest.mark.parametrize("page_base", [0, 1])
async def test_a_long_feed_is_walked_to_its_end(page_base: int) -> None:
    """Whatever number the first page has (vendors.md 6/004 #14)."""
    ids = numbers(33)
    async with ewarehousing(ids, page_base=page_base) as h:
        assert sorted(item.order_id for item in await h.listed()) == sorted(ids)


async def test_a_status_filter_that_is_ignored_brings_nothing_else() -> None:
    """The requested status is checked for every order."""
    async with ewarehousing(["1"], statuses=["planned", "created", "created"]) as h:
        h.put("2", status="shipped")
        h.put("3", status="Planned")

        original = h.vendor.answer

        def unfiltered(request: web.Request, body: bytes) -> web.Response:
            if request.path == "/wms/orders/":
                request = request.clone(rel_url=request.rel_url.without_query_params("status"))
            return original(request, body)

        h.vendor.answer = unfiltered  # type: ignore[method-assign]
        assert sorted(item.order_id for item in await h.listed()) == ["1", "3"]


@pytest.mark.parametrize("change", ["gone", "shipped"])
async def test_an_order_that_leaves_between_list_and_read_is_left_out(change: str) -> None:
    """It is not in the feed any more; its neighbours are."""
    async with ewarehousing(numbers(3)) as h:

        def leaving(request: web.Request) -> bool:
            if request.path == "/wms/orders/1/":
                if change == "gone":
                    del h.vendor.orders["1"]
                else:
                    h.vendor.move("1", "shipped")
            return False

        h.vendor.fault(Fault.HANG, on=leaving)
        assert sorted(item.order_id for item in await h.listed()) == ["2", "3"]


@pytest.mark.parametrize("fault", [Fault.HTML, Fault.EMPTY, Fault.SERVER_ERROR])
async def test_an_order_that_cannot_be_read_now_fails_the_walk(fault: Fault) -> None:
    """A page, or nothing, in the place of one order proves nothing: the walk is tried again."""
    async with ewarehousing(numbers(2)) as h:
        h.vendor.fault(fault, on=lambda request: request.path == "/wms/orders/1/")
        with pytest.raises(TransientError):
            await h.listed()


async def test_a_row_without_an_id_is_listed_as_it_is() -> None:
    """One bad row never loses its page; it is held under the same name in every walk."""
    async with ewarehousing(numbers(2)) as h:
        h.vendor.orders["2"]["id"] = None
        first, second = await h.listed(), await h.listed()

    assert {item.order_id for item in first} == {item.order_id for item in second}
    assert sum(item.order_id.startswith("unreadable-") for item in first) == 1
    assert "1" in {item.order_id for item in first}


async def test_a_wrong_address_is_the_operators() -> None:
    """A page where the list should be is no empty feed."""
    async with ewarehousing(numbers(1)) as h:
        h.vendor.fault(Fault.REDIRECT, on=lambda request: request.path == "/wms/orders/1/")
        with pytest.raises(EndpointError):
            await h.listed()


async def test_a_check_says_where_it_looked() -> None:
    """One line, with the codes that were proved and no credential."""
    async with ewarehousing(numbers(2)) as h:
        line = await h.source.check()

    assert "DEV" in line
    assert "SANDBOX" in line
    assert "sandbox-secret" not in line


def test_the_settings() -> None:
    """The statuses have no default: the operator chooses the mirrored orders."""
    given: dict[str, Any] = {"type": "ewarehousing", "username": "u", "wms_code": "D", "customer_code": "C"}

    def converted(**changes: Any) -> EwarehousingSourceSettings:
        wanted = {**given, "statuses": ["created"], **changes}
        kept = {key: value for key, value in wanted.items() if value is not ...}
        return msgspec.convert(
            {**kept, "password": "p"}, EwarehousingSourceSettings, dec_hook=lambda kind, value: kind(value)
        )

    assert converted().page_size == 50
    assert converted().password == Secret("p")
    assert converted().base_url.host == "eu.middleware.ewarehousing-solutions.com"
    bad: list[dict[str, Any]] = [
        {"statuses": []},
        {"statuses": ...},
        {"statuses": ["Created!"]},
        {"page_size": 51},
        {"page_size": 0},
        {"username": ""},
        {"wms_code": "a b"},
        {"delivery_days": 1},
    ]
    for wrong in bad:
        with pytest.raises(msgspec.ValidationError):
            converted(**wrong)


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ({}, ["1", "2", "3"]),
        ({"is_business_to_business": True}, ["2"]),
        ({"is_business_to_business": False}, ["1", "3"]),
        ({"requested_delivery_date_gte": date(2026, 5, 1)}, ["3"]),
    ],
)
async def test_the_documented_filters_of_the_list_are_settings(given: dict[str, Any], ids: list[str]) -> None:
    """Seed 004, "List all orders": beside the status, whether it is between businesses, and from which day on."""
    async with ewarehousing(["1"], **given) as h:
        h.put("2", business_to_business=True)
        h.put("3", requested_delivery_date="2026-05-02T00:00:00+00:00")
        assert [item.order_id for item in await h.listed()] == ids
        await h.source.check()


def test_a_day_is_read_from_settings(tmp_path: Path) -> None:
    """As it is written there, quoted or not."""
    for day in ("2026-05-01", '"2026-05-01"'):
        path = tmp_path / "settings.yaml"
        path.write_text(MIRROR.format(day=day), "utf-8")
        found = load_settings(path, {})
        assert found.sources["mirror"].requested_delivery_date_gte == date(2026, 5, 1)
        assert "requested_delivery_date_gte: " in echo(found)
    path.write_text(MIRROR.format(day="soon"), "utf-8")
    with pytest.raises(SettingsError, match=r"settings.yaml:8:34: sources.mirror.requested_delivery_date_gte: .*soon"):
        load_settings(path, {})
