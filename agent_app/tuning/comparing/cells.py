"""What has been measured is kept, a file for each cell, so that a comparison can be stopped and goes on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_app.errors import TuningError
from agent_app.prompt.saving import replace_file
from agent_app.tuning.comparing.systems import ARMS, SYSTEMS, Task


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a comparison, measured."""

    task: Task
    made_with: Mapping[str, Any]
    """Data, model and settings, which must be the same for all cells that are compared."""
    marks: Mapping[str, Mapping[str, int]]
    """By measure ``hits`` and ``of``."""
    training: Mapping[str, float] | None = None
    """``steps``, ``rows``, ``seconds``, ``loss``, and ``bytes`` of what was learnt."""
    speed: Mapping[str, float] | None = None
    """As `timed` gives it."""

    def share(self, measure: str) -> float | None:
        """Return how often a measure was met, from 0 to 1; None where nothing could be said of it."""
        mark = self.marks[measure]
        return mark["hits"] / mark["of"] if mark["of"] else None


class Cells:
    """The folder of a comparison's cells.

    Args:
        folder: made when the first cell is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, cell: Cell) -> None:
        """Write a cell.

        Raises:
            TuningError: it cannot be written.
        """
        file = self._file(cell.task)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            replace_file(file, json.dumps(dataclasses.asdict(cell), indent=1, allow_nan=False) + "\n")
        except OSError as error:
            raise TuningError(f"{file}: the cell cannot be written: {error.strerror}") from error

    def get(self, task: Task, made_with: Mapping[str, Any]) -> Cell | None:
        """Return a cell that has been measured, or None.

        Raises:
            TuningError: the file is damaged, or was measured in another way; says in what.
        """
        file = self._file(task)
        if not file.is_file():
            return None
        cell = _read(file)
        for name in sorted(cell.made_with.keys() | made_with.keys()):
            before, now = cell.made_with.get(name), made_with.get(name)
            if before != now:
                raise TuningError(
                    f"{file}: measured with another {name} ({before!r}, not {now!r}), no match; "
                    "take another --work folder, or delete this one"
                )
        return cell

    def all(self) -> tuple[Cell, ...]:
        """Return all cells that have been measured.

        Raises:
            TuningError: there is none, a file is damaged, or they were not measured in one way.
        """
        cells = tuple(_read(file) for file in sorted(self._folder.glob("cell-*.json")))
        if not cells:
            raise TuningError(f"{self._folder}: there are no cells; measure some before making the report")
        for cell in cells[1:]:
            self.get(cell.task, cells[0].made_with)
        return cells

    def _file(self, task: Task) -> Path:
        return self._folder / f"cell-{task.key}.json"


def _read(file: Path) -> Cell:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        cell = Cell(**{**data, "task": Task(**data["task"])})
        _check(cell)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TuningError(
            f"{file}: the cell is damaged ({error}); delete it, and it is measured anew"
        ) from error
    return cell


def _check(cell: Cell) -> None:
    if cell.task.name not in (SYSTEMS if cell.task.examples is None else ARMS):
        raise ValueError(f"no system is called {cell.task.name!r}")
    for mark in cell.marks.values():
        if not 0 <= mark["hits"] <= mark["of"]:
            raise ValueError(f"{mark['hits']} of {mark['of']} were right")
