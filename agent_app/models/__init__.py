"""A model's name becomes a LangChain chat model.

embedded, embedded:NAME, embedded:PATH.gguf    llama.cpp in this process; `embedded` alone is the default
                                               model, or the one that a soft prompt was tuned for
openai:NAME                                    OpenAI, or a server that speaks its protocol
PROVIDER:NAME                                  any provider that LangChain knows
scripted:FILE                                  replies from a file
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from agent_app import places
from agent_app.errors import ModelError, UnknownName
from agent_app.models.chain import Chain, ReadyModel
from agent_app.models.complaints import explain
from agent_app.models.ending import is_cut
from agent_app.models.pinned import Pinned, pinned_model, pinned_models
from agent_app.models.provider import open_provider
from agent_app.models.stored import check_gguf, checked_file, file_named, sha256_of
from agent_app.models.traits import (
    ChatModel,
    Traits,
    Warmable,
    bound_to,
    chat_model_in,
    context_of,
    name_of,
    traits_of,
)
from agent_app.models.virtual import Named, can_read, check_can_read, meant_by, soft_message
from agent_app.paths import path_of
from agent_app.settings import Settings
from agent_app.soft_prompt import SoftPrompt
from agent_app.soft_prompt.derived import check_base, derived_file

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = [
    "Chain",
    "ChatModel",
    "Named",
    "Pinned",
    "ReadyModel",
    "Traits",
    "Warmable",
    "bound_to",
    "can_read",
    "chat_model_in",
    "check_can_read",
    "check_model",
    "context_of",
    "explain",
    "is_cut",
    "load_model",
    "meant_by",
    "name_of",
    "pinned_model",
    "pinned_models",
    "soft_message",
    "traits_of",
]

_Opener: TypeAlias = "Callable[[str, Settings, Path | None, int | None, Sequence[SoftPrompt]], BaseChatModel]"


def load_model(
    name: str = "embedded",
    *,
    settings: Settings | None = None,
    folder: Path | None = None,
    parallel: int | None = None,
    soft: Sequence[SoftPrompt] = (),
) -> BaseChatModel:
    """Return the chat model that a name stands for. Fetches nothing and calls no remote server.

    Args:
        name: as in the table above.
        settings: where models lie, and the context window and threads of an embedded one.
        folder: the program's own folder of fetched models, if not the usual cache folder.
        parallel: how many calls an embedded model answers at the same time; None: one.
        soft: the soft prompts that an embedded model shall be able to read, each tuned for it.

    Raises:
        UnknownName: no such pinned model or provider; says the nearest.
        ModelError: a file, package or key is missing, a file is corrupt, or no soft prompt can be read
            by such a model; says what to do.
        PromptError: a soft prompt was tuned for another model.
        SettingError: no call could be made with a server's address or key.
    """
    name = meant_by(name, soft[0] if soft else None)
    kind, colon, rest = name.strip().partition(":")
    if kind != "embedded" and not colon:
        known = [
            "embedded",
            *(f"embedded:{pinned}" for pinned in pinned_models()),
            "openai:NAME",
            "PROVIDER:NAME",
        ]
        raise UnknownName("model", name, known)
    for one in soft:
        check_can_read(name, one)
    opener = _OPENERS.get(kind)
    if opener is None:
        return open_provider(kind, rest, _OPENERS)
    return opener(rest, settings or Settings(), folder, parallel, soft)


def check_model(
    name: str,
    *,
    settings: Settings | None = None,
    folder: Path | None = None,
    soft: Sequence[SoftPrompt] = (),
) -> None:
    """Make sure that a model can be had, without the time and memory that loading it takes.

    Args:
        name: as for `load_model`.
        settings: as for `load_model`.
        folder: as for `load_model`.
        soft: as for `load_model`.

    Raises:
        UnknownName: as for `load_model`.
        ModelError: as for `load_model`.
        PromptError: as for `load_model`.
        SettingError: as for `load_model`.
    """
    name = meant_by(name, soft[0] if soft else None)
    kind, _, rest = name.strip().partition(":")
    if kind == "embedded":
        for one in soft:
            check_can_read(name, one)
        _embedded_file(rest, settings or Settings(), folder)
    else:
        load_model(name, settings=settings, folder=folder, soft=soft)


# The three modules below subclass LangChain's models, and LangChain takes a second to import: `agent-app
# --help` and the other commands that load no model must not wait for it.


def _embedded_file(rest: str, settings: Settings, folder: Path | None) -> tuple[Path, str, str | None]:
    """Return an embedded model's file, what a stored result calls the model, and its digest if known."""
    path = file_named(rest)
    if path is not None:
        check_gguf(path)
        return path, f"embedded:{rest}", None
    pinned = pinned_model(rest)
    return checked_file(pinned, settings, folder), f"embedded:{pinned.name}", pinned.sha256


def _embedded(
    rest: str,
    settings: Settings,
    folder: Path | None,
    parallel: int | None,
    soft: Sequence[SoftPrompt],
) -> BaseChatModel:
    path, label, digest = _embedded_file(rest, settings, folder)
    rows = None
    if soft:
        digest = digest or sha256_of(path)
        for one in soft:
            check_base(one, digest, label)
        derived = derived_file(path, digest, soft, places.derived_folder())
        path, digest, rows = derived.path, derived.digest, derived.rows
    from agent_app.models.embedded import open_embedded

    return open_embedded(
        path,
        context=settings.context,
        threads=settings.threads,
        name=label,
        digest=digest,
        prompts=places.prompt_cache_folder(),
        parallel=parallel or 1,
        virtual=rows,
    )


def _openai(rest: str, *_: object) -> BaseChatModel:
    from agent_app.models.endpoint import open_endpoint

    return open_endpoint(rest)


def _scripted(rest: str, *_: object) -> BaseChatModel:
    if not rest:
        raise ModelError("`scripted:` lacks the file of replies; write scripted:FILE")
    from agent_app.models.scripted import open_scripted

    return open_scripted(path_of(rest))


_OPENERS: dict[str, _Opener] = {"embedded": _embedded, "openai": _openai, "scripted": _scripted}
