"""Secrets are found in whatever way they are written, and nothing else is."""

from __future__ import annotations

import asyncio
import base64
import functools
import json
import operator
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import pytest
from agents import PROMPT, Continuing, mate
from httpx import Headers
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, InjectedToolArg, Tool, ToolException, tool
from langgraph.types import Command

from agent_app import Action, Agent, Observation
from agent_app.history import Turn
from agent_app.models.scripted import ScriptedModel
from agent_app.redaction import Redactor, redacting_model, redacting_tool
from agent_app.settings import secrets
from agent_app.steps import Step

KEY = "open-sesame-1"
ROOT = Path(__file__).resolve().parents[1]
VALUE = 'open sesame/+"ü\n42'
REDACTOR = Redactor(
    {"DOOR": VALUE, "SHORT": "hunter22", "LONG": "hunter22-and-more", "MY_PASSWORD": "PASSWORD"}
)

FORMS = {
    "sk-" + "a1" * 24: "[secret: OpenAI key]",
    "sk-proj-" + "a1_-" * 12: "[secret: API key]",
    "sk-ant-api03-" + "a1_-" * 12: "[secret: API key]",
    "sk_live_" + "a1" * 12: "[secret: Stripe key]",
    "gsk_" + "a1" * 26: "[secret: Groq key]",
    "lsv2_pt_" + "a1" * 16 + "_" + "b2" * 5: "[secret: LangSmith key]",
    "ghp_" + "a1" * 18: "[secret: GitHub token]",
    "github_pat_" + "a1" * 11 + "_" + "b2" * 29: "[secret: GitHub token]",
    "glpat-" + "a1" * 10: "[secret: GitLab token]",
    "AKIA" + "A1" * 8: "[secret: AWS key]",
    "xoxb-" + "123456789012-" * 2 + "a1" * 12: "[secret: Slack token]",
    "AIza" + "a1_-x" * 7: "[secret: Google key]",
    "hf_" + "a1" * 17: "[secret: Hugging Face token]",
    "pypi-" + "a1" * 40: "[secret: PyPI token]",
    "npm_" + "a1" * 18: "[secret: npm token]",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.a1_-" + "b" * 20: "[secret: web token]",
    "Authorization: Bearer abc.def-123": "Authorization: Bearer [secret: credentials]",
    '{"authorization": "Basic dXNlcjpwYXNz"}': '{"authorization": "Basic [secret: credentials]"}',
    r"{\"Authorization\": \"Bearer abcdef123\"}": r"{\"Authorization\": \"Bearer [secret: credentials]\"}",
    r"authorization\\\": \\\"Bearer abcdef12\\\"": r"authorization\\\": \\\"Bearer [secret: credentials]\\\"",
    "Authorization: ApiKey abcdefghijk": "Authorization: ApiKey [secret: credentials]",
    "authorization: JWT abcdefghijk": "authorization: JWT [secret: credentials]",
    "Authorization: SSWS 00QCjAl4MlV-WPXM_x": "Authorization: SSWS [secret: credentials]",
    "Authorization: SharedKey jim:ctzMq410TV3wS7u=": "Authorization: SharedKey [secret: credentials]",
    'Authorization: Token token="abcdefghijk"': 'Authorization: Token token="[secret: credentials]"',
    "Authorization: key=abcdefghijk": "Authorization: key=[secret: credentials]",
    'Authorization: Digest username="jim", nonce="7", response="6629fae49393a0"\nHost: x': (
        "Authorization: Digest [secret: credentials]\nHost: x"
    ),
    "('Authorization', 'Bearer abcdefghijkl')": "('Authorization', 'Bearer [secret: credentials]')",
    "(b'authorization', b'Bearer abcdefghijkl')": "(b'authorization', b'Bearer [secret: credentials]')",
    '{"authorization": ["Bearer abcdefghijkl"]}': '{"authorization": ["Bearer [secret: credentials]"]}',
    '{"name": "Authorization", "value": "Bearer abcdefghijkl"}': (
        '{"name": "Authorization", "value": "Bearer [secret: credentials]"}'
    ),
    "https://jim:p@ss@sea.example/x": "https://[secret: user and password]@sea.example/x",
    "redis://:verysecret@host:6379": "redis://[secret: user and password]@host:6379",
    **{
        f"/x?page=1{name}=12345678&page=2": f"/x?page=1{name}=[secret: key in an address]&page=2"
        for name in (
            "&api_key",
            "&api-key",
            "&apiKey",
            "&API_KEY",
            "&amp;api_key",
            r"\u0026api_key",
            "&key",
            "&token",
            "&refresh_token",
            "&subscription-key",
            "&secret",
            "&PASSWORD",
        )
    },
    "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,A1\n\n"
    "MIIEpAIBAAKCAQEA12+/\nab==\n"
    "-----END RSA PRIVATE KEY-----": "[secret: private key]-----END RSA PRIVATE KEY-----",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: GnuPG v2\nComment: mine\n\nlQOYBF2mZ5QBCAC7+/\n=Ab12\n"
    "-----END PGP PRIVATE KEY BLOCK-----": "[secret: private key]-----END PGP PRIVATE KEY BLOCK-----",
    "-----BEGIN PRIVATE KEY-----\n          MIIEpAIBAAKCAQEA12+/\n          ab==\n          -----END": (
        "[secret: private key]-----END"
    ),
    "-----BEGIN RSA PRIVATE KEY-----\n> DEK-Info: A,A1\n>\n> MIIEpAIBAAKCAQEA12+/\n> ab==\n> -----END": (
        "[secret: private key]-----END"
    ),
    r"-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA12+/\nab==\n-----END": "[secret: private key]-----END",
}

