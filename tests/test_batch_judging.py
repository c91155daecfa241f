"""Answers are judged by what their rows expect, before anything is asked it is said what cannot be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from agents import PROMPT, mate
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from langchain_core.messages import BaseMessage

from agent_app import Agent, BatchError, SettingError, run_batch
from agent_app.batch.formats import Given
from agent_app.batch.judging.judges import judge_for, verdict
from agent_app.batch.judging.numbers import as_number, number_of, numbers_in
from agent_app.batch.output import AnswerRow, schema
from agent_app.testing import ScriptedModel

VALID = Draft202012Validator(json.loads(schema()))
REPLIES = {"What is 23 * 47?": "Arg! It be 1,081 doubloons!", "Who wrote Hamlet?": "Shakespeare, matey"}


def row(answer: str, expected: Any, question: str = "What is it?") -> dict[str, Any]:
    return AnswerRow("1", question, "answered", answer, expected=expected).to_dict()


def says(judge: str, answer: str, expected: Any, question: str = "What is it?") -> bool | None:
    """What a judge says of an answer, after it was made sure that it can."""
    found = judge_for(judge)
    found.check(expected)
    said = verdict(found, row(answer, expected, question))
    assert said.error is None
    right: bool | None = said.fields["right"]
    return right


# --- numbers ---


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,081", ["1081"]),
        ("1.081e3 and 1.081E+3", ["1081", "1081"]),
        ("1.081 × 10^3, 1.081 x 10³, 5*10^{-2}", ["1081", "1081", "0.05"]),
        ("1081 doubloons, 5km, 20th", ["1081", "5", "20"]),
        ("-5, −7, -$5.50, $1,000,000.25", ["-5", "-7", "-5.5", "1000000.25"]),
        ("15 %, 15%, 15 percent, 15 per cent", ["15%"] * 4),
        ("2.5 million, 3 thousand", ["2500000", "3000"]),
        ("23-47, 2019-05-01", ["23", "47", "2019", "5", "1"]),
        ("1,2,3 or 1, 2", ["1", "2", "3", "1", "2"]),
        ("1\u202f081 and 12’345", ["1081", "12345"]),
        ("**1081**, _7_, (.5)", ["1081", "7", "0.5"]),
        ("GPT4, h2o, version 3.11.2", ["3.11"]),
        ("Arg, four! Minus three, twenty", ["4", "-3", "20"]),
        ("four of 5", ["5"]),
        ("1e999", ["1E+999"]),
        ("none, nothing", []),
    ],
)
def test_numbers_are_found_however_they_are_written(text: str, found: list[str]) -> None:
    assert [str(number) for number in numbers_in(text)] == found


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9))
def test_a_number_that_is_written_is_found_again(number: Decimal) -> None:
    for text in (f"{number:f}", f"{number:,f}", f"It be {number:f}, matey.", f"{number:e}"):
        (found,) = numbers_in(text)
        assert found.value == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_of_json_is_taken_as_it_is(number: float) -> None:
    found = as_number(number)
    assert found is not None
    assert float(found.value) == number


@given(st.text())
@example("10000000000000000000000000001")
def test_any_text_has_numbers_or_none(text: str) -> None:
    for number in numbers_in(text):
        assert numbers_in(str(number)) == [number]


@pytest.mark.parametrize(
    ("question", "answer", "number"),
    [
        ("What is 23 * 47?", "1,081 be the answer to 23 * 47, matey", "1081"),
        ("What is 23 * 47?", "First 23, then 47, so 940 and at last 1081", "1081"),
        ("Is 7 or 9 more?", "Of 7 and 9 more be 9", "9"),
        ("How many?", "Nobody knows", "None"),
    ],
)
def test_the_number_an_answer_gives_is_the_last_one_that_the_question_does_not_state(
    question: str, answer: str, number: str
) -> None:
    assert str(number_of(answer, question)) == number


# --- rules ---


@pytest.mark.parametrize(
    ("judge", "answer", "expected", "right"),
    [
        ("exact", " *Paris*.", "paris", True),
        ("exact", "It is Paris", "paris", False),
        ("exact", "New   York", "new york", True),
        ("exact", "42", 42, True),
        ("contains", "Arg! It be Paris, matey", "paris", True),
        ("contains", "The party", "art", False),
        ("contains", "They write C++ there", "C++", True),
        ("contains", "Built in 1,765 with 104 guns", 1765, True),
        ("contains", "13 masts", "3", False),
        ("contains", "Straße", ["street", "STRASSE"], True),
        ("number", "1,081 doubloons", 1081, True),
        ("number", "1.081e3", "1081 doubloons", True),
        ("number", "Built in 1765 with 104 guns", 1765, False),
        ("number", "about 3.14", 3.14159, False),
        ("number:0.01", "about 3.14", 3.14159, True),
        ("number:1%", "99", 100, True),
        ("number:1%", "98", 100, False),
        ("number", "0.33333333", 1 / 3, True),
        ("number", "-5", 5, False),
        ("number", "15 %", 0.15, True),
        ("number", "15 %", 15, True),
        ("number", "0.15", "15 %", True),
        ("number", "0.15", 15, False),
        ("number", "no idea", 5, False),
        ("number", "7", [5, "7"], True),
        ("regex", "Aye, captain", r"^Aye\b", True),
        ("regex", "aye", "Aye", False),
        ("auto", "It be 1,081!", 1081, True),
        ("auto", "It be 1,081!", "1081", True),
        ("auto", "It be Paris!", "Paris", True),
        ("auto", "It be Paris!", {"regex": "^Paris"}, False),
        ("exact", "3.1", {"number": 3.14159, "within": 0.1}, True),
        ("auto", "3.1", {"number": 3.14159, "within": "1%"}, False),
        ("auto", "3.1", {"colour": "red"}, None),
        ("auto", "3.1", None, None),
    ],
)
def test_a_rule_says_what_is_right(judge: str, answer: str, expected: Any, right: bool | None) -> None:
    assert says(judge, answer, expected) is right


@pytest.mark.parametrize(
    ("judge", "expected", "problem"),
    [
        ("number", "plenty", "'expected' is 'plenty'; the judge 'number' takes a number, or a list of them"),
        ("number", True, "'expected' is True; the judge 'number' takes a number, or a list of them"),
        ("exact", {"a": 1}, "'expected' is {'a': 1}; this judge takes a text or a number, or a list"),
        ("contains", " ", "'expected' is an empty text"),
        ("exact", [], "'expected' is an empty list"),
        ("regex", "(", "'expected' is no regular expression: missing ) at position 1: '('"),
        (
            "auto",
            {"number": 3, "within": "far"},
            "'far' is neither a number such as 0.01 nor a share such as 1%",
        ),
    ],
)
def test_what_cannot_be_expected_is_said(judge: str, expected: Any, problem: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - its whole text is compared
        judge_for(judge).check(expected)
    assert str(error.value) == problem


def test_a_regular_expression_that_never_ends_marks_its_row() -> None:
    said = verdict(judge_for("regex"), row("a" * 40 + "!", "(a|a|aa)+$"))
    assert said.fields == {
        "right": None,
        "score": None,
        "judge": "regex",
        "judge_error": "TimeoutError: regex timed out",
    }


def test_a_row_that_failed_is_not_right_and_one_that_was_not_asked_is_not_judged() -> None:
    judge = judge_for("exact")
    failed = AnswerRow("1", "a", "failed", error="no", expected="b").to_dict()
    missing = AnswerRow("1", "a", "missing", error="no", expected="b").to_dict()
    assert verdict(judge, failed).fields == {
        "right": False,
        "score": 0.0,
        "judge": "exact",
        "judge_error": None,
    }
    assert verdict(judge, missing).fields == {
        "right": None,
        "score": None,
        "judge": None,
        "judge_error": None,
    }


# --- functions ---

JUDGES = """\
import os

