"""One conversation that is kept, and the run that is being written to it."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime

from agent_app.approvals.remembered import Remembered
from agent_app.errors import StoreError, UserError
from agent_app.sessions.database import Database
from agent_app.sessions.naming import TITLE, add_session, shortened
from agent_app.sessions.rows import RESULT, now, result_of, storable
from agent_app.sessions.writing import RunWriter
from agent_app.steps import PromptRef, Result


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as it is kept."""

    position: int
    """Its place in the session, counted from 1."""
    result: Result
    """What there is of it. A run that nobody ended is one that was interrupted."""
    begun: datetime
    ended: datetime | None
    """None: it is still going on, or the program was killed."""


class Session:
    """A conversation in a store; every change is on the disk when the call returns.

    Several programs can go on with one session at the same time: each run is kept whole, in the order in
    which they began. Made by `Store.new_session` and the like.
    """

    def __init__(self, database: Database, id: str) -> None:  # noqa: A002
        self._database = database
        self._id = id

    @property
    def id(self) -> str:
        """A short name that can be typed."""
        return self._id

    @property
    def title(self) -> str:
        """What it is called, in 60 characters; the first question's beginning until it is given a title."""
        with self._database.read() as db:
            row = self._row(db, f"SELECT {TITLE} AS title FROM sessions WHERE id = :id")  # noqa: S608
            return shortened(row["title"])

    @property
    def parent(self) -> str | None:
        """The id of the session that this one was forked from, if that is still there."""
        with self._database.read() as db:
            parent: str | None = self._row(db, "SELECT parent FROM sessions WHERE id = :id")["parent"]
            return parent

    @property
    def created(self) -> datetime:
        """When it was begun."""
        with self._database.read() as db:
            return datetime.fromisoformat(
                self._row(db, "SELECT created FROM sessions WHERE id = :id")["created"]
            )

    def rename(self, title: str) -> None:
        """Give it a title; an empty one stands for the first question."""
        with self._database.write() as db:
            self._touch(db)
            db.execute("UPDATE sessions SET title = ? WHERE id = ?", (storable(title.strip()), self.id))

    def runs(self) -> tuple[StoredRun, ...]:
        """Return its runs in their order, but for what was undone.

        Raises:
            StoreError: the session has been deleted, or the file is damaged.
        """
        with self._database.read() as db:
            self._row(db, "SELECT id FROM sessions WHERE id = :id")
            rows = db.execute(
                "SELECT * FROM runs WHERE session = ? AND NOT undone ORDER BY position", (self.id,)
            ).fetchall()
            steps = db.execute(
                "SELECT run, data FROM steps WHERE run IN (SELECT id FROM runs WHERE session = ?)"
                " ORDER BY run, steps.position",
                (self.id,),
            ).fetchall()
        by_run: dict[int, list[str]] = {row["id"]: [] for row in rows}
        for run, data in steps:
            by_run.get(run, []).append(data)
        return tuple(self._stored(row, by_run[row["id"]]) for row in rows)

    def history(self) -> tuple[Result, ...]:
        """Return the runs that have an answer, for ``agent.invoke(question, history=...)``."""
        return tuple(run.result for run in self.runs() if run.result.text)

    def begin(self, question: str, prompt: PromptRef, model: str, *, instead: bool = False) -> RunWriter:
        """Begin a run; what was undone before is gone for good then.

        Until it is ended it counts as interrupted, so that it is whole at every moment.

        Args:
            question: what is asked.
            prompt: with which prompt.
            model: the name of the model.
            instead: whether it is to take the place of the last run. When it ends, one of the two stays:
                the last run only if it has an answer and the new one has none.
        """
        begun = now()
        with self._database.write() as db:
            db.execute("DELETE FROM runs WHERE session = ? AND undone", (self.id,))
            self._touch(db)
            (last,) = db.execute(_LAST, (self.id,)).fetchone() or (None,)
            added = db.execute(
                """
                INSERT INTO runs (session, position, begun, question,
                                  prompt_name, prompt_version, prompt_hash, model)
                VALUES (:id, 1 + (SELECT count(*) FROM runs WHERE session = :id), :begun, :question,
                        :name, :version, :hash, :model)
                """,
                {
                    "id": self.id,
                    "begun": begun,
                    "question": storable(question),
                    "name": storable(prompt.name),
                    "version": storable(prompt.version),
                    "hash": prompt.hash,
                    "model": storable(model),
                },
            )
        assert added.lastrowid is not None  # it was an INSERT
        return RunWriter(self._database, added.lastrowid, last if instead else None)

    def undo(self) -> StoredRun | None:
        """Take the last run back and return it, or None where there is none; `redo` restores it."""
        return self._mark(undone=True)

    def redo(self) -> StoredRun | None:
        """Restore the run that was undone last and return it; None where nothing was since the last run."""
        return self._mark(undone=False)

    def fork(self, after: int | None = None) -> Session:
        """Begin another session with a copy of these runs, and return it. Approvals are not taken over.

        Args:
            after: the position of the last run that is copied, 0 for none; None: all are.

        Raises:
            UserError: there is no such run.
        """
        with self._database.write() as db:
            (count,) = db.execute(
                "SELECT count(*) FROM runs WHERE session = ? AND NOT undone", (self.id,)
            ).fetchone()
            last = count if after is None else after
            if not 0 <= last <= count:
                raise UserError(f"the session {self.id} has no run {last}; its last one is {count}")
            title = self._row(db, "SELECT title FROM sessions WHERE id = :id")["title"]
            other = add_session(db, title, self.id)
            db.execute(_COPY_RUNS, (other, self.id, last))
            db.execute(_COPY_STEPS, (self.id, other))
        return Session(self._database, other)

    def remembered(self) -> Remembered:
        """Return the decisions about tool calls that were remembered for this session."""
        with self._database.read() as db:
            text = self._row(db, "SELECT remembered FROM sessions WHERE id = :id")["remembered"]
        try:
            return Remembered.from_dict(json.loads(text))
        except ValueError as error:
            raise StoreError(
                f"the approvals of {self.id} cannot be read: {error}", self._database.path
            ) from error

    def remember(self, decisions: Remembered) -> None:
        """Keep decisions about tool calls with this session, in place of those kept before."""
        with self._database.write() as db:
            self._touch(db)
            data = json.dumps(decisions.to_dict())
            db.execute("UPDATE sessions SET remembered = ? WHERE id = ?", (data, self.id))

    def _touch(self, db: sqlite3.Connection) -> None:
        """Note when the session was changed.

        Raises:
            StoreError: it has been deleted.
        """
        changed = db.execute("UPDATE sessions SET changed = ? WHERE id = ?", (now(), self.id))
        if not changed.rowcount:
            raise self._gone()

    def _row(self, db: sqlite3.Connection, query: str) -> sqlite3.Row:
        row: sqlite3.Row | None = db.execute(query, {"id": self.id}).fetchone()
        if row is None:
            raise self._gone()
        return row

    def _mark(self, *, undone: bool) -> StoredRun | None:
        """Set or clear the mark of one run that says that it is undone, and return the run."""
        with self._database.write() as db:
            row = db.execute(
                "SELECT * FROM runs WHERE session = ? AND undone <> ? ORDER BY position * ? LIMIT 1",
                (self.id, undone, -1 if undone else 1),
            ).fetchone()
            if row is None:
                return None
            db.execute("UPDATE runs SET undone = ? WHERE id = ?", (undone, row["id"]))
            self._touch(db)
            steps = db.execute("SELECT data FROM steps WHERE run = ? ORDER BY position", (row["id"],))
            return self._stored(row, [data for (data,) in steps])

    def _stored(self, row: sqlite3.Row, steps: list[str]) -> StoredRun:
        try:
            ended = row["ended"] and datetime.fromisoformat(row["ended"])
            begun = datetime.fromisoformat(row["begun"])
            return StoredRun(row["position"], result_of(row, steps), begun, ended)
        except ValueError as error:
            where = f"run {row['position']} of {self.id} cannot be read"
            raise StoreError(f"{where}: {error}", self._database.path) from error

    def _gone(self) -> StoreError:
        return StoreError(f"the session {self.id} has been deleted; begin a new one", self._database.path)


_LAST = "SELECT id FROM runs WHERE session = ? ORDER BY position DESC LIMIT 1"
_COPIED = ", ".join(("position", "begun", "ended", *RESULT))
_COPY_RUNS = f"""
    INSERT INTO runs (session, {_COPIED})
    SELECT ?, {_COPIED} FROM runs WHERE session = ? AND position <= ? ORDER BY position
    """  # noqa: S608 - the names of columns are ours
_COPY_STEPS = """
    INSERT INTO steps
    SELECT copy.id, steps.position, steps.kind, steps.data FROM runs AS copy
    JOIN runs AS run ON run.session = ? AND run.position = copy.position
    JOIN steps ON steps.run = run.id
    WHERE copy.session = ?
    """
