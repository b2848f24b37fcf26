"""
The allow-list for Host headers, which protects against DNS rebinding.

In DNS rebinding a page of `evil.example` lets that name resolve to 127.0.0.1, and the browser then allows the page to
read the responses of a local server (faults.md, section 3, number 30). The browser still sends `evil.example` as the
Host, so requests with a foreign Host are rejected.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

__all__ = ["host_guard", "is_allowed_host"]

LOOPBACK = ("localhost", "127.0.0.1", "::1")
HTTP_PORT = 80
"""The port of a Host header without a port."""

_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?", re.ASCII)


def is_allowed_host(hosts: Sequence[str], listening: str, port: int, names: Sequence[str] = ()) -> bool:
    """
    Return whether a request with these Host headers is meant for a server on the address `listening` and `port`.

    - The host must be `listening` or a loopback address, with that port.
    - A server on every address (`0.0.0.0`, `::`) does not know its own address, nor the port of a proxy before it, so
      any IP address and `localhost` are allowed, with any port.
    - DNS names other than `localhost`, `listening` and `names` are rejected. `names` are allowed with any port.
    """
    found = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
    if found is None:
        return False
    if found["name"] and found["name"].lower() in map(str.lower, names):
        return True
    named, ours = _address(found["v6"] or found["name"]), _address(listening)
    if not isinstance(ours, str) and ours.is_unspecified:
        return named == "localhost" or not isinstance(named, str)
    return int(found["port"] or HTTP_PORT) == port and named in {ours, *map(_address, LOOPBACK)}


def _address(text: str) -> IPv4Address | IPv6Address | str:
    """Return the address, or the name in lower case, so that different spellings of a host are equal."""
    try:
        return ip_address(text)
    except ValueError:
        return text.lower()


def host_guard(listening: str, names: Sequence[str] = ()) -> Middleware:
    """Return the middleware that responds with 403 to a request with a foreign Host header."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        own = transport.get_extra_info("sockname") if transport is not None else None
        if own is None or not is_allowed_host(request.headers.getall(hdrs.HOST, []), listening, own[1], names):
            raise web.HTTPForbidden(text="403: the Host header does not name this server\n")
        return await handler(request)

    return check
