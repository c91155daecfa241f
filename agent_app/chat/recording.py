"""Listens to a run through LangChain's callbacks, for `/why` and for the times that are shown."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from agent_app.chat.calls import ModelCall, ToolCall

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import LLMResult


class Recorder(BaseCallbackHandler):
    """Writes down each call of a run, in the order in which they began.

    What it hears has passed the agent's redactor, prompts excepted: those are made of what had passed it.
    """

    run_inline = True

    def __init__(self) -> None:
        self.calls: list[ModelCall | ToolCall] = []
        self._agent: UUID | None = None
        self._tool: ToolCall | None = None
        self._open: dict[UUID, tuple[ModelCall | ToolCall, float]] = {}

    def take_tool(self) -> ToolCall | None:
        """Return the tool that was called since this was asked last; None where none was."""
        tool, self._tool = self._tool, None
        return tool

    def on_chain_start(
        self,
        serialized: Mapping[str, Any] | None,  # noqa: ARG002 - this and others are LangChain's
        inputs: Any,  # noqa: ARG002
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **_: Any,
    ) -> None:
        """Note which run is the agent's: the outermost one."""
        if parent_run_id is None:
            self._agent = run_id

    def on_chat_model_start(
        self,
        serialized: Mapping[str, Any] | None,  # noqa: ARG002
        messages: Sequence[Sequence[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **_: Any,
    ) -> None:
        """Begin a call of the model."""
        self._begin(run_id, parent_run_id, ModelCall("".join(message.text for message in messages[0])))

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """End a call of the model, with its reply and tokens."""
        self._take(response, run_id)
        self._end(run_id)

    def on_llm_error(
        self, error: BaseException, *, run_id: UUID, response: LLMResult | None = None, **_: Any
    ) -> None:
        """End a call of the model that was broken off, by an error or because enough was read."""
        if response is not None:
            self._take(response, run_id)
        call = self._end(run_id)
        if isinstance(call, ModelCall) and not isinstance(error, GeneratorExit):
            call.error = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

    def on_tool_start(
        self,
        serialized: Mapping[str, Any] | None,
        input_str: str,  # noqa: ARG002
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **_: Any,
    ) -> None:
        """Begin a call of a tool."""
        tool = ToolCall((serialized or {}).get("name") or "tool")
        if self._begin(run_id, parent_run_id, tool):
            self._tool = tool

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:  # noqa: ARG002
        """End a call of a tool."""
        self._end(run_id)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:  # noqa: ARG002
        """End a call of a tool that failed."""
        self._end(run_id)

    def _begin(self, run_id: UUID, parent: UUID | None, call: ModelCall | ToolCall) -> bool:
        """Write a call down, if it is the agent's own and not one within a tool."""
        if parent != self._agent:
            return False
        self.calls.append(call)
        self._open[run_id] = call, time.monotonic()
        return True

    def _take(self, response: LLMResult, run_id: UUID) -> None:
        call, _ = self._open.get(run_id, (None, 0.0))
        message = getattr(response.generations[0][0], "message", None) if _has_reply(response) else None
        if not isinstance(call, ModelCall) or message is None:
            return
        usage = message.usage_metadata or {}
        call.reply = message.text
        call.prompt_tokens = usage.get("input_tokens", 0)
        call.completion_tokens = usage.get("output_tokens", 0)
        call.cached_tokens = usage.get("input_token_details", {}).get("cache_read", 0)

    def _end(self, run_id: UUID) -> ModelCall | ToolCall | None:
        call, began = self._open.pop(run_id, (None, 0.0))
        if call is not None:
            call.seconds = round(time.monotonic() - began, 4)
        return call


def _has_reply(response: LLMResult) -> bool:
    return bool(response.generations and response.generations[0])
