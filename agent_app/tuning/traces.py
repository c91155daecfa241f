"""Rows of training data as token ids, in exactly the words of the prompt that is served.

A row is a question, perhaps after earlier turns, with the steps of a good run. The model learns to write its
own moves, each up to and with the word that stops it; the question and what the tools gave are only read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_app.errors import TuningError
from agent_app.models.stored import sha256_of
from agent_app.tuning.data import Part, Row, read_rows, spread
from agent_app.tuning.words import Words, bare

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LEAST_TRAIN, LEAST_DEV = 16, 4
"""Fewer rows than these in a part are no data to tune on."""

LONGEST = 2048
"""Tokens of a row; a longer one would fill the memory of a small machine."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A row as the model reads it, after the virtual tokens."""

    ids: tuple[int, ...]
    learnt: tuple[bool, ...]
    """For each token, whether the model is to write it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The rows of a file that are tuned on; the test part is never among them."""

    train: tuple[Row, ...]
    dev: tuple[Row, ...]
    sha256: str
    """Of the file."""
    file: Path


@dataclass(frozen=True, slots=True)
class Data:
    """The same as token ids."""

    train: tuple[Trace, ...]
    dev: tuple[Trace, ...]
    sha256: str
    """Of the file."""
    file: Path
    words: Words
    """In which the rows are told."""


def read_parts(file: Path, *, dev_rows: int) -> Parts:
    """Read the train and dev parts of a file of rows, for which no model is needed yet.

    Args:
        file: JSON lines.
        dev_rows: how many rows of the dev part are taken, spread evenly over it.

    Raises:
        DataError: a line is no row; says which.
        TuningError: a part has too few rows.
    """
    rows = read_rows(file)
    train, dev = _part(rows, "train", LEAST_TRAIN, file), _part(rows, "dev", LEAST_DEV, file)
    return Parts(tuple(train), tuple(spread(dev, dev_rows)), sha256_of(file), file)


def traces(parts: Parts, tokenizer: PreTrainedTokenizerBase, end: int, words: Words | None = None) -> Data:
    """Make traces of the rows of both parts.

    Args:
        parts: the rows.
        tokenizer: of the frozen model.
        end: the id of the token that ends an answer.
        words: in which the rows are told; None: `bare`.

    Raises:
        TuningError: a row is too long.
    """
    words = words or bare()
    train, dev = (
        tuple(trace(row, tokenizer, end, words) for row in part) for part in (parts.train, parts.dev)
    )
    return Data(train, dev, parts.sha256, parts.file, words)


def _part(rows: Iterable[Row], part: Part, least: int, file: Path) -> list[Row]:
    found = [row for row in rows if row.split == part]
    if len(found) < least:
        has = f"{len(found)} rows of the split {part!r}"
        raise TuningError(f"{file}: it has {has}; tuning takes {least} or more")
    return found


def trace(
    row: Row, tokenizer: PreTrainedTokenizerBase, end: int, words: Words | None = None, *, before: str = ""
) -> Trace:
    """Return a row's token ids; the whole text is cut into tokens at once, as a server does it.

    Args:
        row: the row.
        tokenizer: of the frozen model.
        end: the id of the token that ends an answer.
        words: in which it is told; None: `bare`.
        before: words of a prompt before the question, which are only read.

    Raises:
        TuningError: it is longer than `LONGEST` tokens.
    """
    pieces = [(before, False), *(words or bare()).spoken(row)]
    encoded: Mapping[str, Any] = tokenizer(
        "".join(text for text, _ in pieces), add_special_tokens=False, return_offsets_mapping=True
    )
    ids = [*encoded["input_ids"], end]
    if len(ids) > LONGEST:
        raise TuningError(f"the row {row.id!r} has {len(ids)} tokens; tuning takes up to {LONGEST}")
    ends = (stop for _, stop in encoded["offset_mapping"])
    return Trace(tuple(ids), (*_marks(pieces, ends), True))


def _marks(pieces: Iterable[tuple[str, bool]], ends: Iterable[int]) -> Iterator[bool]:
    """Say for each token, known by where it ends in the text, whether the piece it ends in is the model's."""
    reached, owners = 0, []
    for text, own in pieces:
        reached += len(text)
        owners.append((reached, own))
    at = 0
    for stop in ends:
        while stop > owners[at][0]:
            at += 1
        yield owners[at][1]
