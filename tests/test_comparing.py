"""`agent-app compare`: two files of answers, question by question."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from said import Caller

from agent_app.batch.answers.comparing import compare
from agent_app.batch.answers.rejudging import judge_again
from agent_app.batch.judging.judges import judge_for
from agent_app.batch.output import AnswerRow, json_line
from agent_app.cli import app
from agent_app.errors import BatchError
from agent_app.statistics import Pairs

CHANCE = "p = 0.62 (exact McNemar test, 1 right only in A, 3 only in B)"
NO_ANSWER: dict[str, Any] = {
    "status": "failed",
    "answer": None,
    "error": "down",
    "error_kind": "EndpointDown",
}


def row(number: int, right: bool | None, said: str = "", **more: Any) -> dict[str, Any]:
    usage = {
        "calls": 1,
        "prompt_tokens": 90,
        "completion_tokens": 10,
        "cached_tokens": 0,
        "seconds": 1,
        "cost": 0.01,
    }
    prompt = {"name": "pirate", "version": "1.0", "hash": "f" * 64}
    facts: dict[str, Any] = {
        "id": f"q{number}",
        "question": f"What is {number}?",
        "status": "answered",
        "answer": said or f"{number}",
        "usage": usage,
        "seconds": 1.0,
        "prompt": prompt,
        "model": "openai:parrot",
        "right": right,
        "score": None if right is None else float(right),
    }
    return AnswerRow(**{**facts, **more}).to_dict()


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_bytes(b"".join(map(json_line, rows)))
    return path


def usage(tokens: int, cost: float | None) -> dict[str, Any]:
    return {**row(0, None)["usage"], "prompt_tokens": tokens, "completion_tokens": 0, "cost": cost}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Twelve questions: in B three became right, one wrong, one failed, one is worded otherwise."""
    monkeypatch.chdir(tmp_path)
    a = [row(number, number % 2 == 0) for number in range(12)]
    changed = {
        1: row(1, True, "one", usage=usage(150, 0.02), seconds=2.0),
        3: row(3, True, "three", usage=usage(160, 0.02), seconds=3.0),
        5: row(5, True, "five"),
        4: row(4, False, "fore"),
        7: row(7, False, **NO_ANSWER),
        9: row(9, False, "nein"),
    }
    b = [changed.get(number, a[number]) for number in range(12)]
    b.reverse()  # questions belong together by their ids, not by their places
    return write(Path("a.jsonl"), a), write(Path("b.jsonl"), [*b, row(99, True)])


def test_a_comparison_at_the_terminal(files: tuple[Path, Path]) -> None:
    done = CliRunner().invoke(app, ["compare", *map(str, files)], prog_name="agent-app")
    assert (done.exit_code, done.output.splitlines()) == (
        0,
        [
            "A a.jsonl, 12 questions, prompt pirate 1.0 (ffffffffffff), model openai:parrot",
            "B b.jsonl, 13 questions, 1 failed, prompt pirate 1.0 (ffffffffffff), model openai:parrot",
            "12 questions are in both; 1 only in B",
            "",
            "a question  A          B          B - A         95 % interval             questions",
            "right       50.0%      66.7%      +16.7 points  -16.9 to +45.3 points     12",
            "tokens      100        109        +9            -5 to +23                 12",
            "seconds     1.00       1.25       +0.25         -0.14 to +0.64            12",
            "cost        $0.010000  $0.011667  +$0.001667    -$0.000807 to +$0.004140  12",
            "",
            f"Which is right more often cannot be told from these: {CHANCE}.",
            "Changed: 1 right to wrong, 3 wrong to right, 1 status, 1 text",
            "",
            "q4: right to wrong: What is 4?",
            "  A: 4",
            "  B: fore",
            "",
            "q5: wrong to right: What is 5?",
            "  A: 5",
            "  B: five",
            "",
            "q3: wrong to right: What is 3?",
            "  A: 3",
            "  B: three",
            "",
            "q1: wrong to right: What is 1?",
            "  A: 1",
            "  B: one",
            "",
            "q7: status: What is 7?",
            "  A: 7",
            "  B: (failed: down)",
            "",
            "q9: text: What is 9?",
            "  A: 9",
            "  B: nein",
        ],
    )


