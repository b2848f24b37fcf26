"""Propeller as a source: the contract of all sources, and what is its own (seed 000)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import msgspec
import pytest
from aioresponses import CallbackResult, aioresponses
from yarl import URL

from connector.ack import Acknowledgement
from connector.clock import SystemClock
from connector.errors import AuthError, EndpointError, RejectedError, TransientError, Unmappable
from connector.sandbox.orders import propeller_orders, seed_order
from connector.sandbox.standin import Fault, encode
from connector.settings.values import Secret, Url
from connector.sources import SOURCES
from connector.sources.base import Confirmed, FeedItem, Refused, Source, Unknown
from connector.sources.propeller import PropellerSettings, PropellerSource
from tests.contracts.source import SourceContract
from tests.contracts.source_harness import SourceHarness
from tests.sources.propeller_bench import listed, order, propeller

BASE = "https://api.helice.cloud"
SEARCH = f"{BASE}/v2/orders/search?expands=ORDER_ITEMS,ADDRESSES"
MARK = f"{BASE}/v2/orders/id/20106"
TOKEN = Secret("token-of-the-tenant")
AT = datetime(2026, 3, 24, 10, 0, tzinfo=UTC)


class TestPropellerSource(SourceContract):
    """Propeller keeps the promises of every source."""

    source = PropellerSource
    page_limit = 5
    logs_in = True

    def make(self, ids: list[str], *, up: bool = True) -> AbstractAsyncContextManager[SourceHarness]:
        """Serve the seed's order under these ids."""
        return propeller([order(number) for number in ids], up=up)

    def offline(self) -> Source:
        """Return a source that will make no call."""
        return PropellerSource("shop", PropellerSettings(token=TOKEN), SystemClock())

    def sample(self) -> bytes:
        """Return the seed's order, with what the vendor documents elsewhere."""
        return listed({"reference": "WEB-1", "remarks": "Ring twice.", "items": [{**seed_order()["items"][0]}]})


@pytest.fixture
async def source() -> AsyncIterator[PropellerSource]:
    """Open a source on the real address, which the tests mock."""
    made = PropellerSource("shop", PropellerSettings(token=TOKEN), SystemClock())
    yield made
    await made.aclose()


def found(*items: Any, **changes: Any) -> dict[str, Any]:
    """Return a page of the search as the seed shows it."""
    page = {"items": list(items), "itemsFound": len(items), "offset": 50, "page": 1, "pages": 1}
    return {key: value for key, value in {**page, **changes}.items() if value is not ...}


async def walk(source: PropellerSource) -> list[FeedItem]:
    """Walk the feed once."""
    return [item async for page in source.fetch(lambda: 0) for item in page.items]


def bodies(vendor: aioresponses, method: str) -> list[Any]:
    """Return the bodies that were sent."""
    return [
        msgspec.json.decode(call.kwargs["data"])
        for (verb, _), calls in vendor.requests.items()
        for call in calls
        if verb == method
    ]


def acknowledgement(**changes: Any) -> Acknowledgement:
    """Return the seed's own acknowledgement."""
    given = {"order_id": "20106", "outcome": "exported", "at": AT, "message": "ERP order id = 12355", **changes}
    return Acknowledgement(key=1, **given)


def test_it_is_registered() -> None:
    """`type: propeller` in settings.yaml means this source."""
    assert SOURCES["propeller"] is PropellerSource


async def test_the_search_is_the_seeds(source: PropellerSource) -> None:
    """Step 1 of the seed, with the page and its size said aloud; its example order is listed as it came."""
    with aioresponses() as vendor:
        vendor.post(SEARCH, body=encode(found(seed_order(), itemsFound=720, offset=12, pages=60)))
        vendor.post(SEARCH, body=encode(found()))
        pages = [page async for page in source.fetch(lambda: 0)]
        ((_, url), calls), *_ = vendor.requests.items()
    assert url == URL(SEARCH)
    assert msgspec.json.decode(calls[0].kwargs["data"]) == {
        "status": ["NEW"],
        "exportStatuses": [],
        "page": 1,
        "offset": 50,
    }
    assert calls[0].kwargs["headers"]["Authorization"] == f"Bearer {TOKEN.reveal()}"
    assert pages[0].total == 720
    assert [item.order_id for item in pages[0].items] == ["20106"]
    assert msgspec.json.decode(pages[0].items[0].raw) == msgspec.json.decode(encode(seed_order()))


