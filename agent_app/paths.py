"""Paths that somebody wrote: what they mean, and what may be written there."""

from __future__ import annotations

from pathlib import Path

from agent_app.errors import SettingError, UserError


def path_of(text: str) -> Path:
    """Return the path that a text means; it may begin with ``~``.

    Raises:
        SettingError: there is no such user, or no file can have that name.
    """
    if "\0" in text:
        raise SettingError("no file's name has a NUL character in it; leave it out")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise SettingError(f"{text}: there is no user of that name; write ./{text} for a file here") from None


def place_of(path: Path) -> Path:
    """Return the file that a finished one replaces: where a link leads to, so that the link stays.

    Raises:
        UserError: something else is there, such as a device or a pipe; replacing it would destroy it.
    """
    if path.exists() and not path.is_file():
        raise UserError(f"{path} is no ordinary file, which a finished one could replace")
    return path.resolve() if path.is_symlink() else path
