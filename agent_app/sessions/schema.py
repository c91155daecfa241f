"""What the file of sessions looks like, and how a file of an older version becomes one of this."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from agent_app.errors import StoreError

APPLICATION = 0x41475350
"""Marks a file as ours (``PRAGMA application_id``), so that another program's is never written to."""

_SESSIONS = (
    """
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        title TEXT NOT NULL,
        created TEXT NOT NULL,
        changed TEXT NOT NULL,
        parent TEXT REFERENCES sessions ON DELETE SET NULL,
        remembered TEXT NOT NULL DEFAULT '{"decisions": []}'
    )
    """,
    "CREATE INDEX sessions_changed ON sessions (changed)",
    "CREATE INDEX sessions_parent ON sessions (parent)",
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        session TEXT NOT NULL REFERENCES sessions ON DELETE CASCADE,
        position INTEGER NOT NULL,
        undone INTEGER NOT NULL DEFAULT 0,
        begun TEXT NOT NULL,
        ended TEXT,
        question TEXT NOT NULL,
        prompt_name TEXT NOT NULL,
        prompt_version TEXT NOT NULL,
        prompt_hash TEXT NOT NULL,
        model TEXT NOT NULL,
        status TEXT NOT NULL DEFAULT 'stopped',
        stopped_by TEXT DEFAULT 'interruption',
        text TEXT NOT NULL DEFAULT '',
        error TEXT,
        data TEXT NOT NULL DEFAULT 'null',
        calls INTEGER NOT NULL DEFAULT 0,
        prompt_tokens INTEGER NOT NULL DEFAULT 0,
        completion_tokens INTEGER NOT NULL DEFAULT 0,
        cached_tokens INTEGER NOT NULL DEFAULT 0,
        seconds REAL NOT NULL DEFAULT 0,
        cost REAL DEFAULT 0,
        left_out TEXT NOT NULL DEFAULT '{}',
        UNIQUE (session, position)
    )
    """,
    """
    CREATE TABLE steps (
        run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,
        position INTEGER NOT NULL,
        kind TEXT NOT NULL,
        data TEXT NOT NULL,
        PRIMARY KEY (run, position)
    ) WITHOUT ROWID
    """,
)

# One row a run, so that words are found together that stand in its question and in its answer. Triggers
# keep it, so that nothing that writes has to think of it.
_WORDS = (
    "CREATE VIRTUAL TABLE words USING fts5 (question, text, observations)",
    """
    INSERT INTO words (rowid, question, text, observations)
    SELECT id, question, text, coalesce(
        (SELECT group_concat(json_extract(data, '$.text'), char(10))
         FROM steps WHERE run = runs.id AND kind = 'observation'), '')
    FROM runs
    """,
    """
    CREATE TRIGGER run_begun AFTER INSERT ON runs BEGIN
        INSERT INTO words (rowid, question, text, observations) VALUES (new.id, new.question, new.text, '');
    END
    """,
    """
    CREATE TRIGGER run_ended AFTER UPDATE OF question, text ON runs BEGIN
        UPDATE words SET question = new.question, text = new.text WHERE rowid = new.id;
    END
    """,
    """
    CREATE TRIGGER run_deleted AFTER DELETE ON runs BEGIN
        DELETE FROM words WHERE rowid = old.id;
    END
    """,
    """
    CREATE TRIGGER step_written AFTER INSERT ON steps WHEN new.kind = 'observation' BEGIN
        UPDATE words SET observations = observations || char(10) || json_extract(new.data, '$.text')
        WHERE rowid = new.run;
    END
    """,
    # The steps of a run are only ever deleted all at once.
    """
    CREATE TRIGGER steps_deleted AFTER DELETE ON steps WHEN old.kind = 'observation' BEGIN
        UPDATE words SET observations = '' WHERE rowid = old.run;
    END
    """,
)

VERSIONS: Sequence[Sequence[str]] = (_SESSIONS, _WORDS)
"""What makes a file of each version out of one of the version before; the first one out of an empty file."""


def version_of(connection: sqlite3.Connection, path: Path | None) -> int:
    """Return the version of a file, 0 for an empty one.

    Raises:
        StoreError: the file is another program's, or of a version that this one does not know.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION:
        raise StoreError("it belongs to another program; name another file", path)
    if version > len(VERSIONS):
        raise StoreError(
            f"a newer version of this program wrote it (form {version}, known up to {len(VERSIONS)}); "
            "update this program",
            path,
        )
    return int(version)


def migrate(connection: sqlite3.Connection, path: Path | None) -> None:
    """Bring a file to the version of this program, within the transaction that has been begun.

    Raises:
        StoreError: as for `version_of`.
    """
    version = version_of(connection, path)
    if version == len(VERSIONS):
        return
    for statements in VERSIONS[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {len(VERSIONS)}")
