"""So many units a minute, and no more: calls wait for their turn."""

from __future__ import annotations

import time
from collections.abc import Callable


class Rate:
    """Spreads what is taken evenly over time; nothing is saved up for a burst.

    Args:
        per_minute: how many units a minute may be taken.
        clock: seconds from any fixed point.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds_each = 60 / per_minute
        self._clock = clock
        self._free = clock()

    def take(self, units: float) -> float:
        """Take units, and return how many seconds to wait before using them."""
        begin = max(self._clock(), self._free)
        self._free = begin + units * self._seconds_each
        return begin - self._clock()

    def correct(self, units: float) -> None:
        """Take so many more, or give back as many if below zero, now that it is known what was used."""
        self._free += units * self._seconds_each
