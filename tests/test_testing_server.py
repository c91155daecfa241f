"""The server that misbehaves, as real clients see it: httpx and LangChain's client of OpenAI."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
from asking import Ask, awaited, every_way, in_awaited_pieces
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from agent_app.errors import ScriptError
from agent_app.models import explain
from agent_app.models.endpoint import open_endpoint
from agent_app.steps import Usage
from agent_app.testing import (
    Behaviour,
    BreakOff,
    Drip,
    FaultyServer,
    Garbage,
    Refuse,
    Request,
    Say,
    Silence,
    Stall,
    Status,
)

BODY = {"model": "parrot", "messages": [{"role": "user", "content": "How many masts?"}]}


def client(server: FaultyServer, timeout: float = 20, tries: int = 1) -> ChatOpenAI:
    """LangChain's client, which tries only once unless told otherwise."""
    return ChatOpenAI(
        model="parrot", base_url=server.url, api_key=SecretStr("none"), max_retries=tries - 1, timeout=timeout
    )


def post(server: FaultyServer, **more: Any) -> httpx.Response:
    return httpx.post(f"{server.url}/chat/completions", json={**BODY, **more}, trust_env=False, timeout=20)


def events(response: httpx.Response) -> list[Any]:
    """The data of server-sent events, but for what no test can foresee."""
    data = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
    return [item if item == "[DONE]" else _foreseeable(json.loads(item)) for item in data]


def _foreseeable(answer: dict[str, Any]) -> dict[str, Any]:
    assert answer.pop("id").startswith("chatcmpl-")
    assert abs(time.time() - answer.pop("created")) < 60
    return answer


# --- answers ---------------------------------------------------------------------------------------


@every_way
async def test_a_reply_arrives_in_every_way_of_asking(ask: Ask) -> None:
    with FaultyServer("Ahoy,\n  matey ", Say("Aye.")) as server:
        model = client(server)
        assert [await ask(model), await ask(model)] == ["Ahoy,\n  matey ", "Aye."]


def test_a_whole_answer_is_openais() -> None:
    with FaultyServer(
        Say("One mast.", Usage(prompt_tokens=9, completion_tokens=3, cached_tokens=8))
    ) as server:
        response = post(server)
    assert response.headers["content-type"] == "application/json"
    assert _foreseeable(response.json()) == {
        "object": "chat.completion",
        "model": "parrot",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "One mast."}, "finish_reason": "stop"}
        ],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 3,
            "total_tokens": 12,
            "prompt_tokens_details": {"cached_tokens": 8},
        },
    }


