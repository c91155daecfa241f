"""Intervals and tests give the published values, and cover what they claim to."""

from __future__ import annotations

import math
import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_app.statistics import (
    Interval,
    Mean,
    Pairs,
    mcnemar,
    paired_shares,
    student_quantile,
    student_within,
    wilson,
)

COUNTS = st.integers(0, 300)


def rounded(interval: Interval | None, digits: int = 4) -> tuple[float, float]:
    assert interval is not None
    return round(interval.low, digits), round(interval.high, digits)


def test_the_interval_of_a_share_has_the_published_values() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3.
    assert rounded(wilson(81, 263)) == (0.2553, 0.3662)
    assert rounded(wilson(15, 148)) == (0.0624, 0.1605)
    assert rounded(wilson(0, 20)) == (0.0, 0.1611)
    assert rounded(wilson(1, 29)) == (0.0061, 0.1718)


def test_the_interval_of_a_paired_difference_has_the_published_values() -> None:
    # Newcombe (1998), as in the docstring: 36 and 2, 12 and 0 of 50.
    assert rounded(paired_shares(Pairs(36, 2, 12, 0))) == (0.0569, 0.3404)
    assert rounded(paired_shares(Pairs(36, 12, 2, 0))) == (-0.3404, -0.0569)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_a_paired_interval_holds_the_difference_within_bounds(a: int, b: int, c: int, d: int) -> None:
    pairs = Pairs(a, b, c, d)
    if sum(pairs):
        low, high = paired_shares(pairs)
        assert -1 - 1e-9 <= low <= (c - b) / sum(pairs) + 1e-9
        assert (c - b) / sum(pairs) - 1e-9 <= high <= 1 + 1e-9


def test_a_paired_interval_covers_the_true_difference_as_often_as_it_says() -> None:
    chance = random.Random(3)
    weights = [0.5, 0.1, 0.25, 0.15]
    hits = 0
    for _ in range(2000):
        drawn = chance.choices(range(4), weights, k=60)
        low, high = paired_shares(Pairs(*(drawn.count(kind) for kind in range(4))))
        hits += low <= 0.15 <= high
    assert 0.935 <= hits / 2000 <= 0.975


def test_mcnemars_test_counts_every_way_the_coins_can_fall() -> None:
    for first, second in product(range(7), repeat=2):
        total = first + second
        falls = [sum(coins) for coins in product((0, 1), repeat=total)]
        as_far = sum(abs(2 * heads - total) >= abs(first - second) for heads in falls) / len(falls)
        assert mcnemar(Pairs(5, first, second, 5)) == pytest.approx(as_far)


def test_mcnemars_test_takes_many_pairs() -> None:
    assert mcnemar(Pairs(0, 10_000, 10_400, 0)) == pytest.approx(0.00518, abs=0.00005)


def test_students_distribution_has_the_tabled_values() -> None:
    tabled = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 9: 2.262, 30: 2.042, 100: 1.984, 5000: 1.960}
    assert {freedom: round(student_quantile(freedom), 3) for freedom in tabled} == tabled
    assert student_within(math.sqrt(3), 1) == pytest.approx(2 / 3)


def test_a_mean_is_known_with_its_interval_and_its_chance() -> None:
    mean = Mean()
    assert (mean.interval(), mean.chance()) == (None, None)
    for value in (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0):  # Student's own data on sleep
        mean.add(value)
    assert rounded(mean.interval(), 3) == (-0.530, 2.030)
    assert mean.chance() == pytest.approx(0.2176, abs=0.0001)
    same = Mean()
    for _ in range(3):
        same.add(2.0)
    assert (same.interval(), same.chance()) == (Interval(2.0, 2.0), 0.0)
