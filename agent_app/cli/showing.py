"""A run at the terminal: its steps on stderr as they happen, its answer on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from agent_app.cli.waiting import waiting
from agent_app.events import (
    Decided,
    Event,
    Finished,
    LimitMet,
    Retrying,
    Said,
    Started,
    Stepped,
    Switched,
    event_to_dict,
)
from agent_app.steps import Answer, LeftOut, Observation, Result, Step, Unreadable
from agent_app.terminal import Writer, stderr, stdout, write_json

if TYPE_CHECKING:
    from agent_app.approvals import Approver, Request

_LABELS = {"thought": "Thought", "tool": "Action", "input": "Action Input"}


def as_json_lines(events: Iterable[Event]) -> Result:
    """Write each event to stdout as a line of JSON as it happens, and return the run's result."""
    for event in events:
        print_json_line(event_to_dict(event))
        if isinstance(event, Finished):
            return event.result
    raise AssertionError("a run ends with its result")


def print_json_line(data: object, stream: TextIO | None = None) -> None:
    """Write one JSON value to stdout, or another stream, as a line that can be seen at once."""
    write_json(stream or sys.stdout, json.dumps(data, ensure_ascii=False))


def account(result: Result, err: Writer) -> None:
    """Write what a run cost, what was forgiven in it and what the model was not shown."""
    usage, left_out = result.usage, result.left_out
    for number, step in enumerate(result.steps, 1):
        for repair in getattr(step, "repairs", ()):
            err.line(f"step {number}: forgiven: {repair}", dim=True)
    missing = [f"{n} {what}" for what, n in _counts(left_out) if n]
    if missing:
        err.line(f"left out, as the context window is full: {', '.join(missing)}", dim=True)
    cached = f", {usage.cached_tokens} of them from the cache" if usage.cached_tokens else ""
    cost = f", ${usage.cost:.6f}" if usage.cost else ""
    err.line(
        f"{result.model}, prompt {result.prompt.name} {result.prompt.version} ({result.prompt.hash[:12]}): "
        f"{usage.calls} calls, {usage.prompt_tokens} prompt tokens{cached}, "
        f"{usage.completion_tokens} written, {usage.seconds:.1f} s{cost}",
        dim=True,
    )


def _counts(left_out: LeftOut) -> Iterator[tuple[str, int]]:
    yield "observations in part", left_out.observations
    yield "earlier turns", left_out.turns
    yield "examples", left_out.examples
    yield "old steps", left_out.steps


class Screen:
    """Writes a run as it goes on.

    Args:
        steps: whether the steps are shown.
        answer: whether the answer is written.
    """

    def __init__(self, *, steps: bool, answer: bool) -> None:
        self._out = stdout() if answer else None
        self._err = stderr()
        self._steps = steps
        self._wait = waiting("reading")
        self._begun = ""
        """Which part of a step is being written."""
        self._answer: list[str] = []
        """An answer that may still be withdrawn, where nothing can be taken back: in a pipe."""

    def show(self, events: Iterable[Event]) -> Result:
        """Write a run as it goes on, and return its result; however it ends, no line is left open."""
        try:
            self._wait.begin()
            for event in events:
                if not isinstance(event, Started):
                    self._wait.end()
                self._take(event)
                # Not beside an answer: the sign takes its whole line with it when it goes.
                if isinstance(event, Stepped) and not isinstance(event.step, Answer):
                    self._wait.begin()
                if isinstance(event, Finished):
                    return event.result
        finally:
            self._wait.end()
            self._end_lines()
        raise AssertionError("a run ends with its result")

    def asking(self, approver: Approver | None) -> Approver | None:
        """Return an approver that has the screen for itself while it asks."""
        if approver is None:
            return None

        def ask(request: Request) -> Any:
            self._wait.end()
            self._end_lines()
            return approver(request)

        return ask

    def _end_lines(self) -> None:
        try:
            if self._out is not None:
                self._out.end_line()
        finally:  # the reader of the answer may have gone
            self._err.end_line()

    def _take(self, event: Event) -> None:
        """Write what an event tells."""
        match event:
            case Said(kind="answer", text=text):
                self._say(text)
            case Said(kind=kind, text=text) if self._steps:
                if kind != self._begun:
                    self._err.end_line()
                    self._err.write(f"{_LABELS[kind]}: ", dim=True)
                self._begun = kind
                self._err.write(text, dim=True)
            case Stepped(step=step):
                self._begun = ""
                self._step(step)
            case Retrying(error=error, seconds=seconds):
                self._withdraw(f"{error}; trying again in {seconds:.1f} s")
            case Switched(error=error, model=model):
                self._withdraw(f"{error}; {model} takes over")
            case LimitMet():
                self._withdraw()
            case Decided(action=action, decision="edited"):
                self._note(f"{action.tool} is called with {json.dumps(action.input, ensure_ascii=False)}")

    def _say(self, text: str) -> None:
        if self._out is None:
            return
        if self._out.is_terminal:
            self._err.end_line()
            self._out.write(text)
        else:
            self._answer.append(text)

    def _step(self, step: Step) -> None:
        """Write what of a step has not been written while it was on its way."""
        if self._out is not None and isinstance(step, Answer):
            self._err.end_line()  # both may lead to one place
            self._out.write("".join(self._answer))
            self._answer.clear()
        if not self._steps:
            return
        self._err.end_line()
        if isinstance(step, Observation):
            from agent_app.prompt.scratchpad import MAX_OBSERVATION, shortened

            # As much as the model is shown; --json has all of it.
            self._err.line(f"Observation: {shortened(step.text, MAX_OBSERVATION)}", dim=True)
        elif isinstance(step, Unreadable):
            self._err.line("(a reply that could not be read)", dim=True)

    def _withdraw(self, why: str = "") -> None:
        """Take back what was said of the step so far, and say why where that is not told later."""
        self._begun = ""
        self._answer.clear()
        self._end_lines()
        if why:
            self._err.line(f"agent-app: {why}")

    def _note(self, text: str) -> None:
        if self._steps:
            self._err.end_line()
            self._err.line(f"({text})", dim=True)
