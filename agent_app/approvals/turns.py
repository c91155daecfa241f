"""One at a time, for threads and tasks together: whoever answers is asked one question at a time."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class Turn:
    """The right to go ahead; may be kept until something that was begun has ended."""

    def __init__(self) -> None:
        self.until: Future[object] | None = None

    def keep_until(self, work: Future[T]) -> None:
        """Pass it on only when some work has ended, even if nobody waits for that work any more."""
        self.until = work  # type: ignore[assignment]  # only its end counts


class Turns:
    """Hands out turns in the order of arrival. A task waits without holding up its event loop.

    A `threading.Lock` would hold it up, and an `asyncio.Lock` knows one loop only.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Future[None]] = deque()
        self._taken = False

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Wait for a turn in a thread, and pass it on at the end."""
        turn = self._queue()
        try:
            turn.result()
        except BaseException:
            self._leave(turn)
            raise
        try:
            yield
        finally:
            self._pass_on()

    @contextlib.asynccontextmanager
    async def one_of_tasks(self) -> AsyncIterator[Turn]:
        """Wait for a turn in a task, and pass it on at the end, or when it need not be kept any more."""
        queued = self._queue()
        try:
            await asyncio.wrap_future(queued)
        except BaseException:
            self._leave(queued)
            raise
        turn = Turn()
        try:
            yield turn
        finally:
            if turn.until is None:
                self._pass_on()
            else:
                turn.until.add_done_callback(lambda _: self._pass_on())

    def _queue(self) -> Future[None]:
        turn: Future[None] = Future()
        with self._lock:
            if self._taken:
                self._waiting.append(turn)
            else:
                self._taken = True
                turn.set_result(None)
        return turn

    def _leave(self, turn: Future[None]) -> None:
        """Stop waiting; a turn that came all the same goes to the next."""
        if not turn.cancel():
            self._pass_on()

    def _pass_on(self) -> None:
        with self._lock:
            while self._waiting:
                turn = self._waiting.popleft()
                if turn.set_running_or_notify_cancel():  # False: it waits no more
                    turn.set_result(None)
                    return
            self._taken = False


def in_thread(function: Callable[..., T], *arguments: object) -> Future[T]:
    """Run a function in a thread of its own, in the caller's context.

    Not in the event loop's pool, as that may be full of those who wait, and Python would not end
    before a thread of it does; a person may never answer.
    """
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            done.set_result(context.run(function, *arguments))
        except StopIteration as error:  # which no future of asyncio can carry
            done.set_exception(RuntimeError(f"{function!r} raised StopIteration({error})"))
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            done.set_exception(error)

    threading.Thread(target=work, daemon=True, name="approval").start()
    return done
