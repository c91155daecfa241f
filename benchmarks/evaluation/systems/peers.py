"""What both peers are given alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from langchain_core.tools import BaseTool


def forgiving(tools: Sequence[BaseTool]) -> list[BaseTool]:
    """Return the tools so that what they complain of is told to the model, as ours does anyway.

    Without it a peer would end at the first wrong argument, and the comparison would be about a switch.
    """
    told = {"handle_tool_error": True, "handle_validation_error": True}
    return [tool.model_copy(update=told) for tool in tools]


def words(name: str) -> str:
    """Return a peer's prompt."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8").strip()
