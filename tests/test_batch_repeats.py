"""A question can be asked several times: each time has a row, or they vote; nothing is asked too often."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from agents import PROMPT, mate
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from langchain_core.messages import BaseMessage
from pydantic import SecretStr
from said import Caller

from agent_app import Agent, Retry, SettingError, Usage, run_batch
from agent_app.batch.formats import Given
from agent_app.batch.judging.voting import ballot_of, elected
from agent_app.batch.output import NOT_FINISHED, AnswerRow, schema
from agent_app.batch.repeating import always_says_the_same, set_temperature
from agent_app.models.embedded import open_embedded
from agent_app.models.endpoint import EndpointModel
from agent_app.testing import FaultyServer, Request, ScriptedModel, Status

VALID = Draft202012Validator(json.loads(schema()))
ROWS: list[Given] = [
    {"id": "a", "question": "a?", "expected": 1},
    {"id": "b", "question": "b?", "expected": 2},
]


def asked(text: str) -> str:
    return text.rpartition("Question: ")[2].partition("\n")[0]


def says(**answers: list[str]) -> Callable[[list[BaseMessage]], str]:
    """Plays a model that gives each question's answers one after the other."""
    left = {f"{question}?": iter(said) for question, said in answers.items()}
    return lambda messages: f" So\nFinal Answer: {next(left[asked(messages[0].text)])}"


def short(rows: list[AnswerRow]) -> list[tuple[Any, ...]]:
    for row in rows:
        VALID.validate(row.to_dict())
    return [(row.id, row.repeat, row.answer, row.right) for row in rows]


def test_each_repeat_has_a_row_and_more_of_them_ask_only_what_is_missing(tmp_path: Path) -> None:
    model = ScriptedModel(repeat=says(a=["It be 1", "2", "1"], b=["1", "2", "2"]))
    agent = Agent(model, mate(tmp_path), tools=[])
    how: dict[str, Any] = {"journal": tmp_path / "a.journal", "concurrency": 1}
    assert short(list(run_batch(agent, ROWS, **how))) == [("a", 1, "It be 1", True), ("b", 1, "1", False)]
    rows: list[Given] = [*ROWS, ROWS[0]]  # an equal row is not asked again
    a = [("a", 1, "It be 1", True), ("a", 2, "2", False), ("a", 3, "1", True)]
    b = [("b", 1, "1", False), ("b", 2, "2", True), ("b", 3, "2", True)]
    assert short(list(run_batch(agent, rows, repeat=3, **how))) == [*a, *b, *a]
    assert len(model.prompts) == 6
    assert short(list(run_batch(agent, rows, repeat=2, **how))) == [*a[:2], *b[:2], *a[:2]]
    as_completed = run_batch(agent, rows, repeat=3, as_completed=True, **how)
    assert sorted(short(list(as_completed))) == sorted([*a, *b, *a])
    assert len(model.prompts) == 6


def test_repeats_vote_without_another_call(tmp_path: Path) -> None:
    model = ScriptedModel(repeat=says(a=["3", "1 doubloon", "It be 1.0"], b=["Aye", "aye!", "nay"]))
    agent = Agent(model, mate(tmp_path), tools=[])
    how: dict[str, Any] = {"journal": tmp_path / "a.journal", "concurrency": 1, "repeat": 3}
    each = list(run_batch(agent, ROWS, **how))
    for as_completed in (False, True):
        a, b = run_batch(agent, ROWS, vote=True, as_completed=as_completed, **how)
        assert short([a, b]) == [("a", 2, "1 doubloon", True), ("b", 1, "Aye", False)]
        assert a.vote == {"share": 0.6667, "of": 3, "answers": {"1": 2, "3": 1}}
        assert b.vote == {"share": 0.6667, "of": 3, "answers": {"aye": 2, "nay": 1}}
        assert (a.usage["calls"], a.attempts) == (3, 3)
        assert a.seconds == pytest.approx(sum(row.seconds for row in each[:3]))
    assert len(model.prompts) == 6


