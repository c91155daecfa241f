"""A list of LangChain messages, read as earlier turns, a question, and the steps since it was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import ToolCall

from agent_app.errors import QuestionError
from agent_app.history import Turn, text_of
from agent_app.steps import Action, Arguments, Observation, Step, step_from_dict

NOTES = "react"
"""Where in a message's ``additional_kwargs`` stands what its content and tool calls cannot say."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a list of messages says."""

    system: str
    """The text of all system messages."""
    turns: tuple[Turn, ...]
    question: str
    steps: tuple[Step, ...]
    """Each tool call since the question that has a result, and the result after it."""


def read_conversation(
    messages: Sequence[BaseMessage], schemas: Mapping[str, Mapping[str, Any]]
) -> Conversation:
    """Read messages as the conversation that they are.

    Human messages in a row are one question. An earlier question that was never answered is left out,
    and so is a tool call without a result.

    Args:
        messages: the conversation, its last question being the one to answer.
        schemas: the JSON schema of each tool's arguments, as `Toolbox.schemas` gives it.

    Raises:
        QuestionError: no message has words of a user in it.
    """
    parts = _parts(messages)
    question = parts[-1].question if parts else ""
    if not question.strip():
        raise QuestionError("the conversation has no question; give it a message of the user with some text")
    return Conversation(
        system="\n\n".join(text_of(m.content) for m in messages if isinstance(m, SystemMessage)),
        turns=_earlier(parts[:-1]),
        question=question,
        steps=tuple(_steps(parts[-1].replies, schemas)),
    )


@dataclass
class _Part:
    """Human messages in a row, and all that was said until the next one."""

    asked: list[BaseMessage] = field(default_factory=list)
    replies: list[BaseMessage] = field(default_factory=list)

    @property
    def question(self) -> str:
        return "\n\n".join(text_of(m.content) for m in self.asked)


def _parts(messages: Sequence[BaseMessage]) -> list[_Part]:
    parts: list[_Part] = []
    for message in messages:
        if isinstance(message, HumanMessage):
            if not parts or parts[-1].replies:
                parts.append(_Part())
            parts[-1].asked.append(message)
        elif parts and not isinstance(message, SystemMessage):
            parts[-1].replies.append(message)
    return parts


def _earlier(parts: Sequence[_Part]) -> tuple[Turn, ...]:
    turns = (Turn(part.question, _answer(part.replies)) for part in parts)
    return tuple(turn for turn in turns if turn.answer)


def _answer(replies: Sequence[BaseMessage]) -> str:
    """Return what came last in words: the model's own, or those of a tool that ended the turn."""
    last = replies[-1] if replies else None
    if isinstance(last, ToolMessage) or (isinstance(last, AIMessage) and not last.tool_calls):
        return text_of(last.content)
    return ""


def _steps(replies: Sequence[BaseMessage], schemas: Mapping[str, Mapping[str, Any]]) -> Iterator[Step]:
    results = {m.tool_call_id: m for m in replies if isinstance(m, ToolMessage)}
    for message in replies:
        if not isinstance(message, AIMessage):
            continue
        notes = message.additional_kwargs.get(NOTES, {})
        thought = notes.get("thought", text_of(message.content))
        for call in message.tool_calls:
            if (result := results.get(call["id"] or "")) is None:
                continue
            yield from map(step_from_dict, notes.get("failed", ()))
            yield Action(call["name"], _as_written(call, schemas.get(call["name"])), thought)
            yield Observation(text_of(result.content), error=result.status == "error")
            notes, thought = {}, ""  # they belong to the first call


def _as_written(call: ToolCall, schema: Mapping[str, Any] | None) -> Arguments:
    """Return the arguments as a model is told to write them: the bare value where there is just one."""
    arguments = call["args"]
    if schema is None or len(schema["properties"]) != 1 or arguments.keys() != schema["properties"].keys():
        return arguments
    (value,) = arguments.values()
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
