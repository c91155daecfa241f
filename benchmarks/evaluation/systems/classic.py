"""The classic ReAct agent of langchain_classic with the classic pirate prompt."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool

from benchmarks.evaluation.outcome import System, observe
from benchmarks.evaluation.systems.peers import forgiving, words


def load(model: BaseChatModel, tools: Sequence[BaseTool], *, max_steps: int) -> System:
    """Return `AgentExecutor` over `create_react_agent`, with the prompt of `classic.txt`."""
    from langchain_classic.agents import AgentExecutor, create_react_agent
    from langchain_core.prompts import PromptTemplate

    given = forgiving(tools)
    agent = create_react_agent(model, given, PromptTemplate.from_template(words("classic.txt")))
    executor = AgentExecutor(agent=agent, tools=given, handle_parsing_errors=True, max_iterations=max_steps)

    def ask(question: str, config: RunnableConfig) -> tuple[str, str]:
        answer = executor.invoke({"input": question}, config)["output"]
        return answer, "stopped" if answer.startswith("Agent stopped due to") else "answered"

    return lambda question: observe(lambda config: ask(question, config))
