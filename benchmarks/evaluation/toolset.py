"""The tools of the evaluation: the project's calculator and clock, and a search of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agent_app import places, toolbox

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

NAMES = ("calculator", "clock", "search_archive")


def load_tools() -> list[BaseTool]:
    """Return the three tools, the same objects for every system."""
    return toolbox.load_tools(NAMES, [places.builtin("tools"), Path(__file__).parent / "tools"])
