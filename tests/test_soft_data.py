"""The rows that soft prompts are tuned on: what is made, what is taken from a batch, and what is refused."""

from __future__ import annotations

import itertools
import json
import os
import re
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import Caller

from agent_app import ToolCrash, places
from agent_app.parser import ReActOutputParser
from agent_app.prompt import load_prompt
from agent_app.prompt.scratchpad import scratchpad
from agent_app.steps import Action, Answer, Observation, Step, step_to_dict
from agent_app.toolbox import Toolbox, load_tools
from agent_app.tuning.data import PARTS, TOOLS, DataError, Row, lines_of, make_rows, read_rows
from agent_app.tuning.data.copying import in_its_words
from agent_app.tuning.data.material import material
from agent_app.tuning.data.numbers import asides, with_other_digits
from agent_app.tuning.data.recording import Recorder
from agent_app.tuning.data.registers import in_one_wording, with_slip
from agent_app.tuning.data.rows import Part
from agent_app.tuning.data.taught import rows_of_answers
from agent_app.tuning.data.thinking import thought_before
from agent_app.tuning.same import holds
from agent_app.tuning.voice import pirate
from agent_app.tuning.words import bare

BLIND = Path(__file__).resolve().parents[1] / "benchmarks" / "soft" / "blind.jsonl"
MEANT = "did you mean 'calculator'?"
KINDS = "known: action, unreadable, observation, answer"


@pytest.fixture(scope="module")
def made() -> list[Row]:
    return make_rows(1200, seed=6)


# --- what is made ---


def test_the_parts_share_no_template_no_question_and_no_fact(made: list[Row]) -> None:
    templates, questions = defaultdict(set), defaultdict(set)
    for row in made:
        templates[row.split].add(row.template)
        questions[row.split].add(row.question.casefold().rstrip("?.! "))
    of_parts = [material(part) for part in PARTS]
    texts = [{w for ts in m.templates.values() for t in ts for w in _wordings(t.text)} for m in of_parts]
    facts = [{(name, x) for name, topic in m.topics.items() for x, _ in topic.facts} for m in of_parts]
    words = [{(name, word) for name, values in m.words.items() for word in values} for m in of_parts]
    frames = [set(m.frames) for m in of_parts]
    for sets in ([templates[p] for p in PARTS], [questions[p] for p in PARTS], texts, facts, words, frames):
        assert all(sets)
        assert len(set.union(*sets)) == sum(map(len, sets))


def _wordings(template: str) -> set[str]:
    """Return all that a template may come out as, whatever its case and its marks."""
    parts = re.split(r"\[([^][|]*(?:\|[^][|]*)+)\]", template)
    ways = (part.split("|") if number % 2 else [part] for number, part in enumerate(parts))
    texts = ("".join(chosen).casefold() for chosen in itertools.product(*ways))
    return {re.sub(r"[^a-z0-9{}+*/^()-]+", " ", text).strip() for text in texts}


def test_every_part_has_its_share_of_rows_and_all_tools(
    made: list[Row],
) -> None:
    assert [sum(row.split == part for row in made) for part in PARTS] == [1200, 120, 192]
    for part in PARTS:
        tools = {row.kind.partition("/")[0] for row in made if row.split == part}
        assert tools == {"calculator", "web_search", "clock", "none"}


def test_one_seed_makes_the_same_rows_and_another_one_others() -> None:
    assert make_rows(60, seed=1) == make_rows(60, seed=1)
    assert make_rows(60, seed=1) != make_rows(60, seed=2)


def test_every_reply_of_a_row_is_read_back_as_it_is(made: list[Row]) -> None:
    parser = ReActOutputParser(tool_names=TOOLS)
    for row in made:
        for point in range(0, len(row.steps), 2):
            reply = scratchpad(row.steps[point : point + 1])
            assert parser.parse(reply) == row.steps[point], row.question


def test_every_answer_is_a_pirates_and_holds_what_was_observed(made: list[Row]) -> None:
    for row in made:
        assert pirate(row.answer.text), row.answer.text
        observed = "\n".join(step.text for step in row.steps[1::2] if isinstance(step, Observation))
        for value in row.values:
            assert value.casefold() in observed.casefold()  # a sentence may begin with it
            assert value in row.answer.text
    valueless = {row.kind for row in made if row.actions and not row.values}
    assert valueless == {"clock/nowhere"}


