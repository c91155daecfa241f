"""How an answer came about: each call of the model, what it was shown and wrote, and what came of it."""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Iterator, Sequence

from agent_app.chat.calls import ModelCall, ToolCall
from agent_app.chat.effects import Section
from agent_app.errors import UserError
from agent_app.loop import EDITED
from agent_app.steps import Action, Answer, Observation, Result, Step, Unreadable, Usage

_SHOWN_LINES = 12
"""How many lines of a prompt are shown where not all of it is asked for."""


def why(result: Result, calls: Sequence[ModelCall | ToolCall]) -> Iterator[Section]:
    """Explain an answer, in the order in which things happened.

    Args:
        result: the run.
        calls: what was recorded of it; empty where it was run by another program.
    """
    yield Section(f"{result.model}, prompt {result.prompt.name} {result.prompt.version}", result.question)
    left, shown = deque(calls), _Prompts()
    before: Step | None = None
    for step in result.steps:
        if not isinstance(step, Observation) and before != Observation(EDITED):
            yield from _replies(left, shown)
        tool = left.popleft() if isinstance(step, Observation) and _is_tool(left) else None
        yield _section(step, tool.seconds if tool else None)
        before = step
    yield from _replies(left, shown)
    end = f"stopped by: {result.stopped_by}" if result.stopped_by else "answered"
    yield Section(f"{end}, {spent(result.usage)}", result.error or "")
    if not calls:
        yield Section("The prompts and raw replies of this answer are not kept any more.")


def whole_call(calls: Sequence[ModelCall | ToolCall], number: int) -> Iterator[Section]:
    """Show all of one call of the model.

    Args:
        calls: what was recorded.
        number: which, counted from 1.

    Raises:
        UserError: there is no such call.
    """
    asked = [call for call in calls if isinstance(call, ModelCall)]
    if not asked:
        raise UserError("no call of the model is kept of the last answer")
    if not 1 <= number <= len(asked):
        raise UserError(f"there is no call {number} of the model; the last answer took {len(asked)}")
    call = asked[number - 1]
    yield Section(f"Call {number}: the whole prompt", call.prompt)
    yield Section(_about(call, number), call.reply)


def spent(usage: Usage) -> str:
    """Say what something cost, in a line."""
    cached = f" ({usage.cached_tokens} from the cache)" if usage.cached_tokens else ""
    cost = ", price not known" if usage.cost is None else f", ${usage.cost:.6f}" if usage.cost else ""
    return (
        f"{usage.calls} calls, {usage.prompt_tokens} tokens read{cached}, "
        f"{usage.completion_tokens} written, {usage.seconds:.1f} s{cost}"
    )


class _Prompts:
    """Shows of each prompt what was not in the one before."""

    def __init__(self) -> None:
        self.number = 0
        self._before = ""

    def next(self, call: ModelCall) -> Section:
        self.number += 1
        pairs = zip(self._before, call.prompt, strict=False)
        same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        begins = call.prompt.rfind("\n", 0, same) + 1
        lines = call.prompt[begins:].split("\n")
        self._before = call.prompt
        hidden = call.prompt[:begins].count("\n") + max(0, len(lines) - _SHOWN_LINES)
        note = f", its last lines; /why {self.number} shows the {hidden} before too" if hidden else ""
        return Section(f"Call {self.number}: the prompt{note}", "\n".join(lines[-_SHOWN_LINES:]))


def _replies(left: deque[ModelCall | ToolCall], shown: _Prompts) -> Iterator[Section]:
    """Show the next calls of the model, up to the first that gave a reply."""
    while left:
        call = left.popleft()
        if isinstance(call, ToolCall):
            continue
        yield shown.next(call)
        yield Section(_about(call, shown.number), call.reply)
        if not call.error:
            return


def _is_tool(left: deque[ModelCall | ToolCall]) -> bool:
    return bool(left) and isinstance(left[0], ToolCall)


def _about(call: ModelCall, number: int) -> str:
    cached = f" ({call.cached_tokens} from the cache)" if call.cached_tokens else ""
    time = "" if call.seconds is None else f", {call.seconds:.1f} s"
    broken = f", broken off: {call.error}" if call.error else ""
    tokens = f"{call.prompt_tokens} tokens read{cached}, {call.completion_tokens} written"
    return f"Call {number}: the reply, {tokens}{time}{broken}"


def _section(step: Step, seconds: float | None) -> Section:
    """Show what a reply was taken for, or what came back."""
    match step:
        case Action(tool=tool, input=given, repairs=repairs):
            text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
            return Section(f"Read as a call of {tool}{_forgiven(repairs)}", text)
        case Observation(text=text, error=error):
            time = "" if seconds is None else f", after {seconds:.2f} s"
            return Section(f"{'What went wrong' if error else 'What came back'}{time}", text)
        case Answer(text=text, repairs=repairs):
            return Section(f"Read as the answer{_forgiven(repairs)}", text)
        case Unreadable():
            return Section("Could not be read")


def _forgiven(repairs: Sequence[str]) -> str:
    return f"; forgiven: {', '.join(repairs)}" if repairs else ""
