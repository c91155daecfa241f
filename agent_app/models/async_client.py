"""HTTP clients that may be used from one event loop after another, as by `asyncio.run` called twice."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

from httpx2 import URL
from openai import DefaultAioHttpClient, DefaultAsyncHttpxClient

from agent_app.models.access import without_credentials

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One of something for each event loop, closed when its loop ends, or when nobody holds this any more.

    A plain client would try an idle connection of a loop that has ended, and fail with a `RuntimeError`
    that says nothing of it.

    Args:
        make: makes one, in the loop that it is for.
        close: closes one.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._make, self._close = make, close
        self._loops: dict[asyncio.AbstractEventLoop, _OfALoop[T]] = {}
        # Held by this, they are no garbage, and are whole when they are closed.
        weakref.finalize(self, _close_all, self._loops).atexit = False

    async def of_this_loop(self) -> T:
        """Return the running loop's."""
        loop = asyncio.get_running_loop()
        known = self._loops.get(loop)
        if known is None:
            for ended in [one for one in list(self._loops) if one.is_closed()]:
                self._loops.pop(ended, None)  # another thread may do the same at this moment
            known = self._loops[loop] = _OfALoop(self._make(), self._close)
            await known.open()
        return known.thing

    async def aclose(self) -> None:
        """Close the running loop's; other loops' are closed with their loops."""
        known = self._loops.pop(asyncio.get_running_loop(), None)
        if known is not None:
            await known.aclose()


class _OfALoop(Generic[T]):
    """What belongs to one event loop.

    A loop closes the async generators that it knows before it is closed (`asyncio.run` sees to it); nothing
    else of a loop's end can be heard of.
    """

    def __init__(self, thing: T, close: Callable[[T], Awaitable[None]]) -> None:
        self.thing, self._close = thing, close
        self._life = self._live()

    async def open(self) -> None:
        """Let the running loop know of it."""
        await anext(self._life)

    async def aclose(self) -> None:
        """Close it."""
        await self._life.aclose()

    async def _live(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self._close(self.thing)


def _close_all(loops: Mapping[asyncio.AbstractEventLoop, _OfALoop[Any]]) -> None:
    """Have what belongs to loops that still go on closed there; garbage is found in any thread."""
    for loop, known in loops.items():
        if loop.is_running():
            asyncio.run_coroutine_threadsafe(known.aclose(), loop)


class AnyLoopClient(DefaultAsyncHttpxClient):
    """Sends each request over connections that belong to the event loop it is sent from.

    The connections are aiohttp's, which take half the processor's time where many calls are under way.

    Args:
        options: what `openai.DefaultAioHttpClient` takes.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._clients: PerLoop[DefaultAsyncHttpxClient] = PerLoop(
            lambda: DefaultAioHttpClient(**options), DefaultAsyncHttpxClient.aclose
        )

    async def send(self, request: Any, **options: Any) -> Any:
        """Send a request, as the client would that it stands for."""
        if request.url.userinfo:
            address, credentials = without_credentials(str(request.url))
            request.url = URL(address)
            request.headers.update(credentials)
        return await (await self._clients.of_this_loop()).send(request, **options)

    async def aclose(self) -> None:
        """Close the connections of this event loop; other loops' are closed with their loops."""
        await self._clients.aclose()
        await super().aclose()
