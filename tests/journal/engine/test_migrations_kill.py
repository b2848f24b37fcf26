"""A process that is killed in the middle of bringing a journal up to date."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.journal.processes import other_process

KILLED = """
import json, os, signal, sqlite3, sys
from contextlib import closing
from pathlib import Path
from connector.journal.engine import migrations
from connector.journal.engine.migrations import migrate, schema_files

path, first = Path(sys.argv[1]), int(sys.argv[2])
steps = [
    *schema_files(),
    (2, "CREATE TABLE marks (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT; INSERT INTO marks VALUES ('a', 'b');"),
    (3, "ALTER TABLE marks ADD COLUMN made_at INTEGER; CREATE INDEX marks_made ON marks (made_at);"),
]
newest = steps[-1][0]


def opened():
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    return db


def dying_at(number):
    "Migrate, and die when the `number`th statement begins."
    db, left = opened(), number

    def trace(_sql):
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    db.set_trace_callback(trace)
    migrate(db)
    os._exit(0)


def shape(db):
    return db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()


def version(db):
    return db.execute("PRAGMA user_version").fetchone()[0]


shapes = {}
with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
    shapes[0] = shape(db)
    for number, sql in steps:
        migrations.schema_files = lambda number=number: steps[:number]
        migrate(db)
        shapes[number] = shape(db)
migrations.schema_files = lambda: steps

found, statement = [], 0
while True:
    statement += 1
    for file in path.parent.glob(path.name + "*"):
        file.unlink()
    with closing(opened()) as db:
        migrations.schema_files = lambda: steps[:first]
        if first:
            migrate(db)
        migrations.schema_files = lambda: steps
    child = os.fork()
    if not child:
        dying_at(statement)
    _, status = os.waitpid(child, 0)
    with closing(opened()) as db:
        at = version(db)
        whole = shape(db) == shapes[at]
        sound = db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        migrate(db)
        mended = version(db) == newest and shape(db) == shapes[newest]
    found.append([os.WIFSIGNALED(status), at, whole, sound, mended])
    if not os.WIFSIGNALED(status):
        break
print(json.dumps([newest, found]))
"""


@pytest.mark.slow
@pytest.mark.fault(22)
@pytest.mark.parametrize("first", [0, 1])
def test_killed_at_each_statement_of_the_schema(tmp_path: Path, first: int) -> None:
    """
    Old or new, never between, whichever statement was about to run; and the next start finishes it.

    From nothing, and from a journal of the first version.
    """
    with other_process(KILLED, tmp_path / "journal.db", str(first)) as process:
        said, _ = process.communicate()
    newest, found = json.loads(said)

    *killed, last = found
    assert [False, newest, True, True, True] == last
    assert {(True, True, True, True)} == {(died, whole, sound, mended) for died, _, whole, sound, mended in killed}
    assert [at for _, at, *_ in killed] == sorted(at for _, at, *_ in killed)
    assert {first, newest} == {at for _, at, *_ in found}
    assert len(killed) > 2 * (newest - first)
