"""Waiting for something, but not for ever: for code that cannot be told to hurry.

A call that is not over in time is abandoned: nobody waits for it any more. Python cannot stop a thread,
so what was called may go on for a while; it runs in a daemon thread, which never keeps a program from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
import os
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from queue import SimpleQueue
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
_Job: TypeAlias = "tuple[Future[Any], Callable[[], Any]]"


LONGEST_WAIT = 1_000_000.0
"""In seconds, more than eleven days; the locks and sockets of some systems raise an error at much more."""


class OutOfTime(TimeoutError):  # noqa: N818 - it reads as what it is
    """What was waited for did not come in time.

    Args:
        seconds: how long it was given.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"no answer within {seconds:g} s")


def within(seconds: float | None, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Call a function and return what it gives, or give it up when it takes too long.

    With a limit, even an infinite one, it is called in another thread, in a copy of this one's context;
    without one in this thread.

    Raises:
        OutOfTime: it was not over within so many seconds.
    """
    if seconds is None:
        return function(*args, **kwargs)
    future = _started(function, args, kwargs)
    try:
        return future.result(None if math.isinf(seconds) else seconds)
    except TimeoutError:
        if future.done():  # it is the function's own
            raise
        raise OutOfTime(seconds) from None


async def awithin(seconds: float | None, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Do what `within` does without holding up the event loop; always in another thread.

    Raises:
        OutOfTime: it was not over within so many seconds.
    """

    def call() -> T:
        try:
            return function(*args, **kwargs)
        except StopIteration as error:  # which no `asyncio.Future` takes, and no coroutine lets out
            raise RuntimeError("the function raised StopIteration") from error

    waiting = asyncio.wrap_future(_started(call, (), {}))
    async with in_time(seconds):
        return await waiting


def in_time(seconds: float | None) -> AbstractAsyncContextManager[None]:
    """Cancel what is awaited inside when it takes too long. Never `yield` inside: that waits for others.

    Raises:
        OutOfTime: it was not over within so many seconds.
    """
    return contextlib.nullcontext() if seconds is None else _bounded(seconds)


@contextlib.asynccontextmanager
async def _bounded(seconds: float) -> AsyncIterator[None]:
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():  # it is the body's own
            raise
        raise OutOfTime(seconds) from None


def each_within(seconds: float | None, items: Iterator[T], *, own_thread: bool) -> Generator[T]:
    """Hand on the items of an iterator, which may take so many seconds for all of them together.

    The time that the caller takes between two items does not count.

    Args:
        seconds: the time for all items; None: as long as it takes.
        items: where they come from; closed when this iterator is.
        own_thread: whether to wait in another thread, which is needed where an item can keep one
            waiting for ever.

    Raises:
        OutOfTime: they were not all there within that time.
    """
    left = seconds
    close = getattr(items, "close", None)
    try:
        while True:
            began = time.monotonic()
            try:
                item = within(left, next, items) if own_thread else next(items)
            except StopIteration:
                return
            except OutOfTime:
                close = None  # another thread is still in it
                raise OutOfTime(seconds or 0) from None
            if left is not None and seconds is not None:
                left -= time.monotonic() - began
                if left <= 0:
                    raise OutOfTime(seconds)
            yield item
    finally:
        if close is not None:
            close()


async def aeach_within(seconds: float | None, items: AsyncIterator[T]) -> AsyncGenerator[T]:
    """Do what `each_within` does without holding up the event loop.

    Raises:
        OutOfTime: the items were not all there within that time.
    """
    left = seconds
    try:
        while True:
            began = time.monotonic()
            try:
                async with in_time(left):
                    item = await anext(items)
            except StopAsyncIteration:
                return
            except OutOfTime:
                raise OutOfTime(seconds or 0) from None
            if left is not None:
                left = max(0.0, left - (time.monotonic() - began))
            yield item
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()


# --- threads that wait for work; daemons, which those of `concurrent.futures` are not ---

_idle: list[_Worker] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # a child has the list, but not the threads


class _Worker:
    """A thread that does one job after the other and is handed out to one caller at a time."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        threading.Thread(target=self._work, name="agent_app-patience", daemon=True).start()

    def give(self, job: _Job) -> None:
        self._jobs.put(job)

    def _work(self) -> None:
        while True:
            future, call = self._jobs.get()
            try:
                result = call()
            except SystemExit as error:  # the function's own: signals are handled in the main thread
                left = RuntimeError(f"it called sys.exit({error.code!r})")
                left.__cause__ = error
                outcome: Callable[[], None] = _bound(future.set_exception, left)
            except BaseException as error:  # noqa: BLE001 - whatever it is belongs to the one who waits
                outcome = _bound(future.set_exception, error)
            else:
                outcome = _bound(future.set_result, result)
            # Free before the caller goes on, so that its next job finds this thread.
            _idle.append(self)
            with contextlib.suppress(Exception):  # cancelled by one who waits no more
                outcome()
            del future, call, outcome


def _bound(function: Callable[[Any], None], value: Any) -> Callable[[], None]:
    return lambda: function(value)


def _started(function: Callable[..., T], args: Any, kwargs: Any) -> Future[T]:
    future: Future[T] = Future()
    context = contextvars.copy_context()
    try:
        worker = _idle.pop()
    except IndexError:
        worker = _Worker()
    worker.give((future, lambda: context.run(function, *args, **kwargs)))
    return future
