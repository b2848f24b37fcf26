"""What a receiver is: a system that takes responsibility for orders."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import msgspec

from connector.http import Endpoint
from connector.order import Order

__all__ = ["Delivery", "Receipt", "Receiver"]


class Delivery(msgspec.Struct, frozen=True):
    """
    One order on its way to one receiver, in the receiver's form.

    `body` is what goes on the wire, byte for byte; the journal keeps its hash.
    """

    external_id: str
    body: bytes


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


class Receiver(Protocol):
    """
    A system that takes responsibility for orders.

    Methods raise only `TransientError`, `InDoubtError`, `RejectedError`, `ConflictError`, `AuthError` and
    `EndpointError`. Retries, rate limits, breakers and concurrency are around a receiver, never in it.
    """

    name: str
    """The receiver's name in settings.yaml."""

    finds: ClassVar[bool]
    """Whether `find` works. In-doubt deliveries to a receiver without it are held for a person."""

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
