"""What a session is called: an id that can be typed, and a title."""

from __future__ import annotations

import difflib
import secrets
import sqlite3

from agent_app.errors import UnknownName, UserError
from agent_app.sessions.rows import now, storable

_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"
"""Without those that are mistaken for one another, and without ``u``, so that hardly a word comes of it."""
_LENGTH = 6
_NEAREST = 5
"""How many ids are named where one is unknown."""
_LONGEST_TITLE = 60
"""Of a title that is the beginning of a question, in characters."""

TITLE = """(
    CASE WHEN title <> '' THEN title ELSE coalesce(
        (SELECT question FROM runs WHERE session = sessions.id AND NOT undone ORDER BY position LIMIT 1), '')
    END)"""
"""The title of a row of ``sessions``, or its first question, for `shortened`."""


_IDS = """
    SELECT id, EXISTS (SELECT 1 FROM runs WHERE session = sessions.id AND NOT undone) FROM sessions
    ORDER BY changed DESC, rowid DESC
    """


def shortened(title: str) -> str:
    """Return a title as one line that is not too long for a list."""
    line = " ".join(title.split())
    return line if len(line) <= _LONGEST_TITLE else line[: _LONGEST_TITLE - 1].rstrip() + "…"


def add_session(db: sqlite3.Connection, title: str, parent: str | None = None) -> str:
    """Add a session without runs and return its id, which no other one has."""
    while True:
        new = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        added = db.execute(
            "INSERT INTO sessions (id, title, created, changed, parent)"
            " VALUES (:id, :title, :now, :now, :parent) ON CONFLICT DO NOTHING",
            {"id": new, "title": storable(title.strip()), "now": now(), "parent": parent},
        )
        if added.rowcount:
            return new


def find_session(db: sqlite3.Connection, given: str) -> str:
    """Return the id that begins so.

    Raises:
        UnknownName: none does; the nearest ones in which something was asked are named.
        UserError: several do.
    """
    prefix = given.strip().lower()
    asked_in: dict[str, bool] = dict(db.execute(_IDS))
    matching = [id_ for id_ in asked_in if prefix and id_.startswith(prefix)]
    if prefix in matching:
        return prefix
    if len(matching) > 1:
        raise UserError(f"several sessions begin with {given!r}: {_some(matching)}; type more of it")
    if not matching:
        ids = [id_ for id_, asked in asked_in.items() if asked]
        near = difflib.get_close_matches(prefix, ids, n=_NEAREST)
        raise UnknownName("session", given, near or ids[:_NEAREST])
    return matching[0]


def _some(ids: list[str]) -> str:
    more = ", ..." if len(ids) > _NEAREST else ""
    return ", ".join(ids[:_NEAREST]) + more