def test_a_result_is_put_in_one_way_and_talk_in_many(made: list[Row]) -> None:
    values = {"plain", "brackets", "percent", "parts", "powers", "story", "words", "units", "second try"}
    sums = [row for row in made if row.kind in {f"calculator/{kind}" for kind in values}]
    assert len(sums) >= 400
    assert [row.answer.text for row in sums] == [f"Arr, it be {row.values[0]}, matey!" for row in sums]
    talk = [row.answer.text for row in made if not row.actions]
    assert len(set(talk)) >= 100


def test_a_tool_has_its_one_thought_unless_a_calculation_is_made_up(made: list[Row]) -> None:
    thoughts = defaultdict(set)
    for row in made:
        for action in row.actions:
            thoughts[action.tool, str(action.input) in row.question].add(action.thought)
    made_up = thoughts.pop(("calculator", False))
    assert thoughts == {
        ("calculator", True): {"I must calculate this"},
        ("web_search", True): {"I must look this up"},
        ("clock", True): {"I must check the clock"},
        ("clock", False): {"I must check the clock"},
    }
    assert {"I must multiply", "I must subtract and then divide", "I must add percent"} <= made_up
    assert "" not in made_up


@pytest.mark.parametrize(
    ("given", "thought"),
    [
        ("17 * 24 - 8", "I must multiply and then subtract"),
        ("1,404 - 10 * 153", "I must multiply and then subtract"),
        ("(48 - 36) / 38", "I must subtract and then divide"),
        ("2 + 3 + 4", "I must add"),
        ("60 - 35%", "I must subtract percent"),
        ("18% of 231,800", "I must calculate this"),
        ("1000 mod 7", "I must take the remainder"),
        ("sqrt(6241) + 2", "I must take the root and then add"),
        ("-5 + 97^2", "I must raise and then add"),
        ("twenty-five - seven", "I must subtract"),
        ("07 + 1", "I must add"),
        ("half of 90", "I must calculate this"),
        ("1 << 2", "I must calculate this"),
        ("7", "I must calculate this"),
        ("(", "I must calculate this"),
        ("1\x00 + 2", "I must calculate this"),
        ("(" * 5000 + "1", "I must calculate this"),
        ("-" * 200_000 + "1", "I must calculate this"),
    ],
)
def test_a_calculation_that_is_made_up_is_thought_of_by_its_operations(given: str, thought: str) -> None:
    assert thought_before("calculator", given, "How many are left?") == thought
    assert thought_before("calculator", given, f"What is {given}?") == "I must calculate this"
    assert thought_before("clock", given, "How many?") == "I must check the clock"
    assert thought_before("oracle", {"x": 1}, "How many?") == "I must use a tool for this"


def test_a_search_is_for_the_whole_question_unless_more_is_to_be_done(made: list[Row]) -> None:
    searched = [row for row in made if row.actions and row.actions[0].tool == "web_search"]
    assert searched
    for row in searched:
        query = str(row.actions[0].input)
        alone = all(action.tool == "web_search" for action in row.actions)
        assert query in row.question
        assert not alone or len(query) >= 0.4 * len(row.question), row.question


def test_no_story_ends_with_less_than_nothing(made: list[Row]) -> None:
    stories = [row for row in made if row.kind == "calculator/story"]
    assert stories
    assert [row.question for row in stories if row.values[0].startswith("-")] == []


def test_what_the_calculator_gave_is_what_it_gives(made: list[Row]) -> None:
    toolbox = Toolbox(load_tools(["calculator"], [places.builtin("tools")]))
    for row in made[:300]:
        for action, observation in zip(row.actions, row.steps[1::2], strict=True):
            if action.tool == "calculator":
                assert toolbox.run(action) == observation


def test_a_tool_complains_only_where_it_should(made: list[Row]) -> None:
    complaining = ("second try", "no result", "nowhere", "found nothing")
    for row in made:
        errors = [step for step in row.steps if isinstance(step, Observation) and step.error]
        assert bool(errors) == row.kind.endswith(complaining), row.question


def test_numbers_come_in_many_forms(made: list[Row]) -> None:
    inputs = " ; ".join(str(action.input) for row in made for action in row.actions)
    for form in (
        r"\b\d{1,3}(,\d{3})+\b",
        r"\b\d+\.\d+\b",
        r"\b\d{7,}\b",
        r"\d% of",
        r"\^",
        r"root of \d",
        r"\) [/*]",
        r"\d% off \d",
    ):
        assert re.search(form, inputs), form


