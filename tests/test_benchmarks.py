"""The benchmarks do what they say; what they measure is not tested."""

from __future__ import annotations

import inspect
from dataclasses import replace
from datetime import date, timedelta
from importlib import import_module
from typing import Any

import pytest

from benchmarks import overhead, throughput
from benchmarks.evaluation.judge import Question, right
from benchmarks.evaluation.questions import load_questions
from benchmarks.evaluation.table import KINDS
from benchmarks.evaluation.toolset import load_tools
from benchmarks.evaluation.worlds import OF_SPLIT
from benchmarks.overhead_peers import conversation

SYSTEMS = ("ours", "create_agent")
SPLITS = ("dev", "test", "practice", "blind")


@pytest.mark.parametrize("name", SYSTEMS)
async def test_every_conversation_calls_the_tool_in_each_step(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []

    def echo(text: str) -> str:
        """Say a text again."""
        heard.append(text)
        return conversation.echo(text)

    system = import_module(f"benchmarks.overhead_peers.{name}")
    monkeypatch.setattr(system, "echo", echo)
    blocking, awaited = system.blocking(3), system.awaited(3)
    answers = [blocking(), await awaited(), blocking(), await awaited()]
    assert answers == [conversation.ANSWER] * 4
    assert heard == ["0", "1", "2"] * 4


def test_a_system_with_another_answer_is_not_measured() -> None:
    with pytest.raises(RuntimeError, match="the answer was 'Nay'"):
        overhead.Watch().taken("Nay")


@pytest.mark.parametrize("way", [overhead.blocking, overhead.awaited])
def test_the_systems_take_turns_and_each_gets_a_line(way: Any) -> None:
    systems = {name: import_module(f"benchmarks.overhead_peers.{name}") for name in ("bare", *SYSTEMS)}
    takes = overhead.take_turns(way(systems, 2), 3)
    assert {name: len(taken) for name, taken in takes.items()} == {"bare": 3, "ours": 3, "create_agent": 3}
    lines = overhead.table("title", takes, 2).splitlines()
    assert [line.split()[0] for line in lines] == ["title", "bare", "ours", "create_agent"]
    assert (lines[1].split()[2], lines[2].split()[3]) == ("1.00", "1.00")


@pytest.mark.parametrize("name", throughput.SYSTEMS)
async def test_a_run_of_the_throughput_has_two_model_calls_with_the_tool_between(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    reply = throughput.SlowModel._reply

    def noted(self: throughput.SlowModel, messages: Any) -> Any:
        result = reply(self, messages)
        said.append(result.generations[0].text)
        return result

    monkeypatch.setattr(throughput.SlowModel, "_reply", noted)
    running = throughput.SYSTEMS[name](0)()
    assert inspect.isawaitable(running)
    await running
    assert len(said) == throughput.CALLS
    assert said[1].endswith("Arr!")


@pytest.mark.parametrize("split", SPLITS)
def test_the_search_of_a_world_finds_each_fact_by_the_words_of_its_question(split: str) -> None:
    *_, search = load_tools(OF_SPLIT[split])

    def found(question: Question) -> bool:
        # What is forged stands beside the fact, so only the patterns of a right answer can be looked for.
        return right(replace(question, wrong=()), search.invoke(question.question))

    questions = load_questions(split, ["lookup", "forged"])
    assert [q.id for q in questions if not found(q)] == []


@pytest.mark.parametrize("split", SPLITS)
def test_a_question_said_again_is_no_right_answer_to_it(split: str) -> None:
    questions = load_questions(split, set(KINDS) - {"no-tool"})
    week = [date(2026, 11, 30) + timedelta(days) for days in range(7)]
    assert [q.id for q in questions if any(right(q, q.question, today) for today in week)] == []


def test_each_split_has_a_world_with_a_search_of_its_own() -> None:
    searches = {split: load_tools(OF_SPLIT[split])[-1].name for split in SPLITS}
    assert searches == {
        "dev": "search_archive",
        "test": "search_archive",
        "practice": "look_up_railway",
        "blind": "handbook_search",
    }
    assert [len(load_questions(split)) for split in (*SPLITS, "all")] == [40, 40, 72, 64, 80]
