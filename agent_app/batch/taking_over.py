"""Models that take over in a batch, and who makes the attempts then."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from agent_app.batch.repeating import set_temperature
from agent_app.models import load_model
from agent_app.retrying import Retry

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agent_app.prompt import Prompt
    from agent_app.settings import Settings

_LONGEST = 60.0
"""How many seconds a server may want to be left alone before another model takes over."""


class Tries(NamedTuple):
    """Who makes how many attempts when a model's server fails."""

    model: Retry
    """What the agent does, for each of its models."""
    row: Retry
    """What the engine does, for the row; it goes on where the row was."""


def who_tries(retry: Retry, fallbacks: Sequence[str]) -> Tries:
    """Return who makes the attempts: the engine, or with models that take over the agent, for each of them.

    A row has failed only when the last of them has, so that asking it again would be of no use.
    """
    once = dataclasses.replace(retry, attempts=1)
    if not fallbacks:
        return Tries(once, retry)
    return Tries(dataclasses.replace(retry, longest=min(_LONGEST, retry.longest)), once)


def those_that_take_over(
    names: Sequence[str], settings: Settings, prompt: Prompt, temperature: float | None
) -> list[str | BaseChatModel]:
    """Return the models that take over: their names, as most are never needed, unless one is to be set.

    Raises:
        UserError: one cannot be had, or has no temperature.
    """
    if temperature is None:
        return list(names)
    models = [load_model(name, settings=settings, soft=prompt.soft_prompts) for name in names]
    for model in models:
        set_temperature(model, temperature)
    return [*models]
