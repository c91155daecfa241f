"""What a journal holds, and where: all of it that is kept in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from agent_app.batch.journal.record import Record, Status, head
from agent_app.errors import BatchError

VERSION = 1
OPENING = b'{"journal":'


@dataclass(slots=True)
class Index:
    """Where the newest record of each question stands, and what else the journal tells."""

    size: int = 0
    """How many bytes of whole lines there are."""
    places: dict[bytes, int] = field(default_factory=dict)
    """Where each question's newest record begins."""
    unanswered: dict[bytes, Status] = field(default_factory=dict)
    """The questions that were asked, but have no answer."""
    fingerprint: dict[str, Any] = field(default_factory=dict)
    """What decides how the agent answers whose answers they are."""
    began: dict[str, Any] = field(default_factory=dict)
    """What was told when the last run began."""
    ended: dict[str, Any] = field(default_factory=dict)
    """What was told when it ended; empty if it goes on, or was killed."""

    def add(self, line: bytes) -> None:
        """Count a whole line that stands at the end; one that is damaged counts as not there."""
        found = head(line)
        if found:
            key, status = found
            self.places[key] = self.size
            if status == "answered":
                self.unanswered.pop(key, None)
            else:
                self.unanswered[key] = status
        else:
            self._note(line)
        self.size += len(line)

    def forget(self, key: bytes) -> None:
        """Count a question as one that was not asked."""
        self.places.pop(key, None)
        self.unanswered.pop(key, None)

    def _note(self, line: bytes) -> None:
        try:
            note = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(note, dict):
            return
        if "journal" in note:
            self.fingerprint = note.get("fingerprint", {})
        elif "began" in note:
            self.began, self.ended = note, {}
        elif "ended" in note:
            self.ended = note


def check_journal(file: IO[bytes], path: Path) -> None:
    """Make sure that a file is a journal, of whichever version and however damaged, or is empty.

    Raises:
        BatchError: it is something else.
    """
    file.seek(0)
    if not OPENING.startswith(file.read(len(OPENING))):
        raise BatchError(f"{path} is there, but is no journal of a batch; move it away")


def read_index(file: IO[bytes], path: Path) -> Index:
    """Read a journal from its beginning to its last whole line.

    Raises:
        BatchError: it is none, or one of another version.
    """
    check_journal(file, path)
    index = Index()
    file.seek(0)
    for line in file:
        if not index.size:
            _check_version(line, path)
        if not line.endswith(b"\n"):
            break  # torn by a crash
        index.add(line)
    return index


def read_record(file: IO[bytes], place: int) -> Record | None:
    """Read the record that begins at a place; None if its line is damaged."""
    file.seek(place)
    try:
        return Record.from_line(file.readline())
    except ValueError:
        return None


def _check_version(line: bytes, path: Path) -> None:
    version = line[len(OPENING) : len(OPENING) + 2]
    if line.endswith(b"\n") and version != b"%d," % VERSION:
        raise BatchError(f"{path} is a journal of another version of this program; --fresh begins anew")
