"""A model's name becomes a chat model; what can go wrong becomes one clear line."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import json
import operator
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from ssl import SSLCertVerificationError, SSLError
from typing import Any, TypeAlias

import pytest
from httpx2 import ConnectError, Request, Response
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from openai import APIConnectionError, APIError, NotFoundError, RateLimitError

from agent_app.errors import (
    AgentAppError,
    EndpointBusy,
    EndpointDown,
    EndpointError,
    ModelError,
    ScriptError,
    SettingError,
    UnknownName,
)
from agent_app.models import Traits, explain, load_model, name_of, pinned_model, pinned_models, traits_of
from agent_app.models.way import way_to
from agent_app.settings import Settings
from agent_app.testing import Behaviour, BreakOff, FaultyServer, Garbage, Silence, Status

KEY = "sk-very-secret"


Serve: TypeAlias = Callable[..., FaultyServer]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a server, with the arguments of `FaultyServer`, and make it the one that is asked."""
    with contextlib.ExitStack() as servers:

        def start(*script: str | Behaviour, **options: Any) -> FaultyServer:
            server = servers.enter_context(FaultyServer(*script, **options))
            monkeypatch.setenv("OPENAI_BASE_URL", server.url)
            return server

        yield start


def complaint(act: Callable[[], object]) -> AgentAppError | None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one it becomes is what is tested
        act()
    assert isinstance(caught.value, Exception)
    return explain(caught.value)


# --- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("embedded:smolm2-135m", "unknown embedded model 'smolm2-135m'; did you mean 'smollm2-135m'?"),
        ("embeded", "unknown model 'embeded'; did you mean 'embedded'?"),
        ("smollm2-135m", "unknown model 'smollm2-135m'; did you mean 'embedded:smollm2-135m'?"),
        ("antropic:claude", "unknown model provider 'antropic'; did you mean 'anthropic'?"),
        ("scriptd:x.txt", "unknown model provider 'scriptd'; did you mean 'scripted'?"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(name: str, says: str) -> None:
    with pytest.raises(UnknownName) as caught:
        load_model(name)
    assert str(caught.value).startswith(says.rstrip("?"))


@pytest.mark.parametrize("name", ["openai:", "anthropic:", "scripted:"])
def test_a_name_without_its_second_half_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match=rf"^`{name}` lacks the "):
        load_model(name)


def test_plain_embedded_is_the_first_pinned_model() -> None:
    first, *_ = pinned_models().values()
    assert pinned_model("embedded") == pinned_model("") == first
    assert first.name == "qwen2.5-coder-1.5b"
    assert first.size == "1.1 GB"


