"""The formats of files of questions: how a file becomes lines, and a line what it says."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

from agent_app.errors import BatchError

Format = Literal["txt", "jsonl", "csv"]
Given: TypeAlias = "str | Mapping[str, Any]"
"""A row of a program: its question, or its fields."""

SUFFIXES: dict[str, Format] = {
    ".txt": "txt",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
}
_SEPARATORS = ",;\t"
"""Of CSV's columns. Where a comma is the decimal sign, spreadsheets write semicolons."""
BOM = b"\xef\xbb\xbf"
_NO_UTF8 = "it is not UTF-8 text; save the file as UTF-8"
_LONGEST_VALUE = 2**31 - 1
"""How many characters a value of CSV may have: the most that `csv` takes on every system."""


def format_of(path: Path) -> Format:
    """Return the format that a file's name tells.

    Raises:
        BatchError: it tells none.
    """
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        known = ", ".join(SUFFIXES)
        raise BatchError(f"{path}: the suffix tells no format; known: {known}; or give --format")
    return kind


def _lines_of_text(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if number == 1:
                line = line.removeprefix(BOM)
            if not line.isspace():
                yield number, line


def _text(line: bytes) -> str:
    if b"\0" in line:  # UTF-16 is full of them, and may be UTF-8 all the same
        raise ValueError(_NO_UTF8)
    try:
        return line.decode().strip()
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 text, at byte {error.start + 1}") from None


def _object(line: bytes) -> Mapping[str, Any]:
    text = _text(line)
    if text.startswith("["):
        raise ValueError("it is a JSON array; write one object a line")
    try:
        value = json.loads(text, parse_constant=_constant, parse_float=_float)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error.msg}, at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError('it is no JSON object such as {"question": "..."}')  # noqa: TRY004 - the line's fault
    return value


def _constant(name: str) -> None:
    """Read ``NaN`` as null: Python writes it for a value that is missing, and JSON does not know it."""
    if name != "NaN":
        raise ValueError(f"it is not JSON: {name} is no number of JSON")


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):  # it would be written as `Infinity`, which JSON does not know
        raise ValueError(f"the number {text:.40} is too large")
    return number


def _records(path: Path) -> Iterator[tuple[int, tuple[list[str], list[str]]]]:
    """Yield CSV's records, each with the header; a record may have several lines and is named by its last."""
    # Bytes that are no UTF-8 become surrogates, so that only the records that hold them are bad.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=_separator(file), strict=True)
        try:
            records = _filled(reader)
            header = next(records, [])
            if not _is_text(header):
                raise BatchError(f"{path.name}:{reader.line_num}: {_NO_UTF8}")
            twice = next((name for name in header if header.count(name) > 1), None)
            if twice is not None:
                raise BatchError(f"{path.name}:{reader.line_num}: two columns are called {twice!r}")
            for values in records:
                yield reader.line_num, (header, values)
        except csv.Error as error:
            raise BatchError(f"{path.name}:{reader.line_num}: it is not CSV: {error}") from error


def _separator(file: IO[str]) -> str:
    """Return what makes the most columns of a file's first line, and go back to its beginning."""
    first = next((line for line in file if not line.isspace()), "")
    file.seek(0)
    return max(_SEPARATORS, key=lambda each: len(_next_record(csv.reader([first], delimiter=each)) or []))


def _filled(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """Yield the records that are more than a blank line, which a spreadsheet may write as ``,,,``."""
    while (values := _next_record(reader)) is not None:
        if any(value.strip() for value in values):
            yield values


def _next_record(reader: Iterator[list[str]]) -> list[str] | None:
    """Return the next record, however long its values are; None after the last one.

    The limit is the whole process's, so it is the old one again for whoever reads CSV in between.
    """
    before = csv.field_size_limit(_LONGEST_VALUE)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(before)


def _record(raw: tuple[list[str], list[str]]) -> Mapping[str, str]:
    header, values = raw
    if not _is_text(values):
        raise ValueError(_NO_UTF8)
    if len(values) != len(header):
        raise ValueError(f"it has {len(values)} values for {len(header)} columns")
    return dict(zip(header, values, strict=True))


def _is_text(values: list[str]) -> bool:
    """Say whether values were UTF-8, and no UTF-16 that may be taken for it."""
    text = "".join(values)
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


FORMATS: dict[Format, tuple[Callable[[Path], Iterator[tuple[int, Any]]], Callable[[Any], Given]]] = {
    "txt": (_lines_of_text, _text),
    "jsonl": (_lines_of_text, _object),
    "csv": (_records, _record),
}
"""By format: what yields each line's number and the line, and what makes of a line what it says.

The latter raises `ValueError` where a line cannot be read.
"""
