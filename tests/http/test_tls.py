"""Endpoints over TLS: the other side always proves its identity, and no keys leak."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from connector.clock import SystemClock
from connector.errors import EndpointError, TransientError
from connector.http import endpoint as http
from connector.http import tls
from connector.http.endpoint import Answer, Effect, Endpoint
from connector.settings.model import EndpointSettings
from connector.settings.values import Duration
from tests.http.certificates import AUTHORITY, EXPIRED, GOOD, OTHER_HOST, SELF_SIGNED
from tests.http.wire import Session, request, said, wire

OK = said(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


made_anew = tls.context.__wrapped__


def trusting() -> ssl.SSLContext:
    """Return a production context that also trusts the tests' authority."""
    context = made_anew()
    context.load_verify_locations(cadata=AUTHORITY)
    return context


class Loopback(AbstractResolver):
    """A name server that resolves every name to this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return this machine."""
        return [
            ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0),
        ]

    async def close(self) -> None:
        """Do nothing."""


@pytest.fixture(autouse=True)
def the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolve every name to this machine, and trust the tests' authority as well."""
    context = trusting()
    monkeypatch.setattr(tls, "context", lambda: context)
    connector = aiohttp.TCPConnector

    def connecting(**given: Any) -> aiohttp.TCPConnector:
        return connector(**given, resolver=Loopback())

    monkeypatch.setattr(http.aiohttp, "TCPConnector", connecting)  # type: ignore[attr-defined]


@asynccontextmanager
async def secured(session: Session, pem: str, folder: Path, **limits: Any) -> AsyncIterator[int]:
    """Serve `session` over TLS with a certificate; yield the port."""
    file = folder / "server.pem"
    file.write_text(pem, "utf-8")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    for name, value in limits.items():
        setattr(context, name, value)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await session(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # the client would not have us
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def call(base: str, ca_file: str | None = None) -> Answer:
    """Send an order to `endpoint`."""
    endpoint = Endpoint(
        "vendor",
        base,
        EndpointSettings(timeout=Duration(10), ca_file=ca_file),
        SystemClock(),
        headers={"X-Key": "k" * 9},
    )
    try:
        return await endpoint.call("POST", "/orders", effect=Effect.WRITE, body=b'{"name": "Jan de Vries"}')
    finally:
        await endpoint.aclose()


async def test_a_good_certificate_is_taken(tmp_path: Path) -> None:
    """Without this test, the others could pass for any reason."""
    async with secured(OK, GOOD, tmp_path) as port:
        assert (await call(f"https://vendor.example:{port}")).status == 200


@pytest.mark.attack(7)
@pytest.mark.fault(78)
@pytest.mark.parametrize("pem", [SELF_SIGNED, EXPIRED, OTHER_HOST], ids=["self-signed", "expired", "another host's"])
async def test_a_certificate_that_proves_nothing(pem: str, tmp_path: Path) -> None:
    """The order is certainly not sent."""
    heard: list[bytes] = []

    async def listening(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(65536))

    async with secured(listening, pem, tmp_path) as port:
        with pytest.raises(TransientError):
            await call(f"https://vendor.example:{port}")
    assert [said for said in heard if said] == []


@pytest.mark.attack(7)
@pytest.mark.fault(137)
async def test_an_authority_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ca_file` adds authorities for one endpoint: certificates signed by them are accepted there and nowhere else."""
    monkeypatch.setattr(tls, "context", made_anew)
    (tmp_path / "authority.pem").write_text(AUTHORITY, "utf-8")
    ours = str(tmp_path / "authority.pem")
    async with secured(OK, GOOD, tmp_path) as port:
        assert (await call(f"https://vendor.example:{port}", ours)).status == 200
        with pytest.raises(TransientError, match="signed by an authority that this machine does not trust"):
            await call(f"https://vendor.example:{port}")
    for pem in (SELF_SIGNED, EXPIRED, OTHER_HOST):
        async with secured(OK, pem, tmp_path) as port:
            with pytest.raises(TransientError) as caught:
                await call(f"https://vendor.example:{port}", ours)
            assert caught.value.lasting


@pytest.mark.attack(6)
async def test_a_name_that_leads_into_the_private_network(tmp_path: Path) -> None:
    """A compromised name server finds no host in the private network that can prove to be the vendor."""
    async with secured(OK, OTHER_HOST, tmp_path) as port:
        with pytest.raises(TransientError):
            await call(f"https://vendor.example:{port}")


@pytest.mark.attack(7)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")
async def test_an_old_protocol(tmp_path: Path) -> None:
    """TLS 1.1 and below are rejected; nothing is sent."""
    old = {"minimum_version": ssl.TLSVersion.TLSv1, "maximum_version": ssl.TLSVersion.TLSv1_1}
    async with secured(OK, GOOD, tmp_path, **old) as port:
        with pytest.raises(TransientError):
            await call(f"https://vendor.example:{port}")


@pytest.mark.attack(3)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_leads_out_of_tls(status: int, tmp_path: Path) -> None:
    """A redirect to plain http, even at the vendor's own name, is not followed."""
    heard: list[bytes] = []

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await request(reader))

    async with wire(plain) as base:
        elsewhere = base.replace("127.0.0.1", "vendor.example") + "/orders"
        head = f"HTTP/1.1 {status} Moved\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"
        async with secured(said(head.encode()), GOOD, tmp_path) as port:
            with pytest.raises(EndpointError):
                await call(f"https://vendor.example:{port}")
    assert heard == []


@pytest.mark.attack(8)
async def test_no_key_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that makes other programs log the keys of their connections has no effect here."""
    keys = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    assert ssl.create_default_context().keylog_filename == str(keys), "this is what is not used"
    keys.unlink()
    context = trusting()
    monkeypatch.setattr(tls, "context", lambda: context)
    async with secured(OK, GOOD, tmp_path) as port:
        await call(f"https://vendor.example:{port}")
    assert not keys.exists()


@pytest.mark.attack(7)
def test_the_context_checks() -> None:
    """The context verifies certificate and host name, excludes broken protocols, and is made once."""
    made = tls.context()
    assert (made.verify_mode, made.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert made.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert tls.context() is made
