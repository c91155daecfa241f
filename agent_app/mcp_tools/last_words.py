"""What a program says on its standard error, of which only the end is kept."""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import TextIO

_KEPT = 4096
_JOINING_SECONDS = 0.2


class LastWords:
    """A stream for a program's standard error; while it is entered, a thread keeps its last few kilobytes.

    A server of a stranger never writes to the terminal itself, nor does it fill a disk. A pipe that
    nobody empties would stop it, and asyncio can read such a pipe on some systems only.
    """

    stream: TextIO
    """Where the program writes; there while it is entered."""

    def __init__(self) -> None:
        self._kept = b""

    def last_line(self) -> str:
        """Return the last line that is not empty, or nothing."""
        lines = self._kept.decode(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "")

    def __enter__(self) -> LastWords:
        reading, writing = os.pipe()
        self.stream = os.fdopen(writing, "w")
        self._reader = threading.Thread(target=self._read, args=(reading,), daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stream.close()
        # Not for ever: what the program has started may still hold the other end.
        self._reader.join(_JOINING_SECONDS)

    def _read(self, source: int) -> None:
        with os.fdopen(source, "rb", buffering=0) as pipe:
            while read := pipe.read(_KEPT):
                self._kept = (self._kept + read)[-_KEPT:]