def test_a_model_that_is_not_fetched_says_size_licence_and_command(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load_model("embedded:smollm2-135m", settings=Settings(model_dir=tmp_path), folder=tmp_path / "own")
    assert str(caught.value) == (
        "the model smollm2-135m is not on this machine; get it with "
        "`agent-app models fetch smollm2-135m` (98 MB, licence Apache-2.0)"
    )


def test_a_scripted_model_is_loaded_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "replies.txt"
    file.write_text("Ahoy\n---\nAye\n", encoding="utf-8")
    model = load_model(f"scripted:{file}")
    assert [model.invoke("a").content, model.invoke("b").content] == ["Ahoy", "Aye"]


@pytest.mark.parametrize("error", [AttributeError("no ChatParrot"), OSError("no ChatParrot\nkey: secret")])
def test_a_provider_that_cannot_be_had_is_one_line(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("langchain.chat_models.init_chat_model", fail)
    with pytest.raises(ModelError) as caught:
        load_model("ollama:parrot")
    assert str(caught.value) == "cannot use ollama:parrot: no ChatParrot"


def test_a_missing_package_of_a_provider_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    monkeypatch.setitem(sys.modules, "langchain_groq", None)
    with pytest.raises(ModelError) as caught:
        load_model("groq:llama")
    assert "`pip install langchain-groq`" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_missing_key_of_a_provider_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(ModelError) as caught:
        load_model("anthropic:claude")
    assert str(caught.value) == (
        "anthropic:claude takes a key: set ANTHROPIC_API_KEY in the environment or in a file `.env`"
    )


def test_openai_itself_takes_a_key() -> None:
    with pytest.raises(ModelError) as caught:
        load_model("openai:gpt-4o-mini")
    assert str(caught.value) == (
        "openai:gpt-4o-mini takes a key: set OPENAI_API_KEY in the environment or in a file `.env`; "
        "for a server of your own set OPENAI_BASE_URL"
    )


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "127.0.0.1:8000/v1",
        "ftp://host/v1",
        "http://",
        "http://:80/v1",
        "http://host:port/v1",
        "http://host:99999",
        "http://host:0",
        "http://[::1/v1",
        "http://ä..ö/v1",
        " http://host/v1",
        "http://host/v1\n",
    ],
)
def test_an_address_that_is_none_is_told_and_not_shown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(SettingError) as caught:
        load_model("openai:parrot")
    assert str(caught.value) == "OPENAI_BASE_URL is no address; it takes http://HOST:PORT/v1"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (
            "http://host/v1?api-version=2",
            "OPENAI_BASE_URL has a `?`; it takes an address without, as http://HOST:PORT/v1",
        ),
        (
            "http://host/v1/chat/completions/",
            "OPENAI_BASE_URL ends in /chat/completions; leave that out, the calls put it there",
        ),
    ],
)
def test_an_address_that_no_call_can_be_put_behind_is_told(
    url: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    with pytest.raises(SettingError) as caught:
        load_model("openai:parrot")
    assert str(caught.value) == says


@pytest.mark.parametrize(
    "url",
    [
        "http://host",
        "HTTPS://host:65535/",
        "http://anne:bonny@[::1]:8000/v1",
        "http://ho_st/v1",
        "http://älpler/v1",
    ],
)
def test_an_address_is_taken_as_it_is(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    assert name_of(load_model("openai:parrot")) == "openai:parrot"


@pytest.mark.parametrize(
    ("model", "variable"), [("openai:parrot", "OPENAI_API_KEY"), ("groq:llama", "GROQ_API_KEY")]
)
@pytest.mark.parametrize("key", ["sk-ключ", "sk-very-secret\n"])
def test_a_key_that_cannot_be_sent_is_told_and_not_shown(
    model: str, variable: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, key)
    with pytest.raises(SettingError) as caught:
        load_model(model)
    assert str(caught.value) == (
        f"{variable} has a blank, a line end or another character in it that no key has; "
        "copy the key again, and nothing else"
    )


def test_names_and_traits_of_any_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert name_of(load_model("openai:gpt-4o-mini")) == "openai:gpt-4o-mini"
    stranger = FakeListChatModel(responses=["x"])
    assert name_of(stranger) == "fakelistchatmodel:FakeListChatModel"
    assert traits_of(stranger) == Traits(continues=False, grammar=False, stop=True)


def test_the_package_does_not_import_langchain_before_a_model_is_loaded() -> None:
    heavy = "{'langchain', 'langchain_core', 'langchain_openai', 'openai', 'httpx', 'xllamacpp', 'pydantic'}"
    code = f"import agent_app.models, agent_app.models.fetch, sys; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# --- endpoints -------------------------------------------------------------------------------------


def test_a_server_of_ones_own_wants_no_key(serve: Serve) -> None:
    server = serve("ahoy")
    assert load_model("openai:parrot").invoke("hi").content == "ahoy"
    (request,) = server.requests
    assert request.body["model"] == "parrot"
    assert request.headers["authorization"] == "Bearer none"


def test_the_key_is_sent_to_the_named_endpoint(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server = serve("ahoy")
    model = load_model("openai:parrot")
    assert model.invoke("hi").content == "ahoy"
    assert [request.headers["authorization"] for request in server.requests] == [f"Bearer {KEY}"]
    assert KEY not in name_of(model) + repr(model)


async def _ainvoke(model: BaseChatModel) -> str:
    return (await model.ainvoke("hi", stop=["x"])).text


async def _astream(model: BaseChatModel) -> str:
    return "".join([chunk.text async for chunk in model.astream("hi", stop=["x"])])


async def _invoke(model: BaseChatModel) -> str:
    return model.invoke("hi", stop=["x"]).text


async def _stream(model: BaseChatModel) -> str:
    return "".join(chunk.text for chunk in model.stream("hi", stop=["x"]))


@pytest.mark.parametrize("call", [_invoke, _stream, _ainvoke, _astream])
async def test_stop_words_that_are_refused_are_left_out_from_then_on(
    serve: Serve, call: Callable[[BaseChatModel], Any]
) -> None:
    server = serve("ahoy", "ahoy", takes_stop=False)
    model = load_model("openai:parrot")
    assert [await call(model), await call(model)] == ["ahoy", "ahoy"]
    assert ["stop" in request.body for request in server.requests] == [True, False, False]


async def test_stop_words_that_are_taken_are_always_sent(serve: Serve) -> None:
    server = serve("ahoy", "ahoy")
    model = load_model("openai:parrot")
    assert [await _invoke(model), await _astream(model)] == ["ahoy", "ahoy"]
    assert [request.body["stop"] for request in server.requests] == [["x"], ["x"]]


async def test_calls_at_the_same_time_may_all_be_refused_first(serve: Serve) -> None:
    server = serve(repeat="ahoy", latency=0.1, takes_stop=False)
    model = load_model("openai:parrot")
    assert await asyncio.gather(*(_ainvoke(model) for _ in range(3))) == ["ahoy"] * 3
    assert len(server.requests) == 6


def _not_permitted(name: str) -> dict[str, Any]:
    """What Mistral says of a parameter that is not in its list."""
    told = {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs are not permitted"}
    return {"object": "error", "message": {"detail": [told]}, "param": None, "code": None}


OF_XAI = {"code": "invalid-argument", "error": "Model grok-4.6 does not support parameter stop."}
OF_LITELLM = {"message": "UnsupportedParamsError: does not support parameters: ['stop']", "param": None}


@pytest.mark.parametrize("call", [_invoke, _stream, _ainvoke, _astream])
@pytest.mark.parametrize(
    ("refusal", "sent"),
    [
        (Status(400, body=OF_XAI), "stop"),
        (Status(400, body={"error": OF_LITELLM}), "stop"),
        (Status(422, body=_not_permitted("max_completion_tokens")), "max_completion_tokens"),
        (Status(422, body=_not_permitted("stream_options")), "stream_options"),
    ],
)
async def test_what_a_server_does_not_know_is_left_out(
    serve: Serve, call: Callable[[BaseChatModel], Any], refusal: Status, sent: str
) -> None:
    server = serve(repeat=lambda request: refusal if sent in request.body else "ahoy")
    model = load_model("openai:parrot").bind(max_tokens=9)
    assert await call(model) == "ahoy"  # type: ignore[arg-type]
    last = server.requests[-1].body
    assert sent not in last
    assert (last.get("max_completion_tokens") or last["max_tokens"]) == 9


def test_a_value_that_is_wrong_is_not_left_out(serve: Serve) -> None:
    told = {"message": "max_completion_tokens is too large: 9. This model supports at most 8", "param": None}
    server = serve(Status(400, body={"error": told}))
    error = complaint(lambda: load_model("openai:parrot").bind(max_tokens=9).invoke("hi"))
    assert str(error) == f"{server.url} refuses the call (HTTP 400): {told['message']}"


def test_another_refusal_is_not_repeated(serve: Serve) -> None:
    refusal = {"error": {"message": "no such temperature", "param": "temperature"}}
    server = serve(Status(400, body=refusal))
    model = load_model("openai:parrot")
    error = complaint(lambda: model.invoke("hi", stop=["x"]))
    assert str(error) == f"{server.url} refuses the call (HTTP 400): no such temperature"


@pytest.mark.parametrize("call", [_invoke, _stream, _ainvoke, _astream])
async def test_credentials_in_an_address_are_sent_instead_of_the_key(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, call: Callable[[BaseChatModel], Any]
) -> None:
    server = serve("ahoy")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url.replace("http://", "http://anne%40sea:bo%3Anny@"))
    assert await call(load_model("openai:parrot")) == "ahoy"
    sent = server.requests[0].headers["authorization"]
    assert sent == f"Basic {base64.b64encode(b'anne@sea:bo:nny').decode()}"


# --- streams ---------------------------------------------------------------------------------------


def _event(text: str, **more: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps({"choices": [{"delta": {"content": text}}], **more}).encode()


@pytest.mark.parametrize("call", [_stream, _astream])
@pytest.mark.parametrize(
    "answer",
    [
        Garbage(b'{"choices": [{"message": {"role": "assistant", "content": "ahoy"}}]}'),  # knows no streams
        Garbage(b"retry: 3000\n\n" + _event("ahoy")),
        Garbage(_event("") + b"data:\n\n" + _event("ahoy")),
    ],
)
async def test_where_a_stream_cannot_be_read_the_whole_is_asked_for_from_then_on(
    serve: Serve, call: Callable[[BaseChatModel], Any], answer: Garbage
) -> None:
    server = serve(repeat=lambda request: answer if request.body.get("stream") else "ahoy")
    model = load_model("openai:parrot")
    assert [await call(model), await call(model)] == ["ahoy", "ahoy"]
    assert [request.body.get("stream", False) for request in server.requests] == [True, False, False]


@pytest.mark.parametrize("call", [_stream, _astream])
async def test_nothing_is_said_twice_when_a_stream_cannot_be_read_any_more(
    serve: Serve, call: Callable[[BaseChatModel], Any]
) -> None:
    server = serve(Garbage(_event("aho") + b"data: {\n\n"))
    with pytest.raises(APIError) as caught:
        await call(load_model("openai:parrot"))
    assert str(explain(caught.value)) == f"{server.url} answered with something that is no JSON"


@pytest.mark.parametrize("call", [_stream, _astream])
async def test_a_stream_without_an_end_is_broken_off_where_others_have_one(
    serve: Serve, call: Callable[[BaseChatModel], Any]
) -> None:
    half = Garbage(_event("aho"))
    server = serve(half, "ahoy", half, "ahoy")
    model = load_model("openai:parrot")
    assert [await call(model), await call(model)] == ["aho", "ahoy"]
    with pytest.raises(APIError) as caught:
        await call(model)
    assert str(explain(caught.value)) == f"{server.url} broke off its answer"
    assert await call(model) == "ahoy"


@pytest.mark.parametrize("call", [_invoke, _stream, _ainvoke, _astream])
async def test_an_answer_that_is_no_json_is_said_to_be_none_and_by_whom(
    serve: Serve, call: Callable[[BaseChatModel], Any]
) -> None:
    server = serve(repeat=Garbage(b""))
    with pytest.raises(APIError) as caught:
        await call(load_model("openai:parrot"))
    assert str(explain(caught.value)) == f"{server.url} answered with something that is no JSON"


async def test_tokens_that_are_told_with_every_piece_are_counted_once(serve: Serve) -> None:
    usages = [{"prompt_tokens": 7, "completion_tokens": n, "total_tokens": 7 + n} for n in (1, 2, 2)]
    answer = Garbage(b"".join(_event("ay", usage=usage) for usage in usages))
    serve(answer, answer)
    model = load_model("openai:parrot")
    for pieces in list(model.stream("hi")), [piece async for piece in model.astream("hi")]:
        usage = functools.reduce(operator.add, pieces).usage_metadata
        assert usage is not None
        assert (usage["input_tokens"], usage["output_tokens"]) == (7, 2)


# --- the way to a server ---------------------------------------------------------------------------

FAR = "http://masts.invalid/v1"


@pytest.mark.parametrize("call", [_invoke, _stream, _ainvoke, _astream])
async def test_every_call_takes_the_proxy_of_the_environment(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, call: Callable[[BaseChatModel], Any]
) -> None:
    proxy = serve()
    monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")  # which this call needs not
    monkeypatch.setenv("OPENAI_BASE_URL", FAR)
    with pytest.raises(NotFoundError):  # it has nothing but its own
        await call(load_model("openai:parrot"))
    (request,) = proxy.requests
    assert request.path == f"{FAR}/chat/completions"


@pytest.mark.parametrize("call", [_invoke, _stream, _ainvoke, _astream])
async def test_a_server_on_this_machine_is_reached_without_a_proxy(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, call: Callable[[BaseChatModel], Any]
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    serve("ahoy")
    assert await call(load_model("openai:parrot")) == "ahoy"


def test_a_proxy_is_left_out_where_no_proxy_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "proxy:3128")
    assert way_to(FAR).proxy == "http://proxy:3128"
    assert way_to("https://masts.invalid/v1").proxy is None
    monkeypatch.setenv("NO_PROXY", "invalid")
    assert way_to(FAR).proxy is None


def test_a_proxy_that_cannot_be_used_is_told_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://anne:bonny@127.0.0.1:1")
    monkeypatch.setenv("OPENAI_BASE_URL", FAR)
    with pytest.raises(SettingError) as caught:
        load_model("openai:parrot")
    assert str(caught.value) == (
        "the proxy that the environment names for http://masts.invalid is no HTTP proxy; "
        "set HTTP_PROXY=http://HOST:PORT, or NO_PROXY=masts.invalid to go without one"
    )


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_certificates_that_cannot_be_read_are_told(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content:
        (tmp_path / "own.pem").write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "own.pem"))
    monkeypatch.setenv("OPENAI_BASE_URL", FAR)
    with pytest.raises(SettingError, match=r"^SSL_CERT_FILE or SSL_CERT_DIR names no cert"):
        load_model("openai:parrot")


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (
            SSLCertVerificationError(),
            "shows a certificate that is not trusted; SSL_CERT_FILE can name one that is",
        ),
        (SSLError(), "does not speak TLS as it should; is it http where the address says https?"),
    ],
)
def test_a_failure_of_tls_is_told_from_a_server_that_is_not_there(cause: Exception, says: str) -> None:
    error = APIConnectionError(request=Request("POST", "https://masts.invalid/v1/chat/completions"))
    error.__cause__ = hiding = ConnectError("as httpx calls all of this")
    hiding.__context__, hiding.__suppress_context__ = cause, True  # as httpcore hides it
    assert str(explain(error)) == f"https://masts.invalid/v1 {says}"


# --- complaints ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "message", "says"),
    [
        (401, f"Incorrect API key provided: {KEY}", "refuses the key (HTTP 401)"),
        (403, f"{KEY} may not", "does not allow this with the given key (HTTP 403)"),
        (404, "no model parrot", "knows no such model or address (HTTP 404): no model parrot"),
        (429, "slow\ndown", "is asked too often (HTTP 429): slow down"),
        (500, "oops", "failed (HTTP 500): oops"),
        (418, "I am a teapot", "refuses the call (HTTP 418): I am a teapot"),
    ],
)
def test_a_refusal_becomes_one_line(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, status: int, message: str, says: str
) -> None:
    # Repeated, so that it does not matter here how often the client tries.
    refusal = Status(status, {"x-should-retry": "false"}, {"error": {"message": message}})
    server = serve(repeat=refusal)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", server.url.replace("http://", "http://user:word@"))
    model = load_model("openai:parrot").bind(timeout=20)
    error = complaint(lambda: model.invoke("hi"))
    assert isinstance(error, EndpointError)
    assert str(error) == f"{server.url} {says}"


