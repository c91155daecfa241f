"""A model's file with soft prompts in it: the virtual tokens are further rows of its vocabulary.

A model looks up a vector for each token, so a virtual token is served at full speed when it has a row of
its own. The derived file holds the base model's as they are, byte by byte; of the vocabulary's table

- where it is precise (F32, F16, BF16, Q8_0) the new rows are written in its own type;
- where it is coarser the whole table becomes F16, which changes an old row by a two-thousandth at most; what
  it was becomes the output where that was tied to it. So new rows are nearly as precise as they were tuned.

Several soft prompts live in one file, each under names of its own; a prompt is read with those it names.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

from agent_app.errors import ModelError, PromptError
from agent_app.soft_prompt.gguf_header import (
    LIST,
    TEXT,
    UINT32,
    BrokenHeader,
    Entry,
    Header,
    Tensor,
    read_header,
    text,
)
from agent_app.soft_prompt.stored import SoftPrompt

if TYPE_CHECKING:
    import numpy as np

_FORM = 1
"""Raised when what is written changes, so that files of before are not taken for it."""
_TABLE, _OUTPUT = "token_embd.weight", "output.weight"
_TOKENS, _KINDS, _SCORES = (f"tokenizer.ggml.{name}" for name in ("tokens", "token_type", "scores"))
_CONTROL, _UNUSED = 3, 5
"""What a token can be: one that text is read as, where the caller wants that; one that no text is read as."""
_CHUNK = 1 << 24
_ROWS_AT_ONCE = 4096
_MOST_FILES = 4
_MOST_BYTES = 4 << 30
_UNFINISHED = ".unfinished"
_ABANDONED = 3600

_Writer: TypeAlias = "Callable[[IO[bytes], IO[bytes]], None]"
"""Copies or makes one tensor, from the base model's file into the new one."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Where a soft prompt's virtual tokens are in a vocabulary."""

    first: int
    count: int
    digest: str
    """The soft prompt's."""

    @property
    def tokens(self) -> list[int]:
        """The virtual tokens in their order."""
        return list(range(self.first, self.first + self.count))


@dataclass(frozen=True, slots=True)
class Derived:
    """A model's file with soft prompts in it."""

    path: Path
    rows: Mapping[str, Rows]
    """By the soft prompt's name."""

    @property
    def digest(self) -> str:
        """What it was made of, as a hash; the file's name."""
        return self.path.stem


def check_base(soft: SoftPrompt, sha256: str, model: str) -> None:
    """Make sure that a soft prompt was tuned for a model.

    Args:
        soft: the soft prompt.
        sha256: of the model's file.
        model: the model's name, for the message.

    Raises:
        PromptError: it was tuned for another one.
    """
    base = soft.card.base
    if base.sha256 != sha256:
        what = f"the soft prompt {soft.name!r} was tuned for {base.name} (SHA-256 {base.sha256[:12]}...)"
        hint = f"use embedded:{base.name}, or tune one for this model"
        raise PromptError(
            f"{what}, and {model} is another model ({sha256[:12]}...); {hint}", file=soft.folder
        )


def derived_file(base: Path, sha256: str, soft: Sequence[SoftPrompt], folder: Path) -> Derived:
    """Return the file of a model with soft prompts in it; it is made where it is not there, in seconds.

    Args:
        base: the model's file.
        sha256: of that file.
        soft: the soft prompts, each tuned for it, as `check_base` makes sure.
        folder: where such files are kept; those used longest ago go.

    Raises:
        PromptError: a soft prompt's vectors do not fit into the model.
        ModelError: the file cannot be made; says why.
    """
    soft = sorted(soft, key=lambda one: one.name)
    made_of = json.dumps([_FORM, sha256, *(one.digest for one in soft)])
    path = folder / f"{hashlib.sha256(made_of.encode()).hexdigest()}.gguf"
    rows = _kept(path)
    if rows is None:
        try:
            rows = _make(base, soft, path)
        except OSError as error:
            said = error.strerror or str(error)
            raise ModelError(f"cannot write the model with soft prompts in it to {folder}: {said}") from error
    return Derived(path, rows)


