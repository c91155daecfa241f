"""Counting tokens as an embedded model reads them; no model is run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import click

from agent_app.cli import completing
from agent_app.cli.waiting import waiting
from agent_app.errors import ModelError
from agent_app.models.virtual import meant_by
from agent_app.prompt import Prompt
from agent_app.settings import Settings
from agent_app.terminal import stderr

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

Messages: TypeAlias = Sequence[tuple[str, str]]
"""Texts, each with its role; a prompt that is not for chat is one text with an empty role."""

Count: TypeAlias = Callable[[Messages], int]

_CONTEXT = 256
"""The smallest window that is served: it costs the least memory, and nothing is ever put into it."""

tokenizer_option = click.option(
    "--tokenizer",
    metavar="MODEL",
    shell_complete=completing.models,
    help="The embedded model that counts tokens [default: that of the settings, or the default one].",
)


def tokenizer_name(given: str | None, settings: Settings) -> str:
    """Return the name of the embedded model whose tokenizer counts.

    Raises:
        ModelError: the one given is not embedded, so its tokenizer is not at hand.
    """
    if given is not None and not _is_embedded(given):
        raise ModelError(f"--tokenizer takes an embedded model, not {given!r}")
    return meant_by(given or (settings.model if _is_embedded(settings.model) else "embedded"), None)


def open_tokenizer(name: str, settings: Settings) -> Count:
    """Load an embedded model's tokenizer and return what counts with it.

    The weights are mapped, not read: it takes about a second.

    Raises:
        ModelError: the model's file is not here, or is not what it should be.
    """
    from agent_app.models import load_model

    with waiting("loading the tokenizer"):
        return count_with(load_model(name, settings=dataclasses.replace(settings, context=_CONTEXT)))


def count_with(model: BaseChatModel) -> Count:
    """Return what counts with the tokenizer of a model that is loaded already."""
    return lambda messages: model.get_num_tokens(joined(messages))


def tuned_for(prompt: Prompt) -> str | None:
    """Return the name of the model that a prompt's soft prompt was tuned for, if it has one."""
    return f"embedded:{prompt.soft.card.base.name}" if prompt.soft else None


def length(messages: Messages, prompt: Prompt, count: Count) -> int:
    """Return how many tokens messages have that are shown with a mark in the place of virtual tokens."""
    if prompt.soft is None:
        return count(messages)
    unmarked = [(role, text.replace(prompt.soft.mark, "", 1)) for role, text in messages]
    return count(unmarked) + prompt.soft.card.tokens


def open_if_here(given: str | None, settings: Settings) -> tuple[str, Count | None]:
    """Return the model's name and what counts with its tokenizer; where it is not here say so on stderr."""
    name = tokenizer_name(given, settings)
    try:
        return name, open_tokenizer(name, settings)
    except ModelError as error:
        stderr().line(f"tokens not counted: {error}")
        return name, None


def joined(messages: Messages) -> str:
    """Write messages as the text that is shown and counted: a chat prompt's roles on lines of their own."""
    return "\n".join(f"# {role}\n{text}" if role else text for role, text in messages)


def as_written(prompt: Prompt) -> Messages:
    """Return a prompt's text with its slots unfilled, as the one text that is counted."""
    return [("", prompt.text)]


def _is_embedded(name: str) -> bool:
    return name.strip().partition(":")[0] == "embedded"
