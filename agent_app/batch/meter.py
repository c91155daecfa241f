"""Listens to the calls of a model and tells the pace of them; a LangChain callback handler."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from agent_app.batch.pace import Pace
from agent_app.errors import EndpointBusy
from agent_app.models import explain


class Meter(AsyncCallbackHandler):
    """Lets each call wait for its turn, and tells the pace how long it took or that it was refused."""

    raise_error = True
    run_inline = True  # in the task of the call, as a task of its own costs more than what is done here
    ignore_chain = ignore_agent = ignore_retriever = ignore_retry = ignore_custom_event = True

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._began: dict[UUID, float] = {}

    async def on_chat_model_start(
        self,
        serialized: dict[str, Any],  # noqa: ARG002
        messages: list[list[BaseMessage]],  # noqa: ARG002
        *,
        run_id: UUID,
        **_: Any,
    ) -> None:
        """Wait for the call's turn."""
        await self._pace.turn()
        self._began[run_id] = time.monotonic()

    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        """Tell how long the call took."""
        began = self._began.pop(run_id, None)
        if began is not None:
            self._pace.answered(time.monotonic() - began, _tokens(response))

    async def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """Tell of a server that is asked too often."""
        began = self._began.pop(run_id, None)
        why = explain(error) if isinstance(error, Exception) else None
        if began is not None and isinstance(why, EndpointBusy):
            self._pace.refused(began, why.retry_after)


def _tokens(response: LLMResult) -> int:
    """Return how many tokens a call read and wrote; 0 where its server does not say."""
    total = 0
    for generation in response.generations[0]:
        usage = (
            getattr(generation.message, "usage_metadata", None)
            if isinstance(generation, ChatGeneration)
            else None
        )
        total += usage["total_tokens"] if usage else 0
    return total
