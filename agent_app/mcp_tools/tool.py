"""One tool of an MCP server as a LangChain tool that works from sync and async code alike."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from langchain_core.tools import BaseTool, ToolException
from pydantic import PrivateAttr

from agent_app.errors import ToolFileError
from agent_app.mcp_tools.config import HttpServer, Server
from agent_app.mcp_tools.connection import Connection
from agent_app.mcp_tools.host import Host
from agent_app.mcp_tools.untrusted import (
    one_line,
    prefixed,
    result_text,
    schema_problem,
    with_safe_notes,
)

if TYPE_CHECKING:
    from mcp.types import CallToolResult


class McpTool(BaseTool):
    """A tool that a server runs; `metadata` holds its risk.

    Arguments go to the server as they are, and none of them can be taken for a parameter of a method
    here: a server may call its own ``config``, ``runtime`` or ``self``.
    """

    max_characters: int
    """A longer result is cut."""
    _host: Host = PrivateAttr()
    _connection: Connection = PrivateAttr()
    _remote: str = PrivateAttr()

    def _run(self, /, **arguments: Any) -> str:
        running = self._start(arguments)
        try:
            return self._text(running.result())
        finally:
            running.cancel()  # after Ctrl-C nobody waits any more

    async def _arun(self, /, **arguments: Any) -> str:
        return self._text(await asyncio.wrap_future(self._start(arguments)))

    def _start(self, arguments: dict[str, Any]) -> Future[CallToolResult]:
        return self._host.call(self._connection, self._remote, arguments)

    def _text(self, result: CallToolResult) -> str:
        text = result_text(result, self.max_characters)
        if result.isError:
            raise ToolException(text or f"{self.name} failed without saying why")
        return text


def tool_from(adapted: BaseTool, host: Host, connection: Connection, max_characters: int) -> McpTool:
    """Make a tool that may be shown to a model out of what langchain-mcp-adapters made of a server's.

    Raises:
        ToolFileError: the schema of its arguments cannot be used.
    """
    server, schema = connection.server, adapted.args_schema
    assert isinstance(schema, dict)  # the adapters hand on the server's own
    problem = schema_problem(schema)
    if problem:
        raise ToolFileError(
            f"the MCP server {server.name!r}: the schema of its tool {one_line(adapted.name, 60)!r} {problem}"
        )
    tool = McpTool(
        name=prefixed(server.name, adapted.name),
        description=one_line(adapted.description),
        args_schema=with_safe_notes(schema),
        metadata={"risk": _risk(server, adapted.metadata or {})},
        max_characters=max_characters,
    )
    tool._host, tool._connection, tool._remote = host, connection, adapted.name
    return tool


def _risk(server: Server, hints: Mapping[str, Any]) -> list[str]:
    """Say what a tool puts at risk; what a server says of itself can add to that, never take away."""
    risks = {"network" if isinstance(server, HttpServer) else "files"}
    if hints.get("openWorldHint"):
        risks.add("network")
    if hints.get("destructiveHint"):
        risks.add("files")
    return sorted(risks)
