"""The scripted model of all systems that stand on LangChain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable

from benchmarks.overhead_peers.conversation import ANSWER, THOUGHT, inputs

_USAGE = UsageMetadata(input_tokens=1, output_tokens=1, total_tokens=2)


class Script(BaseChatModel):
    """Gives one reply after the other; `ainvoke` uses no thread."""

    model: str = "script"
    replies: Iterator[ChatResult]

    @property
    def _llm_type(self) -> str:
        return "script"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:  # noqa: ARG002
        """Return itself: the script knows its tool."""
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:  # noqa: ARG002
        return next(self.replies)

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:  # noqa: ARG002
        return next(self.replies)


def text_script(steps: int) -> Script:
    """Return a model that writes text ReAct, one conversation after the other."""
    calls = [f" {THOUGHT}\nAction: echo\nAction Input: {text}" for text in inputs(steps)]
    texts = [*calls, f" I now know the final answer\nFinal Answer: {ANSWER}"]
    return _script([AIMessage(text, usage_metadata=_USAGE) for text in texts])


def native_script(steps: int) -> Script:
    """Return a model that calls its tool natively, one conversation after the other."""
    calls = [[{"name": "echo", "args": {"text": text}, "id": text}] for text in inputs(steps)]
    actions = [AIMessage(THOUGHT, tool_calls=call, usage_metadata=_USAGE) for call in calls]
    return _script([*actions, AIMessage(ANSWER, usage_metadata=_USAGE)])


def _script(messages: list[AIMessage]) -> Script:
    replies = [ChatResult(generations=[ChatGeneration(message=message)]) for message in messages]
    return Script.model_construct(replies=cycle(replies))  # Pydantic would wrap the iterator
