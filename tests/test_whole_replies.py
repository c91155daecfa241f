"""The lean way to a whole reply answers, fails and asks as OpenAI's client does."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import openai
import pytest
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agent_app.models import explain, load_model
from agent_app.models.async_client import AnyLoopClient
from agent_app.models.endpoint import EndpointModel
from agent_app.models.whole_replies import WholeReplies
from agent_app.steps import Usage
from agent_app.testing import Behaviour, BreakOff, FaultyServer, Garbage, Refuse, Say, Silence, Stall, Status

KEY = "sk-very-secret-0123456789"
TOO_LONG = {"error": {"message": "it has 9 tokens", "code": "context_length_exceeded"}}


def lean(url: str, monkeypatch: pytest.MonkeyPatch) -> EndpointModel:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    model = load_model("openai:parrot")
    assert isinstance(model, EndpointModel)
    return model


def usual(url: str) -> ChatOpenAI:
    own = AnyLoopClient()
    return ChatOpenAI(
        model="parrot", base_url=url, api_key=SecretStr(KEY), max_retries=0, http_async_client=own
    )


@pytest.mark.parametrize(
    "fault",
    [
        *(Status(code) for code in (301, 400, 401, 403, 404, 408, 409, 413, 418, 422, 500, 503)),
        Status(429, headers={"Retry-After": "7"}),
        Status(400, body=TOO_LONG),
        Status(400, body={"error": {"message": "no such seed", "param": "seed", "code": 7}}),
        Status(401, body={"error": {"message": f"your key {KEY} is none"}}),
        Status(502, body="<html>bad gateway</html>"),
        Status(400, body={"detail": "what?"}),
        Refuse(),
        BreakOff("I know"),
        Silence(0.0),
        Garbage(b"<html>"),
        Garbage(b"\0\1", http=False),
    ],
)
async def test_what_fails_fails_in_the_same_words(fault: Behaviour, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    with FaultyServer(fault, fault) as server:
        for model in usual(server.url), lean(server.url, monkeypatch):
            with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the client raises
                await model.ainvoke("Hi")
            seen.append((type(caught.value), str(caught.value), _told(caught.value)))
        http = isinstance(fault, Garbage) and fault.http
        garbage = f"{server.url} answered with something that is no {'JSON' if http else 'HTTP'}", None
    if isinstance(fault, Garbage):  # of this the client itself says no address
        assert seen[1][2] == garbage
    else:
        assert seen[0][2] == seen[1][2]
    if isinstance(fault, Status):
        assert seen[0] == seen[1]
    assert KEY not in str(seen[1][2])


def _told(error: Exception) -> tuple[str, float | None]:
    why = explain(error)
    return str(why), getattr(why, "retry_after", None)


async def test_a_reply_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    say = Say("Aye \u2693", Usage(prompt_tokens=7, completion_tokens=2, cached_tokens=3))
    with FaultyServer(say, say) as server:
        replies = [
            await model.ainvoke("Häuser \u2693", stop=["x"], temperature=0.5, max_tokens=9)
            for model in (usual(server.url), lean(server.url, monkeypatch))
        ]
    for name in ("content", "usage_metadata", "tool_calls", "type"):
        assert getattr(replies[0], name) == getattr(replies[1], name)
    metadata = [reply.response_metadata for reply in replies]
    for name in ("model_provider", "model_name", "finish_reason", "logprobs"):
        assert metadata[0].get(name) == metadata[1].get(name)
    first, second = server.requests
    assert first.body == second.body
    ignored = {
        "content-length",
        "accept-encoding",
        "x-stainless-raw-response",
        "x-stainless-retry-count",
        "connection",
    }
    assert _without(ignored, second.headers) == _without(ignored, first.headers)


def _without(names: set[str], headers: Any) -> dict[str, str]:
    return {
        name: value
        for name, value in headers.items()
        if name not in names and not name.startswith("x-stainless-read-timeout")
    }


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
async def test_an_address_leads_to_where_the_client_goes(
    ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    with FaultyServer(repeat="Aye") as server:
        url = server.url.removesuffix("/v1") + ending
        for model in usual(url), lean(url, monkeypatch):
            try:
                told.append((await model.ainvoke("Hi")).text)
            except openai.NotFoundError as error:  # this server has nothing outside of /v1
                told.append(str(error))
    path = f"{ending.rstrip('/')}/chat/completions"
    assert [request.path for request in server.requests] == [path, path]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "answered with something that is no reply of a chat"),
        ({"choices": None}, "answered with something that is no reply of a chat"),
        ({"error": {"message": "no more rum", "code": 502}}, "broke off its answer: no more rum"),
    ],
)
async def test_a_reply_that_is_none_is_named(body: Any, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyServer(Status(200, body=body or {"id": "x"})) as server:
        with pytest.raises(openai.APIError) as caught:
            await lean(server.url, monkeypatch).ainvoke("Hi")
        assert str(explain(caught.value)) == f"{server.url} {says}"


async def test_a_call_may_have_a_time_limit_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyServer(Stall(5), repeat="Aye") as server:
        model = lean(server.url, monkeypatch)
        with pytest.raises(openai.APITimeoutError) as caught:
            await model.ainvoke("Hi", timeout=0.05)
        assert str(explain(caught.value)) == f"{server.url} did not answer in time"
        assert (await model.ainvoke("Hi", timeout=5)).text == "Aye"
    assert "timeout" not in server.requests[1].body


async def test_what_only_the_client_can_do_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def none(*_: object) -> None:
        raise AssertionError

    with FaultyServer(repeat='{"masts": 3}') as server:
        model = lean(server.url, monkeypatch)
        monkeypatch.setattr(WholeReplies, "ask", none)
        await model.ainvoke("Hi", extra_body={"top_k": 3})
        await model.ainvoke("Hi", response_format={"type": "json_object"})
        await model.ainvoke("Hi", timeout=openai.Timeout(3))
        assert [chunk async for chunk in model.astream("Hi")]
        monkeypatch.setenv("HTTP_PROXY", server.url)
        with pytest.raises(openai.NotFoundError, match=r"POST http://masts\.invalid/v1/chat"):
            await lean("http://masts.invalid/v1", monkeypatch).ainvoke("Hi")
    assert server.requests[0].body["top_k"] == 3


def test_it_serves_one_event_loop_after_another_and_several_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyServer(repeat="Aye") as server:
        model = lean(server.url, monkeypatch)
        for _ in range(2):
            asyncio.run(model.ainvoke("Hi"))
        threads = [threading.Thread(target=asyncio.run, args=(model.ainvoke("Hi"),)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(server.requests) == 5
