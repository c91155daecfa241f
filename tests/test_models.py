"""A model's name becomes a chat model; what can go wrong becomes one clear line."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from agent_app.errors import AgentAppError, EndpointError, ModelError, ScriptError, UnknownName
from agent_app.models import Traits, explain, load_model, name_of, pinned_model, pinned_models, traits_of
from agent_app.settings import Settings

KEY = "sk-very-secret"


class Endpoint(ThreadingHTTPServer):
    """A server that speaks the OpenAI protocol and says "ahoy", or whatever refusal it is given."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.takes_stop = True
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.breaks_off = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls.append(body)
        self.server.keys.append(self.headers["Authorization"])
        refusal = self.server.refusal
        if "stop" in body and not self.server.takes_stop:
            message = "Unsupported parameter: 'stop' is not supported with this model."
            refusal = (400, {"message": message, "param": "stop", "code": "unsupported_parameter"})
        if refusal:
            self._send(refusal[0], "application/json", json.dumps({"error": refusal[1]}))
        elif body.get("stream"):
            first = "data: " + json.dumps(_chunk("ahoy")) + "\n\n"
            rest = "data: " + json.dumps(_chunk(None)) + "\n\ndata: [DONE]\n\n"
            self._send(200, "text/event-stream", first, "" if self.server.breaks_off else rest, len(rest))
        else:
            said = {"role": "assistant", "content": "ahoy"}
            choices = [{"index": 0, "message": said, "finish_reason": "stop"}]
            reply = {**_chunk(None), "object": "chat.completion", "choices": choices}
            self._send(200, "application/json", json.dumps(reply))

    def _send(self, status: int, kind: str, text: str, rest: str = "", promised: int = 0) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text) + max(len(rest), promised)))
        self.end_headers()
        self.wfile.write((text + rest).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has above
        pass


def _chunk(content: str | None) -> dict[str, Any]:
    delta = {"role": "assistant", "content": content} if content else {}
    choice = {"index": 0, "delta": delta, "finish_reason": None if content else "stop"}
    facts = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "parrot"}
    return {**facts, "choices": [choice]}


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    server = Endpoint()
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


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


def test_a_server_of_ones_own_wants_no_key(endpoint: Endpoint) -> None:
    assert load_model("openai:parrot").invoke("hi").content == "ahoy"
    assert [call["model"] for call in endpoint.calls] == ["parrot"]
    assert endpoint.keys == ["Bearer none"]


def test_the_key_is_sent_to_the_named_endpoint(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    model = load_model("openai:parrot")
    assert model.invoke("hi").content == "ahoy"
    assert endpoint.keys == [f"Bearer {KEY}"]
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
    endpoint: Endpoint, call: Callable[[BaseChatModel], Any]
) -> None:
    endpoint.takes_stop = False
    model = load_model("openai:parrot")
    assert [await call(model), await call(model)] == ["ahoy", "ahoy"]
    assert ["stop" in body for body in endpoint.calls] == [True, False, False]


async def test_stop_words_that_are_taken_are_always_sent(endpoint: Endpoint) -> None:
    model = load_model("openai:parrot")
    assert [await _invoke(model), await _astream(model)] == ["ahoy", "ahoy"]
    assert [body["stop"] for body in endpoint.calls] == [["x"], ["x"]]


def test_another_refusal_is_not_repeated(endpoint: Endpoint) -> None:
    endpoint.refusal = (400, {"message": "no such temperature", "param": "temperature"})
    model = load_model("openai:parrot")
    error = complaint(lambda: model.invoke("hi", stop=["x"]))
    assert str(error) == f"{endpoint.url} refuses the call (HTTP 400): no such temperature"
    assert len(endpoint.calls) == 1


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
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, status: int, message: str, says: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url.replace("http://", "http://user:word@"))
    endpoint.refusal = (status, {"message": message})
    model = load_model("openai:parrot").bind(timeout=20)
    error = complaint(lambda: model.invoke("hi"))
    assert isinstance(error, EndpointError)
    assert str(error) == f"{endpoint.url} {says}"


def test_a_prompt_that_is_too_long_is_called_so(endpoint: Endpoint) -> None:
    facts = {"type": "exceed_context_size_error", "n_prompt_tokens": 9000, "n_ctx": 4096}
    endpoint.refusal = (400, {"message": "the request exceeds the available context size", **facts})
    error = complaint(lambda: load_model("openai:parrot").invoke("hi"))
    assert str(error) == (
        f"{endpoint.url} finds the prompt too long: 9000 tokens, and its context window holds 4096"
    )
    endpoint.refusal = (400, {"message": "at most 4096 tokens", "code": "context_length_exceeded"})
    error = complaint(lambda: load_model("openai:parrot").invoke("hi"))
    assert str(error) == f"{endpoint.url} finds the prompt too long: at most 4096 tokens"


def test_a_dead_server_becomes_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    error = complaint(lambda: load_model("openai:parrot").invoke("hi"))
    assert isinstance(error, EndpointError)
    assert str(error) == f"{url} cannot be reached; is it running, and is its address right?"


def test_a_silent_server_becomes_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        error = complaint(lambda: load_model("openai:parrot").bind(timeout=0.1).invoke("hi"))
    assert str(error) == f"{url} did not answer in time"


def test_a_stream_that_breaks_off_becomes_one_line(endpoint: Endpoint) -> None:
    endpoint.breaks_off = True
    error = complaint(lambda: list(load_model("openai:parrot").stream("hi")))
    assert isinstance(error, EndpointError)
    assert str(error) == f"{endpoint.url} broke off its answer"


def test_what_is_no_endpoints_doing_is_left_alone() -> None:
    own = ScriptError("a call too many")
    assert explain(own) is own
    assert explain(ZeroDivisionError("a bug")) is None
