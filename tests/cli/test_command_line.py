"""Rules for every command: quick help, the position of options, and the form of failures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from connector.cli import COMMANDS, exit_codes, main
from connector.errors import (
    AuthError,
    ConnectorError,
    InDoubtError,
    JournalBusy,
    JournalError,
    SettingsError,
    TransientError,
)
from tests.cli.process import Vendors, run

HEAVY = {"aiohttp", "aiosqlite", "anyio", "jsonschema", "msgspec", "rich", "ruamel", "structlog"}

LOOK = f"""
import runpy, sys
sys.argv = ["connector", *sys.argv[1:]]
try:
    runpy.run_module("connector", run_name="__main__")
except SystemExit as exc:
    print("exit", exc.code)
print("loaded", sorted({HEAVY!r} & {{name.partition(".")[0] for name in sys.modules}}))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["no-such-command"]])
async def test_help_imports_nothing_heavy(tmp_path: Path, arguments: list[str]) -> None:
    """The help lists every command without importing a command or a large library."""
    import asyncio
    from asyncio.subprocess import PIPE

    from tests.cli.process import ROOT

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LOOK, *arguments, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, stdout=PIPE, stderr=PIPE
    )
    out, _ = await process.communicate()

    assert "loaded []" == out.decode().splitlines()[-1], out
    if arguments == ["--help"]:
        listed = out.decode().split("\nCommands:\n", 1)[1].split("\n\n", 1)[0].splitlines()
        assert [line.split()[0] for line in listed if line[2] != " "] == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_is_listed_is_there(name: str) -> None:
    """Each command can be imported, has its help, and accepts the common options after its name."""
    found = CliRunner().invoke(main, [name, "--help"])

    assert 0 == found.exit_code, found.output
    assert found.stdout.startswith(f"Usage: main {name} ")
    assert "--settings" in found.stdout


@pytest.mark.slow
async def test_the_settings_may_be_named_before_the_command_after_it_and_by_the_environment(tmp_path: Path) -> None:
    """`--settings` works before and after the command; the later one wins, and the variable is used without either."""
    for name in ("a", "b", "c"):
        Vendors(tmp_path, 0).write(f"http://{name}.localhost", "http://127.0.0.1:1")
        path = tmp_path / "settings.yaml"
        text = path.read_text("utf-8").replace(f"http://{name}.localhost", f"https://{name}.test")
        text = text.replace("    type: propeller", "    type: propeller\n    test_system: true")
        path.rename(tmp_path / f"{name}.yaml").write_text(text, "utf-8")

    async def shown(*arguments: str) -> str:
        found = await run(*arguments, folder=tmp_path, environ={"CONNECTOR_SETTINGS": "c.yaml"})
        assert (0, "") == (found.code, found.err)
        return found.out

    assert "https://a.test" in await shown("--settings", "a.yaml", "echo")
    assert "https://a.test" in await shown("echo", "--settings", "a.yaml")
    assert "https://a.test" in await shown("echo", "-s", "a.yaml")
    assert "https://b.test" in await shown("-s", "a.yaml", "echo", "-s", "b.yaml")
    assert "https://c.test" in await shown("echo")
    assert "https://c.test" in await shown("--log-format", "json", "echo", "--log-format", "console")


@pytest.mark.slow
async def test_a_missing_settings_file(tmp_path: Path) -> None:
    """Without a settings file a command names `connector init`, with exit 78."""
    for command in ("check", "run", "status", "orders", "echo"):
        found = await run(command, folder=tmp_path)
        assert (78, "") == (found.code, found.out)
        assert "settings.yaml: there is no such file; `connector init` creates one\n" == found.err


@pytest.mark.slow
async def test_a_journal_that_is_none(tmp_path: Path) -> None:
    """A journal that cannot be read is one line and exit 1, not a traceback."""
    Vendors(tmp_path, 0).write("http://127.0.0.1:1", "http://127.0.0.1:1")
    (tmp_path / "connector.db").write_text("something else entirely" * 300, "utf-8")
    for command in (["status"], ["orders", "--json"], ["show", "shop", "1"], ["run", "--once"]):
        found = await run(*command, "--log-format", "console", folder=tmp_path)
        assert (1, "") == (found.code, found.out)
        assert "file is not a database" in found.err
        assert "Traceback" not in found.err