def voter(repeat: int, answer: str | None, **more: Any) -> AnswerRow:
    usage = {
        "calls": 1,
        "prompt_tokens": 5,
        "completion_tokens": 1,
        "cached_tokens": 0,
        "seconds": 0.5,
        "cost": 1,
    }
    if answer is None:
        more = {"status": "failed", "error": "down", "error_kind": "EndpointDown", **more}
    return AnswerRow(
        **{
            "id": "1",
            "question": "q",
            "status": "answered",
            "answer": answer,
            "repeat": repeat,
            "usage": usage,
            **more,
        }
    )


def test_of_answers_with_as_many_votes_the_first_wins() -> None:
    cast = [voter(4, "x"), voter(3, "y"), voter(2, "y"), voter(1, "x")]
    won = elected(cast)
    assert (won.repeat, won.answer, won.vote) == (
        1,
        "x",
        {"share": 0.5, "of": 4, "answers": {"x": 2, "y": 2}},
    )
    assert won.usage == {**voter(1, "x").usage, "calls": 4, "prompt_tokens": 20, "completion_tokens": 4} | {
        "seconds": 2.0,
        "cost": 4,
    }


def test_a_repeat_that_failed_has_no_vote_and_a_missing_one_leaves_all_open() -> None:
    won = elected([voter(1, None), voter(2, "x"), voter(3, None)])
    assert (won.status, won.answer, won.vote) == (
        "answered",
        "x",
        {"share": 0.3333, "of": 3, "answers": {"x": 1}},
    )
    lost = elected([voter(1, None), voter(2, None)])
    assert (lost.status, lost.error, lost.vote, lost.usage["calls"]) == ("failed", "down", None, 2)
    missing = voter(2, None, status="missing", error="it was not asked yet", error_kind="NotAsked")
    still = elected([voter(1, "x"), missing, voter(3, "x")])
    assert (still.status, still.answer, still.error, still.vote) == ("missing", None, NOT_FINISHED, None)
    VALID.validate(still.to_dict())


@pytest.mark.parametrize(
    ("question", "answer", "data", "ballot"),
    [
        ("What is 23 * 47?", "1,081 be 23 times 47", None, "1081"),
        ("Is 7 more than 9?", "7? Nay!", None, "7? nay"),
        ("Who?", " *Nelson*. ", None, "nelson"),
        ("Who?", '{"b": 1, "a": 2}', {"b": 1, "a": 2}, '{"a": 2, "b": 1}'),
    ],
)
def test_an_answer_votes_by_its_data_its_number_or_its_words(
    question: str, answer: str, data: Any, ballot: str
) -> None:
    assert ballot_of(voter(1, answer, question=question, data=data)) == ballot


@given(st.lists(st.sampled_from(["x", "y", "1", "1.0", None]), min_size=2, max_size=9), st.randoms())
def test_no_answer_has_more_votes_than_the_one_that_won(answers: list[str | None], chance: Any) -> None:
    cast = [voter(number, answer) for number, answer in enumerate(answers, 1)]
    won = elected(cast)
    chance.shuffle(cast)
    assert elected(cast) == won
    votes = Counter(ballot_of(row) for row in cast if row.answer is not None)
    if votes:
        assert votes[ballot_of(won)] == max(votes.values())
        assert won.usage["calls"] == len(answers)
    else:
        assert won.status == "failed"


def test_a_vote_takes_several_repeats(tmp_path: Path) -> None:
    agent = Agent(ScriptedModel(repeat=lambda _: "no"), mate(tmp_path), tools=[])
    with pytest.raises(SettingError, match=r"^a vote takes several repeats of each question, such as 3$"):
        list(run_batch(agent, ROWS, vote=True))
    with pytest.raises(SettingError, match=r"^repeat is 0; it takes a whole number above 0$"):
        list(run_batch(agent, ROWS, repeat=0))


