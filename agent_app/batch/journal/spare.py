"""Room on the disk that is taken beforehand, for answers that are paid for when the disk is full.

It is a file beside the journal that holds nothing but blanks. When the journal cannot grow any more, the
answers that are still on their way overwrite them, which takes no new room on an ordinary file system. The
next run moves them to the journal.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_PER_ROW = 64 * 1024
_PIECE = 512 * 1024
"""How much is written at once, and at least."""


def spare_of(journal: Path) -> Path:
    """Return the file of blanks that lies beside a journal."""
    return journal.with_name(journal.name + ".spare")


class Spare:
    """The file of blanks.

    Args:
        path: where it is to be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._used = 0

    def take_room(self, rows: int) -> None:
        """Write the blanks, for so many answers of an ordinary length.

        Raises:
            OSError: there is no room for them now.
        """
        blanks = b" " * _PIECE
        with self.path.open("wb") as file:
            for _ in range(0, max(1, rows) * _PER_ROW, _PIECE):
                file.write(blanks)
            file.flush()
            os.fsync(file.fileno())

    def keep(self, lines: bytes) -> bool:
        """Keep whole lines; return whether that was possible."""
        try:
            with self.path.open("r+b") as file:
                if self._used + len(lines) > file.seek(0, os.SEEK_END):
                    return False
                file.seek(self._used)
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            return False
        self._used += len(lines)
        return True

    def lines(self) -> bytes:
        """Return the whole lines that were kept; empty if there are none."""
        with contextlib.suppress(FileNotFoundError):
            kept = self.path.read_bytes().rstrip(b" ")
            return kept[: kept.rfind(b"\n") + 1]
        return b""

    def give_back(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)
