"""`connector check` reports every mistake at once, then tests each endpoint, and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connector.cli import main
from connector.clock import SystemClock
from connector.journal.sqlite import SqliteJournal
from connector.sandbox.server import Fault
from tests.cli.process import Ended, Vendors, run

TOP = Path(__file__).parents[2]

EIGHT = """\
environment: prod
journal: ""
sources:
  shop:
    type: propellor
    base_url: https://shop.example
receivers:
  warehouse:
    type: ewarehousing
    base_url: http://warehouse.example
    username: 0123
    password: ${NO_SUCH_PASSWORD}
    wms_code: DEV
    customer_code: ME
    concurrency: 0
    setle: 5s
routes:
  - source: shop
    receivers: [warehouse]
"""
"""One mistake each in the lines 1, 2, 5, 10, 11, 12, 15 and 16."""


def checks(found: Ended) -> dict[str, tuple[str, str]]:
    """Return the results of `--json`: result and message by name."""
    return {each["name"]: (each["result"], each["message"]) for each in json.loads(found.out)["checks"]}


def names(folder: Path) -> list[str]:
    """Return the names of the files in `folder`."""
    return sorted(path.name for path in folder.iterdir())


def change(folder: Path, old: str, new: str) -> None:
    """Change settings.yaml."""
    path = folder / "settings.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


@pytest.mark.slow
@pytest.mark.fault(124)
async def test_eight_mistakes_are_eight_lines(tmp_path: Path) -> None:
    """Every mistake is a line on stderr with its place, in the order of the file; the exit code is 78."""
    (tmp_path / "settings.yaml").write_text(EIGHT, "utf-8")

    for command in (["check"], ["check", "--offline"], ["status"], ["run", "--once"]):
        found = await run(*command, folder=tmp_path)

        assert (78, "") == (found.code, found.out), command
        lines = [int(line.split(":")[1]) for line in found.err.splitlines()]
        assert [1, 2, 5, 10, 11, 12, 15, 16] == lines, found.err
        assert all(line.startswith("settings.yaml:") for line in found.err.splitlines())
    assert ["settings.yaml"] == names(tmp_path)


async def test_mistakes_for_programs(tmp_path: Path) -> None:
    """With --json the mistakes are also on stdout, as a list."""
    (tmp_path / "settings.yaml").write_text(EIGHT, "utf-8")

    found = await run("check", "--json", folder=tmp_path)

    assert 78 == found.code
    said = json.loads(found.out)
    assert (False, []) == (said["ok"], said["checks"])
    assert found.err.splitlines() == said["problems"]


async def test_all_well(tmp_path: Path) -> None:
    """Each endpoint has a line with its result; nothing is written at a vendor, and no file is created."""
    vendors = Vendors(tmp_path, 7)
    async with vendors.serving():
        found = await run("check", folder=tmp_path)
        said = checks(await run("check", "--json", folder=tmp_path))

    assert (0, "") == (found.code, found.err)
    assert ["settings", "journal", "shop", "warehouse"] == [line.split()[0] for line in found.out.splitlines()]
    assert "settings   ok  no mistakes, sandbox: shop to warehouse\n" in found.out
    assert "shop       ok  search works, 7 orders to export\n" in found.out
    assert ("ok", "search works, 7 orders to export") == said["shop"]
    assert "ok" == said["warehouse"][0]
    assert ("ok", f"{tmp_path / 'connector.db'}, not created yet") == said["journal"]
    assert [] == vendors.writes
    assert ["settings.yaml"] == names(tmp_path)


@pytest.mark.parametrize(
    ("secret", "name", "other"), [("client_secret", "shop", "warehouse"), ("password", "warehouse", "shop")]
)
async def test_wrong_credentials(tmp_path: Path, secret: str, name: str, other: str) -> None:
    """An endpoint that rejects the credentials fails with advice; others are still tested, and no secret is shown."""
    vendors = Vendors(tmp_path, 1)
    vendors.secrets[secret] = "canary-0f-a-secret"
    async with vendors.serving():
        found = await run("check", folder=tmp_path)

    assert (1, "") == (found.code, found.err)
    lines = {line.split()[0]: line.split(maxsplit=2)[1:] for line in found.out.splitlines()}
    assert "FAILED" == lines[name][0]
    assert lines[name][1].endswith("correct the credentials in the settings, or the permissions at the vendor")
    assert "ok" == lines[other][0]
    assert "canary" not in found.out


@pytest.mark.parametrize(
    ("fault", "advice"),
    [
        (Fault.SERVER_ERROR, "check whether this machine can reach the endpoint, or try again later"),
        (Fault.LOSE_ANSWER, "check whether this machine can reach the endpoint, or try again later"),
        (Fault.REDIRECT, "correct the address in the settings"),
    ],
)
async def test_an_endpoint_that_does_not_answer_as_it_should(tmp_path: Path, fault: Fault, advice: str) -> None:
    """A failure of an endpoint comes with advice."""
    vendors = Vendors(tmp_path, 1)
    vendors.warehouse.fault(fault, times=9)
    async with vendors.serving():
        found = await run("check", "--json", folder=tmp_path)

    assert 1 == found.code
    result, message = checks(found)["warehouse"]
    assert "failed" == result
    assert message.endswith(advice), message
    assert "ok" == checks(found)["shop"][0]


async def test_offline_asks_nobody(tmp_path: Path) -> None:
    """With --offline no endpoint is called, and this machine is checked."""
    vendors = Vendors(tmp_path, 1)
    async with vendors.serving():
        found = await run("check", "--offline", "--json", folder=tmp_path)

    assert 0 == found.code
    assert ["settings", "journal"] == list(checks(found))
    assert [] == [*vendors.shop.history, *vendors.warehouse.history]


async def offline(folder: Path, old: str, new: str) -> Ended:
    """Check settings with one change, without calling an endpoint."""
    Vendors(folder, 0).write("http://127.0.0.1:1", "http://127.0.0.1:1")
    change(folder, old, new)
    return await run("check", "--offline", "--json", folder=folder)


MAPPING = "def to_warehouse(order):\n    return {}\n\nnumber = 5\n"


@pytest.mark.parametrize(
    ("spec", "source", "words"),
    [
        ("mine:to_warehouse", MAPPING, ""),
        ("mine:nothing", MAPPING, "cannot be loaded"),
        ("nowhere:to_warehouse", MAPPING, "cannot be loaded"),
        ("mine:number", MAPPING, "is not a function"),
        ("mine:to_warehouse", "def broken(:\n", "cannot be loaded: SyntaxError"),
        ("mine:to_warehouse", "1 / 0\n", "cannot be loaded: ZeroDivisionError"),
    ],
)
async def test_mapping_functions_can_be_loaded(tmp_path: Path, spec: str, source: str, words: str) -> None:
    """A route's own mapping is imported, and its failure is reported without a traceback."""
    (tmp_path / "mine.py").write_text(source, "utf-8")

    found = await offline(tmp_path, "receivers: [warehouse]", f"receivers: [warehouse]\n    mapping: {spec}")

    result, message = checks(found)["mapping of shop"]
    assert (1 if words else 0, "failed" if words else "ok") == (found.code, result)
    assert words in message
    assert "" == found.err


