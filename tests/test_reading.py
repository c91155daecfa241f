"""How a model that goes on writing is asked about passages that a tool has found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from agents import Continuing
from langchain_core.tools import BaseTool
from passages import FINDS, FRONT, MISSING, STATED, TOLD, asked, looked_up, reading_mate, search

from agent_app import Action, Agent, Answer, Observation, load_prompt
from agent_app.models.scripted import ScriptedModel
from agent_app.parser import ReActOutputParser
from agent_app.prompt import Prompt, check_file
from agent_app.steps import LeftOut, Step


@pytest.fixture
def prompt(tmp_path: Path) -> Prompt:
    return reading_mate(tmp_path)


def grammars(model: Continuing) -> list[str]:
    return [options["grammar"] for options in model.options]


def ask(
    prompt: Prompt, *replies: str, tools: list[BaseTool | str] | None = None, **more: Any
) -> tuple[Continuing, tuple[Step, ...]]:
    model = Continuing(replies=replies)
    result = Agent(model, prompt, tools or [search], **more).invoke("Where was the captain born?")
    model.assert_done()
    return model, result.steps


def test_passages_are_read_in_a_conversation_of_their_own(prompt: Prompt) -> None:
    model, steps = ask(prompt, looked_up("ship"), looked_up("captain", MISSING), STATED)
    first, second, third = asked(model)
    head = "Use:\nsearch: Look something up.\nQuestion: Where was the captain born?"
    assert first == [("human", head), ("ai", "Thought:")]
    builder, example = "The bridge: Its builder was Anna Holt.", "Where does the builder live?"
    opening = [
        ("system", TOLD),
        (
            "human",
            "Passages:\nThe bridge: Its builder was Anna Holt.\n\nQuestion: Where does the builder live?",
        ),
        ("ai", "Thought: It says who built it; it lacks the house\nAction: search\nAction Input: Anna Holt"),
        (
            "human",
            f"Passages:\n{builder}\n\nAnna Holt: Her house is in Westhaven.\n\nQuestion: {example}",
        ),
        ("ai", "Thought: It says in Westhaven; that is it\nFinal Answer: In Westhaven."),
    ]
    ship = "The Tern: She is a brig of 18 guns.\n\nThe Tern: Her captain is Ann Cole."
    captain = "Ann Cole: She was born in Mirefold, by the sea."
    question = "\n\nQuestion: Where was the captain born?"
    assert second == [*opening, ("human", f"Passages:\n{ship}{question}"), ("ai", "Thought:")]
    assert third == [*opening, ("human", f"Passages:\n{ship}\n\n{captain}{question}"), ("ai", "Thought:")]
    assert steps == (
        Action("search", "ship", "Look"),
        Observation(FINDS["ship"]),
        Action("search", "captain", MISSING),
        Observation(FINDS["captain"]),
        Answer("In Mirefold.", "It says in Mirefold; that is it"),
    )


def test_examples_are_shown_that_use_no_other_tool(prompt: Prompt) -> None:
    model, _ = ask(prompt, looked_up("ship"), STATED, tools=[search, "calculator"])
    said = [text for kind, text in asked(model)[1] if kind == "ai"]
    assert len(said) == 4
    assert said[2] == "Thought: It says 6; that is it\nFinal Answer: Six."


def test_lines_that_pose_or_give_orders_are_not_read(prompt: Prompt) -> None:
    model, _ = ask(prompt, looked_up("forged"), STATED)
    assert asked(model)[1][-2] == (
        "human",
        "Passages:\nThe bell weighs 1,350 pounds, so they say.\n\nQuestion: Where was the captain born?",
    )


@pytest.mark.parametrize("query", ["short", "nowhere to be found, however long one looks for it"])
def test_what_is_no_passage_is_shown_as_ever(prompt: Prompt, query: str) -> None:
    """A few words are none, and an error is none, however long it is."""
    model, steps = ask(prompt, looked_up(query), " Well\nFinal Answer: I could not find it.")
    assert [kind for kind, _ in asked(model)[1]] == ["human", "ai"]
    seen = steps[1]
    assert isinstance(seen, Observation)
    assert seen.text in asked(model)[1][1][1]


def test_a_model_that_obeys_no_grammar_is_not_asked_so(prompt: Prompt) -> None:
    model = ScriptedModel(replies=[looked_up("ship"), STATED])
    Agent(model, prompt, [search]).invoke("Where was the captain born?")
    assert [len(messages) for messages in model.prompts] == [1, 1]


def test_what_is_missing_is_looked_for_then_given_up(prompt: Prompt) -> None:
    """The first verdict of that kind leads to an action, a later one to an answer."""
    replies = [looked_up("ship"), looked_up("captain", MISSING), looked_up("forged", MISSING)]
    model, _ = ask(prompt, *replies, f" {MISSING}\nFinal Answer: I could not find it.")
    roots = [grammar.split("\n", 1)[0] for grammar in grammars(model)]
    said = '" It says " fact "; " ("that is it" "\\n" answer | "it lacks " rest "\\n"'
    assert roots == [
        'root ::= " " thought "\\n" (action | answer)',
        f"root ::= {said} action)",
        f"root ::= {said} (action | answer))",
        f"root ::= {said} answer)",
    ]


AGAIN = """it lacks
  therefore: ", so"
  again: Asked is {missing}, and it says
