"""How much memory there is for a model: that of the machine, and that of the control group it runs in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_UNLIMITED = 1 << 60


class _Version(NamedTuple):
    """Where one version of Linux control groups keeps what it limits."""

    folder: str
    limit: str
    used: str
    reclaimable: str


_V1 = _Version(
    "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
)
_V2 = _Version("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")


def free_memory() -> tuple[int, bool]:
    """Return how many bytes a model may take now, and whether it is a control group that sets the limit."""
    import psutil

    machine = psutil.virtual_memory().available
    group = group_memory()
    return (machine, False) if group is None or group > machine else (group, True)


def group_memory(root: Path = Path("/")) -> int | None:
    """Return how many bytes the control groups of this process leave it; None where nothing limits it.

    A container's limit is one. What the group uses only as a cache of files counts as free.

    Args:
        root: where the file system begins.
    """
    free = [left for version, folder in _groups(root) if (left := _left(version, folder)) is not None]
    return min(free, default=None)


def _groups(root: Path) -> Iterator[tuple[_Version, Path]]:
    """Yield this process's memory group and those above it; inside a container some cannot be seen."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        version = _V1 if controllers else _V2
        top = root / version.folder
        own = top / path.strip("/")
        for folder in (own, *own.parents):
            yield version, folder
            if folder == top:
                break


def _left(version: _Version, folder: Path) -> int | None:
    limit, used = (_read(folder / name).strip() for name in (version.limit, version.used))
    if not limit.isdecimal() or not used.isdecimal() or int(limit) >= _UNLIMITED:
        return None
    stat = dict(line.split(" ", 1) for line in _read(folder / "memory.stat").splitlines() if " " in line)
    return max(0, int(limit) - int(used) + int(stat.get(version.reclaimable, "0")))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):  # another system, or a group that cannot be seen from here
        return ""
