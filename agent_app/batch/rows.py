"""A file of questions becomes rows, one at a time; what is wrong with one is said by file and line."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from agent_app.batch.formats import BOM, FORMATS, SUFFIXES, Format, Given, format_of
from agent_app.batch.identity import canonical_json, key_of
from agent_app.errors import BatchError, suggest
from agent_app.prompt.inputs import Input, Value, value_from, wrong_type
from agent_app.steps import LONGEST_QUESTION

if TYPE_CHECKING:
    from agent_app.prompt import Prompt

EXPECTED = "expected"
_CHANGED = "it was changed while it was being read"
_NAMED = 20
"""How many bad rows are named; more would only scroll the first ones away."""


@dataclass(frozen=True, slots=True)
class Row:
    """One question, with all that its line says beside it."""

    number: int
    """Which row it is, bad ones included, counted from 0."""
    place: str
    """Where it stands: ``questions.jsonl:12``."""
    own_id: str | None
    """The id that the row says it has."""
    question: str
    inputs: Mapping[str, Value]
    """What of its fields goes into the prompt."""
    fields: Mapping[str, Any]
    """All fields but the question, the id and what is expected."""
    expected: Any
    key: bytes
    """The same for two rows of which a model is shown the same."""
    repeat: int = 1
    """The how-manyth time it is asked."""

    @property
    def id(self) -> str:
        """Its own id, or a hash of its content.

        It is found when it is asked for: going on with 200,000 rows needs the ids of those that are left.
        """
        if self.own_id is not None:
            return self.own_id
        content = self.fields if self.expected is None else {**self.fields, EXPECTED: self.expected}
        return key_of(self.question, content).hex()


@dataclass(frozen=True, slots=True)
class Reading:
    """How a line becomes a row."""

    question: str = "question"
    """The field that holds the question."""
    id: str = "id"
    """The field that holds a row's own id, if it has one."""
    inputs: Mapping[str, Input] = field(default_factory=dict)
    """The inputs of the prompt that a row gives values to; those without a default it must."""
    check_expected: Callable[[Any], None] = lambda _: None
    """Raises `ValueError` if a row's answer cannot be judged by what the row expects."""

    def row(self, number: int, place: str, given: Given, *, typed: bool) -> Row:
        """Make a row of what a line says.

        Args:
            number: the row's.
            place: the line's.
            given: what it says.
            typed: whether values have types; else all are text, as in CSV.

        Raises:
            ValueError: it is no row; says why.
        """
        fields = {self.question: given} if isinstance(given, str) else dict(given)
        question = _question(fields, self.question)
        own = _own_id(fields.pop(self.id, None), self.id)
        expected = fields.pop(EXPECTED, None)
        if not typed and not expected:  # an empty cell
            expected = None
        self.check_expected(expected)
        inputs = self._inputs(fields, typed=typed) if self.inputs else {}
        try:
            key = key_of(question, inputs)
        except UnicodeEncodeError:
            raise ValueError("the question is not Unicode text: it has half of a surrogate pair") from None
        return Row(number, place, own, question, inputs, fields, expected, key)

    def _inputs(self, fields: Mapping[str, Any], *, typed: bool) -> dict[str, Value]:
        found = {}
        for name, spec in self.inputs.items():
            if name not in fields:
                if spec.default is None:
                    raise ValueError(f"there is no field {name!r}, which the prompt takes")
                continue
            value = fields[name]
            wrong = wrong_type(value, spec.type) if typed else None
            if wrong:
                raise ValueError(f"the field {name!r} does not fit the prompt; {wrong}")
            try:
                found[name] = value if typed else value_from(value, spec.type)
            except ValueError as error:
                raise ValueError(f"the field {name!r} does not fit the prompt; {error}") from None
        return found


@dataclass(slots=True)
class Census:
    """What one look through all rows has found."""

    keys: list[bytes | None] = field(default_factory=list)
    """Each row's key, in order; None for a bad one."""
    names: dict[str, None] = field(default_factory=dict)
    """The names of all fields that go through to the answers, in the order in which they were met."""
    bad: int = 0