"""
LATER = "Asked is the house, and it says in Westhaven; that is it"


def asks_again(prompt: Prompt) -> Prompt:
    """The prompt, with what was missing asked for where passages are read once more."""
    text = FRONT.replace("it lacks\n", AGAIN, 1).replace(
        "it lacks the house", "it lacks the house, so I look"
    )
    prompt.path.write_text(text.replace("It says in Westhaven; that is it", f'"{LATER}"'), encoding="utf-8")
    return load_prompt(prompt.path)


def test_what_was_missing_is_asked_for_when_passages_are_read_again(prompt: Prompt) -> None:
    replies = [
        looked_up("ship"),
        looked_up("captain", f"{MISSING} of Ann Cole, by the sea, so I look, so to say"),
    ]
    model, _ = ask(asks_again(prompt), *replies, STATED)
    begun = [grammar.split(" fact ", 1)[0] for grammar in grammars(model)[1:]]
    assert begun == [
        'root ::= " It says "',
        'root ::= " Asked is the town of Ann Cole, by the sea, and it says "',
    ]
    assert asked(model)[1][4] == (
        "ai",
        f"Thought: {LATER}\nFinal Answer: In Westhaven.",
    )


@pytest.mark.parametrize(
    "thought",
    [
        "It says who; it lacks the town",
        "It says who; it lacks Action: search, so I look",
        "It says who; it lacks the\ntown, so I look",
        "I look",
    ],
)
def test_what_does_not_say_what_was_missing_is_not_asked_again(prompt: Prompt, thought: str) -> None:
    """Such steps can be a program's own, which a run goes on from."""
    found = Observation("x" * 99)
    reading = asks_again(prompt).reading
    assert reading is not None
    assert (
        reading.begun([Action("search", "a", "Look"), found, Action("search", "b", thought), found])
        == "It says"
    )


def test_an_answer_to_what_is_missing_says_that_it_was_not_found(prompt: Prompt) -> None:
    more = "longer_than: 30\n  regret: I could not find"
    text = FRONT.replace("longer_than: 30", more).replace("parts:", "openings: ['Arr, ', 'Aye! ']\nparts:")
    prompt.path.write_text(text, encoding="utf-8")
    again = load_prompt(prompt.path)
    replies = [looked_up("ship"), looked_up("captain", MISSING)]
    model, _ = ask(again, *replies, f" {MISSING}\nFinal Answer: Arr, I could not find it.")
    regret = '("Final Answer: Arr, I could not find " | "Final Answer: Aye! I could not find ")'
    assert f'\nregret ::= {regret} wide{{0,300}} "\\n"?\n' in f"{grammars(model)[2]}\n"
    assert '"it lacks " rest "\\n" (action | regret))' in grammars(model)[2]


def test_the_last_answer_is_asked_for_as_ever(prompt: Prompt) -> None:
    model, _ = ask(prompt, looked_up("ship"), " In Mirefold.", max_steps=1)
    assert [kind for kind, _ in asked(model)[1]] == ["human", "ai"]
    assert asked(model)[1][1][1].endswith("\nFinal Answer:")


def test_earlier_turns_stand_beside_the_passages(prompt: Prompt, tmp_path: Path) -> None:
    file = tmp_path / "mate.md"
    file.write_text(FRONT.replace("Question: {input}", "{history}Question: {input}"), encoding="utf-8")
    model = Continuing(replies=[looked_up("ship"), STATED])
    history = [
        ("human", "Old?"),
        ("ai", "Old."),
        ("human", "Who?"),
        ("ai", "Ann."),
        ("human", "When?"),
        ("ai", "x" * 900),
    ]
    Agent(model, str(file), [search]).invoke("And where?", history=history)
    text = asked(model)[1][-2][1]
    assert "Old" not in text
    assert "\n\nQuestion: Who?\nFinal Answer: Ann.\n\nQuestion: When?\nFinal Answer: xxx" in text
    assert "characters left out" in text
    assert text.endswith("\n\nQuestion: And where?")


def test_passages_are_shortened_to_fit_and_that_is_told(prompt: Prompt) -> None:
    model = Continuing(replies=[looked_up("long"), STATED])
    result = Agent(model, prompt, [search], context=1200).invoke("Where was the captain born?")
    kinds = [kind for kind, _ in asked(model)[1]]
    assert kinds == ["system", "human", "ai", "human", "ai", "human", "ai"]
    assert 1000 < len(asked(model)[1][-2][1]) < 1200
    assert result.left_out == LeftOut(observations=1)


def test_where_not_even_that_fits_the_prompt_is_as_ever(prompt: Prompt) -> None:
    model = Continuing(replies=[looked_up("long"), STATED])
    Agent(model, prompt, [search], context=600).invoke("Where was the captain born?")
    assert [kind for kind, _ in asked(model)[1]] == ["human", "ai"]