def test_rows_for_one_tool_use_no_other() -> None:
    rows = make_rows(50, tools=["clock"])
    assert {action.tool for row in rows for action in row.actions} == {"clock"}
    assert any(row.kind.startswith("none/") for row in rows)


@pytest.mark.parametrize(
    ("rows", "tools", "sentence"),
    [
        (19, TOOLS, "19 rows are too few to tune on; make at least 20"),
        (50, ["calculater"], f"rows can be made for {', '.join(TOOLS)}, not for 'calculater'; {MEANT}"),
    ],
)
def test_too_few_rows_and_unknown_tools_are_refused(rows: int, tools: list[str], sentence: str) -> None:
    with pytest.raises(DataError) as caught:
        make_rows(rows, tools=tools)
    assert str(caught.value) == sentence


def test_more_rows_than_there_are_questions_are_refused() -> None:
    with pytest.raises(DataError, match=r"^only \d+ different rows were found for 'dev'; ask for fewer$"):
        make_rows(5000, tools=[])


@given(
    st.integers(),
    st.sampled_from(["Please tell me <who wrote {x}>", "{a} {b} <about {things}>", "Is this right?"]),
)
def test_a_slip_leaves_slots_and_queries_alone(seed: int, template: str) -> None:
    slipped = with_slip(template, Random(seed))
    assert re.findall(r"<.*>|\{\w+\}", slipped) == re.findall(r"<.*>|\{\w+\}", template)
    assert abs(len(slipped) - len(template)) <= 1


def test_of_alternatives_one_is_chosen_and_other_brackets_stay() -> None:
    template = "[Add|Put] {a} to {b}[, please|] [sic]"
    found = {in_one_wording(template, Random(seed)) for seed in range(40)}
    assert found == {
        f"{verb} {{a}} to {{b}}{end} [sic]" for verb in ("Add", "Put") for end in (", please", "")
    }


def test_no_alternatives_are_left_in_a_question(made: list[Row]) -> None:
    assert [row.question for row in made if "[" in row.question or "|" in row.question] == []


# --- tools that are recorded ---


def test_the_recorded_search_writes_its_results_as_the_tool_does() -> None:
    recorder = Recorder()
    found = [
        {"title": "Oslo", "snippet": "Oslo is the capital\nof Norway.", "link": "https://a.example/oslo"},
        {"title": "Bergen", "snippet": "It rains.", "link": "https://a.example/bergen"},
    ]
    recorder.begin(datetime.now(UTC), [found, []])
    assert recorder.run(Action("web_search", "capital of Norway")) == Observation(
        "1. Oslo\n   Oslo is the capital of Norway.\n   https://a.example/oslo\n"
        "2. Bergen\n   It rains.\n   https://a.example/bergen"
    )
    nothing = recorder.run(Action("web_search", "fjords"))
    assert nothing.error
    assert nothing.text.startswith("web_search got no results for 'fjords'")
    with pytest.raises(ToolCrash, match="only 2 searches were recorded, and this is one more"):
        recorder.run(Action("web_search", "trolls"))


