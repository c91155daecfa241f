"""An HTTP client that may be used from one event loop after another, as by `asyncio.run` called twice."""

from __future__ import annotations

import asyncio
from typing import Any

from openai import DefaultAsyncHttpxClient


class AnyLoopClient(DefaultAsyncHttpxClient):
    """Sends each request over connections that belong to the event loop it is sent from.

    A plain client would try an idle connection of a loop that has ended, and fail with a `RuntimeError`
    that says nothing of it.

    Args:
        options: what `openai.DefaultAsyncHttpxClient` takes.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._options = options
        self._clients: dict[asyncio.AbstractEventLoop, DefaultAsyncHttpxClient] = {}

    async def send(self, request: Any, **options: Any) -> Any:
        """Send a request, as the client would that it stands for."""
        return await self._of_this_loop().send(request, **options)

    async def aclose(self) -> None:
        """Close the connections of this event loop; other loops' are closed with their loops."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()
        await super().aclose()

    def _of_this_loop(self) -> DefaultAsyncHttpxClient:
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            for ended in [known for known in list(self._clients) if known.is_closed()]:
                self._clients.pop(ended, None)  # another thread may do the same at this moment
            self._clients[loop] = DefaultAsyncHttpxClient(**self._options)
        return self._clients[loop]
