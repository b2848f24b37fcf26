"""
The Host allow-list: a web page may not read what is served here by giving our address a name of its own.

In DNS rebinding a page of `evil.example` has that name point to 127.0.0.1, and the browser then lets the page read
what it finds there (faults.md, section 3, number 30). The browser still sends the name that it was given, so a
request that names somebody else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

__all__ = ["acceptable", "guard"]

LOOPBACK = ("localhost", "127.0.0.1", "::1")
HTTP_PORT = 80
"""The port that a client means when it names none."""

_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]+))(?::(?P<port>[0-9]{1,5}))?", re.ASCII)


def acceptable(hosts: Sequence[str], listening: str, port: int, names: Sequence[str] = ()) -> bool:
    """
    Tell whether a request with these Host headers means us: we listen on the address `listening`, and on `port`.

    It has to name that address or the loopback one, and the port. When we listen on every address (`0.0.0.0`, `::`)
    we cannot know our own, nor through which port we are reached: then any address will do, and `localhost`, with
    any port. A name that somebody else's DNS could point here never will, unless it is `listening` itself, or one of
    `names`, which the settings allow on any port.
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
    """Return what compares equal for the same host, however it is written."""
    try:
        return ip_address(text)
    except ValueError:
        return text.lower()


def guard(listening: str, names: Sequence[str] = ()) -> Middleware:
    """Return the middleware that answers 403 to whoever did not mean us."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        transport = request.transport
        own = transport.get_extra_info("sockname") if transport is not None else None
        if own is None or not acceptable(request.headers.getall(hdrs.HOST, []), listening, own[1], names):
            raise web.HTTPForbidden(text="403: this server does not go by that name\n")
        return await handler(request)

    return check
