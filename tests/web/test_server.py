"""The HTTP server for health and metrics: its responses, and that it never delays the connector."""

from __future__ import annotations

import asyncio

import aiohttp
import anyio
import pytest

from connector.errors import AuthError, JournalError, SettingsError
from connector.settings.model import ServerSettings
from connector.web import serve
from tests.flow.bench import Bench
from tests.web.bench import ANY_PORT, PATHS, Silent, opened, raw, served, unstarted


@pytest.mark.attack(29)
@pytest.mark.parametrize("path", [*PATHS, "/", "/nothing"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
async def test_it_only_reads(method: str, path: str) -> None:
    """Methods that could change something are rejected with the allowed methods."""
    async with served(Bench()) as site:
        answer, _ = await site.ask(path, method, data=b"x" if method == "POST" else None)

        assert 405 == answer.status
        assert {"GET", "HEAD"} == set(answer.headers["Allow"].split(","))


@pytest.mark.parametrize("path", PATHS)
async def test_head_is_get_without_the_body(path: str) -> None:
    """A HEAD has the status and the headers of the GET."""
    async with served(Bench()) as site:
        await site.connector.drain()

        got, text = await site.ask(path)
        head, nothing = await site.ask(path, "HEAD")

        assert (got.status, got.headers["Content-Type"]) == (head.status, head.headers["Content-Type"])
        assert text
        assert "" == nothing


@pytest.mark.attack(20)
@pytest.mark.parametrize(
    ("status", "request_line", "host"),
    [
        (200, b"GET /health/live", b"localhost:%d"),
        (200, b"HEAD /metrics", b"localhost:%d"),
        (503, b"GET /health/ready", b"localhost:%d"),
        (403, b"GET /health/live", b"evil.example:%d"),
        (404, b"GET /nothing", b"localhost:%d"),
        (405, b"POST /metrics", b"localhost:%d"),
    ],
)
async def test_every_answer_has_the_headers(status: int, request_line: bytes, host: bytes) -> None:
    """Every response, also an error, has the security headers and no Server header."""
    bench = Bench()
    bench.shop.fetch_failures.extend(AuthError("401") for _ in range(99))
    async with served(bench) as site:
        fields = b"Host: " + host % site.port + b"\r\nConnection: close\r\n\r\n"

        answer = await raw(site.port, request_line + b" HTTP/1.1\r\n" + fields)

        head = answer.partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")
        assert str(status) == head[0].split()[1]
        assert {
            "x-content-type-options: nosniff",
            "cache-control: no-store",
            "content-security-policy: default-src 'none'",
        } <= set(head)
        assert [True] == [line.endswith(("; charset=utf-8", "/json")) for line in head if "content-type:" in line]
        assert not [line for line in head if line.startswith("server:")]
        assert b"aiohttp" not in answer.lower()


@pytest.mark.parametrize(
    ("under_way", "request_"),
    [
        (0, b"GET /health/re"),
        (1, b"GET /health/ready HTTP/1.1\r\nHost: localhost:%d\r\n\r\n"),
        (1, b"GET /metrics HTTP/1.1\r\nHost: localhost:%d\r\n\r\n"),
        (0, b"POST /metrics HTTP/1.1\r\nHost: localhost:%d\r\nContent-Length: 1000000\r\n\r\nx"),
        (0, b""),
    ],
    ids=["half a head", "a probe under way", "a scrape under way", "half a body", "an idle connection"],
)
async def test_an_open_request_does_not_hold_up_a_stop(under_way: int, request_: bytes) -> None:
    """Leaving takes less than a second in spite of open requests, and closes their connections."""
    connector = unstarted(Bench())
    silent = Silent()
    connector._journal = silent
    loop = asyncio.get_running_loop()
    async with connector:
        async with serve(connector, ANY_PORT) as url:
            port = int(url.rpartition(":")[2])
            reader, writer = await opened(port, request_ % port if b"%d" in request_ else request_)
            await raw(port, b"GET /healthz HTTP/1.0\r\nHost: localhost:%d\r\n\r\n" % port)
            asked = silent.asked
            start = loop.time()
        took = loop.time() - start
        with anyio.fail_after(5):
            rest = await reader.read()
        writer.close()

    assert took < 1
    assert asked == under_way
    assert b"200" not in rest


async def test_the_port_is_free_again() -> None:
    """Leaving frees the port at once."""
    connector = unstarted(Bench())
    async with connector:
        async with serve(connector, ANY_PORT) as url:
            port = int(url.rpartition(":")[2])
        with pytest.raises(OSError, match=r"Connect|refused"):
            await opened(port, b"")

        async with serve(connector, ServerSettings(port=port)) as again:
            assert url == again


async def test_it_forgets_its_observer() -> None:
    """Leaving removes the observer from the bus."""
    connector = unstarted(Bench())
    async with connector:
        before = list(connector.bus._observers)
        async with serve(connector, ANY_PORT):
            assert len(before) + 1 == len(connector.bus._observers)

        assert before == connector.bus._observers


async def test_a_port_that_is_taken_is_a_mistake_in_the_settings() -> None:
    """The error names the address and the reason, and is not in a group."""
    connector = unstarted(Bench())
    async with connector, serve(connector, ANY_PORT) as url:
        port = int(url.rpartition(":")[2])

        with pytest.raises(SettingsError, match=rf"^server: cannot listen on 127\.0\.0\.1, port {port}: Address") as e:
            async with serve(connector, ServerSettings(port=port)):
                raise AssertionError("it listens twice")

        assert 1 == len(e.value.problems)


async def test_what_the_block_raises_is_passed_on() -> None:
    """An exception of the block is raised unchanged, not in a group."""
    connector = unstarted(Bench())
    broken = JournalError("the disk is full")

    with pytest.raises(JournalError) as caught:
        async with connector, serve(connector, ANY_PORT):
            raise broken

    assert broken is caught.value


async def test_cancelling_is_passed_on() -> None:
    """A cancelled block is left at once, and its scope ends as usual."""
    connector = unstarted(Bench())
    async with connector:
        with anyio.move_on_after(0.05) as scope:
            async with serve(connector, ANY_PORT):
                await anyio.sleep_forever()

    assert scope.cancelled_caught


@pytest.mark.parametrize(("host", "base"), [("::1", "http://[::1]:"), ("0.0.0.0", "http://0.0.0.0:")])  # noqa: S104
async def test_the_base_url_is_the_one_listened_on(host: str, base: str) -> None:
    """The base URL has the address and the port, and works."""
    connector = unstarted(Bench())
    async with (
        connector,
        serve(connector, ServerSettings(host=host, port=0)) as url,
        aiohttp.ClientSession() as session,
        session.get(url + "/healthz") as answer,
    ):
        assert 200 == answer.status

    assert url.startswith(base)
    assert int(url.removeprefix(base)) > 0