def test_the_recorded_clock_tells_the_chosen_moment_and_all_others_the_real_one() -> None:
    recorder = Recorder()
    recorder.begin(datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert (
        recorder.run(Action("clock", "now")).text == "Wednesday 2030-01-02 03:04:05 (local time, UTC+00:00)"
    )
    assert (
        recorder.run(Action("clock", "Tokyo")).text == "Wednesday 2030-01-02 12:04:05 (Asia/Tokyo, UTC+09:00)"
    )
    real = Toolbox(load_tools(["clock"], [places.builtin("tools")])).run(Action("clock", "UTC+0"))
    told = datetime.strptime(real.text.split(" (")[0], "%A %Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=1)


# --- files of rows ---


def test_rows_come_back_from_a_file_as_they_were(made: list[Row], tmp_path: Path) -> None:
    file = tmp_path / "data.jsonl"
    file.write_text(lines_of(made), encoding="utf-8")
    assert read_rows(file, tools=TOOLS) == made


GOOD: dict[str, Any] = {
    "id": "a",
    "kind": "calculator/plain",
    "template": "t",
    "split": "train",
    "question": "2 + 2?",
    "steps": [step_to_dict(s) for s in (Action("calculator", "2 + 2"), Observation("4"), Answer("Arr, 4"))],
}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"question": " "}, "the field 'question' is missing, empty or no text"),
        ({"id": 7}, "the field 'id' is missing, empty or no text"),
        ({"qestion": "2?"}, "the field 'qestion' is unknown; did you mean 'question'?"),
        ({"split": "eval"}, "the field 'split' is 'eval'; it takes train, dev, test"),
        ({"steps": []}, "the field 'steps' is missing, empty or no list"),
        ({"steps": ["x"]}, "the field 'steps' has no JSON object as step 1"),
        (
            {"steps": GOOD["steps"][:2]},
            "the field 'steps' is not a run of actions, each with an observation, and an answer",
        ),
        (
            {"steps": [{"kind": "nap"}]},
            f"the field 'steps', step 1: unknown kind of step 'nap'; {KINDS}",
        ),
        ({"values": "4"}, "the field 'values' is no list of texts"),
        (
            {"steps": [{**GOOD["steps"][0], "tool": "clok"}, *GOOD["steps"][1:]]},
            "the field 'steps' uses the tool 'clok'; did you mean 'clock'?",
        ),
        ({"id": "b"}, "the field 'id' is 'b', as on line 1"),
        (
            {"question": "2 \ud800?"},
            "the field 'question' is not Unicode text: it has half of a surrogate pair",
        ),
        (
            {"steps": [{**GOOD["steps"][0], "input": {"\udfff": 2}}, *GOOD["steps"][1:]]},
            "the field 'steps' is not Unicode text: it has half of a surrogate pair",
        ),
    ],
)
def test_a_wrong_row_is_named_by_file_line_and_field(
    change: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "data.jsonl"
    lines = [json.dumps({**GOOD, "id": "b"}), "", json.dumps({**GOOD, **change})]
    file.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_rows(file, tools=TOOLS)
    assert str(caught.value) == f"{file}:3: {problem}"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", ": there is no row in it"),
        (b"\xff\xfe", ": it is not UTF-8 text, at byte 1"),
        (b"{", ":1: it is not JSON: Expecting property name enclosed in double quotes, at character 2"),
        (b"[1]", ":1: it is no JSON object but [1]"),
        (b"[" * 200_000, ":1: it is nested too deeply"),
    ],
)
def test_a_file_without_rows_is_refused(content: bytes, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "data.jsonl"
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_rows(file)
    assert str(caught.value) == f"{file}{problem}"


def test_the_blind_set_is_large_whole_and_not_among_what_is_made(made: list[Row]) -> None:
    blind = read_rows(BLIND, tools=TOOLS)
    kinds = [row.kind.partition("/")[0] for row in blind]
    assert len(blind) >= 120
    assert all(kinds.count(kind) >= 20 for kind in ("calculator", "web_search", "clock", "none"))
    assert {row.split for row in blind} == {"test"}
    asked = {row.question.casefold().rstrip("?.! ") for row in made}
    assert not asked.intersection(row.question.casefold().rstrip("?.! ") for row in blind)
    for row in blind:
        observed = " ".join(step.text for step in row.steps if isinstance(step, Observation))
        assert all(holds(row.answer.text, value) for value in row.values), row.question
        assert all(value in observed for value in row.values), row.question


def test_only_a_newline_ends_a_row(tmp_path: Path) -> None:
    rows = [Row.from_dict({**GOOD, "id": name, "question": "Why\u2028not\x85now?"}) for name in "ab"]
    file = tmp_path / "data.jsonl"
    file.write_text(lines_of(rows), encoding="utf-8", newline="\r\n")
    assert "\u2028" in file.read_text(encoding="utf-8")
    assert read_rows(file) == rows


# --- rows from a batch ---


def answered(number: int, **change: Any) -> dict[str, Any]:
    """A line as `agent-app batch` writes it, of a run of ours."""
    steps: list[Step] = [
        Action("calculator", f"{number} + 1", "Hm, a sum, let me think about that"),
        Observation(str(number + 1)),
        Answer(f"Arr, {number + 1} it be", "Easy"),
    ]
    line = {
        "id": f"q{number}",
        "question": f"What is {number} + 1?",
        "status": "answered",
        "stopped_by": None,
        "steps": [step_to_dict(step) for step in steps],
        "expected": number + 1,
    }
    return {**line, **change}


def written(folder: Path, lines: list[dict[str, Any]]) -> Path:
    file = folder / "answers.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return file


def guessed(number: int) -> list[dict[str, Any]]:
    action, observation, answer = answered(number)["steps"]
    return [{**action, "repairs": ["text after the arguments dropped"]}, observation, answer]


def test_the_successful_runs_of_a_batch_become_rows_with_short_thoughts(tmp_path: Path) -> None:
    taught = rows_of_answers(written(tmp_path, [answered(number) for number in range(100)]))
    assert taught.summary == "0 of 100 answers were left out"
    assert [row.question for row in taught.rows] == [f"What is {number} + 1?" for number in range(100)]
    assert taught.rows[41].steps == (
        Action("calculator", "41 + 1", "I must calculate this"),
        Observation("42"),
        Answer("Arr, 42 it be", "I now know the final answer"),
    )
    assert taught.rows[41].values == ("42",)
    assert taught.rows[41].kind == "calculator/batch"
    parts = [sum(row.split == part for row in taught.rows) for part in PARTS]
    assert parts[0] > 60
    assert all(parts)


def test_a_question_goes_to_the_same_part_whatever_stands_beside_it(tmp_path: Path) -> None:
    many = rows_of_answers(written(tmp_path, [answered(number) for number in range(100)])).rows
    some = rows_of_answers(written(tmp_path, [answered(number) for number in range(99, 40, -1)])).rows
    parts = {row.question: row.split for row in many}
    assert all(parts[row.question] == row.split for row in some)


def test_what_is_left_out_of_a_batch_is_told_with_the_reason(tmp_path: Path) -> None:
    lines = [answered(number) for number in range(60)]
    action, observation, _ = lines[0]["steps"]
    lines += [
        answered(100, status="failed", steps=[]),
        answered(101, status="missing", steps=[action, observation]),
        answered(102, stopped_by="steps"),
        answered(103, steps=guessed(103)),
        answered(104, steps=[{"kind": "unreadable", "text": "Hm"}, observation, *lines[0]["steps"]]),
        answered(105, steps=[{**action, "tool": "oracle"}, *lines[0]["steps"][1:]]),
        answered(106, expected=5),
        answered(107, expected=None),
        answered(7),
    ]
    taught = rows_of_answers(written(tmp_path, lines), tools=TOOLS, right_only=True)
    assert len(taught.rows) == 60
    assert taught.left_out == {
        "without an answer": 2,
        "stopped by a limit": 1,
        "with a reply that was guessed at": 1,
        "with an unreadable reply": 1,
        "with other tools": 1,
        "that are not as expected": 1,
        "with nothing expected": 1,
        "the same question again": 1,
    }
    assert taught.summary.startswith(
        "9 of 69 answers were left out: 2 without an answer, 1 stopped by a limit"
    )


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([answered(n) for n in range(9)], ": only 7 rows are left to tune on, at least 20 are needed; "),
        ([answered(1), {"question": "Why?"}], ":2: the field 'status' is missing or wrong; "),
        ([answered(1, steps=[{"kind": "nap"}])], ":1: the field 'steps': unknown kind of step 'nap'"),
        ([answered(1, steps=["nap"])], ":1: the field 'steps': "),
    ],
)
def test_a_batch_that_teaches_nothing_is_refused(
    lines: list[dict[str, Any]], problem: str, tmp_path: Path
) -> None:
    file = written(tmp_path, lines)
    with pytest.raises(DataError) as caught:
        rows_of_answers(file)
    assert str(caught.value).startswith(f"{file}{problem}")


