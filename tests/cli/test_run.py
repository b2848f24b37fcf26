"""`connector run --once` as a process of its own, with real sockets and a real journal."""

from __future__ import annotations

import json
import socket
import ssl
from collections import Counter
from pathlib import Path

import pytest

from tests.cli.process import Vendors, run, said, started
from tests.http.certificates import SELF_SIGNED
from tests.http.wire import said as nobody_says
from tests.http.wire import wire

CANARY = "canary-5up3r-5ecret"


async def test_a_run_delivers_what_can_be_delivered_and_holds_the_rest(tmp_path: Path) -> None:
    """Of 130 orders 126 are created and marked once, 2 are held for their cause, and 2 are skipped; that is exit 1."""
    vendors = Vendors(tmp_path, 130, without_address=2, quotations=2)
    async with vendors.serving():
        ended = await vendors.run_once()

    assert 1 == ended.code
    assert 126 == len(vendors.created)
    assert vendors.wanted == vendors.created == vendors.told
    assert {1} == set(vendors.marked.values())
    assert "shop: 130 new, 126 delivered, 126 acknowledged\n" in ended.out
    assert "2 held: missing field: shipping_address (for example order 20" in ended.out
    assert "connector orders --cause 'missing field: shipping_address'" in ended.out
    assert "2 skipped: quotation" in ended.out
    assert "126 orders delivered in " in ended.out


@pytest.mark.slow
async def test_a_second_run_writes_nothing_anywhere(tmp_path: Path) -> None:
    """The next run writes nothing at a vendor, and still reports the held orders."""
    vendors = Vendors(tmp_path, 130, without_address=2, quotations=2)
    async with vendors.serving():
        await vendors.run_once()
        writes, reads = vendors.writes, len(vendors.shop.history)
        ended = await vendors.run_once()

    assert 1 == ended.code
    assert writes == vendors.writes
    assert reads < len(vendors.shop.history)
    assert "shop: 0 new, 0 delivered, 0 acknowledged\n" in ended.out
    assert "2 held: missing field: shipping_address" in ended.out


async def test_all_well_is_exit_0_and_with_quiet_no_word(tmp_path: Path) -> None:
    """If every order is finished the exit code is 0, and `--quiet` leaves stdout and stderr empty."""
    vendors = Vendors(tmp_path, 7)
    async with vendors.serving():
        first = await vendors.run_once("--log-format", "console")
        second = await vendors.run_once("--quiet")

    assert (0, 0) == (first.code, second.code)
    assert "shop: 7 new, 7 delivered, 7 acknowledged\n" in first.out
    assert "" == second.out
    assert vendors.wanted == vendors.told


async def test_the_log_is_json_on_stderr_and_stdout_holds_only_data(tmp_path: Path) -> None:
    """Every line of stderr is a JSON object with time, level and event; none of them is on stdout."""
    vendors = Vendors(tmp_path, 7)
    async with vendors.serving():
        ended = await vendors.run_once()

    records = [json.loads(line) for line in ended.err.splitlines()]
    assert records
    assert all({"timestamp", "level", "event", "logger"} <= record.keys() for record in records)
    assert "started: from shop to warehouse" in [record["event"] for record in records]
    assert not [line for line in ended.out.splitlines() if line.startswith("{")]


@pytest.mark.slow
async def test_a_receiver_that_is_down_is_for_a_later_try(tmp_path: Path) -> None:
    """A refused connection ends the run with 75 and names the receiver; the next run delivers all orders."""
    vendors = Vendors(tmp_path, 20)
    async with vendors.serving():
        good = (tmp_path / "settings.yaml").read_text("utf-8")
        (tmp_path / "settings.yaml").write_text(_warehouse_at(good, f"http://127.0.0.1:{_closed_port()}"), "utf-8")
        down = await vendors.run_once()
        (tmp_path / "settings.yaml").write_text(good, "utf-8")
        up = await vendors.run_once()

    assert 75 == down.code
    assert "warehouse failed: POST /wms/auth/login/: could not connect" in down.out
    assert "20 unfinished" in down.out
    assert 0 == up.code
    assert vendors.wanted == vendors.created == vendors.told


