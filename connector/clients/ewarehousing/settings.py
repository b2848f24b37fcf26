"""The settings of the access to eWarehousing's middleware: of its client, its receiver and its source."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from connector.settings.model import EndpointSettings
from connector.settings.values import Duration, Rate, Secret, Url

__all__ = ["PRODUCTION", "SANDBOX_HOSTS", "CustomerCode", "EwarehousingAccess", "Username", "WmsCode"]

PRODUCTION = Url("https://eu.middleware.ewarehousing-solutions.com")
SANDBOX_HOSTS = frozenset({"eu-dev.middleware.ewarehousing-solutions.com"})
"""The host that every example of seed 004 calls."""

HEADER = r"^[\x21-\x7e]+$(?!\n)"
"""The characters that a header may hold; `$` alone would accept a line break at the end."""

Username = Annotated[str, Meta(min_length=1)]
WmsCode = Annotated[str, Meta(pattern=HEADER), Meta(description="Sent as X-Wms-Code.")]
CustomerCode = Annotated[str, Meta(pattern=HEADER), Meta(description="Sent as X-Customer-Code.")]


class EwarehousingAccess(EndpointSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The settings of `EwarehousingClient`.

    The receiver's and the source's settings declare the same five fields: a struct cannot have two bases with fields.
    """

    base_url: Url = PRODUCTION
    username: Username
    password: Secret
    wms_code: WmsCode
    customer_code: CustomerCode

    @classmethod
    def of(cls, settings: EndpointSettings) -> EwarehousingAccess:
        """Return the client's part of a receiver's or a source's settings. Raises `ValueError` if they have none."""
        return msgspec.convert(settings, cls, from_attributes=True, dec_hook=_value)

    @classmethod
    def parsed(cls, **given: Any) -> EwarehousingAccess:
        """
        Return settings from plain values (`timeout="10s"`, `rate_limit="60/min"`); None counts as not given.

        Raises `ValueError` for a value that is missing or wrong; the text names its key and shows no value.
        """
        values = {name: value for name, value in given.items() if value is not None}
        return msgspec.convert(values, cls, dec_hook=_value)


def _value(kind: type[Any], value: Any) -> Any:
    if isinstance(value, kind):
        return value
    if kind is Secret:
        if not isinstance(value, str):
            raise ValueError("a secret is a text")
        return Secret(value)
    readers = {Duration: Duration.parse, Rate: Rate.parse, Url: Url.parse}
    return readers[kind](value)
