"""What a receiver is: a system that takes responsibility for orders."""

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

    `body` is what goes on the wire, byte for byte; the journal keeps its hash. `applied` is for a change that the
    receiver answered with a success and that a reading did not show (`UnshownError`): it is to be read, not sent again.
    """

    external_id: str
    body: bytes
    applied: bool = False


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """
    Proof that a receiver has an order.

    `id` is the receiver's own id, as text; `reference` the number that people there know it by, if there is one.
    """

    id: str
    reference: str = ""
    status: str = ""

    @property
    def label(self) -> str:
        """What to call the record when talking to a person or to the source."""
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
        """The connection, whose breaker the flow obeys; None for a receiver that has none."""

    def default(self, order: Order) -> Any:
        """Map an order the default way, to a `request`. Pure; raises `Unmappable` and nothing else."""

    async def find(self, external_id: str) -> Receipt | None:
        """
        Look an order up by its external id; compare exactly, page on, and return None only when it is not there.

        Raises `ConflictError` when the receiver holds more than one, or one that must not be taken for ours.
        Anything short of a certain answer raises: None is permission to create.
        """

    async def create(self, delivery: Delivery) -> Receipt:
        """
        Hand the order over; return once it is safely theirs.

        Called once per committed intent. `RejectedError` means that the receiver refused this order (`duplicate` if
        because it has one already), `InDoubtError` that it may have it, `ConflictError` that it answered with
        somebody else's order.
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
        Map an order that `default` refused, as far as it goes: plain values, keyed as on the wire.

        In the place of each part that cannot be mapped stands a `MissingPart`, whose cause holds the order unless the
        route's mapping replaces that part. Pure; raises `Unmappable` for what no mapping can replace.
        """


@runtime_checkable
class SupportsBulkFind(Protocol):
    """A receiver that can look many orders up for fewer calls than one each."""

    async def find_many(self, external_ids: Sequence[str]) -> Mapping[str, Receipt | None]:
        """
        Look orders up, as `find` does, in fewer calls than one each; return an empty mapping where that cannot be.

        Leave out what `find` would raise for, and what is not certain: None is permission to create. Raises as `find`.
        """


@runtime_checkable
class SupportsNewest(Protocol):
    """
    A receiver that can list the orders it took last, so that it can be a witness of the journal (`witness:`).

    The struct of its settings says so, too (`lists_newest`).
    """

    async def newest(self, limit: int) -> Sequence[tuple[str, Receipt]]:
        """
        Return the newest records, `limit` at most and the newest first: the external id of each, and its receipt.

        A record without an external id is left out. Raises as `find` where they cannot be listed for certain.
        """


@runtime_checkable
class SupportsUpdate(Protocol):
    """
    A receiver whose orders can be changed and cancelled after they were created.

    Neither is called within `settle` of a change that was or may have been sent, so that what they read first is not
    older. What they read after a write may be: where that does not show it, they raise `UnshownError`, and are called
    again after `settle`. A `TransientError` says that nothing was sent, or none of it applied.
    """

    async def update(self, receipt: Receipt, delivery: Delivery) -> Receipt:
        """
        Bring the order that `receipt` names to the form of `delivery`; doing it again changes nothing.

        Raises `RejectedError`, with the status, when the receiver does not take changes of that order any more.
        """

    async def cancel(self, receipt: Receipt) -> None:
        """Cancel the order; one that is cancelled already stays so. Raises `RejectedError` when it is too late."""


@runtime_checkable
class SupportsAttachments(Protocol):
    """
    A receiver that takes documents with an order.

    It is not called within `settle` of documents that were or may have been sent. When some were, and others could
    not be, it raises `InDoubtError`: a `TransientError` says that none was.
    """

    async def attach(self, receipt: Receipt, documents: Sequence[Document]) -> None:
        """Attach those of `documents` whose titles the order does not have yet; doing it again attaches none twice."""


@runtime_checkable
class SupportsStatus(Protocol):
    """A receiver that can be asked how far its orders are."""

    async def progress(self, receipts: Sequence[Receipt]) -> Mapping[str, str]:
        """Return the status of each order by receipt id; leave out what is not known for certain."""
