"""A run that was broken off goes on from its steps, and a finished one can be run again."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from agents import ACTION, ANSWER, DOUBLE, KNOWN, MULTIPLY, OBSERVATION, QUESTION, STEPS, agent_of, said_by
from langchain_core.tools import tool

from agent_app import (
    Action,
    Answer,
    Observation,
    QuestionError,
    ReplayDiverged,
    Result,
    Unreadable,
    partial_result,
)
from agent_app.errors import ToolCrash
from agent_app.events import Failed, Finished, Started, Stepped
from agent_app.loop import EDITED, OBJECTED
from agent_app.steps import Step, step_to_dict


def test_a_run_goes_on_after_its_last_observation(tmp_path: Path) -> None:
    whole = agent_of(tmp_path, MULTIPLY, KNOWN)
    resumed = agent_of(tmp_path, KNOWN)
    expected = whole.invoke(QUESTION)
    result = resumed.invoke(QUESTION, steps=[ACTION, OBSERVATION])
    assert (result.steps, result.text, result.usage.calls) == (expected.steps, expected.text, 1)
    assert said_by(resumed) == said_by(whole)[1:]


def test_an_action_without_observation_is_run_first(tmp_path: Path) -> None:
    resumed = agent_of(tmp_path, KNOWN)
    events = list(resumed.stream(QUESTION, steps=[ACTION]))
    assert isinstance(events[0], Started)
    assert [e.step for e in events if isinstance(e, Stepped)] == [OBSERVATION, ANSWER]


def test_a_finished_run_is_only_handed_back(tmp_path: Path) -> None:
    result = agent_of(tmp_path).invoke(QUESTION, steps=STEPS)
    assert (result.text, result.steps, result.status, result.usage.calls) == (
        ANSWER.text,
        STEPS,
        "answered",
        0,
    )


def test_the_steps_so_far_count(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, MULTIPLY, KNOWN, max_steps=5)
    result = agent.invoke(QUESTION, steps=[ACTION, OBSERVATION])
    assert result.stopped_by == "repeats"
    assert agent_of(tmp_path, KNOWN, max_steps=1).invoke(QUESTION, steps=STEPS[:2]).stopped_by == "steps"


def test_the_callers_list_stays_as_it_is(tmp_path: Path) -> None:
    steps: list[Step] = [ACTION, OBSERVATION]
    agent_of(tmp_path, KNOWN).invoke(QUESTION, steps=steps)
    assert steps == [ACTION, OBSERVATION]


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([OBSERVATION], "step 1 is an observation after nothing"),
        ([ACTION, ACTION], "step 2 is an action after an action"),
        ([ACTION, OBSERVATION, OBSERVATION], "step 3 is an observation after an observation"),
        ([ANSWER, ACTION], "step 2 is an action after an answer"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path: Path, steps: list[Step], says: str) -> None:
    with pytest.raises(QuestionError) as caught:
        agent_of(tmp_path).invoke(QUESTION, steps=steps)
    assert str(caught.value) == f"the steps to go on from are no run: {says}"


@pytest.mark.parametrize("name", ["steps", "recorded"])
def test_what_is_no_step_is_refused(tmp_path: Path, name: str) -> None:
    result = agent_of(tmp_path, KNOWN).invoke(QUESTION)
    wrong: dict[str, Any] = {"Result": result, "dict": result.to_dict()["steps"], "str": "12"}
    for kind, given in wrong.items():
        with pytest.raises(QuestionError, match=f"^steps are those of a result .*, and no {kind}$"):
            agent_of(tmp_path).invoke(QUESTION, **{name: given})


def test_an_unreadable_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QuestionError, match=r"end with an unreadable reply; leave it out$"):
        agent_of(tmp_path).invoke(QUESTION, steps=[Unreadable("hm")])


PROGRAM = """
import json, sys
from agent_app import Agent
from agent_app.models.scripted import ScriptedModel
from agent_app.steps import step_from_dict
steps = [step_from_dict(step) for step in json.load(sys.stdin)]
agent = Agent(ScriptedModel(replies=[sys.argv[2]]), sys.argv[1], ["calculator"])
print(agent.invoke("What is 23 * 47?", steps=steps).to_json())
"""


def test_another_process_goes_on_with_stored_steps(tmp_path: Path) -> None:
    agent_of(tmp_path)  # writes the prompt
    stored = json.dumps([step_to_dict(step) for step in STEPS[:2]])
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "mate.md"), KNOWN]
    ended = subprocess.run(command, input=stored, capture_output=True, text=True, timeout=60, check=True)
    assert Result.from_json(ended.stdout).steps == STEPS


# --- broken off ------------------------------------------------------------------------------------


def test_an_error_carries_the_run_until_then(tmp_path: Path) -> None:
    @tool
    def explode(text: str) -> str:
        """Have a bug."""
        raise ZeroDivisionError(text)

    agent = agent_of(
        tmp_path, MULTIPLY, "Boom\nAction: explode\nAction Input: x", tools=["calculator", explode]
    )
    with pytest.raises(ToolCrash) as caught:
        agent.invoke(QUESTION)
    run = partial_result(caught.value)
    assert run is not None
    assert run.steps == (ACTION, OBSERVATION, Action("explode", "x", "Boom"))
    assert (run.status, run.stopped_by, run.text, run.usage.calls) == ("stopped", "error", "", 2)
    assert run.error == "the tool 'explode' crashed: ZeroDivisionError: x"
    assert Result.from_json(run.to_json()) == run


def test_an_error_is_told_before_it_is_raised(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, MULTIPLY, ValueError("a bug"))
    events = []
    with pytest.raises(ValueError, match="a bug") as caught:  # noqa: PT012 - the events before it count
        for event in agent.stream(QUESTION):
            events.append(event)
    run = partial_result(caught.value)
    assert run is not None
    assert events[-1] == Failed("a bug", "ValueError", run)
    assert run.steps == (ACTION, OBSERVATION)


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_leaves_a_run_that_can_go_on(tmp_path: Path, signal: type[BaseException]) -> None:
    @tool
    def linger(text: str) -> str:
        """Be interrupted."""
        raise signal

    agent = agent_of(tmp_path, "Wait\nAction: linger\nAction Input: x", tools=[linger])
    with pytest.raises(signal) as caught:
        agent.invoke("x")
    run = partial_result(caught.value)
    assert run is not None
    assert (run.steps, run.status, run.stopped_by) == (
        (Action("linger", "x", "Wait"),),
        "stopped",
        "interruption",
    )


async def test_a_cancelled_task_leaves_a_run_that_can_go_on(tmp_path: Path) -> None:
    waiting = asyncio.Event()

    @tool
    async def linger(text: str) -> str:
        """Wait for ever."""
        waiting.set()
        await asyncio.Event().wait()
        return text

    agent = agent_of(
        tmp_path, MULTIPLY, "Wait\nAction: linger\nAction Input: x", tools=["calculator", linger]
    )
    task = asyncio.create_task(agent.ainvoke(QUESTION))
    await asyncio.wait_for(waiting.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    run = partial_result(caught.value)
    assert run is not None
    assert run.steps == (ACTION, OBSERVATION, Action("linger", "x", "Wait"))
    again = agent_of(tmp_path, KNOWN).invoke(QUESTION, steps=run.steps[:2])
    assert again.text == ANSWER.text


def test_closing_a_stream_ends_the_run_and_its_steps_can_go_on(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, MULTIPLY, KNOWN)
    stream = agent.stream(QUESTION)
    steps = []
    for event in stream:
        if isinstance(event, Stepped):
            steps.append(event.step)
            break
    stream.close()
    assert steps == [ACTION]
    assert agent_of(tmp_path, KNOWN).invoke(QUESTION, steps=steps).steps == STEPS
    assert len(said_by(agent)) == 1


async def test_closing_an_async_stream_ends_the_run(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, MULTIPLY, KNOWN)
    stream = agent.astream(QUESTION)
    assert isinstance(await anext(stream), Started)
    await stream.aclose()
    assert said_by(agent) == []


@tool(return_direct=True)
def tell(text: str) -> str:
    """Give what the user is to read."""
    return f"{text}, word for word"


@pytest.mark.parametrize("way", ["invoke", "steps", "recorded"])
def test_what_a_tool_gives_directly_is_the_answer(way: str, tmp_path: Path) -> None:
    use = Action("tell", "Ahoy", "I tell")
    steps: list[Step] = [use, Observation("Ahoy, word for word"), Answer("Ahoy, word for word")]
    reply = " I tell\nAction: tell\nAction Input: Ahoy"
    agent = agent_of(tmp_path, *([] if way == "steps" else [reply]), tools=[tell])
    given: dict[str, Any] = {"steps": steps[:1]} if way == "steps" else {}
    result = agent.invoke(QUESTION, **({"recorded": steps} if way == "recorded" else given))
    assert list(result.steps) == steps
    assert (result.text, result.stopped_by) == ("Ahoy, word for word", None)


# --- replay ----------------------------------------------------------------------------------------

runs: list[str] = []


@tool
def once(text: str) -> str:
    """Give another result each time."""
    runs.append(text)
    return f"{text} {len(runs)}"


def test_a_replay_runs_no_tool_but_asks_the_model_anew(tmp_path: Path) -> None:
    runs.clear()
    use = "Go\nAction: once\nAction Input: x"
    first = agent_of(tmp_path, use, "So\nFinal Answer: it was x 1", tools=[once]).invoke("q")
    other = agent_of(tmp_path, use, "So\nFinal Answer: one, it was", tools=[once])
    replayed = other.replay(first)
    assert runs == ["x"]
    assert replayed.steps == (*first.steps[:2], Answer("one, it was", "So"))


async def test_a_replay_can_be_awaited(tmp_path: Path) -> None:
    first = agent_of(tmp_path, MULTIPLY, KNOWN).invoke(QUESTION)
    replayed = await agent_of(tmp_path, MULTIPLY, KNOWN).areplay(first)
    assert (replayed.question, replayed.steps) == (QUESTION, first.steps)


def test_a_replay_that_takes_another_way_says_so(tmp_path: Path) -> None:
    first = agent_of(tmp_path, MULTIPLY, KNOWN).invoke(QUESTION)
    other = agent_of(tmp_path, MULTIPLY, DOUBLE)
    with pytest.raises(ReplayDiverged) as caught:
        other.replay(first)
    assert str(caught.value) == (
        'step 3 of the replayed run uses calculator with "1081 * 2", of which no observation was recorded'
    )
    run = partial_result(caught.value)
    assert run is not None
    assert len(run.steps) == 3


def test_replays_in_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    first = agent_of(tmp_path, MULTIPLY, KNOWN).invoke(QUESTION)
    results: list[Result] = []
    agents = [agent_of(tmp_path, MULTIPLY, KNOWN) for _ in range(8)]
    threads = [threading.Thread(target=lambda a=agent: results.append(a.replay(first))) for agent in agents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [result.steps for result in results] == [first.steps] * 8


def test_a_finished_event_holds_what_invoke_gives(tmp_path: Path) -> None:
    (*_, last) = agent_of(tmp_path, MULTIPLY, KNOWN).stream(QUESTION)
    assert isinstance(last, Finished)
    given: dict[str, Any] = last.result.to_dict()
    expected = agent_of(tmp_path, MULTIPLY, KNOWN).invoke(QUESTION).to_dict()
    for data in (given, expected):
        del data["usage"]["seconds"]
    assert given == expected


def test_a_replay_gives_what_came_of_a_call_each_time(tmp_path: Path) -> None:
    """First an objection, then the result; or a change that somebody made, then the result of that."""
    edited, twice = Action("calculator", "2 + 2"), Action("calculator", "3 + 3")
    runs: dict[str, list[Step]] = {
        "insisted": [ACTION, Observation(f"No. Find it out {OBJECTED[0]}", error=True), ACTION, OBSERVATION],
        "edited": [edited, Observation(EDITED), twice, Observation("6")],
    }
    replies = {"insisted": [MULTIPLY, MULTIPLY], "edited": [" So\nAction: calculator\nAction Input: 2 + 2"]}
    for name, recorded in runs.items():
        result = agent_of(tmp_path, *replies[name], KNOWN).invoke(QUESTION, recorded=recorded)
        observations = [step for step in result.steps if isinstance(step, Observation)]
        assert observations == recorded[1::2]


def test_observations_recorded_twice_give_the_first(tmp_path: Path) -> None:
    recorded: list[Step] = [ACTION, OBSERVATION, ACTION, Observation("a reminder", error=True), ANSWER]
    result = agent_of(tmp_path, MULTIPLY, KNOWN).invoke(QUESTION, recorded=recorded)
    assert result.steps == STEPS
