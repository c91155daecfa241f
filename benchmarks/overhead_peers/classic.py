"""LangChain's classic `AgentExecutor`, which reads text ReAct, with the classic pirate prompt."""

from __future__ import annotations

from typing import Any

from langchain_classic.agents import AgentExecutor, create_react_agent
from langchain_core.prompts import PromptTemplate
from langchain_core.tools import tool

from benchmarks.evaluation.systems.peers import words
from benchmarks.overhead_peers.conversation import QUESTION, Awaited, Blocking, echo
from benchmarks.overhead_peers.langchain_script import text_script


def _executor(steps: int) -> Any:
    model, tools = text_script(steps), [tool(echo)]
    agent = create_react_agent(model, tools, PromptTemplate.from_template(words("classic.txt")))
    return AgentExecutor(agent=agent, tools=tools, max_iterations=steps + 1)


def blocking(steps: int) -> Blocking:
    """Ask through `invoke`."""
    executor = _executor(steps)
    return lambda: str(executor.invoke({"input": QUESTION})["output"])


def awaited(steps: int) -> Awaited:
    """Ask through `ainvoke`."""
    executor = _executor(steps)

    async def run() -> str:
        return str((await executor.ainvoke({"input": QUESTION}))["output"])

    return run
