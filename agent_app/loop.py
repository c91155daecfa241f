"""The executor loop, without any input or output of its own.

`react_loop` is one plain generator. It yields what must happen next (call the model, run a tool) and
is sent what came back. It knows no model, no tool, no async and no clock but the one it is given, so
that one body of logic serves every way of running an agent, and is tested with plain values.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from math import inf
from typing import Literal, TypeAlias

from agent_app.steps import Action, Answer, Observation, Step, StoppedBy, Unreadable

OnLimit = Literal["answer", "stop", "raise"]
"""At a limit: ask the model once for the best answer it can give now, end the run, or raise an error."""


@dataclass(frozen=True, slots=True)
class CallModel:
    """Show the model the steps so far and send back what it wants to do next."""

    limit: StoppedBy | None = None
    """The limit that was met: no tool may be used any more, ask for the best answer from what is there."""


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run this tool and send back the observation, or the call that somebody made of it."""

    action: Action


@dataclass(frozen=True, slots=True)
class Unread:
    """A reply that could not be read, and the sentence that tells the model why."""

    reply: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Overspent:
    """The model was not called, or was cut off: this limit does not allow it."""

    limit: StoppedBy


@dataclass(frozen=True, slots=True)
class Instead:
    """The tool was not run, because somebody wants this call instead."""

    action: Action


@dataclass(frozen=True, slots=True)
class Direct:
    """The tool was run, and what it gave is the answer."""

    observation: Observation


Request: TypeAlias = CallModel | RunTool
Move: TypeAlias = Action | Answer | Unread | Overspent
Outcome: TypeAlias = Observation | Instead | Direct
Loop: TypeAlias = Generator[Request, Move | Outcome, StoppedBy | None]


@dataclass(frozen=True, slots=True)
class Limits:
    """When a run has to come to an end, and what happens then."""

    steps: int = 8
    """Tool calls."""
    seconds: float | None = None
    """Wall-clock time. What is under way then is cut off."""
    format_errors: int = 3
    """Replies that could not be read, in the whole run."""
    repeats: int = 1
    """Reminders that an action was done already, in the whole run."""
    then: OnLimit = "answer"


EDITED = "This call was changed before it was run; the changed call follows."
"""What the model reads in place of the result of a call that somebody edited."""

OBJECTED = ("with another tool, or use what is given.", "as it was given as a percentage.")
"""How the errors end that stand in place of the result of a call which something is objected to. As the tool
was not run, the same call is no repetition."""


def react_loop(steps: list[Step], limits: Limits, clock: Callable[[], float]) -> Loop:
    """Run until the model answers or a limit is met; then, if it may, ask it once for its best answer.

    Args:
        steps: the run; every step is added to it as soon as it is known. What is there already counts:
            a run goes on where its steps end.
        limits: when to stop.
        clock: seconds since the run began.

    Yields:
        What must happen next: a `CallModel` wants a `Move`, a `RunTool` an `Outcome`.

    Returns:
        The limit that ended the run, or None when the model came to an answer on its own.
    """
    deadline = inf if limits.seconds is None else limits.seconds
    record = _Record(steps)
    end = steps[-1] if steps else None
    if isinstance(end, Action):
        yield from _act(end, record)
    spent: StoppedBy | None = None
    while not record.is_answered:
        limit = spent or record.limit_met(limits) or _overdue(deadline, clock)
        if limit is not None and limits.then != "answer":
            return limit
        move = yield CallModel(limit)
        if isinstance(move, Overspent):
            spent = move.limit
        elif isinstance(move, Answer):
            record.add(move)
        elif isinstance(move, Unread):
            record.add_unread(move)
        elif isinstance(move, Action) and limit is None:
            record.add(move)
            yield from _act(move, record)
        if limit is not None:
            return limit
    return None


def _overdue(deadline: float, clock: Callable[[], float]) -> StoppedBy | None:
    return "seconds" if deadline < inf and clock() >= deadline else None


def _act(action: Action, record: _Record) -> Generator[Request, Move | Outcome, None]:
    """See an action through, which is the last step so far: to its observation, or to the answer."""
    reminder = record.reminder(action)
    outcome: Move | Outcome = reminder or (yield RunTool(action))
    while isinstance(outcome, Instead):
        record.add(Observation(EDITED))
        record.add(outcome.action)
        reminder = record.reminder(outcome.action)
        outcome = reminder or (yield RunTool(outcome.action))
    if isinstance(outcome, Direct):
        record.add(outcome.observation)
        record.add(Answer(outcome.observation.text))
        return
    assert isinstance(outcome, Observation)
    record.add(outcome, reminds=reminder is not None)


class _Record:
    """The steps of a run, and what of them counts against its limits."""

    def __init__(self, steps: list[Step]) -> None:
        self._steps = steps
        self._results: dict[str, Observation] = {}
        self._actions = self._format_errors = self._repeats = 0
        self._pending: Action | None = None
        for step in steps:
            again = self.reminder(self._pending) if self._pending else None
            self._count(step, reminds=again is not None and step == again)

    @property
    def is_answered(self) -> bool:
        """Whether the last step is the answer."""
        return bool(self._steps) and isinstance(self._steps[-1], Answer)

    def add(self, step: Step, *, reminds: bool = False) -> None:
        """Add a step to the run.

        Args:
            step: the step.
            reminds: it is an observation that tells the model what it has seen already.
        """
        self._steps.append(step)
        self._count(step, reminds=reminds)

    def add_unread(self, reply: Unread) -> None:
        """Add a reply that could not be read, and what the model should know of that."""
        self.add(Unreadable(reply.reply))
        self.add(Observation(reply.sentence, error=True))

    def limit_met(self, limits: Limits) -> StoppedBy | None:
        """Return the limit that the steps so far have met."""
        if self._format_errors >= limits.format_errors:
            return "format errors"
        if self._repeats >= limits.repeats:
            return "repeats"
        return "steps" if self._actions >= limits.steps else None

    def reminder(self, action: Action) -> Observation | None:
        """Tell the model again what it has seen already, if it has done this before."""
        result = self._results.get(action.call)
        if result is None:
            return None
        told = " It did not help." if result.error or not result.text else f" It gave: {result.text}"
        done = f"You have used {action.tool} with this same input already.{told}"
        return Observation(f"{done} Do something else, or give the Final Answer.", error=True)

    def _count(self, step: Step, *, reminds: bool) -> None:
        if isinstance(step, Action):
            self._actions += 1
            self._pending = step
        elif isinstance(step, Unreadable):
            self._format_errors += 1
        elif isinstance(step, Observation) and self._pending is not None:
            if reminds:
                self._repeats += 1
            elif step.text != EDITED and not (step.error and step.text.endswith(OBJECTED)):
                self._results[self._pending.call] = step
            self._pending = None
