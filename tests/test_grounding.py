"""Numbers that a model made up are objected to, in the executor loop and in the middleware alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from agents import PROMPT, Continuing
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_core.tools import ToolException, tool

from agent_app import Action, Agent, Answer, Observation, load_prompt, load_tools, places
from agent_app.approvals import Allow, Approvals, Edit, Reply
from agent_app.grounding import bare_percentage, made_up
from agent_app.history import Turn
from agent_app.middleware import ReActMiddleware
from agent_app.steps import Step

QUESTION = "How much older is the bridge than the tower?"
INVENTED = Action("calculator", "1937 - 1927", "I subtract")
OBJECTION = Observation(
    "1937 and 1927 stand neither in the question nor in an observation. Find them out with another tool, or "
    "use what is given.",
    error=True,
)
REPLY = " I subtract\nAction: calculator\nAction Input: 1937 - 1927"
KNOWN = " I know\nFinal Answer: 10 years"
FRONT = """name: mate
grounded: "*calc*|*math*"
thoughts:
  after_observation: Is it answered?
  after_error: That did not work, so I need to
"""


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    file = tmp_path / "mate.md"
    file.write_text(PROMPT.replace("name: mate\n", FRONT), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("calculation", "given", "found"),
    [
        ("1937 - 1927", [QUESTION], ("1937", "1927")),
        ("1937 - 1,927", [QUESTION, "The tower was built in 1927."], ("1937",)),
        ("17 * 24 - 8", ["17 crates of 24 bottles, and 8 break"], ()),
        ("1250 * 8 / 100", ["What is 8% of 1,250?"], ()),
        ("408 - 8", ["17 crates of 24 bottles, and 8 break"], ()),
        ("418 - 8", ["17 crates of 24 bottles, and 8 break"], ("418",)),
        ("408 - 8", [QUESTION, "17 crates of 24 bottles, and 8 break"], ("408",)),
        ("391 - 1", ["17, 23, 2, 3, 4, 5 and 6"], ("391",)),
        ("1250.0 + 18", ["1,250 and 18.00"], ()),
        ("100 - 75", [QUESTION], ("75",)),
        ("75 + 75", [QUESTION], ("75",)),
        ("7 * 24 * 60", ["How many minutes has a week?"], ()),
        ("(98.6 - 32) * 5 / 9", ["What is 98.6 °F in °C?"], ()),
        ("365 - 2 * 31", ["Without the months of summer?"], ()),
        ("2400 * 1.035", ["2400 and 3.5% more"], ()),
        ("30 - 27", ["The tower is 27 metres tall."], ("30",)),
        ("27 + 30", ["The tower is 27 metres tall."], ("30",)),
        ("27 * 30", ["The tower is 27 metres tall."], ()),
        ("40 * 25", ["forty boxes of twenty-five"], ()),
        ("days between 2024-03-03 and 2024-06-21", ["from 3 March 2024 to 21 June"], ()),
        ("2024-02-29 + 1 day", ["When does the ferry leave?"], ("2024", "29")),
        ("sqrt(x2000)", [QUESTION], ()),
        ("now", [QUESTION], ()),
        ("12 * 100 * 0.9", ["What do 12 of us pay with the reduction?"], ("0.9",)),
        ("12 * 0.9 + 240 * 0.1 + 2 * 1.1", ["What is 10% of 240?"], ()),
        ("2 * 0.13 - 3.5 * 0.25", [QUESTION], ("0.13",)),
        ("2400 * 24", ["1,400 of 2,400"], ()),
        ("5 * 2.54", ["How many cm are 5 inches?"], ()),
        ("100g + 100g", ["What do both weigh together?"], ("100",)),
        ("10 crowns + 12 crowns - 10 crowns", ["How much more is that?"], ("10", "12")),
        ("(2 + 1) * 2", ["Two adults stay one night."], ()),
        ("100 - 15", ["What remains of it at 15% off?"], ()),
        ("24 * 60", ["How many minutes has such a thing?"], ()),
        ("23 * 47", ["What is 23x47?"], ()),
        ("1500000 / 3", ["What is $1.5M / 3?"], ()),
        ("5000 + 2", ["5k plus 2"], ()),
        ("2500000 / 4", ["What is 2 500 000 / 4?"], ()),
        ("12.5 * 4", ["Was kostet 12,5 * 4?"], ()),
        ("5 * 1.60934", ["Convert 5 miles to km"], ()),
        ("10 * 0.453592", ["How many kg are 10 lb?"], ()),
        ("5 * 1.7", ["Convert 5 miles to km"], ("1.7",)),
        ("250 / 0.35", ["How many crowns are EUR250, at .35 each?"], ()),
        ("1.4 * 70", ["What is 140% of 70?"], ()),
        ("1.4 * 70", ["140 men and 70 oxen"], ("1.4",)),
        ("0.05 * 310", ["What is five percent of 310?"], ()),
        ("0.05 * 310", ["five of 310"], ("0.05",)),
        ("0.333 * 93", ["What is a third of 93?"], ()),
        ("0.67 * 93 + 0.3333 * 93", ["two thirds of 93"], ()),
        ("1.33 * 93", ["a third more than 93"], ()),
        ("0.34 * 93", ["What is a third of 93?"], ("0.34",)),
        ("0.333 * 93", ["What is a part of 93?"], ("0.333",)),
    ],
)
def test_a_number_is_made_up_that_stands_nowhere(
    calculation: str, given: list[str], found: tuple[str, ...]
) -> None:
    assert made_up(calculation, given) == found


@pytest.mark.parametrize(
    ("calculation", "given", "share"),
    [
        ("7.5 * 6400", ["What's 7.5 percent of 6400?"], "7.5"),
        ("6400*7.5", ["What's 7.5% of 6400?"], "7.5"),
        ("7.5 times 6400", ["What's 7.5% of 6400?"], "7.5"),
        ("6400 multiplied by 7.5", ["What's 7.5% of 6400?"], "7.5"),
        ("(7.5) * 6400", ["What's 7.5% of 6400?"], "7.5"),
        ("(1 - 0.075) * 6400", ["What's 7.5% of 6400?"], None),
        ("(85 - 15) * 6400", ["What's 15% off 6400?"], None),
        ("6,400 x 15", ["How much is 15 per cent of 6,400?"], "15"),
        ("7.5% * 6400", ["What's 7.5 percent of 6400?"], None),
        ("7.5 * 6400 / 100", ["What's 7.5 percent of 6400?"], None),
        ("6400 * 0.075", ["What's 7.5 percent of 6400?"], None),
        ("7.5 + 3", ["What do 7.5 percent and 3 percent come to?"], None),
        ("7.55 * 6400", ["What's 7.5 percent of 6400?"], None),
        ("12 * 47", ["What is 12 times 47?"], None),
        ("20 * 5", ["What do 20 cost at $5 each, and what with 20% off?"], None),
        ("15 * 39", ["What does it cost with the reduction?", "39 crowns. Groups get 15 percent off."], "15"),
        ("15 * 39", ["What do 15 tickets cost?", "39 crowns. Groups get 15 percent off."], None),
    ],
)
def test_a_percentage_is_no_plain_factor(calculation: str, given: list[str], share: str | None) -> None:
    assert bare_percentage(calculation, given) == share


def test_the_model_is_told_to_write_the_percentage(prompt: Path) -> None:
    agent = Agent(
        Continuing(
            replies=[
                f" I multiply\nAction: calculator\nAction Input: {calculation}"
                for calculation in ("7.5 * 6400", "7.5% * 6400")
            ]
            + [KNOWN]
        ),
        prompt,
        ["calculator"],
    )
    assert agent.invoke("What's 7.5 percent of 6400?").steps[1::2] == (
        Observation("Write 7.5% instead of 7.5, as it was given as a percentage.", error=True),
        Observation("480"),
    )


def run(prompt: Path, replies: list[str], *turns: Turn) -> tuple[Step, ...]:
    agent = Agent(Continuing(replies=replies), prompt, ["calculator"])
    return agent.invoke(QUESTION, history=turns).steps


def test_the_tool_is_not_run_and_the_model_begins_anew(prompt: Path) -> None:
    model = Continuing(replies=[REPLY, " look it up\nFinal Answer: I do not know"])
    result = Agent(model, prompt, ["calculator"]).invoke(QUESTION)
    assert result.steps == (
        INVENTED,
        OBJECTION,
        Answer("I do not know", "That did not work, so I need to look it up"),
    )
    begun = model.prompts[-1][-1].text
    assert begun.endswith(f"\nObservation: {OBJECTION.text}\nThought: That did not work, so I need to")


def test_the_same_call_made_again_is_run(prompt: Path) -> None:
    *_, again, seen, answer = run(prompt, [REPLY, REPLY, KNOWN])
    assert (again, seen) == (
        Action("calculator", "1937 - 1927", "That did not work, so I need to I subtract"),
        Observation("10"),
    )
    assert isinstance(answer, Answer)


def test_what_somebody_made_of_a_call_is_run(prompt: Path) -> None:
    replies: list[Reply] = [Allow(), Edit("1950 - 1921")]
    approvals = Approvals("ask:calculator", lambda _: replies.pop())
    given = " I subtract\nAction: calculator\nAction Input: 7 * 5"
    agent = Agent(Continuing(replies=[given, KNOWN]), prompt, ["calculator"], approvals=approvals)
    changed, seen = agent.invoke(QUESTION).steps[2:4]
    assert isinstance(changed, Action)
    assert (changed.input, seen) == ("1950 - 1921", Observation("29"))


def test_who_insists_has_his_way(prompt: Path) -> None:
    other = REPLY.replace("1937", "1938")
    *_, after, seen, answer = run(prompt, [REPLY, other, KNOWN])
    assert (after, seen) == (
        Action("calculator", "1938 - 1927", "That did not work, so I need to I subtract"),
        Observation("11"),
    )
    assert isinstance(answer, Answer)
    assert answer.thought == "Is it answered? I know"


@tool
def oracle(question: str) -> str:
    """Tell what is not known."""
    raise ToolException(f"nobody knows {question}")


def test_only_after_the_first_error_of_a_grounded_tool_is_begun_anew(prompt: Path) -> None:
    lost = " I ask\nAction: oracle\nAction Input: it"
    zero = " I divide\nAction: calculator\nAction Input: 7 / 0"
    endless = zero.replace("7 / 0", "8 / 0")
    agent = Agent(Continuing(replies=[lost, zero, KNOWN]), prompt, ["calculator", oracle])
    assert [getattr(step, "thought", None) for step in agent.invoke(QUESTION).steps[::2]] == [
        "I ask",
        "Is it answered? I divide",
        "Is it answered? I know",
    ]
    assert [getattr(step, "thought", None) for step in run(prompt, [zero, endless, KNOWN])[::2]] == [
        "I divide",
        "That did not work, so I need to I divide",
        "Is it answered? I know",
    ]


def test_what_was_said_before_is_given(prompt: Path) -> None:
    file = prompt.with_name("chatty.md")
    text = prompt.read_text(encoding="utf-8").replace("name: mate", "name: chatty")
    file.write_text(text.replace("Question: {input}", "{history}Question: {input}"), encoding="utf-8")
    _, seen, _ = run(file, [REPLY, KNOWN], Turn("When was the tower built?", "In 1927; the bridge in 1937."))
    assert seen == Observation("10")


def test_other_tools_and_other_prompts_are_let_alone(prompt: Path, tmp_path: Path) -> None:
    agent = Agent(
        Continuing(replies=[" now\nAction: clock\nAction Input: weekday 1969-07-20", KNOWN]),
        prompt,
        ["clock"],
    )
    assert agent.invoke(QUESTION).steps[1] == Observation("1969-07-20 is a Sunday")
    plain = tmp_path / "plain" / "mate.md"
    plain.parent.mkdir()
    plain.write_text(PROMPT, encoding="utf-8")
    assert run(plain, [REPLY, KNOWN])[1] == Observation("10")


def test_the_middleware_objects_as_well(prompt: Path) -> None:
    model = Continuing(replies=[REPLY, " look it up\nFinal Answer: I do not know"])
    tools = load_tools(["calculator"], [places.builtin("tools")])
    agent = create_agent(model, tools, middleware=[ReActMiddleware(load_prompt(prompt))])
    question, answer = agent.invoke({"messages": [HumanMessage(QUESTION)]})["messages"]
    assert (question.content, answer.content) == (QUESTION, "I do not know")
    notes = answer.additional_kwargs["react"]
    assert notes["thought"] == "That did not work, so I need to look it up"
    assert [step["kind"] for step in notes["failed"]] == ["action", "observation"]
    assert notes["failed"][1]["text"] == OBJECTION.text


def test_what_a_prompt_grounds_counts_for_its_hash_and_is_kept(prompt: Path, tmp_path: Path) -> None:
    loaded = load_prompt(prompt)
    assert [loaded.grounds(tool) for tool in ("calculator", "my_math", "clock", "")] == [
        True,
        True,
        False,
        False,
    ]
    kept = tmp_path / "kept"
    kept.mkdir()
    loaded.save(kept / "mate.md")
    again = load_prompt(kept / "mate.md")
    assert (again.grounded, again.hash) == (loaded.grounded, loaded.hash)
    prompt.write_text(PROMPT.replace("name: mate\n", FRONT.replace("math", "sum")), encoding="utf-8")
    assert load_prompt(prompt).hash != loaded.hash
