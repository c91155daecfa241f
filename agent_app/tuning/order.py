"""In which order rows are read: each once in an epoch, rows of a like length together."""

from __future__ import annotations

import random
from collections.abc import Sequence

_POOL = 8
"""Batches that are sorted by length together: enough to save padding, few enough to stay mixed."""


class Order:
    """The rows of each step; it follows from the seed and the step's number alone.

    So a tuning that goes on from a checkpoint reads what it would have read, and nothing has to be kept.

    Args:
        lengths: of each row, in tokens.
        batch: rows in a step; the last few of an epoch that make no batch are left out of it.
        seed: of the shuffling.
    """

    def __init__(self, lengths: Sequence[int], batch: int, seed: int) -> None:
        self._lengths, self._seed = lengths, seed
        self._batch = min(batch, len(lengths))
        self._epoch, self._batches = -1, [[0]]

    def rows(self, step: int) -> list[int]:
        """Return the numbers of the rows of a step, counted from 0."""
        epoch, at = divmod(step, len(self._lengths) // self._batch)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._shuffled(epoch)
        return self._batches[at]

    def _shuffled(self, epoch: int) -> list[list[int]]:
        chance = random.Random(f"{self._seed}/{epoch}")  # noqa: S311 - nothing secret is drawn
        rows = list(range(len(self._lengths)))
        chance.shuffle(rows)
        rows = rows[: len(rows) // self._batch * self._batch]
        size = self._batch * _POOL
        pools = [sorted(rows[n : n + size], key=self._lengths.__getitem__) for n in range(0, len(rows), size)]
        batches = [pool[n : n + self._batch] for pool in pools for n in range(0, len(pool), self._batch)]
        chance.shuffle(batches)
        return batches
