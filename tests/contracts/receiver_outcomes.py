"""A receiver classifies every result of a call: applied, not applied, or unknown."""

from __future__ import annotations

import traceback

import pytest

from connector.errors import (
    AuthError,
    ConflictError,
    ConnectorError,
    EndpointError,
    InDoubtError,
    RejectedError,
    TransientError,
)
from tests.contracts.receiver_harness import Call, ReceiverBench, Vendor

__all__ = ["OutcomeRules"]

PAGE = b"<!DOCTYPE html><html><body>Sign in to go on.</body></html>"
NO_ANSWERS = [
    pytest.param(b"", id="empty"),
    pytest.param(PAGE, id="html"),
    pytest.param(b'{"id": "1', id="truncated"),
    pytest.param(b'{"id": "\xff"}', id="not utf-8"),
    pytest.param(b"[" * 100_000, id="deep"),
    pytest.param(b"5", id="number"),
    pytest.param(b"null", id="null"),
    pytest.param(b'{"id": ["x"], "external_id": {}}', id="wrong types"),
]


class OutcomeRules(ReceiverBench):
    """The rules for calls that go wrong (faults.md 2.C and 4.3)."""

    @pytest.mark.fault(78)
    async def test_a_vendor_that_is_down_has_not_got_it(self) -> None:
        """A refused connection proves that nothing was sent: try again (faults.md #78)."""
        for call in self.calls():
            async with self.make(Vendor(up=False)) as h:
                with pytest.raises(TransientError):
                    await self.do(h, call)

    @pytest.mark.fault(67, 68)
    @pytest.mark.parametrize("applied", [True, False])
    async def test_a_lost_answer_is_in_doubt_and_a_look_up_settles_it(self, applied: bool) -> None:
        """After a create without a response only a look-up can decide (faults.md #67, #68)."""
        async with self.make(Vendor()) as h:
            h.lose("create", applied=applied)
            with pytest.raises(InDoubtError):
                await self.do(h, "create")
            assert h.requests("create") == 1
            if h.receiver.traits.can_find:
                found = await h.receiver.find("shop-1")
                assert bool(found) is applied
                assert h.ids("shop-1") == ([found.id] if found else [])

    @pytest.mark.fault(75)
    async def test_a_lost_look_up_is_tried_again(self) -> None:
        """A look-up changes nothing: its loss is never an answer."""
        self.needs_find()
        async with self.make(Vendor()) as h:
            await self.create(h, "1")
            h.lose("find", applied=False)
            h.lose("find", applied=False)  # the HTTP client itself repeats a read once
            with pytest.raises(TransientError):
                await h.receiver.find("shop-1")

    @pytest.mark.fault(66, 75)
    @pytest.mark.parametrize("status", [500, 502, 503, 504])
    @pytest.mark.parametrize("applied", [True, False])
    async def test_a_server_error_is_in_doubt_for_a_create_only(self, status: int, applied: bool) -> None:
        """A 5xx may come after the record was written (faults.md #66)."""
        async with self.make(Vendor()) as h:
            h.answer("create", status, b"oops", applied=applied)
            with pytest.raises(InDoubtError):
                await self.do(h, "create")
            if h.receiver.traits.can_find:
                h.answer("find", status, b"oops")
                with pytest.raises(TransientError):
                    await h.receiver.find("shop-1")

    @pytest.mark.fault(59)
    async def test_a_refused_token_is_renewed_once(self) -> None:
        """A 401 was not applied: the call is repeated with a new token, and the order is there once (faults.md #59)."""
        if not self.logs_in:
            pytest.skip("has no token to renew")
        async with self.make(Vendor()) as h:
            h.answer("create", 401)
            created = await self.create(h, "1")
            assert h.ids("shop-1") == [created]
            assert h.requests("create") == 2

    @pytest.mark.fault(61, 75)
    async def test_credentials_that_stay_refused_are_the_operators(self) -> None:
        """A 401 that a new token does not cure, or a 403, stops the receiver and rejects no order (faults.md #61)."""
        for call in self.calls():
            for status in (401, 403):
                async with self.make(Vendor()) as h:
                    h.answer(call, status, times=9)
                    with pytest.raises(AuthError):
                        await self.do(h, call)
                    assert h.requests(call) <= 2

    @pytest.mark.fault(62, 63, 83)
    @pytest.mark.parametrize("status", [301, 307, 404, 405, 415])
    async def test_a_wrong_address_is_the_operators(self, status: int) -> None:
        """A failure that would meet every order is no order's fault (faults.md #62, #63, #83)."""
        for call in self.calls():
            async with self.make(Vendor()) as h:
                h.answer(call, status)
                with pytest.raises(EndpointError):
                    await self.do(h, call)
                assert h.ids("shop-1") == []

    @pytest.mark.fault(65, 75)
    async def test_a_throttled_call_waits_as_long_as_it_is_told(self) -> None:
        """A 429 was not applied, and names the wait (faults.md #65)."""
        for call in self.calls():
            async with self.make(Vendor()) as h:
                h.answer(call, 429)
                with pytest.raises(TransientError) as caught:
                    await self.do(h, call)
                assert caught.value.retry_after == 7

    @pytest.mark.attack(16)
    @pytest.mark.fault(56, 86)
    @pytest.mark.parametrize("status", [400, 422])
    async def test_a_refused_order_is_rejected_with_a_reason(self, status: int) -> None:
        """The reason is for a person: short, on one line, in the vendor's words (faults.md #56, #86)."""
        async with self.make(Vendor()) as h:
            h.answer("create", status, h.refusal("No such\narticle\x1b[31m " + "x" * 2000))
            with pytest.raises(RejectedError, match=r"No such article") as caught:
                await self.do(h, "create")
            assert len(str(caught.value)) <= 500
            assert str(caught.value).isprintable()
            assert not caught.value.duplicate

    @pytest.mark.fault(57)
    async def test_a_duplicate_says_so(self) -> None:
        """Created twice, the second is refused as a duplicate, and the look-up finds the first (faults.md #57)."""
        if not self.refuses_duplicates:
            pytest.skip("takes duplicates")
        async with self.make(Vendor()) as h:
            created = await self.create(h, "1")
            with pytest.raises(RejectedError) as caught:
                await self.create(h, "1")
            assert caught.value.duplicate
            assert h.ids("shop-1") == [created]

    @pytest.mark.fault(52, 53, 85)
    @pytest.mark.parametrize("body", NO_ANSWERS)
    @pytest.mark.parametrize("status", [200, 201])
    async def test_an_answer_that_proves_nothing_is_in_doubt(self, status: int, body: bytes) -> None:
        """A success that cannot be read may be one or not (faults.md #52, #53, #85)."""
        if not self.reads_answers:
            pytest.skip("any 2xx is a success")
        async with self.make(Vendor()) as h:
            h.answer("create", status, body, applied=True)
            with pytest.raises(InDoubtError):
                await self.do(h, "create")

    @pytest.mark.fault(75)
    @pytest.mark.parametrize("body", NO_ANSWERS)
    async def test_a_look_up_that_cannot_be_read_never_says_no(self, body: bytes) -> None:
        """None is leave to create: a page, a broken list or nothing at all is not None (faults.md #75)."""
        self.needs_find()
        async with self.make(Vendor()) as h:
            h.answer("find", 200, body)
            with pytest.raises(TransientError):
                await h.receiver.find("shop-1")

    @pytest.mark.attack(34)
    @pytest.mark.fault(54)
    async def test_an_answer_about_another_order_is_a_conflict(self) -> None:
        """A create that is answered with somebody else's order is for a person (faults.md #54)."""
        async with self.make(Vendor()) as h:
            body = h.created("shop-2")
            if not body:
                pytest.skip("the answer does not repeat the external id")
            h.answer("create", 201, body)
            with pytest.raises(ConflictError):
                await self.do(h, "create")

    @pytest.mark.attack(24)
    async def test_errors_hold_no_secret(self) -> None:
        """A vendor that repeats all it was sent cannot bring a secret into an error (faults.md, section 3, #24)."""
        calls: list[Call] = [*self.calls(), "login"] if self.logs_in else self.calls()
        for call in calls:
            for status in (200, 400, 401, 403, 404, 409, 422, 429, 500):
                async with self.make(Vendor()) as h:
                    h.answer(call, status, echo=True, times=3)
                    try:
                        await self.do(h, "create" if call == "login" else call)
                    except ConnectorError as exc:
                        said = "".join(traceback.format_exception(exc)) + repr(exc)
                        assert not [secret for secret in h.secrets if secret in said]
                    else:
                        assert status == 200
