"""How to get in at eWarehousing's middleware: what its client, its receiver and its source have in common."""

from __future__ import annotations

from typing import Annotated, Any, Protocol, TypedDict

import msgspec
from msgspec import Meta

from connector.settings.model import EndpointSettings, RetrySettings
from connector.settings.values import Duration, Rate, Secret, Url

__all__ = ["PRODUCTION", "SANDBOX_HOSTS", "Access", "ClientSettings", "Given", "HeaderText", "client_settings"]

PRODUCTION = Url("https://eu.middleware.ewarehousing-solutions.com")
SANDBOX_HOSTS = frozenset({"eu-dev.middleware.ewarehousing-solutions.com"})
"""The host that every example of seed 004 calls."""

HeaderText = Annotated[str, Meta(pattern=r"^[\x21-\x7e]+$(?!\n)")]
"""What can stand in a header; `$` alone would let a line break at the end pass."""


class ClientSettings(EndpointSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `EwarehousingClient` takes, beside what every endpoint takes."""

    base_url: Url = PRODUCTION
    username: Annotated[str, Meta(min_length=1)]
    password: Secret
    wms_code: Annotated[HeaderText, Meta(description="Sent as X-Wms-Code.")]
    customer_code: Annotated[HeaderText, Meta(description="Sent as X-Customer-Code.")]


class Access(Protocol):
    """Anything that holds the same: these settings, those of the receiver, or those of the source."""

    @property
    def base_url(self) -> Url:
        """The middleware's address."""

    @property
    def username(self) -> str:
        """The account's name."""

    @property
    def password(self) -> Secret:
        """The account's password."""

    @property
    def wms_code(self) -> str:
        """Which warehouse."""

    @property
    def customer_code(self) -> str:
        """Which of its customers."""

    @property
    def timeout(self) -> Duration:
        """Longest time for one call."""

    @property
    def concurrency(self) -> int:
        """Calls in flight at once."""

    @property
    def rate_limit(self) -> Rate | None:
        """Calls per time."""

    @property
    def retry(self) -> RetrySettings:
        """How long the breaker pauses."""


class Given(TypedDict, total=False):
    """The same as keyword arguments, in plain types as well: `timeout="10s"`, `rate_limit="60/min"`."""

    base_url: str
    username: str
    password: str | Secret
    wms_code: str
    customer_code: str
    timeout: float | str
    concurrency: int
    rate_limit: str | Rate | None


def client_settings(settings: Access | None, given: Given) -> ClientSettings:
    """
    Return the client's settings, out of somebody's settings or of keyword arguments.

    Raises `ValueError` for a value that is missing or wrong (it names the key and never a value), and `TypeError`
    for both, or neither, of the two ways.
    """
    if settings is not None:
        if given:
            raise TypeError("give either settings or keyword arguments")
        return ClientSettings(**{name: getattr(settings, name) for name in ClientSettings.__struct_fields__})
    if not given:
        raise TypeError("give settings, or username, password, wms_code and customer_code")
    return msgspec.convert(dict(given), ClientSettings, dec_hook=_read)


def _read(kind: type[Any], value: Any) -> Any:
    if kind in (Secret, Rate) and isinstance(value, kind):
        return value
    if kind is Secret:
        if not isinstance(value, str):
            raise ValueError("a secret is a text")
        return Secret(value)
    readers = {Duration: Duration.parse, Rate: Rate.parse, Url: Url.parse}
    return readers[kind](value)
