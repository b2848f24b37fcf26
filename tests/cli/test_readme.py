"""The statements of the documents are true: their examples run, and their tables match the program."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from jmespath.functions import Functions

from connector.cli import COMMANDS, exit_codes
from connector.clock import SystemClock
from connector.errors import SettingsError
from connector.journal.states import PublicState
from connector.mapping.functions import known_functions
from connector.pipeline.routes import build
from connector.receivers import RECEIVERS
from connector.registry import load_settings, make_receivers, make_sources, source_types
from connector.sandbox.propeller.orders import seed_order
from connector.settings.model import RouteSettings
from connector.sources import SOURCES
from tests.cli.process import ROOT, Vendors
from tests.documents.extracted import TOP, block, document, rows, section


async def test_the_example_of_embedding_runs(tmp_path: Path) -> None:
    """The README's program runs unchanged, with the settings.yaml in its folder."""
    vendors = Vendors(tmp_path, 5)
    async with vendors.serving():
        (tmp_path / "app.py").write_text(block("README.md", "embedding"), "utf-8")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "app.py"),
            cwd=tmp_path,
            env={"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(ROOT)},
            stdout=PIPE,
            stderr=PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 30)

    assert re.fullmatch(r"\d polls, failed: \{\}\n", out.decode()), err.decode()
    assert vendors.wanted == vendors.created == vendors.told


def test_every_command_is_in_the_table() -> None:
    """docs/operating.md lists exactly the existing commands."""
    first = [row for row in rows(section("docs/operating.md", "Commands")) if row.startswith("`connector")]
    listed = {name for row in first for name in re.findall(r"`connector (\w+)", row)}

    assert set(COMMANDS) == listed


def test_every_exit_code_is_in_the_table() -> None:
    """docs/operating.md lists all exit codes."""
    listed = {int(row) for row in rows(section("docs/operating.md", "Exit codes")) if row.isdigit()}

    assert {exit_codes.OK, exit_codes.TROUBLE, exit_codes.USAGE, exit_codes.LATER, exit_codes.SETTINGS} == listed


def test_every_state_is_explained() -> None:
    """docs/operating.md has a row for exactly the states that an order can have."""
    listed = [row.strip("`") for row in rows(section("docs/operating.md", "Order states")) if row.startswith("`")]

    assert list(get_args(PublicState)) == listed


def test_every_source_and_receiver_is_in_its_table() -> None:
    """The README lists exactly the registered types."""
    listed = {row.strip("`") for row in rows(section("README.md", "Sources and receivers")) if row.startswith("`")}

    assert {*SOURCES, *RECEIVERS} == listed


def test_every_mapping_function_is_in_its_table() -> None:
    """docs/mapping.md lists exactly our own functions, without those of JMESPath."""
    listed = {name for row in rows(section("docs/mapping.md", "Functions")) for name in re.findall(r"`(\w+)\(", row)}
    theirs = set(Functions.FUNCTION_TABLE) - {"replace"}

    assert set(known_functions()) - theirs <= listed <= set(known_functions())


def test_every_key_is_explained_in_the_example() -> None:
    """Each key of a source, a receiver or a route is in settings.yaml, as a setting or in a comment."""
    text = (TOP / "settings.yaml").read_text("utf-8")
    structs: list[Any] = [*(kind.settings for kind in (*source_types().values(), *RECEIVERS.values())), RouteSettings]
    keys = {field.encode_name for struct in structs for field in msgspec.structs.fields(struct)}

    assert [] == sorted(key for key in keys if not re.search(rf"(^|[\s#{{,-]){key}:", text, re.MULTILINE))


def test_the_example_of_a_mapping_maps_the_seeds_order(tmp_path: Path) -> None:
    """The mapping of docs/mapping.md turns the order of seed 001 into a request with its values."""
    ends = 'base_url: "http://127.0.0.1:1"'
    endpoints = (
        f"sources:\n  shop: {{type: propeller, {ends}, client_id: a, client_secret: b}}\n"
        f"receivers:\n  warehouse: {{type: ewarehousing, {ends}, username: a, password: b, wms_code: c,"
        " customer_code: d}\n"
    )
    (tmp_path / "settings.yaml").write_text(endpoints + block("docs/mapping.md", "mapping"), "utf-8")
    settings = load_settings(tmp_path / "settings.yaml", environ={})
    sources, receivers = make_sources(settings, SystemClock(), {}), make_receivers(settings, SystemClock(), {})
    order = sources["shop"].to_order(msgspec.json.encode(seed_order()))
    request = msgspec.json.decode(build(settings, sources, receivers)["warehouse"]["shop"].map(order))

    assert request["shipping_method"] == settings.tables["methods"]["DELIVERY"]
    assert request["customer_note"] == "no note"


def test_the_sample_of_a_mistake_is_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line of docs/settings.md about a misspelt key is printed by the program, apart from the place."""
    (sample,) = re.findall(r"^settings\.yaml:\d+:\d+: (.*)$", document("docs/settings.md"), re.MULTILINE)
    text = (TOP / "settings.yaml").read_text("utf-8").replace("page_size: 50", "page_sise: 50")
    (tmp_path / "settings.yaml").write_text(text, "utf-8")

    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path / "settings.yaml", environ={})

    assert [sample] == [problem.split(": ", 1)[1] for problem in caught.value.problems]
