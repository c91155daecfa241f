"""Reading: what a small model is shown when a tool has found passages, in a conversation of its own.

At the end of a long prompt a small model loses the question: it takes the last number that it saw, or what
stands nearest. Asked anew, with nothing but the passages and the question, it reads well. So the reply after
such an observation is asked for in that way, and is a reply like any other: a thought, which begins with a
verdict on whether the passages state what is asked, and then an action or a final answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from agent_app.labels import BEFORE_VERDICT, QUESTION
from agent_app.prompt.examples import Example, usable
from agent_app.prompt.scratchpad import MAX_OBSERVATION, is_false, observed, shortened, written
from agent_app.prompt.template import Segment, as_source
from agent_app.steps import Action, Observation, Step

OPENING = "Passages:\n"
"""What every question about passages begins with."""
_LONGER_THAN = 60
"""Hardly any passage is shorter, and hardly any number, date or error longer."""


class Exchange(NamedTuple):
    """What a model is asked, and what it replies after ``Thought:``."""

    asked: str
    reply: str


@dataclass(frozen=True, slots=True)
class Reading:
    """How a model is asked about passages; the front matter of a prompt says it."""

    evidence: str
    """How the thought begins; what the passages say follows, and after a semicolon a verdict on that."""
    stated: str
    """The verdict that this is what was asked; a final answer follows then."""
    missing: str
    """How the verdict begins that it is not; what is not said and what is done about that follow."""
    regret: str
    """How a final answer goes on after its opening when they still do not; empty: as the model likes."""
    longer_than: int
    """An observation with more characters than this is a passage."""
    segments: tuple[Segment, ...]
    """What the model is told first."""
    examples: tuple[Example, ...]
    """Runs of which it is shown how their passages were read."""

    def reads(self, step: Step) -> bool:
        """Say whether a step is a passage; what went wrong is none."""
        return isinstance(step, Observation) and not step.error and len(step.text) > self.longer_than

    def without_verdict(self) -> list[Example]:
        """Return the examples in which a thought after a passage has no evidence or no verdict."""
        return [
            example
            for example in self.examples
            for seen, then in pairwise(example.steps)
            if self.reads(seen) and not self._has_verdict(then)
        ]

    def _has_verdict(self, step: Step) -> bool:
        said, between, verdict = getattr(step, "thought", "").partition(BEFORE_VERDICT)
        if not (between and said.startswith(f"{self.evidence} ")):
            return False
        return verdict == self.stated or verdict.startswith(f"{self.missing} ")

    def missed(self, steps: Sequence[Step]) -> int:
        """Return how often passages have been read in vain."""
        return sum(self.reads(seen) and isinstance(then, Action) for seen, then in pairwise(steps))

    def exchanges(self, tool_names: Sequence[str]) -> tuple[Exchange, ...]:
        """Return how passages are read in the examples that use no tool but these."""
        shown = usable(self.examples, tool_names)
        return tuple(exchange for e in shown for exchange in self._exchanges(e.question, e.steps))

    def to_dict(self) -> dict[str, Any]:
        """Return it as the front matter of a file has it."""
        return {
            "evidence": self.evidence,
            "stated": self.stated,
            "missing": self.missing,
            **({"regret": self.regret} if self.regret else {}),
            "longer_than": self.longer_than,
            "text": as_source(self.segments),
            "examples": [example.to_dict() for example in self.examples],
        }

    def passages(self, steps: Sequence[Step], limit: int) -> str:
        """Return the passages of a run, without lines that pose as the agent's own or give it orders.

        Args:
            steps: the steps so far.
            limit: of each observation, no more characters than about this are shown.
        """
        found: dict[str, None] = {}
        for step in steps:
            if isinstance(step, Observation) and self.reads(step):
                lines = observed(shortened(step.text, limit))
                true = "\n".join(line for line in lines if not is_false(line))
                found |= dict.fromkeys(true.strip().split("\n\n"))  # what was found twice is shown once
        return "\n\n".join(found)

    def _exchanges(self, question: str, steps: Sequence[Step]) -> Iterator[Exchange]:
        for number, (seen, then) in enumerate(pairwise(steps), 1):
            if self.reads(seen):
                passages = self.passages(steps[:number], MAX_OBSERVATION)
                yield Exchange(f"{OPENING}{passages}\n\n{QUESTION}: {question}", written(then))


def reading_from(
    data: Mapping[str, Any], segments: tuple[Segment, ...], examples: Iterable[Example]
) -> Reading:
    """Make a reading of front matter that the schema has found right."""
    longer_than = data.get("longer_than", _LONGER_THAN)
    regret = data.get("regret", "")
    return Reading(
        data["evidence"], data["stated"], data["missing"], regret, longer_than, segments, tuple(examples)
    )
