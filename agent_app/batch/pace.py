"""How many rows may be on their way at the same time.

A number that is given stays. Else it is found out: it begins low and is doubled as long as the model takes
no longer for a call than before; then it grows by one at a time. When the model's server says that it is
asked too often, it is halved, and grown with care from there on ("additive increase, multiplicative
decrease"; Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance in
Computer Networks", 1989, and for the beginning Jacobson, "Congestion Avoidance and Control", 1988).
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import Callable

from agent_app.batch.rates import Rate

FIRST = 4
MOST = 256
_HOLDS = 1.5
"""A call that takes up to so many times as long as the quickest ones did is as quick as they were."""
_STRAINS = 2.5
"""One that takes so many times as long says that there are too many."""
_FORGETS = 1.02
"""How much slower the quickest ones are taken to be after each look: what was true once may be no more."""
_LONGEST_TURN = 30.0
"""How many seconds a call may wait for its turn under a limit of calls a minute, in the middle of its row."""
_FIRST_GUESS = 1500.0
"""How many tokens a call is taken to need before any has told."""


class Pace:
    """Lets rows begin and calls be made at the right pace, from what it hears of the calls before.

    Args:
        rows: how many rows may be on their way; None: find out.
        first: how many to begin with in that case, such as what an earlier run has found out.
        most: how many there may ever be.
        calls_per_minute: a limit of the server's; None: there is none that we know of.
        tokens_per_minute: likewise.
        clock: seconds from any fixed point.
    """

    def __init__(
        self,
        rows: int | None = None,
        *,
        first: int = FIRST,
        most: int = MOST,
        calls_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._fixed = rows is not None
        self.most = most if rows is None else rows
        if calls_per_minute is not None:
            self.most = max(1, min(self.most, int(calls_per_minute * _LONGEST_TURN / 60)))
        self._limit = float(min(first, self.most) if rows is None else self.most)
        self._calls = None if calls_per_minute is None else Rate(calls_per_minute, clock)
        self._tokens = None if tokens_per_minute is None else Rate(tokens_per_minute, clock)
        self._tokens_each = _FIRST_GUESS
        self.history: list[tuple[float, int, str]] = [(clock(), self.limit, "begun")]
        """When the limit became what, and why."""
        self.in_flight = 0
        self._closed = False
        self._gentle_from = float("inf")
        """From here on the limit grows by one at a time."""
        self._cut_at = self._quiet_until = float("-inf")
        self._quickest = float("inf")
        self._times: list[float] = []
        self._changed = asyncio.Event()

    @property
    def limit(self) -> int:
        """How many rows may be on their way now."""
        return int(self._limit)

    # --- rows ---

    async def enter(self) -> bool:
        """Wait until a row may begin; return False if none may any more."""
        while not self._closed:
            quiet = self._quiet_until - self._clock()
            if quiet <= 0 and self.in_flight < self.limit:
                self.in_flight += 1
                return True
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(quiet if quiet > 0 else None):
                    await self._changed.wait()
        return False

    def leave(self) -> None:
        """A row is done, and another one may begin."""
        self.in_flight -= 1
        self._changed.set()

    def close(self) -> None:
        """No further row may begin."""
        self._closed = True
        self._changed.set()

    # --- calls ---

    async def turn(self) -> None:
        """Wait until a call may be made under the limits a minute."""
        wait = self._calls.take(1) if self._calls else 0.0
        if self._tokens:
            wait = max(wait, self._tokens.take(self._tokens_each))
        if wait > 0:
            await asyncio.sleep(wait)

    def answered(self, seconds: float, tokens: int) -> None:
        """Hear of a call that was answered: how long it took, and how many tokens it needed."""
        if self._tokens:
            self._tokens.correct(tokens - self._tokens_each)
            self._tokens_each += (tokens - self._tokens_each) / 8
        if self._fixed:
            return
        self._times.append(seconds)
        if len(self._times) >= max(FIRST, self.limit):
            self._look(statistics.median(self._times))
            self._times.clear()

    def refused(self, began: float, retry_after: float | None) -> None:
        """Hear of a call that was refused, as the server is asked too often.

        Args:
            began: when it was made; what was made before the last cut says nothing new.
            retry_after: how many seconds the server wants to be left alone.
        """
        self._quiet_until = max(self._quiet_until, self._clock() + (retry_after or 0.0))
        if self._fixed or began <= self._cut_at:
            return
        self._cut_at = self._clock()
        self._gentle_from = self._limit / 2
        self._set(self._limit / 2, "asked too often")

    def _look(self, seconds: float) -> None:
        """Change the limit by what the calls since the last look have taken."""
        if seconds > self._quickest * _STRAINS and self._limit > 1:
            self._gentle_from = self._limit * 0.8
            self._set(self._limit * 0.8, "calls take longer")
        elif seconds <= self._quickest * _HOLDS and self.in_flight >= self.limit:
            grown = self._limit + 1 if self._limit >= self._gentle_from else self._limit * 2
            self._set(grown, "calls are as quick as before")
        self._quickest = min(self._quickest * _FORGETS, seconds)

    def _set(self, limit: float, why: str) -> None:
        before = self.limit
        self._limit = min(float(self.most), max(1.0, limit))
        if self.limit != before:
            self.history.append((self._clock(), self.limit, why))
            self._times.clear()
            self._changed.set()
