"""The contract of sources. Each source's test inherits it; an unsupported call is skipped, visibly."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given, settings

from connector.errors import AuthError, ConnectorError, EndpointError, InDoubtError, TransientError, Unmappable
from connector.order import Order
from connector.sandbox.server import Fault
from connector.sources.base import AckOutcome, Confirmed, Unknown
from tests.contracts.hostile import spoilt
from tests.contracts.source_harness import Call, SourceBench, SourceHarness, numbers

__all__ = ["SourceContract"]

CALLS: list[Call] = ["fetch", "ack"]


class SourceContract(SourceBench):
    """
    The promises of `connector.sources.base.Source`, over real sockets.

    A subclass named `Test...` names the source, and makes a harness.
    """

    @pytest.mark.fault(27)
    @pytest.mark.parametrize("pages", [0.0, 0.5, 1.0, 2.0, 3.3])
    async def test_every_order_is_listed_once_a_pass(self, pages: float) -> None:
        """However the feed fills its pages, a pass lists each order once, and so does the next pass."""
        ids = numbers(int(pages * self.page_limit))
        async with self.make(ids) as h:
            for _ in range(2):
                assert sorted(item.order_id for item in await h.listed()) == sorted(ids)

    async def test_pages_are_bounded(self) -> None:
        """No page is larger than the limit, so that memory is flat however long the feed is."""
        async with self.make(numbers(4 * self.page_limit)) as h:
            assert max(len(page.items) for page in await h.pages()) <= self.page_limit

    async def test_the_vendors_own_count_is_handed_on(self) -> None:
        """If the vendor states how many orders the feed holds, the page does, too: it shows the missed orders."""
        ids = numbers(self.page_limit + 1)
        async with self.make(ids) as h:
            assert (await h.pages())[0].total in (None, len(ids))

    async def test_acknowledged_orders_are_not_listed_again(self) -> None:
        """An acknowledged order leaves the feed, and no other one does."""
        ids = numbers(self.page_limit + 2)
        async with self.make(ids) as h:
            await h.acknowledge(ids[::2])
            assert {item.order_id for item in await h.listed()} == set(ids[1::2])

    @pytest.mark.fault(42)
    async def test_an_unreadable_order_does_not_lose_its_page(self) -> None:
        """One bad order is listed as it is, for a person to look at; its neighbours are as good as ever."""
        ids = numbers(self.page_limit)
        async with self.make(ids) as h:
            h.spoil("2")
            items = {item.order_id: item for item in await h.listed()}
            assert len(items) == len(ids)
            unreadable = []
            for order_id, item in items.items():
                try:
                    assert h.source.to_order(item.raw).order_id == order_id
                except Unmappable as exc:
                    unreadable.append((order_id, exc.cause))
            assert len(unreadable) == 1

    @pytest.mark.fault(28)
    @pytest.mark.parametrize("step", [1, 2, 3, 7])
    async def test_a_feed_that_shrinks_while_it_is_read_loses_nothing(self, step: int) -> None:
        """Pages shift up while we acknowledge, every order or some of them: the pass lists all the same."""
        ids = numbers(5 * self.page_limit + 1)
        gone: list[str] = []
        listed: list[str] = []
        async with self.make(ids) as h:
            async for page in h.source.fetch(lambda: len(gone)):
                listed += [item.order_id for item in page.items]
                told = [item.order_id for item in page.items if int(item.order_id) % step == 0]
                await h.acknowledge(told)
                gone.extend(told)
        assert sorted(listed) == sorted(ids)

    async def test_a_full_batch_is_taken(self) -> None:
        """As many orders as the limit allows go in one call; the result has the outcome of each."""
        ids = numbers(self.source.ack_limit)
        async with self.make(ids) as h:
            outcomes = await h.source.acknowledge([h.acknowledgement(order_id) for order_id in ids])
            assert outcomes == {order_id: Confirmed() for order_id in ids}
            assert sorted(h.acknowledged()) == sorted(ids)

    async def test_acknowledging_twice_is_harmless(self) -> None:
        """Where a lost answer may be repeated, the repetition is confirmed and changes nothing."""
        ids = numbers(3)
        async with self.make(ids) as h:
            if not h.source.traits.ack_idempotent:
                pytest.skip("an acknowledgement is not repeated")
            await h.acknowledge(["2"])
            assert await h.acknowledge(["2"]) == {"2": Confirmed()}
            assert {item.order_id for item in await h.listed()} == {"1", "3"}

    @pytest.mark.fault(93, 94, 97)
    @pytest.mark.parametrize(
        "fault",
        [Fault.LOSE_ANSWER, Fault.LOSE_REQUEST, Fault.SERVER_ERROR, Fault.SERVER_ERROR_APPLIED, Fault.HTML],
    )
    async def test_an_acknowledgement_without_an_answer_is_unknown(self, fault: Fault) -> None:
        """The source may or may not have it, and nothing counts as a confirmation (faults.md #93, #94, #97)."""
        async with self.make(numbers(2)) as h:
            h.fault("ack", fault)
            assert isinstance(await doubtful(h, "1"), Unknown)
            if h.source.traits.ack_idempotent:
                assert await h.acknowledge(["1"]) == {"1": Confirmed()}
                assert {item.order_id for item in await h.listed()} == {"2"}

    @pytest.mark.parametrize("call", CALLS)
    async def test_a_vendor_that_is_down_was_told_nothing(self, call: Call) -> None:
        """A refused connection proves that nothing was sent: try again."""
        async with self.make(numbers(1), up=False) as h:
            with pytest.raises(TransientError):
                await h.do(call)

    @pytest.mark.fault(47)
    @pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_ANSWER, Fault.SERVER_ERROR, Fault.HTML])
    async def test_a_page_that_is_no_page_is_tried_again(self, fault: Fault) -> None:
        """A lost page, an error, or somebody's log-in page: the walk fails, and nothing is concluded from it."""
        async with self.make(numbers(2)) as h:
            h.fault("fetch", fault, times=2)  # two: the client may repeat a read on a connection that broke
            with pytest.raises(TransientError):
                await h.listed()

    @pytest.mark.fault(45, 97)
    @pytest.mark.parametrize("call", CALLS)
    async def test_refused_credentials(self, call: Call) -> None:
        """A 401 that stays is for the operator, and nothing was applied."""
        async with self.make(numbers(1)) as h:
            h.fault(call, Fault.UNAUTHORIZED, times=100)
            with pytest.raises(AuthError):
                await h.do(call)
            assert h.acknowledged() == []

    @pytest.mark.parametrize("call", CALLS)
    async def test_an_expired_token_is_renewed(self, call: Call) -> None:
        """A 401 that a new token cures reaches no caller."""
        if not self.logs_in:
            pytest.skip("has a key that does not expire")
        async with self.make(numbers(1)) as h:
            h.fault(call, Fault.UNAUTHORIZED)
            await h.do(call)

    @pytest.mark.fault(46, 97)
    @pytest.mark.parametrize("call", CALLS)
    async def test_a_throttled_call_waits_as_long_as_it_was_told(self, call: Call) -> None:
        """A 429 was not applied, and its Retry-After reaches the caller that repeats it."""
        async with self.make(numbers(1)) as h:
            h.fault(call, Fault.THROTTLE)
            with pytest.raises(TransientError) as caught:
                await h.do(call)
            assert caught.value.retry_after == 1
            assert h.acknowledged() == []

    @pytest.mark.attack(1)
    @pytest.mark.parametrize("call", CALLS)
    async def test_a_redirect_is_a_wrong_address(self, call: Call) -> None:
        """Neither orders nor keys follow a redirect."""
        async with self.make(numbers(1)) as h:
            h.fault(call, Fault.REDIRECT)
            with pytest.raises(EndpointError):
                await h.do(call)

    @pytest.mark.attack(24)
    @pytest.mark.parametrize("call", CALLS)
    @pytest.mark.parametrize("fault", [Fault.UNAUTHORIZED, Fault.SERVER_ERROR, Fault.LOSE_ANSWER, Fault.REDIRECT])
    async def test_no_error_holds_a_key(self, call: Call, fault: Fault) -> None:
        """For every failure, the printed error may be shown to anybody."""
        async with self.make(numbers(1)) as h:
            h.fault(call, fault, times=100)
            with pytest.raises(ConnectorError) as caught:
                await h.do(call)
            printed = "".join(traceback.format_exception(caught.value))
            assert [secret for secret in h.secrets if secret in printed] == []

    async def test_a_check_changes_nothing(self) -> None:
        """It returns one line, and the feed is unchanged."""
        ids = numbers(3)
        async with self.make(ids) as h:
            line = await h.source.check()
            assert line
            assert line.isprintable()
            assert h.acknowledged() == []
            assert sorted(item.order_id for item in await h.listed()) == ids

    async def test_a_check_finds_refused_credentials(self) -> None:
        """A wrong key is reported to the operator before the first order."""
        async with self.make(numbers(1)) as h:
            h.fault("fetch", Fault.UNAUTHORIZED, times=100)
            with pytest.raises(AuthError):
                await h.source.check()

    async def test_closing_twice_is_harmless(self) -> None:
        """A source may be closed before its first call, and again."""
        async with self.make(numbers(1)) as h:
            await h.source.aclose()
            await h.source.aclose()

    def test_the_sample_becomes_an_order(self) -> None:
        """The canonical order keeps the source's name, the vendor's bytes, and money as exact numbers."""
        source, raw = self.offline(), self.sample()
        order = source.to_order(raw)
        assert isinstance(order, Order)
        assert order.raw == raw
        assert order.external_id == f"{source.name}-{order.order_id}"
        assert order == source.to_order(raw)

    @pytest.mark.attack(12, 13, 15)
    def test_no_order_breaks_the_mapping(self) -> None:
        """Anything that a vendor lists becomes an order or is unmappable under a cause, the same one each time."""
        source = self.offline()

        @settings(max_examples=200, deadline=None)
        @given(spoilt(self.sample()))
        def holds(raw: bytes) -> None:
            results: list[object] = []
            for _ in range(2):
                try:
                    results.append(source.to_order(raw))
                except Unmappable as exc:
                    results.append((exc.cause, exc.detail))
            assert results[0] == results[1] != ("", "")

        holds()


async def doubtful(harness: SourceHarness, order_id: str) -> AckOutcome:
    """Acknowledge one order; a raised doubt counts as the outcome, as it does to the pipeline."""
    try:
        return (await harness.acknowledge([order_id])).get(order_id, Unknown("not in the answer"))
    except InDoubtError as exc:
        return Unknown(str(exc))
