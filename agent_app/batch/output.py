"""The rows of answers, and the files that they are written to."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self

from agent_app.batch.journal.lock import lock_or_refuse
from agent_app.batch.journal.record import Record, encoded
from agent_app.batch.rows import Row
from agent_app.errors import BatchError, DiskFull
from agent_app.paths import place_of
from agent_app.steps import LeftOut, Usage, flat_dict, step_to_dict

NOT_ASKED = "it was not asked yet; run the same command again"
NOT_FINISHED = "it was not finished; run the same command again"
KEPT = "the answers are kept in the journal; run the same command again"
_MISSING = "NotAsked"
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What a spreadsheet may take for the beginning of a formula, as OWASP lists it (CSV injection); the last
four are the full-width forms of the first."""
_CSV_END = "\r\n"
"""What `csv` is told that lines end with, as it puts quotes around a text only where that has some of it."""
_NUMBER = re.compile(r"[+-](\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """A row of the input with what came of it. Every field is on every row."""

    id: str
    question: str
    status: Literal["answered", "failed", "missing"]
    answer: str | None = None
    """None where there is none; then `error` says why."""
    error: str | None = None
    error_kind: str | None = None
    """The name of the error's class."""
    stopped_by: str | None = None
    data: Any = None
    steps: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=lambda: dataclasses.asdict(Usage()))
    left_out: dict[str, Any] = field(default_factory=lambda: dataclasses.asdict(LeftOut()))
    seconds: float = 0.0
    """How long the row took, waits between attempts included."""
    attempts: int = 0
    prompt: dict[str, str] | None = None
    model: str | None = None
    repeat: int = 1
    """The how-manyth time the question was asked; where repeats have voted, the one whose answer won."""
    vote: dict[str, Any] | None = None
    """How the repeats have voted: the `share` of the answer that won, `of` how many, and all `answers`."""
    expected: Any = None
    right: bool | None = None
    """Whether the answer is right; None where nobody has judged that."""
    score: float | None = None
    """From 0 to 1; what is right has 0.5 or more."""
    judge: str | None = None
    judge_error: str | None = None
    """Why there is no score, where the judge failed."""
    fields: dict[str, Any] = field(default_factory=dict)
    """All other fields of the input's row."""

    def to_dict(self) -> dict[str, Any]:
        """Return the row as the plain data that a file of answers holds."""
        return {name: getattr(self, name) for name in FIELDS}


FIELDS = tuple(f.name for f in dataclasses.fields(AnswerRow))
_USAGE = tuple(f.name for f in dataclasses.fields(Usage))


def answer_row(row: Row, record: Record | None) -> AnswerRow:
    """Put a row of the input together with what came of its question, if anything did."""
    own: dict[str, Any] = {"repeat": row.repeat, "expected": row.expected, "fields": dict(row.fields)}
    if record is None:
        return AnswerRow(row.id, row.question, "missing", error=NOT_ASKED, error_kind=_MISSING, **own)
    run = record.run
    if run is not None:
        own |= {
            "stopped_by": run.stopped_by,
            "data": run.data,
            "steps": [step_to_dict(step) for step in run.steps],
            "usage": flat_dict(run.usage),
            "left_out": flat_dict(run.left_out),
            "prompt": flat_dict(run.prompt),
            "model": run.model,
        }
    own |= {"seconds": record.seconds, "attempts": record.attempts}
    if record.status == "begun":
        return AnswerRow(row.id, row.question, "missing", error=NOT_FINISHED, error_kind=_MISSING, **own)
    if record.status == "failed":
        return AnswerRow(
            row.id, row.question, "failed", error=record.error, error_kind=record.error_kind, **own
        )
    return AnswerRow(row.id, row.question, "answered", answer=run.text if run else None, **own)


def schema() -> str:
    """Return the JSON schema of a line of a file of answers."""
    return files("agent_app.batch").joinpath("answers.schema.json").read_text(encoding="utf-8")


# --- files ---


def file_at(path: Path) -> Path:
    """Return the path of a file of answers, which may not be there yet.

    Raises:
        BatchError: it is a folder.
    """
    if path.is_dir():
        raise BatchError(f"{path} is a folder; name a file of answers, such as {path / 'answers.jsonl'}")
    return path


def open_answers(path: Path) -> IO[bytes]:
    """Open a file of answers, or a batch's journal, that is gone through more than once.

    Raises:
        BatchError: it is CSV, cannot be read, or can be read but once, such as a pipe.
    """
    if path.suffix.lower() == ".csv":
        how = f"the same batch with -o NAME.jsonl --journal {path.name}.journal writes that and asks nothing"
        raise BatchError(f"{path}: answers are read from JSONL; {how}")
    try:
        file = path.open("rb")
    except OSError as error:
        raise BatchError(f"cannot read {path}: {error.strerror}") from error
    if not file.seekable():
        file.close()
        raise BatchError(f"{path} can be read but once; write what comes out of it to a file, and name that")
    return file


