"""The file that names MCP servers, and what is said of each mistake in it; no server is started here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_app.errors import SettingError
from agent_app.mcp_tools import load_mcp_tools
from agent_app.mcp_tools.config import HttpServer, StdioServer, read_servers


def servers(**entries: Any) -> dict[str, Any]:
    return {"mcpServers": entries}


def test_a_file_as_other_programs_write_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_KEY", "s3cret${HOME}")
    file = tmp_path / "servers.json"
    entries = servers(
        files={
            "type": "stdio",
            "command": "uvx",
            "args": ["server", "/data"],
            "env": {"KEY": "${SHOP_KEY}"},
            "cwd": str(tmp_path),
            "alwaysAllow": ["read"],
        },
        shop={"url": "https://shop.example/mcp", "headers": {"Authorization": "Bearer ${SHOP_KEY}\n"}},
        old={"command": "gone", "disabled": True},
    )
    file.write_text("\ufeff" + json.dumps({"theme": "dark", **entries}), encoding="utf-8")
    read = read_servers(file)
    assert read == [
        StdioServer("files", "uvx", ("server", "/data"), {"KEY": "s3cret${HOME}"}, tmp_path),
        HttpServer("shop", "https://shop.example/mcp", {"Authorization": "Bearer s3cret${HOME}"}),
    ]
    assert "s3cret" not in repr(read)


TYPES = "it takes stdio for a command, http for a url; servers that speak only sse are not supported"
MISTAKES: dict[str, tuple[Any, str]] = {
    "no servers": ({"servers": {}}, 'there is no object "mcpServers" in it, which names the servers'),
    "no object": ([], 'there is no object "mcpServers" in it, which names the servers'),
    "no entry": (servers(a=1), 'mcpServers.a must be an object such as {"command": "...", "args": []}'),
    "neither kind": (
        servers(a={"args": []}),
        'mcpServers.a lacks "command" (a program) and "url" (an address); it takes one of them',
    ),
    "both kinds": (
        servers(a={"command": "x", "url": "y"}),
        'mcpServers.a has both "command" (a program) and "url" (an address); it takes one of them',
    ),
    "unknown field": (
        servers(a={"command": "x", "arg": []}),
        "mcpServers.a.arg is an unknown field; did you mean 'args'?",
    ),
    "field of the other kind": (
        servers(a={"url": "http://x", "env": {}}),
        "mcpServers.a.env is an unknown field; known: url, headers, type, disabled",
    ),
    "old transport": (
        servers(a={"url": "http://x", "type": "sse"}),
        f"mcpServers.a.type is 'sse'; {TYPES}",
    ),
    "unhashable transport": (
        servers(a={"url": "http://x", "type": ["http"]}),
        f"mcpServers.a.type is ['http']; {TYPES}",
    ),
    "empty command": (servers(a={"command": " "}), "mcpServers.a.command is empty"),
    "number as text": (
        servers(a={"command": "x", "args": ["y", 1]}),
        "mcpServers.a.args.1 must be a text",
    ),
    "text as list": (
        servers(a={"command": "x", "args": "y"}),
        "mcpServers.a.args must be a list of texts",
    ),
    "list as table": (
        servers(a={"command": "x", "env": []}),
        "mcpServers.a.env must be an object of texts",
    ),
    "unset variable": (
        servers(a={"command": "x", "env": {"K": "${NOT_SET_ANYWHERE}"}}),
        "mcpServers.a.env.K takes 'NOT_SET_ANYWHERE' from the environment, where it is not set",
    ),
    "no such folder": (
        servers(a={"command": "x", "cwd": "not/here"}),
        f"mcpServers.a.cwd is {str(Path('not/here'))!r}; there is no such folder",
    ),
    "no address": (
        servers(a={"url": "shop.example/mcp"}),
        "mcpServers.a.url must be an address that begins with https:// or http://",
    ),
    "address that cannot be": (
        servers(a={"url": "http://[x/mcp"}),
        "mcpServers.a.url must be an address that begins with https:// or http://",
    ),
    "header of two lines": (
        servers(a={"url": "http://x", "headers": {"K": "secret\nX: y"}}),
        "mcpServers.a.headers.K must be printable ASCII",
    ),
    "disabled in words": (
        servers(a={"command": "x", "disabled": "no"}),
        "mcpServers.a.disabled must be true or false",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_is_one_line_with_file_and_field(mistake: str, tmp_path: Path) -> None:
    content, complaint = MISTAKES[mistake]
    file = tmp_path / "servers.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(SettingError) as caught:
        load_mcp_tools(file)
    assert str(caught.value) == f"{file}: {complaint}"


def test_a_mapping_is_checked_as_a_file_is() -> None:
    with pytest.raises(SettingError) as caught:
        load_mcp_tools(servers(a={"command": ""}))
    assert str(caught.value) == "the MCP configuration: mcpServers.a.command is empty"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "servers.json"
    with pytest.raises(SettingError) as missing:
        load_mcp_tools(file)
    assert str(missing.value) == f"cannot read the MCP configuration {file}: {os.strerror(2)}"
    file.write_text('{"mcpServers": {\n  "a": oops', encoding="utf-8")
    with pytest.raises(SettingError) as broken:
        load_mcp_tools(str(file))
    assert str(broken.value) == f"{file}:2:8: not JSON: Expecting value"
    file.write_bytes(b'{"mcpServers": "\xff"}')
    with pytest.raises(SettingError) as encoded:
        load_mcp_tools(file)
    assert str(encoded.value) == f"{file}: not JSON in UTF-8"


def test_without_the_extra_the_command_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain_mcp_adapters", None)
    with pytest.raises(SettingError) as caught:
        load_mcp_tools(servers())
    assert str(caught.value) == 'tools of MCP servers take an extra; run: pip install "agent-app[mcp]"'


def test_neither_the_package_nor_reading_a_configuration_imports_the_sdk() -> None:
    code = (
        "import sys, agent_app, agent_app.cli, agent_app.mcp_tools as m;"
        "m.load_mcp_tools({'mcpServers': {'a': {'command': 'x'}}});"
        "print([name for name in ('mcp', 'langchain_mcp_adapters') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