@pytest.mark.parametrize("call", [_invoke, _stream, _ainvoke])
@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (Status(500, body={"error": "the runner stopped"}), "failed (HTTP 500): the runner stopped"),
        (Status(402, body={"error": {"message": "top up"}}), "wants to be paid first (HTTP 402): top up"),
        (
            Status(422, body={"detail": [{"loc": ["body", "model"], "msg": "Field required"}]}),
            "refuses the call (HTTP 422): body.model: Field required",
        ),
        (
            Status(404, body="404 page not found"),
            "knows no such model or address (HTTP 404): 404 page not found",
        ),
        (Status(502, body="<html><h1>Bad Gateway</h1></html>"), "failed (HTTP 502)"),
    ],
)
async def test_a_server_may_word_its_refusal_as_it_likes(
    serve: Serve, refusal: Status, says: str, call: Callable[[BaseChatModel], Any]
) -> None:
    server = serve(repeat=refusal)
    with pytest.raises(APIError) as caught:
        await call(load_model("openai:parrot"))
    assert str(explain(caught.value)) == f"{server.url} {says}"


@pytest.mark.parametrize("call", [_invoke, _stream, _ainvoke, _astream])
@pytest.mark.parametrize("within", ["reply", "choice"])
async def test_a_key_that_a_server_quotes_in_a_reply_is_not_shown(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, within: str, call: Callable[[BaseChatModel], Any]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    told = {"error": {"message": f"{KEY} is no key"}}
    choice = {"message": {"role": "assistant", "content": ""}, "delta": {}, **told}
    server = serve(repeat=Status(200, body=told if within == "reply" else {"choices": [choice]}))
    with pytest.raises(APIError) as caught:
        await call(load_model("openai:parrot"))
    assert str(explain(caught.value)) == f"{server.url} broke off its answer: *** is no key"


def test_the_words_of_a_server_stand_where_there_is_no_key(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    said = "none of the models here is called x; nonexistent"
    serve(repeat=Status(404, body={"error": {"message": said}}))
    assert str(complaint(lambda: load_model("openai:x").invoke("hi"))).endswith(f"(HTTP 404): {said}")


@pytest.mark.parametrize("host", ["[::1]:8080", "[::1]", "user:word@[::1]:8080", "masts.invalid:8080"])
def test_an_address_is_told_as_it_is_written(host: str) -> None:
    error = APIConnectionError(request=Request("POST", f"http://{host}/v1/chat/completions"))
    shown = host.removeprefix("user:word@")
    assert str(explain(error)).startswith(f"http://{shown}/v1 cannot be reached")


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7.5", 7.5),
        ("-1", 0.0),
        ("inf", None),
        ("nan", None),
        ("1e999", None),
        ("Wed, 21 Oct 2020 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 2020 07:28:00 -0000", 0.0),
        ("Wed, 21 Oct 2020 07:28:00", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_a_server_may_say_in_any_way_when_to_come_back(asked: str, seconds: float | None) -> None:
    request = Request("POST", "http://masts.invalid/v1/chat/completions")
    response = Response(429, headers={"Retry-After": asked}, request=request)
    error = explain(RateLimitError("slow down", response=response, body=None))
    assert isinstance(error, EndpointBusy)
    assert error.retry_after == seconds


@pytest.mark.parametrize("call", [_invoke, _stream, _ainvoke, _astream])
async def test_an_address_without_a_path_is_told_what_it_may_lack(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, call: Callable[[BaseChatModel], Any]
) -> None:
    root = serve().url.removesuffix("/v1")
    monkeypatch.setenv("OPENAI_BASE_URL", root)
    with pytest.raises(APIError) as caught:
        await call(load_model("openai:parrot"))
    told = "this server knows POST /v1/chat/completions only, not POST /chat/completions"
    assert str(explain(caught.value)) == (
        f"{root} knows no such model or address (HTTP 404): {told}; most addresses end in /v1"
    )


UPSTREAM = {"code": 502, "message": "upstream died"}


@pytest.mark.parametrize("call", [_invoke, _stream, _ainvoke, _astream])
@pytest.mark.parametrize(
    ("end", "says"),
    [
        ({"finish_reason": "error", "error": UPSTREAM}, "broke off its answer: upstream died"),
        ({"finish_reason": "error"}, "broke off its answer"),
        (
            {"finish_reason": "content_filter"},
            "withheld its reply: its content filter objects to the question or to the answer",
        ),
    ],
)
async def test_a_reply_that_a_server_cut_itself_is_none(
    serve: Serve, call: Callable[[BaseChatModel], Any], end: dict[str, Any], says: str
) -> None:
    said = {"role": "assistant", "content": "aho"}
    whole = Status(200, body={"choices": [{"message": said, **end}]})
    stream = Garbage(b"data: %b\n\n" % json.dumps({"choices": [{"delta": said, **end}]}).encode())
    server = serve(repeat=lambda request: stream if request.body.get("stream") else whole)
    with pytest.raises(APIError) as caught:
        await call(load_model("openai:parrot"))
    error = explain(caught.value)
    assert isinstance(error, EndpointDown)
    assert str(error) == f"{server.url} {says}"


@pytest.mark.parametrize("call", [_invoke, _stream, _ainvoke, _astream])
async def test_a_redirection_that_loses_the_call_is_told_with_its_end(
    serve: Serve, call: Callable[[BaseChatModel], Any]
) -> None:
    where = serve().url  # it knows calls of POST only
    serve(repeat=Status(301, headers={"Location": f"{where}/chat/completions"}))
    with pytest.raises(APIError) as caught:
        await call(load_model("openai:parrot"))
    assert str(explain(caught.value)) == (
        f"calls are redirected to {where}, and lose their content on the way; set OPENAI_BASE_URL to that"
    )


NONE_AT_ALL = "answered with something that is no reply of a chat"
REPLY = {"choices": [{"message": {"role": "assistant", "content": "ahoy"}}]}


@pytest.mark.parametrize("call", [_invoke, _ainvoke])
@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"choices": []}, NONE_AT_ALL),
        ({"choices": None}, NONE_AT_ALL),
        ({"choices": [{"message": None}]}, NONE_AT_ALL),
        ({"choices": [5]}, NONE_AT_ALL),
        ({**REPLY, "usage": {"prompt_tokens": 1, "completion_tokens": "5"}}, NONE_AT_ALL),
        ("[]", NONE_AT_ALL),
        ({"error": "overloaded"}, "broke off its answer: overloaded"),
        ({"error": {"message": "overloaded"}}, "broke off its answer: overloaded"),
    ],
)
async def test_a_reply_that_is_none_is_the_servers_failure(
    serve: Serve, body: Any, says: str, call: Callable[[BaseChatModel], Any]
) -> None:
    server = serve(Status(200, body=body))
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever the client raises
        await call(load_model("openai:parrot"))
    error = explain(caught.value)
    assert isinstance(error, EndpointDown)
    assert str(error) == f"{server.url} {says}"