@pytest.mark.attack(24)
async def test_a_refused_password_names_the_credentials_and_no_secret_gets_out(tmp_path: Path) -> None:
    """A wrong password is exit 1 with advice; no secret is on stdout, on stderr or in a file."""
    vendors = Vendors(tmp_path, 5)
    vendors.secrets["password"] = CANARY
    async with vendors.serving():
        wrong = await vendors.run_once()
        vendors.secrets = {"client_secret": CANARY, "password": "sandbox-secret"}
        vendors.write(*_addresses(tmp_path))
        other = await vendors.run_once()

    assert (1, 1) == (wrong.code, other.code)
    assert "correct username and password of receivers.warehouse in the settings" in wrong.out
    assert "correct client_id and client_secret of sources.shop in the settings" in other.out
    files = _written(tmp_path)
    assert "connector.db" in files
    for text in (wrong.out, wrong.err, other.out, other.err, *files.values()):
        assert CANARY not in text
        assert "sandbox-secret" not in text


@pytest.mark.slow
@pytest.mark.fault(108)
async def test_a_second_instance_is_told_who_holds_the_journal(tmp_path: Path) -> None:
    """A second process on the same journal ends with 75 and names the process id of the first."""
    vendors = Vendors(tmp_path, 3)
    async with vendors.serving(), started("run", folder=tmp_path) as first:
        await said(first, "started: from shop to warehouse")
        second = await vendors.run_once()
        first.terminate()
        await first.wait()

    assert 75 == second.code
    assert f"process {first.pid} " in second.err
    assert "" == second.out
    assert 0 == first.returncode


async def test_the_counter_counts_doubles(tmp_path: Path) -> None:
    """The check of these tests finds a duplicate: two creates under one external id differ from `wanted`."""
    vendors = Vendors(tmp_path, 1)
    vendors.warehouse.created += [{"external_id": "shop-20106"}] * 2

    assert Counter({"shop-20106": 2}) == vendors.created != vendors.wanted


def _written(folder: Path) -> dict[str, str]:
    """Return the bytes of every file that the command wrote as text, by name."""
    files = [path for path in folder.iterdir() if path.name != "settings.yaml"]
    return {path.name: path.read_bytes().decode("latin-1") for path in files}


def _warehouse_at(settings: str, address: str) -> str:
    return settings.replace(_addresses_in(settings)[1], address)


def _addresses(folder: Path) -> list[str]:
    return _addresses_in((folder / "settings.yaml").read_text("utf-8"))


def _addresses_in(settings: str) -> list[str]:
    return [line.partition("base_url: ")[2] for line in settings.splitlines() if "base_url: " in line]


def _closed_port() -> int:
    """Return a port without a listener."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


@pytest.mark.slow
@pytest.mark.fault(137)
async def test_a_certificate_of_an_unknown_authority_is_exit_1_and_check_names_it(tmp_path: Path) -> None:
    """A later attempt would not help, so `run` and `check` print the reason and advice."""
    vendors = Vendors(tmp_path, 3)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    (tmp_path / "server.pem").write_text(SELF_SIGNED, "utf-8")
    context.load_cert_chain(tmp_path / "server.pem")
    async with vendors.serving(), wire(nobody_says(), tls=context) as address:
        settings = tmp_path / "settings.yaml"
        text = settings.read_text("utf-8")
        where = next(
            line for line in text.splitlines() if "base_url" in line and line not in text.split("receivers")[0]
        )
        settings.write_text(text.replace(where, f"    base_url: {address}"), "utf-8")
        once = await vendors.run_once()
        check = await run("check", folder=tmp_path)

    assert (1, 1) == (once.code, check.code)
    for said_ in (once.out, check.out):
        assert "its certificate is signed by an authority that this machine does not trust" in said_
        assert "SSL_CERT_FILE" in said_
    assert "run it again later" not in once.out
    assert "try again later" not in check.out
