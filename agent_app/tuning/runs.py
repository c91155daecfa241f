"""Whole runs of an agent on rows: the real loop, with time taken, and tools that give what was recorded."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from agent_app import places
from agent_app.steps import Action, Observation, Result
from agent_app.toolbox import load_tools
from agent_app.tuning.data.recording import TOOLS
from agent_app.tuning.data.rows import Row
from agent_app.tuning.same import holds, same_input
from agent_app.tuning.shares import Share
from agent_app.tuning.voice import pirate

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

    from agent_app.agent import Agent


@dataclass(frozen=True, slots=True)
class Asked:
    """A row, and what an agent made of its question."""

    row: Row
    result: Result
    seconds: float


@dataclass(frozen=True, slots=True)
class Runs:
    """What came of asking an agent the questions of some rows."""

    asked: tuple[Asked, ...]

    @property
    def right(self) -> Share:
        """How many answers hold what they must; where nothing is known of that, an answer is right."""
        return self._share(_right)

    @property
    def voice(self) -> Share:
        """How many answers a pirate gave."""
        return self._share(lambda a: pirate(a.result.text))

    @property
    def seconds(self) -> float:
        """The median time of a question."""
        return statistics.median(asked.seconds for asked in self.asked)

    @property
    def seconds_of_one_call(self) -> float | None:
        """The median time of a question that took one call of a tool; None if none did."""
        times = [a.seconds for a in self.asked if sum(isinstance(s, Action) for s in a.result.steps) == 1]
        return statistics.median(times) if times else None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "questions": len(self.asked),
            "right": self.right.to_dict(),
            "voice": self.voice.to_dict(),
            "seconds": round(self.seconds, 3),
            "seconds_of_one_call": self.seconds_of_one_call and round(self.seconds_of_one_call, 3),
            "prompt_tokens": statistics.mean(a.result.usage.prompt_tokens for a in self.asked),
            "read_tokens": statistics.mean(
                a.result.usage.prompt_tokens - a.result.usage.cached_tokens for a in self.asked
            ),
            "completion_tokens": statistics.mean(a.result.usage.completion_tokens for a in self.asked),
        }

    def _share(self, right: Callable[[Asked], bool]) -> Share:
        return Share(sum(map(right, self.asked)), len(self.asked))


def _right(asked: Asked) -> bool:
    return bool(asked.result.text) and all(holds(asked.result.text, value) for value in asked.row.values)


def ask(rows: Iterable[Row], agent: Agent, tools: RecordedTools, tell: Callable[[Asked], None]) -> Runs:
    """Ask an agent the question of each row, from the beginning to the answer.

    Args:
        rows: the rows.
        agent: the agent; its tools are those of `tools`.
        tools: give what the rows recorded.
        tell: is told what came of each question as soon as it is there.

    Raises:
        AgentAppError: the agent could not run.
    """
    asked = []
    agent.open()
    for row in rows:
        tools.row = row
        began = time.perf_counter()
        result = agent.invoke(row.question, history=row.turns)
        asked.append(Asked(row, result, time.perf_counter() - began))
        tell(asked[-1])
    return Runs(tuple(asked))


@dataclass
class RecordedTools:
    """The built-in tools, which give what a row recorded of a call; other calls are really made.

    Except for the web search: what the row did not record is not found.
    """

    names: Sequence[str] = TOOLS
    row: Row | None = None
    """Whose question is being asked."""
    tools: list[BaseTool] = field(init=False)

    def __post_init__(self) -> None:
        self.tools = [self._recorded(tool) for tool in load_tools(self.names, [places.builtin("tools")])]

    def _recorded(self, tool: Any) -> BaseTool:
        from langchain_core.tools import ToolException

        really = tool.func

        def run(**arguments: str) -> str:
            (given,) = arguments.values()
            observation = self._recall(tool.name, given)
            if observation is None and tool.name == "web_search":
                observation = Observation(
                    f"web_search got no results for {given!r}; try other words", error=True
                )
            if observation is None:
                return str(really(**arguments))
            if observation.error:
                raise ToolException(observation.text)
            return observation.text

        copy: BaseTool = tool.model_copy(update={"func": run})
        return copy

    def _recall(self, tool: str, given: str) -> Observation | None:
        assert self.row is not None
        for action, observation in pairwise(self.row.steps):
            if not (isinstance(action, Action) and isinstance(observation, Observation)):
                continue
            accepts = self.row.accepts if action is self.row.actions[0] else ()
            if action.tool == tool and any(same_input(tool, given, i) for i in (action.input, *accepts)):
                return observation
        return None
