"""Measures what an executor loop costs a step when model and tool cost next to nothing.

    python benchmarks/overhead.py --steps 8 --runs 40

Every system runs the same conversation: a tool call per step, then an answer. They take turns within a run,
so that a busy machine disturbs all of them alike; the median over the runs is printed, in ms per step.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, tool

from agent_app import Agent
from agent_app.models.scripted import ScriptedModel
from benchmarks.evaluation.systems.peers import words

ACTION = " I shall ask for the echo.\nAction: echo\nAction Input: {step}"
ANSWER = " I now know the final answer\nFinal Answer: Arr, it be done."
QUESTION = "What does the echo say?"

Run: TypeAlias = Callable[[], str]
"""Goes through one conversation and returns its answer."""


@tool
def echo(text: str) -> str:
    """Say a text again."""
    return f"You said {text}."


class NativeScript(BaseChatModel):
    """Calls `echo` natively until it has seen enough results, then answers."""

    steps: int

    @property
    def _llm_type(self) -> str:
        return "native-script"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:  # noqa: ARG002
        """Return itself: the script knows its tool."""
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        seen = sum(isinstance(message, ToolMessage) for message in messages)
        call = {"name": "echo", "args": {"text": str(seen)}, "id": str(seen)}
        reply = AIMessage("Arr, it be done.") if seen == self.steps else AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=reply)])


def script(steps: int) -> ScriptedModel:
    """Return a model that has the replies of one conversation."""
    return ScriptedModel(replies=[*(ACTION.format(step=n) for n in range(steps)), ANSWER])


def bare(steps: int) -> Run:
    """Return the least there can be: the model call and the tool call of every step, and nothing between."""
    model = script(steps)

    def run() -> str:
        for number in range(steps):
            model.invoke(QUESTION)
            echo.invoke({"text": str(number)})
        return model.invoke(QUESTION).text

    return run


def ours(steps: int) -> Run:
    """Return our agent through `invoke`."""
    agent = Agent(model=script(steps), prompt="pirate", tools=[echo], max_steps=steps + 1).open()
    return lambda: agent.invoke(QUESTION).text


def ours_async(steps: int) -> Run:
    """Return our agent through `ainvoke`, a new event loop for each conversation included."""
    agent = Agent(model=script(steps), prompt="pirate", tools=[echo], max_steps=steps + 1).open()

    async def ask() -> str:
        return (await agent.ainvoke(QUESTION)).text

    return lambda: asyncio.run(ask())


def classic(steps: int) -> Run:
    """Return the classic executor with the classic prompt."""
    from langchain_classic.agents import AgentExecutor, create_react_agent
    from langchain_core.prompts import PromptTemplate

    tools: list[BaseTool] = [echo]
    agent = create_react_agent(script(steps), tools, PromptTemplate.from_template(words("classic.txt")))
    executor = AgentExecutor(agent=agent, tools=tools, max_iterations=steps + 1)
    return lambda: str(executor.invoke({"input": QUESTION})["output"])


def native(steps: int) -> Run:
    """Return `create_agent` with native tool calls."""
    from langchain.agents import create_agent
    from langchain_core.messages import HumanMessage

    agent = create_agent(NativeScript(steps=steps), [echo], system_prompt=words("native.txt"))
    limit = 2 * steps + 2
    question = HumanMessage(QUESTION)
    return lambda: str(
        agent.invoke({"messages": [question]}, {"recursion_limit": limit})["messages"][-1].text
    )


SYSTEMS: dict[str, Callable[[int], Run]] = {
    "bare": bare,
    "ours": ours,
    "ours async": ours_async,
    "classic": classic,
    "create_agent": native,
}


def measure(steps: int, runs: int) -> dict[str, float]:
    """Return each system's median time per step, in milliseconds.

    Raises:
        RuntimeError: a system came to another answer than the script's last.
    """
    times: dict[str, list[float]] = {name: [] for name in SYSTEMS}
    for number in range(runs + 2):
        for name, make in SYSTEMS.items():
            run = make(steps)
            gc.collect()
            begun = time.perf_counter()
            answer = run()
            taken = time.perf_counter() - begun
            if not answer.endswith("Arr, it be done."):
                raise RuntimeError(f"{name} answered {answer!r}")
            if number >= 2:  # the first two warm up imports and caches
                times[name].append(taken * 1000 / steps)
    return {name: statistics.median(taken) for name, taken in times.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the medians and what they are in multiples of the bare calls and of ours."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=8, help="tool calls in a conversation")
    parser.add_argument("--runs", type=int, default=40, help="conversations per system")
    options = parser.parse_args(arguments)
    medians = measure(options.steps, options.runs)
    print(f"{'':14}{'ms a step':>10}{'x bare':>10}{'x ours':>10}")
    for name, median in medians.items():
        print(f"{name:14}{median:10.2f}{median / medians['bare']:10.2f}{median / medians['ours']:10.2f}")


if __name__ == "__main__":
    main()
