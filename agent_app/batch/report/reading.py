"""The rows of a file of answers, or of a batch's journal; what is wrong with one is said by file and line.

All text is cleaned as it is read, as it is before it goes to a terminal: what a browser would obey without
showing it, such as a character that turns the writing direction, is shown instead.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from agent_app.batch.formats import BOM
from agent_app.batch.journal.index import OPENING, read_index, read_record
from agent_app.batch.journal.journal import SUFFIX
from agent_app.batch.output import answer_row, open_answers
from agent_app.batch.rows import Row
from agent_app.errors import BatchError
from agent_app.terminal import clean, clean_line

_UNKNOWN = "(the journal does not tell the question)"


def _line(value: Any) -> Any:
    return clean_line(value) if isinstance(value, str) else value


def _text(value: Any) -> Any:
    return clean(value) if isinstance(value, str) else value


def _written(value: Any) -> str | None:
    """Return any value as text: a text as it is, all else as JSON."""
    if value is None:
        return None
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2))


Line = Annotated[str, BeforeValidator(_line)]
Text = Annotated[str, BeforeValidator(_text)]
Written = Annotated[str | None, BeforeValidator(_written)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class Step(BaseModel):
    """A step of a run, of whichever kind; what its kind does not have is empty."""

    kind: Literal["action", "unreadable", "observation", "answer"]
    thought: Text = ""
    tool: Line = ""
    input: Written = None
    text: Text = ""
    repairs: list[Line] = []
    error: bool = False


class Spent(BaseModel):
    """What a run took."""

    calls: Count = 0
    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    cached_tokens: Count = 0
    seconds: Amount = 0
    cost: Amount | None = 0


class Prompt(BaseModel):
    """Which prompt was used."""

    name: Line
    version: Line
    hash: Line


class Answered(BaseModel):
    """A row of answers, as far as a report shows it; other fields are passed over."""

    id: Line
    question: Text
    status: Literal["answered", "failed", "missing"]
    answer: Text | None = None
    error: Text | None = None
    error_kind: Line | None = None
    stopped_by: Line | None = None
    data: Written = None
    steps: list[Step] = []
    usage: Spent = Spent()
    left_out: dict[Line, Count] = {}
    seconds: Amount = 0
    attempts: Count = 0
    prompt: Prompt | None = None
    model: Line | None = None
    expected: Written = None
    right: bool | None = None
    """Whether the answer was judged right; None where it was not judged."""
    score: Amount | None = None
    judge: Line | None = None
    judge_error: Text | None = None
    repeat: Count = 1
    vote: Written = None
    fields: dict[Line, Written] = {}


class Answers:
    """The rows of a file of answers or of a journal, which can be gone through again; they are never held.

    Args:
        path: the file.

    Raises:
        BatchError: it cannot be read, or is neither.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_torn = False
        """Whether the last line broke off, and was left out; known after all rows were gone through."""
        self._damaged = 0
        with open_answers(self.path) as file:
            self.is_journal = file.read(len(OPENING)) == OPENING

    def __iter__(self) -> Iterator[Answered]:
        return self._of_journal() if self.is_journal else self._of_lines()

    def not_reached(self) -> int:
        """Return how many questions the batch has not seen to, as its journal tells; 0 where there is none.

        Damaged records are among them after all rows of a journal were gone through.

        Raises:
            BatchError: the journal is none of this version.
        """
        journal = self.path if self.is_journal else self._journal()
        if not journal.exists():
            return 0
        with journal.open("rb") as file:
            index = read_index(file, journal)
        states = index.tally()
        seen = states["answered"] + states["failed"]
        return max(0, int(index.began.get("questions", 0)) - seen + self._damaged)

    @property
    def is_part(self) -> bool:
        """Whether the file's name says that it is a part, of a run that goes on or was broken off."""
        return self.path.suffix == ".part"

    def _journal(self) -> Path:
        return self.path.with_name(self.path.name.removesuffix(".part") + SUFFIX)

    def _of_lines(self) -> Iterator[Answered]:
        self.is_torn = False
        with open_answers(self.path) as file:
            for number, line in enumerate(file, 1):
                if number == 1:
                    line = line.removeprefix(BOM)
                if line.isspace():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    if not line.endswith(b"\n"):
                        self.is_torn = True
                        return
                    raise BatchError(f"{self.path}:{number}: it is not JSON: {_reason(error)}") from error
                yield _checked(row, f"{self.path}:{number}")

    def _of_journal(self) -> Iterator[Answered]:
        self._damaged = 0
        with open_answers(self.path) as file:
            index = read_index(file, self.path)
            for key, place in index.places.items():
                record = read_record(file, place)
                if record is None:
                    self._damaged += 1
                    continue
                question = record.run.question if record.run else _UNKNOWN
                row = Row(0, "", key.hex(), question, {}, {}, None, key)
                yield _checked(answer_row(row, record).to_dict(), f"{self.path}: the record at byte {place}")


def _checked(row: Any, place: str) -> Answered:
    try:
        return Answered.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        what = f"the field {field!r}: {first['msg']}" if field else "no JSON object"
        raise BatchError(clean_line(f"{place}: it is no row of answers: {what}")) from error


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, at character {error.pos + 1}"
    return "nested too deeply" if isinstance(error, RecursionError) else "no UTF-8 text"