ORDINARY = (
    "a task-management-and-risk-assessment-methodology-of-the-past",
    "sk-learn-is-short-for-scikit-learn-and-this-is-no-key",
    "A key file begins with -----BEGIN PRIVATE KEY----- and goes on for lines.",
    "http://localhost:8080/a@b and http://[::1]:80/ and mail jim@sea.example: ahoy",
    "the bearer acknowledgements, authorization: none; Authorization: Bearer <token>",
    "Authorization: Required permissions; authorization: granted 2026-01-15, by the administrator",
    "Authorization: Uses OAuth2.0 everywhere. Authorization, authentication: 'authorization', 'accounting'",
    "http://localhost:8000?mail=bob@example.com http://localhost:8000#bob@example.com http://x?a=b:c@d",
    f"docker://alpine:3.18@sha256:{'a1' * 32} docker://ghcr.io/sea/alpine:3.18@sha512:{'a1' * 64}",
    "/x?monkey=bananabanana&sort_key=created_at&page_token=abcdefgh12&keys=abcdefghij&key=short",
    "eyJ.eyJ, AKIA, ghp_, hf_hub, xoxo-hugs, https://x.example/?api_key=&token=",
)


@pytest.mark.parametrize(("secret", "shown"), FORMS.items(), ids=[s[:12].strip() for s in FORMS])
def test_keys_are_known_by_their_form_wherever_they_stand(secret: str, shown: str) -> None:
    redactor = Redactor()
    assert redactor.text(secret) == shown
    assert redactor.text(f"ä ({secret}) ") == f"ä ({shown}) "


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert REDACTOR.text(text) == text