def test_a_failed_repeat_is_asked_again_alone(tmp_path: Path) -> None:
    broken = True
    times: Counter[str] = Counter()

    def behave(request: Request) -> Any:
        question = asked(request.texts[0])
        times[question] += 1
        return Status(500) if broken and (question, times[question]) == ("b?", 2) else " So\nFinal Answer: 2"

    with FaultyServer(repeat=behave) as server:
        model = EndpointModel(model="parrot", base_url=server.url, api_key=SecretStr("none"), max_retries=0)
        agent = Agent(model, mate(tmp_path), tools=[], retry=Retry(attempts=1))
        how: dict[str, Any] = {"journal": tmp_path / "a.journal", "concurrency": 1, "repeat": 3}
        first = list(run_batch(agent, ROWS, **how, retry=Retry(attempts=1)))
        assert [row.status for row in first] == ["answered"] * 4 + ["failed", "answered"]
        broken = False
        rows = list(run_batch(agent, ROWS, **how, retry_errors=True))
        assert [(row.status, row.attempts) for row in rows[3:]] == [("answered", n) for n in (1, 2, 1)]
    assert times == {"a?": 3, "b?": 4}


# --- at the terminal ---

ASK = ("batch", "q.jsonl", "-o", "a.jsonl", "-m", "openai:parrot", "-p", "mate.md", "--no-tools")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mate.md").write_text(PROMPT, encoding="utf-8")
    lines = [{"id": f"q{n}", "question": f"What is {n}?", "expected": n} for n in range(12)]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return tmp_path


def start(server: FaultyServer, folder: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "agent_app", *ASK, *more],
        cwd=folder,
        env={**os.environ, "OPENAI_BASE_URL": server.url},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_repeats_of_a_killed_run_are_asked_once_and_vote_at_the_end(folder: Path) -> None:
    def behave(request: Request) -> str:
        return f" So\nFinal Answer: Arg, {asked(request.texts[0])[8:-1]}0 / 10"

    with FaultyServer(repeat=behave, latency=0.05) as server:
        killed = start(server, folder, "--repeat", "5", "--vote", "--concurrency", "3")
        while len(server.requests) < 20 and killed.poll() is None:
            time.sleep(0.01)
        killed.kill()
        killed.communicate()
        assert killed.returncode != 0
        again = start(server, folder, "--repeat", "5", "--vote", "--concurrency", "3")
        _, said = again.communicate(timeout=120)
        assert again.returncode == 0
        times = Counter(asked(request.texts[0]) for request in server.requests)
    assert 60 <= sum(times.values()) <= 60 + 3
    assert min(times.values()) == 5
    rows = [json.loads(line) for line in (folder / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["id"], row["vote"]["share"], row["attempts"]) for row in rows] == [
        (f"q{n}", 1.0, 5) for n in range(12)
    ]
    assert said.splitlines()[0].startswith("a.jsonl: 12 answered; this run took ")


def test_repeats_at_temperature_0_are_warned_of_and_another_one_is_sent(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    call = Caller(monkeypatch, capsys, *ASK, "--repeat", "2", "--fresh")
    with FaultyServer(repeat=lambda _: " So\nFinal Answer: 7") as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        for temperature, warned in (("0", True), ("0.7", False)):
            code, _, said = call("--temperature", temperature)
            assert code == 0
            warning = (
                "each question is asked 2 times, but at temperature 0 a model says hardly anything else each "
                "time; --temperature 0.7 lets it vary"
            )
            assert (said.splitlines()[0] == warning) is warned
            assert server.requests[-1].body["temperature"] == float(temperature)
            assert said.splitlines()[-1].startswith("2 of 24 right: 8.3%, 95 % interval 1.5% to 35.4% (")


def test_a_model_without_a_temperature_is_named() -> None:
    with pytest.raises(SettingError, match=r"^a model of the kind 'scripted' has no temperature$"):
        set_temperature(ScriptedModel(), 0.7)


def test_an_embedded_model_is_told_its_temperature(smollm2: Path) -> None:
    model = open_embedded(smollm2, context=512)
    try:
        assert always_says_the_same(model)
        before = {model.invoke("Tell me a tale.", max_tokens=12).text for _ in range(2)}
        set_temperature(model, 1.5)
        assert not always_says_the_same(model)
        varied = {model.invoke("Tell me a tale.", max_tokens=12).text for _ in range(4)}
    finally:
        model.close()
    assert len(before) == 1
    assert len(varied) > 1


def test_the_usage_of_a_vote_is_that_of_all_repeats() -> None:
    cost = elected([voter(1, "x"), voter(2, "x", usage={**voter(2, "x").usage, "cost": None})]).usage["cost"]
    assert cost is None
    assert Usage(**voter(1, "x").usage).cost == 1
