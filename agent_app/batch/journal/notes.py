"""What lines of a journal tell that are no records: whose answers it has, when a run began, how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from agent_app.batch.judging.scores import Scores


def is_note(value: Any) -> TypeGuard[dict[str, Any]]:
    """Say whether what a line holds is a note, each part of it of its kind; one that is damaged is none.

    Parts that an older version of the program did not write may be missing.
    """
    if not isinstance(value, dict):
        return False
    parts = next((parts for name, parts in _NOTES.items() if name in value), None)
    return parts is not None and all(fits(value[name]) for name, fits in parts.items() if name in value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and value >= 0


def _is_fingerprint(value: Any) -> bool:
    return isinstance(value, dict)


def _is_others(value: Any) -> bool:
    if not isinstance(value, dict) or not _is_count(value.get("answered")):
        return False
    keys = value.get("unanswered")
    return isinstance(keys, list) and all(map(_is_key, keys))


def _is_key(value: Any) -> bool:
    try:
        bytes.fromhex(value)
    except (TypeError, ValueError):
        return False
    return True


def _are_scores(value: Any) -> bool:
    try:
        Scores.from_dict(value)
    except ValueError:
        return False
    return True


_NOTES: Mapping[str, Mapping[str, Callable[[Any], bool]]] = {
    "journal": {"fingerprint": _is_fingerprint},
    "began": {
        "began": _is_text,
        "input": _is_text,
        "questions": _is_count,
        "repeat": _is_count,
        "others": _is_others,
    },
    "ended": {"ended": _is_text, "limit": _is_count, "scores": _are_scores},
}
"""By the part that tells what a note is: what fits in its parts."""