async def test_the_mark_is_the_seeds(source: PropellerSource) -> None:
    """Step 2 of the seed, byte for byte; its example answer confirms."""
    answer = {"id": 20106, "status": "NEW", "exportedAt": "2026-03-24T10:00:00.000Z", "exportStatus": "exported"}
    with aioresponses() as vendor:
        vendor.patch(MARK, payload=answer)
        outcomes = await source.acknowledge([acknowledgement()])
        ((_, _url), calls), *_ = vendor.requests.items()
    assert outcomes == {"20106": Confirmed()}
    assert calls[0].kwargs["data"] == (
        b'{"exportedAt":"2026-03-24T10:00:00.000Z","exportMessage":"ERP order id = 12355","exportStatus":"exported"}'
    )


async def test_a_repeated_mark_is_the_same_bytes() -> None:
    """The time is that of the delivery, in UTC, to the millisecond: a repetition changes nothing (faults.md #101)."""
    at = datetime(2026, 3, 24, 11, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=1)))
    async with propeller([order(20106)]) as h:
        h.vendor.fault(Fault.LOSE_ANSWER, on=lambda request: request.method == "PATCH")
        for _ in range(2):
            try:
                await h.source.acknowledge([acknowledgement(at=at)])
            except Exception as exc:  # noqa: BLE001 - the first answer is lost, however that is told
                assert "lost" in str(exc)  # noqa: PT017 - it is not what is tested
        first, second = [call.body for call in h.vendor.history if call.method == "PATCH"]
    assert first == second
    assert b'"exportedAt":"2026-03-24T10:00:00.123Z"' in first


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"id": "20106", "exportStatus": "EXPORTED"}, Confirmed),
        ({"id": 20107, "exportStatus": "exported"}, Unknown),
        ({"id": 20106, "exportStatus": ""}, Unknown),
        ({"id": 20106, "exportStatus": None}, Unknown),
        ({"id": 20106}, Unknown),
    ],
)
async def test_only_the_right_answer_confirms(source: PropellerSource, answer: Any, outcome: type[Any]) -> None:
    """200 is not enough: the answer has to show this order, exported (compared as text, in either case)."""
    with aioresponses() as vendor:
        vendor.patch(MARK, payload=answer)
        outcomes = await source.acknowledge([acknowledgement()])
    assert isinstance(outcomes["20106"], outcome)


async def test_an_order_that_is_gone_does_not_pause_the_others() -> None:
    """404 with code 10008 is about this order (or a missing right): it is refused, and the next one goes through."""
    async with propeller([order(1)]) as h:
        outcomes = {**await h.acknowledge(["7"]), **await h.acknowledge(["1"])}
    assert isinstance(outcomes["7"], Refused)
    assert outcomes["1"] == Confirmed()


async def test_a_404_of_another_kind_is_a_wrong_address(source: PropellerSource) -> None:
    """A gateway's 404 says nothing of the order: the endpoint is paused, and the order not given up."""
    with aioresponses() as vendor:
        vendor.patch(MARK, status=404, body="<html>no such route</html>")
        with pytest.raises(EndpointError):
            await source.acknowledge([acknowledgement()])
        with pytest.raises(TransientError, match="paused"):
            await source.acknowledge([acknowledgement()])
    assert source.endpoint.breaker.state == "open"


async def test_a_failure_is_not_said(source: PropellerSource) -> None:
    """`failed` would hide the order from the next search (vendors.md 6, seed 000, #10)."""
    with aioresponses() as vendor:
        outcomes = await source.acknowledge([acknowledgement(outcome="failed", message="no address")])
        assert vendor.requests == {}
    assert isinstance(outcomes["20106"], Refused)


