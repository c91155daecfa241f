"""A batch for code that does not await."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import os
import threading
from collections.abc import AsyncGenerator, Iterator
from queue import SimpleQueue
from typing import NamedTuple

from agent_app.batch.output import AnswerRow

_AHEAD = 64
"""How many answers the caller may be behind."""
_LAST_SECONDS = 10.0
"""How long the program waits at its end for connections to be closed."""


class _End(NamedTuple):
    """The last thing that the other thread gives."""

    error: BaseException | None


def from_thread(answers: AsyncGenerator[AnswerRow]) -> Iterator[AnswerRow]:
    """Yield what an async iterator gives, which goes on in another thread, a little ahead.

    Where this is closed before its end, so is that.
    """
    given: SimpleQueue[AnswerRow | _End] = SimpleQueue()
    room = asyncio.Semaphore(_AHEAD)
    loop = _loop(os.getpid())

    async def feed() -> None:
        error: BaseException | None = None
        try:
            async with contextlib.aclosing(answers) as rows:
                async for answer in rows:
                    await room.acquire()
                    given.put(answer)
        except BaseException as caught:  # noqa: BLE001 - it is the caller's
            error = caught
        given.put(_End(error))

    feeding = asyncio.run_coroutine_threadsafe(feed(), loop)
    over = False
    try:
        while not (over := isinstance(answer := given.get(), _End)):
            loop.call_soon_threadsafe(room.release)
            yield answer
        if answer.error is not None:
            raise answer.error
    finally:
        if not over:
            feeding.cancel()
            while not isinstance(given.get(), _End):
                pass


@functools.cache
def _loop(process: int) -> asyncio.AbstractEventLoop:
    """Return an event loop that runs in a thread of its own as long as the program.

    One loop for all runs, as the connections that a model keeps open belong to the loop they were made in.

    Args:
        process: the id of this process; a forked one needs a loop of its own.
    """
    runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
    loop, over = runner.get_loop(), asyncio.Event()

    def live() -> None:
        with runner:  # closes at its end what belongs to the loop, connections above all
            runner.run(over.wait())

    thread = threading.Thread(target=live, name="agent_app-batch", daemon=True)
    thread.start()

    def end() -> None:
        # A batch that its caller has left half-way cannot end well any more, as no thread may begin now.
        is_idle = len(asyncio.all_tasks(loop)) == 1
        if is_idle and os.getpid() == process:  # a forked process has no such thread
            loop.call_soon_threadsafe(over.set)
            thread.join(_LAST_SECONDS)

    atexit.register(end)
    return loop
