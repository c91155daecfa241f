"""What was said before a question: earlier turns of a conversation, as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from agent_app.errors import QuestionError
from agent_app.steps import Result

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage


@dataclass(frozen=True, slots=True)
class Turn:
    """A question of an earlier time, and what was answered."""

    question: str
    """Empty where the answer came unasked, such as a greeting."""
    answer: str = ""
    """Empty where there was none."""


Said: TypeAlias = "Turn | Result | BaseMessage | tuple[str, str] | Mapping[str, str]"
"""One thing of a conversation, in any of the forms that `turns_of` takes."""

_Role: TypeAlias = Literal["human", "ai", "system", "passed over"]
_ROLES: Mapping[str, _Role] = {
    "human": "human",
    "user": "human",
    "ai": "ai",
    "assistant": "ai",
    "system": "system",
    "developer": "system",
    "tool": "passed over",
    "function": "passed over",
}


def turns_of(history: Iterable[Said]) -> tuple[Turn, ...]:
    """Return the turns of a conversation.

    Args:
        history: in the order of time, LangChain messages, earlier results, turns, or pairs of a role
            (``"user"``, ``"assistant"``) and a text, also as ``{"role": ..., "content": ...}``. What a
            message holds beside text is passed over, and so are calls of tools and what came of them.

    Raises:
        QuestionError: something in it is none of these, or is a system message; says which.
    """
    if isinstance(history, str) or not isinstance(history, Iterable):
        raise QuestionError(f"the history is of the type {type(history).__name__}; it takes {_TAKEN}")
    turns: list[Turn] = []
    for position, said in enumerate(history, 1):
        if isinstance(said, Turn):
            turns.append(said)
        elif isinstance(said, Result):
            turns.append(Turn(said.question, said.text))
        else:
            _add(turns, *_role_and_text(said, position))
    return tuple(turns)


def text_of(content: str | Sequence[str | Mapping[str, Any]]) -> str:
    """Return the text of a message's content; what in it is none, such as an image, is named in its place."""
    if isinstance(content, str):
        return content
    return "\n".join(
        part if isinstance(part, str) else str(part.get("text") or f"[{part.get('type', 'data')}]")
        for part in content
    )


_TAKEN = "a list of messages, results, turns or pairs of a role and a text"


def _add(turns: list[Turn], role: _Role, text: str) -> None:
    """Add what one side said; an answer in several messages is one answer."""
    if not text or role == "passed over":
        return
    if role == "human":
        turns.append(Turn(text))
    elif turns:
        last = turns[-1]
        turns[-1] = replace(last, answer=f"{last.answer}\n\n{text}" if last.answer else text)
    else:
        turns.append(Turn("", text))


def _role_and_text(said: object, position: int) -> tuple[_Role, str]:
    role, text = _pair(said) if isinstance(said, tuple | list | dict) else _message(said)
    if role is None:
        what = f"item {position} of the history is of the type {type(said).__name__}"
        raise QuestionError(f"{what}; it takes {_TAKEN}")
    kind = _ROLES.get(role.removesuffix("MessageChunk").lower())
    if kind is None:
        raise QuestionError(
            f"item {position} of the history has the role {role!r}; it takes user or assistant"
        )
    if kind == "system":
        raise QuestionError(
            f"item {position} of the history is a system message; it belongs in the prompt file"
        )
    return kind, text


def _pair(said: Sequence[object] | Mapping[str, object]) -> tuple[str | None, str]:
    match said:
        case (str(role), str(text)) | {"role": str(role), "content": str(text)}:
            return role, text
    return None, ""


def _message(said: object) -> tuple[str | None, str]:
    from langchain_core.messages import AIMessage, BaseMessage, ChatMessage

    if not isinstance(said, BaseMessage):
        return None, ""
    if isinstance(said, AIMessage) and said.tool_calls:
        return "tool", ""  # what it says beside a call is a thought, no answer
    return (said.role if isinstance(said, ChatMessage) else said.type), str(said.text)
