"""When a call of a model that went wrong is worth another try, and how long to wait before it."""

from __future__ import annotations

import random
from dataclasses import dataclass

from agent_app.errors import EndpointBusy, EndpointDown


@dataclass(frozen=True, slots=True)
class Retry:
    """Tries again where the server may do better the next time: it is busy, dead, too slow, or broke off.

    The waits grow twofold and are drawn at random between nothing and that much ("full jitter"), so that
    many callers who failed together do not come back together; see Brooker, "Exponential Backoff And
    Jitter" (AWS Architecture Blog, 2015). What the server asks for in ``Retry-After`` is the least.
    """

    attempts: int = 3
    """How often a call is made at most; 1: never again."""
    first: float = 1.0
    """The longest wait before the second attempt, in seconds."""
    longest: float = 60.0
    """The longest wait of all, in seconds; a server that wants more is not asked again."""

    def wait(self, error: Exception, attempt: int) -> float | None:
        """Return how many seconds to wait before the next attempt, or None if there is to be none.

        Args:
            error: what went wrong.
            attempt: which attempt that was, counted from 1.
        """
        if attempt >= self.attempts or not isinstance(error, EndpointBusy | EndpointDown):
            return None
        asked = error.retry_after or 0.0
        if asked > self.longest:
            return None
        wait = random.uniform(0, min(self.longest, self.first * 2.0 ** (attempt - 1)))  # noqa: S311 - no secret
        return max(asked, wait)
