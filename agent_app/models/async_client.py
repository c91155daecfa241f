"""An HTTP client that may be used from one event loop after another, as by `asyncio.run` called twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from openai import DefaultAioHttpClient, DefaultAsyncHttpxClient


class AnyLoopClient(DefaultAsyncHttpxClient):
    """Sends each request over connections that belong to the event loop it is sent from.

    A plain client would try an idle connection of a loop that has ended, and fail with a `RuntimeError`
    that says nothing of it. The connections are aiohttp's, which take half the processor's time where many
    calls are under way. They are closed when their loop ends.

    Args:
        options: what `openai.DefaultAioHttpClient` takes.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._options = options
        self._loops: dict[asyncio.AbstractEventLoop, _LoopsClient] = {}

    async def send(self, request: Any, **options: Any) -> Any:
        """Send a request, as the client would that it stands for."""
        return await (await self._of_this_loop()).send(request, **options)

    async def aclose(self) -> None:
        """Close the connections of this event loop; other loops' are closed with their loops."""
        known = self._loops.pop(asyncio.get_running_loop(), None)
        if known is not None:
            await known.aclose()
        await super().aclose()

    async def _of_this_loop(self) -> DefaultAsyncHttpxClient:
        loop = asyncio.get_running_loop()
        if loop not in self._loops:
            for ended in [known for known in list(self._loops) if known.is_closed()]:
                self._loops.pop(ended, None)  # another thread may do the same at this moment
            self._loops[loop] = _LoopsClient(self._options)
            await self._loops[loop].open()
        return self._loops[loop].client


class _LoopsClient:
    """The client of one event loop, closed at the loop's end.

    A loop closes the async generators that it knows before it is closed (`asyncio.run` sees to it); nothing
    else of a loop's end can be heard of.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self.client = DefaultAioHttpClient(**options)
        self._life = self._live()

    async def open(self) -> None:
        """Let the running loop know of it."""
        await anext(self._life)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._life.aclose()

    async def _live(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self.client.aclose()
