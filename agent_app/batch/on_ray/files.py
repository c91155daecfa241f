"""Questions and answers as Parquet, and those that lie in a cloud, by means of Arrow, as in Ray Data.

JSON lines, CSV and text are read by the very code that reads them from this machine, so that their rows, and
the rows' ids, are the same wherever they lie.
"""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol, cast

from agent_app.batch.formats import Format, format_of
from agent_app.batch.output import (
    FIELDS,
    KEPT,
    AnswerFile,
    give_name,
    json_line,
    open_alone,
    part_of,
)
from agent_app.batch.rows import Reading, Rows, rows_of_stream
from agent_app.errors import BatchError, DiskFull
from agent_app.paths import place_of

PARQUET = ".parquet"
_GROUP = 1_000
"""How many answers a group of rows of Parquet has."""


class Adds(Protocol):
    """What takes rows of answers."""

    def add(self, row: dict[str, Any]) -> None:
        """Write a row."""


def is_remote(name: str) -> bool:
    """Say whether a name is an address, such as ``s3://bucket/q.jsonl``, and no path of this machine."""
    return "://" in name


def is_ours(name: str) -> bool:
    """Say whether a file of questions or answers is one that only this module reads or writes."""
    return is_remote(name) or name.endswith(PARQUET) or Path(name).is_dir()


def is_same(one: str, other: str) -> bool:
    """Say whether two names stand for one file, be it there or not."""
    if is_remote(one) or is_remote(other):
        return one == other
    if os.path.realpath(one) == os.path.realpath(other):
        return True
    return Path(one).exists() and Path(other).exists() and Path(one).samefile(other)


def local_name(name: str) -> Path:
    """Return the path of a file, or, for one that lies elsewhere, its bare name in the current folder."""
    return Path(posixpath.basename(name.rstrip("/"))) if is_remote(name) else Path(name)


def is_there(name: str) -> bool:
    """Say whether a file exists.

    Raises:
        BatchError: nobody can say.
    """
    if not is_remote(name):
        return Path(name).exists()
    from pyarrow.fs import FileType

    with _explained("reach", name):
        system, path = _system(name)
        return bool(system.get_file_info(path).type != FileType.NotFound)


def rows_at(name: str, reading: Reading, *, kind: Format | None = None, skip_bad: bool = False) -> Rows:
    """Return the rows of a Parquet file, of a folder of such files, or of any other file of questions.

    They are read once and kept in a temporary file. A null in Parquet is a field that is not there.

    Args:
        name: a path, or an address that Arrow knows: ``s3://``, ``gs://``, ``abfs://``, ``hdfs://``.
        reading: how a line becomes a row.
        kind: the format; None: by the suffix, and Parquet for a folder.
        skip_bad: leave out bad rows.

    Raises:
        BatchError: there is no such file, or some rows cannot be asked.
    """
    shown = local_name(name).name
    with tempfile.TemporaryFile() as kept:
        if kind is None and (name.endswith((PARQUET, "/")) or Path(name).is_dir()):
            with _explained("read", name):
                _keep_parquet(name, kept)
            kind = "jsonl"
        else:
            kind = kind or format_of(Path(name))
            with _explained("read", name):
                _keep_bytes(name, kept)
        kept.seek(0)
        return rows_of_stream(kept, reading, kind=kind, skip_bad=skip_bad, name=shown)


@contextlib.contextmanager
def answers_at(name: str, names: Iterable[str], *, whole: bool) -> Iterator[Adds]:
    """Write rows of answers to a file, as Parquet, CSV or JSONL by its suffix.

    A file that lies elsewhere is written here first, and goes there when it is complete.

    Args:
        name: a path, or an address that Arrow knows.
        names: the names of the input's other fields.
        whole: as for `AnswerFile`; Parquet and what lies elsewhere is always seen at the end only.

    Raises:
        BatchError: it cannot be written.
    """
    if not is_remote(name):
        with _file(Path(name), names, whole=whole) as file:
            yield file
        return
    from pyarrow.fs import LocalFileSystem, copy_files

    with tempfile.TemporaryDirectory() as folder:
        local = Path(folder, local_name(name).name)
        with _file(local, names, whole=True) as file:
            yield file
        with _explained("write", name):
            system, path = _system(name)
            copy_files(str(local), path, source_filesystem=LocalFileSystem(), destination_filesystem=system)


