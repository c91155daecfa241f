"""Tools of MCP servers over streamable HTTP: a real server in a thread, and some that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import uvicorn
from langchain_core.tools import ToolException
from mcp.server.fastmcp import Context, FastMCP
from mcp.types import ToolAnnotations

from agent_app import ToolFileError
from agent_app.mcp_tools import McpTools, load_mcp_tools


def app() -> Any:
    server = FastMCP("shop", log_level="CRITICAL", stateless_http=False)

    @server.tool(annotations=ToolAnnotations(readOnlyHint=True, openWorldHint=False))
    def price(what: str) -> str:
        """The price of a thing."""
        return f"{what}: 3 doubloons"

    @server.tool(annotations=ToolAnnotations(destructiveHint=True))
    def header(name: str, context: Context) -> str:  # type: ignore[type-arg]
        """A header of the request."""
        request = context.request_context.request
        assert request is not None
        return str(request.headers.get(name, "not sent"))

    @server.tool()
    async def nap(seconds: float) -> str:
        """Sleep."""
        await asyncio.sleep(seconds)
        return "slept"

    return server.streamable_http_app()


@contextlib.contextmanager
def serving(port: int) -> Iterator[str]:
    """Serve the tools at a port of this machine while the block lasts."""
    config = uvicorn.Config(app(), port=port, log_level="critical", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(200):
        if server.started:
            break
        time.sleep(0.05)
    assert server.started
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        chosen: int = free.getsockname()[1]
    return chosen


@pytest.fixture(scope="module")
def url(port: int) -> Iterator[str]:
    with serving(port) as address:
        yield address


def shop(url: str, seconds: float = 10, **fields: Any) -> McpTools:
    return load_mcp_tools({"mcpServers": {"shop": {"url": url, **fields}}}, seconds=seconds)


def test_tools_over_http_are_called_from_sync_and_async_code(url: str) -> None:
    with shop(url) as tools:
        assert [tool.name for tool in tools] == ["shop_price", "shop_header", "shop_nap"]
        assert tools[0].invoke({"what": "rum"}) == "rum: 3 doubloons"
        assert asyncio.run(tools[0].ainvoke({"what": "a map"})) == "a map: 3 doubloons"


def test_a_server_cannot_talk_its_risk_below_the_network(url: str) -> None:
    with shop(url) as tools:
        assert [tool.metadata for tool in tools] == [
            {"risk": ["network"]},
            {"risk": ["files", "network"]},
            {"risk": ["network"]},
        ]


def test_headers_are_sent(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "s3cret")
    with shop(url, headers={"Authorization": "Bearer ${SHOP_KEY}"}) as tools:
        assert tools[1].invoke({"name": "authorization"}) == "Bearer s3cret"


def test_a_call_that_hangs_is_given_up_and_others_go_on(url: str) -> None:
    with shop(url, seconds=2) as tools:
        assert tools[2].invoke({"seconds": 0.01}) == "slept"
        began = time.monotonic()
        with pytest.raises(ToolException) as caught:
            tools[2].invoke({"seconds": 60})
        assert str(caught.value) == "the MCP server 'shop' failed: no answer within 2 seconds"
        assert time.monotonic() - began < 4
        assert tools[0].invoke({"what": "rum"}) == "rum: 3 doubloons"


def test_a_server_that_comes_back_is_used_again() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with contextlib.ExitStack() as stack:
        with serving(port) as address:
            tools = stack.enter_context(shop(address))
            assert tools[0].invoke({"what": "rum"}) == "rum: 3 doubloons"
        with pytest.raises(ToolException) as caught:
            tools[0].invoke({"what": "rum"})
        told = "the MCP server 'shop' failed: it cannot be reached (ConnectError)"
        assert str(caught.value) == told
        with serving(port):
            assert tools[0].invoke({"what": "rum"}) == "rum: 3 doubloons"
        # A server that has forgotten its sessions says so once; the next call opens a new one.
        with serving(port):
            with contextlib.suppress(ToolException):
                tools[0].invoke({"what": "rum"})
            assert tools[0].invoke({"what": "rum"}) == "rum: 3 doubloons"


class _Misbehaving(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status = int(self.path[1:4])
        self.send_response(status)
        self.send_header("Location", "http://192.0.2.1/elsewhere")
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"<p>\x1b[")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture(scope="module")
def misbehaving() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Misbehaving) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


STATUSES = {
    200: "no answer within 1 seconds; it has sent what is no MCP message",
    302: "it answers with HTTP status 302",
    401: "it answers with HTTP status 401",
    404: "Session terminated",
    500: "it answers with HTTP status 500",
}


@pytest.mark.parametrize("status", STATUSES)
def test_an_address_that_is_no_mcp_server_is_said_to_be_none(
    status: int, misbehaving: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ToolFileError) as caught:
        shop(f"{misbehaving}/{status}?key=s3cret", seconds=1).open()
    assert str(caught.value) == f"the MCP server 'shop' does not start: {STATUSES[status]}"
    assert capfd.readouterr() == ("", "")


def test_an_address_where_nobody_listens_is_an_error(port: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        unused = free.getsockname()[1]
    with pytest.raises(ToolFileError) as caught:
        shop(f"http://127.0.0.1:{unused}/mcp").open()
    assert str(caught.value) == ("the MCP server 'shop' does not start: it cannot be reached (ConnectError)")
