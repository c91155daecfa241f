"""One question of a batch on its way: what it has come to, in this run and in those before."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from agent_app.batch.journal.record import Record, Status
from agent_app.errors import LimitReached, partial_result
from agent_app.steps import Result, Step, Usage

Ask: TypeAlias = Callable[[tuple[Step, ...]], Awaitable[Result]]
"""Asks an agent the question, going on from these steps."""

_GOES_ON = ("error", "interruption", "tokens", "cost")
"""What may end a run whose steps can be gone on from; one that met a limit of its own begins again."""


class Asking:
    """A question on its way.

    Args:
        key: the question's.
        before: what came of it in an earlier run, if it was asked.
    """

    def __init__(self, key: bytes, before: Record | None) -> None:
        self._key, self._before = key, before
        self._failed_before = before is not None and before.status == "failed"
        self._began = time.monotonic()
        self._attempts = before.attempts if before else 0
        self._run = before.run if before else None
        self._usage = self._run.usage if self._run else Usage()
        self.paid = Usage()
        """What it has taken in this run of the batch."""

    async def attempt(self, ask: Ask) -> Result:
        """Ask once, from where the question has come to.

        Raises:
            Exception: whatever ends the agent's run; how far it came is kept.
        """
        self._attempts += 1
        try:
            run = await ask(self._steps())
        except LimitReached as limit:
            run = limit.result
        except BaseException as error:
            partial = partial_result(error)
            if partial is not None:
                self._take(partial)
            raise
        self._take(run)
        return run

    def begun(self) -> Record | None:
        """Return what is worth keeping of a question that was broken off: steps, which were paid for."""
        if self._failed_before or self._run is None or not self._run.steps:
            return None
        return self._record("begun")

    def settled(self, run: Result) -> Record:
        """Return what came of a run that came to its end, with an answer or without."""
        if run.text:
            return self._record("answered")
        why = f"stopped by the limit of {run.stopped_by}" if run.stopped_by else "the model's answer is empty"
        return self._failure(f"{why}; there is no answer", LimitReached.__name__)

    def failed(self, error: Exception) -> Record:
        """Return what came of a question that cannot be answered."""
        return self._failure(" ".join(str(error).split()) or type(error).__name__, type(error).__name__)

    def _failure(self, error: str, kind: str) -> Record:
        if self._before is not None and self._failed_before:  # the old error stays until there is an answer
            error, kind = self._before.error or error, self._before.error_kind or kind
        return self._record("failed", error, kind)

    def _record(self, status: Status, error: str | None = None, kind: str | None = None) -> Record:
        seconds = time.monotonic() - self._began + (self._before.seconds if self._before else 0.0)
        return Record(self._key, status, self._run, self._attempts, seconds, error, kind)

    def _steps(self) -> tuple[Step, ...]:
        if self._run is None or self._run.stopped_by not in _GOES_ON:
            return ()
        return self._run.steps

    def _take(self, run: Result) -> None:
        self.paid += run.usage
        self._usage += run.usage
        self._run = dataclasses.replace(run, usage=self._usage)
