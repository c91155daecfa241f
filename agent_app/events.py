"""What a run tells while it goes on, in the order in which it happens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from agent_app.steps import PromptRef, Result, Step


@dataclass(frozen=True, slots=True)
class Started:
    """A run has begun."""

    question: str
    prompt: PromptRef
    model: str


@dataclass(frozen=True, slots=True)
class Said:
    """The model has written a part of a step; what it wrote will not change any more.

    All parts of one kind that come before a `Stepped`, joined, are that part of its step.
    """

    kind: Literal["thought", "tool", "input", "answer"]
    text: str


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step is complete and now a part of the run."""

    step: Step


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over; always the last event."""

    result: Result


Event: TypeAlias = Started | Said | Stepped | Finished
