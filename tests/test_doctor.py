"""The doctor: each check with plain values or real parts, and the whole of it at the command line."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import re
import shutil
import sqlite3
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agent_app.cli import app
from agent_app.doctor import Finding, examine
from agent_app.doctor.endpoint import check_endpoint
from agent_app.doctor.files import check_folders, check_prompts, check_tools
from agent_app.doctor.gguf import ModelFacts, NotGguf, read_facts
from agent_app.doctor.kept import check_mcp, check_prices, check_sessions
from agent_app.doctor.keys import check_keys
from agent_app.doctor.memory import free_memory, group_memory
from agent_app.doctor.model import check_embedded, check_fetch, check_memory
from agent_app.doctor.remote import check_remote
from agent_app.doctor.terminal import Terminal, check_terminal
from agent_app.doctor.versions import check_extras, check_versions
from agent_app.models.pinned import pinned_model
from agent_app.places import model_folder, session_file
from agent_app.sessions import Store
from agent_app.settings import Settings
from agent_app.steps import PromptRef
from agent_app.testing import no_network

KEY = "sk-very-secret-key"
GB = 10**9


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, where nothing of the developer's own can be seen."""
    for kind in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "home"))
    for variable in ("AGENT_APP_MODEL_DIR", "ANTHROPIC_API_KEY", "NO_COLOR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def put(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# --- the model's file ------------------------------------------------------------------------------


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def gguf(entries: dict[str, int], *, words: int = 2, weights: int = 64) -> bytes:
    """A GGUF file of one tensor, with a list of words as tokenizers have it."""
    body = text("general.architecture") + struct.pack("<I", 8) + text("ship")
    body += text("words") + struct.pack("<IIQ", 9, 8, words) + text("ahoy") * words
    body += text("numbers") + struct.pack("<IIQ", 9, 4, 3) + struct.pack("<3I", 1, 2, 3)
    for name, value in entries.items():
        body += text(f"ship.{name}") + struct.pack("<II", 4, value)
    tensor = text("mast") + struct.pack("<IQIQ", 1, 16, 0, 0)
    return b"GGUF" + struct.pack("<IQQ", 3, 1, len(entries) + 3) + body + tensor + b"\0" * weights


SHIP = {
    "block_count": 10,
    "embedding_length": 64,
    "attention.head_count": 8,
    "attention.head_count_kv": 2,
    "context_length": 4096,
}


def test_a_header_tells_what_a_token_of_context_takes(home: Path) -> None:
    data = gguf(SHIP)
    facts = read_facts(put(home / "x.gguf", data))
    # 10 layers, 2 heads of their own, 8 numbers for a key and 8 for a value, 2 bytes each
    assert facts == ModelFacts(len(data), 10 * 2 * (8 + 8) * 2, 4096)
    assert facts.cache(1000) == 640_000
    assert facts.cache(8192) == 640 * 4096  # no longer than it was trained for


def test_lengths_of_keys_and_values_go_before_the_usual_ones(home: Path) -> None:
    entries = {**SHIP, "attention.key_length": 32, "attention.value_length": 16}
    assert read_facts(put(home / "x.gguf", gguf(entries))).cache_per_token == 10 * 2 * 48 * 2


def test_a_header_that_does_not_say_gives_no_guess(home: Path) -> None:
    facts = read_facts(put(home / "x.gguf", gguf({"block_count": 3})))
    assert (facts.cache_per_token, facts.trained_context, facts.cache(100)) == (None, None, None)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is not a GGUF file; its first four bytes would be 'GGUF'"),
        (b"PK\3\4", "is not a GGUF file; its first four bytes would be 'GGUF'"),
        (b"GGUF\1\0\0\0", "is of version 1 of GGUF; 2 and 3 are known"),
        (b"GGUF\3\0\0\0\1", "ends within its header, or its header is broken"),
        (b"GGUF\3\0\0\0" + b"\xff" * 16, "has a broken header"),
        (gguf(SHIP)[:150], "ends within its header, or its header is broken"),
        (gguf(SHIP, weights=0), "ends before its last weights do"),
        (gguf(SHIP).replace(text("ahoy"), b"\xff" * 8 + b"ahoy"), "has a broken header"),
    ],
)
def test_a_broken_file_is_told_apart(data: bytes, says: str, home: Path) -> None:
    path = put(home / "x.gguf", data)
    with pytest.raises(NotGguf) as caught:
        read_facts(path)
    assert str(caught.value) == says
    settings = Settings(model="embedded:x.gguf")
    assert list(check_embedded("x.gguf", settings)) == [
        Finding("model", "fail", f"x.gguf {says}", "get the file again")
    ]


