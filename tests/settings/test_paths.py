"""Paths in a settings file start in its folder, wherever the connector is started."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from connector import load_settings
from connector.errors import SettingsError
from connector.settings import load
from connector.settings.model import ReceiverSettings
from connector.settings.paths import LOCAL_PATH
from tests.settings.vendors import ENVIRON, GOOD, SOURCES

TEXT = """
{top}
sources:
  shop: {{type: propeller, base_url: "https://shop.example", token: t, statuses: [NEW]}}
receivers:
  archive: {{type: file, path: {path}}}
routes:
  - {{source: shop, receivers: [archive]}}
"""


def written(folder: Path, top: str = "", path: str = "out.jsonl") -> Path:
    """Write a settings file into `folder`; return its path."""
    folder.mkdir(exist_ok=True)
    file = folder / "settings.yaml"
    file.write_text(TEXT.format(top=top, path=path), "utf-8")
    return file


@pytest.mark.fault(131)
@pytest.mark.parametrize("top", ["", "journal: state/j.db", "journal: ./j.db", "witness: ../other/seen"])
def test_the_folder_of_a_command_means_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, top: str) -> None:
    """Journal, its default, the witness and a receiver's file do not depend on the working directory."""
    file = written(tmp_path / "own", top)
    found = []
    for folder, name in ((tmp_path, "own/settings.yaml"), (tmp_path / "own", "settings.yaml"), (Path("/"), str(file))):
        monkeypatch.chdir(folder)
        found.append(load_settings(name))
    assert found[0] == found[1] == found[2]
    settings = found[0]
    own = tmp_path / "own"
    assert Path(settings.receivers["archive"].path) == own / "out.jsonl"
    assert Path(settings.journal).is_absolute()
    assert Path(settings.journal).parent in (own, own / "state")
    if settings.witness_file is not None:
        assert os.path.realpath(settings.witness_file) == str(tmp_path / "other" / "seen")


@pytest.mark.fault(131)
def test_absolute_paths_and_filled_in_ones(tmp_path: Path) -> None:
    """Absolute paths stay; relative paths from environment variables start in the folder of the file as well."""
    file = written(tmp_path, "journal: ${J}", "/srv/out.jsonl")
    assert load_settings(file, {"J": "a/j.db"}).journal == str(tmp_path / "a" / "j.db")
    assert load_settings(file, {"J": "/var/j.db"}).journal == "/var/j.db"
    assert load_settings(file, {"J": "/var/j.db"}).receivers["archive"].path == "/srv/out.jsonl"


def test_a_settings_file_that_is_a_link(tmp_path: Path) -> None:
    """The folder of the link counts: a mounted configuration links into a folder whose name changes."""
    file = written(tmp_path / "..data")
    (tmp_path / "settings.yaml").symlink_to(file)
    assert load_settings(tmp_path / "settings.yaml").journal == str(tmp_path / "connector.db")


def test_a_plugin_marks_its_paths(tmp_path: Path) -> None:
    """Marked paths are resolved, also inside lists; unmarked text stays as it is."""

    class WithPaths(ReceiverSettings, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="wms"):
        username: str
        password: str = ""
        base_url: str = ""
        keys: list[Annotated[str, LOCAL_PATH]] = msgspec.field(default_factory=list)
        spool: Annotated[str, LOCAL_PATH, Meta(description="A folder.")] = "spool"

    file = tmp_path / "settings.yaml"
    file.write_text(GOOD.replace("username: me", "username: me\n    keys: [a, /b]"), "utf-8")
    own = load(file, sources=SOURCES, receivers={"wms": WithPaths}, environ=ENVIRON).receivers["wms"]
    assert isinstance(own, WithPaths)
    assert (own.keys, own.spool, own.username) == ([str(tmp_path / "a"), "/b"], str(tmp_path / "spool"), "me")


@pytest.mark.parametrize(
    ("witness", "said"),
    [
        ("connector.db", "a file of the journal itself"),
        ("connector.db.seen", "a file of the journal itself"),
        ("connector.db-wal", "a file of the journal itself"),
        ("./connector.db.lock", "a file of the journal itself"),
        ("../{}/connector.db", "a file of the journal itself"),
        ("settings.yaml", "the settings file"),
        ("./settings.yaml", "the settings file"),
    ],
)
@pytest.mark.parametrize("form", ["witness: {}", "witness: {{path: {}}}"])
def test_a_witness_is_a_file_of_its_own(tmp_path: Path, witness: str, said: str, form: str) -> None:
    """A witness that is a file of the journal, or the settings file, would be overwritten; it is reported."""
    key, column = ("witness.path", 17) if "path" in form else ("witness", 10)
    with pytest.raises(
        SettingsError, match=rf"settings.yaml:2:{column}: {key}: this path is {said}; name a file on another"
    ):
        load_settings(written(tmp_path, form.format(witness.format(tmp_path.name))))


