"""A batch for code that does not await."""

from __future__ import annotations

import asyncio
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
def _loop(process: int) -> asyncio.AbstractEventLoop:  # noqa: ARG001 - a forked process needs its own
    """Return an event loop that runs in a thread of its own as long as the program.

    One loop for all runs, as the connections that a model keeps open belong to the loop they were made in.
    """
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="agent_app-batch", daemon=True).start()
    return loop
