"""README.md, CONTRIBUTING.md and docs/ are held to the program: links, commands, tables and examples."""

from __future__ import annotations

import ast
import re
import shlex
import sqlite3
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

import click
import msgspec
import pytest
from click.testing import CliRunner

import connector
from connector import causes, pipeline
from connector.cli import main
from connector.cli.init import command as init
from connector.journal.engine.migrations import schema_files
from connector.journal.states import ACK_EDGES, DELIVERY_EDGES, REPORT_EDGES
from connector.order import Order
from connector.settings.model import Settings
from connector.web.metrics import COUNTERS
from tests.cli.process import run
from tests.documents.extracted import TOP, anchors, block, document, documents, prose, rows, section
from tests.documents.settings_page import PAGE, page

LONGEST_README = 150
"""Lines that a newcomer reads."""
NO_HOLDS = {"not a report that Zendera takes"}
"""Causes that are answers to a command and hold no order."""
PACKAGE = Path(connector.__file__).parent
SETTINGS_OF_MAPPING = """\
sources:
  shop: {type: propeller, base_url: "http://127.0.0.1:1", client_id: a, client_secret: b}
receivers:
  warehouse:
    {type: ewarehousing, base_url: "http://127.0.0.1:1", username: a, password: b, wms_code: c, customer_code: d}
"""


@pytest.mark.parametrize("name", documents())
def test_links_lead_to_files_and_headings(name: str) -> None:
    """Every relative link leads to a file, and its anchor to a heading of that file."""
    folder = (TOP / name).parent
    missing = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(document(name))):
        path, _, anchor = target.partition("#")
        if path.startswith(("http:", "https:")):
            continue
        found = (folder / path).resolve() if path else TOP / name
        if not found.exists() or (anchor and anchor not in anchors(str(found.relative_to(TOP)))):
            missing.append(target)

    assert [] == missing


def commands(name: str) -> list[list[str]]:
    """Return every `connector` command of a document, in code blocks and in code spans, as words."""
    text = document(name)
    spans = re.findall(r"(?<!`)`((?:\.venv/bin/)?connector [a-z][^`]*)`(?!`)", text)
    lines = [
        line for code in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in re.split(r"\n|&&", code) if line
    ]
    found = [shlex.split(line.strip(), comments=True) for line in (*spans, *lines)]
    return [words[1:] for words in found if words and words[0].removeprefix(".venv/bin/") == "connector"]


def as_typed(words: list[str]) -> list[str]:
    """Return a command without the marks of a synopsis: brackets, dots and placeholders with choices."""
    return [word for each in words if (word := each.strip("[]").removesuffix("...")) not in ("", "|")]


def refused(words: list[str]) -> str:
    """Return why click does not know a command or one of its options; empty if it does."""
    words = as_typed(words)
    if words == ["COMMAND", "--help"]:
        return ""
    group = main.make_context("connector", [], resilient_parsing=True)
    _, command, _ = main.resolve_command(group, words[:1])
    if command is None:
        return f"there is no command {words[0]}"
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    options = [word.partition("=")[0] for word in words[1:] if word.startswith("-")]
    if unknown := [option for option in options if option not in {*known, "--help"}]:
        return f"connector {words[0]} has no option {unknown[0]}"
    takes_arguments = any(isinstance(parameter, click.Argument) for parameter in command.params)
    valued = {
        option
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.is_flag
        for option in parameter.opts
    }
    plain = [word for before, word in pairwise(words) if not word.startswith("-") and before not in valued]
    return f"connector {words[0]} takes no argument {plain[0]}" if plain and not takes_arguments else ""


@pytest.mark.parametrize("name", [*documents(), "CHANGELOG.md"])
def test_the_program_knows_every_command(name: str) -> None:
    """Each command that a document names exists, with the options that it is shown with."""
    assert [] == [why for words in commands(name) if (why := refused(words))]


@pytest.mark.parametrize("name", documents())
def test_the_tests_know_every_option(name: str) -> None:
    """Each `python -m tests.NAME --option` of a document has a module, and that module has the option."""
    unknown = []
    for module, given in re.findall(r"python -m (tests(?:\.\w+)+)([^`#\n]*)", document(name)):
        path = TOP / module.replace(".", "/")
        source = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
        text = source.read_text("utf-8") if source.exists() else ""
        unknown += [(module, each) for each in re.findall(r"--[a-z-]+", given) if f'"{each}"' not in text]
        unknown += [] if text else [(module, "")]

    assert [] == unknown


