"""
A client middleware that sends a request once.

aiohttp repeats GET, HEAD, OPTIONS, TRACE, PUT and DELETE by itself when the connection breaks before the answer. A
write that may have been applied is in doubt; it is looked up before it is sent again, by whatever method it goes.
"""

from __future__ import annotations

import aiohttp

__all__ = ["REPEATED", "ConnectionBroken", "send_once"]

REPEATED = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""The methods that aiohttp repeats; a call by another one goes without the middleware, which costs a tenth of it."""


class ConnectionBroken(aiohttp.ClientConnectionError):
    """The connection broke after the request was sent; the client's own exception is the cause."""


async def send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send `request`; raise `ConnectionBroken` in the place of the two exceptions on which aiohttp would repeat it."""
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise  # never sent, and never repeated
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        raise ConnectionBroken(str(exc)) from exc
