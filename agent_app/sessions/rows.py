"""Results and steps as rows of the file, and back without loss."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from typing import Any

from agent_app.steps import Result, Step, step_to_dict

_COLUMNS = ("question", "model", "status", "stopped_by", "text", "error")
_USAGE = ("calls", "prompt_tokens", "completion_tokens", "cached_tokens", "seconds", "cost")
_PROMPT = ("name", "version", "hash")
_JSON = ("data", "left_out")

RESULT = (*_COLUMNS, *_USAGE, *(f"prompt_{name}" for name in _PROMPT), *_JSON)
"""The columns of a run that make up its result, but for the steps."""


def row_of(result: Result) -> dict[str, Any]:
    """Return the columns of a result, by their names."""
    data = result.to_dict()
    return {
        **{name: data[name] and storable(data[name]) for name in _COLUMNS},
        **data["usage"],
        **{f"prompt_{name}": data["prompt"][name] for name in _PROMPT},
        **{name: _json(data[name]) for name in _JSON},
    }


def result_of(row: sqlite3.Row, steps: list[str]) -> Result:
    """Return the result that a row and the JSON texts of its steps hold.

    Raises:
        ValueError: a step is none, or a column is not JSON.
    """
    return Result.from_dict(
        {
            **{name: row[name] for name in _COLUMNS},
            "usage": {name: row[name] for name in _USAGE},
            "prompt": {name: row[f"prompt_{name}"] for name in _PROMPT},
            **{name: json.loads(row[name]) for name in _JSON},
            "steps": [json.loads(step) for step in steps],
        }
    )


def step_row(step: Step) -> tuple[str, str]:
    """Return a step's kind and its JSON text."""
    data = step_to_dict(step)
    return data["kind"], _json(data)


def now() -> str:
    """Return the time as it is stored: UTC, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def in_a_line(error: BaseException) -> str:
    """Return an error as one line, with its kind where it says nothing itself."""
    return " ".join(str(error).split()) or type(error).__name__


def _json(data: Any) -> str:
    # Half a character cannot be stored; the way it is written here is JSON's own.
    return storable(json.dumps(data, ensure_ascii=False))


def storable(text: str) -> str:
    """Return a text in which each lone surrogate, which SQLite does not take, is written as ``\\udc80``."""
    return text.encode("utf-8", "backslashreplace").decode()