def test_a_wrong_command_is_found() -> None:
    """The test above recognises unknown commands, options and arguments."""
    assert refused(["runs"])
    assert refused(["run", "--twice"])
    assert refused(["status", "shop"])
    assert not refused(["orders", "[--source", "S]", "[--json]"])


def test_the_readme_is_short() -> None:
    """A newcomer reads the README in one go."""
    assert document("README.md").count("\n") <= LONGEST_README


def test_the_readme_leads_to_every_page() -> None:
    """Each page is linked from the README."""
    text = document("README.md")

    assert [] == [name for name in documents() if name != "README.md" and f"]({name})" not in text]


def test_the_page_of_settings_is_generated() -> None:
    """docs/settings.md is what the structs say; `python -m tests.documents.settings_page --write` renews it."""
    assert page() == PAGE.read_text("utf-8")


def test_every_key_of_the_settings_has_a_meaning() -> None:
    """No row of the generated page lacks its description."""
    assert [] == re.findall(r"^\| `([^`]+)` \|.*\|  \|$", page(), re.MULTILINE)


def test_the_page_of_settings_covers_the_top_level() -> None:
    """Each key of the file is on the page."""
    text = page()
    keys = [field.encode_name for field in msgspec.structs.fields(Settings)]

    assert [] == [key for key in keys if f"`{key}`" not in text]


def test_every_field_of_an_order_is_in_its_table() -> None:
    """docs/mapping.md lists the fields of the canonical order, and no others."""
    listed = {
        name for row in rows(section("docs/mapping.md", "The canonical order")) for name in re.findall(r"`(\w+)`", row)
    }

    assert {field.name for field in msgspec.structs.fields(Order)} == listed


def test_the_examples_of_a_mapping_come_out(tmp_path: Path) -> None:
    """`connector test` passes the examples of docs/mapping.md with the mapping of that page."""
    (tmp_path / "settings.yaml").write_text(SETTINGS_OF_MAPPING + block("docs/mapping.md", "mapping"), "utf-8")
    (tmp_path / "examples.yaml").write_text(block("docs/mapping.md", "examples"), "utf-8")

    ended = CliRunner().invoke(
        main, ["--settings", str(tmp_path / "settings.yaml"), "test", str(tmp_path / "examples.yaml")]
    )

    assert 0 == ended.exit_code, ended.output


def test_the_picture_is_the_same_everywhere() -> None:
    """README.md and docs/architecture.md show the picture of `connector/pipeline/__init__.py`."""
    assert pipeline.__doc__ is not None
    picture = dedent(pipeline.__doc__.split("::\n\n", 1)[1].split("\n\n- ", 1)[0])

    assert f"```\n{picture}\n```" in document("README.md")
    assert f"```\n{picture}\n```" in document("docs/architecture.md")


def edges(title: str) -> dict[str, set[str]]:
    """Return the transitions of a table in docs/architecture.md that follows the line `title`."""
    table = section("docs/architecture.md", "State machines").split(title, 1)[1].split("\n\n")[1]
    cells = re.findall(r"^\| `(\w+)` \|(.*)\|$", table, re.MULTILINE)
    return {before: set(re.findall(r"`(\w+)`", after)) for before, after in cells}


def test_the_state_machines_are_drawn_as_they_are() -> None:
    """The tables of docs/architecture.md are the transitions that the journal allows."""
    assert DELIVERY_EDGES == edges("A delivery")
    assert ACK_EDGES == edges("An acknowledgement")
    assert REPORT_EDGES == edges("A progress report")


def test_every_table_of_the_journal_is_described() -> None:
    """docs/architecture.md has a line for each table, and no others."""
    db = sqlite3.connect(":memory:")
    for _, text in schema_files():
        db.executescript(text)
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    listed = {row.strip("`") for row in rows(section("docs/architecture.md", "The journal's tables"))}
    db.close()

    assert {name for name in tables if not name.startswith("sqlite_")} == listed - {"table", "---"}


