"""Numbers as people read them: ticks of an axis, quantiles, and amounts with their units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """What an axis is marked in: its name, and how many of what is measured make one of it."""

    name: str
    size: float = 1.0
    is_whole: bool = False
    """Whether there are only whole ones."""

    def amount(self, value: float) -> str:
        """Return a value in this unit, with its name: ``1 second``, ``2.5 seconds``."""
        shown = number(value / self.size)
        return f"{shown} {self.name.removesuffix('s') if shown == '1' else self.name}"


_TIMES = (Unit("milliseconds", 0.001), Unit("seconds"), Unit("minutes", 60), Unit("hours", 3600))
_NOTHING = 1e-9
_SHORT = {"milliseconds": "ms", "seconds": "s", "minutes": "min", "hours": "h"}


def unit_of_time(seconds: float) -> Unit:
    """Return the unit that a time is read best in."""
    limits = (1.0, 180.0, 3 * 3600.0)
    return _TIMES[sum(seconds >= limit for limit in limits)]


def time(seconds: float) -> str:
    """Return a time as text: ``240 ms``, ``3.4 s``, ``12 min``."""
    unit = unit_of_time(seconds)
    return f"{number(seconds / unit.size)}\N{NO-BREAK SPACE}{_SHORT[unit.name]}"


def number(value: float) -> str:
    """Return a number with about three digits: ``0.25``, ``3.4``, ``12``, ``1,234``."""
    if value == int(value) or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if value >= 10 else 2}f}".rstrip("0").rstrip(".")


def short(value: float) -> str:
    """Return a number for a tick, shortened from 10,000 on: ``20k``, ``1.5M``."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size and value >= 10_000:
            return f"{number(value / size)}{letter}"
    return number(value)


def money(dollars: float) -> str:
    """Return an amount of US dollars, to the cent, or to a hundredth of one below a dollar."""
    return f"${dollars:,.2f}" if dollars >= 1 else f"${dollars:.4f}"


def step(span: float, parts: int) -> float:
    """Return a round step (1, 2 or 5 times a power of ten) that divides a span into so many parts at most.

    Of a span of nothing, or of what is nothing beside a billionth, it is 1.
    """
    least = span / parts
    if least < _NOTHING:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-12))


def ticks(top: float, parts: int) -> list[float]:
    """Return round numbers from 0 up to the first that is not below the top."""
    width = step(top, parts)
    return [width * n for n in range(math.ceil(top / width - 1e-9) + 1)]


def quantile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which that share of the sorted values lies, interpolated between two."""
    place = (len(ordered) - 1) * share
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def together(groups: Iterable[Iterable[float]]) -> list[float]:
    """Return the values of all groups, sorted."""
    return sorted(value for group in groups for value in group)
