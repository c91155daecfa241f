"""Measures the cells of a comparison one after the other; those that are there already stay."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_app.models.stored import sha256_of
from agent_app.prompt import load_prompt
from agent_app.settings import Settings
from agent_app.tuning.comparing.cells import Cell, Cells
from agent_app.tuning.comparing.learning import Effort, Learnt, chosen, learn
from agent_app.tuning.comparing.serving import marks_of, scored, served, timed, words_of
from agent_app.tuning.comparing.systems import System, Task
from agent_app.tuning.data import Row
from agent_app.tuning.frozen import FrozenModel

_BYTES = 4
"""Of a number that was learnt."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Setup:
    """What all cells have in common."""

    frozen: FrozenModel
    train: Sequence[Row]
    test: Sequence[Row]
    """The rows that are scored."""
    data: Path
    effort: Effort
    timed: int
    """How many whole questions are timed with each system."""
    parallel: int
    """How many rows are scored at the same time."""
    settings: Settings

    @property
    def made_with(self) -> dict[str, Any]:
        """What must be the same for cells to be compared."""
        return {
            "base": self.frozen.sha256,
            "model": self.frozen.name,
            "data": sha256_of(self.data),
            "train": len(self.train),
            "rows": len(self.test),
            "timed": self.timed,
            **dataclasses.asdict(self.effort),
        }


def measure(tasks: Sequence[Task], setup: Setup, work: Path, tell: Tell) -> Iterator[Cell]:
    """Measure what is not measured yet, and yield each cell as soon as it is kept.

    Args:
        tasks: the cells.
        setup: what they have in common.
        work: the folder of the cells.
        tell: is told in a line how it goes on.

    Raises:
        TuningError: a loss is no number, a file cannot be written, or a cell was measured in another way.
    """
    cells, made_with = Cells(work), setup.made_with
    missing = [task for task in tasks if cells.get(task, made_with) is None]
    spent = 0.0
    for number, task in enumerate(missing):
        left = f", about {spent / number * (len(missing) - number) / 60:.0f} min left" if number else ""
        tell(f"cell {number + 1} of {len(missing)}: {task.key}{left}")
        began = time.monotonic()
        cell = _measured(task, setup, made_with, work, tell)
        cells.keep(cell)
        spent += time.monotonic() - began
        yield cell


def _measured(task: Task, setup: Setup, made_with: Mapping[str, Any], work: Path, tell: Tell) -> Cell:
    system, learnt = task.system, None
    if system.method is not None:
        learnt = _learnt(task, system, setup, tell)
    with served(system, setup.frozen, learnt, setup.settings, work, setup.parallel) as ready:
        scores = scored(ready, setup.test, setup.parallel)
    speed = None
    if task.examples is None and task.seed == 0:
        with served(system, setup.frozen, learnt, setup.settings, work, 1) as ready:
            speed = timed(ready, setup.test[: setup.timed])
    return Cell(task, made_with, marks_of(scores), _training(learnt) if learnt else None, speed)


def _learnt(task: Task, system: System, setup: Setup, tell: Tell) -> Learnt:
    rows = chosen(setup.train, task.examples, task.seed)
    effort = setup.effort
    began = time.monotonic()

    def show(step: int, loss: float) -> None:
        if step % 10 == 0:
            tell(f"{task.key}: step {step}, loss {loss:.3f}, {time.monotonic() - began:.0f} s")

    words = _words(system)
    return learn(
        setup.frozen,
        rows,
        system,
        effort.recipe(system, len(rows), task.seed, each=task.examples is not None),
        words=words,
        tell=show,
    )


def _words(system: System) -> str:
    """Return the hard words that a system learns behind.

    The prompt file names a soft prompt that may not be there yet: its words are those of `hard-tuned`.
    """
    return words_of(load_prompt(System("", "hard-tuned").file)) if system.hard else ""


def _training(learnt: Learnt) -> dict[str, float]:
    return {
        "steps": learnt.steps,
        "rows": learnt.rows,
        "seconds": round(learnt.seconds, 1),
        "loss": round(learnt.loss, 4),
        "bytes": learnt.numbers * _BYTES,
    }
