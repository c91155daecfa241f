"""The web search: what it makes of results, and what it says when there are none. Loopback only."""

from __future__ import annotations

import socket
import sys
import warnings
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from langchain_core.tools import StructuredTool, ToolException

from agent_app.places import builtin
from agent_app.testing import FaultyServer
from agent_app.toolbox import load_tools

(web_search,) = load_tools(["web_search"], [builtin("tools")])
OTHERWISE = "answer from what you know, or say that you could not look it up"


def module() -> ModuleType:
    assert isinstance(web_search, StructuredTool)
    assert web_search.func is not None
    return sys.modules[web_search.func.__module__]


def complaint(query: str) -> str:
    with pytest.raises(ToolException) as caught:
        web_search.invoke(query)
    return str(caught.value)


def found(monkeypatch: pytest.MonkeyPatch, *results: dict[str, Any]) -> None:
    monkeypatch.setattr(module(), "_search", lambda words: list(results))


def test_results_are_numbered_blocks_of_title_snippet_and_address(monkeypatch: pytest.MonkeyPatch) -> None:
    found(
        monkeypatch,
        {
            "title": "Wyoming  (schooner)",
            "snippet": "The longest\nwooden ship.",
            "link": "https://a.example/w",
        },
        {"title": "no address", "snippet": "is no source", "link": ""},
        {"title": "", "snippet": "x" * 400, "link": "https://b.example/"},
        {"title": 7, "snippet": None, "link": "https://c.example/"},
        *({"title": "one too many", "link": "https://d.example/"} for _ in range(9)),
    )
    assert web_search.invoke("longest wooden ship") == (
        "1. Wyoming (schooner)\n   The longest wooden ship.\n   https://a.example/w\n"
        f"2. {'x' * 299}…\n   https://b.example/\n3. 7\n   https://c.example/\n"
        "4. one too many\n   https://d.example/"
    )


def test_results_that_cannot_be_read_are_said_to_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def results(words: str, most: int) -> list[dict[str, str]]:
        """What the wrapper does with what it was sent."""
        return [{"snippet": result["body"]} for result in [{"title": f"no body for {words}"}][:most]]

    monkeypatch.setattr(module(), "_wrapper", lambda: SimpleNamespace(results=results))
    assert complaint("ship").startswith("web_search could not read what DuckDuckGo sent; answer from what")


def test_no_results_are_said_to_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    found(monkeypatch)
    assert complaint("  zxqv ") == (
        "web_search got no results for 'zxqv' (DuckDuckGo may also be refusing for now); "
        f"try other words, or {OTHERWISE}"
    )


def test_an_empty_or_endless_query_is_refused_before_anything_is_sent() -> None:
    assert complaint(" \n") == "the query is empty; write a few search words, for example longest wooden ship"
    assert complaint("a" * 401) == "the query has 401 characters; write at most 400, a few words do"


def test_without_a_network_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("DDGS_PROXY", f"http://127.0.0.1:{port}")  # where nobody listens any more
    said = complaint("longest wooden ship")
    assert said.startswith("web_search could not reach DuckDuckGo: ")
    assert said.endswith(f"; {OTHERWISE}")


def test_only_duckduckgo_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyServer() as proxy:  # as one it is of no use: it refuses every request for a tunnel
        monkeypatch.setenv("DDGS_PROXY", proxy.url.removesuffix("/v1"))
        said = complaint("longest wooden ship")
    assert said.startswith("web_search could not reach DuckDuckGo: ")
    assert {(asked.method, asked.path) for asked in proxy.requests} == {
        ("CONNECT", "html.duckduckgo.com:443")
    }


def test_its_import_warns_nobody() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "langchain_community"]:
        del sys.modules[name]
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        module()._wrapper()
    assert [str(w.message) for w in heard] == []
