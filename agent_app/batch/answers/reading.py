"""Reads a file of answers again, row by row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from agent_app.batch.formats import BOM
from agent_app.batch.output import AnswerRow, open_answers
from agent_app.errors import BatchError

_DEFAULTS = AnswerRow("", "", "missing").to_dict()


class Found(NamedTuple):
    """A row of a file of answers."""

    line: int
    """The number of its line, counted from 1."""
    place: int
    """The byte at which it begins."""
    row: dict[str, Any]
    """Its fields; those that an older version of the program did not write have their defaults."""


def read_answers(path: Path) -> Iterator[Found]:
    """Yield the rows of a file of answers; a byte order mark and blank lines are passed over.

    Raises:
        BatchError: it cannot be read, or not again, or a line is no row of answers; says which.
    """
    with open_answers(path) as file:
        is_empty = True
        place = len(BOM) if file.read(len(BOM)) == BOM else 0
        file.seek(place)
        for number, line in enumerate(file, 1):
            if not line.isspace():
                try:
                    yield Found(number, place, row_of(line))
                except ValueError as error:
                    raise BatchError(f"{path}:{number}: {error}") from error
                is_empty = False
            place += len(line)
        if is_empty:
            raise BatchError(f"{path}: there is no row in it")


def row_of(line: bytes) -> dict[str, Any]:
    """Return the row of answers that a line is; its steps are taken as they are.

    Raises:
        ValueError: it is none; says why.
    """
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON; a row of answers is a line of JSONL") from None
    if not isinstance(found, dict):
        raise ValueError("it is no row of answers: it is no JSON object")  # noqa: TRY004 - the line's fault
    row = {name: found.get(name, default) for name, default in _DEFAULTS.items()}
    for name, fits in _FITS.items():
        if name not in found and name in _ALWAYS:
            raise ValueError(f"it is no row of answers: it has no {name!r}")
        if not fits(row[name]):
            raise ValueError(f"it is no row of answers: its {name!r} is {row[name]!r:.40}")
    if isinstance(row["answer"], str) != (row["status"] == "answered"):
        raise ValueError(f"it is no row of answers: it is {row['status']}, its answer {row['answer']!r:.40}")
    return row


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _is_usage(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    cost = value.get("cost", "")
    counted = all(_is_number(value.get(name)) for name in ("prompt_tokens", "completion_tokens"))
    return counted and (cost is None or _is_number(cost))


def _is_prompt(value: Any) -> bool:
    names = ("name", "version", "hash")
    return value is None or (isinstance(value, dict) and all(_is_text(value.get(name)) for name in names))


_ALWAYS = frozenset({"id", "question", "status", "answer", "usage", "seconds"})
_FITS: dict[str, Callable[[Any], bool]] = {
    "id": _is_text,
    "question": _is_text,
    "status": lambda value: value in ("answered", "failed", "missing"),
    "usage": _is_usage,
    "seconds": _is_number,
    "prompt": _is_prompt,
    "model": lambda value: value is None or _is_text(value),
    "right": lambda value: value is None or isinstance(value, bool),
    "fields": lambda value: isinstance(value, dict),
}
