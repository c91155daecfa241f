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

from agent_app.labels import BEFORE_VERDICT, QUESTION, inside
from agent_app.prompt.examples import Example, usable
from agent_app.prompt.scratchpad import MAX_OBSERVATION, is_false, observed, shortened, written
from agent_app.prompt.template import Segment, as_source
from agent_app.steps import Action, Observation, Step

OPENING = "Passages:\n"
"""What every question about passages begins with."""
STILL_MISSING = "{missing}"
"""Stands in `Reading.again` for what was not said."""
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
    therefore: str
    """What stands between those two."""
    again: str
    """How the thought begins once passages have been read in vain; empty: as the first time."""
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

    def without_verdict(self) -> list[tuple[Example, str]]:
        """Return the examples in which a passage is followed by no evidence or no verdict, and a fix."""
        wrong = []
        for example in self.examples:
            for number, (seen, then) in enumerate(pairwise(example.steps), 1):
                begun = self.begun(example.steps[:number])
                if self.reads(seen) and not self._has_verdict(begun, then):
                    right = f"{begun} ..{BEFORE_VERDICT}"
                    fix = f"write {right + self.stated!r} or {right + self.missing + ' ..'!r}"
                    wrong.append((example, fix))
        return wrong

    def _has_verdict(self, begun: str, step: Step) -> bool:
        said, _, verdict = getattr(step, "thought", "").rstrip().partition(BEFORE_VERDICT)
        if not said.rstrip().startswith(f"{begun} "):
            return False
        return verdict == self.stated or verdict.startswith(f"{self.missing} ")

    def begun(self, steps: Sequence[Step]) -> str:
        """Return how the thought about the passages of a run begins.

        Once they have been read in vain, what was missing then can be asked for in place of the whole
        question, as in "Measuring and Narrowing the Compositionality Gap" (self-ask; Press et al., 2022).
        """
        vain = self._in_vain(steps)
        if not (vain and self.again):
            return self.evidence
        verdict = vain[-1].thought.partition(BEFORE_VERDICT)[2]
        lacked, found, _ = verdict.removeprefix(f"{self.missing} ").partition(f"{self.therefore} ")
        if not (found and lacked.isprintable()) or inside(lacked):
            return self.evidence
        return self.again.replace(STILL_MISSING, lacked)

    def missed(self, steps: Sequence[Step]) -> int:
        """Return how often passages have been read in vain."""
        return len(self._in_vain(steps))

    def _in_vain(self, steps: Sequence[Step]) -> list[Action]:
        """Return what was done after passages that did not state the answer."""
        return [then for seen, then in pairwise(steps) if self.reads(seen) and isinstance(then, Action)]

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
            **{key: text for key in ("therefore", "again", "regret") if (text := getattr(self, key))},
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
    return Reading(
        evidence=data["evidence"],
        stated=data["stated"],
        missing=data["missing"],
        therefore=data.get("therefore", ""),
        again=data.get("again", ""),
        regret=data.get("regret", ""),
        longer_than=data.get("longer_than", _LONGER_THAN),
        segments=segments,
        examples=tuple(examples),
    )
