"""Model files on disk: where a pinned model lies, and whether it is what it claims to be."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from agent_app.errors import ModelError
from agent_app.models.pinned import Pinned
from agent_app.paths import path_of
from agent_app.places import model_folder
from agent_app.settings import Settings


def file_named(name: str) -> Path | None:
    """Return the user's own file when the NAME of ``embedded:NAME`` is a path; None when it is a name."""
    if name.endswith(".gguf") or "/" in name or "\\" in name:
        return path_of(name)
    return None


def find(pinned: Pinned, folders: Iterable[Path]) -> Path | None:
    """Return the first file in these folders that has a name of the model, unchecked, or None."""
    candidates = (folder / name for folder in folders for name in pinned.file_names)
    return next((path for path in candidates if path.is_file()), None)


def verify(path: Path, pinned: Pinned) -> None:
    """Make sure that a file holds the pinned bytes.

    Its SHA-256 is computed once (a few seconds for a gigabyte) and remembered in a stamp beside the
    file, with the file's size and time of change; where no stamp can be written it is computed each time.

    Raises:
        ModelError: it holds something else; says what to do.
    """
    if _stamp(path, pinned.sha256) == _read_stamp(path):
        return
    if path.stat().st_size != pinned.bytes or sha256_of(path) != pinned.sha256:
        raise ModelError(
            f"{path} is not {pinned.name}: its size or SHA-256 differs; "
            f"delete it and run `agent-app models fetch {pinned.name}`"
        )
    with contextlib.suppress(OSError):
        _stamp_path(path).write_text(_stamp(path, pinned.sha256), encoding="utf-8")


def checked_file(pinned: Pinned, settings: Settings, folder: Path | None = None) -> Path:
    """Return a pinned model's file after checking it; looks into the user's folder, then our own.

    Args:
        pinned: which model.
        settings: its ``model_dir`` is looked in first, when set.
        folder: the program's own folder, if not the usual cache folder. A wrong file in it is deleted.

    Raises:
        ModelError: there is no file, or it is not the pinned one.
    """
    own = folder or model_folder()
    path = find(pinned, [settings.model_dir, own] if settings.model_dir else [own])
    if path is None:
        raise ModelError(
            f"the model {pinned.name} is not on this machine; get it with `agent-app models fetch "
            f"{pinned.name}` ({pinned.size}, licence {pinned.licence})"
        )
    try:
        verify(path, pinned)
    except ModelError:
        if path.parent != own:
            raise
        path.unlink()
        raise ModelError(
            f"{path} was not {pinned.name} and has been deleted; "
            f"get it with `agent-app models fetch {pinned.name}` ({pinned.size})"
        ) from None
    return path


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in lower-case hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.verified")


def _stamp(path: Path, digest: str) -> str:
    facts = path.stat()
    return json.dumps({"size": facts.st_size, "mtime_ns": facts.st_mtime_ns, "sha256": digest})


def _read_stamp(path: Path) -> str | None:
    try:
        return _stamp_path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def check_gguf(path: Path) -> None:
    """Make sure that a file can be read and is a GGUF file.

    Raises:
        ModelError: it is not; says why.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ModelError(f"cannot read the model file {path}: {error.strerror}") from error
    if magic != b"GGUF":
        raise ModelError(f"{path} is not a GGUF file; its first four bytes would be 'GGUF'")
