"""A lock on a file that is open: it goes with the process that holds it, however that ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

from agent_app.errors import BatchError

if sys.platform == "win32":
    import msvcrt

    # Windows keeps others from reading what is locked; nothing is ever there.
    _AT = 1 << 62

    def lock(file: IO[bytes]) -> bool:
        """Lock a file for this process, or return False if another one has it."""
        file.seek(_AT)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def lock(file: IO[bytes]) -> bool:
        """Lock a file for this process, or return False if another one has it."""
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def lock_or_refuse(file: IO[bytes], path: Path) -> None:
    """Lock a file for this process; it is closed where that cannot be.

    Args:
        file: the file, open.
        path: what it is called in the message.

    Raises:
        BatchError: another process has it.
    """
    if not lock(file):
        file.close()
        raise BatchError(f"{path} is being written by another process; wait, or name another output")
