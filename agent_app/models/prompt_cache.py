"""What models have read of prompts, kept in files from one start of the program to the next.

llama.cpp writes these files and reads them. It ends the whole process when one is cut short, and believes any
number in it. So the name of a file holds the SHA-256 of its content, and what differs from it is deleted.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from agent_app.models.stored import sha256_of

_MOST_FILES = 16
_MOST_BYTES = 512 * 1024 * 1024
_UNFINISHED = ".unfinished"
_ABANDONED = 3600
"""After how many seconds a file that nobody has finished belongs to a process that is gone."""


class PromptCache:
    """A folder of such files, which only its owner can read; those used longest ago go first.

    Processes may share it. What cannot be read or written counts as not there: that only costs time.

    Args:
        folder: it need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    @property
    def prefix(self) -> str:
        """What llama.cpp has to put before a file's name."""
        return f"{self._folder}{os.sep}"

    def find(self, key: str) -> str | None:
        """Return the name of the file that was kept under a key, its content checked, or None."""
        with contextlib.suppress(OSError):
            for path in self._folder.glob(f"{key}-*.state"):
                if _is_file(path) and path.name == _name(key, path):
                    with contextlib.suppress(OSError):
                        os.utime(path)
                    return path.name
                path.unlink()
        return None

    def begin(self) -> str | None:
        """Make an empty file to be written, and return its name; None where that is not possible."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            handle, path = tempfile.mkstemp(_UNFINISHED, dir=self._folder)  # only its owner can read it
        except OSError:
            return None
        os.close(handle)
        return Path(path).name

    def keep(self, name: str, key: str) -> None:
        """Put a file that has been written under a key, and make room for it."""
        with contextlib.suppress(OSError):
            path = self._folder / name
            path.replace(path.with_name(_name(key, path)))
            self._tidy()

    def drop(self, name: str) -> None:
        """Delete a file."""
        with contextlib.suppress(OSError):
            (self._folder / name).unlink()

    def _tidy(self) -> None:
        room = _MOST_BYTES
        for number, (path, facts) in enumerate(self._newest_first()):
            room -= facts.st_size
            abandoned = path.suffix == _UNFINISHED and time.time() - facts.st_mtime > _ABANDONED
            if abandoned or number >= _MOST_FILES or room < 0:
                self.drop(path.name)

    def _newest_first(self) -> Iterator[tuple[Path, os.stat_result]]:
        there = [(path, path.lstat()) for path in self._folder.iterdir()]
        yield from sorted(there, key=lambda pair: pair[1].st_mtime_ns, reverse=True)


def _is_file(path: Path) -> bool:
    """Say whether it is a file of its own; a link could lead anywhere."""
    return stat.S_ISREG(path.lstat().st_mode)


def _name(key: str, path: Path) -> str:
    return f"{key}-{sha256_of(path)}.state"
