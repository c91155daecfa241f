"""A thread with an event loop in which connections to MCP servers live, whoever uses them from where."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import weakref
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from agent_app.mcp_tools.config import Server
from agent_app.mcp_tools.connection import Connection

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool
    from mcp.types import CallToolResult

_THREAD = "agent-app-mcp"


class Host:
    """The connections to some servers, to be used from any thread and any event loop.

    It closes itself when nothing refers to it any more and when the program ends; connections and the
    thread hold no reference to it.

    Args:
        servers: how they are reached; none is started yet.
        seconds: how long each may take to start, and to answer a call.
    """

    def __init__(self, servers: Iterable[Server], seconds: float) -> None:
        from anyio.from_thread import start_blocking_portal

        _keep_quiet()
        with contextlib.ExitStack() as stack:
            self._portal = stack.enter_context(start_blocking_portal(name=_THREAD))
            self.connections = self._portal.call(_connections, list(servers), seconds)
            stack.callback(self._portal.call, _close_all, self.connections)
            self._closing = weakref.finalize(self, _shut, stack.pop_all())

    def tools(self) -> list[list[BaseTool]]:
        """Start every server at the same time and return the tools of each.

        Raises:
            ToolFileError: a server does not start.
        """
        return self._portal.call(_all_tools, self.connections)

    def call(self, connection: Connection, tool: str, arguments: dict[str, Any]) -> Future[CallToolResult]:
        """Have a server run a tool; cancelling the future gives the call up.

        Raises:
            RuntimeError: the host is closed.
        """
        if not self._closing.alive:
            raise RuntimeError("the MCP servers have been closed; use their tools before that")
        return self._portal.start_task_soon(connection.call, tool, arguments)

    def close(self) -> None:
        """End every server and the thread; may be called again."""
        self._closing()


def _connections(servers: list[Server], seconds: float) -> list[Connection]:
    return [Connection(server, seconds) for server in servers]


async def _all_tools(connections: Sequence[Connection]) -> list[list[BaseTool]]:
    return await asyncio.gather(*(connection.tools() for connection in connections))


async def _close_all(connections: Sequence[Connection]) -> None:
    await asyncio.gather(*(connection.close() for connection in connections))


def _shut(stack: contextlib.ExitStack) -> None:
    """Close what a host has opened, even where the garbage collector finds it gone in its own thread."""
    if threading.current_thread().name == _THREAD:
        threading.Thread(target=stack.close, daemon=True).start()
    else:
        stack.close()


def _keep_quiet() -> None:
    """Keep what the SDK logs of strange messages off the terminal, unless the program wants logs.

    A logger that has no handler at all writes to stderr, and with it a server could. Some of it goes to
    the root logger, which nobody but the program may set up: what comes from our own thread is held back.
    """
    for name in ("mcp", "client"):
        logger = logging.getLogger(name)
        if not any(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            logger.addHandler(logging.NullHandler())
    logging.getLogger().addFilter(_not_from_a_server)


def _not_from_a_server(record: logging.LogRecord) -> bool:
    return record.threadName != _THREAD
