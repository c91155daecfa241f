"""The header of a GGUF file, cut into entries whose values stay the bytes that they are.

So a file can be changed in a few places and every other byte kept, and half a million words of a vocabulary
need not be decoded for that. The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

_MAGIC, _VERSION = b"GGUF", 3
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
UINT32, TEXT, LIST = 4, 8, 9
"""The kinds of value that have a name here, by their number in the file."""


class BrokenHeader(ValueError):  # noqa: N818 - it says what it is
    """A file is no GGUF file of version 3, or its header is broken."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the metadata."""

    key: str
    kind: int
    value: bytes
    """As in the file, without the kind."""

    @property
    def length(self) -> int:
        """How many values a list holds."""
        count: int = struct.unpack_from("<Q", self.value, 4)[0]
        return count

    def texts(self) -> Iterator[str]:
        """Yield the texts of a list of texts."""
        at = 12
        for _ in range(self.length):
            (length,) = struct.unpack_from("<Q", self.value, at)
            at += 8 + length
            yield self.value[at - length : at].decode()

    def with_more(self, values: bytes, count: int) -> Entry:
        """Return a list with more values at its end, as they are written in a file."""
        kind = self.value[:4]
        return replace(self, value=kind + struct.pack("<Q", self.length + count) + self.value[12:] + values)


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: what the header tells of it, and where its bytes are."""

    name: str
    shape: tuple[int, ...]
    """As in the file: the length of a row first."""
    kind: int
    """The number of its `gguf.GGMLQuantizationType`."""
    start: int
    """Where in the file it begins."""

    @property
    def bytes(self) -> int:
        """How long it is."""
        return self.row_bytes * math.prod(self.shape[1:])

    @property
    def row_bytes(self) -> int:
        """How long one row is."""
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

        numbers, size = GGML_QUANT_SIZES[GGMLQuantizationType(self.kind)]
        return self.shape[0] // numbers * size


@dataclass(frozen=True, slots=True)
class Header:
    """A GGUF file's metadata, and its list of tensors in the order of the file."""

    entries: tuple[Entry, ...]
    tensors: tuple[Tensor, ...]

    def entry(self, key: str) -> Entry | None:
        """Return an entry of the metadata, or None."""
        return next((entry for entry in self.entries if entry.key == key), None)

    def tensor(self, name: str) -> Tensor | None:
        """Return what is told of a tensor, or None."""
        return next((tensor for tensor in self.tensors if tensor.name == name), None)

    @property
    def alignment(self) -> int:
        """At multiples of how many bytes tensors begin."""
        return _alignment(self.entries)

    def written(self) -> tuple[bytes, list[int]]:
        """Return the header as it stands in a file, and where in that file each tensor begins.

        The header ends where the first tensor begins.
        """
        starts, at = [], 0
        for tensor in self.tensors:
            starts.append(at)
            at = self.aligned(at + tensor.bytes)
        parts = [_MAGIC, struct.pack("<IQQ", _VERSION, len(self.tensors), len(self.entries))]
        parts += [text(e.key) + struct.pack("<I", e.kind) + e.value for e in self.entries]
        for tensor, start in zip(self.tensors, starts, strict=True):
            numbers = struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *tensor.shape)
            parts.append(text(tensor.name) + numbers + struct.pack("<IQ", tensor.kind, start))
        header = b"".join(parts)
        header += bytes(self.aligned(len(header)) - len(header))
        return header, [len(header) + start for start in starts]

    def aligned(self, at: int) -> int:
        """Return the next place at or after this one where a tensor may begin."""
        return -(-at // self.alignment) * self.alignment


def read_header(path: Path) -> Header:
    """Read the header of a GGUF file.

    Raises:
        BrokenHeader: it is none, or broken.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _Reader(data).header()
        except (struct.error, UnicodeDecodeError, KeyError, OverflowError) as error:
            raise BrokenHeader("it ends within its header, or its header is broken") from error


def text(value: str) -> bytes:
    """Return a text as a GGUF file has it."""
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


@dataclass
class _Reader:
    """Goes through the bytes of a file once."""

    data: mmap.mmap
    at: int = 0

    def header(self) -> Header:
        magic = self.take(4)
        version, tensors, entries = self.numbers("IQQ")
        if magic != _MAGIC or version != _VERSION:
            raise BrokenHeader(f"it is not a GGUF file of version {_VERSION}")
        read = tuple(self.entry() for _ in range(entries))
        listed = [self.tensor() for _ in range(tensors)]
        step = _alignment(read)
        begin = -(-self.at // step) * step
        return Header(read, tuple(replace(tensor, start=begin + tensor.start) for tensor in listed))

    def entry(self) -> Entry:
        key = self.text()
        (kind,) = self.numbers("I")
        begin = self.at
        self.skip(kind)
        end, self.at = self.at, begin
        return Entry(key, kind, self.take(end - begin))

    def skip(self, kind: int) -> None:
        """Pass over a value."""
        if kind == LIST:
            inner, count = self.numbers("IQ")
            if inner in _SCALARS:
                self.at += count * struct.calcsize(_SCALARS[inner])
            else:
                for _ in range(count):
                    self.skip(inner)
        elif kind == TEXT:
            (length,) = self.numbers("Q")
            self.at += length
        else:
            self.at += struct.calcsize(_SCALARS[kind])

    def tensor(self) -> Tensor:
        name = self.text()
        (dimensions,) = self.numbers("I")
        *shape, kind, offset = self.numbers(f"{dimensions}QIQ")
        return Tensor(name, tuple(shape), kind, offset)

    def text(self) -> str:
        (length,) = self.numbers("Q")
        return self.take(length).decode()

    def take(self, length: int) -> bytes:
        (taken,) = struct.unpack_from(f"{length}s", self.data, self.at)
        self.at += length
        return bytes(taken)

    def numbers(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from(f"<{form}", self.data, self.at)
        self.at += struct.calcsize(f"<{form}")
        return found


def _alignment(entries: tuple[Entry, ...]) -> int:
    told = next((entry.value for entry in entries if entry.key == "general.alignment"), None)
    alignment: int = 32 if told is None else struct.unpack("<I", told)[0]
    if alignment < 1:
        raise BrokenHeader("its tensors are aligned to nothing")
    return alignment