def test_a_comparison_as_json_has_the_same_figures(files: tuple[Path, Path]) -> None:
    done = CliRunner().invoke(app, ["compare", "--json", "--rows", "1", *map(str, files)])
    said = json.loads(done.output)
    assert (said["both"], said["counts"]) == (
        12,
        {"right to wrong": 1, "wrong to right": 3, "status": 1, "text": 1},
    )
    assert said["pairs"] == {"both": 5, "only_first": 1, "only_second": 3, "neither": 3}
    assert (said["right"]["p"], said["right"]["test"]) == (0.625, "exact McNemar")
    assert said["b"] == {
        "name": "b.jsonl",
        "questions": 13,
        "prompts": {"pirate 1.0 (ffffffffffff)": 13},
        "models": {"openai:parrot": 13},
        "statuses": {"answered": 12, "failed": 1},
    }
    (change,) = said["changes"]
    assert (change["id"], change["a"]["right"], change["b"]["answer"]) == ("q4", True, "fore")


def test_a_difference_that_chance_hardly_makes_is_called_one(tmp_path: Path) -> None:
    a = write(tmp_path / "a.jsonl", [row(number, number < 5) for number in range(30)])
    b = write(tmp_path / "b.jsonl", [row(number, number < 20) for number in range(30)])
    found = compare(a, b)
    assert found.pairs == Pairs(5, 0, 15, 10)
    assert found.right is not None
    assert found.right.p == pytest.approx(2 / 2**15)
    said = CliRunner().invoke(app, ["compare", "--rows", "0", str(a), str(b)]).output.splitlines()
    assert said[-2:] == [
        "B is right more often: p = 6.1e-05 (exact McNemar test, 0 right only in A, 15 only in B).",
        "Changed: 15 wrong to right",
    ]


def test_repeats_of_a_question_are_one_piece_of_evidence(tmp_path: Path) -> None:
    once = [row(number, number < 2) for number in range(6)]
    thrice = [{**one, "repeat": repeat} for one in once for repeat in (1, 2, 3)]
    a, b = write(tmp_path / "a.jsonl", once), write(tmp_path / "b.jsonl", thrice)
    same = compare(a, b)
    assert (same.pairs, same.changes) == (Pairs(2, 0, 0, 4), ())
    for one in thrice[6::3]:  # a third of the other questions' repeats is right
        one["right"] = True
    found = compare(a, write(b, thrice))
    assert found.pairs is None
    assert found.right is not None
    assert (found.right.questions, found.right.test) == (6, "paired t")
    assert found.right.b - found.right.a == pytest.approx(4 / 18)
    assert found.counts["wrong to right"] == 4


def test_what_was_not_judged_or_not_asked_is_not_counted(tmp_path: Path) -> None:
    missing: dict[str, Any] = {
        "status": "missing",
        "answer": None,
        "error": "not asked",
        "error_kind": "NotAsked",
    }
    a = write(tmp_path / "a.jsonl", [row(1, None), row(2, None), row(3, None, usage=usage(10, None))])
    b = write(tmp_path / "b.jsonl", [row(1, None, "1!"), row(2, None, **missing), row(3, None)])
    found = compare(a, b)
    assert (found.right, found.pairs) == (None, None)
    assert {name: one.questions for name, one in found.measures.items()} == {
        "tokens": 2,
        "seconds": 2,
        "cost": 1,
    }
    assert found.measures["cost"].interval is None
    assert dict(found.counts) == {"right to wrong": 0, "wrong to right": 0, "status": 1, "text": 1}


def test_nothing_that_a_terminal_obeys_gets_there(tmp_path: Path) -> None:
    a = write(tmp_path / "a.jsonl", [row(1, True)])
    b = write(tmp_path / "b.jsonl", [row(1, False, "red \x1b[31m\nalarm", model="\x1b]0;x\x07")])
    assert "\x1b" not in CliRunner().invoke(app, ["compare", str(a), str(b)]).output


