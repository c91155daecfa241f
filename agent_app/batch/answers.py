"""Reads a file of answers again, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from agent_app.batch.output import FIELDS, AnswerRow
from agent_app.errors import BatchError

_STATUSES = ("answered", "failed", "missing")
_NEEDED = {"id": str, "question": str, "usage": dict, "seconds": int | float}
_DEFAULTS = AnswerRow("", "", "missing").to_dict()


class Found(NamedTuple):
    """A row of a file of answers."""

    place: int
    """The byte at which it begins."""
    row: dict[str, Any]
    """Its fields; those that an older version of the program did not write have their defaults."""


def read_answers(path: Path) -> Iterator[Found]:
    """Yield the rows of a file of answers.

    Raises:
        BatchError: it cannot be read, or a line is no row of answers; says which.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise BatchError(f"cannot read {path}: {error.strerror}") from error
    with file:
        place = 0
        for number, line in enumerate(file, 1):
            try:
                yield Found(place, row_of(line))
            except ValueError as error:
                raise BatchError(f"{path}:{number}: {error}") from error
            place += len(line)
        if not place:
            raise BatchError(f"{path}: there is no row in it")


def row_of(line: bytes) -> dict[str, Any]:
    """Return the row of answers that a line is.

    Raises:
        ValueError: it is none; says why.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON; a row of answers is a line of JSONL") from None
    if not isinstance(row, dict):
        raise ValueError("it is no row of answers: it is no JSON object")  # noqa: TRY004 - the line's fault
    for name, kind in _NEEDED.items():
        if not isinstance(row.get(name), kind):
            wrong = f"its {name!r} is {row.get(name)!r:.40}"
            raise ValueError(f"it is no row of answers: {wrong}")  # noqa: TRY004 - as above
    answer, status = row.get("answer"), row.get("status")
    if status not in _STATUSES or isinstance(answer, str) != (status == "answered"):
        raise ValueError(
            f"it is no row of answers: with the status {status!r:.40} its answer is {answer!r:.40}"
        )
    return {name: row.get(name, _DEFAULTS[name]) for name in FIELDS}