def test_a_prompt_that_is_too_long_is_called_so(serve: Serve) -> None:
    facts = {"type": "exceed_context_size_error", "n_prompt_tokens": 9000, "n_ctx": 4096}
    of_llama = {"message": "the request exceeds the available context size", **facts}
    of_openai = {"message": "at most 4096 tokens", "code": "context_length_exceeded"}
    server = serve(Status(400, body={"error": of_llama}), Status(400, body={"error": of_openai}))
    error = complaint(lambda: load_model("openai:parrot").invoke("hi"))
    assert str(error) == (
        f"{server.url} finds the prompt too long: 9000 tokens, and its context window holds 4096"
    )
    error = complaint(lambda: load_model("openai:parrot").invoke("hi"))
    assert str(error) == f"{server.url} finds the prompt too long: at most 4096 tokens"


def test_a_dead_server_becomes_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    error = complaint(lambda: load_model("openai:parrot").invoke("hi"))
    assert isinstance(error, EndpointError)
    assert str(error) == f"{url} cannot be reached; is it running, and is its address right?"


def test_a_silent_server_becomes_one_line(serve: Serve) -> None:
    server = serve(repeat=Silence(10))
    error = complaint(lambda: load_model("openai:parrot").bind(timeout=0.1).invoke("hi"))
    assert str(error) == f"{server.url} did not answer in time"


def test_a_stream_that_breaks_off_becomes_one_line(serve: Serve) -> None:
    server = serve(BreakOff("aho"))
    error = complaint(lambda: list(load_model("openai:parrot").stream("hi")))
    assert isinstance(error, EndpointError)
    assert str(error) == f"{server.url} broke off its answer"


def test_what_is_no_endpoints_doing_is_left_alone() -> None:
    own = ScriptError("a call too many")
    assert explain(own) is own
    assert explain(ZeroDivisionError("a bug")) is None