@pytest.mark.parametrize("file", ["README.md", "agent_app/agent.py", "prompts/pirate.md"])
def test_nothing_is_found_in_our_own_files(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert Redactor().text(text) == text


@pytest.mark.parametrize(
    "written",
    [
        VALUE,
        quote(VALUE, safe=""),
        quote(VALUE, safe="")
        .replace("%2F", "%2f")
        .replace("%2B", "%2b")
        .replace("%0A", "%0a")
        .replace("%C3%BC", "%c3%bc"),
        json.dumps(VALUE)[1:-1],
        json.dumps(VALUE, ensure_ascii=False)[1:-1],
    ],
)
def test_a_known_value_is_found_as_it_is_in_urls_and_in_json(written: str) -> None:
    assert REDACTOR.text(f"<{written}>") == "<[secret: DOOR]>"


@pytest.mark.parametrize("before", ["", "a", "ab", "jim:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_known_value_is_found_in_base64_at_any_place(before: str, encode: Any) -> None:
    encoded = encode(f"{before}{VALUE} after".encode()).decode()
    redacted = REDACTOR.text(encoded)
    assert "[secret: DOOR]" in redacted
    assert len(redacted) - len("[secret: DOOR]") <= len(encoded) - len(VALUE.encode()) * 8 // 6 + 2


def test_the_longer_of_two_values_is_found_first() -> None:
    assert REDACTOR.text("hunter22 hunter22-and-more") == "[secret: SHORT] [secret: LONG]"


def test_a_mark_is_left_alone_even_if_its_name_has_a_secret_in_it() -> None:
    once = REDACTOR.text("PASSWORD")
    assert (once, REDACTOR.text(once)) == ("[secret: MY_PASSWORD]",) * 2
    assert REDACTOR.text("[secret: hunter22]") == "[secret: [secret: SHORT]]"


def test_nested_data_is_redacted_with_its_keys() -> None:
    given = {"a": ["hunter22", ("x hunter22", 1, None, True)], "hunter22": {"b": 2.5}}
    assert REDACTOR.data(given) == {
        "a": ["[secret: SHORT]", ("x [secret: SHORT]", 1, None, True)],
        "[secret: SHORT]": {"b": 2.5},
    }


def test_too_short_a_value_is_refused() -> None:
    with pytest.raises(ValueError, match="'PIN' has 4 characters; at least 8 are needed"):
        Redactor({"PIN": "1234"})


def test_the_environments_secrets_are_known_by_the_ends_of_their_names() -> None:
    environ = {
        "OPENAI_API_KEY": "value-one",
        "HF_TOKEN": " value-two\n",
        "A_SECRET": "value-three",
        "DB_PASSWORD": "value-four",
        "PGPASSWORD": "value-five",
        "DATABASE_URL": "postgres://u:value-six@db/x",
        "HOOK_URL": "http://localhost:8000?mail=bob@sea.example",
        "token": "value-seven",
        "HOME": "/home/jim-hawkins",
        "MAX_TOKENS": "100000000",
        "SSH_PUBLIC_KEY": "ssh-rsa AAAA",
        "X_API_KEY": "short",
        "MONKEY": "banana-banana",
    }
    assert secrets(environ) == {
        "OPENAI_API_KEY": "value-one",
        "HF_TOKEN": "value-two",
        "A_SECRET": "value-three",
        "DB_PASSWORD": "value-four",
        "PGPASSWORD": "value-five",
        "DATABASE_URL": "value-six",
        "token": "value-seven",
    }


def test_the_environment_is_read_when_a_redactor_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHIP_API_KEY", "black-spot-1883")
    redactor = Redactor.from_environment({"mine": "treasure-map"})
    assert redactor.text("black-spot-1883, treasure-map") == "[secret: SHIP_API_KEY], [secret: mine]"


# --- in pieces ---


def in_pieces(redactor: Redactor, pieces: list[str]) -> str:
    stream = redactor.stream()
    return "".join(map(stream.feed, pieces)) + stream.close()


@pytest.mark.parametrize(
    "text", [*FORMS, *ORDINARY, VALUE, "hunter22-and-mor", "hunter22-and-more", "-hunter2 [secret: SHORT"]
)
@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_a_stream_gives_what_the_whole_text_gives(text: str, length: int) -> None:
    text = f"a {text}, {text} b"
    pieces = [text[at : at + length] for at in range(0, len(text), length)]
    assert in_pieces(REDACTOR, pieces) == REDACTOR.text(text)


PARTS = [
    "hunter22",
    "-and-more",
    "-",
    " ",
    "a",
    "sk-",
    "a" * 19,
    "ant-",
    "AKIA",
    "A" * 15,
    "1",
    "://",
    "u:",
    "p@",
    "@",
    "/",
    "eyJ",
    ".",
    "-----BEGIN ",
    "PRIVATE KEY-----",
    "\n",
    "\\n",
    "A: b",
    "Authorization",
    ": ",
    "Bearer ",
    "Hawk ",
    "',",
    " 'value'",
    "abcdefgh",
    "a1B2c3D4e5",
    "key=",
    "> ",
    "sha256:",
    "[secret: ",
    "SHORT",
    "]",
    "PASSWORD",
    "?",
    "api_key=",
    VALUE[:9],
    VALUE[9:],
    "ä",
]


@given(st.lists(st.sampled_from(PARTS), max_size=25), st.lists(st.integers(1, 30), min_size=1, max_size=60))
def test_where_a_text_is_cut_changes_nothing(parts: list[str], lengths: list[int]) -> None:
    text, pieces, at = "".join(parts), [], 0
    for length in lengths:
        pieces.append(text[at : at + length])
        at += length
    pieces.append(text[at:])
    whole = REDACTOR.text(text)
    assert in_pieces(REDACTOR, pieces) == whole


@given(st.lists(st.sampled_from(PARTS), max_size=25))
def test_what_is_redacted_already_stays_as_it_is(parts: list[str]) -> None:
    # Spaces between, since where a value went that a key followed, that key stands at a word's beginning.
    whole = REDACTOR.text(" ".join(parts))
    assert REDACTOR.text(whole) == whole


def test_ordinary_text_is_given_on_at_once() -> None:
    stream = REDACTOR.stream()
    assert [stream.feed(piece) for piece in ("Ahoy", " matey", ", the ", "tide ", "be in")] == [
        "Ahoy",
        " matey",
        ", the ",
        "tide ",
        "be in",
    ]


def test_only_what_may_become_a_secret_is_held_back() -> None:
    stream = REDACTOR.stream()
    fed = [stream.feed(piece) for piece in ("it is hunt", "er2", "1, no: hunter2", "2", "!")]
    assert fed == ["it is ", "", "hunter21, no: ", "", "[secret: SHORT]!"]
    assert stream.close() == ""


def test_a_stream_keeps_little_of_an_endless_secret() -> None:
    stream = REDACTOR.stream()
    given = [stream.feed("ghp_" + "a" * 30), *(stream.feed("a" * 1000) for _ in range(1000))]
    assert given == ["[secret: GitHub token]", *[""] * 1000]
    assert len(stream._held) <= 1000
    assert stream.feed(" ahoy") + stream.close() == " ahoy"


HOSTILE = [
    "sk-",
    "sk-ant-a",
    "ghp_" + "a" * 29 + "-",
    "eyJ-",
    "eyJa.",
    "eyJaaaaaaaaaa.eyJ ",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----\n",
    "-----BEGIN PRIVATE KEY-----\nA: b",
    "Authorization: ",
    "Authorization: Bearer ",
    "Authorization: Bot " + "a" * 45,
    "Authorization: Bot a1" + "a" * 45,
    "'Authorization', 'value'",
    "-----BEGIN PRIVATE KEY-----" + " " * 99,
    "-----BEGIN PRIVATE KEY-----" + "\n\\n> a: b" * 9,
    "-----BEGIN PRIVATE KEY-----" + "\na: " + "a" * 300,
    "://a:" + "@sha256" * 30,
    "://a",
    "://a:" + "b" * 300,
    "://" + "a" * 300,
    "hunter2",
    "a",
    "@:",
    "?api_key=1234567",
    " ",
    "[secret: ",
]


@pytest.mark.parametrize("unit", HOSTILE, ids=[h[:12].strip() for h in HOSTILE])
def test_a_megabyte_of_beginnings_takes_linear_time(unit: str) -> None:
    """Ten times the text may take thirty times as long on a busy machine; a quadratic way takes a hundred."""

    def seconds(size: int) -> float:
        text = (unit * (size // len(unit) + 1))[:size]
        begun = time.process_time()
        REDACTOR.text(text)
        return time.process_time() - begun

    seconds(1000)
    assert seconds(1_000_000) < max(30 * seconds(100_000), 0.5)


# --- errors ---


def test_errors_are_redacted_with_those_they_came_from() -> None:
    def fail() -> None:
        try:
            raise ValueError("no hunter22 here")
        except ValueError as error:
            raise KeyError("hunter22", 3) from error

    with pytest.raises(KeyError) as caught:
        fail()
    redacted = REDACTOR.error(caught.value)
    assert redacted is caught.value
    assert (redacted.args, str(redacted.__cause__)) == (("[secret: SHORT]", 3), "no [secret: SHORT] here")


def test_an_error_that_words_its_message_itself_is_replaced() -> None:
    class StubbornError(Exception):
        def __str__(self) -> str:
            return "it was hunter22"

    redacted = REDACTOR.error(StubbornError())
    assert (type(redacted), str(redacted)) == (RuntimeError, "StubbornError: it was [secret: SHORT]")


def test_what_an_error_came_from_is_left_out_if_it_words_a_secret_itself() -> None:
    """Who the error is tells what is done about it, such as another attempt: it stays the same."""

    class StubbornError(Exception):
        def __str__(self) -> str:
            return "it was hunter22"

    error = ConnectionError("it broke off")
    error.__cause__ = ValueError("in a way")
    error.__cause__.__context__ = StubbornError()
    assert REDACTOR.error(error) is error
    assert str(error.__cause__) == "in a way"
    assert error.__cause__.__context__ is None


def test_what_an_error_holds_beside_its_arguments_is_redacted() -> None:
    """OpenAI's errors hold the server's words as `message` and `body`."""

    class ApiError(Exception):
        def __init__(self) -> None:
            super().__init__("refused")
            self.body = {"error": ["it was hunter22"]}
            self.message = "it was hunter22"
            self.headers = Headers({"Retry-After": "1"})

    error = ApiError()
    error.add_note("while hunter22 was sent")
    assert REDACTOR.error(error) is error
    assert vars(error) == {
        "body": {"error": ["it was [secret: SHORT]"]},
        "message": "it was [secret: SHORT]",
        "headers": {"Retry-After": "1"},
        "__notes__": ["while [secret: SHORT] was sent"],
    }
    assert error.headers["retry-after"] == "1"


def test_the_errors_of_a_group_are_redacted_with_it() -> None:
    inner = ValueError("no hunter22 here")
    inner.__cause__ = KeyError("hunter22")
    beside = OSError("hunter22")
    group = ExceptionGroup("two", [ExceptionGroup("one", [inner]), beside])
    assert REDACTOR.error(group) is group
    shown = [str(error) for error in (inner, inner.__cause__, beside)]
    assert shown == ["no [secret: SHORT] here", "'[secret: SHORT]'", "[secret: SHORT]"]


def test_a_group_is_replaced_if_a_member_words_a_secret_itself() -> None:
    group = ExceptionGroup("two", [ValueError("fine"), FileNotFoundError(2, "no file", "hunter22")])
    redacted = REDACTOR.error(group)
    assert (type(redacted), str(redacted)) == (RuntimeError, "ExceptionGroup: two (2 sub-exceptions)")


# --- LangChain's callbacks ---


class Ear(BaseCallbackHandler):
    """Keeps all that it is told of results."""

    run_inline = True

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_tool_end(self, output: Any, **_: Any) -> None:
        self.heard.append(str(output))

    def on_tool_error(self, error: BaseException, **_: Any) -> None:
        self.heard.append(repr(error))

    def on_llm_new_token(self, token: Any, **_: Any) -> None:
        self.heard.append(str(token))

    def on_llm_end(self, response: Any, **_: Any) -> None:
        self.heard.append(response.generations[0][0].text)

    def on_llm_error(self, error: BaseException, **_: Any) -> None:
        self.heard.append(repr(error))


@tool
def safe_box(text: str, config: RunnableConfig, who: Annotated[str, InjectedToolArg] = "jim") -> str:
    """Show what is in the box."""
    return f"{text} {who} {config['metadata']['ship']} hunter22"


@tool
async def slow_box(text: str) -> dict[str, list[str]]:
    """Show it later."""
    return {"found": [text, "hunter22"]}


@tool(response_format="content_and_artifact")
def map_box(text: str) -> tuple[str, dict[str, str]]:
    """Show a map."""
    return f"{text} hunter22", {"raw": "hunter22"}


@tool
def trap(text: str) -> str:
    """Snap."""
    raise ToolException(f"{text}: hunter22 is wrong")


def hear(tool: BaseTool, *, twice: bool = True) -> tuple[list[Any], list[str]]:
    ear, copy = Ear(), redacting_tool(tool, REDACTOR)
    config = RunnableConfig(callbacks=[ear], metadata={"ship": "Hispaniola"})
    results = [asyncio.run(copy.ainvoke({"text": "lo"}, config))]
    if twice:
        results.append(copy.invoke({"text": "lo"}, config))
    return results, ear.heard


def test_callbacks_hear_only_the_redacted_result_of_a_tool() -> None:
    expected = ["lo jim Hispaniola [secret: SHORT]"] * 2
    assert hear(safe_box) == (expected, expected)
    assert redacting_tool(safe_box, REDACTOR).args == safe_box.args
    assert safe_box.invoke({"text": "lo"}, {"metadata": {"ship": "x"}}) == "lo jim x hunter22"


def test_tools_of_every_making_can_be_called() -> None:
    class Box(BaseTool):
        name: str = "box"
        description: str = "A box."

        def _run(self, text: Any) -> str:
            return f"{text} hunter22"

    old = Tool("old", lambda text: f"{text} hunter22", "An old box.")
    for made in (Box(), old):
        assert redacting_tool(made, REDACTOR).invoke("lo") == "lo [secret: SHORT]"


def test_a_tool_that_is_only_awaited_is_redacted_too() -> None:
    expected = {"found": ["lo", "[secret: SHORT]"]}
    assert hear(slow_box, twice=False) == ([expected], [str(expected)])


@dataclass
class Chest:
    content: str = "hunter22"


@pytest.mark.parametrize("found", [Document("hunter22"), [Document("hunter22")], {"hunter22"}, Chest()])
def test_an_object_in_whose_text_a_secret_is_becomes_that_text(found: Any) -> None:
    for said in map(str, hear(Tool("look", lambda _: found, "Look."))):
        assert "hunter22" not in said
        assert said.count("[secret: SHORT]") == 2


def test_content_with_an_artifact_goes_on_working() -> None:
    call = {"name": "map_box", "args": {"text": "lo"}, "id": "1", "type": "tool_call"}
    message = redacting_tool(map_box, REDACTOR).invoke(call)
    assert (message.content, message.artifact) == ("lo [secret: SHORT]", {"raw": "[secret: SHORT]"})


def test_a_command_for_langgraph_is_redacted_in_what_it_updates() -> None:
    @tool
    def order(text: str) -> Command[Any]:
        """Order."""
        return Command(
            update={"messages": [ToolMessage("hunter22", tool_call_id="1")], "note": "hunter22"}, goto="x"
        )

    result = redacting_tool(order, REDACTOR).invoke({"text": "lo"})
    (message,) = result.update["messages"]
    assert (message.content, message.tool_call_id) == ("[secret: SHORT]", "1")
    assert (result.update["note"], result.goto) == ("[secret: SHORT]", "x")


def test_callbacks_hear_only_the_redacted_complaint_of_a_tool() -> None:
    ear = Ear()
    with pytest.raises(ToolException, match=r"^lo: \[secret: SHORT\] is wrong$"):
        redacting_tool(trap, REDACTOR).invoke({"text": "lo"}, {"callbacks": [ear]})
    assert ear.heard == ["ToolException('lo: [secret: SHORT] is wrong')"]


def test_callbacks_hear_only_the_redacted_reply_of_a_model() -> None:
    ear = Ear()
    model = redacting_model(ScriptedModel(replies=["it is hunter22", "it is hunter22"]), REDACTOR)
    assert isinstance(model, ScriptedModel)
    assert model.invoke("?", {"callbacks": [ear]}).text == "it is [secret: SHORT]"
    assert asyncio.run(model.ainvoke("?", {"callbacks": [ear]})).text == "it is [secret: SHORT]"
    model.assert_done()
    assert ear.heard == ["it is [secret: SHORT]"] * 2


def test_a_model_is_redacted_through_what_is_bound_to_it(tmp_path: Path) -> None:
    ear = Ear()
    told = ScriptedModel(replies=[" So\nFinal Answer: it is hunter22"] * 2)
    bound = told.bind(seed=7).with_config(callbacks=[ear], tags=["sea"]).with_retry()
    agent = Agent(bound, mate(tmp_path), [], redactor=REDACTOR)
    assert agent.invoke("What?").text == "it is [secret: SHORT]"
    assert asyncio.run(agent.ainvoke("What?")).text == "it is [secret: SHORT]"
    assert ear.heard == [" So\nFinal Answer: it is [secret: SHORT]"] * 2
    assert agent.model is told


async def test_callbacks_hear_only_the_redacted_pieces_of_a_reply() -> None:
    ear = Ear()
    model = redacting_model(ScriptedModel(replies=["it is hunter22 or hunter2"] * 2), REDACTOR)
    said = [chunk.text for chunk in model.stream("?", {"callbacks": [ear]})]
    said_later = [chunk.text async for chunk in model.astream("?", {"callbacks": [ear]})]
    shown = "it is [secret: SHORT] or hunter2"
    assert ["".join(said), "".join(said_later)] == [shown] * 2
    assert "".join(ear.heard) == shown * 4  # each time the pieces, then the whole


def test_callbacks_hear_only_the_redacted_error_of_a_model() -> None:
    ear = Ear()
    model = redacting_model(ScriptedModel(replies=[ValueError("key hunter22 refused")]), REDACTOR)
    with pytest.raises(ValueError, match=r"^key \[secret: SHORT\] refused$"):
        model.invoke("?", {"callbacks": [ear]})
    assert ear.heard == ["ValueError('key [secret: SHORT] refused')"]


def test_a_model_and_a_tool_keep_what_they_keep_in_themselves(tmp_path: Path) -> None:
    class Counting(BaseTool):
        name: str = "count"
        description: str = "Count the calls."
        calls: int = 0

        def _run(self, text: str) -> str:
            self.calls += 1
            return f"{text} {self.calls}"

    counting = Counting()
    act, say = " So\nAction: count\nAction Input: lo", " So\nFinal Answer: Aye"
    model = FakeListChatModel(responses=[act, say, "Final Answer: later"])
    for prompt in (mate(tmp_path), mate(tmp_path)):
        result = Agent(model, prompt, [counting]).invoke("What?")
    assert result.text == "later"
    assert (model.i, counting.calls) == (0, 1)


def test_what_is_set_in_an_agents_model_counts(tmp_path: Path) -> None:
    agent = Agent(FakeListChatModel(responses=["Final Answer: one"]), mate(tmp_path), [])
    assert agent.invoke("What?").text == "one"
    assert isinstance(agent.model, FakeListChatModel)
    agent.model.responses = ["Final Answer: two"]
    assert agent.invoke("What?").text == "two"


class Telling(ScriptedModel):
    """Replies with messages that are given, whole or in pieces."""

    told: list[Any]

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        generations = [ChatGeneration(message=m, generation_info=INFO) for m in self.told]
        return ChatResult(generations=generations, llm_output={"told": "hunter22"})

    def _stream(self, *_: Any, **__: Any) -> Iterator[ChatGenerationChunk]:
        for message in self.told:
            yield ChatGenerationChunk(message=message, generation_info=INFO)

    async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._stream():
            yield chunk


CALL = {"name": "x", "id": "1"}
INFO = {"logprobs": {"content": [{"token": "hunt"}, {"token": "er22"}]}, "told": "hunter22"}
SAFE_INFO = {"told": "[secret: SHORT]"}


def telling(*told: Any) -> Any:
    return redacting_model(Telling(replies=["-"], told=list(told)), REDACTOR)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (
            {"tool_calls": [{"type": "tool_call", **CALL, "args": {"a": "hunter22"}}]},
            {"tool_calls": [{"type": "tool_call", **CALL, "args": {"a": "[secret: SHORT]"}}]},
        ),
        (
            {
                "invalid_tool_calls": [
                    {"type": "invalid_tool_call", "error": None, **CALL, "args": "{hunter22"}
                ]
            },
            {
                "invalid_tool_calls": [
                    {"type": "invalid_tool_call", "error": None, **CALL, "args": "{[secret: SHORT]"}
                ]
            },
        ),
        (
            {"additional_kwargs": {"reasoning_content": "hunter22"}},
            {"additional_kwargs": {"reasoning_content": "[secret: SHORT]"}},
        ),
        ({"response_metadata": INFO}, {"response_metadata": SAFE_INFO}),
        ({"content": [{"text": "hunter22"}]}, {"content": [{"text": "[secret: SHORT]"}]}),
    ],
    ids=lambda given: next(iter(given)),
)
def test_every_field_of_a_reply_is_redacted(given: dict[str, Any], shown: dict[str, Any]) -> None:
    reply = telling(AIMessage(**{"content": "", **given})).generate([[HumanMessage("?")]])
    ((generation,),) = reply.generations
    assert {name: getattr(generation.message, name) for name in shown} == shown
    assert generation.generation_info == SAFE_INFO
    assert "hunter22" not in repr(reply)


def test_the_tokens_of_a_reply_without_secrets_stay() -> None:
    tokens = {"logprobs": {"content": [{"token": "ahoy"}]}}
    whole = telling(AIMessage("ahoy", response_metadata=tokens)).invoke("?")
    (piece, _) = telling(AIMessageChunk(content="ahoy", response_metadata=tokens)).stream("?")
    assert whole.response_metadata["logprobs"] == piece.response_metadata["logprobs"] == tokens["logprobs"]


def call_chunk(
    args: str | None, index: int | None = 0, name: str | None = None, call: str | None = None
) -> Any:
    return {"tool_call_chunks": [{"name": name, "args": args, "id": call, "index": index}]}


STREAMED: list[list[dict[str, Any]]] = [
    [call_chunk('{"a": "hunter22"}', name="look", call="1")],
    [
        call_chunk("", name="look", call="1"),
        call_chunk('{"a": "hun'),
        call_chunk("", 1, "look", "2"),
        call_chunk('ter22"}'),
        call_chunk('{"b": "x hunter22 hunter2', 1),
    ],
    [call_chunk('{"a": "hunter22"}', None, "look", "1"), call_chunk('{"a": "hunter2', 0, "look", "2")],
    [
        {"additional_kwargs": {"reasoning_content": "it is hunt"}},
        {"content": "So: hunter", "additional_kwargs": {"reasoning_content": "er22, I hunter"}},
        {"content": "22"},
    ],
    [
        {"content": [{"type": "text", "text": "hunt", "index": 0}]},
        {"content": [{"type": "reasoning", "reasoning": "er2", "index": 1}]},
        {"content": [{"type": "text", "text": "er22 hun", "index": 0}]},
        {"content": ["hunter22", {"type": "text", "text": "hunter22"}]},
    ],
]


@pytest.mark.parametrize("told", STREAMED)
async def test_a_secret_is_found_in_every_text_of_a_stream_wherever_it_is_cut(told: list[Any]) -> None:
    def chunks() -> list[AIMessageChunk]:
        return [AIMessageChunk(**{"content": "", "id": "lc_1", **fields}) for fields in told]

    ear = Ear()
    pieces = list(telling(*chunks()).stream("?", {"callbacks": [ear]}))
    later = [piece async for piece in telling(*chunks()).astream("?")]
    assert "hunter22" not in repr([pieces, later, added(pieces)]) + "".join(ear.heard)
    whole = added([*chunks(), AIMessageChunk(content="", chunk_position="last")])
    for name in ("content", "additional_kwargs", "tool_call_chunks", "tool_calls", "invalid_tool_calls"):
        shown = REDACTOR.data(getattr(whole, name))
        assert (getattr(added(pieces), name), getattr(added(later), name)) == (shown, shown)


def added(pieces: list[Any]) -> Any:
    return functools.reduce(operator.add, pieces)


# --- what a question follows on -------------------------------------------------------------------


@pytest.mark.parametrize("as_input", [True, False])
@pytest.mark.parametrize(
    "said",
    [("user", f"my key is {KEY}"), HumanMessage(f"my key is {KEY}"), Turn(f"my key is {KEY}", KEY)],
)
def test_what_was_said_before_is_redacted_before_anybody_hears_of_it(
    tmp_path: Path, said: Any, as_input: bool
) -> None:
    heard: list[str] = []

    class Listening(BaseCallbackHandler):
        def on_chain_start(self, serialized: Any, inputs: Any, **_: Any) -> None:
            heard.append(repr(inputs))

    model = Continuing(replies=[" I know\nFinal Answer: Aye"])
    file = tmp_path / "mate.md"
    file.write_text(PROMPT.replace("Question:", "{history}Question:"), encoding="utf-8")
    agent = Agent(model, file, [], redactor=Redactor({"MY_KEY": KEY}))
    if as_input:
        agent.invoke({"input": "What?", "history": [said]}, {"callbacks": [Listening()]})
    else:
        agent.invoke("What?", {"callbacks": [Listening()]}, history=[said])
    (prompt,) = model.prompts
    shown = repr(prompt)
    assert "[secret: MY_KEY]" in shown
    assert KEY not in shown + repr(heard)


def test_steps_to_go_on_from_are_redacted(tmp_path: Path) -> None:
    model = Continuing(replies=[" I know\nFinal Answer: Aye"])
    file = tmp_path / "mate.md"
    file.write_text(PROMPT, encoding="utf-8")
    agent = Agent(model, file, ["calculator"], redactor=Redactor({"MY_KEY": KEY}))
    steps: list[Step] = [Action("calculator", {"expression": KEY}), Observation(f"it is {KEY}")]
    result = agent.invoke("What?", steps=steps)
    assert result.steps[:2] == (
        Action("calculator", {"expression": "[secret: MY_KEY]"}),
        Observation("it is [secret: MY_KEY]"),
    )
    assert KEY not in repr(model.prompts) + result.to_json()
