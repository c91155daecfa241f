"""What the cells of a comparison come to: means with their intervals, and what a prompt is worth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from agent_app.statistics import Interval, Mean, wilson
from agent_app.tuning.comparing.cells import Cell
from agent_app.tuning.comparing.systems import ARMS, SYSTEMS, Arm
from agent_app.tuning.metrics import Measure

Curve: TypeAlias = "Mapping[int, Figure]"
"""By how many examples were learnt from."""

_LEVELS = 101
"""At how many accuracies two curves are compared."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A share with its interval of 95 %."""

    value: float
    low: float
    high: float
    cells: int
    """How many seeds it is the mean of."""

    def __str__(self) -> str:
        return f"{100 * self.value:.0f} % ({100 * self.low:.0f} to {100 * self.high:.0f})"


@dataclass(frozen=True, slots=True)
class Worth:
    """How many examples more are needed without the prompt for the same accuracy."""

    mean: float
    least: float
    most: float
    low: float
    high: float
    """Between which accuracies both curves are known; from 0 to 1."""


def figure(cells: Sequence[Cell], measure: Measure) -> Figure | None:
    """Return a system's share, or None where nothing can be said.

    Of several seeds it is the mean, with Student's interval over the seeds, which has what they differ by and
    what the rows leave open in it; of a single cell its own share, with Wilson's interval over the rows.
    """
    shares = [share for cell in cells if (share := cell.share(measure)) is not None]
    if not shares:
        return None
    if len(shares) == 1:
        mark = next(cell.marks[measure] for cell in cells if cell.share(measure) is not None)
        return Figure(shares[0], *wilson(mark["hits"], mark["of"]), cells=1)
    mean = Mean()
    for share in shares:
        mean.add(share)
    low, high = mean.interval() or Interval(0.0, 1.0)
    return Figure(mean.value, max(0.0, low), min(1.0, high), len(shares))


def by_system(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Return the cells of each system that was measured, in the order of the systems."""
    known = list(cells)
    found = {name: [c for c in known if c.task.examples is None and c.task.name == name] for name in SYSTEMS}
    return {name: of_system for name, of_system in found.items() if of_system}


def curves(cells: Iterable[Cell], measure: Measure) -> dict[Arm, dict[int, Figure]]:
    """Return accuracy by examples, for each arm; a point whose rows were not all read is left out."""
    points: dict[Arm, dict[int, list[Cell]]] = {arm: {} for arm in ARMS}
    for cell in cells:
        size = cell.task.examples
        if size is not None and was_read(cell):
            points[cell.task.name].setdefault(size, []).append(cell)  # type: ignore[index]
    return {
        arm: {size: f for size in sorted(sizes) if (f := figure(sizes[size], measure))}
        for arm, sizes in points.items()
    }


def was_read(cell: Cell) -> bool:
    """Say whether a point of a curve has learnt from all of its examples at least once."""
    return cell.training is not None and cell.training["rows"] + cell.made_with["batch"] > (
        cell.task.examples or 0
    )


def worth(bare: Curve, hard: Curve) -> Worth | None:
    """Return the prompt's worth in examples, after Le Scao and Rush (2021); None if that cannot be said.

    That is the horizontal distance of both curves at the same accuracy, its mean over all accuracies that
    both reach, and its range. Between two points a curve is a line over the logarithm of the examples; where
    it falls, what was reached before holds on.

    Le Scao and Rush, "How many data points is a prompt worth?", Proceedings of NAACL (2021), 2627-2636.

    Args:
        bare: the curve without the prompt.
        hard: the one with it.
    """
    risen = [_risen(curve) for curve in (bare, hard)]
    if not all(risen):
        return None
    low = max(points[0][1] for points in risen)
    high = min(points[-1][1] for points in risen)
    if low >= high:
        return None
    levels = [low + (high - low) * n / (_LEVELS - 1) for n in range(_LEVELS)]
    gaps = [_examples(risen[0], level) - _examples(risen[1], level) for level in levels]
    return Worth(sum(gaps) / len(gaps), min(gaps), max(gaps), low, high)


def _risen(curve: Curve) -> list[tuple[float, float]]:
    """Return logarithms of examples, and the best accuracy up to there."""
    best, points = 0.0, []
    for size in sorted(curve):
        best = max(best, curve[size].value)
        points.append((math.log(size), best))
    return points


def _examples(points: Sequence[tuple[float, float]], level: float) -> float:
    """Return how many examples a rising curve takes to reach an accuracy that lies on it."""
    before = points[0]
    for point in points:
        if point[1] >= level:
            rise = point[1] - before[1]
            part = (level - before[1]) / rise if rise else 0.0
            return math.exp(before[0] + part * (point[0] - before[0]))
        before = point
    return math.exp(points[-1][0])  # a level that rounding has put a hair above the last point
