"""What the header of a GGUF file says of its model; the weights are not read.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
# The kinds of value in the metadata, by their number in the file.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_TEXT, _LIST = 8, 9
# No header of a real model comes near these; more is a broken file, and would be read for hours.
_MOST_ENTRIES = 100_000
_LONGEST_TEXT = 1 << 24
_F16 = 2
"""Bytes of a number in the cache, as llama.cpp keeps it unless it is told otherwise."""

_Scalar: TypeAlias = "int | float | bool | str"


class NotGguf(ValueError):  # noqa: N818 - it says what the file is
    """A file is no GGUF file, or only the beginning of one; the message says which, to follow its name."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model's file says of the memory that the model takes."""

    weights: int
    """The size of the file, in bytes."""
    cache_per_token: int | None
    """Bytes of the key-value cache for one token of context; None where the header does not say."""
    trained_context: int | None
    """The longest context that the model was trained for, in tokens."""

    def cache(self, context: int) -> int | None:
        """Return the size of the key-value cache for so many tokens of context, in bytes."""
        if self.cache_per_token is None:
            return None
        return self.cache_per_token * min(context, self.trained_context or context)


def read_facts(path: Path) -> ModelFacts:
    """Read the header of a GGUF file; takes about a tenth of a second.

    Raises:
        OSError: the file cannot be read.
        NotGguf: it is another kind of file, or ends too early.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        try:
            metadata, needed = _read_header(file)
        except (struct.error, UnicodeDecodeError, OverflowError) as error:
            raise NotGguf("ends within its header, or its header is broken") from error
    if size <= needed:
        raise NotGguf("ends before its last weights do")
    kind = metadata.get("general.architecture", "")
    facts = {key.removeprefix(f"{kind}."): value for key, value in metadata.items()}
    trained = facts.get("context_length")
    return ModelFacts(size, _cache_per_token(facts), trained if isinstance(trained, int) else None)


def _cache_per_token(facts: dict[str, _Scalar]) -> int | None:
    """Keys and values of every layer: two rows of numbers for each head that has its own."""
    names = ("block_count", "attention.head_count", "embedding_length")
    layers, heads, width = (facts.get(name) for name in names)
    own_heads = facts.get("attention.head_count_kv", heads)
    if not (
        isinstance(layers, int)
        and isinstance(heads, int)
        and isinstance(width, int)
        and isinstance(own_heads, int)
        and heads > 0
    ):
        return None
    lengths = [facts.get(f"attention.{row}_length", width // heads) for row in ("key", "value")]
    return layers * own_heads * sum(length for length in lengths if isinstance(length, int)) * _F16


def _read_header(file: IO[bytes]) -> tuple[dict[str, _Scalar], int]:
    """Return the metadata that is no list, and how many bytes the file must have more than."""
    if file.read(4) != _MAGIC:
        raise NotGguf("is not a GGUF file; its first four bytes would be 'GGUF'")
    (version,) = _unpack(file, "I")
    if version not in _VERSIONS:
        raise NotGguf(f"is of version {version} of GGUF; 2 and 3 are known")
    tensors, entries = _unpack(file, "QQ")
    if max(tensors, entries) > _MOST_ENTRIES:
        raise NotGguf("has a broken header")
    metadata = dict(entry for _ in range(entries) if (entry := _entry(file)))
    furthest = max((_tensor_offset(file) for _ in range(tensors)), default=0)
    return metadata, file.tell() + furthest


def _entry(file: IO[bytes]) -> tuple[str, _Scalar] | None:
    """Read one entry of the metadata; None for a list, which is passed over."""
    name = _text(file)
    (kind,) = _unpack(file, "I")
    if kind != _LIST:
        return name, next(_values(file, kind, 1))
    kind, count = _unpack(file, "IQ")
    if kind in _SCALARS:
        file.seek(count * struct.calcsize(_SCALARS[kind]), os.SEEK_CUR)
    else:
        for _ in range(count):
            _text(file)
    return None


def _values(file: IO[bytes], kind: int, count: int) -> Iterator[_Scalar]:
    if kind == _TEXT:
        yield from (_text(file) for _ in range(count))
    elif kind in _SCALARS:
        yield from _unpack(file, f"{count}{_SCALARS[kind]}")
    else:
        raise NotGguf("has a broken header")


def _tensor_offset(file: IO[bytes]) -> int:
    """Read what the header says of one tensor, and return where its weights begin."""
    _text(file)
    (dimensions,) = _unpack(file, "I")
    if dimensions > _MOST_ENTRIES:
        raise NotGguf("has a broken header")
    offset: int = _unpack(file, f"{dimensions}QIQ")[-1]
    return offset


def _text(file: IO[bytes]) -> str:
    (length,) = _unpack(file, "Q")
    if length > _LONGEST_TEXT:
        raise NotGguf("has a broken header")
    return file.read(length).decode("utf-8", "replace")


def _unpack(file: IO[bytes], form: str) -> tuple[int, ...]:
    form = f"<{form}"
    return struct.unpack(form, file.read(struct.calcsize(form)))
