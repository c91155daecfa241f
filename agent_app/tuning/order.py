"""In which order rows are read: each once in an epoch, shuffled."""

from __future__ import annotations

import random


class Order:
    """The rows of each step; it follows from the seed and the step's number alone.

    So a tuning that goes on from a checkpoint reads what it would have read, and nothing has to be kept.
    Rows are not sorted by their lengths: those of a like length are of one kind, and what a step learns from
    one kind alone the next has to unlearn.

    Args:
        rows: how many there are.
        batch: rows in a step; the last few of an epoch that make no batch are left out of it.
        seed: of the shuffling.
    """

    def __init__(self, rows: int, batch: int, seed: int) -> None:
        self._rows, self._seed = rows, seed
        self._batch = min(batch, rows)
        self._epoch, self._shuffled = -1, [0]

    def rows(self, step: int) -> list[int]:
        """Return the numbers of the rows of a step, counted from 0."""
        epoch, at = divmod(step, self._rows // self._batch)
        if epoch != self._epoch:
            chance = random.Random(f"{self._seed}/{epoch}")  # noqa: S311 - nothing secret is drawn
            self._epoch, self._shuffled = epoch, chance.sample(range(self._rows), self._rows)
        return self._shuffled[at * self._batch : (at + 1) * self._batch]
