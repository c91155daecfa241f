"""Inputs: the slots that a caller gives values to, their types, and values as text."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from agent_app.prompt.schema import fits, in_words, type_of
from agent_app.prompt.yaml_marks import Marked

InputType: TypeAlias = Literal["string", "integer", "number", "boolean", "list"]
Value: TypeAlias = str | int | float | bool | Sequence[str]


@dataclass(frozen=True, slots=True)
class Input:
    """A slot that a caller fills."""

    type: InputType = "string"
    default: Value | None = None
    """What stands there when no value is given; None: a value must be given."""
    description: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as the front matter of a file has it."""
        data: dict[str, Any] = {"type": self.type}
        if self.default is not None:
            data["default"] = (
                self.default if isinstance(self.default, str | int | float) else list(self.default)
            )
        if self.description:
            data["description"] = self.description
        return data


def input_from(at: Marked) -> Input:
    """Make an input of front matter that the schema has found right; its default is not yet checked."""
    return Input(**at.plain())


def wrong_type(value: object, wanted: InputType) -> str | None:
    """Say what is wrong with a value for an input of some type, or return None when it is right."""
    if isinstance(value, tuple):
        value = list(value)
    kind = "array" if wanted == "list" else wanted
    if not fits(type_of(value), kind):
        given = (
            in_words(type_of(value)) if value is None or type_of(value) != "null" else type(value).__name__
        )
        return f"it takes {in_words(kind)}, not {given}"
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        return "it takes a list of texts"
    if isinstance(value, float) and not math.isfinite(value):
        return f"it takes a number, not {value}"
    if isinstance(value, int):
        try:
            str(value)
        except ValueError:  # Python itself writes no longer ones
            return f"it takes a number of up to {sys.get_int_max_str_digits():,} digits"
    return None


def value_from(text: str, wanted: InputType) -> Value:
    """Read a value that was typed in: ``3``, ``2.5``, ``true``, or a list as JSON, ``["a", "b"]``.

    Raises:
        ValueError: it is not of the type; says what the type takes.
    """
    value: Any = text
    if wanted != "string":
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(text)
    wrong = wrong_type(value, wanted)
    if wrong:
        raise ValueError(wrong)
    kept: Value = value
    return kept


def as_text(value: Value) -> str:
    """Write a value as it stands in a prompt: ``true``, ``2.5``, or a list with ``- `` before each item."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    return "\n".join(f"- {item}" for item in value)
