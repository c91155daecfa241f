"""The file of sessions: killed writers, several at once, older and newer forms, damage, a full disk."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agent_app.errors import StoreError
from agent_app.places import session_file
from agent_app.sessions import Store
from agent_app.sessions.schema import APPLICATION, VERSIONS, migrate
from agent_app.steps import Action, Answer, Observation, PromptRef, Result, Usage

PROMPT = PromptRef("pirate", "1.2", "abc123")
STEPS = (Action("look", "out"), Observation("the sea"), Answer("Arg"))
RESULT = Result("What?", "Arg", STEPS, "answered", None, Usage(2), PROMPT, "m")

WRITER = """
import sys
from pathlib import Path
from agent_app.sessions import Store
from agent_app.steps import Result

RESULT = Result.from_json(sys.argv[1])
path, shared, many = Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])

def tell(*words):
    print(*words, flush=True)

with Store.open(path) as store:
    session = store.session(shared) if shared else store.new_session()
    tell(session.id)
    for number in range(many):
        writer = session.begin(RESULT.question, RESULT.prompt, RESULT.model)
        tell("begun")
        for step in RESULT.steps:
            writer.step(step)
            tell("step")
        writer.finish(RESULT)
        tell("finished")
"""


def writing(path: Path, session: str = "", runs: int = 1_000_000) -> subprocess.Popen[str]:
    """Begin a process that writes runs, and says each time what has been written."""
    command = [sys.executable, "-c", WRITER, RESULT.to_json(), str(path), session, str(runs)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def is_sound(path: Path) -> bool:
    """Say whether SQLite finds no fault in a file, nor in its full-text index."""
    connection = sqlite3.connect(path)
    try:
        connection.execute("INSERT INTO words (words, rank) VALUES ('integrity-check', 1)")
        problems = connection.execute("PRAGMA foreign_key_check").fetchall()
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)] and not problems
    finally:
        connection.close()


# --- killed, and several at once -------------------------------------------------------------------


def test_whenever_a_writer_is_killed_what_it_told_is_there(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    chance = random.Random(7)
    for _ in range(12):
        process = writing(path)
        assert process.stdout is not None
        id_ = process.stdout.readline().strip()
        time.sleep(chance.uniform(0, 0.06))
        process.kill()
        told = process.communicate(timeout=60)[0].split()
        assert is_sound(path)
        with Store.open(path) as store:
            runs = store.session(id_).runs()
            found = store.search("sea", limit=1_000_000)
        assert 0 <= len(runs) - told.count("begun") <= 1
        assert 0 <= sum(len(run.result.steps) for run in runs) - told.count("step") <= 1
        assert 0 <= sum(run.ended is not None for run in runs) - told.count("finished") <= 1
        assert all(run.result == RESULT for run in runs[:-1])
        seen = sum(STEPS[1] in run.result.steps for run in runs)
        assert len([one for one in found if one.session == id_]) == seen
        for last in runs[-1:]:
            assert last.result.steps == STEPS[: len(last.result.steps)]
            assert (last.result.stopped_by == "interruption") == (last.ended is None)


def test_several_programs_begin_and_write_a_file_at_once(tmp_path: Path) -> None:
    for attempt in range(3):
        path = tmp_path / f"{attempt}.db"
        processes = [writing(path, runs=5) for _ in range(4)]
        told = [process.communicate(timeout=60)[0].split() for process in processes]
        assert [process.returncode for process in processes] == [0] * 4
        with Store.open(path) as store:
            for id_, *_ in told:
                assert [run.result for run in store.session(id_).runs()] == [RESULT] * 5
            assert len(store.search("sea")) == 20


def test_another_program_begins_the_file_while_it_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "kept.db"
    begun: list[str] = []
    connect = sqlite3.connect

    def begin(statement: str) -> None:
        """Begin the file between two looks at it, as far as SQLite lets another program write by then."""
        if "sqlite_master" in statement and not begun:
            begun.append(statement)
            other = connect(path, timeout=0, isolation_level=None)
            with contextlib.closing(other), contextlib.suppress(sqlite3.OperationalError):
                other.execute("BEGIN IMMEDIATE")
                migrate(other, path)
                other.execute("COMMIT")

    def watched(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **options)
        connection.set_trace_callback(begin)
        return connection

    monkeypatch.setattr(sqlite3, "connect", watched)
    with Store.open(path) as store:
        assert store.session(store.new_session().id).runs() == ()
    assert len(begun) == 1


def test_several_programs_go_on_with_one_session_at_once(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    with Store.open(path) as store:
        session = store.new_session()
        session.begin("What?", PROMPT, "m").finish(RESULT)
        processes = [writing(path, session.id, 5) for _ in range(4)]
        assert [process.communicate(timeout=60) and process.returncode for process in processes] == [0] * 4
        assert [(run.position, run.result) for run in session.runs()] == [(n, RESULT) for n in range(1, 22)]
    assert is_sound(path)


# --- older and newer forms -------------------------------------------------------------------------


def of_version(version: int, path: Path) -> None:
    """Make a file as a program of an earlier version left it, with one session in it."""
    connection = sqlite3.connect(path)
    for statements in VERSIONS[:version]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute(
        "INSERT INTO sessions (id, title, created, changed) VALUES ('abc234', 'Old', :old, :old)",
        {"old": OLD},
    )
    connection.execute(
        "INSERT INTO runs (session, position, begun, ended, question, prompt_name, prompt_version,"
        " prompt_hash, model, status, stopped_by, text, calls)"
        " VALUES ('abc234', 1, :old, :old, 'What?', 'pirate', '1.2',"
        " 'abc123', 'm', 'answered', NULL, 'Arg', 2)",
        {"old": OLD},
    )
    for position, (kind, data) in enumerate(OLD_STEPS):
        connection.execute("INSERT INTO steps VALUES (1, ?, ?, ?)", (position, kind, data))
    connection.commit()
    connection.close()


OLD = "2026-01-02T03:04:05.678+00:00"
OLD_STEPS = (
    ("action", '{"kind": "action", "tool": "look", "input": "out", "thought": "", "repairs": []}'),
    ("observation", '{"kind": "observation", "text": "the sea", "error": false}'),
    ("answer", '{"kind": "answer", "text": "Arg", "thought": "", "repairs": []}'),
)


def test_a_file_of_an_older_form_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    of_version(1, path)
    with Store.open(path) as store:
        session = store.session("abc234")
        assert [run.result for run in session.runs()] == [RESULT]
        assert [(found.session, found.place) for found in store.search("sea")] == [("abc234", "observation")]
        session.begin("And now?", PROMPT, "m").finish(RESULT)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(VERSIONS),)
    connection.close()
    assert is_sound(path)


def test_a_file_of_a_newer_form_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    of_version(len(VERSIONS), path)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        Store.open(path)
    assert str(caught.value) == (
        f"{path}: a newer version of this program wrote it (form 99, known up to {len(VERSIONS)}); "
        "update this program"
    )
    assert path.read_bytes() == before


def test_a_file_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError) as caught:
        Store.open(path)
    assert str(caught.value) == f"{path}: it belongs to another program; name another file"
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["other.db"]


# --- what else can be wrong with a file ------------------------------------------------------------


def test_a_file_that_is_none_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    path.write_text("Dear diary, " * 100)
    with pytest.raises(StoreError) as caught:
        Store.open(path)
    assert str(caught.value) == (
        f"{path}: it is no file of sessions, or damaged; move it away, and a new one is begun "
        "(file is not a database)"
    )
    assert path.read_text() == "Dear diary, " * 100


def test_a_damaged_file_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    with Store.open(path) as store:
        for _ in range(30):
            session = store.new_session()
            session.begin("What?" * 200, PROMPT, "m").finish(RESULT)
    whole = path.read_bytes()
    page = 4096
    path.write_bytes(whole[: 2 * page] + b"\xaa" * (len(whole) - 2 * page))
    with pytest.raises(StoreError) as caught, Store.open(path) as store:
        store.sessions()
    assert str(caught.value) == (
        f"{path}: it is damaged; move it away, and a new one is begun (database disk image is malformed)"
    )


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ('UPDATE steps SET data = \'{"kind": "song"}\'', "unknown kind of step 'song'; known: "),
        ("UPDATE steps SET data = '{'", "Expecting property name"),
        ("UPDATE runs SET left_out = '[]'", "not a stored result: "),
        ("UPDATE runs SET begun = 'yesterday'", "Invalid isoformat string: 'yesterday'"),
    ],
)
def test_a_run_that_cannot_be_read_is_named(table: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    with Store.open(path) as store:
        session = store.new_session()
        session.begin("What?", PROMPT, "m").finish(RESULT)
        connection = sqlite3.connect(path)
        connection.execute(table)
        connection.commit()
        connection.close()
        with pytest.raises(StoreError) as caught:
            session.runs()
    assert str(caught.value).startswith(f"{path}: run 1 of {session.id} cannot be read: {says}")


def test_approvals_that_cannot_be_read_are_not_taken_for_none(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    with Store.open(path) as store:
        session = store.new_session()
        connection = sqlite3.connect(path)
        connection.execute("UPDATE sessions SET remembered = '{}'")
        connection.commit()
        connection.close()
        with pytest.raises(
            StoreError, match=rf"the approvals of {session.id} cannot be read: not stored decisions"
        ):
            session.remembered()


def test_a_full_disk_is_one_clear_line_and_what_was_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "kept.db"
    with Store.open(path) as store:
        session = store.new_session()
        writer = session.begin("What?", PROMPT, "m")
        with store._database.read() as connection:  # SQLite's own way of having no room
            connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(StoreError) as caught:
            writer.step(Observation("x" * 1_000_000))
        assert str(caught.value) == f"{path}: the disk is full; make room (database or disk is full)"
        assert session.runs()[0].result.steps == ()
        writer.finish(RESULT)
    assert is_sound(path)


def test_a_locked_file_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent_app.sessions.database.PATIENCE", 0.1)
    path = tmp_path / "kept.db"
    with Store.open(path) as store:
        other = sqlite3.connect(path)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"kept\.db: another program has kept it locked for 10 s"):
            store.new_session()
        other.close()
        assert store.new_session().runs() == ()


def test_a_folder_that_cannot_be_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "kept.db"
    with pytest.raises(StoreError) as caught:
        Store.open(path)
    assert str(caught.value).startswith(f"{path}: it cannot be opened: ")


@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() == 0, reason="whoever runs this may write anywhere"
)
@pytest.mark.parametrize("mode", ["the file", "the folder"])
def test_what_may_not_be_written_is_one_clear_line(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "kept" / "kept.db"
    Store.open(path).close()
    (path if mode == "the file" else path.parent).chmod(0o500)
    with pytest.raises(StoreError, match=r"kept\.db: it cannot be "), Store.open(path) as store:
        store.new_session()
    path.parent.chmod(0o700)


@pytest.mark.skipif(sys.platform == "win32", reason="rights are of another kind there")
def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "kept.db"
    with Store.open(path) as store:
        store.new_session()
        files = [path.parent, *path.parent.iterdir()]
        assert [oct(stat.S_IMODE(file.stat().st_mode)) for file in files] == ["0o700"] + ["0o600"] * 3


def test_it_is_kept_in_the_users_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import platformdirs

    monkeypatch.setattr(platformdirs, "user_data_path", lambda *_, **__: tmp_path / "user")
    with Store.open() as store:
        assert store.path == session_file() == tmp_path / "user" / "sessions.db"
    assert session_file().exists()


def test_a_store_in_memory_has_no_file() -> None:
    with Store.in_memory() as store:
        assert store.path is None
        store.new_session().begin("What?", PROMPT, "m").finish(RESULT)
        assert len(store.search("sea")) == 1