def test_the_real_small_model_is_read(smollm2: Path) -> None:
    # 30 layers, 3 heads of their own, 64 numbers each; as llama.cpp says of it
    assert read_facts(smollm2) == ModelFacts(98_362_432, 30 * 3 * 2 * 64 * 2, 8192)


def test_a_pinned_model_that_is_here_is_in_order(smollm2: Path) -> None:
    settings = Settings(model_dir=smollm2.parent, context=512)
    model, memory = check_embedded("smollm2-135m", settings)
    assert model == Finding("model", "ok", f"smollm2-135m is here: {smollm2}, 98 MB, its SHA-256 is right")
    assert (memory.check, memory.status) == ("memory", "ok")
    assert memory.says.startswith("the model takes up to 428 MB with 512 tokens of context; ")


def test_a_pinned_model_with_other_bytes_fails_and_is_left_alone(home: Path) -> None:
    path = put(model_folder() / "smollm2-135m.gguf", "GGUF")
    assert list(check_embedded("smollm2-135m", Settings())) == [
        Finding(
            "model",
            "fail",
            f"{path} is not smollm2-135m: its size or SHA-256 differs",
            "delete it and run `agent-app models fetch smollm2-135m`",
        )
    ]
    assert path.read_bytes() == b"GGUF"


def test_a_model_that_is_not_here_is_a_warning_with_size_and_licence() -> None:
    assert list(check_embedded("", Settings())) == [
        Finding(
            "model",
            "warn",
            "qwen2.5-coder-1.5b is not here yet: 1.1 GB, licence Apache-2.0",
            "get it with `agent-app models fetch qwen2.5-coder-1.5b`",
        )
    ]


def test_a_disk_without_room_for_it_fails(home: Path) -> None:
    free = shutil.disk_usage(home).free
    vast = dataclasses.replace(pinned_model("smollm2-135m"), bytes=free + GB)
    folder = home / "not" / "yet"
    found = check_fetch(vast, folder)
    here, _, lacking = found.says.partition("; ")
    assert (found.status, here) == ("fail", f"smollm2-135m is not here yet: {vast.size}, licence Apache-2.0")
    assert re.fullmatch(
        re.escape(str(folder)) + r" has [\d,]+ MB left, smollm2-135m needs [\d,]+ MB more", lacking
    )
    assert found.advice == "free some space, or set AGENT_APP_MODEL_DIR to where the file is"
    part = put(folder / "smollm2-135m.gguf.part", "")
    os.truncate(part, 2 * GB)  # of holes: it takes no room, and the rest finds some
    assert check_fetch(vast, folder).status == "warn"


def test_a_mistyped_and_a_missing_model_fail() -> None:
    mistyped = next(check_embedded("smollm", Settings()))
    assert (mistyped.status, mistyped.says) == (
        "fail",
        "unknown embedded model 'smollm'; did you mean 'smollm2-135m'?",
    )
    missing = next(check_embedded("no.gguf", Settings()))
    assert (missing.status, missing.says) == ("fail", "cannot read no.gguf: No such file or directory")


# --- memory ----------------------------------------------------------------------------------------

FACTS = ModelFacts(weights=4 * GB, cache_per_token=100_000, trained_context=None)


@pytest.mark.parametrize(
    ("free", "grouped", "status", "says"),
    [
        (8 * GB, False, "ok", "; there are 8.0 GB"),
        (5 * GB, False, "warn", ", but there are only 5.0 GB: it will be very slow"),
        (1 * GB, False, "fail", ", but there are only 1.0 GB"),
        (1 * GB, True, "fail", ", but this container's limit leaves only 1.0 GB"),
    ],
)
def test_memory_is_enough_or_slow_or_too_small(free: int, grouped: bool, status: str, says: str) -> None:
    found = check_memory(FACTS, 10_000, free, grouped=grouped)
    assert found.status == status
    assert found.says == f"the model takes up to 7.3 GB with 10,000 tokens of context{says}"
    assert bool(found.advice) is (status != "ok")


def test_a_cache_of_unknown_size_is_said_to_be_one() -> None:
    found = check_memory(ModelFacts(GB, None, None), 10, 8 * GB, grouped=False)
    assert "up to 1.8 GB (without its cache, whose size its file does not tell) with 10 tokens" in found.says


