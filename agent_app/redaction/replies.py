"""Secrets are taken out of LangChain's messages, of whole replies and of those that come in chunks."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from agent_app.redaction.redactor import RedactingStream, Redactor

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

_FIELDS = (
    "content",
    "additional_kwargs",
    "response_metadata",
    "tool_calls",
    "invalid_tool_calls",
    "tool_call_chunks",
    "artifact",
)
_LOGPROBS = "logprobs"
_CALLS = "tool_call_chunks"
_GOING_ON = ("content", "additional_kwargs", _CALLS)
"""The fields of a chunk whose texts may go on in the next one."""
_WHOLE = ("id", "index", "type", "name", "call_id", "role", "status")
"""What no chunk has a part of."""


class _Item(NamedTuple):
    """An item of a list that goes on in later chunks, as LangChain knows it again."""

    number: int | str
    id: str | None

    @property
    def fields(self) -> dict[str, Any]:
        """What it is known by."""
        return {"index": self.number, **({"id": self.id} if self.id else {})}


_Path: TypeAlias = tuple[Any, ...]
"""Where in a message a text stands: the keys, and an `_Item` for each list."""


def redacted_message(message: BaseMessage, redactor: Redactor) -> BaseMessage:
    """Return a message without secrets; it is the same one if there are none."""
    values = vars(message)
    held = {name: values[name] for name in _FIELDS if values.get(name)}
    safe = {name: redactor.data(value) for name, value in held.items()}
    if safe == held:
        return message
    return message.model_copy(update={**safe, "response_metadata": _unspelt(safe.get("response_metadata"))})


def redacted_reply(reply: ChatResult, redactor: Redactor) -> ChatResult:
    """Return a whole reply without secrets; it is the same one if there are none."""
    generations = [_redacted_generation(one, redactor) for one in reply.generations]
    told = redactor.data(reply.llm_output)
    if told == reply.llm_output and all(map(operator.is_, generations, reply.generations)):
        return reply
    return reply.model_copy(update={"generations": generations, "llm_output": told})


def _redacted_generation(generation: ChatGeneration, redactor: Redactor) -> ChatGeneration:
    message = redacted_message(generation.message, redactor)
    info = redactor.data(generation.generation_info)
    if message is generation.message and info == generation.generation_info:
        return generation
    from langchain_core.outputs import ChatGeneration

    changed = message is not generation.message
    return ChatGeneration(message=message, generation_info=_unspelt(info) if changed else info)


def _unspelt(facts: Mapping[str, Any] | None) -> dict[str, Any]:
    """Leave out the tokens that a reply was made of, which spell the secrets that are no longer in it."""
    return {name: fact for name, fact in (facts or {}).items() if name != _LOGPROBS}


class RedactedChunks:
    """Redacts the chunks of one reply; put together, they are what `redacted_message` gives for the whole.

    Each text that goes on from chunk to chunk is redacted as a stream of its own, so that it does not
    matter where it is cut: the content, the thoughts beside it, the arguments of each call of a tool.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._streams: dict[_Path, RedactingStream] = {}
        self._ids: dict[_Path, str] = {}

    def take(self, chunk: ChatGenerationChunk) -> ChatGenerationChunk:
        """Return what is certain of a chunk and of what was held back before it."""
        from langchain_core.outputs import ChatGenerationChunk

        message = chunk.message
        values = vars(message)
        held = {name: values[name] for name in _GOING_ON if values.get(name)}
        safe = {name: self._fed(value, (name,)) for name, value in held.items()}
        facts = message.response_metadata, chunk.generation_info
        told, info = (self._redactor.data(one) if one else one for one in facts)
        if safe != held:
            told, info = _unspelt(told), _unspelt(info)
        if safe.get(_CALLS) != held.get(_CALLS):
            # Made anew, so that the calls which LangChain reads in these pieces are read in what is safe.
            calls: dict[str, Any] = {"tool_calls": [], "invalid_tool_calls": []}
            fields = {**values, **(message.model_extra or {}), **calls, **safe, "response_metadata": told}
            return ChatGenerationChunk(message=type(message)(**fields), generation_info=info)
        message = message.model_copy(update={**safe, "response_metadata": told})
        return ChatGenerationChunk(message=message, generation_info=info)

    def rest(self) -> Iterator[ChatGenerationChunk]:
        """Yield what was held back to the end, if anything was."""
        from langchain_core.messages import AIMessageChunk
        from langchain_core.outputs import ChatGenerationChunk

        for path, stream in self._streams.items():
            if text := stream.close():
                yield ChatGenerationChunk(message=AIMessageChunk(**{"content": "", **_placed(path, text)}))

    def _fed(self, value: Any, path: _Path) -> Any:
        if isinstance(value, str) and path[-1] not in _WHOLE:
            if path not in self._streams:
                self._streams[path] = self._redactor.stream()
            return self._streams[path].feed(value)
        if isinstance(value, Mapping):
            safe = {self._redactor.data(key): item for key, item in value.items()}
            return {key: self._fed(item, (*path, key)) for key, item in safe.items()}
        if isinstance(value, list):
            return [self._fed_item(item, path) for item in value]
        return self._redactor.data(value)

    def _fed_item(self, item: Any, path: _Path) -> Any:
        index = item.get("index") if isinstance(item, Mapping) else None
        if not isinstance(index, int | str):  # LangChain puts it beside those that came before
            return self._redactor.data(item)
        at = (*path, index)
        if item.get("id"):
            self._ids[at] = item["id"]
        return self._fed(item, (*path, _Item(index, self._ids.get(at))))


def _placed(path: _Path, text: str) -> dict[str, Any]:
    """Return the fields of a message that has one text, at some path."""
    value: Any = text
    for step in reversed(path):
        if not isinstance(step, _Item):
            value = {step: value}
        elif path[0] == _CALLS:
            value = [{"name": None, "args": None, "id": None, **step.fields, **value}]
        else:
            value = [{**step.fields, **value}]
    placed: dict[str, Any] = value
    return placed
