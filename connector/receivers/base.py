"""The protocol of receivers: systems that take responsibility for orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import msgspec

from connector.http.endpoint import Endpoint
from connector.order import Document, Order

__all__ = [
    "Delivery",
    "Receipt",
    "Receiver",
    "ReceiverTraits",
    "SupportsAttachments",
    "SupportsBulkFind",
    "SupportsNewest",
    "SupportsPartialMapping",
    "SupportsStatus",
    "SupportsUpdate",
]


class Delivery(msgspec.Struct, frozen=True):
    """
    One order on its way to one receiver, in the receiver's form.

    - `body`: the bytes of the request; the journal keeps their hash.
    - `applied`: a change that the receiver answered with a success and a later reading did not show (`UnshownError`).
      It is to be read again, not sent again.
    """

    external_id: str
    body: bytes
    applied: bool = False


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """
    Proof that a receiver has an order.

    `id` is the receiver's own id, as text; `reference` the number that its users see, if there is one.
    """

    id: str
    reference: str = ""
    status: str = ""

    @property
    def label(self) -> str:
        """The name of the record in texts for people and for the source."""
        return self.reference or self.id


class ReceiverTraits(msgspec.Struct, frozen=True, kw_only=True):
    """
    The properties of a receiver on which the flow's decisions depend.

    - `can_find`: `find` works. Without it, deliveries in doubt are held for a person, unless `idempotent`.
    - `idempotent`: the receiver recognises a repeated create; a delivery in doubt is sent again.
    - `account`: the account whose orders `find` shows, as a text without secrets; empty if there is no such thing.
      A delivery in doubt at one account is never looked up in another.
    - `accepts_cancelled`: a create states that the order is cancelled, so that nobody fulfils it.
    """

    can_find: bool
    idempotent: bool = False
    account: str = ""
    accepts_cancelled: bool = False


class Receiver(Protocol):
    """
    A system that takes responsibility for orders.

    Methods raise only `TransientError`, `InDoubtError`, `RejectedError`, `ConflictError`, `AuthError` and
    `EndpointError`. Retries, rate limits, breakers and concurrency are around a receiver, never in it.
    """

    name: str
    """The receiver's name in settings.yaml."""

    @property
    def traits(self) -> ReceiverTraits:
        """The properties of this receiver under its settings; constant for its life."""

    request: ClassVar[type[msgspec.Struct]]
    """The documented fields of a create; a mapping's result is checked against it before it is sent."""

    @property
    def endpoint(self) -> Endpoint | None:
        """The connection, whose breaker the flow obeys; None for a receiver without one."""

    def default(self, order: Order) -> Any:
        """Map an order the default way, to a `request`. Pure; raises `Unmappable` and nothing else."""

    async def find(self, external_id: str) -> Receipt | None:
        """
        Look up an order by its external id: compare exactly, read all pages, and return None only if it is certainly
        absent.

        None is permission to create, so anything short of a certain result raises.

        Raises:
            ConflictError: the receiver holds several, or one that must not be treated as ours.
        """

    async def create(self, delivery: Delivery) -> Receipt:
        """
        Create the order; return once the receiver has safely stored it. Called once per committed intent.

        Raises:
            RejectedError: the receiver refused this order; `duplicate` if it has one already.
            InDoubtError: the receiver may have it.
            ConflictError: the response is about another order.
        """

    async def check(self) -> str:
        """Prove address, credentials and rights without changing anything; return one line for the operator."""

    async def aclose(self) -> None:
        """Release the connections. Idempotent."""


@runtime_checkable
class SupportsPartialMapping(Protocol):
    """A receiver whose default mapping can be replaced in part, even for an order that it cannot map as a whole."""

    def partial(self, order: Order) -> dict[str, Any]:
        """
        Map an order that `default` refused, as far as possible: plain values, keyed as on the wire.

        A `MissingPart` takes the place of each part that cannot be mapped; its cause holds the order unless the route's
        mapping replaces the part. Pure; raises `Unmappable` for a part that no mapping can replace.
        """


@runtime_checkable
class SupportsBulkFind(Protocol):
    """A receiver that can look up many orders in fewer calls than one each."""

    async def find_many(self, external_ids: Sequence[str]) -> Mapping[str, Receipt | None]:
        """
        Look up orders as `find` does, in fewer calls than one each; return an empty mapping if that is not possible.

        Orders for which `find` would raise, and uncertain ones, are left out: None is permission to create. Raises as
        `find`.
        """


@runtime_checkable
class SupportsNewest(Protocol):
    """
    A receiver that can list its newest orders, and so can be a witness of the journal (`witness:`).

    Its settings struct declares the same (`lists_newest`).
    """

    async def newest(self, limit: int) -> Sequence[tuple[str, Receipt]]:
        """
        Return the newest records, newest first and at most `limit`: the external id of each, and its receipt.

        Records without an external id are left out. Raises as `find` if the list is not certain.
        """


@runtime_checkable
class SupportsUpdate(Protocol):
    """
    A receiver whose orders can be changed and cancelled after their creation.

    Neither method is called within `settle` of a change that was or may have been sent, so that the first reading is
    not stale. A reading after a write may be: if it does not show the change, the methods raise `UnshownError` and are
    called again after `settle`. A `TransientError` means that nothing was sent, or nothing was applied.
    """

    async def update(self, receipt: Receipt, delivery: Delivery) -> Receipt:
        """
        Change the order of `receipt` to the form of `delivery`. Idempotent.

        Raises `RejectedError`, with the status, if the receiver accepts no changes of that order any more.
        """

    async def cancel(self, receipt: Receipt) -> None:
        """Cancel the order. Idempotent. Raises `RejectedError` if it is too late."""


@runtime_checkable
class SupportsAttachments(Protocol):
    """
    A receiver that accepts documents with an order.

    It is not called within `settle` of documents that were or may have been sent. If some were sent and others could
    not be, it raises `InDoubtError`; a `TransientError` means that none was sent.
    """

    async def attach(self, receipt: Receipt, documents: Sequence[Document]) -> None:
        """Attach those of `documents` whose titles the order does not have yet. Idempotent."""


@runtime_checkable
class SupportsStatus(Protocol):
    """A receiver that shows the status of its orders."""

    async def progress(self, receipts: Sequence[Receipt]) -> Mapping[str, str]:
        """Return the status of each order by receipt id; leave out the uncertain ones."""