async def test_what_is_exported_already_is_left_out(source: PropellerSource) -> None:
    """A server that ignores the filter lists every order; ours are those without any sign of an export."""
    orders = [
        order(1, exportStatus=None),
        order(2, exportStatus="EMPTY"),
        order(3, exportStatus="exported"),
        order(4, exportStatus="Finished"),
        order(5, exportStatus="failed"),
        order(6, exportedAt="2026-03-24T10:00:00.000Z"),
        order(7, status="ARCHIVED"),
        order(8, status="new"),
    ]
    with aioresponses() as vendor:
        vendor.post(SEARCH, body=encode(found(*orders)))
        assert [item.order_id for item in await walk(source)] == ["1", "2", "8"]


async def test_failed_orders_can_be_asked_for() -> None:
    """Who sets `export_statuses: [failed]` gets them, although they have an export date."""
    failed = order(1, exportStatus="failed", exportedAt="2026-03-24T10:00:00.000Z")
    async with propeller([failed, order(2)], export_statuses=["failed"]) as h:
        assert [item.order_id for item in await h.listed()] == ["1"]


async def test_quotations_are_skipped() -> None:
    """A quotation shares the search with the orders; it is listed with the reason why it is none."""
    async with propeller(propeller_orders(12, quotations=3)) as h:
        skipped = [item.skip for item in await h.listed()]
    assert sorted(skipped) == [""] * 9 + ["quotation"] * 3


@pytest.mark.parametrize("order_id", [0, -1, 2**63, 2**80, 1.5, True, None, "x", "", "1" * 30, "٣"])
async def test_an_order_without_a_usable_id_does_not_lose_the_page(source: PropellerSource, order_id: Any) -> None:
    """It is listed under a hash of its bytes, the same each time, and can be mapped by nobody (faults.md #44)."""
    bad = {**seed_order(), "id": order_id}
    with aioresponses() as vendor:
        vendor.post(SEARCH, body=encode(found(order(1), bad, order(2))), repeat=True)
        items = await walk(source)
        assert [item.order_id for item in await walk(source)] == [item.order_id for item in items]
    assert [items[0].order_id, items[2].order_id] == ["1", "2"]
    assert items[1].order_id.startswith("unreadable-")
    with pytest.raises(Unmappable, match="unreadable order"):
        source.to_order(items[1].raw)


async def test_an_id_may_be_text(source: PropellerSource) -> None:
    """Ids are text to us, however the vendor writes them."""
    with aioresponses() as vendor:
        vendor.post(SEARCH, body=encode(found({**seed_order(), "id": "0020106"})))
        (item,) = await walk(source)
    assert item.order_id == source.to_order(item.raw).order_id == "20106"


@pytest.mark.parametrize("page", [found(items=...), found(items=None), found(items={}), [], {"error": {}}, None])
async def test_an_answer_without_items_concludes_nothing(source: PropellerSource, page: Any) -> None:
    """Only an empty list says that the feed is empty (faults.md #41)."""
    with aioresponses() as vendor:
        vendor.post(SEARCH, body=encode(page))
        with pytest.raises(TransientError):
            await walk(source)


async def test_a_page_that_is_too_large_is_halved() -> None:
    """Error 10015 is about the page's size, which no page documents (vendors.md 6, seed 000, #3)."""
    ids = [str(number) for number in range(1, 31)]
    async with propeller([order(number) for number in ids], page_size=100, largest_page=7) as h:
        assert [item.order_id for item in await h.listed()] == ids


async def test_a_page_of_one_that_is_too_large_is_an_error() -> None:
    """Halving ends at one."""
    async with propeller([order(1)], largest_page=0) as h:
        with pytest.raises(RejectedError, match="10015"):
            await h.listed()


