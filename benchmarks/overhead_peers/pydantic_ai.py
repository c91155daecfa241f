"""`Agent` of Pydantic AI."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import Model

from benchmarks.overhead_peers.conversation import (
    ANSWER,
    PERSONA,
    QUESTION,
    THOUGHT,
    Awaited,
    Blocking,
    echo,
    inputs,
)


class Script(Model[Any]):
    """Gives one response after the other."""

    def __init__(self, replies: Iterator[ModelResponse]) -> None:
        super().__init__()
        self._replies = replies

    @property
    def model_name(self) -> str:
        """A name."""
        return "script"

    @property
    def system(self) -> str:
        """Who provides it."""
        return "script"

    async def request(self, *_: Any, **__: Any) -> ModelResponse:
        """Return the next response."""
        return next(self._replies)


def _agent(steps: int) -> Agent[None, str]:
    calls = [
        ModelResponse([TextPart(THOUGHT), ToolCallPart("echo", {"text": text}, f"c{text}")])
        for text in inputs(steps)
    ]
    model = Script(cycle([*calls, ModelResponse([TextPart(ANSWER)])]))
    return Agent(model, instructions=PERSONA, tools=[echo])


def blocking(steps: int) -> Blocking:
    """Ask through `run_sync`."""
    agent = _agent(steps)
    return lambda: agent.run_sync(QUESTION).output


def awaited(steps: int) -> Awaited:
    """Ask through `run`."""
    agent = _agent(steps)

    async def run() -> str:
        return (await agent.run(QUESTION)).output

    return run