@pytest.mark.slow
async def test_init_check_echo_schema(tmp_path: Path) -> None:
    """`init` writes a file without mistakes and does not overwrite one; `echo` masks its secrets."""
    first = await run("init", folder=tmp_path)
    template = (tmp_path / "settings.yaml").read_bytes()
    (tmp_path / "settings.yaml").write_bytes(b"mine")
    again = await run("init", folder=tmp_path)
    assert (1, "") == (again.code, again.out)
    assert "settings.yaml: the file exists already; --force overwrites it\n" == again.err
    assert b"mine" == (tmp_path / "settings.yaml").read_bytes()
    forced = await run("init", "--force", folder=tmp_path)
    elsewhere = await run("init", "other.yaml", folder=tmp_path)
    nowhere = await run("init", "no/such/folder.yaml", folder=tmp_path)

    assert (0, 0, 0, 1) == (first.code, forced.code, elsewhere.code, nowhere.code)
    assert template == (tmp_path / "settings.yaml").read_bytes() == (tmp_path / "other.yaml").read_bytes()
    assert "wrote settings.yaml" == first.out.splitlines()[0]
    assert "connector check --settings other.yaml" in elsewhere.out
    assert "no/such/folder.yaml: the file cannot be written: No such file or directory\n" == nowhere.err

    assert 0 == (await run("check", "--offline", folder=tmp_path)).code
    secret = {"EWH_PASSWORD": "canary-0f-a-secret"}
    echoed = await run("echo", folder=tmp_path, environ=secret)
    assert (0, "") == (echoed.code, echoed.err)
    assert "client_secret: '***'" in echoed.out
    assert "canary" not in echoed.out
    schema = json.loads((await run("schema", folder=tmp_path)).out)
    assert "https://json-schema.org/draft/2020-12/schema" == schema["$schema"]
    assert {"sources.propeller", "receivers.ewarehousing"} <= set(schema["$defs"])


def group(*errors: BaseException) -> BaseExceptionGroup[Any]:
    """Return a group within a group, as nested task groups raise it."""
    return BaseExceptionGroup("tasks", [BaseExceptionGroup("inner", list(errors))])


CODES = [
    (SettingsError(["a.yaml:1:1: wrong", "a.yaml:2:1: wrong too"]), 78, "a.yaml:1:1: wrong\na.yaml:2:1: wrong too\n"),
    (JournalBusy("in use"), 75, "in use\n"),
    (JournalError("damaged"), 1, "damaged\n"),
    (AuthError("refused"), 1, "refused\n"),
    (TransientError("down"), 75, "down\n"),
    (InDoubtError("lost"), 75, "lost\n"),
    (group(JournalError("damaged")), 1, "damaged\n"),
    (group(TransientError("down"), TransientError("down")), 75, "down\n"),
    (group(TransientError("down"), AuthError("refused")), 1, "down\nrefused\n"),
    (group(AuthError("refused"), SettingsError(["wrong"])), 78, "refused\nwrong\n"),
    (JournalError("a\x1b[2J\nb"), 1, "a\\x1b[2J\\nb\n"),
    (ConnectorError(), 1, "ConnectorError\n"),
    (KeyboardInterrupt(), 130, ""),
    (group(KeyboardInterrupt(), TransientError("down")), 130, ""),
    (group(SystemExit(7), TransientError("down")), 7, ""),
]


@pytest.mark.parametrize(("error", "code", "said"), CODES, ids=[repr(each[0])[:60] for each in CODES])
def test_errors_of_ours_are_lines_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int, said: str
) -> None:
    """Every error of the tree has its exit code, alone or in a group, and is printed without a traceback."""
    with pytest.raises(SystemExit) as caught, exit_codes.errors_to_exit_code():
        raise error

    assert code == caught.value.code
    assert ("", said) == capsys.readouterr()


@pytest.mark.parametrize("error", [ZeroDivisionError(), group(ZeroDivisionError(), TransientError("down"))])
def test_a_defect_keeps_its_traceback(error: BaseException) -> None:
    """An exception outside of the tree is a defect and passes through."""
    with pytest.raises(type(error)) as caught, exit_codes.errors_to_exit_code():
        raise error

    assert caught.value is error


def test_click_keeps_its_own_exits() -> None:
    """A command's own exit code and click's errors pass through unchanged."""
    for error in (click.exceptions.Exit(3), click.UsageError("so not")):
        with pytest.raises(type(error)), exit_codes.errors_to_exit_code():
            raise error