def _file(path: Path, names: Iterable[str], *, whole: bool) -> contextlib.AbstractContextManager[Adds]:
    return ParquetFile(path) if path.suffix == PARQUET else AnswerFile(path, names, whole=whole)


class ParquetFile:
    """Writes rows of answers to a Parquet file, which takes its name when it is whole; a context manager.

    Usage, prompt and what was left out are structs. What has no form of its own (steps, data, what was
    expected, the vote, and the input's other fields) is JSON.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> ParquetFile:
        from pyarrow.parquet import ParquetWriter

        self._path = place_of(self._path)
        self._part = part_of(self._path)
        self._schema = _schema()
        self._file = open_alone(self._part, self._path)
        self._writer = ParquetWriter(self._file, self._schema)
        return self

    def add(self, row: dict[str, Any]) -> None:
        """Write a row.

        Raises:
            DiskFull: there is no room for it.
        """
        self._rows.append({name: _cell(name, row[name]) for name in FIELDS})
        if len(self._rows) >= _GROUP:
            self._write()

    def _write(self) -> None:
        import pyarrow

        try:
            self._writer.write_table(pyarrow.Table.from_pylist(self._rows, schema=self._schema))
        except OSError as error:
            raise DiskFull(f"cannot write {self._part}: {error.strerror or error}; {KEPT}") from error
        self._rows.clear()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None and self._rows:
                self._write()
        finally:
            self._writer.close()
            self._file.close()
        if kind is None:
            give_name(self._part, self._path)


_JSON = ("data", "steps", "expected", "vote", "fields")
"""Fields that can hold anything."""


def _cell(name: str, value: Any) -> Any:
    return (
        json.dumps(value, ensure_ascii=False, default=str) if name in _JSON and value is not None else value
    )


def _schema() -> Any:
    import pyarrow as pa

    text, whole, number = pa.string(), pa.int64(), pa.float64()
    counts = ("calls", "prompt_tokens", "completion_tokens", "cached_tokens")
    kinds: dict[str, Any] = {
        "usage": pa.struct([*((name, whole) for name in counts), ("seconds", number), ("cost", number)]),
        "left_out": pa.struct([(name, whole) for name in ("observations", "turns", "examples", "steps")]),
        "prompt": pa.struct([(name, text) for name in ("name", "version", "hash")]),
        "seconds": number,
        "attempts": whole,
        "repeat": whole,
        "right": pa.bool_(),
        "score": number,
    }
    return pa.schema([(name, kinds.get(name, text)) for name in FIELDS])


def _keep_parquet(name: str, kept: IO[bytes]) -> None:
    from pyarrow.dataset import dataset

    system, path = _system(name)
    for batch in dataset(path, filesystem=system, format="parquet").to_batches(batch_size=_GROUP):
        for row in batch.to_pylist():
            kept.write(json_line({key: value for key, value in row.items() if value is not None}))


def _keep_bytes(name: str, kept: IO[bytes]) -> None:
    system, path = _system(name)
    with system.open_input_stream(path) as stream:
        while piece := stream.read(1 << 20):
            kept.write(piece)


def _system(name: str) -> tuple[Any, str]:
    from pyarrow.fs import FileSystem

    name = name if is_remote(name) else str(Path(name).absolute())
    return cast("tuple[Any, str]", FileSystem.from_uri(name))


@contextlib.contextmanager
def _explained(deed: str, name: str) -> Iterator[None]:
    from pyarrow import ArrowException

    try:
        yield
    except (OSError, ArrowException, ValueError) as error:
        raise BatchError(f"cannot {deed} {name}: {' '.join(str(error).split())[:300]}") from error
