"""`create_agent` of LangChain, on LangGraph, with native tool calls."""

from __future__ import annotations

from typing import Any

from langchain.agents import create_agent
from langchain_core.tools import tool

from benchmarks.overhead_peers.conversation import PERSONA, QUESTION, Awaited, Blocking, echo
from benchmarks.overhead_peers.langchain_script import native_script


def _agent(steps: int) -> Any:
    agent = create_agent(native_script(steps), [tool(echo)], system_prompt=PERSONA)
    return agent.with_config(recursion_limit=2 * steps + 2)


def blocking(steps: int) -> Blocking:
    """Ask through `invoke`."""
    agent = _agent(steps)
    return lambda: str(agent.invoke({"messages": [("user", QUESTION)]})["messages"][-1].text)


def awaited(steps: int) -> Awaited:
    """Ask through `ainvoke`."""
    agent = _agent(steps)

    async def run() -> str:
        return str((await agent.ainvoke({"messages": [("user", QUESTION)]}))["messages"][-1].text)

    return run
