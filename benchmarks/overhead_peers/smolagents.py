"""`ToolCallingAgent` of smolagents, which is silent here; it has no asynchronous way."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

from smolagents import LogLevel, TokenUsage, ToolCallingAgent, tool
from smolagents.models import (
    ChatMessage,
    ChatMessageToolCall,
    ChatMessageToolCallFunction,
    MessageRole,
    Model,
)

from benchmarks.overhead_peers.conversation import ANSWER, QUESTION, THOUGHT, Blocking, echo, inputs


class Script(Model):
    """Gives one message after the other."""

    def __init__(self, replies: Iterator[ChatMessage]) -> None:
        super().__init__(model_id="script")
        self._replies = replies

    def generate(self, messages: Any, *_: Any, **__: Any) -> ChatMessage:  # noqa: ARG002
        """Return the next message."""
        return next(self._replies)


def _call(name: str, arguments: dict[str, str], number: int) -> ChatMessage:
    function = ChatMessageToolCallFunction(arguments=arguments, name=name)
    return ChatMessage(
        role=MessageRole.ASSISTANT,
        content=THOUGHT,
        tool_calls=[ChatMessageToolCall(function=function, id=str(number), type="function")],
        token_usage=TokenUsage(input_tokens=1, output_tokens=1),
    )


def blocking(steps: int) -> Blocking:
    """Ask through `run`; the answer is a call of the tool that smolagents has for it."""
    replies = [_call("echo", {"text": text}, number) for number, text in enumerate(inputs(steps))]
    model = Script(cycle([*replies, _call("final_answer", {"answer": ANSWER}, steps)]))
    agent = ToolCallingAgent(
        tools=[tool(echo)], model=model, max_steps=steps + 1, verbosity_level=LogLevel.OFF
    )
    return lambda: str(agent.run(QUESTION))