def test_a_witness_that_is_a_mapping(tmp_path: Path) -> None:
    """Its path starts in the folder of the settings file, as a plain one does."""
    top = "witness: {path: w/seen, receivers: [archive]}"
    settings = load_settings(written(tmp_path, top))
    assert (settings.witness_file, settings.witness_receivers) == (str(tmp_path / "w" / "seen"), ["archive"])
    settings = load_settings(written(tmp_path, "witness: {receivers: [archive]}"))
    assert (settings.witness_file, settings.witness_receivers) == (None, ["archive"])
    settings = load_settings(written(tmp_path, "witness: w/seen"))
    assert (settings.witness_file, settings.witness_receivers) == (str(tmp_path / "w" / "seen"), [])


@pytest.mark.parametrize(
    ("witness", "said"),
    [
        ("{receivers: [archiv]}", "2:23: witness.receivers.0: there is no receiver 'archiv', did you mean 'archive'?"),
        ("{receivers: [archive, archive]}", "2:32: witness.receivers.1: the receiver 'archive' is listed twice"),
        ("{receivers: [hook]}", "2:23: witness.receivers.0: a receiver of this type cannot list its newest"),
        ("{receivers: [spare]}", "2:23: witness.receivers.0: no route leads to this receiver"),
        ("{receivers: archive}", "2:22: witness.receivers: must be a list; write it in [ ]"),
        ("{receiver: archive}", "2:11: witness.receiver: unknown key, did you mean 'receivers'?"),
        ("{}", "2:1: witness: write path: with a file on another volume, receivers: with a list of names, or both"),
        (
            "{receivers: []}",
            "2:1: witness: write path: with a file on another volume, receivers: with a list of names, or both",
        ),
        ("7", "2:10: witness: must be text or a mapping"),
    ],
)
@pytest.mark.fault(130)
def test_receivers_that_cannot_be_witnesses(tmp_path: Path, witness: str, said: str) -> None:
    """Each is reported at its place."""
    hook = '  hook: {type: webhook, url: "https://h.example", secret: s3cr3t-s3cr3t-s3cr3t}'
    more = f"{hook}\n  spare: {{type: file, path: s.jsonl}}"
    text = TEXT.format(top=f"witness: {witness}", path="out.jsonl").replace("\nroutes", f"\n{more}\nroutes")
    (tmp_path / "settings.yaml").write_text(text, "utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path / "settings.yaml")
    assert any(said in each for each in caught.value.problems), caught.value.problems


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("settings.yaml", "this path is the settings file"),
        ("./settings.yaml", "this path is the settings file"),
        ("connector.db", "this path is a file of the journal"),
        ("connector.db-wal", "this path is a file of the journal"),
        ("../w/seen", "this path is the witness"),
    ],
)
def test_a_receiver_writes_into_no_other_file(tmp_path: Path, path: str, said: str) -> None:
    """A receiver must not append its orders to the settings or the journal."""
    with pytest.raises(SettingsError, match=rf"settings.yaml:6:31: receivers.archive.path: {said}"):
        load_settings(written(tmp_path / "w", "witness: seen", path))


def test_two_receivers_write_two_files(tmp_path: Path) -> None:
    """Two receivers with one file would wait forever for each other's lock."""
    copy = "  copy: {type: file, path: ./out.jsonl}"
    text = TEXT.format(top="", path="out.jsonl").replace("\nroutes", f"\n{copy}\nroutes")
    (tmp_path / "settings.yaml").write_text(text, "utf-8")
    with pytest.raises(
        SettingsError, match=r"7:28: receivers.copy.path: this path is the file of the receiver archive"
    ):
        load_settings(tmp_path / "settings.yaml")


@pytest.mark.parametrize("path", ["orders/", "..", '"a\\nb"'])
def test_what_is_no_file(tmp_path: Path, path: str) -> None:
    """A trailing slash, which names a folder, survives the resolution and is still reported."""
    with pytest.raises(SettingsError, match=r"receivers.archive.path"):
        load_settings(written(tmp_path, "", path))
