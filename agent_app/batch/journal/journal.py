"""The journal of a batch: each answer is in it, on the disk, before it counts.

It is a file of JSON lines that only ever grows. The first says how the agent was made; each other one is
the record of one question that was asked, or tells when a run began and how it ended. A line that a crash
has torn is taken away when the file is opened again. One process at a time can have it open.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Self

from agent_app.batch.identity import differences
from agent_app.batch.journal.index import VERSION, Index, check_journal, read_index, read_record
from agent_app.batch.journal.lock import lock_or_refuse
from agent_app.batch.journal.record import Record, encoded
from agent_app.batch.journal.spare import Spare, spare_of
from agent_app.errors import BatchError, DiskFull

SUFFIX = ".journal"


class Journal:
    """A journal that is open for writing; made by `open_journal`.

    Args:
        path: its file.
        file: that file, open, unbuffered and locked.
        index: what is in it.
    """

    def __init__(self, path: Path, file: IO[bytes], index: Index) -> None:
        self.path, self.index = path, index
        self._full: OSError | None = None
        """Why nothing more can be written."""
        self._empty_until: int | None = None
        """Up to which length nothing in the file is worth keeping; None: there was something before."""
        self._lost = False
        self._file, self._reader = file, path.open("rb")
        self._spare = Spare(spare_of(path))
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        if not self._spare.lines():
            self._spare.give_back()
            if self.index.size == self._empty_until:
                with contextlib.suppress(OSError):  # Windows removes no file that is open; it may stay
                    self.path.unlink()
        self._file.close()  # and the lock goes

    def record(self, key: bytes) -> Record | None:
        """Return the newest record of a question, if there is one; one that is damaged is forgotten."""
        place = self.index.places.get(key)
        if place is None:
            return None
        found = read_record(self._reader, place)
        if found is None:
            self.index.forget(key)
        return found

    def begin(self, rows: int, **facts: Any) -> None:
        """Note that a run begins, and take room for what is on its way when the disk is full.

        Args:
            rows: how many may be on their way at the same time.
            facts: what is noted.

        Raises:
            DiskFull: there is no room even now.
        """
        try:
            self._spare.take_room(rows)
        except OSError as error:
            raise _nothing_asked(self._spare.path, error) from error
        self._note({"began": _now(), **facts})

    def end(self, **facts: Any) -> None:
        """Note how a run ended, if there is room for that."""
        if self._full is None:
            with contextlib.suppress(DiskFull):
                self._note({"ended": _now(), **facts})

    async def add(self, record: Record) -> None:
        """Write a record, and return when it is on the disk.

        Records that come while others are being written wait and are then written together, so that one
        wait for the disk does for all of them.

        Raises:
            DiskFull: there is no room; says whether the record could be kept elsewhere.
        """
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((record.to_line(), written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_waiting())
        await asyncio.shield(written)

    async def written(self) -> None:
        """Wait until nothing waits to be written."""
        while self._writing is not None:
            await asyncio.shield(self._writing)

    async def _write_waiting(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting, []
            lines = [line for line, _ in group]
            error: DiskFull | None = None
            try:
                await asyncio.to_thread(self._write, b"".join(lines))
            except DiskFull as full:
                error = full
            else:
                self._count(lines)
            for _, written in group:
                if error is None:
                    written.set_result(None)
                else:
                    written.set_exception(error)
        self._writing = None

    def _write(self, lines: bytes) -> None:
        """Add whole lines of records, all or none; what there is no room for is kept elsewhere.

        Raises:
            DiskFull: there is none; says whether it could be kept.
        """
        if self._full is not None:  # what came in later must not be lost either
            raise self._no_room(lines)
        try:
            self._append(lines)
        except OSError as error:
            self._full = error
            raise self._no_room(lines) from error

    def _append(self, lines: bytes) -> None:
        """Write at the end, and wait until it is on the disk."""
        self._file.seek(self.index.size)
        written = 0
        while written < len(lines):
            written += self._file.write(lines[written:])
        os.fsync(self._file.fileno())

    def _no_room(self, lines: bytes) -> DiskFull:
        self._lost |= not self._spare.keep(lines)
        what = "an answer that was paid for is lost" if self._lost else "what was paid for is kept beside it"
        return DiskFull(f"cannot write {self.path}: {self._full and self._full.strerror}; {what}")

    def _count(self, lines: list[bytes]) -> None:
        for line in lines:
            self.index.add(line)

    def _note(self, facts: Mapping[str, Any]) -> None:
        """Write a line that is no record.

        Raises:
            DiskFull: there is no room for it.
        """
        line = encoded(json.dumps(facts, ensure_ascii=False, separators=(",", ":"), default=str)) + b"\n"
        try:
            self._append(line)
        except OSError as error:
            raise _nothing_asked(self.path, error) from error
        self._count([line])

    def settle(self, fingerprint: dict[str, Any], *, fresh: bool, accept_change: bool) -> None:
        """Make sure that what is there are answers of this agent, and mend what a crash has left.

        Args:
            fingerprint: what decides how the agent answers.
            fresh: begin anew; what is there goes.
            accept_change: go on although it is another agent's.

        Raises:
            BatchError: it is another agent's, and that was not accepted.
            DiskFull: there is no room for it.
        """
        is_new = fresh or not self.index.size
        changes = [] if is_new else list(differences(self.index.fingerprint, fingerprint))
        if changes and not accept_change:
            raise BatchError(
                f"{self.path} has answers of another agent: {'; '.join(changes)}\n"
                "--accept-change keeps them and goes on, --fresh asks everything anew"
            )
        if fresh:
            self._spare.give_back()
            self.index = Index()
        self._file.truncate(self.index.size)
        if is_new:
            self._empty_until = 0
        if changes or is_new:
            self._note({"journal": VERSION, "fingerprint": fingerprint})
        if is_new:
            self._empty_until = self.index.size
        kept = self._spare.lines()
        if kept:
            self._write(kept)
            self._count(kept.splitlines(keepends=True))
        self._spare.give_back()


def open_journal(
    path: Path, fingerprint: dict[str, Any], *, fresh: bool = False, accept_change: bool = False
) -> Journal:
    """Open a journal for writing, or begin one.

    Args:
        path: its file.
        fingerprint: what decides how the agent answers.
        fresh: begin anew; what is there goes.
        accept_change: go on although it is another agent's.

    Raises:
        BatchError: another process writes it, it is another agent's or no journal at all, or it cannot be
            opened.
        DiskFull: there is no room for it.
    """
    try:
        if not path.exists():
            path.touch()
        file = path.open("r+b", buffering=0)
    except OSError as error:
        raise BatchError(f"cannot open the journal {path}: {error.strerror}") from error
    if not path.is_file():
        file.close()
        raise BatchError(f"{path} is no ordinary file, as a journal has to be; name another one")
    lock_or_refuse(file, path)
    try:
        with path.open("rb") as reader:
            check_journal(reader, path)  # what is no journal stays even when one is to begin anew
            index = Index() if fresh else read_index(reader, path)
        journal = Journal(path, file, index)
    except BaseException:
        file.close()
        raise
    try:
        journal.settle(fingerprint, fresh=fresh, accept_change=accept_change)
        _sync_folder(path.parent)
    except BaseException:
        journal.__exit__()
        raise
    return journal


def _nothing_asked(path: Path, error: OSError) -> DiskFull:
    return DiskFull(f"cannot write {path}: {error.strerror}; nothing was asked")


def _sync_folder(folder: Path) -> None:
    """Make sure that a file's name is on the disk, as its content is; Windows sees to that by itself."""
    if sys.platform != "win32":
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
