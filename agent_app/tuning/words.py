"""What a prompt says around a run: all that a model reads there and does not write itself."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from agent_app.errors import TuningError
from agent_app.history import Turn
from agent_app.labels import OBSERVATION
from agent_app.prompt import Prompt, load_prompt
from agent_app.prompt.scratchpad import written
from agent_app.steps import Action, Answer, Observation, Step
from agent_app.toolbox import Toolbox
from agent_app.tuning.data import Row

BARE = Path(__file__).with_name("bare.md")
"""A prompt that says nothing but the question, and what was asked and answered before it."""

STOP = f"\n{OBSERVATION}:"
"""What ends a turn of the model that calls a tool."""


class Words:
    """The words of a prompt in which rows are told.

    Args:
        prompt: the prompt; its virtual tokens, if it has any, come before all of its words.
        toolbox: the tools that it tells of, where it has a slot for that.

    Raises:
        TuningError: something stands before the virtual tokens.
    """

    def __init__(self, prompt: Prompt, toolbox: Toolbox) -> None:
        self._prompt, self._described, self._names = prompt, toolbox.describe(), toolbox.names
        virtual = prompt.opening(self._described, self._names).virtual
        if virtual is not None and virtual.at > 0:
            raise TuningError(f"{prompt.path}: words stand before {{soft}}; what is tuned has to come first")
        self.name = prompt.name

    @functools.cached_property
    def sha256(self) -> str:
        """Of all that makes them what they are."""
        said = [self._prompt.text, dict(self._prompt.thoughts), self._described]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def before(self, question: str, turns: Sequence[Turn] = ()) -> str:
        """Return what the model reads before its first word, after any virtual tokens.

        Raises:
            PromptError: as `spoken` does.
        """
        return "".join(self._prompt.draft(question, self._described, self._names, turns).segments(()))

    def spoken(self, row: Row) -> Iterator[tuple[str, bool]]:
        """Yield a row's text in pieces, each with whether the model writes it.

        Raises:
            PromptError: the prompt takes no earlier turns, and the row has some, or it wants other values.
        """
        yield self.before(row.question, row.turns), False
        begun = ""
        for number, step in enumerate(row.steps, 1):
            if isinstance(step, Observation):
                yield written(step).removeprefix(STOP), False
                begun = self._prompt.thought_after(row.steps[:number], row.question)
                if begun:
                    yield f" {begun}", False
            else:
                text = written(_going_on(step, begun))
                yield (text + STOP if isinstance(step, Action) else text), True


def _going_on(step: Step, begun: str) -> Step:
    """Return a step without the beginning of its thought, if another writes that for the model."""
    if not (begun and isinstance(step, Action | Answer) and step.thought.startswith(begun)):
        return step
    return replace(step, thought=step.thought.removeprefix(begun).lstrip())


@functools.cache
def bare() -> Words:
    """Return the words of a prompt that says next to nothing."""
    return Words(load_prompt(BARE), Toolbox([]))
