"""What a command wants to be done, as plain values: whoever shows the chat does it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from agent_app.steps import Result


@dataclass(frozen=True, slots=True)
class Loading:
    """What comes next takes its time."""


@dataclass(frozen=True, slots=True)
class Tell:
    """Say this to the person."""

    text: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Show a table, its columns aligned; the last one may be long."""

    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of an explanation."""

    title: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Explain:
    """Show an explanation, part after part."""

    sections: Sequence[Section]


@dataclass(frozen=True, slots=True)
class Write:
    """Write this text as it is, to where answers go."""

    text: str


@dataclass(frozen=True, slots=True)
class Turns:
    """Show what was asked and answered."""

    results: Sequence[Result]


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the agent this."""

    question: str
    instead: bool = False
    """In place of the last question."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Let the person change this question, then ask that in its place."""

    question: str


@dataclass(frozen=True, slots=True)
class Copy:
    """Put this text on the clipboard."""

    text: str


@dataclass(frozen=True, slots=True)
class ClearScreen:
    """Begin with an empty screen."""


@dataclass(frozen=True, slots=True)
class Leave:
    """End the chat."""


Effect: TypeAlias = (
    Loading | Tell | Rows | Explain | Write | Turns | Ask | Rewrite | Copy | ClearScreen | Leave
)
