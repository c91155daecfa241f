"""What a journal holds, and where: all of it that is kept in memory."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from agent_app.batch.journal.notes import is_note
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

    def others(self, keys: Set[bytes]) -> dict[str, Any]:
        """Return what a run that is to ask these questions notes of all others.

        Only what has no answer is named, so that a long journal does not get a long note.
        """
        unanswered = [key.hex() for key in self.unanswered if key not in keys]
        known = sum(key in self.places for key in keys)
        return {"answered": len(self.places) - known - len(unanswered), "unanswered": unanswered}

    def failed(self) -> list[bytes]:
        """Return which of the last run's questions have failed."""
        others = self._others_unanswered()
        return [key for key, status in self.unanswered.items() if status == "failed" and key not in others]

    def tally(self) -> Counter[Status]:
        """Count the last run's questions by what has come of them, in it and in those before."""
        others = self._others_unanswered()
        states = Counter(status for key, status in self.unanswered.items() if key not in others)
        answered = len(self.places) - len(self.unanswered)
        states["answered"] = max(0, answered - self.began.get("others", {}).get("answered", 0))
        return states

    def _others_unanswered(self) -> Set[bytes]:
        return frozenset(map(bytes.fromhex, self.began.get("others", {}).get("unanswered", ())))

    def _note(self, line: bytes) -> None:
        try:
            note = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not is_note(note):
            return
        if "journal" in note:
            self.fingerprint = note.get("fingerprint", {})
        elif "began" in note:
            self.began, self.ended = note, {}
        elif "ended" in note:
            self.ended = note


def is_journal(path: Path) -> bool:
    """Say whether a file is there that begins as a journal does, whatever it is called."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(OPENING)) == OPENING


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
