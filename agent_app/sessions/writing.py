"""A run on its way into the file: each step is on the disk before the next one is known."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from agent_app.errors import StoreError, partial_result
from agent_app.sessions.database import DELETED, Database
from agent_app.sessions.rows import in_a_line, now, row_of, step_row, storable
from agent_app.steps import Answer, Result, Step


class RunWriter:
    """Writes one run, in a transaction for each step. Made by `Session.begin`.

    At every moment what has been written is a whole run, one that was interrupted there.

    Args:
        database: the file.
        run: the run.
        before: the run whose place it is to take, as for `Session.begin`.
    """

    def __init__(self, database: Database, run: int, before: int | None = None) -> None:
        self._database = database
        self._run, self._before = run, before
        self._steps: list[Step] = []
        self.is_open = True
        """Whether the run has not been ended yet."""

    def step(self, step: Step) -> None:
        """Write a step.

        Raises:
            StoreError: it cannot be written, or the session has been deleted.
        """
        kind, data = step_row(step)
        with self._database.write() as db:
            db.execute("INSERT INTO steps VALUES (?, ?, ?, ?)", (self._run, len(self._steps), kind, data))
            if isinstance(step, Answer):
                db.execute(
                    "UPDATE runs SET status = 'answered', text = ? WHERE id = ?",
                    (storable(step.text), self._run),
                )
        self._steps.append(step)

    def finish(self, result: Result) -> None:
        """End the run with its result; that of a run that failed or was interrupted as well.

        Raises:
            StoreError: as for `step`.
        """
        with self._database.write() as db:
            self._end(db, row_of(result))
            if result.steps != tuple(self._steps):  # a run that goes on from earlier steps tells only its own
                db.execute("DELETE FROM steps WHERE run = ?", (self._run,))
                db.executemany(
                    "INSERT INTO steps VALUES (?, ?, ?, ?)",
                    ((self._run, position, *step_row(step)) for position, step in enumerate(result.steps)),
                )
            self._replace(db)
        self.is_open = False

    def fail(self, error: BaseException, partial: Result | None = None) -> None:
        """End the run with what broke it off: an error, Ctrl-C, or that nobody wants it any more.

        Args:
            error: what was raised.
            partial: how far the run had come; None: as the error itself says, or else as has been written.

        Raises:
            StoreError: as for `step`.
        """
        run = partial or partial_result(error)
        if run is not None:
            self.finish(run)
            return
        failed = isinstance(error, Exception)
        with self._database.write() as db:
            self._end(
                db,
                {
                    "stopped_by": "error" if failed else "interruption",
                    "error": storable(in_a_line(error)) if failed else None,
                },
            )
            self._replace(db)
        self.is_open = False

    def _end(self, db: sqlite3.Connection, columns: Mapping[str, Any]) -> None:
        assignments = ", ".join(f"{name} = :{name}" for name in columns)
        ended = db.execute(
            f"UPDATE runs SET ended = :ended, {assignments} WHERE id = :id",  # noqa: S608 - our own names
            {**columns, "ended": now(), "id": self._run},
        )
        if not ended.rowcount:
            raise StoreError(DELETED, self._database.path)

    def _replace(self, db: sqlite3.Connection) -> None:
        """Leave one of two runs where this one was to take another's place, and close the gap."""
        rows = db.execute(
            "SELECT id, session, position, text FROM runs WHERE id IN (?, ?) ORDER BY position",
            (self._before, self._run),
        ).fetchall()
        if len(rows) == 1:  # there was none, or another program has taken it back meanwhile
            return
        before, run = rows
        dropped = run if before["text"] and not run["text"] else before
        db.execute("DELETE FROM runs WHERE id = ?", (dropped["id"],))
        later = db.execute(
            "SELECT id FROM runs WHERE session = ? AND position > ? ORDER BY position",
            (dropped["session"], dropped["position"]),
        ).fetchall()
        # One after the other, as no two may ever have one position.
        db.executemany("UPDATE runs SET position = position - 1 WHERE id = ?", later)