@pytest.mark.parametrize("tells_usage", [True, False])
def test_a_streamed_answer_is_openais(tells_usage: bool) -> None:
    with FaultyServer("One mast.") as server:
        response = post(server, stream=True, stream_options={"include_usage": tells_usage})

    def event(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {"object": "chat.completion.chunk", "model": "parrot", "choices": [choice]}

    tokens = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    usage = {**event({}), "choices": [], "usage": {**tokens, "prompt_tokens_details": {"cached_tokens": 0}}}
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert events(response) == [
        event({"role": "assistant", "content": ""}),
        event({"content": "One "}),
        event({"content": "mast."}),
        event({}, "stop"),
        *([usage] if tells_usage else []),
        "[DONE]",
    ]


def test_no_two_answers_have_one_id() -> None:
    with FaultyServer(repeat="Ahoy") as server:
        assert len({post(server).json()["id"] for _ in range(3)}) == 3


@pytest.mark.parametrize("stop", ["END", ["never", "END"]])
def test_a_stop_word_ends_the_reply_before_it(stop: str | list[str]) -> None:
    with FaultyServer("One END two") as server:
        assert post(server, stop=stop).json()["choices"][0]["message"]["content"] == "One "


def test_tokens_are_counted_over_all_messages_and_their_parts() -> None:
    parts = [{"type": "text", "text": "two words"}, {"type": "image_url", "image_url": {"url": "x"}}]
    messages = [
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None},
        BODY["messages"][0],
    ]
    with FaultyServer("one") as server:
        usage = post(server, messages=messages).json()["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (5, 1)


@every_way
async def test_a_stall_and_a_drip_take_their_time(ask: Ask) -> None:
    with FaultyServer(Stall(0.2, "three", begun="two "), Drip("a b c", 0.1), latency=0.1) as server:
        model = client(server)
        begun = time.monotonic()
        assert await ask(model) == "two three"
        assert await ask(model) == "a b c"
        assert time.monotonic() - begun >= 0.6


async def test_what_is_said_before_a_stall_arrives_before_it() -> None:
    with FaultyServer(Stall(60, begun="so far")) as server:
        said = []
        async for piece in client(server).astream("a"):
            said.append(piece.text)
            if said[-1] == "far":
                break
        assert said == ["", "so ", "far"]


# --- refusals and faults ---------------------------------------------------------------------------


@every_way
async def test_a_status_arrives_with_its_headers_and_its_words(ask: Ask) -> None:
    refusal = Status(429, {"Retry-After": "1"})
    with FaultyServer(refusal) as server, pytest.raises(openai.RateLimitError) as caught:
        await ask(client(server))
    assert caught.value.response.headers["retry-after"] == "1"
    assert caught.value.body == {
        "message": "Too Many Requests",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


@pytest.mark.parametrize(
    ("status", "kind", "content"),
    [
        (Status(503, body="<h1>Busy</h1>"), "text/html; charset=utf-8", "<h1>Busy</h1>"),
        (Status(502, {"Content-Type": "text/plain"}, "gone"), "text/plain", "gone"),
        (Status(418, body={"detail": "tea"}), "application/json", '{"detail": "tea"}'),
    ],
)
def test_a_status_can_have_any_body(status: Status, kind: str, content: str) -> None:
    with FaultyServer(status) as server:
        response = post(server)
    assert (response.status_code, response.headers["content-type"]) == (status.code, kind)
    assert response.text == content


def test_a_status_that_no_standard_knows_is_sent_as_well() -> None:
    with FaultyServer(Status(529)) as server:
        response = post(server)
    assert (response.status_code, response.json()["error"]["message"]) == (529, "Unknown")


@every_way
@pytest.mark.parametrize("behaviour", [BreakOff("half of an answer"), Refuse(), Silence(0.1)])
async def test_a_lost_connection_is_explained_as_one(ask: Ask, behaviour: Behaviour) -> None:
    with FaultyServer(behaviour) as server:
        with pytest.raises(openai.APIConnectionError) as caught:
            await ask(client(server))
        assert str(explain(caught.value)) == f"{server.url} broke off its answer"


@pytest.mark.parametrize(
    ("behaviour", "error", "says"),
    [
        (BreakOff("half"), httpx.RemoteProtocolError, "without sending complete message body"),
        (Silence(0.1), httpx.RemoteProtocolError, "disconnected without sending a response"),
        (Refuse(), httpx.ReadError, "reset|closed"),
        (Garbage(b"\0 nonsense\r\n\r\n", http=False), httpx.RemoteProtocolError, "illegal status line"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_each_way_to_lose_a_connection_is_another_one(
    behaviour: Behaviour, error: type[Exception], says: str, stream: bool
) -> None:
    with FaultyServer(behaviour) as server, pytest.raises(error, match=says):
        post(server, stream=stream)


def test_what_comes_before_a_break_arrives_and_the_end_mark_does_not() -> None:
    received = b""
    with (
        FaultyServer(BreakOff("so far")) as server,
        httpx.Client(base_url=server.url, trust_env=False) as asking,
        asking.stream("POST", "/chat/completions", json={**BODY, "stream": True}) as response,
        contextlib.suppress(httpx.RemoteProtocolError),
    ):
        for data in response.iter_raw():
            received += data
        pytest.fail("the answer came to an end")
    answers = [json.loads(line) for line in received.decode().replace("data: ", "").split("\n\n") if line]
    assert [answer["choices"][0]["delta"]["content"] for answer in answers] == ["", "so ", "far"]


def test_garbage_has_status_200_and_cannot_be_read() -> None:
    with FaultyServer(Garbage(b"<html>")) as server:
        response = post(server)
    assert (response.status_code, response.content) == (200, b"<html>")
    with pytest.raises(json.JSONDecodeError):
        response.json()


@every_way
async def test_silence_lasts_until_the_client_has_had_enough(ask: Ask) -> None:
    begun = time.monotonic()
    with FaultyServer(Silence(60)) as server:
        with pytest.raises(openai.APITimeoutError):
            await ask(client(server, timeout=0.2))
        assert await asyncio.to_thread(server.requests[0].hung_up)
    assert time.monotonic() - begun < 20


def test_stop_words_can_be_refused_beside_the_script() -> None:
    with FaultyServer("ahoy", takes_stop=False) as server:
        refusal, reply = post(server, stop=["x"]), post(server)
    assert (refusal.status_code, reply.status_code) == (400, 200)
    assert refusal.json()["error"] == {
        "message": "Unsupported parameter: 'stop' is not supported with this model.",
        "type": "invalid_request_error",
        "param": "stop",
        "code": "unsupported_parameter",
    }


@every_way
async def test_our_own_client_asks_again_without_stop_words(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultyServer("ahoy", takes_stop=False) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        asking = open_endpoint("parrot").bind(stop=["x"])
        assert await ask(asking) == "ahoy"
    assert ["stop" in request.body for request in server.requests] == [True, False]


# --- the script ------------------------------------------------------------------------------------


def test_a_call_too_many_is_told_to_the_client_and_again_at_the_end() -> None:
    said = "FaultyServer: call 2, but there are only 1 replies"
    responses = []

    def call_twice() -> None:
        with FaultyServer("one") as server:
            responses.extend([post(server), post(server)])

    with pytest.raises(ScriptError) as caught:
        call_twice()
    assert str(caught.value) == said
    assert [response.status_code for response in responses] == [200, 500]
    assert responses[1].json()["error"]["message"] == said


def test_a_call_too_many_is_not_tried_again_by_a_client_that_otherwise_would() -> None:
    server = FaultyServer()

    def call() -> None:
        with server, pytest.raises(openai.InternalServerError):
            client(server, tries=3).invoke("a")

    with pytest.raises(ScriptError):
        call()
    assert len(server.requests) == 1


def test_what_is_left_over_is_complained_of() -> None:
    says = r"^FaultyServer: only 0 of 2 replies were asked for$"
    with pytest.raises(ScriptError, match=says), FaultyServer("one", Refuse()):
        pass


def test_a_test_may_fail_for_its_own_reason() -> None:
    with pytest.raises(ZeroDivisionError), FaultyServer("one"):
        raise ZeroDivisionError


def test_after_its_script_it_can_repeat_itself_or_decide_by_the_call() -> None:
    def decide(request: Request) -> str | Behaviour:
        return Status(404) if request.body["model"] == "ghost" else f"You said: {request.texts[-1]}"

    with FaultyServer(Status(503), repeat=decide) as server:
        codes = [post(server, model=model).status_code for model in ("parrot", "ghost", "parrot")]
        assert client(server).invoke("Ahoy").text == "You said: Ahoy"
    assert codes == [503, 404, 200]


def test_a_bug_in_what_decides_is_raised_at_the_end() -> None:
    def decide(request: Request) -> str:
        return request.headers["no-such-header"]

    def call() -> None:
        with FaultyServer(repeat=decide) as server, pytest.raises(httpx.RemoteProtocolError):
            post(server)

    with pytest.raises(KeyError, match="no-such-header"):
        call()


def test_it_says_what_it_is_for_when_asked_for_something_else() -> None:
    with FaultyServer() as server:
        response = httpx.get(f"{server.url}/models", trust_env=False)
    assert response.status_code == 404
    assert response.json()["error"]["message"] == (
        "this server knows POST /v1/chat/completions only, not GET /v1/models"
    )


def test_it_has_an_address_only_while_it_runs() -> None:
    server = FaultyServer()
    with pytest.raises(ScriptError, match=r"^the server is not running; write `with FaultyServer"):
        server.url  # noqa: B018
    with server:
        url = server.url
        assert httpx.get(url, trust_env=False).status_code == 404
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


# --- what it records -------------------------------------------------------------------------------


def test_it_records_what_was_sent_and_when() -> None:
    before = time.monotonic()
    with FaultyServer("ahoy", latency=0.1) as server:
        post(server, temperature=0.5)
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.body == {**BODY, "temperature": 0.5}
    assert request.texts == ["How many masts?"]
    assert request.headers["content-type"] == "application/json"
    assert request.ended is not None
    assert before <= request.began <= request.ended - 0.1 <= time.monotonic()
    assert not request.hung_up()


@pytest.mark.parametrize("behaviour", [Drip("word " * 600, 0.1), Stall(60), Silence(60)])
@pytest.mark.parametrize("ask", [awaited, in_awaited_pieces])
async def test_it_notices_a_client_that_was_cancelled(ask: Ask, behaviour: Behaviour) -> None:
    begun = time.monotonic()
    with FaultyServer(behaviour) as server:
        asking = asyncio.create_task(ask(client(server)))
        while not server.requests:  # noqa: ASYNC110 - they come in another thread
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await asyncio.to_thread(server.requests[0].hung_up)
    assert time.monotonic() - begun < 20


def test_an_answer_that_is_not_over_cannot_say_how_it_ended() -> None:
    with ThreadPoolExecutor(1) as pool, FaultyServer(Stall(60)) as server:
        pool.submit(post, server)
        while not server.requests:
            time.sleep(0.01)
        says = r"^the answer to POST /v1/chat/completions is not over after 0\.1 s$"
        with pytest.raises(TimeoutError, match=says):
            server.requests[0].hung_up(within=0.1)


def test_it_ends_although_clients_are_still_waiting() -> None:
    begun = time.monotonic()
    with httpx.Client(trust_env=False) as waiting, FaultyServer("ahoy") as server:
        waiting.post(f"{server.url}/chat/completions", json=BODY)  # its connection is kept for another call
    assert time.monotonic() - begun < 10


async def test_it_serves_hundreds_of_connections_at_once() -> None:
    body = json.dumps(BODY).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: ship\r\nContent-Length: {len(body)}\r\n\r\n"

    async def call(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + body)
        first = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return first

    begun = time.monotonic()
    with FaultyServer(repeat="ahoy", latency=0.2) as server:
        port = int(server.url.split(":")[2].removesuffix("/v1"))
        said = await asyncio.gather(*(call(port) for _ in range(200)))
    assert said == [b"HTTP/1.1 200 OK\r\n"] * 200
    assert len(server.requests) == 200
    assert time.monotonic() - begun < 20  # one after the other they would take 40
