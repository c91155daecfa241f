"""What an agent's tools may do is decided before they do it, and what was decided on is what runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from agents import KNOWN, MULTIPLY, OBSERVATION, QUESTION, STEPS, agent_of
from langchain_core.tools import tool

from agent_app import Action, Answer, Observation
from agent_app.approvals import Allow, Approvals, Edit, Refuse, Reply, Request
from agent_app.events import Decided, Stepped
from agent_app.loop import EDITED

ran: list[str] = []


@tool
def remove(path: str) -> str:
    """Remove a file."""
    ran.append(path)
    return f"{path} is gone"


remove.metadata = {"risk": ["files"]}
REMOVE = "Away with it\nAction: remove\nAction Input: log.txt"
DONE = "Well\nFinal Answer: so be it"
CALL = Action("remove", "log.txt", "Away with it")


@pytest.fixture(autouse=True)
def _nothing_has_run() -> None:
    ran.clear()


def test_a_tool_without_risk_just_runs(tmp_path: Path) -> None:
    assert agent_of(tmp_path, MULTIPLY, KNOWN).invoke(QUESTION).steps == STEPS


@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke"])
async def test_where_nobody_is_there_to_ask_a_risky_tool_is_refused(tmp_path: Path, way: str) -> None:
    agent = agent_of(tmp_path, REMOVE, DONE, tools=[remove])
    if way == "ainvoke":
        result = await agent.ainvoke("q")
    else:
        result = agent.invoke("q") if way == "invoke" else list(agent.stream("q"))[-1].result  # type: ignore[union-attr]
    refusal = (
        "This call of remove needs the user's permission, and nobody is there to ask. "
        "Do something else, or give the Final Answer."
    )
    assert (ran, result.steps) == ([], (CALL, Observation(refusal, error=True), Answer("so be it", "Well")))


def test_a_yes_runs_exactly_what_was_shown(tmp_path: Path) -> None:
    asked: list[Request] = []

    def ask(request: Request) -> Reply:
        asked.append(request)
        return Allow()

    agent = agent_of(tmp_path, REMOVE, DONE, tools=[remove], approvals=Approvals(ask=ask))
    assert agent.invoke("q").steps[1] == Observation("log.txt is gone")
    assert ran == ["log.txt"]
    assert asked[0].action == Action("remove", {"path": "log.txt"}, "Away with it")
    assert asked[0].description == "remove: Remove a file."
    assert asked[0].risks == {"files"}


async def test_a_no_is_an_observation_and_an_event(tmp_path: Path) -> None:
    async def ask(request: Request) -> Reply:
        return Refuse("it is the only copy")

    agent = agent_of(tmp_path, REMOVE, DONE, tools=[remove], approvals=Approvals(ask=ask))
    events = [event async for event in agent.astream("q")]
    sentence = (
        "The user does not allow this call of remove: it is the only copy. "
        "Do something else, or give the Final Answer."
    )
    assert Decided(CALL, "refused", sentence) in events
    assert Stepped(Observation(sentence, error=True)) in events
    assert ran == []


def test_an_edited_call_is_a_step_of_its_own_and_is_checked_again(tmp_path: Path) -> None:
    asked: list[Any] = []

    def ask(request: Request) -> Reply:
        asked.append(request.action.input)
        return Edit({"path": "copy.txt"}) if len(asked) == 1 else Allow()

    agent = agent_of(tmp_path, REMOVE, DONE, tools=[remove], approvals=Approvals(["ask:remove"], ask=ask))
    instead = Action("remove", {"path": "copy.txt"}, "Away with it")
    assert agent.invoke("q").steps == (
        CALL,
        Observation(EDITED),
        instead,
        Observation("copy.txt is gone"),
        Answer("so be it", "Well"),
    )
    assert asked == [{"path": "log.txt"}, {"path": "copy.txt"}]
    assert ran == ["copy.txt"]


def test_an_approver_that_edits_for_ever_is_stopped(tmp_path: Path) -> None:
    asked: list[Any] = []

    def ask(request: Request) -> Reply:
        asked.append(request.action.input)
        return Edit({"path": f"{len(asked)}.txt"})

    agent = agent_of(tmp_path, REMOVE, DONE, tools=[remove], approvals=Approvals(["ask:remove"], ask=ask))
    result = agent.invoke("q")
    assert ran == []
    assert len(asked) == 6
    assert isinstance(result.steps[-2], Observation)
    assert result.steps[-2].text.startswith("This call of remove was edited 5 times, and never run.")


def test_a_rule_holds_for_tools_without_risk_too(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, MULTIPLY, DONE, approvals=Approvals(["never:calculator(23 *)"]))
    sentence = "The user does not allow this call of calculator. Do something else, or give the Final Answer."
    assert agent.invoke(QUESTION).steps[1] == Observation(sentence, error=True)
    other = agent_of(tmp_path, MULTIPLY, KNOWN, approvals=Approvals(["never:calculator(24 *)"]))
    assert other.invoke(QUESTION).steps[1] == OBSERVATION


def test_an_action_that_fits_no_tool_is_not_asked_about(tmp_path: Path) -> None:
    def ask(request: Request) -> Reply:
        raise AssertionError(request)

    @tool
    def mix(a: int, b: int) -> int:
        """Mix two."""
        return a * b

    mix.metadata = {"risk": ["cost"]}
    wrong = 'Mix\nAction: mix\nAction Input: {"a": 1}'
    agent = agent_of(tmp_path, wrong, DONE, tools=[mix], approvals=Approvals(ask=ask))
    step = agent.invoke("q").steps[1]
    assert isinstance(step, Observation)
    assert "'b' is missing" in step.text


def test_a_call_that_a_run_goes_on_with_is_checked_as_well(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, DONE, tools=[remove])
    assert ran == []
    assert "nobody is there to ask" in agent.invoke("q", steps=[CALL]).to_json()
