"""How far a batch has come."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Literal

from agent_app.batch.journal.record import Record
from agent_app.steps import Usage

Ending = Literal["done", "budget", "time", "errors", "interrupted", "failed"]
"""Why a run came to its end: nothing is left to ask, a budget is used up, its time is over, too much went
wrong, somebody wants it, or it could not go on."""

_WINDOW = 60.0
"""Over how many seconds the present rate is taken."""


@dataclass
class Progress:
    """What a run of a batch has done so far. What is counted are different questions, not rows."""

    total: int = 0
    """All questions of the input."""
    before: int = 0
    """How many of them earlier runs have seen to."""
    damaged: int = 0
    """How many records of earlier runs could not be read, and count as not there."""
    answered: int = 0
    failed: int = 0
    in_flight: int = 0
    limit: int = 0
    """How many may be on their way now."""
    usage: Usage = field(default_factory=Usage)
    """What this run has taken."""
    ending: Ending | None = None
    """Why the run ended; None while it goes on."""
    errors: Counter[str] = field(default_factory=Counter)
    """How many failed, by kind of error."""
    began: float = field(default_factory=time.monotonic)
    _times: deque[float] = field(default_factory=deque)

    @property
    def done(self) -> int:
        """How many questions this run has seen to."""
        return self.answered + self.failed

    @property
    def left(self) -> int:
        """How many are still to be asked."""
        return self.total - self.before - self.done

    def count(self, record: Record, usage: Usage) -> None:
        """Count what came of a question, and what this run paid for it."""
        self.usage += usage
        if record.status == "begun":
            return
        if record.status == "answered":
            self.answered += 1
        else:
            self.failed += 1
            self.errors[record.error_kind or ""] += 1
        self._times.append(time.monotonic())
        self._forget()

    def rate(self) -> float:
        """Return how many questions a second are seen to, lately."""
        self._forget()
        return len(self._times) / max(0.001, min(_WINDOW, time.monotonic() - self.began))

    def _forget(self) -> None:
        while self._times and self._times[0] < time.monotonic() - _WINDOW:
            self._times.popleft()

    def seconds_left(self) -> float | None:
        """Return how long the rest will take at the present rate; None where nobody can say."""
        rate = self.rate()
        return self.left / rate if rate else None
