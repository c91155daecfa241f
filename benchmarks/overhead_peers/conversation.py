"""The conversation that every system has: so many calls of one tool, then an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

Blocking: TypeAlias = Callable[[], str]
Awaited: TypeAlias = Callable[[], Awaitable[str]]

QUESTION: Final = "What does the echo say?"
PERSONA: Final = "You are a pirate. Use the tool, then answer in a pirate's voice."
THOUGHT: Final = "I shall ask for the echo."
ANSWER: Final = "Arr, it be done."


def echo(text: str) -> str:
    """Say a text again.

    Args:
        text: what to say.
    """
    return f"You said {text}."


def inputs(steps: int) -> list[str]:
    """Return what the tool is given, call by call."""
    return [str(number) for number in range(steps)]
