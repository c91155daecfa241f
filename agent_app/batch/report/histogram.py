"""Draws how many rows have which value, by what has come of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent_app.batch.report import scales, svg
from agent_app.batch.report.totals import OUTCOMES, Outcome

_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 210, 44, 12, 28, 40
_MOST_BINS = 24
_GAP = 1.5
WORDS: Mapping[Outcome, str] = {
    "right": "right",
    "answered": "answered",
    "wrong": "wrong",
    "failed": "failed",
    "missing": "not reached",
}
"""What has come of a row, in words."""


@dataclass(frozen=True, slots=True)
class _Bins:
    """Which values one bar counts: ``number`` bars of the same width, from 0 on."""

    width: float
    number: int
    is_cut: bool
    """Whether the last bar counts all that lies beyond the others."""

    def of(self, value: float) -> int:
        return min(int(value / self.width + 1e-9), self.number - 1)

    def count(self, values: Sequence[float]) -> list[int]:
        counts = [0] * self.number
        for value in values:
            counts[self.of(value)] += 1
        return counts


@dataclass(frozen=True, slots=True)
class _Axes:
    """Where on the drawing a bar and a count lie."""

    bins: _Bins
    top: float

    @property
    def wide(self) -> float:
        return (svg.WIDTH - _LEFT - _RIGHT) / self.bins.number

    def x(self, value: float) -> float:
        return _LEFT + min(value / self.bins.width, self.bins.number) * self.wide

    def y(self, count: float) -> float:
        return _HEIGHT - _BOTTOM - count / self.top * (_HEIGHT - _TOP - _BOTTOM)


def histogram(samples: Mapping[Outcome, Sequence[float]], unit: scales.Unit) -> str:
    """Draw a histogram with a mark at the median.

    Few rows that lie far beyond all others are counted in one last bar, so that those can be told apart.

    Args:
        samples: a value of each row, by what has come of the row.
        unit: what these are counted in, which the horizontal axis says.
    """
    ordered = scales.together(samples.values())
    if not ordered:
        return svg.nothing("no row was asked")
    bins = _bins(ordered, unit)
    counts = {came: bins.count(samples[came]) for came in OUTCOMES if samples.get(came)}
    columns = [dict(zip(counts, column, strict=True)) for column in zip(*counts.values(), strict=True)]
    rows = scales.ticks(max(sum(column.values()) for column in columns), 4)
    axes = _Axes(bins, rows[-1])
    parts = [*_rows(axes, rows), *_values(axes, unit)]
    for n, column in enumerate(columns):
        came = {name: number for name, number in column.items() if number}
        parts.append(svg.group(_title(bins, n, came, unit), _column(axes, n, came)))
    return svg.drawing([*parts, *_median(axes, scales.quantile(ordered, 0.5), unit)], _HEIGHT)


def _bins(ordered: Sequence[float], unit: scales.Unit) -> _Bins:
    size, most = unit.size, ordered[-1]
    nearly = scales.quantile(ordered, 0.99)
    is_cut = most > 2 * nearly > 0
    top = (nearly if is_cut else most) / size
    width = scales.step(top, _MOST_BINS)
    if unit.is_whole:
        width = max(1.0, width)
    return _Bins(width * size, math.floor(top / width + 1e-9) + 1 + is_cut, is_cut)


def _column(axes: _Axes, n: int, came: Mapping[Outcome, int]) -> Iterator[str]:
    x = _LEFT + n * axes.wide
    yield svg.rect("hit", x, _TOP, axes.wide, _HEIGHT - _TOP - _BOTTOM)
    below = 0
    for name, number in came.items():
        low, high = axes.y(below), axes.y(below + number)
        yield svg.rect(name, x + _GAP / 2, high, max(0.5, axes.wide - _GAP), low - high)
        below += number


def _title(bins: _Bins, n: int, came: Mapping[Outcome, int], unit: scales.Unit) -> str:
    low, high = bins.width * n, bins.width * (n + 1)
    if bins.is_cut and n == bins.number - 1:
        where = f"{unit.amount(low)} and more"
    elif unit.is_whole and bins.width == 1:
        where = unit.amount(low)
    else:
        where = f"{scales.number(low / unit.size)} to {unit.amount(high - unit.is_whole)}"
    count = sum(came.values())
    how = ", ".join(f"{amount:,} {WORDS[name]}" for name, amount in came.items())
    return f"{where}: {count:,} row{'s' * (count != 1)}" + (f" ({how})" if how else "")


def _rows(axes: _Axes, rows: Sequence[float]) -> Iterator[str]:
    """Draw the vertical axis."""
    yield svg.text("axis", 0, 11, "rows")
    for tick in rows:
        if tick == int(tick):
            y = axes.y(tick)
            yield svg.line("grid", _LEFT, y, svg.WIDTH - _RIGHT, y)
            yield svg.text("axis", _LEFT - 6, y + 4, scales.short(tick), "end")


def _values(axes: _Axes, unit: scales.Unit) -> Iterator[str]:
    """Draw the horizontal axis."""
    bins, size = axes.bins, unit.size
    end = bins.width * (bins.number - bins.is_cut) / size
    middle = axes.wide / 2 if unit.is_whole and bins.width == size else 0
    for tick in scales.ticks(end, 6):
        if tick <= end - bool(middle) + 1e-6 and (tick == int(tick) or not unit.is_whole):
            x = axes.x(tick * size) + middle
            yield svg.text("axis", x, _HEIGHT - _BOTTOM + 16, scales.short(tick), "middle")
    if bins.is_cut:
        x = svg.WIDTH - _RIGHT - axes.wide / 2
        yield svg.text("axis", x, _HEIGHT - _BOTTOM + 16, "+", "middle")
    across = (_LEFT + svg.WIDTH - _RIGHT) / 2
    yield svg.text("axis", across, _HEIGHT - 4, f"{unit.name} a row", "middle")


def _median(axes: _Axes, median: float, unit: scales.Unit) -> Iterator[str]:
    x = axes.x(median) + (axes.wide / 2 if unit.is_whole and axes.bins.width == unit.size else 0)
    yield svg.line("median", x, _TOP - 6, x, _HEIGHT - _BOTTOM)
    is_far = x > svg.WIDTH * 0.6
    words = f"median {unit.amount(median)}"
    yield svg.text("label", x + (4 if not is_far else 0), _TOP - 10, words, "end" if is_far else "start")
