"""`agent-app tools --mcp`: the tools of MCP servers at the terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SERVER = Path(__file__).parent / "mcp_servers" / "stdio_server.py"
ADD = 'crew_add: Add two numbers. Input: JSON object {"a": integer, "b": integer}'


@pytest.fixture
def servers(tmp_path: Path) -> Path:
    crew = {"command": sys.executable, "args": [str(SERVER)]}
    file = tmp_path / "servers.json"
    file.write_text(json.dumps({"mcpServers": {"crew": crew}}), encoding="utf-8")
    return file


def run(*arguments: str | Path) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "agent_app", "tools", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_tools_of_servers_are_listed_after_the_others(servers: Path) -> None:
    code, out, err = run("--mcp", servers)
    assert (code, err) == (0, "")
    assert ADD in out.splitlines()
    own = run("list")[1]
    assert out.startswith(own)
    assert "crew_" not in own


def test_the_setting_names_servers_as_the_option_does(servers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_APP_MCP", str(servers))
    code, out, err = run("list")
    assert (code, ADD in out.splitlines(), err) == (0, True, "")


def test_a_servers_tool_runs_without_a_model(servers: Path) -> None:
    assert run("--mcp", servers, "run", "crew_add", '{"a": 2, "b": 3}') == (0, "5\n", "")
    assert run("--mcp", servers, "run", "crew_fail") == (1, "", "Error executing tool fail: no wind today\n")


def test_a_server_that_cannot_be_had_is_one_line(servers: Path) -> None:
    servers.write_text('{"mcpServers": {"crew": {"command": ""}}}', encoding="utf-8")
    complaint = f"agent-app: {servers}: mcpServers.crew.command is empty\n"
    assert run("--mcp", servers) == (2, "", complaint)
