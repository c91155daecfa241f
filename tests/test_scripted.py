"""The scripted model: honest like a real server, and strict about its script."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from asking import Ask, awaited, every_way, in_awaited_pieces
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.messages import HumanMessage
from pydantic import ValidationError

from agent_app.errors import EndpointError, ModelError, ScriptError
from agent_app.models import explain
from agent_app.models.scripted import ScriptedModel, open_scripted
from agent_app.models.traits import Traits, name_of, traits_of
from agent_app.steps import Usage
from agent_app.testing import BreakOff, Drip, Say, Stall


def test_each_call_gets_the_next_reply_and_is_remembered() -> None:
    model = ScriptedModel(replies=["one", "two"])
    assert [model.invoke("a").content, model.invoke("b").content] == ["one", "two"]
    assert model.prompts == [[HumanMessage("a")], [HumanMessage("b")]]
    assert model.remaining == 0
    model.assert_done()


def test_a_call_too_many_is_refused() -> None:
    model = ScriptedModel(replies=["one"])
    model.invoke("a")
    with pytest.raises(ScriptError, match=r"^scripted: call 2, but there are only 1 replies$"):
        model.invoke("b")
    assert model.prompts == [[HumanMessage("a")]]


def test_replies_left_over_are_complained_of() -> None:
    model = ScriptedModel(replies=["one", "two", "three"])
    model.invoke("a")
    assert model.remaining == 2
    with pytest.raises(ScriptError, match=r"^scripted: only 1 of 3 replies were asked for$"):
        model.assert_done()


def test_a_stop_word_ends_the_reply_before_it_in_calls_and_streams() -> None:
    reply = "Action: clock\nObservation: noon\nEnd"
    model = ScriptedModel(replies=[reply, reply, reply])
    assert model.invoke("a", stop=["End", "\nObservation:"]).content == "Action: clock"
    assert "".join(c.text for c in model.stream("a", stop=["\nObservation:"])) == "Action: clock"
    assert model.invoke("a", stop=["never"]).content == reply


def test_a_stream_comes_in_pieces_that_make_up_the_reply() -> None:
    reply = "  Avast,\n\nye scurvy  dog \n"
    pieces = [c.text for c in ScriptedModel(replies=[reply]).stream("a")]
    assert "".join(pieces) == reply
    assert len([piece for piece in pieces if piece]) == 5
    assert "".join(c.text for c in ScriptedModel(replies=[""]).stream("a")) == ""


def test_tokens_are_words_both_in_calls_and_in_streams() -> None:
    model = ScriptedModel(replies=["two words", "two words"])
    called = model.invoke([("system", "be brief"), ("user", "say two words")]).usage_metadata
    pieces = list(model.stream([("system", "be brief"), ("user", "say two words")]))
    streamed = next(piece.usage_metadata for piece in pieces if piece.usage_metadata)
    assert called == streamed == {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}


def test_an_exception_in_the_script_is_raised() -> None:
    model = ScriptedModel(replies=[EndpointError("the server is dead"), "alive"])
    with pytest.raises(EndpointError, match=r"^the server is dead$"):
        model.invoke("a")
    assert model.invoke("b").content == "alive"


async def test_it_answers_asynchronously() -> None:
    model = ScriptedModel(replies=["one", "two three"])
    assert (await model.ainvoke("a")).content == "one"
    assert "".join([c.text async for c in model.astream("b")]) == "two three"


def test_threads_never_share_a_reply() -> None:
    model = ScriptedModel(replies=[str(n) for n in range(64)])
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: model.invoke("a").text, range(64)))
    assert sorted(said, key=int) == [str(n) for n in range(64)]


@every_way
async def test_what_repeats_is_said_only_where_that_was_asked_for(ask: Ask) -> None:
    model = ScriptedModel(replies=["one"], repeat="again")
    assert [await ask(model) for _ in range(3)] == ["one", "again", "again"]
    model.assert_done()


@every_way
async def test_a_function_can_make_the_reply_of_the_messages(ask: Ask) -> None:
    with ScriptedModel(repeat=lambda messages: f"You said {messages[-1].text}") as model:
        assert await ask(model) == "You said a"


@every_way
async def test_a_latency_comes_before_each_reply_and_a_stall_beside_it(ask: Ask) -> None:
    model = ScriptedModel(replies=["one", Stall(0.1, "three", begun="two ")], latency=0.1)
    begun = time.monotonic()
    assert await ask(model) == "one"
    assert 0.1 <= time.monotonic() - begun < 2
    begun = time.monotonic()
    assert await ask(model) == "two three"
    assert 0.2 <= time.monotonic() - begun < 2


@every_way
async def test_a_reply_that_drips_takes_its_time_between_the_words(ask: Ask) -> None:
    begun = time.monotonic()
    assert await ask(ScriptedModel(replies=[Drip("one two three", 0.05)])) == "one two three"
    assert 0.1 <= time.monotonic() - begun < 2


@every_way
async def test_a_reply_that_breaks_off_is_explained_like_that_of_a_server(ask: Ask) -> None:
    with pytest.raises(httpx.RemoteProtocolError) as caught:
        await ask(ScriptedModel(replies=[BreakOff("half of")]))
    assert str(explain(caught.value)) == "the model's server broke off its answer"


@every_way
async def test_an_exception_is_raised_in_every_way_of_asking(ask: Ask) -> None:
    model = ScriptedModel(replies=[EndpointError("the server is dead")])
    with pytest.raises(EndpointError, match=r"^the server is dead$"):
        await ask(model)


def test_an_interrupt_can_stand_in_a_script() -> None:
    with pytest.raises(KeyboardInterrupt):
        ScriptedModel(replies=[KeyboardInterrupt()]).invoke("a")


def test_what_comes_before_a_break_has_been_said() -> None:
    pieces = ScriptedModel(replies=[BreakOff("half of")]).stream("a")
    assert [next(pieces).text, next(pieces).text] == ["half ", "of"]
    with pytest.raises(httpx.RemoteProtocolError):
        next(pieces)


def test_a_stop_word_ends_a_reply_before_its_stall_or_its_break() -> None:
    begun = time.monotonic()
    model = ScriptedModel(replies=[Stall(60, "never", begun="one END"), BreakOff("two END")])
    assert model.invoke("a", stop=["END"]).text == "one "
    assert "".join(piece.text for piece in model.stream("a", stop=["END"])) == "two "
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("ask", [awaited, in_awaited_pieces])
@pytest.mark.parametrize(
    "model", [ScriptedModel(repeat=Stall(60, begun="so ")), ScriptedModel(repeat="x", latency=60)]
)
async def test_an_asynchronous_wait_can_be_cancelled_and_holds_no_thread(
    ask: Ask, model: ScriptedModel
) -> None:
    threads = threading.active_count()
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ask(model), 0.05)
    assert time.monotonic() - begun < 10
    assert threading.active_count() == threads


async def test_hundreds_of_calls_wait_at_the_same_time() -> None:
    model = ScriptedModel(repeat="ahoy", latency=0.2)
    begun = time.monotonic()
    said = await asyncio.gather(*(awaited(model) for _ in range(200)))
    assert said == ["ahoy"] * 200
    assert time.monotonic() - begun < 20  # one after the other they would take 40


async def test_tasks_take_turns_even_without_a_latency() -> None:
    told: list[str] = []

    async def tell(name: str) -> None:
        for _ in range(2):
            await awaited(model)
            told.append(name)

    model = ScriptedModel(repeat="ahoy")
    await asyncio.gather(tell("a"), tell("b"))
    assert told == ["a", "b", "a", "b"]


@pytest.mark.parametrize("ask", ["invoke", "stream"])
def test_a_reply_can_say_what_it_cost(ask: str) -> None:
    model = ScriptedModel(
        replies=[Say("ahoy", Usage(prompt_tokens=90, completion_tokens=7, cached_tokens=60))]
    )
    said = [model.invoke("a")] if ask == "invoke" else model.stream("a")
    assert [message.usage_metadata for message in said if message.usage_metadata] == [
        {
            "input_tokens": 90,
            "output_tokens": 7,
            "total_tokens": 97,
            "input_token_details": {"cache_read": 60},
        }
    ]


def test_as_a_context_manager_it_complains_of_replies_left_over() -> None:
    with (
        pytest.raises(ScriptError, match=r"^scripted: only 1 of 2 replies were asked for$"),
        ScriptedModel(replies=["one", "two"]) as model,
    ):
        model.invoke("a")


def test_as_a_context_manager_it_complains_of_a_refused_call_that_was_swallowed() -> None:
    def swallow(model: ScriptedModel) -> None:
        with model, contextlib.suppress(ScriptError):
            model.invoke("b")

    model = ScriptedModel(replies=["one"])
    model.invoke("a")
    with pytest.raises(ScriptError, match=r"^scripted: call 2, but there are only 1 replies$"):
        swallow(model)


def test_as_a_context_manager_it_lets_a_test_fail_for_its_own_reason() -> None:
    with pytest.raises(ZeroDivisionError), ScriptedModel(replies=["one"]):
        raise ZeroDivisionError


def test_a_cache_does_not_say_a_reply_again() -> None:
    set_llm_cache(InMemoryCache())
    try:
        model = ScriptedModel(replies=["one", "two"])
        assert [model.invoke("a").text, model.invoke("a").text] == ["one", "two"]
    finally:
        set_llm_cache(None)


@pytest.mark.parametrize("wrong", [{"replies": [1]}, {"replies": "one"}, {"latency": -1}])
def test_what_cannot_be_a_script_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ScriptedModel(**wrong)


def test_a_file_holds_replies_between_lines_of_hyphens(tmp_path: Path) -> None:
    file = tmp_path / "replies.txt"
    file.write_text(
        "Thought: look\nAction: clock\n--- \n---\nFinal Answer: a --- b\n---\n\n", encoding="utf-8"
    )
    model = open_scripted(file)
    assert list(model.replies) == ["Thought: look\nAction: clock", "", "Final Answer: a --- b"]
    assert name_of(model) == f"scripted:{file}"
    assert traits_of(model) == Traits()


def test_only_a_newline_ends_a_line_of_such_a_file(tmp_path: Path) -> None:
    reply = "It is\u2028on\x85more than\x0cone line\n"
    file = tmp_path / "replies.txt"
    file.write_text(f"{reply}\n---\nArg", encoding="utf-8")
    assert open_scripted(file).replies == [reply, "Arg"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read the scripted replies {}: No such file or directory"),
        (b"", "{} is empty; write replies into it, with a line of --- between two"),
        (b" \n\n", "{} is empty; write replies into it, with a line of --- between two"),
        (b"\xff\xfe", "cannot read the scripted replies {}: it is not UTF-8 text"),
    ],
)
def test_a_file_without_replies_is_refused(tmp_path: Path, content: bytes | None, says: str) -> None:
    file = tmp_path / "replies.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        open_scripted(file)
    assert str(caught.value) == says.format(file)
