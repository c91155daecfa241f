"""The connection to one MCP server: opened when it is needed, kept open, opened again after a death.

All of it runs in one event loop (see `host`). A `_Life` is one start of a server with the session to it:
one task opens, holds and closes it, because the SDK's cancel scopes belong to the task that entered them.
Requests are awaited beside that task, so that neither a hanging nor a dying server holds anybody up.

Servers may ask the client in turn for a model's words, for a user's input or for folders: the session is
given no callback for any of it, so that the SDK answers every such request with an error.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from agent_app.errors import ToolFileError
from agent_app.mcp_tools.config import HttpServer, Server, StdioServer
from agent_app.mcp_tools.last_words import LastWords
from agent_app.mcp_tools.untrusted import one_line

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool
    from mcp import ClientSession
    from mcp.client.session import MessageHandlerFnT
    from mcp.types import CallToolResult

T = TypeVar("T")

_PING_SECONDS = 2.0
_CLOSING_SECONDS = 10.0
"""More than the SDK takes from closing a program's input to killing it."""
_SPARE_SECONDS = 60.0
"""How much longer than a call the HTTP library may wait, so that it is never the first to give up."""
_LONGEST_REASON = 300


class Connection:
    """The connection to one server.

    Args:
        server: how it is reached.
        seconds: how long it may take to start, and to answer a call.
    """

    def __init__(self, server: Server, seconds: float) -> None:
        self.server = server
        self._seconds = seconds
        self._life: _Life | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    async def tools(self) -> list[BaseTool]:
        """Return the server's tools as langchain-mcp-adapters makes LangChain tools of them.

        Raises:
            ToolFileError: it does not start, or does not say what tools it has.
        """
        from langchain_mcp_adapters.tools import load_mcp_tools

        try:
            life = await self._living()
            return await life.answer(lambda session: load_mcp_tools(session), self._seconds)
        except _Failure as failure:
            raise ToolFileError(f"the MCP server {self.server.name!r} does not start: {failure}") from failure

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> CallToolResult:
        """Have the server run one of its tools; one that has died is started again first.

        Raises:
            ToolException: no result came; says why, for the model to read.
        """
        from langchain_core.tools import ToolException

        try:
            life = await self._living()
            return await life.answer(lambda session: session.call_tool(tool, dict(arguments)), self._seconds)
        except _Failure as failure:
            raise ToolException(f"the MCP server {self.server.name!r} failed: {failure}") from failure

    async def close(self) -> None:
        """End the server, if it is there, for good."""
        self._closed = True
        if self._life is not None:
            await self._life.close()

    async def _living(self) -> _Life:
        async with self._opening:
            if self._closed:
                raise _Failure("its tools have been closed")
            if self._life is not None and not await self._life.goes_on():
                await self._life.close()
                self._life = None
            if self._life is None:
                self._life = _Life(self.server, self._seconds)
                await self._life.start()
            return self._life


class _Failure(Exception):  # noqa: N818 - it never leaves this module
    """Why there is no answer, in words."""


