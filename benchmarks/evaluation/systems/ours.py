"""The project's own agent."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool

from benchmarks.evaluation.outcome import System, observe


def load(model: BaseChatModel, tools: Sequence[BaseTool], *, max_steps: int, prompt: str) -> System:
    """Return our agent with a prompt of the library or a prompt file."""
    from agent_app import Agent

    agent = Agent(model=model, prompt=prompt, tools=tools, max_steps=max_steps)

    def ask(question: str, config: RunnableConfig) -> tuple[str, str]:
        result = agent.invoke(question, config)
        return result.text, "stopped" if result.stopped_by else "answered"

    return lambda question: observe(lambda config: ask(question, config))
