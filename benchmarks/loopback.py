"""A server on loopback that gives every call of a chat model the same answer, as cheaply as Python can.

It shares the machine with what it measures, so it reads of a call its length and whether it wants a stream,
no more. For anything else than a benchmark there is `agent_app.testing.FaultyServer`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import re
from collections.abc import Callable, Iterator
from typing import Any

_WAITING = 1024
_STREAM = re.compile(rb'"stream": ?true')


class _Talk(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, whole: bytes, stream: bytes, latency: float) -> None:
        self._whole, self._stream, self._latency = whole, stream, latency
        self._came = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: Any) -> None:
        """Take the way back to the client."""
        self._write: Callable[[bytes], None] = transport.write

    def data_received(self, data: bytes) -> None:
        """Take bytes, and answer each call that is complete."""
        self._came += data
        while (end := self._came.find(b"\r\n\r\n")) >= 0:
            head = self._came[:end].lower()
            size = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
            whole = end + 4 + int(size or 0)
            if len(self._came) < whole:
                return
            call, self._came = self._came[end:whole], self._came[whole:]
            answer = self._stream if _STREAM.search(call) else self._whole
            self._loop.call_later(self._latency, self._write, answer)


_USAGE = {"prompt_tokens": 300, "completion_tokens": 12, "total_tokens": 312}
_REPLY = {"id": "chatcmpl-1", "created": 1, "model": "parrot"}


def _whole_reply(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    reply = {
        **_REPLY,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {**_USAGE, "prompt_tokens_details": {"cached_tokens": 0}},
    }
    return _response("application/json", json.dumps(reply))


def _stream(text: str) -> bytes:
    """Return the answer as a stream of one piece, then its end and what it took."""

    def piece(delta: dict[str, str], end: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": end}
        return {**_REPLY, "object": "chat.completion.chunk", "choices": [choice]}

    pieces = [
        piece({"role": "assistant", "content": text}, None),
        {**piece({}, "stop"), "usage": _USAGE},
    ]
    lines = [f"data: {json.dumps(each)}\n\n" for each in pieces]
    return _response("text/event-stream", "".join([*lines, "data: [DONE]\n\n"]))


def _response(kind: str, body: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body.encode())}\r\n\r\n"
    return (head + body).encode()


async def _serve(text: str, latency: float, address: Any, stop: Any) -> None:
    whole, stream = _whole_reply(text), _stream(text)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Talk(whole, stream, latency), "127.0.0.1", 0, backlog=_WAITING)
    address.put(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    await asyncio.to_thread(stop.wait)


def _run(text: str, latency: float, address: Any, stop: Any) -> None:
    more_files()
    asyncio.run(_serve(text, latency, address, stop))


def more_files() -> None:
    """Let this process have enough connections open."""
    with contextlib.suppress(ImportError):  # Windows has no such limit
        import resource

        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, most), most))


@contextlib.contextmanager
def served(text: str, latency: float) -> Iterator[str]:
    """Run the server in a process of its own, and give its address.

    Args:
        text: the answer to every call.
        latency: how many seconds it takes.
    """
    context = multiprocessing.get_context("spawn")
    address, stop = context.Queue(), context.Event()
    process = context.Process(target=_run, args=(text, latency, address, stop))
    process.start()
    try:
        yield address.get(timeout=60)
    finally:
        stop.set()
        process.join()
