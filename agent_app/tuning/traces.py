"""Rows of training data as token ids, in exactly the words that a served prompt has.

A row is a question with the steps of a good run. The model learns to write its own turns, each up to and
with the word that stops it; the question and what the tools gave are only read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from agent_app.errors import TuningError
from agent_app.labels import OBSERVATION, QUESTION, THOUGHT
from agent_app.prompt.scratchpad import quoted, written
from agent_app.steps import Action, Answer, Observation, Step, step_from_dict

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Part = Literal["train", "dev", "test"]

STOP = f"\n{OBSERVATION}:"
"""What ends a turn of the model that calls a tool."""

LEAST_TRAIN, LEAST_DEV = 16, 4
"""Fewer rows than these in a part are no data to tune on."""

LONGEST = 2048
"""Tokens of a row; a longer one would fill the memory of a small machine."""


@dataclass(frozen=True, slots=True)
class Row:
    """A question and the steps of a run that answered it well."""

    id: str
    kind: str
    split: Part
    question: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """A row as the model reads it, after the virtual tokens."""

    ids: tuple[int, ...]
    learnt: tuple[bool, ...]
    """For each token, whether the model is to write it."""


@dataclass(frozen=True, slots=True)
class Data:
    """The parts of a file of rows that are tuned on, as token ids."""

    train: tuple[Trace, ...]
    dev: tuple[Trace, ...]
    sha256: str
    """Of the file."""
    file: Path


def load_data(file: Path, tokenizer: PreTrainedTokenizerBase, end: int, *, dev_rows: int) -> Data:
    """Read a file of rows and make traces of its train and dev parts; the test part is never looked at.

    Args:
        file: JSON lines.
        tokenizer: of the frozen model.
        end: the id of the token that ends an answer.
        dev_rows: how many rows of the dev part are taken, spread evenly over it.

    Raises:
        TuningError: a line is no row (says which), a part has too few, or a row is too long.
    """
    rows, sha256 = read_rows(file)
    parts = {part: [row for row in rows if row.split == part] for part in get_args(Part)}
    for part, least in (("train", LEAST_TRAIN), ("dev", LEAST_DEV)):
        if len(parts[part]) < least:
            has = f"{len(parts[part])} rows of the split {part!r}"
            raise TuningError(f"{file}: it has {has}; tuning takes {least} or more")
    dev = parts["dev"]
    chosen = [dev[n * len(dev) // dev_rows] for n in range(dev_rows)] if len(dev) > dev_rows else dev
    learnt, looked_at = (
        tuple(trace(row, tokenizer, end) for row in part) for part in (parts["train"], chosen)
    )
    return Data(learnt, looked_at, sha256, file)


def read_rows(file: Path) -> tuple[list[Row], str]:
    """Return the rows of a file, and its SHA-256.

    Raises:
        TuningError: it cannot be read, or a line of it is no row.
    """
    try:
        content = file.read_bytes()
        lines = content.decode("utf-8").splitlines()
    except OSError as error:
        raise TuningError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TuningError(f"{file}: it is not UTF-8") from error
    rows = [_row(line, f"{file}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    return rows, hashlib.sha256(content).hexdigest()


def _row(line: str, where: str) -> Row:
    try:
        data = json.loads(line)
        steps = tuple(step_from_dict(step) for step in data["steps"])
        row = Row(str(data["id"]), str(data.get("kind", "")), data["split"], data["question"], steps)
    except KeyError as error:
        raise TuningError(f"{where}: a row needs {error}") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise TuningError(f"{where}: no row of data: {error}") from error
    if row.split not in get_args(Part):
        raise TuningError(f"{where}: the split is {row.split!r}; it takes {', '.join(get_args(Part))}")
    if not isinstance(row.question, str) or not row.question.strip():
        raise TuningError(f"{where}: the question is empty")
    if not steps or not isinstance(steps[-1], Answer):
        raise TuningError(f"{where}: the last step is no answer")
    return row


def spoken(row: Row) -> Iterator[tuple[str, bool]]:
    """Yield a row's text in pieces, each with whether the model writes it."""
    yield f"{QUESTION}: {quoted(row.question)}\n{THOUGHT}:", False
    for step in row.steps:
        text = written(step)
        if isinstance(step, Action):
            yield text + STOP, True
        elif isinstance(step, Observation):
            yield text.removeprefix(STOP), False
        else:
            yield text, isinstance(step, Answer)


def trace(row: Row, tokenizer: PreTrainedTokenizerBase, end: int) -> Trace:
    """Return a row's token ids; the whole text is cut into tokens at once, as a server does it.

    Raises:
        TuningError: it is longer than `LONGEST` tokens.
    """
    pieces = list(spoken(row))
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
