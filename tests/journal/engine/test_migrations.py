"""Files that are no journal, or none of this version, and readers and people's decisions while one comes into being."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from connector.clock import SystemClock
from connector.errors import JournalError
from connector.journal.decisions import deciding
from connector.journal.engine import migrations
from connector.journal.engine.migrations import NoJournal, migrate, schema_files
from connector.journal.sqlite import SqliteJournal
from connector.journal.tables import replays
from connector.journal.views.status import open_reader, status
from tests.contracts.journal_bench import rows

STEPS = [
    *schema_files(),
    (2, "CREATE TABLE marks (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT; INSERT INTO marks VALUES ('a', 'b');"),
    (3, "ALTER TABLE marks ADD COLUMN made_at INTEGER; CREATE INDEX marks_made ON marks (made_at);"),
]
"""The schema, and two versions that nobody has released."""
NEWEST = STEPS[-1][0]


@pytest.fixture(autouse=True)
def _steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the schema have had three versions."""
    monkeypatch.setattr(migrations, "schema_files", lambda: STEPS)


Doors = pytest.mark.parametrize("opened", [open_reader, deciding])


def of_version(path: Path, version: int, monkeypatch: pytest.MonkeyPatch) -> sqlite3.Connection:
    """Make a journal as the program that knew so many steps left it, and return a connection to it."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    if version:
        with monkeypatch.context() as patched:
            patched.setattr(migrations, "schema_files", lambda: STEPS[:version])
            migrate(db)
    return db


def test_there_is_no_journal_yet(tmp_path: Path) -> None:
    """A journal that is not there, or not yet filled, is told from one that is damaged; reading makes no file."""
    with (
        pytest.raises(NoJournal, match="there is no journal yet; `connector run` starts one"),
        open_reader(tmp_path / "j"),
    ):
        pass
    assert [] == list(tmp_path.iterdir())

    (tmp_path / "j").touch()
    with pytest.raises(NoJournal, match="empty as yet"), open_reader(tmp_path / "j"):
        pass


def test_what_is_not_a_journal_is_refused(tmp_path: Path) -> None:
    """Another file, another database, a folder, and a journal of a later version are refused, each in its words."""
    text, other, newer = tmp_path / "text", tmp_path / "other.db", tmp_path / "newer.db"
    text.write_text("this is no database at all, although it is long enough to be one" * 100)
    for path, sql in ((other, "CREATE TABLE t (a)"), (newer, "CREATE TABLE orders (a); PRAGMA user_version = 99")):
        db = sqlite3.connect(path)
        db.executescript(sql)
        db.close()
    for path, words in (
        (text, "file is not a database"),
        (other, "not a journal"),
        (newer, "version 99"),
        (tmp_path, "plain file"),
    ):
        with pytest.raises(JournalError, match=words) as caught, open_reader(path):
            pass
        assert not isinstance(caught.value, NoJournal)
        assert str(path) in str(caught.value)


@Doors
@pytest.mark.parametrize("version", range(1, NEWEST))
def test_an_older_journal_is_refused(
    tmp_path: Path, version: int, opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has other tables, and the connector that has it open may be an older one: neither is asked or written to."""
    path = tmp_path / "journal.db"
    with closing(of_version(path, version, monkeypatch)) as db:
        with (
            pytest.raises(JournalError, match=rf"of version {version}, and .* knows {NEWEST}; \(re\)start"),
            opened(path),
        ):
            pytest.fail("it was let in")
        migrate(db)
    with opened(path) as db:
        assert status(db).sources == {}


@Doors
def test_a_newer_journal_is_refused(tmp_path: Path, opened: Callable[..., Any]) -> None:
    """Its connector may know other rules."""
    path = tmp_path / "journal.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db)
        db.execute(f"PRAGMA user_version = {NEWEST + 1}")
    with pytest.raises(JournalError, match=f"of version {NEWEST + 1}, .* use a newer one"), opened(path):
        pytest.fail("it was let in")


@pytest.mark.parametrize("version", [0, 1, NEWEST - 1])
def test_a_journal_that_is_being_made_is_there_or_not(
    tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever statement of the schema is about to run: who reads beside it finds the old one, or all of the new."""
    path = tmp_path / "journal.db"
    seen = []

    def look(_sql: str) -> None:
        try:
            with open_reader(path) as db:
                seen.append(str(status(db).sources))
        except JournalError as exc:
            seen.append(type(exc).__name__)

    with closing(of_version(path, version, monkeypatch)) as db:
        db.set_trace_callback(look)
        migrate(db)
    look("")

    *before, last = seen
    assert last == "{}"
    assert {"JournalError" if version else "NoJournal"} == set(before)
    assert len(before) > 3


class Slow(sqlite3.Connection):
    """A reader that is slow after its first question, whatever that is: something happens in between."""

    meanwhile: Callable[[], None] | None = None

    def execute(self, *question: Any) -> sqlite3.Cursor:
        """Answer, and let it happen once the reader has looked at the version."""
        answer = super().execute(*question)
        if question[0] == "PRAGMA user_version" and (meanwhile := Slow.meanwhile):
            Slow.meanwhile = None
            meanwhile()
        return answer


def test_a_reader_sees_one_moment_of_a_journal_that_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty when it looked at the version is empty when it counts the tables: not another program's file."""
    path = tmp_path / "journal.db"
    with closing(of_version(path, 0, monkeypatch)) as db:
        monkeypatch.setattr(Slow, "meanwhile", lambda: migrate(db))
        with monkeypatch.context() as patched:
            patched.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Slow))
            with pytest.raises(NoJournal, match="empty as yet"), open_reader(path):
                pass
            assert Slow.meanwhile is None
            with open_reader(path) as reader:
                assert status(reader).sources == {}


def test_nobody_decides_about_a_journal_that_is_not_made_yet(tmp_path: Path) -> None:
    """The file is there, and empty: nothing is written into it."""
    path = tmp_path / "journal.db"
    path.touch()
    with pytest.raises(NoJournal, match="empty as yet"), deciding(path) as db:
        replays.add("shop", 0, 0, db)
    assert path.read_bytes() == b""


async def test_what_a_journal_holds_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start with a journal of the first version gives it the tables of the newest, and keeps its orders."""
    path = tmp_path / "journal.db"
    with closing(of_version(path, 1, monkeypatch)) as db:
        db.execute(
            "INSERT INTO orders (key, source, order_id, external_id, revision, found_at, updated_at)"
            " VALUES (1, 'shop', '1', 'shop-1', 'a', 0, 0)"
        )
    path.chmod(0o600)
    journal = await SqliteJournal.open(path, SystemClock())
    assert await journal.replays.unanswered() == []
    assert await rows(journal, "SELECT order_id FROM orders") == [("1",)]
    assert await rows(journal, "SELECT name, value, made_at FROM marks") == [("a", "b", None)]
    await journal.aclose()
    with deciding(path) as db:
        assert replays.add("shop", 0, 0, db) == 1
