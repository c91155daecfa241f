"""A call as the test server received it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Mapping
from typing import Any


class Request:
    """One call of a server, as it came in, and how it ended.

    Attributes:
        method: ``POST``, for every call of a model.
        path: such as ``/v1/chat/completions``.
        headers: by their names in lower case.
        body: the JSON object that was sent; empty where none was.
        began: when it was read, in the seconds of `time.monotonic`.
        ended: when the server was done with it, or lost its client; None before that.
    """

    def __init__(self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> None:
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.began = time.monotonic()
        self.ended: float | None = None
        self._hung_up = False
        self._over = threading.Event()

    @property
    def texts(self) -> list[str]:
        """The text of each message."""
        return [_text(message.get("content")) for message in self.body.get("messages", [])]

    def hung_up(self, within: float = 5.0) -> bool:
        """Return whether the client hung up before the answer's end; waits until the answer is over.

        It blocks, and a client closes its connection only when its event loop goes on: in a coroutine
        write ``await asyncio.to_thread(request.hung_up)``.

        Args:
            within: how many seconds to wait at most.

        Raises:
            TimeoutError: the answer is still not over.
        """
        if not self._over.wait(within):
            raise TimeoutError(f"the answer to {self.method} {self.path} is not over after {within} s")
        return self._hung_up

    def end(self, *, hung_up: bool) -> None:
        """Note how it ended; called by the server."""
        self.ended = time.monotonic()
        self._hung_up = hung_up
        self._over.set()


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read the next call from a connection; None when the client has closed it.

    Only what the usual clients send is understood: a body has a Content-Length and is JSON.
    """
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip("\r\n").split("\r\n")
        method, path, _ = first.split(" ", 2)
        fields = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return Request(method, path, headers, json.loads(body) if body else {})


def _text(content: Any) -> str:
    """Return a message's text, which may come in parts."""
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content)
    return content or ""