def write_derived(
    base: Path, soft: Sequence[SoftPrompt], target: IO[bytes], *, by_name: bool = False
) -> dict[str, Rows]:
    """Write a model's file with soft prompts in it, and return where they are.

    Args:
        base: the model's file.
        soft: the soft prompts.
        target: what is written to.
        by_name: make the file fit for other programs: text can name the virtual tokens, as `token_name`
            gives them, and the output has a matrix of its own in which they are zero, so that hardly any
            model writes one. Otherwise no text is ever read as one, and they must be banned from the output.

    Raises:
        ModelError: the model's file is not of a kind that this can be done with.
        OSError: it cannot be read or written.
    """
    header, table, words = _opened(base)
    for one in soft:
        if one.card.dimension != table.shape[0]:
            what = f"its vectors have {one.card.dimension} numbers, and those of {base} {table.shape[0]}"
            raise PromptError(what, file=one.folder)
    rows = _places(soft, words)
    tensors = dict(_tensors(header, table, soft, tied=header.tensor(_OUTPUT) is None, own_output=by_name))
    entries = tuple(_entries(header, soft, _CONTROL if by_name else _UNUSED))
    written, starts = Header(entries, tuple(tensors)).written()
    target.write(written)
    with base.open("rb") as source:
        for start, write in zip(starts, tensors.values(), strict=True):
            target.write(bytes(start - target.tell()))
            write(source, target)
    return rows


def table_rows(base: Path, tokens: Sequence[int]) -> np.ndarray:
    """Return the vectors that a model's file has for tokens of its vocabulary.

    Returns:
        float32, [tokens, dimension].

    Raises:
        ModelError: the model's file is not of a kind that this can be done with.
    """
    import numpy as np
    from gguf import GGMLQuantizationType, quants

    _, table, _ = _opened(base)
    data = np.memmap(base, np.uint8, "r", table.start, (table.shape[1], table.row_bytes))
    rows: np.ndarray = quants.dequantize(np.array(data[list(tokens)]), GGMLQuantizationType(table.kind))
    return rows


def table_parts(base: Path) -> Iterator[np.ndarray]:
    """Yield the vectors of all tokens of a model's vocabulary, some thousand at a time.

    Yields:
        float32, [tokens of this part, dimension].

    Raises:
        ModelError: the model's file is not of a kind that this can be done with.
    """
    _, table, _ = _opened(base)
    with base.open("rb") as source:
        yield from _decoded(source, table)


def token_name(soft: str, index: int) -> str:
    """Return the name that a virtual token has in the vocabulary."""
    return f"<|soft:{soft}:{index}|>"


def _opened(base: Path) -> tuple[Header, Tensor, int]:
    """Return a model's header, its table of a row for each token, and how many tokens it has."""
    try:
        header = read_header(base)
    except BrokenHeader as error:
        raise ModelError(f"cannot put soft prompts into {base}: {error}") from error
    table, tokens = header.tensor(_TABLE), header.entry(_TOKENS)
    if table is None or tokens is None or table.shape[1] != tokens.length:
        raise ModelError(f"cannot put soft prompts into {base}: it has no table of a row for each token")
    return header, table, tokens.length


def _places(soft: Sequence[SoftPrompt], first: int) -> dict[str, Rows]:
    rows = {}
    for one in soft:
        rows[one.name] = Rows(first, one.card.tokens, one.digest)
        first += one.card.tokens
    return rows


# -- what the file holds ----------------------------------------------------------------------------


def _entries(header: Header, soft: Sequence[SoftPrompt], kind: int) -> Iterator[Entry]:
    """Yield the metadata with the virtual tokens in it."""
    names = [token_name(one.name, n) for one in soft for n in range(one.card.tokens)]
    more = {
        _TOKENS: b"".join(map(text, names)),
        _KINDS: struct.pack("<i", kind) * len(names),
        _SCORES: struct.pack("<f", 0) * len(names),
    }
    for entry in header.entries:
        if entry.key in more and entry.kind == LIST:
            yield entry.with_more(more[entry.key], len(names))
        elif entry.key.endswith(".vocab_size") and entry.kind == UINT32:
            (size,) = struct.unpack("<I", entry.value)
            yield dataclasses.replace(entry, value=struct.pack("<I", size + len(names)))
        else:
            yield entry
    told = {one.name: {"tokens": one.card.tokens, "sha256": one.digest} for one in soft}
    yield Entry("agent_app.soft_prompts", TEXT, text(json.dumps(told)))


