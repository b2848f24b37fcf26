"""Connections that do not come about: no byte of the order has left, so nothing is in doubt."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from connector import http, tls
from tests.unit.certificates import AUTHORITY, EARLY, EXPIRED, GOOD, OTHER_HOST, SELF_SIGNED
from tests.wire.between import Between
from tests.wire.life import Life, ends, lived


@contextmanager
def a_port() -> Iterator[socket.socket]:
    """Take a port on which nobody listens."""
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken


async def cured(
    folder: Path,
    taken: socket.socket,
    cure: Callable[[], object],
    *,
    listen: bool = False,
    secure: ssl.SSLContext | None = None,
) -> Life:
    """
    Let an order live whose warehouse cannot be reached at first; `cure` what is wrong when that was noticed.

    `listen`: somebody does so from the beginning.
    """
    async with ends() as both, AsyncExitStack() as stack:
        between = Between(both.warehouse_at)
        serving = between.serving(taken=taken, tls=secure)
        if listen:
            await stack.enter_async_context(serving)

        async def mend() -> None:
            cure()
            if not listen:
                await stack.enter_async_context(serving)

        address = f"{'https' if secure else 'http'}://127.0.0.1:{taken.getsockname()[1]}"
        return await lived(folder, both, between, address, not_sent=mend)


def ended_well(found: Life, kind: str) -> bool:
    """Tell whether the order was not sent for such a reason, was never in doubt, and then delivered once."""
    assert {"not sent"} == set(found.noted)
    assert all(kind in why or "is paused" in why for why in found.why), found.why
    return ("delivered", 1, True, 1) == (found.state, found.records, found.told, found.creates)


@pytest.mark.fault(78)
async def test_a_refused_connection(tmp_path: Path) -> None:
    """Nobody listens: it is not sent, and delivered once somebody does."""
    with a_port() as taken:
        found = await cured(tmp_path, taken, lambda: None)

    assert ended_well(found, "ClientConnectorError")


@pytest.mark.fault(78)
async def test_a_name_that_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of the warehouse is unknown for a while."""
    lost = True
    find = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        if lost and host == "localhost":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return find("127.0.0.1" if host == "localhost" else host, *arguments, **options)

    def found_again() -> None:
        nonlocal lost
        lost = False

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    async with ends() as both:
        between = Between(both.warehouse_at)
        async with between.serving() as address:

            async def mend() -> None:
                found_again()

            found = await lived(tmp_path, both, between, address.replace("127.0.0.1", "localhost"), not_sent=mend)

    assert ended_well(found, "ClientConnectorDNSError")


@pytest.mark.fault(79)
async def test_a_connection_that_is_not_accepted_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host swallows the first packet: a time-out, and yet not sent."""
    monkeypatch.setattr(http, "CONNECT_SECONDS", 0.2)
    with a_port() as taken:
        taken.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(taken.getsockname())

        def give_way() -> None:
            for client in waiting:
                client.close()

        found = await cured(tmp_path, taken, give_way)

    assert ended_well(found, "ConnectionTimeoutError")


def certified(pem: str, folder: Path, context: ssl.SSLContext | None = None) -> ssl.SSLContext:
    """Return a server's side of TLS with a certificate, or put it in the place of the one that `context` has."""
    context = context or ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    (folder / "server.pem").write_text(pem, "utf-8")
    context.load_cert_chain(folder / "server.pem")
    return context


@pytest.mark.fault(78)
@pytest.mark.attack(7)
@pytest.mark.parametrize(
    "pem", [SELF_SIGNED, EXPIRED, EARLY, OTHER_HOST], ids=["self-signed", "expired", "early", "another host's"]
)
async def test_a_certificate_that_is_not_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pem: str) -> None:
    """The order waits, nothing is in doubt, and it is delivered as soon as the certificate is a good one."""
    client = tls.context.__wrapped__()
    client.load_verify_locations(cadata=AUTHORITY)
    monkeypatch.setattr(tls, "context", lambda: client)
    server = certified(pem, tmp_path)

    with a_port() as taken:
        found = await cured(tmp_path, taken, lambda: certified(GOOD, tmp_path, server), listen=True, secure=server)

    assert ended_well(found, "ClientConnectorCertificateError")
