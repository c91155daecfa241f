"""What a model can do beyond a plain chat call, and what it is called in a stored result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


@dataclass(frozen=True, slots=True)
class Traits:
    """What a caller may ask of a model; the defaults are true of nearly every chat model."""

    continues: bool = False
    """It goes on writing the assistant message that a call ends with."""
    grammar: bool = False
    """It takes a GBNF grammar as the call's argument ``grammar``."""
    stop: bool = True
    """It takes stop words."""
    bounds: bool = False
    """It takes a call's arguments ``max_tokens`` and ``timeout``: so many seconds of silence end the call."""
    streams: bool = False
    """It always streams inside, so that nothing is gained by asking for a whole reply."""


def traits_of(model: BaseChatModel) -> Traits:
    """Return what a model says of itself in its attribute ``traits``, or the defaults."""
    traits = getattr(model, "traits", None)
    return traits if isinstance(traits, Traits) else Traits()


def name_of(model: BaseChatModel) -> str:
    """Return the name that a stored result gives a model, such as ``openai:gpt-4o-mini``.

    A model of ours has it as its attribute ``label``; any other one is named by what LangChain
    tells its tracers. A key is never part of it.
    """
    label = getattr(model, "label", None)
    if isinstance(label, str):
        return label
    facts = model._get_ls_params()
    provider = facts.get("ls_provider") or model._llm_type
    return f"{provider}:{facts.get('ls_model_name') or type(model).__name__}"
