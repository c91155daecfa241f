"""Why a model ended its reply, as providers tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TOLD_IN = ("finish_reason", "stop_reason", "done_reason")
_LENGTHS = frozenset(("length", "max_tokens", "max_output_tokens", "model_length"))


def is_cut(metadata: Mapping[str, Any]) -> bool:
    """Say whether a reply, or its last part, was cut off where it came to the most tokens it may have.

    Args:
        metadata: of the message (``response_metadata``).
    """
    return any(str(metadata.get(name, "")).casefold() in _LENGTHS for name in _TOLD_IN)
