"""One call to eWarehousing's middleware: its headers, and the meaning of a refusal (vendors.md, section 4)."""

from __future__ import annotations

from collections.abc import Sequence

from connector.clients.ewarehousing.errors import is_duplicate, is_ours, reason
from connector.clients.ewarehousing.login import LoginSession
from connector.clients.ewarehousing.settings import EwarehousingAccess
from connector.clock import Clock
from connector.errors import AuthError, EndpointError, RejectedError, TransientError
from connector.http.endpoint import Answer, BearerToken, Effect, Endpoint
from connector.http.reported_failure import in_utf8, no_success

__all__ = ["NotFound", "Transport"]

REFUSALS = frozenset({400, 409, 422})
OWN = frozenset({"status", "title"})
"""Keys of an order's or a document's own values."""


class NotFound(RejectedError):
    """No order, or document, has that id."""


class Transport:
    """
    Calls to the middleware.

    `one`: the path names one order or document by its id. A 404 then means that the record is absent, and otherwise
    that the address is wrong.
    """

    def __init__(self, name: str, settings: EwarehousingAccess, clock: Clock) -> None:
        self._customer = {"X-Customer-Code": settings.customer_code}  # for all calls but the log-in
        self.endpoint = Endpoint(
            name,
            settings.base_url,
            settings,
            clock,
            headers={"X-Wms-Code": settings.wms_code},
            secrets=[settings.password.reveal()],
        )
        self._session = LoginSession(self.endpoint, settings.username, settings.password)
        self.endpoint.token = BearerToken(self._session.fetch, clock)

    def rotate_secrets(self, settings: EwarehousingAccess) -> None:
        """Log in with the user and password of `settings` from now on."""
        self._session.rotate(settings.username, settings.password)
        self.endpoint.rotate_secrets({}, [settings.password.reveal()])

    async def read(
        self, path: str, query: Sequence[tuple[str, str]] = (), *, one: bool = False, expand: Sequence[str] = ()
    ) -> Answer:
        """Make a call that changes nothing; `expand` names the groups that the response is to contain."""
        return await self.endpoint.call(
            "GET",
            path,
            effect=Effect.READ,
            query=query,
            headers={**self._customer, "Expand": ",".join(expand)} if expand else self._customer,
            expected=REFUSALS | {404} if one else REFUSALS,
            judge=self._judge,
        )

    async def write(self, method: str, path: str, body: bytes | None, *, one: bool = False) -> Answer:
        """Make a call that changes something: a lost response raises `InDoubtError`."""
        return await self.endpoint.call(
            method,
            path,
            effect=Effect.WRITE,
            body=body,
            headers=self._customer,
            expected=REFUSALS | {404} if one else REFUSALS,
            judge=self._judge,
        )

    def _judge(self, answer: Answer) -> None:
        """Raise the error of a refusal: of our settings (faults.md #58), of this call, or of an unknown server."""
        if answer.status not in REFUSALS | {404}:
            if why := no_success(answer.body, answer.status, own=OWN):
                raise answer.unusable(f"it {why}")
            return
        why = reason(answer.status, self._session.hide(answer.body))
        if in_utf8(answer.body).lstrip().startswith(b"<"):
            raise EndpointError(f"{answer.what}: {answer.status}: {why}")  # an HTML page of another server
        if answer.status == 404:
            raise NotFound(f"{answer.what}: 404: {why}")
        if answer.status != 409 and is_ours(why):
            raise AuthError(f"{answer.what}: {answer.status}: {why}")
        if answer.effect is Effect.WRITE:
            raise RejectedError(why, duplicate=answer.status == 409 or is_duplicate(why))
        if answer.status == 409:
            raise TransientError(f"{answer.what}: 409: {why}")
        raise RejectedError(f"{answer.what}: {answer.status}: {why}")
