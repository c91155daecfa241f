"""One client's connection to the test server: what it is sent, when it hangs up, and how it is cut."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Mapping
from http.client import responses

_RESET = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
"""The option SO_LINGER, on and with no time to linger: closing then resets the connection."""


class Connection:
    """The server's side of a connection, in the middle of a call."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def pause(self, seconds: float) -> None:
        """Wait, and listen.

        Raises:
            ConnectionResetError: the client hung up meanwhile.
        """
        if not seconds:
            return
        try:
            async with asyncio.timeout(seconds):
                # A client that waits for its answer says nothing; this comes back when it is gone.
                await self._reader.read(1)
        except TimeoutError:
            return
        raise ConnectionResetError("the client hung up")

    async def send(self, data: bytes) -> None:
        """Send bytes, as fast as the client takes them.

        Raises:
            ConnectionError: the client hung up.
        """
        self._writer.write(data)
        await self._writer.drain()

    async def send_whole(
        self, status: int, kind: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a whole answer."""
        await self.send(
            head(status, {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}) + body
        )

    def reset(self) -> None:
        """Let the client see a connection that was reset."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._writer.transport.abort()


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """Return the lines before a body."""
    lines = [f"HTTP/1.1 {status} {responses.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """Return a piece of a body of which nobody knows the length yet; an empty one is its end."""
    return b"%x\r\n%b\r\n" % (len(data), data)