def test_this_machine_has_memory() -> None:
    assert free_memory()[0] > 1 << 20


def group(root: Path, own: str, files: dict[str, str]) -> Path:
    put(root / "proc/self/cgroup", own)
    for name, said in files.items():
        put(root / "sys/fs/cgroup" / name, said)
    return root


def test_the_tightest_group_above_counts_and_its_file_cache_is_free(home: Path) -> None:
    files = {
        "a/b/memory.max": "max\n",
        "a/b/memory.current": "10\n",
        "a/memory.max": "1000\n",
        "a/memory.current": "700\n",
        "a/memory.stat": "anon 400\ninactive_file 300\n",
    }
    assert group_memory(group(home, "0::/a/b\n", files)) == 600


def test_a_container_that_sees_only_its_own_top_group_is_understood(home: Path) -> None:
    files = {"memory.max": "1000\n", "memory.current": "1200\n"}
    assert group_memory(group(home, "0::/\n", files)) == 0


def test_groups_of_the_first_version_are_understood(home: Path) -> None:
    files = {
        "memory/dock/memory.limit_in_bytes": "5000\n",
        "memory/dock/memory.usage_in_bytes": "1000\n",
        "memory/memory.limit_in_bytes": "9223372036854771712\n",
        "memory/memory.usage_in_bytes": "99\n",
    }
    assert group_memory(group(home, "5:cpu:/dock\n4:memory:/dock\n0::/\n", files)) == 4000


def test_without_groups_nothing_limits(home: Path) -> None:
    assert group_memory(home) is None
    assert group_memory(group(home, "0::/gone\n", {})) is None


# --- keys and endpoints ----------------------------------------------------------------------------


def test_keys_are_named_with_where_they_come_from_and_never_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home / ".env", f"OPENAI_API_KEY={KEY}\nANTHROPIC_API_KEY=another\n")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    from_file = f"OPENAI_API_KEY (from {home / '.env'})"
    assert check_keys("openai") == Finding("keys", "ok", f"{from_file} is set")
    from_environment = "ANTHROPIC_API_KEY (from the environment)"
    assert check_keys("anthropic") == Finding("keys", "ok", f"{from_environment} is set")
    assert check_keys("embedded") == Finding(
        "keys", "ok", f"embedded takes none; set: {from_file}, {from_environment}"
    )


def test_a_missing_key_names_the_variable_and_the_file() -> None:
    assert check_keys("google-genai") == Finding(
        "keys",
        "fail",
        "google-genai takes a key, and GOOGLE_API_KEY or GEMINI_API_KEY is not set",
        "set GOOGLE_API_KEY in the environment or in a file `.env`",
    )


def test_a_server_of_ones_own_may_need_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_keys("openai").status == "fail"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert check_keys("openai") == Finding(
        "keys", "ok", "OPENAI_API_KEY is not set; a server of your own may need none"
    )


@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY}", f"{KEY}é", "sk\x07key-very"])
def test_a_key_that_was_copied_badly_is_told_and_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    found = check_keys("openai")
    assert (found.status, found.says) == (
        "fail",
        (
            "OPENAI_API_KEY (from the environment) has a blank, a line end or another character in it "
            "that no key has"
        ),
    )