@pytest.mark.parametrize("name", documents())
def test_named_files_are_there(name: str) -> None:
    """A module or folder that a document names exists: below `connector/` or the checkout, `example_*` apart."""
    spans = re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.(?:py|sql|txt|yaml))?|[a-z_]+\.py)`", prose(document(name)))
    tops = (PACKAGE, PACKAGE / "journal", PACKAGE.parent, TOP)
    names = {path.name for path in PACKAGE.rglob("*.py")}

    assert [] == [
        path
        for path in spans
        if not (any((top / path).exists() for top in tops) or path in names or path.startswith("example_"))
    ]


def test_every_metric_is_in_its_table() -> None:
    """docs/operating.md lists the counters that there are, and the gauges."""
    listed = {row.strip("`") for row in rows(section("docs/operating.md", "Health and metrics"))}
    counters = {f"{counted.name}_total" for counted in COUNTERS.values()}
    source = (PACKAGE / "web" / "metrics.py").read_text("utf-8")
    others = set(re.findall(r'"(connector_\w+)"', source)) - {counted.name for counted in COUNTERS.values()}
    others = {"connector_events_missed_total" if name == "connector_events_missed" else name for name in others}

    assert counters | others == {row for row in listed if row.startswith("connector_")}


def test_every_cause_is_the_programs_own() -> None:
    """The causes in docs/operating.md are texts of the program, but for the parts in capitals."""
    source = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    cells = rows(section("docs/operating.md", "Held orders"))
    named = [cause for cell in cells for cause in re.findall(r"`([^`]+)`", cell)]
    parts = [part for cause in named for part in re.split(r"\b[A-Z]{2,}\b|\.\.\.|on_(?:change|cancel)|[/:(),]", cause)]

    assert named
    assert [] == [part for part in parts if part.strip() and part.strip() not in source]


def test_every_cause_of_the_program_is_explained() -> None:
    """Each cause that the code writes out for a held order has a place in docs/operating.md."""
    text = section("docs/operating.md", "Held orders")
    calls = [
        node
        for path in PACKAGE.rglob("*.py")
        if re.search(r"\b(Unmappable|Held)\(", text_of := path.read_text("utf-8"))
        for node in ast.walk(ast.parse(text_of))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Unmappable", "Held")
    ]
    returned = [
        node.value
        for node in ast.walk(ast.parse((PACKAGE / "causes.py").read_text("utf-8")))
        if isinstance(node, ast.Return)
    ]
    texts = [call.args[0] for call in calls if call.args]
    texts += [value.args[-1] if isinstance(value, ast.Call) else value for value in returned if value is not None]
    parts = {
        part.value.partition(":")[0].strip()
        for text_node in texts
        for part in (text_node.values if isinstance(text_node, ast.JoinedStr) else [text_node])
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    }
    parts |= {getattr(causes, node.id, "") for node in texts if isinstance(node, ast.Name)}
    parts -= {""}
    assert len(parts) > 20
    assert [] == sorted(part for part in parts - NO_HOLDS if part not in text)


def test_init_writes_the_linked_settings(tmp_path: Path) -> None:
    """The settings.yaml that the documents link to is the one that `connector init` writes."""
    ended = CliRunner().invoke(init, [str(tmp_path / "settings.yaml")])

    assert 0 == ended.exit_code
    assert (TOP / "settings.yaml").read_text("utf-8") == (tmp_path / "settings.yaml").read_text("utf-8")


def test_every_document_is_plain() -> None:
    """No sentence of a document begins with What, Whether, How or Which, and `told` has given way to other verbs."""
    words = r"(?:^|[.:;] |\| )(What|Whether|How|Which)\b|\b(told|untold by)\b"
    hand_written = [name for name in documents() if name != "docs/settings.md"]
    found = [
        (name, line)
        for name in hand_written
        for line in prose(document(name)).splitlines()
        if re.search(words, re.sub(r"`[^`]*`", "", line))
    ]

    assert [] == found


@pytest.mark.slow
async def test_the_output_in_the_readme_is_real(tmp_path: Path) -> None:
    """`connector demo` prints each line of the README's excerpt, but for numbers and times."""

    def shape(line: str) -> str:
        return " ".join(re.sub(r"\d+", "#", line).split())

    excerpt = document("README.md").split("second half of the output:\n\n```\n", 1)[1].split("```", 1)[0]
    printed = {shape(line) for line in (await run("demo", folder=tmp_path)).out.splitlines()}

    assert [] == [line for line in excerpt.splitlines() if shape(line) not in printed]
