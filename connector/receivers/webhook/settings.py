"""The settings of a webhook as a receiver, and the key that signs."""

from __future__ import annotations

import base64
from typing import Annotated

from msgspec import Meta

from connector.receivers.webhook.success import SuccessSettings
from connector.settings.model import ReceiverSettings
from connector.settings.values import Secret, Url

__all__ = ["PREFIX", "WebhookSettings", "signing_key"]

PREFIX = "whsec_"
SHORTEST_KEY = 16
"""Bytes; the scheme recommends 24 to 64, and shorter keys can be guessed."""


class WebhookSettings(ReceiverSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="webhook"):
    """A receiver of `type: webhook`."""

    url: Annotated[Url, Meta(description="Where orders are posted.")]
    secret: Annotated[
        Secret, Meta(description="whsec_ and the key in base64, as the scheme writes it; or any text, taken as it is.")
    ]
    idempotent: Annotated[
        bool,
        Meta(description="It recognises a repeated webhook-id: an order whose response was lost is sent again."),
    ] = False
    find_url: Annotated[
        Url | None,
        Meta(
            description="Answers GET ?external_id=... with {id, external_id}, or a whole list of such; 404: not there."
        ),
    ] = None
    success: Annotated[
        SuccessSettings, Meta(description="The 2xx responses that are successes; any other leaves the order in doubt.")
    ] = SuccessSettings()

    def __post_init__(self) -> None:
        try:
            signing_key(self.secret)
        except ValueError as exc:
            raise ValueError(f"secret: {exc}") from None

    def problems(self) -> list[tuple[str, str]]:
        """Return contradictions between keys: looking up first needs a `find_url`."""
        asked = self.look_up_first == "always" and self.find_url is None
        return [("look_up_first", "looking orders up needs a find_url")] if asked else []

    @property
    def base_url(self) -> Url:
        """The address, under the name of other endpoints' setting."""
        return self.url


def signing_key(secret: Secret) -> bytes:
    """Return the signing key; raise `ValueError`, without the secret in it, for a text that cannot be one."""
    text = secret.reveal()
    if text.startswith(("whsk_", "whpk_")):
        raise ValueError("this is an asymmetric key; only shared secrets are supported (whsec_..., or a text)")
    if not text.startswith(PREFIX):
        key = text.encode("utf-8", "surrogatepass")
    else:
        coded = text.removeprefix(PREFIX).rstrip("=")
        try:
            key = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
        except ValueError:
            raise ValueError(
                "what follows whsec_ is not base64; a secret of another form goes without whsec_"
            ) from None
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"the key has {len(key)} bytes; it takes at least {SHORTEST_KEY}, better 24 to 64")
    return key