def test_a_byte_order_mark_and_blank_lines_are_passed_over(files: tuple[Path, Path]) -> None:
    a, b = files
    before = compare(a, b).to_dict()
    for file in files:
        file.write_bytes(b"\xef\xbb\xbf\n" + file.read_bytes().replace(b"\n", b"\n \r\n"))
    assert compare(a, b).to_dict() == before
    b.write_bytes(b"\xef\xbb\xbf" + b.read_bytes().split(b"\n", 1)[1])
    assert compare(a, b).to_dict() == before
    judge_again(b, judge_for(None), Path("c.jsonl"))
    assert len(Path("c.jsonl").read_bytes().splitlines()) == 13


@pytest.mark.parametrize("command", ["compare b.jsonl", "batch judge -o c.jsonl", "report -o c.html"])
def test_answers_as_csv_are_refused_in_one_way(
    files: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
) -> None:
    files[0].rename("a.csv")
    how = "the same batch with -o NAME.jsonl --journal a.csv.journal writes that and asks nothing"
    call = Caller(monkeypatch, capsys, *command.split())
    assert call("a.csv") == (2, "", f"agent-app: a.csv: answers are read from JSONL; {how}\n")


def bad(line: str) -> str:
    return json.dumps(row(1, True)) + "\n" + line + "\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (bad('\n{"id": "x"'), "b.jsonl:3: it is not JSON; a row of answers is a line of JSONL"),
        (bad('{"id": "x"'), "b.jsonl:2: it is not JSON; a row of answers is a line of JSONL"),
        (bad("5"), "b.jsonl:2: it is no row of answers: it is no JSON object"),
        (bad('{"id": 5}'), "b.jsonl:2: it is no row of answers: its 'id' is 5"),
        (bad('{"question": "a"}'), "b.jsonl:2: it is no row of answers: it has no 'id'"),
        (
            bad(json.dumps(row(2, True, usage={}))),
            "b.jsonl:2: it is no row of answers: its 'usage' is {}",
        ),
        (
            bad(json.dumps(row(2, True, prompt={"name": 5}))),
            "b.jsonl:2: it is no row of answers: its 'prompt' is {'name': 5}",
        ),
        (
            bad(json.dumps(row(2, True, status="failed"))),
            "b.jsonl:2: it is no row of answers: it is failed, its answer '2'",
        ),
        (
            bad(json.dumps(row(1, True, question="Why?"))),
            "b.jsonl:2: the id 'q1' is that of another question before",
        ),
        (
            bad(" \n" + json.dumps(row(1, True, question="Why?"))),
            "b.jsonl:3: the id 'q1' is that of another question before",
        ),
        ("\ufeff\n \n", "b.jsonl: there is no row in it"),
        (
            json.dumps(row(1, True, question="Why?")),
            "b.jsonl: the id 'q1' has another question there than in a.jsonl",
        ),
        (json.dumps(row(2, True)), "a.jsonl and b.jsonl have no question in common: no id is in both"),
        ("", "b.jsonl: there is no row in it"),
        (None, "cannot read b.jsonl: No such file or directory"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_a_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str | None,
    problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("a.jsonl"), [row(1, True)])
    if text is not None:
        Path("b.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(BatchError) as error:
        compare(Path("a.jsonl"), Path("b.jsonl"))
    assert str(error.value) == problem
    call = Caller(monkeypatch, capsys, "compare")
    assert call("a.jsonl", "b.jsonl") == (2, "", f"agent-app: {problem}\n")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
@pytest.mark.parametrize("command", ["compare b.jsonl", "batch judge -o c.jsonl", "report -o c.html"])
def test_answers_that_can_be_read_but_once_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """They are gone through several times; a pipe would be empty from the second time on."""
    monkeypatch.chdir(tmp_path)
    write(Path("b.jsonl"), [row(1, True)])
    reading, writing = os.pipe()
    os.write(writing, Path("b.jsonl").read_bytes())
    os.close(writing)
    once = "can be read but once; write what comes out of it to a file, and name that"
    try:
        call = Caller(monkeypatch, capsys, *command.split())
        assert call(f"/dev/fd/{reading}") == (2, "", f"agent-app: /dev/fd/{reading} {once}\n")
    finally:
        os.close(reading)
    assert [file.name for file in tmp_path.iterdir()] == ["b.jsonl"]
