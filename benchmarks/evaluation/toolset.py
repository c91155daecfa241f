"""The tools of the evaluation: the project's calculator and clock, and the search of a world."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agent_app import places, toolbox
from benchmarks.evaluation.worlds import ISLANDS

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

NAMES = ("calculator", "clock")


def load_tools(world: Path = ISLANDS) -> list[BaseTool]:
    """Return the three tools for a world, to be the same objects for every system."""
    return [
        *toolbox.load_tools(NAMES, [places.builtin("tools")]),
        *toolbox.load_tool_files(world / "tools"),
    ]
