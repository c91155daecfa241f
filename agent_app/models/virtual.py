"""Virtual tokens in a prompt: how a message says where they stand, and which models can read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from agent_app.errors import ModelError
from agent_app.models.pinned import DEFAULT, pinned_model, pinned_models
from agent_app.models.stored import file_named
from agent_app.models.traits import ChatModel, chat_model_in, name_of
from agent_app.soft_prompt import SoftPrompt
from agent_app.soft_prompt.derived import check_base

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage, HumanMessage

_BLOCK = "soft_prompt"


@dataclass(frozen=True, slots=True)
class Named:
    """A soft prompt, named in a prompt: its virtual tokens stand there."""

    name: str


Piece: TypeAlias = str | Named


def soft_message(pieces: Sequence[Piece]) -> HumanMessage:
    """Return a prompt of plain text with virtual tokens in it, which a model goes on with as it is.

    No chat template comes round it. Its ``text`` is the text alone.

    Args:
        pieces: texts and soft prompts in their order.
    """
    from langchain_core.messages import HumanMessage

    blocks: list[str | dict[str, Any]] = [
        {"type": "text", "text": piece} if isinstance(piece, str) else {"type": _BLOCK, "name": piece.name}
        for piece in pieces
        if piece
    ]
    return HumanMessage(blocks)


def pieces_of(messages: Sequence[BaseMessage]) -> list[Piece] | None:
    """Return what `soft_message` was made of; None for messages that name no soft prompt.

    Raises:
        ValueError: there is something beside such a message.
    """
    blocks = [block for m in messages if isinstance(m.content, list) for block in m.content]
    if not any(isinstance(block, dict) and block.get("type") == _BLOCK for block in blocks):
        return None
    if len(messages) > 1:
        raise ValueError("a message that names a soft prompt is a whole prompt, and stands alone")
    return [_piece(block) for block in blocks]


def can_read(model: ChatModel, soft: SoftPrompt) -> bool:
    """Say whether a loaded model has a soft prompt's virtual tokens."""
    rows = getattr(chat_model_in(model), "virtual", {}).get(soft.name)
    return rows is not None and rows.digest == soft.digest


def meant_by(name: str, soft: SoftPrompt | None) -> str:
    """Return the whole name of the model that a name means with a prompt.

    ``embedded`` alone leaves the choice to the program: the listed model that the prompt's virtual tokens
    were tuned for, or else the default one.
    """
    if name.strip().removesuffix(":") != "embedded":
        return name
    bases = [pinned for pinned in pinned_models().values() if soft and pinned.sha256 == soft.card.base.sha256]
    return f"embedded:{bases[0].name if bases else DEFAULT}"


def check_can_read(model: ChatModel | str, soft: SoftPrompt) -> None:
    """Make sure that a model can read a soft prompt, before it is loaded or fetched.

    Args:
        model: a loaded model, which has its virtual tokens or not; or a name. That of a file of the user's
            own passes: whether it is the right one is seen when it is loaded.
        soft: the soft prompt.

    Raises:
        ModelError: the model cannot read any soft prompt, or is loaded without this one; says which can.
        PromptError: the soft prompt was tuned for another model.
        UnknownName: there is no such embedded model.
    """
    kind, _, rest = (meant_by(model, soft) if isinstance(model, str) else "").strip().partition(":")
    if kind == "embedded":
        if file_named(rest) is None:
            pinned = pinned_model(rest)
            check_base(soft, pinned.sha256, f"embedded:{pinned.name}")
    elif isinstance(model, str) or not can_read(model, soft):
        name = model if isinstance(model, str) else name_of(model)
        raise ModelError(
            f"{name} cannot read the soft prompt {soft.name!r}; "
            f"use the model that it was tuned for, by its name: embedded:{soft.card.base.name}"
        )


def _piece(block: Any) -> Piece:
    if isinstance(block, str):
        return block
    if block.get("type") == _BLOCK:
        return Named(block["name"])
    if block.get("type") == "text":
        text: str = block["text"]
        return text
    raise ValueError(
        f"a message that names a soft prompt holds texts beside it, and no {block.get('type')!r}"
    )