class Rows:
    """Rows that can be gone through again and again; they are read anew each time, and never held.

    Args:
        name: what the rows are called in messages.
        lines: gives, each time it is called, every line's number and the line.
        parse: makes of a line what it says; a `ValueError` says what is wrong with it.
        reading: how that becomes a row.
        typed: whether the values have types; else all are text.
        skip_bad: leave out what is wrong, instead of refusing all.

    Raises:
        BatchError: some rows cannot be asked, and they are not to be left out; or there is none at all.
    """

    def __init__(
        self,
        name: str,
        lines: Callable[[], Iterator[tuple[int, Any]]],
        parse: Callable[[Any], Given],
        reading: Reading,
        *,
        typed: bool = True,
        skip_bad: bool = False,
    ) -> None:
        self.name, self._lines, self._parse, self._reading = name, lines, parse, reading
        self._typed = typed
        self.census = self._counted(skip_bad=skip_bad)

    def __iter__(self) -> Iterator[Row]:
        return self.select(lambda _: True)

    def select(self, wanted: Callable[[bytes], bool]) -> Iterator[Row]:
        """Yield the rows whose keys are wanted; the others' lines are not even parsed.

        Raises:
            BatchError: a line is another one than before, or is there no more.
        """
        lines = self._lines()
        for number, key in enumerate(self.census.keys):
            found = next(lines, None)
            if found is None:
                raise BatchError(f"{self.name}: {_CHANGED}; it has fewer rows than before")
            line, raw = found
            if key is not None and wanted(key):
                row = self._row(number, line, raw)
                if isinstance(row, str) or row.key != key:
                    raise BatchError(f"{self.name}:{line}: {_CHANGED}")
                yield row

    def _counted(self, *, skip_bad: bool) -> Census:
        found = Census()
        wrong: list[str] = []
        ids: dict[int, bytes] = {}  # by their hashes: of 200,000 ids the texts would take 20 MB
        for number, (line, raw) in enumerate(self._lines()):
            row = self._row(number, line, raw)
            if isinstance(row, Row) and row.own_id and ids.setdefault(hash(row.own_id), row.key) != row.key:
                row = f"{row.place}: the id {row.own_id!r} is that of another question before"
            if isinstance(row, str):
                found.bad += 1
                found.keys.append(None)
                if len(wrong) < _NAMED:
                    wrong.append(row)
                continue
            found.keys.append(row.key)
            if row.fields:
                found.names.update(dict.fromkeys(row.fields))
        if found.bad and not skip_bad:
            more = f"and {found.bad - len(wrong):,} more\n" if found.bad > len(wrong) else ""
            raise BatchError("\n".join(wrong) + f"\n{more}nothing was asked; --skip-bad leaves out bad rows")
        if found.bad == len(found.keys):
            raise BatchError(f"{self.name}: there is no question in it")
        return found

    def _row(self, number: int, line: int, raw: Any) -> Row | str:
        """Return the row that a line is, or in words what is wrong with it."""
        place = f"{self.name}:{line}"
        try:
            return self._reading.row(number, place, self._parse(raw), typed=self._typed)
        except ValueError as error:
            return f"{place}: {error}"


def rows_of_file(
    path: Path,
    reading: Reading,
    *,
    kind: Format | None = None,
    skip_bad: bool = False,
) -> Rows:
    """Return the rows of a file, or of a pipe that has a name; what comes out of one is kept for a while.

    Args:
        path: the file.
        reading: how a line becomes a row.
        kind: the file's format; None: by its suffix.
        skip_bad: leave out bad rows.

    Raises:
        BatchError: there is no such file, or nobody knows its format.
    """
    try:
        with path.open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                kind = kind or SUFFIXES.get(path.suffix.lower())
                return rows_of_stream(file, reading, kind=kind, skip_bad=skip_bad, name=str(path))
    except OSError as error:
        raise BatchError(f"cannot read {path}: {error.strerror}") from error
    return _of_kind(kind or format_of(path), path, path.name, reading, skip_bad=skip_bad)


