"""Nothing is waited for longer than was agreed, and nothing that was in time is lost."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from agent_app.patience import OutOfTime, aeach_within, awithin, each_within, in_time, within

LONG = 30.0
WHERE: contextvars.ContextVar[str] = contextvars.ContextVar("WHERE", default="nowhere")


def told_in(text: str) -> tuple[str, bool, str]:
    return text, threading.current_thread() is threading.main_thread(), WHERE.get()


def own_timeout() -> None:
    raise TimeoutError("my own")


def test_without_a_limit_a_function_is_simply_called() -> None:
    assert within(None, told_in, "x") == ("x", True, "nowhere")


def test_with_a_limit_it_runs_elsewhere_with_this_context() -> None:
    WHERE.set("here")
    assert within(LONG, told_in, text="x") == ("x", False, "here")


async def test_awaited_it_runs_elsewhere_with_this_context() -> None:
    WHERE.set("there")
    assert await awithin(LONG, told_in, "x") == ("x", False, "there")


def test_what_takes_too_long_is_given_up() -> None:
    release = threading.Event()
    began = time.monotonic()
    with pytest.raises(OutOfTime, match=r"^no answer within 0\.05 s$"):
        within(0.05, release.wait, LONG)
    assert time.monotonic() - began < LONG / 2
    release.set()


async def test_a_stop_iteration_is_an_error_like_others() -> None:
    """No future of asyncio takes it, and nobody would ever hear of it."""
    with pytest.raises(RuntimeError, match="StopIteration"):
        await awithin(LONG, lambda: next(iter(())))


async def test_an_exit_in_another_thread_is_an_error_like_others() -> None:
    def leave() -> None:
        raise SystemExit(0)

    with pytest.raises(RuntimeError, match=r"^it called sys.exit\(0\)$"):
        within(LONG, leave)
    with pytest.raises(RuntimeError, match=r"^it called sys.exit\(0\)$"):
        await awithin(LONG, leave)


async def test_what_is_awaited_for_too_long_is_given_up_and_the_loop_goes_on() -> None:
    release = threading.Event()
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0.005)

    beating = asyncio.create_task(beat())
    with pytest.raises(OutOfTime, match=r"^no answer within 0\.1 s$"):
        await awithin(0.1, release.wait, LONG)
    release.set()
    beating.cancel()
    assert beats > 1


@pytest.mark.parametrize("seconds", [None, LONG])
def test_a_timeout_of_its_own_is_its_own(seconds: float | None) -> None:
    with pytest.raises(TimeoutError, match=r"^my own$"):
        within(seconds, own_timeout)


async def test_an_awaited_timeout_of_its_own_is_its_own() -> None:
    with pytest.raises(TimeoutError, match=r"^my own$"):
        await awithin(LONG, own_timeout)
    with pytest.raises(TimeoutError, match=r"^my own$"):
        async with in_time(LONG):
            own_timeout()


def test_many_callers_at_once_get_each_their_own() -> None:
    found: list[list[int]] = [[] for _ in range(8)]

    def ask(mine: list[int], start: int) -> None:
        for number in range(start, start + 100):
            mine.append(within(LONG, lambda n=number: n * 2))

    threads = [threading.Thread(target=ask, args=(found[i], i * 100)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert [n for part in found for n in part] == [n * 2 for n in range(800)]


def test_what_was_given_up_does_not_keep_a_program_from_ending() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=LONG)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "no answer within 0.05 s\n", "")


PROGRAM = """
import time
from agent_app.patience import OutOfTime, within
try:
    within(0.05, time.sleep, 60)
except OutOfTime as error:
    print(error)
"""


class Items:
    """Three items, each after a wait; remembers whether it was closed."""

    def __init__(self, wait: float = 0) -> None:
        self.closed = threading.Event()
        self.release = threading.Event()
        self._wait = wait

    def sync(self) -> Iterator[int]:
        try:
            for number in range(3):
                self.release.wait(self._wait)
                yield number
        finally:
            self.closed.set()

    async def awaited(self) -> AsyncIterator[int]:
        try:
            for number in range(3):
                await asyncio.sleep(self._wait)
                yield number
        finally:
            self.closed.set()


@pytest.mark.parametrize("own_thread", [False, True])
@pytest.mark.parametrize("seconds", [None, LONG])
def test_items_in_time_are_handed_on(own_thread: bool, seconds: float | None) -> None:
    items = Items()
    assert list(each_within(seconds, items.sync(), own_thread=own_thread)) == [0, 1, 2]
    assert items.closed.is_set()


@pytest.mark.parametrize("own_thread", [False, True])
def test_the_time_between_two_items_does_not_count(own_thread: bool) -> None:
    found = []
    for number in each_within(0.3, Items().sync(), own_thread=own_thread):
        time.sleep(0.15)
        found.append(number)
    assert found == [0, 1, 2]


def test_items_that_come_too_slowly_end_when_the_time_is_over() -> None:
    items = Items(wait=0.05)
    found = []
    with pytest.raises(OutOfTime, match=r"^no answer within 0\.08 s$"):  # noqa: PT012
        for number in each_within(0.08, items.sync(), own_thread=False):
            found.append(number)
    assert (found, items.closed.is_set()) == ([0], True)


def test_an_item_that_never_comes_is_given_up() -> None:
    items = Items(wait=LONG)
    with pytest.raises(OutOfTime, match=r"^no answer within 0\.05 s$"):
        next(each_within(0.05, items.sync(), own_thread=True))
    items.release.set()
    assert items.closed.wait(LONG)


def test_closing_early_closes_where_they_come_from() -> None:
    items = Items()
    timed = each_within(LONG, items.sync(), own_thread=False)
    assert next(timed) == 0
    timed.close()
    assert items.closed.is_set()


async def test_awaited_items_in_time_are_handed_on() -> None:
    items = Items()
    assert [n async for n in aeach_within(LONG, items.awaited())] == [0, 1, 2]
    assert items.closed.is_set()


async def test_awaited_items_that_come_too_slowly_end_when_the_time_is_over() -> None:
    items = Items(wait=0.05)
    found = []
    with pytest.raises(OutOfTime, match=r"^no answer within 0\.08 s$"):  # noqa: PT012
        async for number in aeach_within(0.08, items.awaited()):
            found.append(number)
    assert (found, items.closed.is_set()) == ([0], True)
