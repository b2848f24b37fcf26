"""The contract of receivers. Each receiver's test inherits it; an unsupported call is skipped, visibly."""

from __future__ import annotations

import msgspec
import pytest

from connector.errors import (
    ConflictError,
    Unmappable,
)
from connector.receivers.base import ReceiverTraits
from tests.contracts.receiver_harness import Vendor, mutated
from tests.contracts.receiver_outcomes import OutcomeRules

__all__ = ["ReceiverContract"]


class ReceiverContract(OutcomeRules):
    """
    The promises of `connector.receivers.base.Receiver`, over real sockets.

    A subclass named `Test...` names the receiver and its vendor's abilities, and makes a harness.
    """

    async def test_the_traits_are_declared(self) -> None:
        """The flow decides by them, so they are a `ReceiverTraits`, and name the receiver's look-up."""
        async with self.make(Vendor()) as h:
            assert type(h.receiver.traits) is ReceiverTraits
            assert h.receiver.traits.can_find is self.can_find

    @pytest.mark.fault(51)
    async def test_a_created_order_is_at_the_vendor_once_and_found(self) -> None:
        """The receipt of a create names the record that a look-up finds."""
        async with self.make(Vendor()) as h:
            created = await self.create(h, "1")
            assert h.ids("shop-1") == [created]
            if h.receiver.traits.can_find:
                found = await h.receiver.find("shop-1")
                assert found is not None
                assert found.id == created

    async def test_an_unknown_order_is_not_found(self) -> None:
        """None means that it is not there, and is leave to create."""
        self.needs_find()
        async with self.make(Vendor()) as h:
            await self.create(h, "1")
            assert await h.receiver.find("shop-2") is None

    @pytest.mark.attack(34)
    @pytest.mark.fault(71)
    async def test_a_look_up_compares_exactly(self) -> None:
        """A vendor that lists shop-10 for shop-1 does not have shop-1 (faults.md #71)."""
        self.needs_find()
        async with self.make(Vendor(fuzzy=True)) as h:
            h.put("shop-10")
            assert await h.receiver.find("shop-1") is None
            created = await self.create(h, "1")
            found = await h.receiver.find("shop-1")
            assert found is not None
            assert found.id == created

    async def test_a_look_up_reads_every_page(self) -> None:
        """A match on the last page of many is found, whatever number the first page has."""
        self.needs_find()
        for first_page in self.first_pages:
            async with self.make(Vendor(fuzzy=True, first_page=first_page)) as h:
                for number in range(120):
                    h.put(f"shop-1{number}")
                assert await h.receiver.find("shop-1") is None
                last = h.put("shop-1")
                found = await h.receiver.find("shop-1")
                assert found is not None
                assert found.id == last

    @pytest.mark.fault(72)
    async def test_two_records_are_a_conflict(self) -> None:
        """An operator decides which of the two is ours (faults.md #72)."""
        self.needs_find()
        async with self.make(Vendor()) as h:
            h.put("shop-1")
            h.put("shop-1")
            with pytest.raises(ConflictError):
                await h.receiver.find("shop-1")

    @pytest.mark.fault(73)
    async def test_a_cancelled_record_is_a_conflict(self) -> None:
        """A cancelled record is neither treated as ours nor created again (faults.md #73)."""
        self.needs_find()
        async with self.make(Vendor()) as h:
            h.put("shop-1", cancelled=True)
            with pytest.raises(ConflictError):
                await h.receiver.find("shop-1")

    async def test_the_default_mapping_turns_any_order_into_a_request_or_a_hold(self) -> None:
        """Any missing or hostile value in an order raises `Unmappable`, or leaves a request that can be encoded."""
        async with self.make(Vendor()) as h:
            for order in mutated():
                try:
                    request = h.receiver.default(order)
                except Unmappable:
                    continue
                body = msgspec.json.encode(request)
                assert msgspec.json.decode(body, type=self.receiver.request) == request

    async def test_what_the_default_mapping_lets_through_is_taken(self) -> None:
        """The vendor refuses nothing that the mapping made: its checks are the vendor's (design.md, section 7)."""
        async with self.make(Vendor()) as h:
            taken = 0
            for number, order in enumerate(mutated()):
                fresh = msgspec.structs.replace(order, order_id=str(number), reference="")
                try:
                    delivery = h.delivery(fresh)
                except Unmappable:
                    continue
                await h.receiver.create(delivery)
                taken += 1
            assert taken > 50

    async def test_a_check_changes_nothing(self) -> None:
        """It returns one printable line and writes no order."""
        async with self.make(Vendor()) as h:
            line = await h.receiver.check()
            assert line.isprintable()
            assert h.requests("create") == 0
            assert not any(secret in line for secret in h.secrets)

    async def test_closing_twice_is_harmless(self) -> None:
        """`aclose` is called on every way out, and on some of them twice."""
        async with self.make(Vendor()) as h:
            await h.receiver.check()
            await h.receiver.aclose()
            await h.receiver.aclose()
