"""Logs in to eWarehousing's middleware, and renews the token with a refresh token (vendors.md, section 4)."""

from __future__ import annotations

import msgspec

from connector.clients.ewarehousing.requests import Login, Refresh, Session
from connector.errors import ConnectorError
from connector.http.endpoint import Effect, Endpoint
from connector.settings.values import Secret, spellings

__all__ = ["LoginSession"]

LOGIN = "/wms/auth/login/"
REFRESH = "/wms/auth/refresh/"

_session = msgspec.json.Decoder(Session)


class LoginSession:
    """
    The source of the tokens of `connector.http.endpoint.BearerToken`.

    A token lives for `exp - iat`: both are by the receiver's clock, which may differ from ours.
    """

    def __init__(self, endpoint: Endpoint, username: str, password: Secret) -> None:
        self._endpoint = endpoint
        self._username = username
        self._password = password
        self._token = ""
        self._refresh_token = ""

    def rotate(self, username: str, password: Secret) -> None:
        """Log in with this user and password from now on."""
        self._username, self._password = username, password
        self._refresh_token = ""

    async def fetch(self) -> tuple[str, float]:
        """
        Return a new token and its life in seconds: by the refresh token if there is one, else by logging in.

        A refresh token is valid for one use, and a lost response has used it. It is therefore forgotten before it is
        sent, and any result without a session leads to a log-in (faults.md #60).
        """
        refresh_token, self._refresh_token = self._refresh_token, ""
        if refresh_token:
            try:
                return await self._post(REFRESH, Refresh(refresh_token=refresh_token))
            except ConnectorError:
                pass  # the log-in shows the cause, if the refresh token is not all of it
        return await self._post(LOGIN, Login(username=self._username, password=self._password.reveal()))

    def hide(self, body: bytes) -> bytes:
        """Return a response's body without our secrets, which the other side may repeat."""
        for secret in (self._token, self._refresh_token, self._password.reveal()):
            for form in spellings(secret) if secret else ():
                body = body.replace(form.encode(), b"***")
        return body

    async def _post(self, path: str, said: Login | Refresh) -> tuple[str, float]:
        # It changes nothing that lasts: a lost response is only a failed attempt.
        answer = await self._endpoint.call(
            "POST", path, effect=Effect.READ, body=msgspec.json.encode(said), authorized=False
        )
        session = answer.decode(_session)
        self._token, self._refresh_token = session.token, session.refresh_token or ""
        return session.token, max(session.exp - session.iat, 0.0)
