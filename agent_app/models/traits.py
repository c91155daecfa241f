"""What a model can do beyond a plain chat call, and what it is called in a stored result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from agent_app.errors import SettingError, kind_of

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel, LanguageModelInput
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import Runnable

ChatModel: TypeAlias = "Runnable[LanguageModelInput, AIMessage]"
"""A chat model, or what its ``bind``, ``with_config`` and ``with_retry`` give."""


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
    counts: bool = False
    """Its `get_num_tokens` is exact and quick, and asks nobody else."""


@runtime_checkable
class Warmable(Protocol):
    """A model that can be told ahead of time what its prompts will begin with."""

    def warm(self, messages: Sequence[BaseMessage], *, only_kept: bool = False) -> None:
        """Read that now, the last message up to where it goes on; or only look whether it was read before."""


def traits_of(model: BaseChatModel) -> Traits:
    """Return what a model says of itself in its attribute ``traits``, or the defaults."""
    traits = getattr(model, "traits", None)
    return traits if isinstance(traits, Traits) else Traits()


def context_of(model: BaseChatModel) -> int | None:
    """Return a model's context window in tokens, prompt and reply together; None where it is not known.

    A model of ours has it as its attribute ``context``. For others it is what LangChain's profile says
    that a prompt may have at most, which is no more than the window.
    """
    own = getattr(model, "context", None)
    if isinstance(own, int):
        return own
    return (model.profile or {}).get("max_input_tokens")


def chat_model_in(model: ChatModel) -> BaseChatModel:
    """Return the chat model itself, without what was bound to it.

    Raises:
        SettingError: there is none in it.
    """
    from langchain_core.language_models import BaseChatModel
    from langchain_core.runnables.base import RunnableBindingBase

    inner = model
    while isinstance(inner, RunnableBindingBase):
        inner = inner.bound
    if not isinstance(inner, BaseChatModel):
        hint = "; the models that take over go into fallbacks" if hasattr(inner, "fallbacks") else ""
        raise SettingError(f"a model is a name or a LangChain chat model, and no {kind_of(inner)}{hint}")
    return inner


def bound_to(model: ChatModel) -> dict[str, Any]:
    """Return what ``bind`` gave a model for all its calls; what was bound last counts."""
    from langchain_core.runnables.base import RunnableBindingBase

    bound: dict[str, Any] = {}
    while isinstance(model, RunnableBindingBase):
        bound = {**model.kwargs, **bound}
        model = model.bound
    return bound


def name_of(model: ChatModel) -> str:
    """Return the name that a stored result gives a model, such as ``openai:gpt-4o-mini``.

    A model of ours has it as its attribute ``label``; any other one is named by what LangChain
    tells its tracers. A key is never part of it.
    """
    inner = chat_model_in(model)
    label = getattr(inner, "label", None)
    if isinstance(label, str):
        return label
    facts = inner._get_ls_params()
    provider = facts.get("ls_provider") or inner._llm_type
    return f"{provider}:{facts.get('ls_model_name') or type(inner).__name__}"
