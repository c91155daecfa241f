"""A lock on a file that is open: it goes with the process that holds it, however that ends."""

from __future__ import annotations

import sys
from typing import IO

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
