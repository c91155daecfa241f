"""The steps of a run as the text that stands after ``Thought:``.

Each step is written by itself and the texts are joined, so one more step only ever adds to the end:
what a model has read stays as it was, and its server need not read it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from agent_app.labels import (
    ACTION,
    ACTION_INPUT,
    FINAL_ANSWER,
    MARKED,
    OBSERVATION,
    THOUGHT,
    fence,
    fence_json,
    own_words,
)
from agent_app.prompt.orders import gives_order
from agent_app.steps import Action, Answer, Arguments, Observation, Step, Unreadable

MAX_OBSERVATION = 3000
"""How many characters of an observation a model is shown."""

_WORTH_IT = 40
"""Where no more characters than this would go, nothing is left out: the words that say so are as long."""

FALSE_LINE = f"| {MARKED} "
"""What stands before a line of an observation that poses as the agent's own words, or gives it orders.

It says what it is because that is what a small model heeds: a bare bar it passes over.
"""

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f]")


def scratchpad(steps: Iterable[Step], *, limit: int | None = None) -> str:
    """Write steps as a model wrote and read them, to go right after ``Thought:``.

    Args:
        steps: the steps so far, each observation after what it answers.
        limit: as for `written`.
    """
    return "".join(written(step, limit) for step in steps)


def written(step: Step, limit: int | None = None) -> str:
    """Write one step as it stands after ``Thought:``.

    Args:
        step: the step.
        limit: of each text in it, no more characters than about this are shown; the middle is left out.
            None: an observation, or a reply that could not be read, is cut to `MAX_OBSERVATION`
            characters, and all else is whole.
    """
    seen = MAX_OBSERVATION if limit is None else min(limit, MAX_OBSERVATION)
    match step:
        case Action():
            thought, given = _own(step.thought, limit), _input(step.input, limit)
            return f"{_after_label(thought)}\n{ACTION}: {step.tool}\n{ACTION_INPUT}: {given}"
        case Observation():
            # Cut first: what is cut away need not be cleaned, and a cut cannot make a new label.
            text = "\n".join(observed(shortened(step.text, seen)))
            return f"\n{OBSERVATION}:{_after_label(text)}\n{THOUGHT}:"
        case Unreadable():
            return _after_label(_own(own_words(step.text), seen))
        case Answer():
            return f"{_after_label(step.thought)}\n{FINAL_ANSWER}: {quoted(step.text)}"


def longest_text(step: Step) -> int:
    """Return how many characters the longest text of a step has that a limit would cut."""
    return max(map(len, _texts(step)))


def is_cut(step: Step, limit: int | None) -> bool:
    """Say whether a limit leaves out more of a step than is left out as usual."""
    return limit is not None and limit < MAX_OBSERVATION and longest_text(step) > limit + _WORTH_IT


def observed(text: str) -> list[str]:
    """Return an observation's lines, with a mark on those that pose as the agent's own or give it orders."""
    lines = quoted(text, FALSE_LINE).split("\n")
    return [FALSE_LINE + line if gives_order(line) and not is_false(line) else line for line in lines]


def is_false(line: str) -> bool:
    """Say whether a line of an observation is marked."""
    return line.startswith(FALSE_LINE)


def quoted(text: str, mark: str = "| ") -> str:
    """Make foreign text fit to stand in a prompt: no control characters, labels quoted, ends trimmed."""
    return fence(_CONTROL.sub("", text), mark).strip()


def shortened(text: str, limit: int) -> str:
    """Leave out the middle of a text that has many more than `limit` characters, and say how many went."""
    if len(text) <= limit + _WORTH_IT:
        return text
    tail = limit // 3
    head = limit - tail
    return f"{text[:head]}\n... [{len(text) - limit} characters left out] ...\n{text[len(text) - tail :]}"


def _texts(step: Step) -> tuple[str, ...]:
    match step:
        case Action():
            return step.thought, _arguments(step.input)
        case Observation() | Unreadable():
            return (step.text,)
        case Answer():
            return ("",)


def _own(text: str, limit: int | None) -> str:
    """Return what the model wrote itself as it is; where that is cut, the cut must not make a label."""
    if limit is None or len(text) <= limit + _WORTH_IT:
        return text
    return quoted(shortened(text, limit))


def _input(given: Arguments, limit: int | None) -> str:
    """Write a tool's input; escapes may have become lines that pose as steps, or a chat template's tokens."""
    if isinstance(given, str):
        return fence(given if limit is None else shortened(given, limit))
    return _own(fence_json(_arguments(given)), limit)


def _after_label(text: str) -> str:
    return f" {text}" if text else ""


def _arguments(given: Arguments) -> str:
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
