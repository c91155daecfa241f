"""An agent as a tool of another one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from pydantic import BaseModel, Field

from agent_app.errors import QuestionError
from agent_app.steps import Result


def tool_of(agent: Runnable[Any, Result], args_schema: Any, *, name: str, description: str) -> BaseTool:
    """Return a tool that hands its input to an agent and gives the text of its answer.

    Args:
        agent: who answers.
        args_schema: a Pydantic model of the tool's arguments, ``input`` among them; None: that alone.
        name: the tool's.
        description: what a model reads of it.
    """

    # LangChain hands a tool the config of its caller; the tool's own one, which makes the agent's run a
    # child of the tool's, is in the context.
    def ask(input: str, **values: Any) -> str:  # noqa: A002 - LangChain gives a lone text by position
        with _question_of_a_model():
            return _told(agent.invoke({"input": input, **values}))

    async def aask(input: str, **values: Any) -> str:  # noqa: A002
        with _question_of_a_model():
            return _told(await agent.ainvoke({"input": input, **values}))

    return StructuredTool.from_function(
        ask,
        coroutine=aask,
        name=name,
        description=description,
        args_schema=args_schema or _Asked,
    )


class _Asked(BaseModel):
    """What the tool that an agent becomes is given."""

    input: str = Field(description="the question")


@contextlib.contextmanager
def _question_of_a_model() -> Iterator[None]:
    """Let another agent read what is wrong with its question.

    Raises:
        ToolException: something is.
    """
    try:
        yield
    except QuestionError as error:
        raise ToolException(str(error)) from error


def _told(result: Result) -> str:
    """Return what another agent should read of a result.

    Raises:
        ToolException: there is no answer.
    """
    if not result.text:
        raise ToolException(f"no answer was found: stopped by the limit of {result.stopped_by}")
    return result.text
