"""The allow-list for Host headers protects against DNS rebinding (faults.md, section 3, number 30)."""

from __future__ import annotations

import pytest

from connector.web.host_check import is_allowed_host
from tests.flow.bench import Bench
from tests.web.bench import PATHS, raw, served


@pytest.mark.attack(30)
@pytest.mark.parametrize(
    ("listening", "hosts", "expected"),
    [
        ("127.0.0.1", ["127.0.0.1:8080"], True),
        ("127.0.0.1", ["localhost:8080"], True),
        ("127.0.0.1", ["LocalHost:8080"], True),
        ("127.0.0.1", ["[::1]:8080"], True),
        ("127.0.0.1", ["[0:0:0:0:0:0:0:1]:8080"], True),
        ("localhost", ["127.0.0.1:8080"], True),
        ("10.0.0.5", ["10.0.0.5:8080"], True),
        ("connector.internal", ["connector.internal:8080"], True),
        ("::1", ["[::1]:8080"], True),
        ("127.0.0.1", [], False),
        ("127.0.0.1", [""], False),
        ("127.0.0.1", ["evil.example:8080"], False),
        ("127.0.0.1", ["127.0.0.1.evil.example:8080"], False),
        ("127.0.0.1", ["localhost.evil.example:8080"], False),
        ("127.0.0.1", ["evil.example@127.0.0.1:8080"], False),
        ("127.0.0.1", ["127.0.0.1:8080", "127.0.0.1:8080"], False),
        ("127.0.0.1", ["127.0.0.1:8080, evil.example"], False),
        ("127.0.0.1", ["127.0.0.1"], False),
        ("127.0.0.1", ["localhost:8081"], False),
        ("127.0.0.1", ["localhost:08080x"], False),
        ("127.0.0.1", ["localhost:"], False),
        ("127.0.0.1", ["localhost.:8080"], False),
        ("127.0.0.1", ["localhost:８０８０"], False),  # noqa: RUF001 - digits that are not ASCII
        ("127.0.0.1", ["127.1:8080"], False),
        ("127.0.0.1", ["0x7f000001:8080"], False),
        ("127.0.0.1", ["10.0.0.5:8080"], False),
        ("127.0.0.1", ["0.0.0.0:8080"], False),
        ("10.0.0.5", ["connector.internal:8080"], False),
        ("0.0.0.0", ["192.168.1.5:9090"], True),  # noqa: S104 - what is tested
        ("0.0.0.0", ["192.168.1.5"], True),  # noqa: S104 - what is tested
        ("0.0.0.0", ["localhost:8080"], True),  # noqa: S104 - what is tested
        ("::", ["[2001:db8::7]:8080"], True),
        ("::", ["192.168.1.5:8080"], True),
        ("0.0.0.0", ["evil.example:8080"], False),  # noqa: S104 - what is tested
        ("::", ["evil.example:8080"], False),
        ("::", ["[evil]:8080"], False),
    ],
)
def test_the_table(listening: str, hosts: list[str], expected: bool) -> None:
    """Only the server's address and port are allowed; a server on every address allows any IP address."""
    assert expected == is_allowed_host(hosts, listening, 8080)


@pytest.mark.parametrize("listening", ["127.0.0.1", "0.0.0.0", "10.0.0.5"])  # noqa: S104 - what is tested
@pytest.mark.parametrize("host", ["metrics.internal", "METRICS.internal:9999", "metrics.internal:8080"])
def test_a_name_of_the_settings_will_do(listening: str, host: str) -> None:
    """A name from the settings is allowed on any port; other names are rejected."""
    assert is_allowed_host([host], listening, 8080, ["metrics.internal"])
    assert not is_allowed_host([host], listening, 8080)
    assert not is_allowed_host([f"evil.{host}"], listening, 8080, ["metrics.internal"])


def test_no_port_means_the_one_of_http() -> None:
    """A Host without a port means port 80."""
    assert is_allowed_host(["localhost"], "127.0.0.1", 80)


@pytest.mark.attack(30)
@pytest.mark.parametrize("path", [*PATHS, "/"])
async def test_a_rebound_name_gets_nothing(path: str) -> None:
    """A foreign name is rejected on every path, with the right port or not."""
    async with served(Bench()) as site:
        answers = [
            await site.ask(path, headers={"Host": host})
            for host in (f"evil.example:{site.port}", f"127.0.0.1:{site.port + 1}", "127.0.0.1")
        ]

        assert [403, 403, 403] == [answer.status for answer, _ in answers]
        assert {"403: the Host header does not name this server\n"} == {text for _, text in answers}


async def test_our_names_are_answered() -> None:
    """Each allowed name is served."""
    async with served(Bench()) as site:
        answers = [
            await site.ask("/health/live", headers={"Host": f"{host}:{site.port}"})
            for host in ("127.0.0.1", "localhost", "[::1]")
        ]

        assert [200, 200, 200] == [answer.status for answer, _ in answers]


async def test_a_request_without_a_host_gets_nothing() -> None:
    """A request without a Host header, or with two, is rejected."""
    async with served(Bench()) as site:
        none = await raw(site.port, b"GET /health/live HTTP/1.0\r\n\r\n")
        host = b"Host: localhost:%d\r\n" % site.port
        two = await raw(site.port, b"GET /health/live HTTP/1.0\r\n" + host + host + b"\r\n")

        assert none.split()[1] == b"403"
        assert two.split()[1] in (b"400", b"403")
        assert b"alive" not in none + two
