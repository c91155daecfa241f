"""Tools of MCP servers (https://modelcontextprotocol.io), over stdio and streamable HTTP.

    with load_mcp_tools(Path("servers.json")) as tools:
        print(Agent(tools=tools).invoke("What is in the folder?").text)

Nothing is started before a tool is first looked at, and each server is started once for all calls.
"""

from __future__ import annotations

import contextlib
import importlib.util
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, overload

from langchain_core.tools import BaseTool

from agent_app.errors import SettingError, ToolFileError, UnknownName
from agent_app.mcp_tools.config import Server, read_servers
from agent_app.mcp_tools.host import Host
from agent_app.mcp_tools.tool import McpTool, tool_from
from agent_app.mcp_tools.untrusted import prefixed

__all__ = ["McpTools", "load_mcp_tools"]

SECONDS = 60.0
"""How long a server may take to start, and to answer a call."""
MAX_CHARACTERS = 20_000
"""How many characters of a result are kept."""


class McpTools(Sequence[BaseTool]):
    """The tools of some MCP servers, as a sequence of LangChain tools named ``server_tool``.

    The servers are started when it is first looked into, and ended by `close` or at the end of a
    ``with`` block; at the latest when nothing uses the tools any more, or the program ends. The tools
    work in threads and in any event loop, several calls at a time.

    Args:
        servers: how the servers are reached.
        names: as for `load_mcp_tools`.
        seconds: as for `load_mcp_tools`.
        max_characters: as for `load_mcp_tools`.
    """

    def __init__(
        self, servers: Sequence[Server], names: Sequence[str] | None, seconds: float, max_characters: int
    ) -> None:
        self._servers = [server for server in servers if names is None or _is_meant(server, names)]
        self._names = names
        self._seconds, self._max_characters = seconds, max_characters
        self._loading = threading.Lock()
        self._host: Host | None = None
        self._tools: tuple[McpTool, ...] | None = None

    def open(self) -> McpTools:
        """Start the servers now and return the collection itself.

        Raises:
            ToolFileError: a server does not start, or offers what cannot be used; none is left running.
            UnknownName: a name is that of no tool.
        """
        self._loaded()
        return self

    def close(self) -> None:
        """End the servers; their tools cannot be used any more. May be called again."""
        with self._loading:
            self._tools = self._tools or ()
            if self._host is not None:
                self._host.close()

    def __enter__(self) -> McpTools:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._loaded())

    @overload
    def __getitem__(self, index: int) -> BaseTool: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[BaseTool]: ...
    def __getitem__(self, index: int | slice) -> BaseTool | Sequence[BaseTool]:
        return self._loaded()[index]

    def _loaded(self) -> tuple[McpTool, ...]:
        with self._loading:
            if self._tools is None:
                with contextlib.ExitStack() as stack:
                    host = Host(self._servers, self._seconds)
                    stack.callback(host.close)
                    self._tools = self._chosen(host)
                    self._host = host
                    stack.pop_all()
            return self._tools

    def _chosen(self, host: Host) -> tuple[McpTool, ...]:
        """Make the tools that are wanted, in the order in which the servers give them."""
        offers = [
            (connection, adapted, prefixed(connection.server.name, adapted.name))
            for connection, tools in zip(host.connections, host.tools(), strict=True)
            for adapted in tools
        ]
        known = {server.name for server in self._servers} | {name for _, _, name in offers}
        wanted = known if self._names is None else dict.fromkeys(self._names)
        for name in wanted:
            if name not in known:
                raise UnknownName("MCP tool or server", name, known)
        chosen: dict[str, McpTool] = {}
        for connection, adapted, name in offers:
            if name not in wanted and connection.server.name not in wanted:
                continue
            if name in chosen:
                raise ToolFileError(f"two tools of the MCP servers are called {name!r}; rename a server")
            chosen[name] = tool_from(adapted, host, connection, self._max_characters)
        return tuple(chosen.values())


def _is_meant(server: Server, names: Sequence[str]) -> bool:
    return any(name == server.name or name.startswith(prefixed(server.name)) for name in names)


def load_mcp_tools(
    config: Path | str | Mapping[str, Any],
    *,
    names: Sequence[str] | None = None,
    seconds: float = SECONDS,
    max_characters: int = MAX_CHARACTERS,
) -> McpTools:
    """Read which MCP servers there are and return their tools; no server is started yet.

    Args:
        config: the path of a JSON file with an object ``mcpServers``, or what would stand in it.
        names: what is wanted of it: tools as ``server_tool``, and servers for all of their tools; None: all.
        seconds: how long a server may take to start, and to answer a call.
        max_characters: of a longer result only so many characters are kept.

    Raises:
        SettingError: the configuration is wrong, or the extra ``mcp`` is not installed.
    """
    if importlib.util.find_spec("langchain_mcp_adapters") is None:
        raise SettingError('tools of MCP servers take an extra; run: pip install "agent-app[mcp]"')
    servers = read_servers(Path(config) if isinstance(config, str) else config)
    return McpTools(servers, names, seconds, max_characters)
