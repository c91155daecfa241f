"""What went on behind an answer: each call of the model and of a tool, as plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class ModelCall:
    """A call of the model: what it was shown and what it wrote, to the letter."""

    prompt: str
    reply: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    seconds: float | None = None
    """None while it is under way."""
    error: str = ""
    """What broke it off; empty where nothing did, or where the rest of the reply was not wanted."""


@dataclass(slots=True)
class ToolCall:
    """A call of a tool."""

    tool: str
    seconds: float | None = None
    """None while it is under way."""
