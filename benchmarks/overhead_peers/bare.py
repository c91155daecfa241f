"""LangChain with no loop at all: the model call and the tool call of each step, and nothing between."""

from __future__ import annotations

from langchain_core.tools import tool

from benchmarks.overhead_peers.conversation import QUESTION, Awaited, Blocking, echo, inputs
from benchmarks.overhead_peers.langchain_script import text_script

tool_of_echo = tool(echo)


def blocking(steps: int) -> Blocking:
    """Call both through `invoke`."""
    model = text_script(steps)

    def run() -> str:
        for text in inputs(steps):
            model.invoke(QUESTION)
            tool_of_echo.invoke({"text": text})
        return model.invoke(QUESTION).text

    return run


def awaited(steps: int) -> Awaited:
    """Call both through `ainvoke`, which takes a thread for a tool that is a plain function."""
    model = text_script(steps)

    async def run() -> str:
        for text in inputs(steps):
            await model.ainvoke(QUESTION)
            await tool_of_echo.ainvoke({"text": text})
        return (await model.ainvoke(QUESTION)).text

    return run