class Feed:
    """A search that pages as it likes."""

    def __init__(self, count: int, *, size: int | None = None, lie: dict[str, Any] | None = None) -> None:
        self.ids = list(range(1, count + 1))
        self.size = size
        self.lie = lie or {}
        self.calls = 0

    def search(self, url: URL, **kwargs: Any) -> CallbackResult:
        """Answer one search."""
        self.calls += 1
        asked = msgspec.json.decode(kwargs["data"])
        size = self.size or asked["offset"]
        first = (asked["page"] - 1) * size
        answer = found(
            *(order(number) for number in self.ids[first : first + size]),
            itemsFound=len(self.ids),
            offset=size,
            page=asked["page"],
            pages=-(-len(self.ids) // size),
        )
        return CallbackResult(body=encode({k: v for k, v in {**answer, **self.lie}.items() if v is not ...}))


@pytest.mark.parametrize("offset", [{}, {"offset": ...}, {"offset": 0}, {"offset": "12"}])
@pytest.mark.parametrize("count", [0, 1, 12, 13, 99, 200])
async def test_a_page_size_of_the_servers_own(source: PropellerSource, count: int, offset: dict[str, Any]) -> None:
    """A server that gives pages of 12 whatever was asked for loses nothing, whether it says so or not."""
    feed = Feed(count, size=12, lie=offset)
    with aioresponses() as vendor:
        vendor.post(SEARCH, callback=feed.search, repeat=True)
        assert len(await walk(source)) == count
    assert feed.calls <= count // 12 + 3


@pytest.mark.parametrize(
    "lie",
    [
        {"pages": 10**9},
        {"pages": ..., "itemsFound": ...},
        {"pages": None, "itemsFound": None},
        {"pages": "4", "itemsFound": "200"},
        {"pages": 1},
        {"pages": -1},
        {"pages": [], "itemsFound": {}},
        {"itemsFound": 10**9},
    ],
)
async def test_lying_metadata(source: PropellerSource, lie: dict[str, Any]) -> None:
    """Whatever the page says about the paging, every order is listed and the walk ends (faults.md #40)."""
    feed = Feed(200, lie=lie)
    with aioresponses() as vendor:
        vendor.post(SEARCH, callback=feed.search, repeat=True)
        assert len(await walk(source)) == 200
    assert feed.calls <= 5


async def test_a_first_page_for_ever(source: PropellerSource) -> None:
    """A server that ignores the page's number is left after a few repetitions."""
    with aioresponses() as vendor:
        vendor.post(
            SEARCH, body=encode(found(*(order(n) for n in range(1, 51)), pages=99, itemsFound=4950)), repeat=True
        )
        assert len(await walk(source)) == 50
        assert len(bodies(vendor, "POST")) <= 4


async def test_orders_that_stay_do_not_starve_the_rest() -> None:
    """Two hundred orders that are never acknowledged leave the last one in sight (faults.md #29)."""
    async with propeller([order(number) for number in range(1, 202)], page_size=50) as h:
        assert (await h.listed())[-1].order_id == "201"


async def test_a_new_order_with_a_lower_id_is_listed() -> None:
    """Orders enter by their state: nothing remembers how far the last walk came (faults.md #30)."""
    async with propeller([order(5)]) as h:
        await h.listed()
        h.vendor.add(order(2))
        assert [item.order_id for item in await h.listed()] == ["2", "5"]


async def test_more_acknowledgements_than_left_the_feed() -> None:
    """A search that lags behind the acknowledgements shows known orders again: the walk steps over them."""
    async with propeller([order(number) for number in range(1, 41)]) as h:
        counts = iter([5, 10, 10, 10, 10])
        assert len(await h.listed(lambda: next(counts, 10))) == 40


async def test_the_log_in() -> None:
    """OAuth2 client credentials, in a form (vendors.md 1); one token serves all calls."""
    async with propeller([order(1)]) as h:
        await h.listed()
        await h.acknowledge(["1"])
        (login,) = [call for call in h.vendor.history if call.path == "/oauth2/token"]
    assert login.headers["content-type"] == "application/x-www-form-urlencoded"
    assert dict(parse_qsl(login.body.decode())) == {
        "grant_type": "client_credentials",
        "client_id": "sandbox",
        "client_secret": "sandbox-secret",
    }


async def test_a_wrong_secret() -> None:
    """The operator hears of it, and the secret is not in what he hears."""
    async with propeller([order(1)], client_secret=Secret("not-the-secret")) as h:
        with pytest.raises(AuthError) as caught:
            await h.listed()
    assert "not-the-secret" not in str(caught.value)


@pytest.mark.parametrize("life", [1899, "1899", 1899.9, None, "soon", -1, ...])
async def test_the_life_of_a_token(life: Any) -> None:
    """It comes as a number or as text (vendors.md 1); what cannot be read counts as half an hour."""
    fetched = 0

    def token(url: URL, **kwargs: Any) -> CallbackResult:
        nonlocal fetched
        fetched += 1
        granted = {"access_token": f"token-{fetched}", "token_type": "Bearer", "expires_in": life}
        return CallbackResult(body=encode({key: value for key, value in granted.items() if value is not ...}))

    settings = PropellerSettings(client_id="a", client_secret=Secret("b-secret"))
    source = PropellerSource("shop", settings, SystemClock())
    with aioresponses() as vendor:
        vendor.post(f"{BASE}/oauth2/token", callback=token, repeat=True)
        vendor.post(SEARCH, body=encode(found()), repeat=True)
        for _ in range(3):
            await walk(source)
    await source.aclose()
    assert fetched == 1


@pytest.mark.parametrize("granted", [{}, {"access_token": ""}, {"access_token": "a\r\nX: y"}, {"access_token": 5}, []])
async def test_a_token_that_is_none(granted: Any) -> None:
    """A log-in that answers with something else is tried again later."""
    settings = PropellerSettings(client_id="a", client_secret=Secret("b-secret"))
    source = PropellerSource("shop", settings, SystemClock())
    with aioresponses() as vendor:
        vendor.post(f"{BASE}/oauth2/token", body=encode(granted))
        with pytest.raises(TransientError):
            await walk(source)
    await source.aclose()


async def test_a_fixed_token_needs_no_log_in() -> None:
    """`token` goes with every call as it is."""
    async with propeller([order(1)], client_id=None, client_secret=None, token=Secret("sandbox-token")) as h:
        assert len(await h.listed()) == 1
        assert {call.path for call in h.vendor.history} == {"/v2/orders/search"}


async def test_a_check_says_how_much_waits() -> None:
    """One line for the operator, from one small search."""
    async with propeller(propeller_orders(7)) as h:
        assert await h.source.check() == "search works, 7 orders to export"


async def test_the_filters_key_can_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendor's pages disagree on `status` and `statuses` (vendors.md 6, seed 000, #2)."""
    source = PropellerSource(
        "shop",
        PropellerSettings(token=TOKEN, status_key="statuses", statuses=["A", "B"], export_statuses=[""]),
        SystemClock(),
    )
    with aioresponses() as vendor:
        vendor.post(SEARCH, body=encode(found()))
        await walk(source)
        (sent,) = bodies(vendor, "POST")
    await source.aclose()
    assert sent == {"statuses": ["A", "B"], "exportStatuses": [""], "page": 1, "offset": 50}


@pytest.mark.parametrize(
    ("given", "fine"),
    [
        ({}, False),
        ({"client_id": "a"}, False),
        ({"client_secret": TOKEN}, False),
        ({"token": TOKEN, "client_id": "a"}, False),
        ({"token": TOKEN, "client_id": "a", "client_secret": TOKEN}, False),
        ({"token": TOKEN}, True),
        ({"client_id": "a", "client_secret": TOKEN}, True),
    ],
)
def test_the_settings_want_one_way_in(given: dict[str, Any], fine: bool) -> None:
    """Either a token, or a client's id and secret."""
    problems = PropellerSettings(**given).problems()
    assert (problems == []) is fine
    assert fine or problems == [("token", "give either token, or client_id and client_secret")]


def test_the_settings_are_those_of_the_page() -> None:
    """The keys of design.md, section 5, with their defaults."""
    settings = msgspec.convert({"type": "propeller", "statuses": ["NEW"], "page_size": 50}, PropellerSettings)
    assert settings == PropellerSettings()
    assert settings.base_url == Url(BASE)
    bad: list[dict[str, Any]] = [
        {"page_size": 0},
        {"page_size": 101},
        {"statuses": []},
        {"status_key": "state"},
        {"pagesize": 5},
    ]
    for wrong in bad:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"type": "propeller", **wrong}, PropellerSettings)


async def test_a_connection_is_what_aioresponses_replaces(source: PropellerSource) -> None:
    """A call that no test foresaw fails here, and does not leave the machine."""
    with aioresponses(), pytest.raises(TransientError, match=aiohttp.ClientConnectionError.__name__):
        await walk(source)
