"""Rows begin as fast as a model's server takes them, and no faster."""

from __future__ import annotations

import asyncio
import time

import pytest

from agent_app.batch.pace import Pace
from agent_app.batch.rates import Rate


class Clock:
    """Stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def fill(pace: Pace) -> None:
    """Let as many rows begin as may."""

    async def enter() -> None:
        while pace.in_flight < pace.limit:
            assert await pace.enter()

    asyncio.run(enter())


def calls(pace: Pace, seconds: float, number: int | None = None) -> None:
    fill(pace)
    for _ in range(number or max(4, pace.limit)):
        pace.answered(seconds, 0)


def test_the_limit_doubles_while_calls_are_as_quick_as_before() -> None:
    pace = Pace(clock=Clock())
    limits = [pace.limit]
    for _ in range(7):
        calls(pace, 1.0)
        limits.append(pace.limit)
    assert limits == [4, 8, 16, 32, 64, 128, 256, 256]


def test_it_stays_where_calls_become_slower_and_falls_where_they_become_much_slower() -> None:
    pace = Pace(clock=Clock())
    calls(pace, 1.0)
    assert pace.limit == 8
    calls(pace, 1.9)
    assert pace.limit == 8
    calls(pace, 4.0)
    assert pace.limit == 6
    calls(pace, 1.0)
    assert pace.limit == 7  # no doubling any more
    assert [(limit, why) for _, limit, why in pace.history] == [
        (4, "begun"),
        (8, "calls are as quick as before"),
        (6, "calls take longer"),
        (7, "calls are as quick as before"),
    ]


def test_it_does_not_grow_while_fewer_rows_are_on_their_way() -> None:
    pace = Pace(clock=Clock())
    for _ in range(40):
        pace.answered(1.0, 0)
    assert pace.limit == 4


def test_a_server_that_is_asked_too_often_halves_it_once_for_all_calls_of_that_time() -> None:
    clock = Clock()
    pace = Pace(first=32, clock=clock)
    clock.now = 101.0
    for _ in range(5):
        pace.refused(100.5, None)
    assert pace.limit == 16
    clock.now = 103.0
    pace.refused(102.0, None)
    assert pace.limit == 8
    calls(pace, 1.0)
    assert pace.limit == 9  # with care from here on
    calls(pace, 1.0)
    assert pace.limit == 10


def test_a_given_number_stays() -> None:
    pace = Pace(10, clock=Clock())
    calls(pace, 1.0)
    pace.refused(200.0, None)
    calls(pace, 50.0)
    assert pace.limit == 10


async def test_no_row_begins_before_the_server_wants_to_be_asked_again() -> None:
    pace = Pace(4)
    pace.refused(time.monotonic(), 0.3)
    began = time.monotonic()
    assert await pace.enter()
    assert 0.25 < time.monotonic() - began < 5


async def test_a_row_begins_when_another_one_is_done_and_none_after_the_end() -> None:
    pace = Pace(1)
    assert await pace.enter()
    second, third = asyncio.create_task(pace.enter()), asyncio.create_task(pace.enter())
    await asyncio.sleep(0.01)
    assert not second.done()
    pace.leave()
    assert await second
    pace.close()
    assert not await third


def test_a_rate_is_spread_evenly_and_corrected() -> None:
    clock = Clock()
    rate = Rate(60, clock)
    assert [rate.take(1), rate.take(1), rate.take(2), rate.take(1)] == [0, 1, 2, 4]
    rate.correct(-2)
    assert rate.take(1) == pytest.approx(3)
    clock.now += 100
    assert [rate.take(1), rate.take(1)] == [0, 1]  # nothing was saved up


def test_under_a_limit_a_minute_no_call_waits_long_in_the_middle_of_its_row() -> None:
    assert [Pace(64, calls_per_minute=rpm).limit for rpm in (1, 10, 1000)] == [1, 5, 64]


async def test_calls_wait_for_their_turn() -> None:
    pace = Pace(8, calls_per_minute=1200)
    began = time.monotonic()
    times: list[float] = []

    async def call() -> None:
        await pace.turn()
        times.append(time.monotonic() - began)

    await asyncio.gather(*(call() for _ in range(6)))
    assert times[-1] == pytest.approx(0.25, abs=0.2)
    assert all(seconds >= 0.05 * number - 0.01 for number, seconds in enumerate(sorted(times)))


async def test_tokens_a_minute_are_learnt_from_the_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    pace = Pace(8, tokens_per_minute=60_000, clock=Clock())
    for _ in range(21):
        await pace.turn()
        pace.answered(1.0, 3000)
    # Twenty calls of 3,000 tokens take a minute at 60,000 a minute, whatever was guessed first.
    assert waits[-1] == pytest.approx(60)
