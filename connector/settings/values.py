"""
The value types that settings.yaml has beyond plain YAML: secrets, durations, rates and addresses.

No message in this module repeats the value: it may come from the environment, where secrets are.
"""

from __future__ import annotations

import json
import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Literal
from urllib.parse import quote, quote_plus, urlsplit

__all__ = ["Duration", "Rate", "Reach", "Secret", "Url", "spellings"]

Reach = Literal["machine", "private", "public"]

PRIVATE_NAMES = (".internal", ".intranet", ".lan", ".local", ".localhost", ".home.arpa")
"""Suffixes of names that no public name server has. A name without a dot is in the local network, too."""
_name = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*"
).fullmatch
_number = re.compile(r"[0-9]+|0x[0-9a-f]*").fullmatch


class Secret:
    """A text that prints as `***`, so that it is never printed by accident; `reveal()` returns it for the wire."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        if not text.strip():
            raise ValueError("a secret must not be empty")
        if not text.isprintable():
            raise ValueError("a secret must not contain line breaks or control characters")
        self._text = text

    def reveal(self) -> str:
        """Return the secret itself. Call it where the secret is sent, and nowhere else."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> Any:
        raise TypeError("a secret cannot be pickled")


def spellings(secret: str) -> set[str]:
    """
    Return a secret in the forms in which it may appear: plain, URL-encoded,
    form-encoded, in JSON, and in a `repr`.
    """
    return {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1]}


class Duration(float):
    """Seconds, written as `500ms`, `30s`, `5m`, `2h` or a number."""

    UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}  # noqa: RUF012 - a constant
    LONGEST = 366 * 24 * 3600.0

    @classmethod
    def parse(cls, value: object) -> Duration:
        """
        Parse a duration.

        Raises:
            ValueError: the message lists the accepted forms.
        """
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError("a duration is written 500ms, 30s, 5m, 2h, or as a number of seconds")
        if isinstance(value, str):
            found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*(ms|s|m|h)?", value.strip(), re.ASCII)
            if not found:
                raise ValueError("a duration is written 500ms, 30s, 5m, 2h, or as a number of seconds")
            seconds = float(found[1]) * cls.UNITS[found[2] or "s"]
        else:
            seconds = value  # compared before it is converted, because an integer may be too large for a float
        if not 0 <= seconds <= cls.LONGEST:
            raise ValueError("a duration is between 0 and one year")
        return cls(seconds)

    def __str__(self) -> str:
        for unit, size in (("h", 3600), ("m", 60)):
            if self >= size and self % size == 0:
                return f"{int(self / size)}{unit}"
        number, unit = (self * 1000, "ms") if 0 < self < 1 else (float(self), "s")
        return f"{number:.6f}".rstrip("0").rstrip(".") + unit


class Rate:
    """At most `calls` in any `seconds`, written as `60/min`, `5/s` or `1000/hour`."""

    __slots__ = ("_written", "calls", "seconds")

    UNITS = {"s": 1.0, "sec": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hour": 3600.0}  # noqa: RUF012 - a constant

    def __init__(self, calls: int, seconds: float, written: str) -> None:
        self.calls, self.seconds, self._written = calls, seconds, written

    @classmethod
    def parse(cls, value: object) -> Rate:
        """
        Parse a rate.

        Raises:
            ValueError: the message lists the accepted forms.
        """
        found = re.fullmatch(r"(\d{1,7})\s*/\s*([a-z]+)", value.strip(), re.ASCII) if isinstance(value, str) else None
        if not found or found[2] not in cls.UNITS or int(found[1]) < 1:
            raise ValueError("a rate is written 60/min, 5/s or 1000/hour")
        return cls(int(found[1]), cls.UNITS[found[2]], f"{int(found[1])}/{found[2]}")

    def __str__(self) -> str:
        return self._written

    def __repr__(self) -> str:
        return f"Rate({self._written!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rate) and (self.calls, self.seconds) == (other.calls, other.seconds)

    def __hash__(self) -> int:
        return hash((self.calls, self.seconds))


class Url(str):
    """
    The address of an endpoint, as it is written.

    https, or http to this machine or a private network. User names, queries and fragments are rejected: they would end
    up in logs, or be dropped. The host must be written plainly, so that people and programs all read the same one.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Url:
        """
        Parse an address.

        Raises:
            ValueError: the message says why it is rejected.
        """
        if not isinstance(value, str):
            raise ValueError("an address is text such as https://api.example.com")
        try:
            parts = urlsplit(value)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ValueError("the host or the port of the address cannot be read") from None
        if parts.scheme not in ("http", "https") or not host:
            raise ValueError("an address must start with https:// and a host name")
        if not value.isprintable() or any(c in value for c in ' \\"<>{}|^`'):
            raise ValueError("an address must not contain spaces or control characters")
        if "@" in parts.netloc:
            raise ValueError("an address must not contain a user name or password; use the keys for those")
        if parts.query or parts.fragment or value.endswith(("?", "#")):
            raise ValueError("an address must not contain a query or a fragment")
        if not _plain(host) or port == 0 or not _whole(parts.netloc, host):
            raise ValueError(
                "the host must be a name of letters a-z, digits and - (no dot at the end), or a complete IP address"
            )
        if parts.scheme == "http" and _reach(host) == "public":
            raise ValueError("plain http is accepted only for this machine and private networks; use https")
        return cls(value)

    @property
    def host(self) -> str:
        """The host name, in lower case."""
        return urlsplit(self).hostname or ""

    @property
    def reach(self) -> Reach:
        """The reach of the host as it is written: this machine, a private network, or the public internet."""
        return _reach(self.host)


def _plain(host: str) -> bool:
    """Return True for a host that all programs read alike; some take `0177.0.0.1` and `2130706433` for addresses."""
    if _address(host) is not None:
        return "%" not in host
    return _name(host) is not None and not _number(host.rpartition(".")[2])


def _whole(netloc: str, host: str) -> bool:
    """Return True if `netloc` is only the host and a port; some programs read `0[::1]` as `::1`, others reject it."""
    written = f"[{host}]" if ":" in host else host
    return re.fullmatch(rf"{re.escape(written)}(:\d+)?", netloc.lower(), re.ASCII) is not None


def _reach(host: str) -> Reach:
    address = _address(host)
    if address is None:
        machine, private = host == "localhost", "." not in host or host.endswith(PRIVATE_NAMES)
    else:
        machine, private = address.is_loopback, not address.is_global
    return "machine" if machine else "private" if private else "public"


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
