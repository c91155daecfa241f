"""All sessions that are kept."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from agent_app.places import session_file
from agent_app.sessions.database import Database
from agent_app.sessions.naming import TITLE, add_session, find_session, shortened
from agent_app.sessions.rows import storable
from agent_app.sessions.session import Session


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A line about a session, for a list."""

    id: str
    title: str
    created: datetime
    changed: datetime
    parent: str | None
    """The session that it was forked from."""
    runs: int
    """How many there are."""
    model: str
    """The one that was asked last."""


@dataclass(frozen=True, slots=True)
class Found:
    """A run in which something was found."""

    session: str
    """The session's id."""
    title: str
    run: int
    """The run's position in the session, counted from 1."""
    begun: datetime
    place: Literal["question", "answer", "observation"]
    """The first of these in which one of the words stands."""
    snippet: str
    """The text around it, on one line."""


class Store:
    """Sessions in one SQLite file, which many programs can use at the same time.

    A session that nothing was ever asked in is not listed, and dropped when its store is closed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._begun: list[str] = []

    @classmethod
    def open(cls, path: Path | None = None) -> Store:
        """Open the file that sessions are kept in; it is made when it is not there.

        Args:
            path: None: `sessions.db` in the user's data folder.

        Raises:
            StoreError: it is damaged, read-only, of a newer version of this program, or not of this program.
        """
        return cls(Database.open(path or session_file()))

    @staticmethod
    def check(path: Path) -> None:
        """Look for damage in a file that sessions are kept in; it is neither made nor changed.

        Raises:
            StoreError: as for `open`.
        """
        Database.check(path)

    @classmethod
    def in_memory(cls) -> Store:
        """Return a store that keeps nothing once it is closed."""
        return cls(Database.open(None))

    @property
    def path(self) -> Path | None:
        """The file; None: in memory."""
        return self._database.path

    def close(self) -> None:
        """Close the file."""
        try:
            if self._begun:
                self._drop_empty()
        finally:
            self._database.close()

    def _drop_empty(self) -> None:
        with self._database.write() as db:
            db.executemany(
                "DELETE FROM sessions WHERE id = ? AND id NOT IN (SELECT session FROM runs)",
                [(id_,) for id_ in self._begun],
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def new_session(self, title: str = "") -> Session:
        """Begin a session.

        Args:
            title: empty: it is called by its first question.
        """
        with self._database.write() as db:
            id_ = add_session(db, title)
        self._begun.append(id_)
        return Session(self._database, id_)

    def session(self, id: str) -> Session:  # noqa: A002 - it is one
        """Return a session.

        Args:
            id: its id, or enough of its beginning to tell it from others.

        Raises:
            UnknownName: there is none; the nearest ones are named.
            UserError: several begin so.
        """
        with self._database.read() as db:
            return Session(self._database, find_session(db, id))

    def latest(self) -> Session | None:
        """Return the session in which something was asked, or changed, last; None where there is none."""
        latest = self.sessions(limit=1)
        return Session(self._database, latest[0].id) if latest else None

    def sessions(self, limit: int | None = None) -> list[SessionInfo]:
        """Return a line about each session in which something was asked, the last changed first.

        Args:
            limit: how many at most; None: all.
        """
        query = f"""
            SELECT id, {TITLE} AS title, created, changed, parent, count, model FROM sessions
            JOIN (SELECT session, count(*) AS count, max(id) AS last, model FROM runs
                  WHERE NOT undone GROUP BY session) ON session = id
            ORDER BY changed DESC, last DESC LIMIT ?
            """  # noqa: S608 - the title is ours
        with self._database.read() as db:
            rows = db.execute(query, (-1 if limit is None else limit,)).fetchall()
        return [
            SessionInfo(
                row["id"],
                shortened(row["title"]),
                datetime.fromisoformat(row["created"]),
                datetime.fromisoformat(row["changed"]),
                row["parent"],
                row["count"],
                row["model"],
            )
            for row in rows
        ]

    def search(self, text: str, limit: int = 20) -> list[Found]:
        """Return the runs whose question, answer and observations hold all these words, the best match first.

        Args:
            text: words, each found by its beginning, whatever its case and accents; ``"words in quotes"``
                are found as they follow each other. Where a script puts no spaces between words, a
                word is all that stands between two marks.
            limit: how many at most.
        """
        words = " ".join(_quoted(*match.groups()) for match in _WORD.finditer(storable(text)))
        if not words:
            return []
        with self._database.read() as db:
            rows = db.execute(_SEARCH, {"words": words, "limit": limit}).fetchall()
        return [_found(row) for row in rows]

    def delete(self, id: str) -> None:  # noqa: A002
        """Delete a session for good; what was forked from it stays.

        Args:
            id: as for `session`.

        Raises:
            UnknownName: there is none.
            UserError: several begin so.
        """
        with self._database.write() as db:
            db.execute("DELETE FROM sessions WHERE id = ?", (find_session(db, id),))
        self._database.forget()


_WORD = re.compile(r'"([^"\0]+)"?|([^\s"\0]+)')


def _quoted(phrase: str | None, word: str | None) -> str:
    """Return a phrase or a word as FTS5 takes them, where nothing in them can be an operator."""
    return f'"{phrase}"' if phrase else f'"{word}" *'


_SEARCH = f"""
    SELECT sessions.id AS session, {TITLE} AS title, runs.position, runs.begun,
           highlight(words, 0, '>', '') <> words.question AS in_question,
           highlight(words, 1, '>', '') <> words.text AS in_answer,
           snippet(words, 0, '', '', '…', 16) AS question,
           snippet(words, 1, '', '', '…', 16) AS answer,
           snippet(words, 2, '', '', '…', 16) AS observation
    FROM words JOIN runs ON runs.id = words.rowid JOIN sessions ON sessions.id = runs.session
    WHERE words MATCH :words AND NOT undone ORDER BY rank, runs.id DESC LIMIT :limit
    """  # noqa: S608 - the title is ours


def _found(row: sqlite3.Row) -> Found:
    place: Literal["question", "answer", "observation"] = (
        "question" if row["in_question"] else "answer" if row["in_answer"] else "observation"
    )
    return Found(
        row["session"],
        shortened(row["title"]),
        row["position"],
        datetime.fromisoformat(row["begun"]),
        place,
        " ".join(row[place].split()),
    )
