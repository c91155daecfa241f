"""What an agent is given is checked at once, in words for the one who wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent_app.errors import SettingError, kind_of
from agent_app.models import ChatModel, chat_model_in, check_can_read
from agent_app.prompt import Prompt


def check_parts(models: Sequence[str | ChatModel], prompt: str | Path | Prompt) -> None:
    """Make sure that models and a prompt are what they may be.

    Raises:
        SettingError: one is something else.
    """
    for model in models:
        if not isinstance(model, str):
            chat_model_in(model)
    if not isinstance(prompt, str | Path | Prompt):
        raise SettingError(
            f"a prompt is a name, a path or a Prompt, and no {kind_of(prompt)}; "
            "agent_app.prompt.from_langchain makes one of a LangChain template"
        )


def check_lists(**lists: object) -> None:
    """Make sure that what takes a list was given one.

    Raises:
        SettingError: one is not.
    """
    for name, given in lists.items():
        if isinstance(given, str) or not isinstance(given, Sequence | None):
            raise SettingError(f"{name} takes a list, and no {kind_of(given)}")


def check_kinds(**given: tuple[object, type]) -> None:
    """Make sure that what was given is of its class, or nothing.

    Raises:
        SettingError: one is not.
    """
    for name, (value, kind) in given.items():
        if value is not None and not isinstance(value, kind):
            raise SettingError(f"{name} takes {kind.__name__}(...), and no {kind_of(value)}")


def check_soft(prompt: Prompt, models: Sequence[str | ChatModel]) -> None:
    """Make sure that all models can read a prompt.

    Raises:
        ModelError: a model cannot read its virtual tokens.
    """
    if prompt.soft is not None:
        for model in models:
            check_can_read(model, prompt.soft)


def check_above_zero(**numbers: float | None) -> None:
    """Make sure that limits are numbers above 0, or none.

    Raises:
        SettingError: one is not.
    """
    for name, number in numbers.items():
        if number is not None and not (isinstance(number, int | float) and number > 0):
            raise SettingError(f"{name} is {number!r}; it takes a number above 0")