def voice(row):
    return "Arg" in row["answer"]

def half(row):
    return 0.5

def crash(row):
    raise KeyError(row["id"])

def leave(row):
    raise SystemExit(0)

def tell(row):
    raise ValueError("no access with " + os.environ["JUDGES_API_KEY"])

def many(row):
    return 7

number = 5
"""


@pytest.fixture
def judges(tmp_path: Path) -> Path:
    (tmp_path / "judges.py").write_text(JUDGES, encoding="utf-8")
    (tmp_path / "broken.py").write_text("def f(:\n", encoding="utf-8")
    return tmp_path / "judges.py"


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("voice", (True, 1.0, None)),
        ("half", (True, 0.5, None)),
        ("crash", (None, None, "KeyError: '1'")),
        ("leave", (None, None, "SystemExit: 0")),
        ("tell", (None, None, "ValueError: no access with [secret: JUDGES_API_KEY]")),
        ("many", (None, None, "ValueError: {} returned 7; a judge returns True, False or 0 to 1")),
    ],
)
def test_a_python_function_judges(
    judges: Path, name: str, fields: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGES_API_KEY", "topsecret-123456789")
    reference = f"{judges}:{name}"
    said = verdict(judge_for(reference), row("Arg!", None)).fields
    right, score, error = fields
    expected = {
        "right": right,
        "score": score,
        "judge": reference,
        "judge_error": error and error.format(reference),
    }
    assert said == expected


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nunber", "unknown judge 'nunber'; did you mean 'number'? or give file.py:function"),
        ("number:x", "judge 'number:x': 'x' is neither a number such as 0.01 nor a share such as 1%"),
        ("{}:voise", "cannot use {}:voise: there is no function 'voise'; did you mean 'voice'?"),
        (
            "{}:number",
            (
                "cannot use {}:number: there is no function 'number'; "
                "known: voice, half, crash, leave, tell, many"
            ),
        ),
        (
            "no_such_module:f",
            "cannot use no_such_module:f: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("{}/broken.py:f", "cannot use {}/broken.py:f: SyntaxError: invalid syntax (broken.py, line 1)"),
    ],
)
def test_a_judge_that_cannot_be_had_is_named(judges: Path, name: str, problem: str) -> None:
    place = judges.parent if "broken" in name else judges
    with pytest.raises(SettingError) as error:
        judge_for(name.format(place))
    assert str(error.value) == problem.format(place)


def test_a_function_of_a_module_judges() -> None:
    assert verdict(judge_for("builtins:bool"), row("a", None)).score == 1.0


# --- in a batch ---


def play(messages: list[BaseMessage]) -> str:
    question = messages[0].text.rpartition("Question: ")[2].partition("\n")[0]
    return f" So\nFinal Answer: {REPLIES.get(question, 'Aye!')}"


def marks(rows: Iterable[AnswerRow]) -> list[tuple[Any, ...]]:
    return [(row.right, row.score, row.judge, row.judge_error) for row in rows]


def test_rows_are_judged_on_their_way_and_anew_without_another_call(tmp_path: Path) -> None:
    model = ScriptedModel(repeat=play)
    agent, journal = Agent(model, mate(tmp_path), tools=["calculator"]), tmp_path / "a.journal"
    rows: list[Given] = [
        {"question": "What is 23 * 47?", "expected": 1081},
        {"question": "Who wrote Hamlet?", "expected": "Marlowe"},
        "Ready?",
    ]
    first = list(run_batch(agent, rows, journal=journal))
    assert marks(first) == [
        (True, 1.0, "number", None),
        (False, 0.0, "contains", None),
        (None, None, None, None),
    ]
    for answer in first:
        VALID.validate(answer.to_dict())

    def long(row: dict[str, Any]) -> float:
        return len(row["answer"]) / 50

    again = run_batch(agent, rows, journal=journal, judge=long)
    assert marks(again) == [
        (True, 0.54, "long", None),
        (False, 0.36, "long", None),
        (False, 0.08, "long", None),
    ]
    assert len(model.prompts) == 3


def test_a_row_that_cannot_be_judged_is_named_before_anything_is_asked(tmp_path: Path) -> None:
    model = ScriptedModel(repeat=play)
    rows: list[Given] = [{"question": "a", "expected": 5}, {"question": "b", "expected": "plenty"}]
    with pytest.raises(
        BatchError, match=r"^rows:2: 'expected' is 'plenty'; the judge 'number' takes a number"
    ):
        list(run_batch(Agent(model, mate(tmp_path), tools=[]), rows, judge="number"))
    assert model.prompts == []


def batch(folder: Path, *arguments: str) -> tuple[int, list[str]]:
    command = [sys.executable, "-m", "agent_app", *arguments]
    done = subprocess.run(command, cwd=folder, env=os.environ, capture_output=True, text=True, timeout=120)
    assert done.stdout == "" or "status" in arguments
    return done.returncode, (done.stderr + done.stdout).splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mate.md").write_text(PROMPT, encoding="utf-8")
    (tmp_path / "judges.py").write_text(JUDGES, encoding="utf-8")
    lines = [{"id": f"q{n}", "question": f"What is {n}?", "expected": n % 2} for n in range(4)]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    replies = " So\nFinal Answer: Arg, it be one!\n---\n" * 4
    (tmp_path / "replies.txt").write_text(replies.removesuffix("---\n"), encoding="utf-8")
    return tmp_path


ASK = ("batch", "q.jsonl", "-o", "a.jsonl", "-m", "scripted:replies.txt", "-p", "mate.md", "--no-tools")
RIGHT = "2 of 4 right: 50.0%, 95 % interval 15.0% to 85.0% (judged by number)"


def test_the_share_that_is_right_is_told_at_the_end_and_by_status(folder: Path) -> None:
    code, said = batch(folder, *ASK, "--concurrency", "1")
    assert (code, said[1:]) == (0, [RIGHT])
    code, said = batch(folder, "batch", "status", "a.jsonl")
    assert (code, said[:2]) == (0, ["4 of 4 questions answered", RIGHT])


def test_a_file_of_answers_is_judged_again_without_a_model(folder: Path) -> None:
    assert batch(folder, *ASK, "--concurrency", "1")[0] == 0
    before = (folder / "a.jsonl").read_bytes()
    code, said = batch(folder, "batch", "judge", "a.jsonl", "--judge", "judges.py:voice", "-o", "voice.jsonl")
    assert (code, said) == (
        0,
        ["4 of 4 right: 100.0%, 95 % interval 51.0% to 100.0% (judged by judges.py:voice)"],
    )
    assert (folder / "a.jsonl").read_bytes() == before
    assert batch(folder, "batch", "judge", "a.jsonl", "--judge", "judges.py:crash") == (
        0,
        ["4 could not be judged: KeyError: 'q0' and 3 other errors"],
    )
    rows = [json.loads(line) for line in (folder / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["judge_error"] for row in rows] == [f"KeyError: 'q{n}'" for n in range(4)]
    for line in rows:
        VALID.validate(line)
    assert batch(folder, "batch", "judge", "a.jsonl") == (0, [RIGHT])
    judged = subprocess.run(
        [sys.executable, "-m", "agent_app", "batch", "judge", "a.jsonl", "-o", "-"],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    assert (judged.stdout, judged.stderr.decode().splitlines()) == (before, [RIGHT])
    assert not (folder / "-").exists()
    assert batch(folder, "batch", "judge", ".") == (
        2,
        ["agent-app: . is a folder; name a file of answers, such as answers.jsonl"],
    )
    assert (folder / "a.jsonl").read_bytes() == before
    (folder / "a.jsonl.part").touch()
    assert batch(folder, "batch", "judge", "a.jsonl") == (
        2,
        ["agent-app: a.jsonl.part is there: the batch that writes it has not ended; run it again first"],
    )


def test_a_judge_that_is_none_is_said_in_a_line_before_anything_runs(folder: Path) -> None:
    (folder / "replies.txt").unlink()  # else that would be complained of first
    assert batch(folder, *ASK, "--judge", "judges.py:voise") == (
        2,
        ["agent-app: cannot use judges.py:voise: there is no function 'voise'; did you mean 'voice'?"],
    )
    assert batch(folder, "batch", "judge", "q.jsonl") == (
        2,
        ["agent-app: q.jsonl:1: it is no row of answers: it has no 'status'"],
    )
