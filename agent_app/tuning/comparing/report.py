"""The report of a comparison, made from its cells alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent_app.prompt.saving import replace_file
from agent_app.tuning.comparing.cells import Cell


def write_report(file: Path, cells: Sequence[Cell], *, command: str) -> None:
    replace_file(file, command + "\n" + "\n".join(f"{c.task.key} {c.marks} {c.speed} {c.training}" for c in cells) + "\n")
