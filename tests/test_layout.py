"""How a prompt becomes the messages of a chat model."""

from __future__ import annotations

from pathlib import Path

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from agent_app import load_prompt
from agent_app.history import Turn
from agent_app.layout import laid_out, opening, with_room_for
from agent_app.models import Traits
from agent_app.planning import Window
from agent_app.prompt import Prompt
from agent_app.prompt.draft import View
from agent_app.steps import Action, Observation, Step

GOES_ON = Traits(continues=True, grammar=True, stop=True)
PLAIN = Traits()
HEAD = """---
examples:
  - name: sum
    input: What is 1 + 1?
    steps: [{thought: I add, action: calculator, action_input: 1 + 1, observation: "2"}]
    final: {thought: It is 2, answer: "Arr, 2!"}
  - name: first
    input: What is 3 * 3?
    steps: [{thought: I multiply, action: calculator, action_input: 3 * 3}]
---

Ye have tools:

{tools}

{examples}

Their names: {tool_names}

"""
SHOWN: list[BaseMessage] = [
    HumanMessage("Question: What is 1 + 1?"),
    AIMessage(
        "Thought: I add\nAction: calculator\nAction Input: 1 + 1\nObservation: 2\n"
        "Thought: It is 2\nFinal Answer: Arr, 2!"
    ),
    HumanMessage("Question: What is 3 * 3?"),
    AIMessage("Thought: I multiply\nAction: calculator\nAction Input: 3 * 3"),
]
TOLD = "Ye have tools:\n\nT\n\nTheir names: calculator"


def prompt(folder: Path, end: str) -> Prompt:
    file = folder / "p.md"
    file.write_text(HEAD + end + "\n", encoding="utf-8")
    return load_prompt(file)


def test_a_model_that_goes_on_is_shown_examples_as_turns_of_a_conversation(tmp_path: Path) -> None:
    with_history = prompt(tmp_path, "{history}Question: {input}\nThought:{agent_scratchpad}")
    steps: list[Step] = [Action("calculator", "2 + 2", "I add"), Observation("4")]
    segments = with_history.render_run("What is 2 + 2?", steps, "T", ["calculator"])
    assert laid_out(segments, GOES_ON, "Now") == [
        SystemMessage(TOLD),
        *SHOWN,
        HumanMessage("Question: What is 2 + 2?"),
        AIMessage(
            "Thought: I add\nAction: calculator\nAction Input: 2 + 2\nObservation: 4\nThought: Now",
        ),
    ]
    assert laid_out(segments, GOES_ON, last=True, system="Be kind.")[::6] == [
        SystemMessage(f"Be kind.\n\n{TOLD}"),
        AIMessage(
            "Thought: I add\nAction: calculator\nAction Input: 2 + 2\nObservation: 4\nThought:\nFinal Answer:"
        ),
    ]


def test_earlier_turns_stand_before_the_question(tmp_path: Path) -> None:
    with_history = prompt(tmp_path, "{history}Question: {input}\nThought:{agent_scratchpad}")
    turns = [Turn("Who be ye?", "A pirate!")]
    segments = with_history.render_run("And what is 2 + 2?", [], "T", ["calculator"], turns)
    told, *shown, asked, begun = laid_out(segments, GOES_ON)
    assert (told, shown, begun) == (SystemMessage(TOLD), SHOWN, AIMessage("Thought:"))
    assert asked == HumanMessage(
        "Earlier in this conversation:\n\nQuestion: Who be ye?\nFinal Answer: A pirate!\n\n"
        "Question: And what is 2 + 2?"
    )


def test_where_no_history_has_a_place_all_after_the_examples_goes_with_the_question(tmp_path: Path) -> None:
    without = prompt(tmp_path, "Question: {input}\nThought:{agent_scratchpad}")
    told, *shown, asked, _ = laid_out(without.render_run("Why?", [], "T", ["calculator"]), GOES_ON)
    assert (told, shown) == (SystemMessage("Ye have tools:\n\nT"), SHOWN)
    assert asked == HumanMessage("Their names: calculator\n\nQuestion: Why?")


def test_examples_that_go_for_want_of_room_are_turns_that_go(tmp_path: Path) -> None:
    with_history = prompt(tmp_path, "{history}Question: {input}\nThought:{agent_scratchpad}")
    one, none = (
        laid_out(with_history.render_run("Why?", [], "T", ["calculator"], (), View(examples=gone)), GOES_ON)
        for gone in (1, 2)
    )
    assert one[1:-2] == SHOWN[:2]
    assert none == [HumanMessage(f"{TOLD}\n\nQuestion: Why?"), AIMessage("Thought:")]


def test_any_other_model_is_shown_one_text(tmp_path: Path) -> None:
    with_history = prompt(tmp_path, "{history}Question: {input}\nThought:{agent_scratchpad}")
    segments = with_history.render_run("Why?", [], "T", ["calculator"])
    assert laid_out(segments, PLAIN) == [HumanMessage(segments.head + segments.tail)]
    assert laid_out(segments, PLAIN, system="Be kind.")[0] == SystemMessage("Be kind.")


def test_every_conversation_begins_with_the_opening_that_is_read_ahead() -> None:
    for name in ("pirate", "plain"):
        shipped = load_prompt(name)
        begun = opening(shipped.opening("T", ["calculator", "clock"]))
        asked = laid_out(shipped.render_run("Why?", [], "T", ["calculator", "clock"]), GOES_ON)
        assert begun[:-1] == asked[: len(begun) - 1]
        assert (begun[-1], asked[len(begun) - 1]) == (HumanMessage(""), HumanMessage("Question: Why?"))


def test_a_window_keeps_room_for_what_a_template_adds_to_each_message(tmp_path: Path) -> None:
    with_history = prompt(tmp_path, "{history}Question: {input}\nThought:{agent_scratchpad}")
    draft = with_history.draft("Why?", "T", ["calculator"])
    window = Window(1000, 100, overhead=8)
    assert with_room_for(window, draft, GOES_ON).overhead == 24
    assert with_room_for(window, draft, PLAIN) is window
