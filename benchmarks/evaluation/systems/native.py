"""`create_agent` of langchain 1.x with native tool calls and a pirate for a system prompt."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool

from benchmarks.evaluation.outcome import System, observe
from benchmarks.evaluation.systems.peers import forgiving, words


def load(model: BaseChatModel, tools: Sequence[BaseTool], *, max_steps: int) -> System:
    """Return `create_agent`, with the system prompt of `native.txt`."""
    from langchain.agents import create_agent
    from langchain_core.messages import HumanMessage
    from langgraph.errors import GraphRecursionError

    agent = create_agent(model, forgiving(tools), system_prompt=words("native.txt"))

    def ask(question: str, config: RunnableConfig) -> tuple[str, str]:
        # A round is two nodes of the graph, the model and its tools; the last model call answers.
        limits: RunnableConfig = {**config, "recursion_limit": 2 * max_steps + 1}
        try:
            state = agent.invoke({"messages": [HumanMessage(question)]}, limits)
        except GraphRecursionError:
            return "", "stopped"
        return state["messages"][-1].text, "answered"

    return lambda question: observe(lambda config: ask(question, config))