def part_of(path: Path) -> Path:
    """Return the file that grows beside another one, and takes its name when it is whole."""
    return path.with_name(path.name + ".part")


def open_alone(path: Path, also: Path) -> IO[bytes]:
    """Open a file to write it anew; only this process can, until it is closed.

    Args:
        path: the file.
        also: what no other process may be writing either: the one that this is a part of, or the part of
            this one, as it would replace this.

    Raises:
        BatchError: another process writes one of them, or it cannot be written.
    """
    try:
        _refuse_if_written(also)
        file = path.open("ab")  # "wb" would empty what another process is writing
        if path.is_file():  # many may write to a device or a pipe
            lock_or_refuse(file, path)
            file.seek(0)
            file.truncate()
    except OSError as error:
        raise BatchError(f"cannot write {path}: {error.strerror}") from error
    return file


def _refuse_if_written(path: Path) -> None:
    if path.is_file():
        with path.open("rb") as file:
            lock_or_refuse(file, path)


def give_name(part: Path, path: Path) -> None:
    """Let a file that is whole replace the one whose part it was.

    Raises:
        BatchError: it cannot; it stays under the name that it has.
    """
    try:
        part.replace(path)
    except OSError as error:
        raise BatchError(f"cannot write {path}: {error.strerror}; the answers are in {part}") from error


class AnswerFile:
    """Writes rows of answers to a file; a context manager.

    Args:
        path: the file; a name that ends in ``.csv`` makes it CSV, any other JSONL.
        names: the names of the input's other fields, which are columns of CSV.
        whole: the file takes its name only at the end, all at once; until then it has another one, that says
            that it is a part. Else it is seen as it grows.
    """

    def __init__(self, path: Path, names: Iterable[str], *, whole: bool) -> None:
        self._path = self._part = path
        self._whole = whole
        self._form = CsvLines(names) if path.suffix.lower() == ".csv" else json_line
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        if self._whole:
            self._path = place_of(self._path)
            self._part = part_of(self._path)
            self._file = open_alone(self._part, self._path)
        else:
            target = self._path.resolve() if self._path.is_symlink() else self._path
            self._file = open_alone(self._path, part_of(target))
        if isinstance(self._form, CsvLines):
            self._write(self._form.header())
        return self

    def add(self, row: dict[str, Any]) -> None:
        """Write a row.

        Raises:
            DiskFull: there is no room for it.
        """
        self._write(self._form(row))

    def _write(self, line: bytes) -> None:
        assert self._file is not None
        try:
            self._file.write(line)
            if not self._whole:
                self._file.flush()
        except OSError as error:
            raise self._full(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        try:
            self._file.flush()
            if stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):  # a device or a pipe cannot be synced
                os.fsync(self._file.fileno())
        except OSError as full:
            if kind is None:
                raise self._full(full) from full
        finally:
            with contextlib.suppress(OSError):  # it would try to write the rest once more
                self._file.close()
        if self._whole and kind is None:
            give_name(self._part, self._path)

    def _full(self, error: OSError) -> DiskFull:
        return DiskFull(f"cannot write {self._part}: {error.strerror}; {KEPT}")


def json_line(row: dict[str, Any]) -> bytes:
    """Return a row as a line of JSON."""
    return encoded(json.dumps(row, ensure_ascii=False, default=str)) + b"\n"


class CsvLines:
    """Makes lines of CSV; what is not a text or a number is JSON in its cell.

    A text that a spreadsheet would run as a formula has an apostrophe before it, unless it is a plain number.

    Args:
        names: the names of the input's other fields; each is a column ``fields.NAME``.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(names)
        self._columns: list[tuple[str, Callable[[dict[str, Any]], Any]]] = []
        for name in FIELDS:
            if name == "usage":
                self._columns += [(f"usage.{part}", _inner("usage", part)) for part in _USAGE]
            elif name == "fields":
                self._columns += [(f"fields.{part}", _inner("fields", part)) for part in self._names]
            else:
                self._columns.append((name, _outer(name)))

    def header(self) -> bytes:
        """Return the first line, with the columns' names."""
        return _csv_line([name for name, _ in self._columns])

    def __call__(self, row: dict[str, Any]) -> bytes:
        """Return a row as a line."""
        return _csv_line([_cell(value(row)) for _, value in self._columns])


def _outer(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda row: row[name]


def _inner(name: str, part: str) -> Callable[[dict[str, Any]], Any]:
    return lambda row: row[name].get(part)


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) and not _NUMBER.fullmatch(value) else value
    if value is None or isinstance(value, int | float):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _csv_line(values: list[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator=_CSV_END).writerow(values)
    return text.getvalue().removesuffix(_CSV_END).encode("utf-8", "replace") + b"\n"
