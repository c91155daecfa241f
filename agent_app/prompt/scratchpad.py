"""The steps of a run as the text that stands after ``Thought:``.

Each step is written by itself and the texts are joined, so one more step only ever adds to the end:
what a model has read stays as it was, and its server need not read it again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from agent_app.labels import ACTION, ACTION_INPUT, FINAL_ANSWER, OBSERVATION, THOUGHT, fence
from agent_app.steps import Action, Answer, Arguments, Observation, Step, Unreadable

MAX_OBSERVATION = 3000
"""How many characters of an observation a model is shown."""

FALSE_LINE = "| (false line) "
"""What stands before a line of an observation that poses as the agent's own words.

It says what it is because that is what a small model heeds: a bare bar it passes over.
"""

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f]")


def scratchpad(steps: Iterable[Step], *, max_observation: int = MAX_OBSERVATION) -> str:
    """Write steps as a model wrote and read them, to go right after ``Thought:``.

    Args:
        steps: the steps so far, each observation after what it answers.
        max_observation: of an observation, or of a reply that could not be read, no more characters
            than this are shown; the middle is left out.
    """
    return "".join(_written(step, max_observation) for step in steps)


def quoted(text: str, mark: str = "| ") -> str:
    """Make foreign text fit to stand in a prompt: no control characters, labels quoted, ends trimmed."""
    return fence(_CONTROL.sub("", text), mark).strip()


def shortened(text: str, limit: int) -> str:
    """Leave out the middle of a text that has more than `limit` characters, and say how many went."""
    if len(text) <= limit:
        return text
    tail = limit // 3
    head = limit - tail
    return f"{text[:head]}\n... [{len(text) - limit} characters left out] ...\n{text[len(text) - tail :]}"


def _written(step: Step, limit: int) -> str:
    match step:
        case Action():
            call = f"{ACTION}: {step.tool}\n{ACTION_INPUT}: {_arguments(step.input)}"
            return f"{_after_label(step.thought)}\n{call}"
        case Observation():
            # Cut first: what is cut away need not be cleaned, and a cut cannot make a new label.
            text = quoted(shortened(step.text, limit), FALSE_LINE)
            return f"\n{OBSERVATION}:{_after_label(text)}\n{THOUGHT}:"
        case Unreadable():
            return _after_label(shortened(step.text.strip(), limit))
        case Answer():
            return f"{_after_label(step.thought)}\n{FINAL_ANSWER}: {quoted(step.text)}"


def _after_label(text: str) -> str:
    return f" {text}" if text else ""


def _arguments(given: Arguments) -> str:
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
