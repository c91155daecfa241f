"""A run's prompt: what stays the same from call to call is written once, each step once more is added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from agent_app.history import Turn
from agent_app.labels import FINAL_ANSWER, QUESTION
from agent_app.prompt.assemble import EXAMPLES, HISTORY, SOFT
from agent_app.prompt.examples import joined_examples
from agent_app.prompt.scratchpad import quoted, written
from agent_app.prompt.template import Segment, Slot, fill
from agent_app.steps import Step

BRIEF = 240
"""How many characters of each text in an old step are shown where room is scarce."""

_EARLIER = "Earlier in this conversation:"


class Virtual(NamedTuple):
    """Where in a text the virtual tokens of a soft prompt stand."""

    soft: str
    """The soft prompt's name."""
    at: int
    """How many characters stand before them."""


class Shown(NamedTuple):
    """Where in a text the examples stand, so that they can be shown as turns of a conversation."""

    begin: int
    end: int
    """They stand between these two places."""
    told: int
    """Up to here it is the same in every run: what a model is told, and the examples."""
    examples: tuple[str, ...]
    """Their texts."""


class _HeadAndTail(NamedTuple):
    head: str
    tail: str


class Segments(_HeadAndTail):
    """A prompt in the middle of a run, cut where the model goes on writing: a pair of two texts.

    Args:
        head: all lines before that of the scratchpad; the same text from call to call while one view holds.
        tail: ``Thought:`` and the steps so far; one more step only adds to it while one view holds.
        virtual: where in the head virtual tokens stand; None: nowhere.
        shown: where in the head examples stand; None: nowhere.
    """

    virtual: Virtual | None
    shown: Shown | None

    def __new__(  # noqa: D102
        cls, head: str, tail: str, virtual: Virtual | None = None, shown: Shown | None = None
    ) -> Segments:
        made = super().__new__(cls, head, tail)
        made.virtual, made.shown = virtual, shown
        return made


@dataclass(frozen=True, slots=True)
class View:
    """How much of a run its prompt shows. The default is everything."""

    brief: int = 0
    """How many of the oldest steps are shown with no more than `BRIEF` characters of each text."""
    turns: int = 0
    """How many of the oldest earlier turns are left out."""
    examples: int = 0
    """How many of the examples are left out, from the last one on."""
    steps: int = 0
    """How many of the oldest steps are left out; an action goes with its observation."""
    longest: int | None = None
    """How many characters of each text in the steps after the brief ones are shown; None: as usual."""

    def limit(self, index: int) -> int | None:
        """Return how many characters are shown of each text in a step; None: as usual."""
        return BRIEF if index < self.brief else self.longest


EVERYTHING = View()


class Written(NamedTuple):
    """A step with its text, kept so that it need not be written again for the next call."""

    step: Step
    limit: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A run's prompt without its steps, checked and quoted; `Prompt.draft` gives one."""

    words: tuple[Segment, ...] = field(repr=False)
    """All before the scratchpad's line; slots are left for the examples and the earlier turns."""
    line: str
    """How the scratchpad's line begins."""
    examples: tuple[str, ...] = field(repr=False)
    turns: tuple[str, ...] = field(repr=False)
    question: str
    """As it stands in the prompt."""
    soft: str | None = None
    """The name of the soft prompt that has a slot in the words."""
    values: tuple[str, ...] = field(default=(), repr=False)
    """What the prompt's own inputs were given, which stands in the words."""

    def segments(self, steps: Sequence[Step], view: View = EVERYTHING) -> Segments:
        """Write the prompt for the next reply."""
        return self.put_together(self.write(steps, view), view)

    def write(self, steps: Sequence[Step], view: View, known: Sequence[Written] = ()) -> tuple[Written, ...]:
        """Write each step; those that were written before in the same way are taken from `known`."""
        both = zip(steps, known, strict=False)
        same = (
            old if old.step is step and old.limit == view.limit(n) else _write(step, view.limit(n))
            for n, (step, old) in enumerate(both)
        )
        return self.add(tuple(same), steps, view)

    def add(self, known: tuple[Written, ...], steps: Sequence[Step], view: View) -> tuple[Written, ...]:
        """Write the steps that have come after those in `known`, which are written for this view."""
        begun = len(known)
        return (*known, *(_write(step, view.limit(n)) for n, step in enumerate(steps[begun:], begun)))

    def put_together(self, steps: Sequence[Written], view: View, before: Segments | None = None) -> Segments:
        """Join what is written; what comes before the scratchpad is as it was `before`, if that is known."""
        head, _ = same = self._head(view) if before is None else before
        tail = self.line + "".join([step.text for step in steps[view.steps :]])
        return Segments(head, tail, same.virtual, same.shown)

    def _head(self, view: View) -> Segments:
        examples = self.examples[: len(self.examples) - view.examples]
        head, _ = words = laid_out(self.words, examples, self._history(view.turns), self.soft)
        if view.steps:
            head += f"(Steps left out here: {view.steps})\n"
        return Segments(head, "", words.virtual, words.shown)

    def _history(self, left_out: int) -> str:
        gap = [f"(Turns left out here: {left_out})"] if left_out else []
        return _joined_turns([*gap, *self.turns[left_out:]])


def laid_out(words: Sequence[Segment], examples: Sequence[str], history: str, soft: str | None) -> Segments:
    """Fill the slots of what comes before the scratchpad.

    Args:
        words: text and slots.
        examples: the texts that go into the slot for examples.
        history: what goes into the slot for earlier turns.
        soft: the name of the soft prompt that has a slot; None: there is none, or nothing of it is special.
    """
    texts = {EXAMPLES: joined_examples(examples), HISTORY: history, SOFT: ""}
    places = {s.name: n for n, s in enumerate(words) if isinstance(s, Slot)}
    virtual, shown = None, None
    if soft and SOFT in places:
        virtual = Virtual(soft, len(fill(words[: places[SOFT]], texts)))
    elif examples and EXAMPLES in places:
        at = places[EXAMPLES]
        begin, end = (len(fill(words[:until], texts)) for until in (at, at + 1))
        told = len(fill(words[: places[HISTORY]], texts)) if places.get(HISTORY, 0) > at else end
        shown = Shown(begin, end, told, tuple(examples))
    return Segments(fill(words, texts), "", virtual, shown)


def _joined_turns(texts: Sequence[str]) -> str:
    return "".join(f"{text}\n\n" for text in (_EARLIER, *texts)) if texts else ""


def turn_text(turn: Turn) -> str:
    """Write an earlier turn as it stands in a prompt; no line of it can pose as a part of the run."""
    labelled = ((QUESTION, turn.question), (FINAL_ANSWER, turn.answer))
    return "\n".join(f"{label}: {quoted(text)}" for label, text in labelled if text)


def _write(step: Step, limit: int | None) -> Written:
    return Written(step, limit, written(step, limit))
