"""The executor loop, without any input or output of its own.

`react_loop` is one plain generator. It yields what must happen next (call the model, run a tool) and
is sent what came back. It knows no model, no tool, no async and no clock but the one it is given, so
that one body of logic serves every way of running an agent, and is tested with plain values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias

from agent_app.steps import Action, Answer, Observation, Step, StoppedBy, Unreadable


@dataclass(frozen=True, slots=True)
class CallModel:
    """Show the model the steps so far and send back what it wants to do next."""

    last: bool = False
    """No tool may be used any more: ask for the best final answer from what is there."""


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run this tool and send back the observation."""

    action: Action


@dataclass(frozen=True, slots=True)
class Unread:
    """A reply that could not be read, and the sentence that tells the model why."""

    reply: str
    sentence: str


Request: TypeAlias = CallModel | RunTool
Move: TypeAlias = Action | Answer | Unread
Loop: TypeAlias = Generator[Request, Move | Observation, StoppedBy | None]


@dataclass(frozen=True, slots=True)
class Limits:
    """When a run has to come to an end."""

    steps: int = 8
    """Tool calls."""
    seconds: float | None = None
    """Wall-clock time; looked at between steps, so that a step under way is finished."""
    format_errors: int = 3
    """Replies that could not be read, in the whole run."""
    repeats: int = 1
    """Reminders that an action was done already, in the whole run."""


def react_loop(steps: list[Step], limits: Limits, clock: Callable[[], float]) -> Loop:
    """Run until the model answers or a limit is met; then ask it once for its best answer.

    Args:
        steps: the run; every step is added to it as soon as it is known.
        limits: when to stop.
        clock: seconds from any fixed point.

    Yields:
        What must happen next: a `CallModel` wants a `Move`, a `RunTool` an `Observation`.

    Returns:
        The limit that ended the run, or None when the model came to an answer on its own.
    """
    deadline = None if limits.seconds is None else clock() + limits.seconds
    actions = format_errors = repeats = 0
    results: dict[str, Observation] = {}
    while True:
        stopped_by = _limit_met(limits, actions, format_errors, repeats)
        if stopped_by is None and deadline is not None and clock() >= deadline:
            stopped_by = "seconds"
        move = yield CallModel(last=stopped_by is not None)
        if isinstance(move, Answer):
            steps.append(move)
            return stopped_by
        if stopped_by is not None:
            _note(steps, move)
            return stopped_by
        if isinstance(move, Unread):
            format_errors += 1
            _note(steps, move)
            continue
        assert isinstance(move, Action)
        steps.append(move)
        actions += 1
        call = json.dumps([move.tool, move.input], sort_keys=True)
        if call in results:
            repeats += 1
            steps.append(Observation(_reminder(move, results[call]), error=True))
            continue
        observation = yield RunTool(move)
        assert isinstance(observation, Observation)
        steps.append(observation)
        results[call] = observation


def _limit_met(limits: Limits, actions: int, format_errors: int, repeats: int) -> StoppedBy | None:
    if format_errors >= limits.format_errors:
        return "format errors"
    if repeats >= limits.repeats:
        return "repeats"
    return "steps" if actions >= limits.steps else None


def _note(steps: list[Step], move: Move | Observation) -> None:
    """Keep what the model wrote and cannot be followed."""
    if isinstance(move, Unread):
        steps.append(Unreadable(move.reply))
        steps.append(Observation(move.sentence, error=True))


def _reminder(action: Action, result: Observation) -> str:
    """Tell the model again what it has seen already.

    Args:
        action: the one that it repeats.
        result: what the tool gave when it was run.
    """
    told = " It did not help." if result.error or not result.text else f" It gave: {result.text}"
    done = f"You have used {action.tool} with this same input already.{told}"
    return f"{done} Do something else, or give the Final Answer."