def _tensors(
    header: Header, table: Tensor, soft: Sequence[SoftPrompt], *, tied: bool, own_output: bool
) -> Iterator[tuple[Tensor, _Writer]]:
    """Yield each tensor as it will be, and what writes it."""
    from gguf import GGMLQuantizationType as Kind

    added = sum(one.card.tokens for one in soft)
    coarse = Kind(table.kind) not in (Kind.F32, Kind.F16, Kind.BF16, Kind.Q8_0)
    for tensor in header.tensors:
        grown = dataclasses.replace(tensor, shape=(*tensor.shape[:1], table.shape[1] + added))
        if tensor.name == _TABLE:
            kind = Kind.F16 if coarse else Kind(table.kind)
            yield dataclasses.replace(grown, kind=int(kind)), _table_writer(tensor, kind, soft)
        elif tensor.name == _OUTPUT:
            yield grown, _zeros_after(tensor, added)
        else:
            yield tensor, _copier(tensor)
    if tied and (coarse or own_output):
        output = dataclasses.replace(table, name=_OUTPUT, shape=(table.shape[0], table.shape[1] + added))
        yield output, _zeros_after(table, added)


def _copier(tensor: Tensor) -> _Writer:
    def write(source: IO[bytes], target: IO[bytes]) -> None:
        source.seek(tensor.start)
        left = tensor.bytes
        while left:
            part = source.read(min(left, _CHUNK))
            if not part:
                raise ModelError(f"{source.name} ends before its last weights do")
            target.write(part)
            left -= len(part)

    return write


def _zeros_after(tensor: Tensor, rows: int) -> _Writer:
    """Copy a tensor and add rows of zeros, which in every type are bytes of zero."""

    def write(source: IO[bytes], target: IO[bytes]) -> None:
        _copier(tensor)(source, target)
        target.write(bytes(rows * tensor.row_bytes))

    return write


def _table_writer(table: Tensor, kind: int, soft: Sequence[SoftPrompt]) -> _Writer:
    """Write the vocabulary's table in a type, and the virtual tokens after it."""

    def write(source: IO[bytes], target: IO[bytes]) -> None:
        if kind == table.kind:
            _copier(table)(source, target)
        else:
            for rows in _decoded(source, table):
                target.write(_encoded(rows, kind))
        for one in soft:
            target.write(_encoded(one.vectors, kind))

    return write


def _decoded(source: IO[bytes], table: Tensor) -> Iterator[np.ndarray]:
    """Yield a table's rows as numbers, some at a time."""
    import numpy as np
    from gguf import GGMLQuantizationType, quants

    source.seek(table.start)
    for first in range(0, table.shape[1], _ROWS_AT_ONCE):
        count = min(_ROWS_AT_ONCE, table.shape[1] - first)
        data = np.frombuffer(source.read(count * table.row_bytes), np.uint8).reshape(count, -1)
        yield quants.dequantize(data, GGMLQuantizationType(table.kind))


def _encoded(rows: np.ndarray, kind: int) -> bytes:
    from gguf import GGMLQuantizationType, quants

    return quants.quantize(rows, GGMLQuantizationType(kind)).tobytes()


# -- the folder of such files -----------------------------------------------------------------------


def _make(base: Path, soft: Sequence[SoftPrompt], path: Path) -> dict[str, Rows]:
    """Write the file whole or not at all, and beside it what is to be known of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(_UNFINISHED, dir=path.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as target:
            rows = write_derived(base, soft, target)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    known = {"facts": _facts(path), "rows": {name: dataclasses.asdict(r) for name, r in rows.items()}}
    _note(path).write_text(json.dumps(known), encoding="utf-8")
    _tidy(path)
    return rows


def _kept(path: Path) -> dict[str, Rows] | None:
    """Return where the soft prompts are in a file that is there, or None; one that was changed is not."""
    try:
        known = json.loads(_note(path).read_text(encoding="utf-8"))
        if known["facts"] != _facts(path):
            return None
        rows = {name: Rows(**facts) for name, facts in known["rows"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    with contextlib.suppress(OSError):
        os.utime(_note(path))
    return rows


def _facts(path: Path) -> list[int]:
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns]


def _note(path: Path) -> Path:
    return path.with_suffix(".json")


def _tidy(newest: Path) -> None:
    """Delete the files used longest ago beyond the most that are kept, and what was never finished."""
    with contextlib.suppress(OSError):
        for path in newest.parent.glob(f"*{_UNFINISHED}"):
            if time.time() - path.stat().st_mtime > _ABANDONED:
                path.unlink()
        notes = sorted(newest.parent.glob("*.json"), key=lambda note: -note.stat().st_mtime_ns)
        room = _MOST_BYTES
        for number, note in enumerate(notes):
            path = note.with_suffix(".gguf")
            room -= path.stat().st_size if path.is_file() else 0
            if path != newest and (number >= _MOST_FILES or room < 0):
                note.unlink()
                path.unlink(missing_ok=True)