async def test_a_journal_that_cannot_be(tmp_path: Path) -> None:
    """A journal in a place that cannot hold one fails with a message that names the place."""
    (tmp_path / "file").write_text("not a folder", "utf-8")
    for place in ("file/connector.db", "."):
        found = await offline(tmp_path, "journal: connector.db", f"journal: {place}")
        assert 1 == found.code, place
        assert "failed" == checks(found)["journal"][0]


@pytest.mark.fault(131)
async def test_a_journal_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A missing folder is named and not created, because its volume may not be mounted."""
    found = await offline(tmp_path, "journal: connector.db", "journal: var/lib/connector.db")

    assert 1 == found.code
    assert checks(found)["journal"][1].startswith(f"{tmp_path / 'var' / 'lib'}: there is no such folder")
    assert ["settings.yaml"] == names(tmp_path)


async def test_a_journal_in_use(tmp_path: Path) -> None:
    """A check beside a running connector passes, and counts its orders."""
    journal = await SqliteJournal.open(tmp_path / "connector.db", SystemClock())
    try:
        found = await offline(tmp_path, "journal: connector.db", "journal: ./connector.db")
    finally:
        await journal.aclose()

    assert (0, ("ok", f"{tmp_path / 'connector.db'}, 0 orders")) == (found.code, checks(found)["journal"])


@pytest.mark.parametrize(
    ("old", "new", "name", "words"),
    [
        (
            "base_url: http://127.0.0.1:1\n    username",
            "base_url: https://w.example\n    username",
            "warehouse",
            "settle",
        ),
        ("routes:", "server: {host: 0.0.0.0, port: 0}\nroutes:", "server", "the server has no password"),
    ],
)
async def test_what_is_legal_but_may_not_be_meant(tmp_path: Path, old: str, new: str, name: str, words: str) -> None:
    """A risk is a warning, not a failure."""
    found = await offline(tmp_path, old, new)

    assert (0, "warning") == (found.code, checks(found)[name][0])
    assert words in checks(found)[name][1]


def test_a_check_that_is_broken_costs_no_other_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any exception from the check of a plugin is one failed result and exit 1; the other results are still printed."""
    from click.testing import CliRunner

    from connector.sources.propeller.source import PropellerSource

    async def broken(_self: Any) -> str:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr(PropellerSource, "check", broken)
    Vendors(tmp_path, 0).write("http://127.0.0.1:1", "http://127.0.0.1:1")

    found = CliRunner().invoke(main, ["--settings", str(tmp_path / "settings.yaml"), "check"])

    assert 1 == found.exit_code
    lines = {line.split()[0]: line for line in found.stdout.splitlines()}
    assert lines["shop"].endswith("the check itself failed: ZeroDivisionError: by nought")
    assert "could not connect" in lines["warehouse"]


async def test_reading_the_settings_of_every_vendor_keeps_the_heap_whole(tmp_path: Path) -> None:
    """Python's memory checks find no overrun; msgspec 0.22 wrote past a block while it built a Traede source."""
    (tmp_path / "settings.yaml").write_bytes((TOP / "settings.yaml").read_bytes())

    found = await run("check", "--offline", folder=tmp_path, environ={"PYTHONMALLOC": "debug"})

    assert (0, "") == (found.code, found.err)
