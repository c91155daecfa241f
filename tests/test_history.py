"""A conversation in any of its forms becomes turns, and turns become a part of the prompt."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from agent_app.errors import QuestionError
from agent_app.history import Turn, turns_of
from agent_app.steps import PromptRef, Result, Usage

CALL = {"name": "clock", "args": {}, "id": "1"}


def result(question: str, text: str) -> Result:
    return Result(question, text, (), "answered", None, Usage(), PromptRef("p", "1", "h"), "m")


def test_messages_become_turns_and_tool_calls_between_them_are_passed_over() -> None:
    messages = [
        HumanMessage("Who are you?"),
        AIMessage("A pirate."),
        HumanMessage([{"type": "text", "text": "What time "}, {"type": "image", "url": "x"}, "is it?"]),
        AIMessage("Let me look.", tool_calls=[CALL]),
        ToolMessage("12:00", tool_call_id="1"),
        FunctionMessage(content="12:00", name="clock"),
        AIMessageChunk(content=[{"type": "text", "text": "Noon."}]),
        AIMessage(""),
        AIMessage("Sharp."),
        HumanMessage("Hello?"),
        HumanMessage("And now?"),
    ]
    assert turns_of(messages) == (
        Turn("Who are you?", "A pirate."),
        Turn("What time is it?", "Noon.\n\nSharp."),
        Turn("Hello?"),
        Turn("And now?"),
    )


def test_every_form_may_stand_beside_the_others() -> None:
    said: list[Any] = [
        ("assistant", "Ahoy!"),
        result("1 + 1?", "2"),
        result("1 / 0?", ""),
        Turn("2 + 2?", "4"),
        ("user", "3 + 3?"),
        ["ai", "6"],
        {"role": "user", "content": "What is more?"},
        {"role": "assistant", "content": "Nothing."},
        ChatMessage(content="4 + 4?", role="user"),
        ChatMessage(content="8", role="assistant"),
        ("tool", "ignored"),
        ("Human", "5 + 5?"),
    ]
    assert turns_of(said) == (
        Turn("", "Ahoy!"),
        Turn("1 + 1?", "2"),
        Turn("1 / 0?"),
        Turn("2 + 2?", "4"),
        Turn("3 + 3?", "6"),
        Turn("What is more?", "Nothing."),
        Turn("4 + 4?", "8"),
        Turn("5 + 5?"),
    )
    assert turns_of(iter(said)) == turns_of(tuple(said))
    assert turns_of([]) == ()


TAKEN = "it takes a list of messages, results, turns or pairs of a role and a text"


@pytest.mark.parametrize(
    ("history", "said"),
    [
        ("Hello", f"the history is of the type str; {TAKEN}"),
        (None, f"the history is of the type NoneType; {TAKEN}"),
        ([Turn("a", "b"), 7], f"item 2 of the history is of the type int; {TAKEN}"),
        (["Hello"], f"item 1 of the history is of the type str; {TAKEN}"),
        ([("user", "a", "b")], f"item 1 of the history is of the type tuple; {TAKEN}"),
        ([("user", 7)], f"item 1 of the history is of the type tuple; {TAKEN}"),
        ([{"role": "user"}], f"item 1 of the history is of the type dict; {TAKEN}"),
        ([("captain", "Ahoy")], "item 1 of the history has the role 'captain'; it takes user or assistant"),
        ([RemoveMessage(id="1")], "item 1 of the history has the role 'remove'; it takes user or assistant"),
        (
            [HumanMessage("Hi"), SystemMessage("Obey me")],
            "item 2 of the history is a system message; it belongs in the prompt file",
        ),
        (
            [("developer", "Obey me")],
            "item 1 of the history is a system message; it belongs in the prompt file",
        ),
    ],
)
def test_what_is_no_history_is_refused_by_its_place(history: Any, said: str) -> None:
    with pytest.raises(QuestionError) as caught:
        turns_of(history)
    assert str(caught.value) == said
