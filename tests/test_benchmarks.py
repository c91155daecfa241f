"""The benchmarks do what they say; what they measure is not tested."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import pytest

from benchmarks import overhead, throughput
from benchmarks.overhead_peers import conversation

SYSTEMS = ("ours", "create_agent")


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
