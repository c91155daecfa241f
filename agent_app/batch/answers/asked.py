"""What a file of answers says of each question, its repeats taken together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from agent_app.batch.answers.reading import read_answers
from agent_app.errors import BatchError

MEASURES: dict[str, Callable[[dict[str, Any]], float | None]] = {
    "tokens": lambda row: row["usage"]["prompt_tokens"] + row["usage"]["completion_tokens"],
    "seconds": lambda row: row["seconds"],
    "cost": lambda row: row["usage"]["cost"],
}
"""What a row takes; None where that is not known."""
_PLACES = {name: place for place, name in enumerate(MEASURES)}


@dataclass(slots=True)
class Side:
    """What one file says as a whole."""

    name: str
    questions: int = 0
    prompts: dict[str, int] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    """How many rows each of them has answered."""
    statuses: dict[str, int] = field(default_factory=dict)
    """How many rows are answered, failed or missing."""


@dataclass(slots=True)
class Asked:
    """What is held of a question: sums over its rows."""

    place: int
    question: bytes
    rows: int = 0
    judged: int = 0
    right: int = 0
    texts: int = 0
    """The sum of the hashes of its answers: the same for the same answers in any order."""
    statuses: tuple[int, int] = (0, 0)
    """How many rows are answered, and how many failed."""
    sums: list[float | None] = field(default_factory=lambda: [0.0] * len(MEASURES))
    """What its rows took together, in the order of `MEASURES`; None where that is not known."""

    @property
    def share(self) -> float | None:
        """How much of it is right; None if it is not wholly judged."""
        return self.right / self.rows if self.judged == self.rows else None

    def mean(self, measure: str) -> float | None:
        """What one row took of something; None where that is not known or some row was not asked."""
        total = self.sums[_PLACES[measure]]
        return None if total is None or sum(self.statuses) < self.rows else total / self.rows


def read_asked(path: Path) -> tuple[Side, dict[str, Asked]]:
    """Return what a file of answers says as a whole, and of each question by its id.

    Raises:
        BatchError: it is none, or an id stands for two questions.
    """
    side, asked = Side(str(path)), dict[str, Asked]()
    for number, place, row in read_answers(path):
        question = _digest(row["question"])
        known = asked.setdefault(row["id"], Asked(place, question))
        if known.question != question:
            raise BatchError(f"{path}:{number}: the id {row['id']!r} is that of another question before")
        _count(known, row)
        _add(side.statuses, row["status"])
        if row["prompt"] is not None:
            _add(side.prompts, "{name} {version} ({hash:.12})".format_map(row["prompt"]))
            _add(side.models, row["model"])
    side.questions = len(asked)
    return side, asked


def _count(known: Asked, row: dict[str, Any]) -> None:
    known.rows += 1
    known.judged += row["right"] is not None
    known.right += row["right"] is True
    known.texts += int.from_bytes(_digest(row["answer"] or ""))
    answered, failed = known.statuses
    known.statuses = answered + (row["status"] == "answered"), failed + (row["status"] == "failed")
    taken = [measure(row) for measure in MEASURES.values()]
    known.sums = [
        None if before is None or now is None else before + now
        for before, now in zip(known.sums, taken, strict=True)
    ]


def _add(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