# --- inputs that are copied, and rows in a chat ---


@pytest.mark.parametrize(
    ("question", "tool", "wanted", "copied"),
    [
        ("Hey, how much is half of 5,400, mate?", "calculator", "5,400 / 2", "half of 5,400"),
        (
            "Add 3 and 4, then multiply it by 5.",
            "calculator",
            "(3 + 4) * 5",
            "Add 3 and 4, then multiply it by 5",
        ),
        ("Tom has 9 pears and eats 4. How many are left?", "calculator", "9 - 4", "9 - 4"),
        ("What date was it 3 weeks ago?", "clock", "today - 3 weeks", "3 weeks ago"),
        ("My exam is on 3 March 2030. What day is that?", "clock", "weekday 3 March 2030", "3 March 2030"),
        ("We had ten hens, six ran off, two came back.", "calculator", "ten - six + 2", "ten - six + 2"),
        ("I pay 50 for a hat at 25 euros. Change?", "calculator", "50 - 25", "50 - 25"),
        ("A fifty for a hat at 25 euros. Change?", "calculator", "fifty - 25", "fifty - 25"),
        ("The cast comes off 9 weeks from today.", "clock", "today + 9 weeks", "9 weeks from today"),
        ("We sail in a fortnight. Which date?", "clock", "today + 14 days", "in a fortnight"),
        ("What time is it?", "clock", "now", "now"),
        ("What is 4 / 0?", "calculator", "4 / 0", "4 / 0"),
        ("Who wrote Dune?", "web_search", "author of Dune", "author of Dune"),
    ],
)
def test_an_input_is_the_shortest_run_of_the_questions_words_that_does(
    question: str, tool: str, wanted: str, copied: str
) -> None:
    assert in_its_words(question, tool, wanted, Recorder(("calculator", "clock"))) == copied