class Server:
    """An HTTP server on loopback that answers every GET alike, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: tuple[int, bytes] = (200, b"")
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""


@pytest.fixture
def server() -> Iterator[Server]:
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append((self.path, self.headers["Authorization"]))
            status, body = told.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has above
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    told.url = f"http://127.0.0.1:{http.server_port}/v1"
    yield told
    http.shutdown()
    thread.join()
    http.server_close()


def listed(*names: str) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode()


@pytest.mark.parametrize(
    ("status", "body", "verdict", "says", "advice"),
    [
        (200, listed("a", "parrot"), "ok", "answers and has parrot", ""),
        (200, listed("parot"), "warn", "lists no model 'parrot'", "did you mean 'parot'?"),
        (200, listed(), "warn", "lists no model 'parrot'", "there is none"),
        (
            200,
            b"<html>",
            "warn",
            "answers, but not as an OpenAI-compatible server does",
            "most addresses end in /v1",
        ),
        (
            401,
            f"bad key {KEY}".encode(),
            "fail",
            "refuses the key (HTTP 401)",
            "the key is wrong, or another server's; see `keys` above",
        ),
        (
            403,
            b"",
            "fail",
            "does not allow this with the given key (HTTP 403)",
            "the key's account or project may not use it",
        ),
        (
            404,
            b"",
            "warn",
            "has no list of models (HTTP 404)",
            "most addresses end in /v1; a few servers keep no list",
        ),
        (429, b"", "warn", "is asked too often (HTTP 429)", "wait, or look at your quota"),
        (503, b"", "fail", "fails (HTTP 503)", "look at what the server says"),
        (302, b"", "warn", "does not give its list of models (HTTP 302)", "is the address right?"),
    ],
)
def test_what_a_server_answers_is_explained(
    status: int, body: bytes, verdict: str, says: str, advice: str, server: Server
) -> None:
    server.answer = (status, body)
    found = check_endpoint(server.url, KEY, "parrot")
    assert (found.status, found.says, found.advice) == (verdict, f"{server.url} {says}", advice)
    assert server.asked == [("/v1/models", f"Bearer {KEY}")]


def test_a_server_without_a_key_is_sent_none_and_a_password_is_not_shown(server: Server) -> None:
    server.answer = (200, listed("parrot"))
    address = server.url.replace("//", "//anne:bonny@") + "/"
    assert check_endpoint(address, None, "parrot").says == f"{server.url}/ answers and has parrot"
    assert [path for path, _ in server.asked] == ["/v1/models"]


def test_a_server_that_is_not_there_is_told(server: Server) -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        assert check_endpoint(url, KEY, "x") == Finding(
            "endpoint",
            "fail",
            f"{url} cannot be reached",
            "start the server, or mend OPENAI_BASE_URL",
        )


def test_a_server_that_says_nothing_is_given_up() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = check_endpoint(url, None, "x", seconds=0.2)
        assert (found.status, found.says) == ("fail", f"{url} takes a connection and then says nothing")


@pytest.mark.parametrize("url", ["nonsense", "ftp://host/v1", "http://host:port/v1"])
def test_what_is_no_address_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    *_, found = check_remote(Settings(model="openai:parrot"))
    assert found == Finding(
        "endpoint", "fail", "OPENAI_BASE_URL is no address", "it takes http://HOST:PORT/v1"
    )


def test_a_remote_model_is_looked_at_until_something_fails(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(model="openai:parrot")
    assert [found.status for found in check_remote(settings)] == ["fail"]
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    server.answer = (200, listed("parrot"))
    assert list(check_remote(settings)) == [
        Finding("keys", "ok", "OPENAI_API_KEY (from the environment) is set"),
        Finding("model", "ok", "openai:parrot can be asked"),
        Finding("endpoint", "ok", f"{server.url} answers and has parrot"),
    ]
    mistyped = list(check_remote(Settings(model="opnai:x")))[-1]
    assert mistyped.says == "unknown model provider 'opnai'; did you mean 'openai'?"


# --- the terminal, folders, prompts, tools, versions ------------------------------------------------


@pytest.mark.parametrize(
    ("terminal", "found"),
    [
        (
            Terminal(True, True, True, True, "utf-8", 120),
            Finding("terminal", "ok", "a terminal, 120 columns, utf-8, colours"),
        ),
        (
            Terminal(False, False, True, False, "UTF8", 80),
            Finding(
                "terminal",
                "ok",
                "no terminal on stdin, stdout, 80 columns, UTF8, no colours, as NO_COLOR or TERM=dumb says",
            ),
        ),
        (
            Terminal(True, True, True, True, "ascii", 80),
            Finding(
                "terminal",
                "warn",
                "a terminal, 80 columns, ascii, colours: some letters are shown as `?`",
                "set PYTHONUTF8=1, or a UTF-8 locale",
            ),
        ),
        (
            Terminal(True, True, True, True, "utf-8", 30),
            Finding(
                "terminal",
                "warn",
                "a terminal, 30 columns, utf-8, colours",
                "make it at least 40 columns wide",
            ),
        ),
    ],
)
def test_terminals(terminal: Terminal, found: Finding) -> None:
    assert check_terminal(terminal) == found


def test_folders_that_are_named_must_be_there(home: Path) -> None:
    gone = home / "gone"
    settings = Settings(prompts_dir=gone, tools_dir=gone, model_dir=gone)
    assert [found for found in check_folders(settings) if found.status != "ok"] == [
        Finding("folders", "fail", f"there is no folder of {kind} at {gone}", f"make it, or mend {setting}")
        for kind, setting in (
            ("prompts", "--prompts-dir or AGENT_APP_PROMPTS_DIR"),
            ("tools", "--tools-dir or AGENT_APP_TOOLS_DIR"),
            ("models", "AGENT_APP_MODEL_DIR"),
        )
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="folders have other rights there")
def test_a_folder_that_is_named_must_be_readable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: mode != os.R_OK | os.X_OK)  # root may read any
    told = f"the folder of tools at {home} cannot be read"
    advice = "let yourself read it, or mend --tools-dir or AGENT_APP_TOOLS_DIR"
    first, *_ = check_folders(Settings(tools_dir=home))
    assert first == Finding("folders", "fail", told, advice)


def test_a_file_where_a_folder_has_to_be_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = put(home / "data", b"")
    monkeypatch.setenv("XDG_DATA_HOME", str(file))
    *_, found = check_folders(Settings())
    assert (found.status, found.says) == ("warn", f"your own prompts and tools: {file} is no folder")


@pytest.mark.skipif(sys.platform == "win32", reason="folders have other rights there")
def test_a_folder_that_cannot_be_written_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: path != home)  # root may write anywhere
    assert [(found.status, found.says) for found in check_folders(Settings())] == [
        ("warn", f"fetched models: {home} cannot be written to"),
        ("warn", f"your own prompts and tools: {home} cannot be written to"),
    ]


def test_each_broken_tool_file_is_named_and_the_others_are_counted(home: Path) -> None:
    mine = home / "mine"
    good = "from langchain_core.tools import tool\n\n@tool\ndef {}(text: str) -> str:\n    '''Do.'''\n"
    put(mine / "bad.py", "x = 1\n1 / 0\n")
    put(mine / "clock.py", good.format("clock"))
    put(mine / "greet.py", good.format("greet"))
    put(mine / "leaves.py", "raise SystemExit(3)\n")
    put(mine / "none.py", "x = 1\n")
    from agent_app import places

    builtin = places.builtin("tools").resolve() / "clock.py"
    mend = "mend the file, or put `_` before its name"
    assert list(check_tools(Settings(tools_dir=mine))) == [
        Finding("tools", "fail", f"{mine}/bad.py:2: ZeroDivisionError: division by zero", mend),
        Finding(
            "tools",
            "fail",
            f"two tools are called 'clock': in {builtin} and in {mine}/clock.py",
            "give one of them another name",
        ),
        Finding("tools", "fail", f"{mine}/leaves.py:1: SystemExit: 3", mend),
        Finding(
            "tools",
            "fail",
            f"{mine}/none.py: there is no tool in it; write a function with @tool above it",
            mend,
        ),
        Finding("tools", "ok", "4 can be used: calculator, clock, web_search, greet"),
    ]


def test_prices_and_mcp_servers_are_read_where_there_are_any(home: Path) -> None:
    assert [*check_prices(Settings()), *check_mcp(Settings())] == []
    (found,) = check_prices(Settings(prices="openai:our-own=0.5,1.5"))
    assert found == Finding("prices", "ok", "given for openai:our-own")
    (found,) = check_prices(Settings(prices="foo"))
    assert (found.status, found.advice) == ("fail", "mend AGENT_APP_PRICES")
    assert found.says.startswith("the price 'foo' is none; it takes a model's name and US dollars")
    started = home / "started"
    server = {"command": sys.executable, "args": ["-c", f"open({str(started)!r}, 'x')"]}
    file = put(home / "servers.json", json.dumps({"mcpServers": {"crew": server}}))
    (found,) = check_mcp(Settings(mcp=file))
    assert found == Finding("mcp", "ok", f"{file} is in order; its servers were not started")
    assert not started.exists()
    (found,) = check_mcp(Settings(mcp=Path("nope")))
    told = "cannot read the MCP configuration nope: No such file or directory"
    assert found == Finding("mcp", "fail", told, "mend that, or AGENT_APP_MCP")


def test_a_file_of_sessions_is_looked_into_and_left_as_it_is(home: Path) -> None:
    path = session_file()
    assert list(check_sessions()) == []
    assert not path.parent.exists()
    with Store.open() as store:
        store.new_session().begin("Why?", PromptRef("pirate", "1", "abc"), "m")
        assert list(check_sessions()) == [Finding("sessions", "ok", f"kept in {path}")]
    assert list(check_sessions()) == [Finding("sessions", "ok", f"kept in {path}")]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    sound = path.read_bytes()
    middle = len(sound) // 2
    move = "move it away, and a new one is begun"
    for damaged in (b"Dear diary, " * 100, sound[:middle] + b"\xff" * 9000 + sound[middle + 9000 :]):
        path.write_bytes(damaged)
        (found,) = check_sessions()
        assert (found.status, found.advice[: len(move)]) == ("fail", move)
        assert found.says.startswith(f"{path}: it is ")
        assert path.read_bytes() == damaged
    with contextlib.closing(sqlite3.connect(home / "other.db")) as other:
        other.execute("CREATE TABLE ships (name)")
    shutil.copy(home / "other.db", path)
    foreign = Finding("sessions", "fail", f"{path}: it belongs to another program", "name another file")
    assert list(check_sessions()) == [foreign]


def test_the_named_prompt_must_load_and_be_made_for_runs(home: Path) -> None:
    put(home / "prompts" / "letter.md", "Write to {who}.")
    put(home / "prompts" / "note.md", "---\ninputs: {who: {}}\n---\nWrite to {who}.")
    run = "---\ninputs: {n: {type: integer}}\n---\n{n} {tools} {input}\nThought:{agent_scratchpad}"
    put(home / "prompts" / "run.md", run)
    see = "see `agent-app prompts` and `agent-app prompts check`"
    broken = (
        f"{home}/prompts/letter.md:1: nothing fills {{who}}; declare it under 'inputs', "
        "or did you mean 'history'?"
    )
    named = {name: next(check_prompts(Settings(prompt=name))) for name in ("letter", "note", "run", "pirat")}
    assert named["letter"].status == named["note"].status == "fail"
    assert named["run"] == Finding(
        "prompts", "ok", f"run 0 is in order: {home}/prompts/run.md", "each question takes -P n=..."
    )
    unknown = "unknown prompt 'pirat'; did you mean 'pirate' or 'pirate-soft'?"
    assert named["pirat"] == Finding("prompts", "fail", unknown, see)
    rest = list(check_prompts(Settings(prompt="plain")))[1:]
    assert [found.status for found in rest] == ["warn", "ok"]
    assert rest[0].says.startswith(f"cannot be used: {broken[: broken.index(';')]}")
    assert rest[1].says == "6 can be used, see `agent-app prompts`"


def test_a_prompts_virtual_tokens_say_which_embedded_model_is_looked_at(home: Path) -> None:
    soft = Settings(prompt="pirate-soft", model_dir=home)
    assert next(check_prompts(soft)).status == "ok"
    model = next(found for found in examine(soft) if found.check == "model")
    assert "smollm2-135m" in model.says
    other = next(check_prompts(dataclasses.replace(soft, model="embedded:qwen2.5-coder-1.5b")))
    assert other.status == "fail"
    assert "was tuned for smollm2-135m" in other.says
    server = next(check_prompts(dataclasses.replace(soft, model="openai:parrot")))
    assert "openai:parrot cannot read the soft prompt 'pirate-react'" in server.says


REQUIRED = [
    "click>=8.2",
    "langchain>=1.4",
    'tzdata; sys_platform == "nowhere"',
    'mcp<2,>=1.30; extra == "mcp"',
    'tuner>=1; extra == "soft"',
    'pytest; extra == "test"',
]


def test_versions_are_held_against_what_is_required() -> None:
    have = {"agent-app": "1.0", "langchain": "1.3", "mcp": "1.31"}.get
    first, *wrong = check_versions(REQUIRED, have)
    assert first.says.split(", ")[1:] == [
        "agent-app 1.0",
        "langchain 1.3",
        *(
            f"{name} not installed"
            for name in ("langchain-core", "langgraph", "langchain-openai", "xllamacpp")
        ),
    ]
    assert wrong == [
        Finding("versions", "fail", "click is missing", "pip install 'click>=8.2'"),
        Finding("versions", "fail", "langchain is 1.3, and >=1.4 is needed", "pip install 'langchain>=1.4'"),
    ]
    assert list(check_extras(["mcp", "soft", "test"], REQUIRED, have)) == [
        Finding("extras", "ok", "[mcp] is installed"),
        Finding("extras", "ok", "[soft] is not installed: tuner is missing", "pip install 'agent-app[soft]'"),
    ]


# --- the whole ------------------------------------------------------------------------------------


def test_with_the_embedded_model_nothing_is_sent_anywhere(smollm2: Path) -> None:
    with no_network() as refused:
        found = list(examine(Settings(model=f"embedded:{smollm2}")))
    assert refused == []
    assert list(dict.fromkeys(one.check for one in found if one.check != "extras")) == [
        "versions",
        "terminal",
        "folders",
        "prompts",
        "keys",
        "model",
        "memory",
        "tools",
    ]


def call(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["doctor", *words])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.stdout


def test_lines_for_people_and_json_for_programs_say_the_same(home: Path) -> None:
    put(home / "replies.txt", "Arg")
    words = ("-m", "scripted:replies.txt", "-p", "pirat")
    code, shown = call(*words)
    assert code == 1
    lines = shown.splitlines()
    at = lines.index("fail  prompts   unknown prompt 'pirat'; did you mean 'pirate' or 'pirate-soft'?")
    assert lines[at + 1] == "                see `agent-app prompts` and `agent-app prompts check`"
    code, data = call(*words, "--json")
    found: list[dict[str, Any]] = json.loads(data)
    assert code == 1
    assert [f"{one['status']:<6}{one['check']:<10}{one['says']}" for one in found] == [
        line for line in lines if not line.startswith(" ")
    ]


def test_a_wrong_setting_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_APP_MAX_STEPS", "many")
    assert call() == (
        1,
        (
            "fail  settings  AGENT_APP_MAX_STEPS is 'many'; it takes a whole number above 0\n"
            "                mend the variable, in the environment or in `.env`\n"
        ),
    )


def test_what_is_wrong_beside_model_prompt_and_tools_is_found(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home / "replies.txt", "Arg")
    words = ("-m", "scripted:replies.txt", "--json")
    assert call(*words)[0] == 0
    monkeypatch.setenv("AGENT_APP_PRICES", "foo")
    monkeypatch.setenv("AGENT_APP_MCP", "nope")
    put(session_file(), "Dear diary, " * 100)
    code, shown = call(*words)
    assert code == 1
    failed = [one["check"] for one in json.loads(shown) if one["status"] == "fail"]
    assert failed == ["sessions", "prices", "mcp"]


def test_a_folder_that_cannot_be_looked_into_ends_no_examination(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of what is below it is told, and all else is looked at."""
    locked = home / "locked"
    put(home / "replies.txt", "Arg")
    names = ("AGENT_APP_TOOLS_DIR", "AGENT_APP_PROMPTS_DIR", "AGENT_APP_MODEL_DIR", "XDG_DATA_HOME")
    for name in names:
        monkeypatch.setenv(name, str(locked / name))
    for look in ("is_dir", "is_file", "exists"):  # root may look anywhere
        monkeypatch.setattr(Path, look, refusing(getattr(Path, look), locked))
    code, shown = call("-m", "scripted:replies.txt", "--json")
    found = json.loads(shown)
    failed = [one for one in found if one["status"] == "fail"]
    checks = ["folders", "folders", "folders", "folders", "sessions", "prompts", "tools"]
    assert (code, [one["check"] for one in failed]) == (1, checks)
    assert failed[0]["says"] == f"cannot use {locked}/AGENT_APP_PROMPTS_DIR: Permission denied"
    assert ("model", "ok") in {(one["check"], one["status"]) for one in found}


def refusing(look: Callable[[Path], bool], locked: Path) -> Callable[[Path], bool]:
    """What looks at a path, but for what is below a folder."""

    def refuse(path: Path) -> bool:
        if locked in path.parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path)

    return refuse


def test_a_file_of_settings_that_is_no_text_is_a_finding(home: Path) -> None:
    put(home / ".env", b"OPENAI_API_KEY=\xff")
    code, shown = call()
    told = f"fail  settings  {home}/.env: it is not UTF-8 text; save it as UTF-8\n"
    assert (code, shown.startswith(told)) == (1, True)


def test_no_key_is_shown_by_the_whole_examination(
    home: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home / ".env", f"OPENAI_API_KEY={KEY}\n")
    monkeypatch.setenv("OPENAI_API_KEY", "")  # so that it goes away after the test
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    server.answer = (401, f"wrong: {KEY}".encode())
    for words in ((), ("--json",)):
        code, shown = call("-m", "openai:parrot", *words)
        assert code == 1
        assert f"{server.url} refuses the key (HTTP 401)" in shown
        assert KEY not in shown
