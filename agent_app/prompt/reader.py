"""Asks a model about the passages of a run, as its prompt says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent_app.labels import QUESTION
from agent_app.prompt.draft import Draft
from agent_app.prompt.reading import OPENING, Exchange, Reading
from agent_app.prompt.scratchpad import MAX_OBSERVATION, is_cut, shortened
from agent_app.steps import Step

_TURNS = 2
"""How many of the last turns of a conversation are shown beside the passages."""
_LONGEST_TURN = 600
"""How many characters of each."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A `Reading` with the tools at hand."""

    reading: Reading
    told: str
    """What the model is told first."""
    examples: tuple[Exchange, ...]

    @property
    def opening(self) -> str:
        """What every question about passages begins with."""
        return OPENING

    def has_to_read(self, steps: Sequence[Step]) -> bool:
        """Say whether a run has just come upon a passage."""
        return bool(steps) and self.reading.reads(steps[-1])

    def asked(self, draft: Draft, steps: Sequence[Step], limit: int = MAX_OBSERVATION) -> str:
        """Write what is asked about the passages of a run.

        Args:
            draft: the run's prompt, of which the question and the last earlier turns are shown.
            steps: the steps so far.
            limit: of each observation, no more characters than about this are shown.
        """
        turns = "".join(f"{shortened(turn, _LONGEST_TURN)}\n\n" for turn in draft.turns[-_TURNS:])
        passages = self.reading.passages(steps, limit)
        return f"{OPENING}{passages}\n\n{turns}{QUESTION}: {draft.question}"

    def shortened(self, steps: Sequence[Step], limit: int) -> int:
        """Return how many passages a limit shows shorter than usual."""
        return sum(self.reading.reads(step) and is_cut(step, limit) for step in steps)
