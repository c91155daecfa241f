"""The agent of this package, as it comes: callbacks, events, redaction, limits and approvals are on."""

from __future__ import annotations

from agent_app import Agent
from benchmarks.overhead_peers.conversation import QUESTION, Awaited, Blocking, echo
from benchmarks.overhead_peers.langchain_script import text_script


def _agent(steps: int) -> Agent:
    return Agent(text_script(steps), tools=[echo], max_steps=steps + 1).open()


def blocking(steps: int) -> Blocking:
    """Ask through `invoke`."""
    agent = _agent(steps)
    return lambda: agent.invoke(QUESTION).text


def awaited(steps: int) -> Awaited:
    """Ask through `ainvoke`."""
    agent = _agent(steps)

    async def run() -> str:
        return (await agent.ainvoke(QUESTION)).text

    return run