class _Life:
    """One start of a server and the session to it, until it ends."""

    def __init__(self, server: Server, seconds: float) -> None:
        self._server = server
        self._seconds = seconds
        self._words = LastWords()
        self._open: asyncio.Future[ClientSession] = asyncio.get_running_loop().create_future()
        self._end = asyncio.Event()
        self._doubtful = False
        """Whether something went wrong, so that it must show that it is alive before it is used again."""
        self._nonsense = False
        """Whether it has sent what is no message."""
        self._task = _start(self._live())

    async def start(self) -> None:
        """Wait until the session is open.

        Raises:
            _Failure: it does not open.
        """
        try:
            await self._finish(_wait_for(self._open), self._seconds)
        finally:
            if not self._open.done():
                await self.close()

    async def answer(self, ask: Callable[[ClientSession], Coroutine[Any, Any, T]], seconds: float) -> T:
        """Ask the server for something and return its answer.

        Raises:
            _Failure: it did not answer, died, or answered with an error.
        """
        return await self._finish(ask(self._open.result()), seconds)

    async def goes_on(self) -> bool:
        """Say whether it can be used; after a failure it has to answer a ping."""
        if self._task.done() or not self._open.done():
            return False
        if self._doubtful:
            with contextlib.suppress(_Failure):
                await self.answer(lambda session: session.send_ping(), min(_PING_SECONDS, self._seconds))
                self._doubtful = False
        return not self._doubtful

    async def close(self) -> None:
        """End the session and the server; takes a bounded time."""
        self._end.set()
        await asyncio.wait({self._task}, timeout=_CLOSING_SECONDS)
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _live(self) -> None:
        # Told to end by an event and not by cancelling it: the SDK then ends a program in good order.
        ending = _start(self._end.wait())
        async with _session(self._server, self._seconds, self._words, self._hear) as session:
            opening = _start(session.initialize())
            try:
                await asyncio.wait({opening, ending}, return_when=asyncio.FIRST_COMPLETED)
                if opening.done():
                    opening.result()
                    self._open.set_result(session)
                    await ending
            finally:
                opening.cancel()

    async def _hear(self, message: object) -> None:
        # The SDK hands over here, as an exception, what it could not read; a server's notices are let go.
        self._nonsense |= isinstance(message, Exception)

    async def _finish(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Await what the server has to do, as long as it has time and lives."""
        asked = _start(work)
        try:
            await asyncio.wait({asked, self._task}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            error = asked.exception() if asked.done() else None
            if asked.done() and error is None:
                return asked.result()
            self._doubtful = True
            if error is not None and _is_broken(error):
                await self.close()  # what is left of it; then its last words are complete
            raise _Failure(self._reason(error, seconds))
        finally:
            asked.cancel()

    def _reason(self, error: BaseException | None, seconds: float) -> str:
        if error is None and self._task.done():
            error = None if self._task.cancelled() else self._task.exception()
            if error is None:
                return "it has been closed"
        if error is not None:
            reason = _explained(error)
        else:
            note = "; it has sent what is no MCP message" if self._nonsense else ""
            reason = f"no answer within {seconds:g} seconds{note}"
        gone = self._task.done() or not self._open.done()
        words = one_line(self._words.last_line(), _LONGEST_REASON) if gone else ""
        return f"{reason}; its last words: {words}" if words else reason


def _start(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Start a task of whose end asyncio need not tell, as it is looked at here, or no longer matters."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


async def _wait_for(future: asyncio.Future[T]) -> T:
    return await asyncio.shield(future)


@contextlib.asynccontextmanager
async def _session(
    server: Server, seconds: float, words: LastWords, hear: MessageHandlerFnT
) -> AsyncIterator[ClientSession]:
    """Open a session that is not initialised yet, and the program at its other end where it is one."""
    if isinstance(server, HttpServer):
        from langchain_mcp_adapters.sessions import StreamableHttpConnection, create_session

        connection = StreamableHttpConnection(
            transport="streamable_http",
            url=server.url,
            headers=dict(server.headers),
            sse_read_timeout=seconds + _SPARE_SECONDS,
            session_kwargs={"message_handler": hear},
        )
        async with create_session(connection) as session:
            yield session
    else:
        async with _stdio_session(server, words, hear) as session:
            yield session


@contextlib.asynccontextmanager
async def _stdio_session(
    server: StdioServer, words: LastWords, hear: MessageHandlerFnT
) -> AsyncIterator[ClientSession]:
    # Not by the adapters: they let a server write to our terminal, and read `${...}` in a secret once more.
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client

    program = StdioServerParameters(
        command=server.command,
        args=list(server.args),
        env=dict(server.env),
        cwd=server.cwd,
        encoding_error_handler="replace",
    )
    with words:
        async with (
            stdio_client(program, errlog=words.stream) as (reading, writing),
            ClientSession(reading, writing, message_handler=hear) as session,
        ):
            yield session


def _is_broken(error: BaseException) -> bool:
    """Say whether an error means that nobody is at the other end any more."""
    import anyio
    from mcp import McpError
    from mcp.types import CONNECTION_CLOSED

    if isinstance(error, McpError):
        return error.error.code == CONNECTION_CLOSED
    return isinstance(error, anyio.ClosedResourceError | anyio.BrokenResourceError | anyio.EndOfStream)


def _explained(error: BaseException) -> str:
    """Say in words what went wrong with a server; neither an address nor a header is repeated.

    Raises:
        BaseException: it is none of what a server can bring about, but a bug; it goes on its way.
    """
    import httpx
    from mcp import McpError
    from pydantic import ValidationError

    while isinstance(error, BaseExceptionGroup):  # the SDK's tasks end in groups; the first is the cause
        error = error.exceptions[0]
    if _is_broken(error):
        return "it has ended or broken off the connection"
    if isinstance(error, httpx.HTTPStatusError):
        return f"it answers with HTTP status {error.response.status_code}"
    if isinstance(error, httpx.HTTPError):
        return f"it cannot be reached ({type(error).__name__})"
    if isinstance(error, McpError):
        return one_line(error.error.message, _LONGEST_REASON)
    if isinstance(error, OSError):
        return f"{error.strerror}: {error.filename}" if error.filename else str(error)
    if isinstance(error, ValidationError):
        return f"its answer is no {error.title} as the protocol has it"
    if isinstance(error, RuntimeError | ValueError):  # an answer that breaks the protocol or its own schema
        return one_line(str(error), _LONGEST_REASON)
    raise error
