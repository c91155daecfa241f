"""The scripted model: honest like a real server, and strict about its script."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage

from agent_app.errors import EndpointError, ModelError, ScriptError
from agent_app.models.scripted import ScriptedModel, open_scripted
from agent_app.models.traits import Traits, name_of, traits_of


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


def test_a_file_holds_replies_between_lines_of_hyphens(tmp_path: Path) -> None:
    file = tmp_path / "replies.txt"
    file.write_text(
        "Thought: look\nAction: clock\n--- \n---\nFinal Answer: a --- b\n---\n\n", encoding="utf-8"
    )
    model = open_scripted(file)
    assert list(model.replies) == ["Thought: look\nAction: clock", "", "Final Answer: a --- b"]
    assert name_of(model) == f"scripted:{file}"
    assert traits_of(model) == Traits()


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
