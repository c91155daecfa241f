"""The SQLite file: opening it, transactions, and what went wrong with it in one line."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from agent_app.errors import StoreError
from agent_app.sessions.schema import migrate, version_of

PATIENCE = 10.0
"""How long to wait for another program that is writing, in seconds; a write takes milliseconds."""

DELETED = "the run has been deleted meanwhile, by another program"

_PROBLEMS = {
    sqlite3.SQLITE_BUSY: f"another program has kept it locked for {PATIENCE:.0f} s; end that one",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; see that the folder is there and may be written to",
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: DELETED,
    sqlite3.SQLITE_CORRUPT: "it is damaged; move it away, and a new one is begun",
    sqlite3.SQLITE_FULL: "the disk is full; make room",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written",
    sqlite3.SQLITE_NOTADB: "it is no file of sessions, or damaged; move it away, and a new one is begun",
    sqlite3.SQLITE_PERM: "it may not be opened; see who owns it",
    sqlite3.SQLITE_READONLY: "it cannot be written to; see who owns it and its folder",
}


class Database:
    """An open file of sessions; threads can share it.

    Args:
        connection: to a file that is of this program's version.
        path: where the file is; None: in memory.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path | None) -> Database:
        """Open a file, after making it or bringing it to this version if need be; None: in memory.

        Raises:
            StoreError: it cannot be used; says why and what to do.
        """
        if path is not None:
            _make(path)
        with _explained(path):
            connection = _connected(path or ":memory:")
            try:
                _prepare(connection, path)
            except BaseException:
                connection.close()
                raise
        return cls(connection, path)

    @staticmethod
    def check(path: Path) -> None:
        """Look for damage in a file that is there; it is not changed.

        Raises:
            StoreError: as for `open`.
        """
        # To read a file that no program has open leaves two others beside it, unless it is said never to
        # change; where they are there already, they may hold what is newer than the file.
        how = "mode=ro" if Path(f"{path}-wal").exists() else "immutable=1"
        with (
            _explained(path),
            contextlib.closing(_connected(f"{path.absolute().as_uri()}?{how}", uri=True)) as connection,
            _transaction(connection, "BEGIN"),
        ):
            version_of(connection, path)
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise StoreError(f"{_PROBLEMS[sqlite3.SQLITE_CORRUPT]} ({' '.join(found.split())})", path)

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Read as things are at one moment."""
        with self._lock, _explained(self.path), _transaction(self._connection, "BEGIN"):
            yield self._connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Write all of it or nothing; what has been written is on the disk afterwards."""
        with self._lock, _explained(self.path), _transaction(self._connection, "BEGIN IMMEDIATE"):
            yield self._connection

    def forget(self) -> None:
        """Take what has been deleted out of the file as well, as soon as nobody reads it any more."""
        with self.write() as connection:
            connection.execute("INSERT INTO words (words) VALUES ('optimize')")
        with self._lock, _explained(self.path):
            self._connection.execute("PRAGMA wal_checkpoint (TRUNCATE)")

    def close(self) -> None:
        """Close the file."""
        with self._lock, _explained(self.path):
            self._connection.close()


def _connected(to: Path | str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(to, timeout=PATIENCE, isolation_level=None, check_same_thread=False, uri=uri)


def _make(path: Path) -> None:
    """Make the file and its folder if they are not there, for nobody but their owner to read."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"it cannot be opened: {error.strerror}", path) from error


def _prepare(connection: sqlite3.Connection, path: Path | None) -> None:
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    connection.row_factory = sqlite3.Row
    if not connection.execute("SELECT sqlite_compileoption_used('ENABLE_FTS5')").fetchone()[0]:
        raise StoreError(
            f"the SQLite of this Python ({sqlite3.sqlite_version}) lacks the full-text search FTS5; "
            "use a Python that has it",
            path,
        )
    # Before anything is changed in it; and as it is at one moment, as another program may be beginning it.
    with _transaction(connection, "BEGIN"):
        version_of(connection, path)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA synchronous = FULL")
    _write_ahead(connection)
    with _transaction(connection, "BEGIN IMMEDIATE"):
        migrate(connection, path)


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Let readers and a writer not wait for each other.

    Where several programs begin one file at once, SQLite does not always wait here, whatever the time-out;
    so it is tried again.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite may have rolled back by itself
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def _explained(path: Path | None) -> Iterator[None]:
    """Turn what SQLite raises for reasons that lie outside this program into one clear line.

    Raises:
        StoreError: such a reason; anything else is a bug and goes on its way.
    """
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0)
        problem = _PROBLEMS.get(code) or _PROBLEMS.get(code & 0xFF)
        if problem is None:
            raise
        raise StoreError(f"{problem} ({error})", path) from error
