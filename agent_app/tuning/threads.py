"""Torch's threads, shared out among parts of the work that are done at the same time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Done = TypeVar("Done")


@contextlib.contextmanager
def shared_out(parts: int) -> Iterator[tuple[int, int]]:
    """Share torch's threads out among parts, for as long as this is open.

    Yields:
        How many parts are worked on at a time, and how many threads each has.
    """
    import torch

    threads = torch.get_num_threads()
    many = min(parts, threads)
    torch.set_num_threads(threads // many)
    try:
        yield many, threads // many
    finally:
        torch.set_num_threads(threads)


def at_once(work: Callable[[Part], Done], parts: Sequence[Part], many: int, threads: int) -> list[Done]:
    """Do the same with all parts, so many at a time, each with so many threads; in their order."""
    import torch

    if many == 1:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(many, initializer=lambda: torch.set_num_threads(threads)) as pool:
        return list(pool.map(work, parts))
