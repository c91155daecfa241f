"""What a system did with one question, counted in the same way whichever system it was."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.runnables import RunnableConfig

STAND_INS = ("_Exception", "invalid_tool")
"""What the classic executor runs in place of a tool to tell the model of a format error."""


@dataclass(slots=True)
class Outcome:
    """An answer and what it cost; tokens as the model's server counts them."""

    answer: str = ""
    status: str = "failed"
    """``answered``, ``stopped`` by a limit, or ``failed`` with an exception."""
    error: str = ""
    model_calls: int = 0
    tool_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    seconds: float = 0.0
    steps: list[dict[str, Any]] = field(default_factory=list)
    """Replies of the model and results of tools, in the order they came."""


System: TypeAlias = Callable[[str], Outcome]
"""Takes a question, gives what came of it; never raises for what the question provoked."""


class Recorder(BaseCallbackHandler):
    """Writes into an outcome what LangChain reports of the models and tools below a run."""

    raise_error = True
    run_inline = True

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        """Count a call before it is made, so that a failing one counts too."""
        self.outcome.model_calls += 1

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        """Note a reply and add up its tokens."""
        generation = response.generations[0][0]
        message = generation.message if isinstance(generation, ChatGeneration) else AIMessage(generation.text)
        step: dict[str, Any] = {"model": message.text}
        if isinstance(message, AIMessage):
            step |= {"tool_calls": message.tool_calls} if message.tool_calls else {}
            step["tokens"] = self._add(message)
        self.outcome.steps.append(step)

    def on_tool_start(self, serialized: dict[str, Any], input_str: str, **_: Any) -> None:
        """Note which tool is run with what."""
        name = (serialized or {}).get("name")
        self.outcome.tool_calls += name not in STAND_INS
        self.outcome.steps.append({"tool": name, "input": input_str})

    def on_tool_end(self, output: Any, **_: Any) -> None:
        """Note what a tool returned."""
        self.outcome.steps.append({"observation": str(getattr(output, "content", output))})

    def _add(self, message: AIMessage) -> list[int]:
        usage = message.usage_metadata
        if usage is None:
            return [0, 0, 0]
        cached = usage.get("input_token_details", {}).get("cache_read") or 0
        self.outcome.prompt_tokens += usage["input_tokens"]
        self.outcome.completion_tokens += usage["output_tokens"]
        self.outcome.cached_tokens += cached
        return [usage["input_tokens"], cached, usage["output_tokens"]]


def observe(ask: Callable[[RunnableConfig], tuple[str, str]]) -> Outcome:
    """Run something under a recorder and return its outcome.

    Args:
        ask: takes the config that carries the recorder, returns the final answer and the status.
    """
    outcome = Outcome()
    begun = time.perf_counter()
    try:
        outcome.answer, outcome.status = ask({"callbacks": [Recorder(outcome)]})
    except Exception as error:  # noqa: BLE001 - a system that crashes on a question has a row like any other
        outcome.error = f"{type(error).__name__}: {error}"
    outcome.seconds = round(time.perf_counter() - begun, 2)
    return outcome
