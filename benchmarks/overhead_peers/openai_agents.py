"""`Runner` of the OpenAI Agents SDK, with its tracing switched off."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

from agents import Agent, Model, ModelResponse, RunConfig, Runner, Usage, function_tool
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

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


class Script(Model):
    """Gives one response after the other."""

    def __init__(self, replies: Iterator[ModelResponse]) -> None:
        self._replies = replies

    async def get_response(self, *_: Any, **__: Any) -> ModelResponse:
        """Return the next response."""
        return next(self._replies)

    def stream_response(self, *_: Any, **__: Any) -> Any:
        """Refuse: nothing is streamed here."""
        raise NotImplementedError


def _say(text: str, number: int) -> ResponseOutputMessage:
    content = ResponseOutputText(annotations=[], text=text, type="output_text")
    return ResponseOutputMessage(
        id=f"m{number}", content=[content], role="assistant", status="completed", type="message"
    )


def _call(text: str) -> ResponseFunctionToolCall:
    arguments = f'{{"text": "{text}"}}'
    return ResponseFunctionToolCall(
        arguments=arguments, call_id=f"c{text}", name="echo", type="function_call"
    )


def _asked(steps: int) -> tuple[Agent[Any], str, dict[str, Any]]:
    """Return what both ways of running take: the agent, the question and the options."""
    outputs: list[list[Any]] = [
        [_say(THOUGHT, number), _call(text)] for number, text in enumerate(inputs(steps))
    ]
    outputs.append([_say(ANSWER, steps)])
    replies = [ModelResponse(output=output, usage=Usage(), response_id=None) for output in outputs]
    agent = Agent(
        name="pirate", instructions=PERSONA, model=Script(cycle(replies)), tools=[function_tool(echo)]
    )
    options = {"max_turns": steps + 1, "run_config": RunConfig(tracing_disabled=True)}
    return agent, QUESTION, options


def blocking(steps: int) -> Blocking:
    """Ask through `Runner.run_sync`."""
    agent, question, options = _asked(steps)
    return lambda: str(Runner.run_sync(agent, question, **options).final_output)


def awaited(steps: int) -> Awaited:
    """Ask through `Runner.run`."""
    agent, question, options = _asked(steps)

    async def run() -> str:
        return str((await Runner.run(agent, question, **options)).final_output)

    return run
