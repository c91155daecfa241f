"""How a batch stands, read from its journal; it may go on meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_app.batch.journal.index import read_index, read_record
from agent_app.batch.journal.lock import lock
from agent_app.batch.judging.scores import Scores
from agent_app.errors import BatchError


@dataclass(frozen=True, slots=True)
class Standing:
    """How a batch stands. What is counted are different questions of the last run."""

    questions: int
    """All that it was to ask."""
    answered: int
    failed: int
    begun: int
    """Those that have steps to go on from, but no answer."""
    errors: Mapping[str, int]
    """How many failed, by kind of error."""
    fingerprint: Mapping[str, Any]
    began: Mapping[str, Any]
    ended: Mapping[str, Any]
    is_running: bool

    @property
    def scores(self) -> Scores | None:
        """What was right when the last run ended; None if it has not ended."""
        scores = self.ended.get("scores")
        return None if scores is None else Scores.from_dict(scores)

    @property
    def missing(self) -> int:
        """How many have neither an answer nor an error."""
        return max(0, self.questions - self.answered - self.failed)


def standing(path: Path) -> Standing:
    """Read how a batch stands; nothing is changed.

    Args:
        path: its journal.

    Raises:
        BatchError: there is no such journal, or nothing was begun yet.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise BatchError(f"cannot read the journal {path}: {error.strerror}") from error
    with file:
        index = read_index(file, path)
        if not index.began and not index.places:
            raise BatchError(f"{path} has no batch in it: nothing was begun yet")
        errors = Counter[str]()
        for key in sorted(index.failed(), key=index.places.__getitem__):
            record = read_record(file, index.places[key])
            if record is None:
                index.forget(key)
            else:
                errors[record.error_kind or ""] += 1
        states = index.tally()
        is_running = not lock(file)
    return Standing(
        questions=index.began.get("questions", len(index.places)),
        answered=states["answered"],
        failed=states["failed"],
        begun=states["begun"],
        errors=dict(errors.most_common()),
        fingerprint=index.fingerprint,
        began=index.began,
        ended=index.ended,
        is_running=is_running,
    )