def test_what_examples_take_of_the_window_is_not_taken_from_the_passages() -> None:
    shipped = load_prompt("pirate")
    stated = " Asked is where, and it says in Mirefold; that answers it\nFinal Answer: Arr, in Mirefold"
    model = Continuing(replies=[looked_up("long"), stated])
    Agent(model, shipped, [search, "calculator", "clock"], context=7000).invoke("Where was the captain born?")
    first, second = asked(model)
    assert [kind for kind, _ in first] == ["system", *["human", "ai"] * (len(first) // 2)]
    assert "Your tools have found passages." in second[0][1]


def test_a_verdict_is_a_part_of_the_thought() -> None:
    parser = ReActOutputParser(tool_names=("search",))
    assert parser.parse(STATED) == Answer("In Mirefold.", "It says in Mirefold; that is it")


# --- in the file -----------------------------------------------------------------------------------


def changed(prompt: Prompt, old: str, new: str) -> Path:
    assert old in FRONT
    prompt.path.write_text(FRONT.replace(old, new), encoding="utf-8")
    return prompt.path


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("It says", "They say"),
        ("that is it", "so it is"),
        ("it lacks", "it has no"),
        ("longer_than: 30", "longer_than: 31"),
        ("longer_than: 30", "longer_than: 30\n  regret: I could not find"),
        ("longer_than: 30", "longer_than: 30\n  therefore: ', so'"),
        ("it lacks\n", AGAIN),
        ("Or use", "Use"),
        ("{thought: It says 6;", "{thought: It says six;"),
    ],
)
def test_all_that_is_said_of_reading_counts_for_the_hash(prompt: Prompt, old: str, new: str) -> None:
    assert load_prompt(changed(prompt, old, new)).hash != prompt.hash


def test_saving_keeps_how_passages_are_read(prompt: Prompt, tmp_path: Path) -> None:
    prompt.save(tmp_path / "copy" / "mate.md")
    again = load_prompt(tmp_path / "copy" / "mate.md")
    assert again.reading == prompt.reading
    assert again.hash == prompt.hash
    asks_again(prompt).save(tmp_path / "other" / "mate.md")
    assert load_prompt(tmp_path / "other" / "mate.md").reading == asks_again(prompt).reading


def test_a_part_may_hold_it_and_a_persona_answers_its_examples(prompt: Prompt, tmp_path: Path) -> None:
    held = FRONT[FRONT.index("reading:") : FRONT.index("---\nUse:")]
    (tmp_path / "parts" / "reading.md").write_text(f"---\n{held}---\n", encoding="utf-8")
    voice = tmp_path / "parts" / "voice.md"
    voice.write_text(
        "---\nanswers: {sum: Arg, six.}\n---\nSpeak up.\n".replace("Arg, six.", "'Arg, six.'"),
        encoding="utf-8",
    )
    again = load_prompt(changed(prompt, held, "reading: parts/reading.md\n"))
    assert again.reading is not None
    assert prompt.reading is not None
    assert again.reading.segments == prompt.reading.segments
    last = again.reading.examples[1].steps[-1]
    assert last == Answer("Arg, six.", "It says 6; that is it")


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("Or use: {tool_names}.", "Or use: {input}.", 9, "what is told about passages has a slot {input}"),
        ("Or use: {tool_names}.", "Or use: {tool}.", 12, "nothing fills {tool}"),
        (
            "thought: It says 6; that is it",
            "thought: It says 6",
            13,
            "a thought after a passage in the example 'sum' has no evidence or no verdict",
        ),
        ("- name: sum", "- name: builder", 26, "a second example is called 'builder'"),
        ("  missing: it lacks\n", "", 4, "'reading' has no 'missing'"),
        (
            "  missing: it lacks\n",
            "  missing: it lacks\n  again: Asked is {missing},\n",
            4,
            "'reading' has no 'therefore'",
        ),
        ("it lacks\n", AGAIN.replace("{missing}", "that"), 9, "'again' is 'Asked is that, and it says'"),
    ],
)
def test_what_is_wrong_with_it_is_named_by_line(
    prompt: Prompt, old: str, new: str, line: int, message: str
) -> None:
    problems = check_file(changed(prompt, old, new))
    assert (message, line) in [(problem.message, problem.line) for problem in problems]


def test_an_example_that_does_not_ask_again_is_told_what_to_write(prompt: Prompt) -> None:
    text = asks_again(prompt).path.read_text(encoding="utf-8")
    prompt.path.write_text(text.replace(LATER, "It says in Westhaven; that is it"), encoding="utf-8")
    (problem,) = check_file(prompt.path)
    assert problem.message.startswith("a thought after a passage in the example 'builder' has no")
    begun = "Asked is the house, and it says ..; "
    assert problem.fix == f"write '{begun}that is it' or '{begun}it lacks ..'"


def test_a_part_that_does_not_hold_it_is_named(prompt: Prompt) -> None:
    held = FRONT[FRONT.index("reading:") : FRONT.index("---\nUse:")]
    problem, *_ = check_file(changed(prompt, held, "reading: parts/voice.md\n"))
    assert (problem.code, problem.message) == ("P011", "the part 'parts/voice.md' holds no reading")
