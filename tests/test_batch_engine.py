"""Every row ends with an answer or a named error, and nothing is paid for twice."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from agents import MULTIPLY, PROMPT, mate
from langchain_core.messages import BaseMessage
from langchain_core.tools import tool
from pydantic import SecretStr

from agent_app import (
    Agent,
    BatchError,
    Budget,
    EndpointRefused,
    Price,
    Retry,
    SettingError,
    Usage,
    arun_batch,
    load_prompt,
    run_batch,
)
from agent_app.batch.formats import Given
from agent_app.batch.journal.spare import Spare
from agent_app.batch.output import AnswerRow
from agent_app.errors import PromptError
from agent_app.models.endpoint import EndpointModel
from agent_app.models.scripted import ScriptedModel
from agent_app.testing import BreakOff, FaultyServer, Garbage, Refuse, Request, Say, Silence, Stall, Status

QUICK = Retry(attempts=4, first=0.01)
"""Waits hardly at all."""


def numbers(count: int) -> list[str]:
    return [f"What is {number}?" for number in range(count)]


def asked(text: str) -> str:
    """The question that a prompt asks."""
    return text.rpartition("Question: ")[2].partition("\n")[0]


def echo(messages: list[BaseMessage]) -> str:
    return f" So\nFinal Answer: Arg, {asked(messages[0].text)}"


def agent_of(folder: Path, model: Any, **more: Any) -> Agent:
    more.setdefault("tools", ["calculator"])
    return Agent(model, mate(folder), **more)


def at(server: FaultyServer, folder: Path, **more: Any) -> Agent:
    model = EndpointModel(
        model="parrot",
        base_url=server.url,
        api_key=SecretStr("none"),
        max_retries=0,
        default_headers={"Connection": "close"},
    )
    return agent_of(folder, model, retry=Retry(attempts=1), **more)


def short(rows: Iterable[AnswerRow]) -> list[tuple[str, str | None, str | None]]:
    return [(row.status, row.answer, row.error_kind) for row in rows]


def test_answers_come_in_the_order_of_the_rows_and_equal_ones_are_asked_once(tmp_path: Path) -> None:
    model = ScriptedModel(repeat=echo)
    rows: list[Given] = [*numbers(10), {"question": "What is 3?", "id": "mine", "expected": 3, "topic": "x"}]
    answers = list(run_batch(agent_of(tmp_path, model), rows))
    assert [row.answer for row in answers] == [f"Arg, {q}" for q in [*numbers(10), "What is 3?"]]
    assert len(model.prompts) == 10
    last = answers[-1]
    assert (last.id, last.expected, last.fields) == ("mine", 3, {"topic": "x"})
    assert (last.error, last.attempts, last.model, last.usage["calls"]) == (None, 1, "scripted", 1)


def test_answers_can_come_as_they_are_completed(tmp_path: Path) -> None:
    def behave(request: Request) -> Any:
        question = asked(request.texts[0])
        text = f" So\nFinal Answer: {question}"
        return Status(500) if question == "What is 0?" and len(server.requests) < 3 else text

    with FaultyServer(repeat=behave) as server:
        rows = [*numbers(4), "What is 3?"]
        answers = list(
            run_batch(at(server, tmp_path), rows, as_completed=True, retry=Retry(first=1.0), concurrency=2)
        )
    assert sorted(str(row.answer) for row in answers) == sorted(rows)
    assert answers[-1].question == "What is 3?"
    assert [row.question for row in answers].index("What is 0?") > 0


async def test_answers_as_they_are_completed_end_however_slowly_they_are_taken(tmp_path: Path) -> None:
    agent, journal = agent_of(tmp_path, ScriptedModel(repeat=echo)), tmp_path / "a.journal"
    async with asyncio.timeout(30):
        for count in (3, 4):  # the fourth is done long before the others have been handed on
            rows = arun_batch(agent, numbers(count), journal=journal, as_completed=True)
            assert len([await asyncio.sleep(0.2, row) async for row in rows]) == count


def test_a_run_that_was_broken_off_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    model = ScriptedModel(repeat=echo, latency=0.02)
    agent = agent_of(tmp_path, model)
    journal = tmp_path / "a.journal"
    first = []
    for row in run_batch(agent, numbers(40), journal=journal, concurrency=3):
        first.append(row)
        if len(first) == 10:
            break
    kept = journal.read_bytes().count(b'"status":"answered"')
    assert 10 <= kept < 40
    answers = list(run_batch(agent, numbers(40), journal=journal))
    assert short(answers) == [("answered", f"Arg, {question}", None) for question in numbers(40)]
    counts = Counter(asked(messages[0].text) for messages in model.prompts)
    assert sum(counts.values()) <= 40 + 3  # those that were on their way when it was broken off
    again = list(run_batch(agent, numbers(40), journal=journal))
    assert again == answers
    assert sum(counts.values()) == len(model.prompts)


def test_whatever_the_server_does_every_row_ends_with_an_answer_or_a_named_error(tmp_path: Path) -> None:
    kinds: list[Any] = [
        Status(429, headers={"Retry-After": "0.1"}),
        Status(500),
        Garbage(b"<html>"),
        Garbage(b"\0\1", http=False),
        BreakOff("Final Ans"),
        Silence(30),
        Refuse(),
    ]
    seen: Counter[str] = Counter()

    def behave(request: Request) -> Any:
        question = asked(request.texts[0])
        seen[question] += 1
        number = int(question.strip("What is?"))
        if number < 14 and seen[question] <= number // 7 * 10 + 1:  # once, or always
            return kinds[number % 7]
        return Say(f" So\nFinal Answer: {question}", Usage(prompt_tokens=10, completion_tokens=5))

    with FaultyServer(repeat=behave) as server:
        agent = at(server, tmp_path, call_seconds=1.0)
        answers = list(run_batch(agent, numbers(20), retry=Retry(attempts=3, first=0.05), concurrency=20))
    down, busy = "EndpointDown", "EndpointBusy"
    assert [(row.status, row.error_kind, row.attempts) for row in answers] == [
        *[("answered", None, 2)] * 7,
        *[("failed", kind, 3) for kind in (busy, down, down, down, down, down, down)],
        *[("answered", None, 1)] * 6,
    ]
    assert [row.answer is None for row in answers] == [row.status == "failed" for row in answers]
    failed = [row.error for row in answers if row.error]
    assert "is asked too often (HTTP 429)" in failed[0]
    assert "gave no answer within 1 s" in failed[5]


def test_a_row_that_broke_off_goes_on_from_the_steps_that_were_paid_for(tmp_path: Path) -> None:
    used: list[str] = []

    @tool
    def calculator(expression: str) -> str:
        """Calculate."""
        used.append(expression)
        return "1081"

    with FaultyServer(MULTIPLY, Status(503), Status(503), " So\nFinal Answer: Arg, 1081!") as server:
        (row,) = run_batch(at(server, tmp_path, tools=[calculator]), ["What is 23 * 47?"], retry=QUICK)
    assert (row.answer, row.attempts, row.usage["calls"], used) == ("Arg, 1081!", 3, 4, ["23 * 47"])
    assert [step["kind"] for step in row.steps] == ["action", "observation", "answer"]


def test_an_old_error_stays_until_there_is_an_answer(tmp_path: Path) -> None:
    journal = tmp_path / "a.journal"
    how: dict[str, Any] = {"journal": journal, "retry": Retry(attempts=1)}
    with FaultyServer(Status(503), Status(500), "Final Answer: yes") as server:
        agent = at(server, tmp_path)
        (first,) = run_batch(agent, ["Well?"], **how)
        (same,) = run_batch(agent, ["Well?"], **how)
        assert first == same
        (second,) = run_batch(agent, ["Well?"], retry_errors=True, **how)
        (third,) = run_batch(agent, ["Well?"], retry_errors=True, **how)
    assert first.error_kind == "EndpointDown"
    assert "(HTTP 503)" in str(first.error)
    assert (second.error, second.attempts, second.usage["calls"]) == (first.error, 2, 2)
    assert (third.status, third.answer, third.error, third.attempts) == ("answered", "yes", None, 3)


def test_another_model_that_takes_over_makes_another_agent(tmp_path: Path) -> None:
    first, second = (f"scripted:{tmp_path / name}" for name in ("first.txt", "second.txt"))
    for name in ("first.txt", "second.txt"):
        (tmp_path / name).write_text("Final Answer: Arr\n", encoding="utf-8")

    def answer(*fallbacks: Any) -> list[AnswerRow]:
        agent = agent_of(tmp_path, ScriptedModel(repeat=echo), fallbacks=fallbacks)
        return list(run_batch(agent, ["Well?"], journal=tmp_path / "a.journal"))

    answer(first, ScriptedModel())
    changed = re.escape(f"fallbacks was {first}, scripted, is {second}\n")
    with pytest.raises(BatchError, match=changed):
        answer(second)
    with pytest.raises(BatchError, match="fallbacks is gone"):
        answer()


@pytest.mark.parametrize(("max_errors", "failed"), [(3, 3), (0.5, 20)])
def test_a_run_that_goes_wrong_is_stopped(tmp_path: Path, max_errors: float, failed: int) -> None:
    with FaultyServer(repeat=Status(500)) as server:
        rows = run_batch(
            at(server, tmp_path), numbers(60), retry=Retry(attempts=1), max_errors=max_errors, concurrency=1
        )
        counts = Counter(row.status for row in rows)
    assert counts == {"failed": failed, "missing": 60 - failed}


def test_what_is_wrong_for_all_rows_ends_the_run(tmp_path: Path) -> None:
    journal = tmp_path / "a.journal"
    with FaultyServer("Final Answer: yes", repeat=Status(401)) as server:
        rows = run_batch(at(server, tmp_path), numbers(5), journal=journal, concurrency=1)
        assert [next(rows).status for _ in range(5)] == ["answered", *["missing"] * 4]
        with pytest.raises(EndpointRefused, match="refuses the key"):
            next(rows)
        assert len(server.requests) == 2
    with FaultyServer(repeat="Final Answer: yes") as server:
        answers = list(run_batch(at(server, tmp_path), numbers(5), journal=journal))
        assert len(server.requests) == 4
    assert [row.answer for row in answers] == ["yes"] * 5


def test_a_tool_that_crashes_is_one_rows_trouble(tmp_path: Path) -> None:
    @tool
    def calculator(expression: str) -> str:
        """Calculate."""
        raise RuntimeError("no abacus")

    def behave(messages: list[BaseMessage]) -> str:
        return MULTIPLY if asked(messages[0].text) == "What is 1?" else echo(messages)

    agent = agent_of(tmp_path, ScriptedModel(repeat=behave), tools=[calculator])
    answers = list(run_batch(agent, numbers(3)))
    assert [row.status for row in answers] == ["answered", "failed", "answered"]
    assert (answers[1].error, answers[1].error_kind) == (
        "the tool 'calculator' crashed: RuntimeError: no abacus",
        "ToolCrash",
    )


def test_a_limit_without_an_answer_is_a_named_error(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, ScriptedModel(repeat=MULTIPLY), max_steps=1, on_limit="stop")
    (row,) = run_batch(agent, ["Why?"])
    assert (row.status, row.answer, row.stopped_by) == ("failed", None, "steps")
    assert (row.error, row.error_kind) == (
        "stopped by the limit of steps; there is no answer",
        "LimitReached",
    )


@pytest.mark.parametrize("concurrency", [1, 16])
def test_a_budget_is_never_exceeded_and_the_rest_can_be_asked_later(tmp_path: Path, concurrency: int) -> None:
    def behave(messages: list[BaseMessage]) -> Say:
        return Say(echo(messages), Usage(prompt_tokens=100, completion_tokens=100))

    journal = tmp_path / "a.journal"
    budget = Budget(tokens=20_000, cost=0.1)
    model = ScriptedModel(repeat=behave, latency=0.01)
    agent = agent_of(tmp_path, model, budget=budget, prices=Price(1, 2))
    answers = list(run_batch(agent, numbers(200), journal=journal, concurrency=concurrency))
    counts = Counter(row.status for row in answers)
    assert counts["answered"] == len(model.prompts)
    assert budget.spent.tokens == 200 * counts["answered"] <= 20_000
    assert counts["answered"] >= 50  # what others had reserved was waited for, not taken for spent
    assert counts["missing"] == 200 - counts["answered"]
    assert budget.reserved.tokens == 0
    rest = agent_of(tmp_path, model)
    assert {row.status for row in run_batch(rest, numbers(200), journal=journal)} == {"answered"}
    assert len(model.prompts) == 200


def test_after_its_time_a_run_begins_no_further_row(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, ScriptedModel(repeat=echo, latency=0.1))
    began = time.monotonic()
    answers = list(run_batch(agent, numbers(500), max_seconds=0.35, concurrency=2))
    assert time.monotonic() - began < 10
    counts = Counter(row.status for row in answers)
    assert 2 <= counts["answered"] <= 12
    assert counts["missing"] == 500 - counts["answered"]


def test_rows_give_values_to_the_prompts_inputs(tmp_path: Path) -> None:
    text = PROMPT.replace("mate", "dated").replace(
        "version:", "inputs:\n  year: {type: integer}\n  tone: {type: string}\nversion:"
    )
    file = tmp_path / "dated.md"
    file.write_text(text.replace("Question:", "In {year}, {tone}.\nQuestion:"), encoding="utf-8")
    model = ScriptedModel(repeat=echo)
    agent = Agent(model, load_prompt(file), tools=["calculator"])
    rows = [{"question": "Why?", "year": year} for year in (1720, 1721, 1720)]
    answers = list(run_batch(agent, rows, values={"tone": "calm"}, concurrency=1))
    assert [row.fields for row in answers] == [{"year": 1720}, {"year": 1721}, {"year": 1720}]
    told = [messages[0].text.partition("In ")[2].partition("\n")[0] for messages in model.prompts]
    assert told == ["1720, calm.", "1721, calm."]
    with pytest.raises(BatchError, match=r"^rows:1: there is no field 'year', which the prompt takes"):
        list(run_batch(agent, ["Why?"], values={"tone": "calm"}))
    asked = len(model.prompts)
    with pytest.raises(PromptError, match="mood"):
        list(run_batch(agent, rows, values={"tone": "calm", "mood": "good"}))
    assert len(model.prompts) == asked


def test_at_the_end_of_a_program_nothing_is_left_open_that_python_complains_of(tmp_path: Path) -> None:
    program = """if True:
        from agent_app import Agent, run_batch
        agent = Agent("openai:parrot", tools=["calculator"])
        rows = list(run_batch(agent, ["Why?", "How?"]))
        print(*(row.answer for row in rows))
    """
    with FaultyServer(repeat=" So\nFinal Answer: Arg") as server:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "OPENAI_BASE_URL": server.url},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "Arg Arg\n", "")


async def test_the_rows_can_be_awaited(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, ScriptedModel(repeat=echo))
    assert [row.answer async for row in arun_batch(agent, numbers(3))] == [f"Arg, {q}" for q in numbers(3)]


def test_a_file_of_questions_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("Why?\nHow?\n", encoding="utf-8")
    agent = agent_of(tmp_path, ScriptedModel(repeat=echo))
    assert [row.answer for row in run_batch(agent, tmp_path / "q.txt")] == ["Arg, Why?", "Arg, How?"]


def test_secrets_do_not_get_into_the_answers(tmp_path: Path) -> None:
    key = "sk-" + "a" * 30
    agent = agent_of(tmp_path, ScriptedModel(repeat=echo))
    journal = tmp_path / "a.journal"
    given = {"question": f"Is {key} mine?", "id": f"id-{key}", "note": key, key: 1, "expected": key}
    (row,) = run_batch(agent, [given], journal=journal)
    mark = "[secret: OpenAI key]"
    assert (row.question, row.id, row.expected) == (f"Is {mark} mine?", f"id-{mark}", mark)
    assert row.fields == {"note": mark, mark: 1}
    assert key not in journal.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ({"concurrency": 0}, "concurrency is 0; it takes a whole number above 0, or 'auto'"),
        ({"calls_per_minute": 0}, "calls_per_minute is 0; it takes a number above 0"),
        ({"tokens_per_minute": float("inf")}, "tokens_per_minute is inf; it takes a number above 0"),
        ({"max_errors": -1}, "max_errors is -1; it takes a number above 0"),
        ({"max_seconds": 0}, "max_seconds is 0; it takes a number above 0"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(tmp_path: Path, how: Any, complaint: str) -> None:
    agent, journal = agent_of(tmp_path, ScriptedModel(repeat=echo)), tmp_path / "a.journal"
    list(run_batch(agent, ["Why?"], journal=journal))
    kept = journal.read_bytes()
    with pytest.raises(SettingError) as caught:
        list(run_batch(agent, ["Why?"], journal=journal, fresh=True, **how))
    assert str(caught.value) == complaint
    assert journal.read_bytes() == kept


def test_room_is_taken_for_no_more_answers_than_there_are_to_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    monkeypatch.setattr(Spare, "take_room", lambda _, rows: taken.append(rows))
    agent, journal = agent_of(tmp_path, ScriptedModel(repeat=echo)), tmp_path / "a.journal"
    for count in (1, 3):
        list(run_batch(agent, numbers(count), journal=journal, concurrency=999_999))
    assert taken == [1, 2]


def test_what_was_on_its_way_when_a_run_was_given_up_goes_on_from_its_steps(tmp_path: Path) -> None:
    journal = tmp_path / "a.journal"

    def behave(messages: list[BaseMessage]) -> Any:
        if "Observation:" in messages[0].text:
            return Stall(60)
        return MULTIPLY if asked(messages[0].text) == "What is 1?" else echo(messages)

    model = ScriptedModel(repeat=behave)
    rows = run_batch(agent_of(tmp_path, model), numbers(2), journal=journal)
    assert next(rows).answer == "Arg, What is 0?"
    while len(model.prompts) < 3:
        time.sleep(0.01)
    rows.close()  # type: ignore[attr-defined]
    assert journal.read_bytes().count(b'"status":"begun"') == 1
    again = ScriptedModel(replies=[" So\nFinal Answer: Arg, 1081!"])
    first, second = run_batch(agent_of(tmp_path, again), numbers(2), journal=journal)
    assert (first.attempts, second.answer, second.attempts) == (1, "Arg, 1081!", 2)
    assert [step["kind"] for step in second.steps] == ["action", "observation", "answer"]
    assert second.usage["calls"] == 3


def test_a_row_that_waits_for_its_next_attempt_keeps_its_steps_when_the_run_is_given_up(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "a.journal"
    with FaultyServer("Final Answer: yes", MULTIPLY, Status(503)) as server:
        how: dict[str, Any] = {"journal": journal, "concurrency": 1, "as_completed": True}
        rows = run_batch(at(server, tmp_path), numbers(2), retry=Retry(first=1000.0, longest=1000.0), **how)
        assert next(rows).answer == "yes"
        while len(server.requests) < 3 or server.requests[-1].ended is None:
            time.sleep(0.01)
        time.sleep(0.1)
        rows.close()  # type: ignore[attr-defined]
    with FaultyServer(" So\nFinal Answer: Arg, 1081!") as server:
        first, second = run_batch(at(server, tmp_path), numbers(2), journal=journal)
    assert (first.answer, second.answer, second.usage["calls"]) == ("yes", "Arg, 1081!", 3)


def test_the_guide_to_batches_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (Path(__file__).resolve().parents[1] / "docs" / "batches.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    said: list[tuple[Any, ...]] = []
    exec(compile(code, "batches.md", "exec"), {"print": lambda *values: said.append(values)})
    assert said[1] == ("who", "answered", "Arg!", None, {"topic": "crew"})
    assert (tmp_path / "answers.journal").exists()


def test_what_is_bound_to_a_model_makes_another_agent(tmp_path: Path) -> None:
    journal = tmp_path / "a.journal"
    model: Any = ScriptedModel(repeat=echo)
    warm, cold = model.bind(temperature=1.0).bind(seed=7), model.bind(seed=7, temperature=0.0)
    assert agent_of(tmp_path, warm).model_options == {"temperature": 1.0, "seed": 7}
    for _ in range(2):
        assert len(list(run_batch(agent_of(tmp_path, warm), numbers(2), journal=journal))) == 2
    for other in cold, model:
        with pytest.raises(BatchError, match=r"another agent: bound to the model (was|is gone)"):
            list(run_batch(agent_of(tmp_path, other), numbers(2), journal=journal))
