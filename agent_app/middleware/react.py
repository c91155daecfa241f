"""The middleware that makes LangChain's agent work with a model that only writes text."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from langchain.agents.middleware import (
    AgentMiddleware,
    AgentState,
    ModelRequest,
    ModelResponse,
    ToolCallRequest,
)
from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, ToolException
from langgraph.types import Command

from agent_app.errors import SettingError
from agent_app.middleware.model import ReActChatModel
from agent_app.middleware.offer import Offer
from agent_app.prompt import Prompt, library_folders, load_prompt


class ReActMiddleware(AgentMiddleware[AgentState[Any], Any, Any]):
    """Makes `create_agent` work with any chat model that writes text, whether it can call tools or not.

    The model reads the prompt file, with tools, question and steps in it, and writes Thought, Action and
    Final Answer; LangChain's loop sees tool calls and answers. A system prompt goes before the prompt.
    A reply that cannot be read is answered with the reason, and the model asked again, within the same
    model call of the loop. What a tool announces with `ToolException` is told to the model as well; any
    other exception goes to the middleware around this one. Passages are read as the prompt says: a model
    that goes on writing and obeys grammars is asked about them in a conversation of its own, unless it has
    to call a tool or to fill in a form.

    Put this middleware last in the list: one that changes the model, such as a fallback, has to come
    before it. How often tools and model may be called is for LangChain's own limits to say.

    All messages are plain ones, which every checkpointer stores. An `AIMessage` holds in
    ``additional_kwargs["react"]`` the thought, the raw reply, what the parser forgave, what the context
    window had no room for and the failed attempts before it, in ``response_metadata["prompt"]`` the
    prompt's name, version and hash, and in ``usage_metadata`` the tokens of all calls that it took.

    Args:
        prompt: a prompt's name, the path of a prompt file, or a `Prompt`.
        values: a value for each of the prompt's own inputs that has no default.
        max_format_errors: how many unreadable replies there may be for one reply of the agent; then the
            run ends with `LimitReached`, whose result holds them, so that a retry or a fallback
            around it can act.

    Raises:
        SettingError: `max_format_errors` is less than 1.
    """

    def __init__(
        self,
        prompt: str | Path | Prompt = "pirate",
        *,
        values: Mapping[str, Any] | None = None,
        max_format_errors: int = 3,
    ) -> None:
        super().__init__()
        if max_format_errors < 1:
            raise SettingError(f"max_format_errors must be 1 or more, not {max_format_errors}")
        self._given = prompt
        self._values = dict(values or {})
        self._max_format_errors = max_format_errors
        self._latest: Offer | None = None

    @cached_property
    def prompt(self) -> Prompt:
        """The prompt; loaded when first asked for.

        Raises:
            UserError: it cannot be had; says why.
        """
        given = self._given
        return given if isinstance(given, Prompt) else load_prompt(given, folders=library_folders())

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Put text ReAct around the model of a request; LangChain calls this."""
        model = self._around(request)
        return _annotated(handler(request.override(model=model)), model)

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Do what `wrap_model_call` does, without holding up the event loop."""
        model = self._around(request)
        return _annotated(await handler(request.override(model=model)), model)

    def wrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]],
    ) -> ToolMessage | Command[Any]:
        """Tell the model what a tool complains of; LangChain calls this."""
        try:
            return handler(request)
        except ToolException as error:
            return _complaint(request, error)

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        """Do what `wrap_tool_call` does, without holding up the event loop."""
        try:
            return await handler(request)
        except ToolException as error:
            return _complaint(request, error)

    def _around(self, request: ModelRequest[Any]) -> ReActChatModel:
        return ReActChatModel(
            text_model=request.model,
            known=frozenset(tool.name for tool in request.tools if isinstance(tool, BaseTool)),
            offer_of=self._offer,
            values=self._values,
            max_format_errors=self._max_format_errors,
        )

    def _offer(self, tools: tuple[BaseTool, ...]) -> Offer:
        """Return what is made of the prompt and these tools; nearly always the same as the last time."""
        latest = self._latest
        if latest is None or not latest.holds(tools):
            self._latest = latest = Offer(self.prompt, tools)
        return latest


def _annotated(response: ModelResponse[Any], model: ReActChatModel) -> ModelResponse[Any]:
    model.annotate(response.result[0])
    return response


def _complaint(request: ToolCallRequest, error: ToolException) -> ToolMessage:
    call = request.tool_call
    text = str(error) or f"{call['name']} failed without saying why"
    return ToolMessage(text, tool_call_id=call["id"], name=call["name"], status="error")