def rows_of_stream(
    stream: IO[bytes],
    reading: Reading,
    *,
    kind: Format | None = None,
    skip_bad: bool = False,
    name: str = "stdin",
) -> Rows:
    """Return the rows of what can be read but once, such as stdin, after keeping it in a temporary file.

    Without a format it is JSONL if its first character is ``{``, else a question a line.
    """
    with _temporary() as kept:
        with kept.open("wb") as file:
            shutil.copyfileobj(stream, file)
        with kept.open("rb") as file:
            kind = kind or ("jsonl" if file.read(4096).removeprefix(BOM).lstrip()[:1] == b"{" else "txt")
        return _kept(_of_kind(kind, kept, name, reading, skip_bad=skip_bad), kept)


def rows_of_values(given: Iterable[Given], reading: Reading, *, skip_bad: bool = False) -> Rows:
    """Return the rows that a program gives; what can be gone through but once goes to a temporary file."""
    if iter(given) is not given:
        values = given
        return Rows("rows", lambda: enumerate(values, 1), _value, reading, skip_bad=skip_bad)
    with _temporary() as kept:
        with kept.open("w", encoding="utf-8") as file:
            for number, value in enumerate(given, 1):
                try:
                    known = _value(value)
                except ValueError as error:
                    raise BatchError(f"rows:{number}: {error}") from None
                fields = {reading.question: known} if isinstance(known, str) else dict(known)
                file.write(json.dumps(fields, default=str) + "\n")
        return _kept(_of_kind("jsonl", kept, "rows", reading, skip_bad=skip_bad), kept)


def check_values(prompt: Prompt, values: Mapping[str, Value], rows: Rows) -> None:
    """Make sure that a prompt takes the values that all rows share; those of the rows are known to fit.

    Raises:
        PromptError: it does not.
    """
    first = next(iter(rows))
    prompt.draft(first.question, "", (), **values, **first.inputs)


def _question(fields: dict[str, Any], name: str) -> str:
    if name not in fields:
        raise ValueError(f"there is no field {name!r}; {suggest(name, fields)}")
    question = fields.pop(name)
    if not isinstance(question, str) or not question.strip():
        what = "is empty" if isinstance(question, str) else "is no text"
        raise ValueError(f"the question {what}: {name!r} is {json.dumps(question)[:40]}")
    if len(question) > LONGEST_QUESTION:
        raise ValueError(
            f"the question has {len(question):,} characters; at most {LONGEST_QUESTION:,} are taken"
        )
    return question


def _own_id(value: Any, name: str) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        what = f"{name!r} is {json.dumps(value)[:40]}"
        raise ValueError(f"the id is neither text nor a whole number: {what}")  # noqa: TRY004 - the line's fault
    return str(value)


def _of_kind(kind: Format, path: Path, name: str, reading: Reading, *, skip_bad: bool) -> Rows:
    lines, parse = FORMATS[kind]
    return Rows(name, lambda: lines(path), parse, reading, typed=kind == "jsonl", skip_bad=skip_bad)


def _value(given: Any) -> Given:
    """Return what a program gives, once it is known that JSON can hold it."""
    if isinstance(given, str):
        return given
    if not isinstance(given, Mapping):
        what = type(given).__name__
        raise ValueError(f"it is neither a question nor its fields, but {what}")  # noqa: TRY004 - the row's fault
    try:
        canonical_json(given)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"a field holds what JSON cannot: {error}") from None
    return given


@contextlib.contextmanager
def _temporary() -> Iterator[Path]:
    """Make a file that goes again if what is done with it fails; else `_kept` says how long it stays."""
    number, name = tempfile.mkstemp(prefix="agent-app-")
    os.close(number)
    path = Path(name)
    try:
        yield path
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _kept(rows: Rows, path: Path) -> Rows:
    """Let a temporary file go when nobody has the rows any more, or at the end of the program."""
    weakref.finalize(rows, path.unlink, missing_ok=True)
    return rows
