"""A chat model that calls tools, made of one that only writes text."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool
from langgraph.constants import TAG_NOSTREAM
from pydantic import PrivateAttr

from agent_app.errors import SettingError
from agent_app.middleware.conversation import NOTES, read_conversation
from agent_app.middleware.dialogue import Dialogue, Ledger
from agent_app.middleware.offer import Offer, chosen
from agent_app.models import chat_model_in, name_of, traits_of
from agent_app.planning import window_of

# What the text model writes is not yet a message of the conversation: `stream_mode="messages"` shows what
# this model makes of it. Callbacks come from the surrounding run, so tracers see each call of the text model.
_UNSEEN: RunnableConfig = {"tags": [TAG_NOSTREAM]}


class ReActChatModel(BaseChatModel):
    """Shows a text model the prompt instead of messages and tools, and reads its reply.

    One object serves one reply of the agent. The tokens are not reported by this model but by the text
    model, each call once, so that no tracer counts them twice; `annotate` puts their sum into the message.
    """

    text_model: Any
    """A chat model, bare or with something bound to it: a `ChatModel`, which Pydantic cannot check."""
    offer_of: Callable[[tuple[BaseTool, ...]], Offer]
    values: Mapping[str, Any]
    max_format_errors: int
    known: frozenset[str] = frozenset()
    """The names of the loop's tools; others that are bound stand for an answer."""
    tools: tuple[BaseTool, ...] = ()
    must_call: bool = False
    cache: Any = False  # the text model has its own; here it would hold tool calls of an earlier run
    _ledger: Ledger = PrivateAttr(default_factory=Ledger)
    _notes: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "react"

    def __repr_args__(self) -> Any:
        # Each run of a model begins with writing it down for tracers, so that has to be short.
        return [("text_model", name_of(self.text_model))]

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the same model with tools on offer.

        Raises:
            SettingError: a tool is not of LangChain, the choice is unknown, or the provider itself is
                asked for structured output.
        """
        if "response_format" in kwargs:
            raise SettingError(
                "a model that only writes text has no structured output of its own; "
                "give create_agent response_format=ToolStrategy(...)"
            )
        offered, must_call = chosen(tools, tool_choice)
        # A copy shares ledger and notes with this one.
        return self.model_copy(update={"tools": offered, "must_call": must_call}).bind(**kwargs)

    def annotate(self, message: BaseMessage) -> None:
        """Put into a message what it took, and what was thought and written to come to it."""
        if isinstance(message, AIMessage):
            message.usage_metadata = self._ledger.usage
            if self._notes:
                message.additional_kwargs[NOTES] = dict(self._notes)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        dialogue = self._dialogue(messages, stop, kwargs)
        for call in dialogue.calls():
            call.read(self.text_model.invoke(call.messages, _UNSEEN, **call.options))
        return ChatResult(generations=[ChatGeneration(message=self._said(dialogue))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        dialogue = self._dialogue(messages, stop, kwargs)
        for call in dialogue.calls():
            call.read(await self.text_model.ainvoke(call.messages, _UNSEEN, **call.options))
        return ChatResult(generations=[ChatGeneration(message=self._said(dialogue))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        dialogue = self._dialogue(messages, stop, kwargs)
        shown = ""
        for call in dialogue.calls():
            said = cast(Any, self.text_model.stream(call.messages, _UNSEEN, **call.options))
            with closing(said) as parts:
                for part in parts:
                    if (text := call.read(part)) and not self.must_call:
                        shown += text
                        yield _chunk(text)
                    if call.done:
                        break
        yield _rest(self._said(dialogue), shown)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        dialogue = self._dialogue(messages, stop, kwargs)
        shown = ""
        for call in dialogue.calls():
            said = cast(Any, self.text_model.astream(call.messages, _UNSEEN, **call.options))
            async with aclosing(said) as parts:
                async for part in parts:
                    if (text := call.read(part)) and not self.must_call:
                        shown += text
                        yield _chunk(text)
                    if call.done:
                        break
        yield _rest(self._said(dialogue), shown)

    def _dialogue(
        self, messages: list[BaseMessage], stop: list[str] | None, options: Mapping[str, Any]
    ) -> Dialogue:
        self._notes.clear()
        offer = self.offer_of(self.tools)
        return Dialogue(
            offer=offer,
            conversation=read_conversation(messages, offer.schemas),
            traits=traits_of(chat_model_in(self.text_model)),
            window=window_of(chat_model_in(self.text_model)),
            model_name=name_of(self.text_model),
            ledger=self._ledger,
            options={**options, "stop": stop} if stop else options,
            values=self.values,
            must_call=self.must_call,
            forms=tuple(tool.name for tool in self.tools if tool.name not in self.known),
            max_format_errors=self.max_format_errors,
        )

    def _said(self, dialogue: Dialogue) -> AIMessage:
        self._notes.update(dialogue.notes)
        return dialogue.message()


def _chunk(text: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text))


def _rest(message: AIMessage, shown: str) -> ChatGenerationChunk:
    """Return as the last part of a stream all of a message that was not shown yet."""
    calls = [
        tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=0)
        for call in message.tool_calls
    ]
    return ChatGenerationChunk(
        message=AIMessageChunk(
            content=message.text[len(shown) :],
            tool_call_chunks=calls,
            response_metadata=message.response_metadata,
            chunk_position="last",
        )
    )