def test_some_rows_come_after_earlier_turns_which_are_read_and_not_learnt(made: list[Row]) -> None:
    chats = [row for row in made if row.turns]
    assert 0.04 < len(chats) / len(made) < 0.13
    assert all(turn.question != row.question for row in chats for turn in row.turns)
    row = chats[0]
    (before, learnt), *_ = bare().spoken(row)
    assert not learnt
    prompt = load_prompt("pirate-soft")
    rendered = prompt.render_run(row.question, (), "", (), row.turns)
    assert before == rendered.head + rendered.tail


def test_turns_come_back_from_a_file_and_wrong_ones_are_named(tmp_path: Path) -> None:
    row = Row.from_dict({**GOOD, "turns": [["Hi", "Ahoy!"]]})
    assert Row.from_dict(row.to_dict()) == row
    for wrong in ("Hi", [["Hi"]], [["Hi", ""]], [["Hi", 3]]):
        with pytest.raises(ValueError, match="the field 'turns'"):
            Row.from_dict({**GOOD, "turns": wrong})


# --- the command ---


def test_rows_replace_a_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = written(tmp_path, [answered(number) for number in range(100)])
    before = answers.read_bytes()
    (tmp_path / "link").symlink_to(tmp_path / "rows.jsonl")
    call = Caller(monkeypatch, capsys, "soft", "data", "--from", str(answers))
    both = "cannot hold both the answers and the rows; name another file for one of them"
    assert call("-o", answers) == (2, "", f"agent-app: {answers} {both}\n")
    assert answers.read_bytes() == before
    code, rows, _ = call("-o", "-")
    assert code == 0
    assert call("-o", tmp_path / "link").code == 0
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "rows.jsonl").read_text(encoding="utf-8") == rows
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "pipe")
        code, _, err = call("-o", tmp_path / "pipe")
        assert (code, err.splitlines()[-1]) == (
            2,
            f"agent-app: {tmp_path / 'pipe'} is no ordinary file, which a finished one could replace",
        )


# --- what stands on the pages that a search finds ---


@given(st.integers(), st.text("0123456789.,- %€m", max_size=20))
def test_other_digits_leave_the_form_of_a_text(seed: int, text: str) -> None:
    drawn = with_other_digits(text, Random(seed))
    assert re.sub(r"\d", "0", drawn) == re.sub(r"\d", "0", text)
    starts = [found.start() for found in re.finditer(r"\d+", text)]
    assert [drawn[at] == "0" for at in starts] == [text[at] == "0" for at in starts]


def test_invented_numbers_are_other_ones_each_time_and_only_to_tune_on() -> None:
    drawn = {part: [t for t in material(part).topics.values() if t.drawn] for part in PARTS}
    assert drawn["train"]
    assert not drawn["dev"]
    assert not drawn["test"]
    assert all(re.search(r"\d", v) for topic in drawn["train"] for _, v in topic.facts)


@pytest.mark.parametrize("part", PARTS)
def test_every_sentence_of_a_topic_tells_the_fact(part: Part) -> None:
    slots = {**asides(Random(1)), "o": "Oslo", "w": "west"}
    for name, topic in material(part).topics.items():
        assert len({v for _, v in topic.facts}) > 1, name
        for sentence in topic.sentences:
            told = in_one_wording(sentence, Random(1)).format(x="Xanadu", v="Vega", **slots)
            assert "Xanadu" in told, sentence
            assert "Vega" in told, sentence


def test_the_pages_of_the_parts_share_no_wording() -> None:
    for name in ("fillers", "titles", "sites"):
        sets = [set(material(part).pages[name]) for part in PARTS]
        assert all(sets)
        assert len(set.union(*sets)) == sum(map(len, sets)), name
