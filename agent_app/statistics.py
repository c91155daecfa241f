"""Intervals and tests for shares and for paired differences; all of them for 95 %.

Nothing here is approximated where a few lines can be exact: the only tables are Python's own integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

LEVEL = 0.95
_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)
_LIKE_NORMAL = 1000
"""With more degrees of freedom Student's distribution is the normal one to three digits."""


class Interval(NamedTuple):
    """Where a value lies, with a confidence of 95 %."""

    low: float
    high: float


def wilson(hits: float, total: int) -> Interval:
    """Return the interval of a share, which stays within 0 and 1 for few trials as well.

    Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22 (1927), 209-212.

    Args:
        hits: in how many trials it was so; a fraction where a trial can be so in part.
        total: how many trials there were; after none the share can be anything.
    """
    if total == 0:
        return Interval(0.0, 1.0)
    share, squared = hits / total, _Z * _Z
    middle = (share + squared / (2 * total)) / (1 + squared / total)
    half = _Z / (1 + squared / total) * math.sqrt(share * (1 - share) / total + squared / (4 * total**2))
    return Interval(0.0 if hits == 0 else middle - half, 1.0 if hits == total else middle + half)


class Pairs(NamedTuple):
    """How often each of two judgements of the same thing was right."""

    both: int
    only_first: int
    only_second: int
    neither: int


def mcnemar(pairs: Pairs) -> float:
    """Return how likely it is by chance alone that the two differ at least as much: the exact p-value.

    Only the pairs in which one is right count; if there were no difference, each of them would be a
    fair coin. McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12 (1947), 153-157; exact by the binomial distribution, two-sided.
    """
    total = pairs.only_first + pairs.only_second
    ways = term = 1
    for k in range(min(pairs.only_first, pairs.only_second)):
        term = term * (total - k) // (k + 1)
        ways += term
    sides: int = 2**total
    return min(1.0, 2 * ways / sides)


def paired_shares(pairs: Pairs) -> Interval:
    """Return the interval of the second share minus the first, of the same things.

    Newcombe, "Improved confidence intervals for the difference between binomial proportions based on
    paired data", Statistics in Medicine 17 (1998), 2635-2650, method 10: the score intervals of both
    shares, joined by their correlation.
    """
    both, first, second, _ = pairs
    total = sum(pairs)
    ours, theirs = (both + second) / total, (both + first) / total
    low, high = wilson(both + second, total)
    their_low, their_high = wilson(both + first, total)
    phi = _phi(pairs)
    down = _joined(ours - low, their_high - theirs, phi)
    up = _joined(high - ours, theirs - their_low, phi)
    return Interval(ours - theirs - down, ours - theirs + up)


def _joined(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))


def _phi(pairs: Pairs) -> float:
    """Return the correlation of the two, corrected for continuity."""
    both, first, second, neither = pairs
    product = (both + first) * (second + neither) * (both + second) * (first + neither)
    if product == 0:
        return 0.0
    cross = both * neither - first * second
    corrected = max(0.0, cross - sum(pairs) / 2) if cross > 0 else float(cross)
    return corrected / math.sqrt(product)


@dataclass(slots=True)
class Mean:
    """The mean of values that are never held; their spread by the way.

    Welford, "Note on a method for calculating corrected sums of squares and products", Technometrics 4
    (1962), 419-420.
    """

    count: int = 0
    value: float = 0.0
    _squares: float = 0.0

    def add(self, value: float) -> None:
        """Count one more value."""
        self.count += 1
        before = value - self.value
        self.value += before / self.count
        self._squares += before * (value - self.value)

    @property
    def error(self) -> float | None:
        """The standard error; None for fewer than two values."""
        if self.count < 2:
            return None
        return math.sqrt(self._squares / (self.count - 1) / self.count)

    def interval(self) -> Interval | None:
        """Return the mean's interval by Student's distribution; None for fewer than two values."""
        error = self.error
        if error is None:
            return None
        half = error * student_quantile(self.count - 1)
        return Interval(self.value - half, self.value + half)

    def chance(self) -> float | None:
        """Return how likely a mean at least so far from 0 is by chance alone; None where nobody can say."""
        error = self.error
        if error is None:
            return None
        if error == 0:
            return 1.0 if self.value == 0 else 0.0
        return 1 - student_within(abs(self.value) / error, self.count - 1)


def student_within(t: float, freedom: int) -> float:
    """Return how likely a value of Student's distribution is between -t and t.

    The finite sums of Abramowitz and Stegun, "Handbook of Mathematical Functions" (1964), 26.7.3 and
    26.7.4, which are exact.

    Args:
        t: 0 or more.
        freedom: the degrees of freedom, 1 or more.
    """
    if freedom > _LIKE_NORMAL:
        return 2 * NormalDist().cdf(t) - 1
    angle = math.atan(t / math.sqrt(freedom))
    cosine = math.cos(angle)
    odd = freedom % 2
    total, term = 0.0, cosine if odd else 1.0
    for k in range(odd, freedom - 1, 2):
        total += term
        term *= cosine * cosine * (k + 1) / (k + 2)
    total *= math.sin(angle)
    return (angle + total) * 2 / math.pi if odd else total


def student_quantile(freedom: int) -> float:
    """Return the t with `student_within(t)` of 95 %, by halving where it can lie."""
    low, high = 0.0, 16.0  # of one degree of freedom it is 12.7
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student_within(middle, freedom) < LEVEL else (low, middle)
    return high
