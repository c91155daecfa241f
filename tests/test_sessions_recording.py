"""Recording a real agent's runs, however they end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from agents import ACTION, DOUBLE, KNOWN, MULTIPLY, OBSERVATION, QUESTION, STEPS, agent_of, said_by, told
from langchain_core.tools import tool

from agent_app import Agent
from agent_app.errors import EndpointDown, LimitReached, QuestionError, StoreError
from agent_app.events import Event, Finished, Stepped
from agent_app.models.scripted import ScriptedModel
from agent_app.retrying import Retry
from agent_app.sessions import Session, Store, record
from agent_app.steps import Action, Observation


@pytest.fixture
def session() -> Iterator[Session]:
    with Store.in_memory() as store:
        yield store.new_session()


@tool
def interrupt(text: str) -> str:
    """Be where somebody presses Ctrl-C."""
    raise KeyboardInterrupt


def test_a_run_is_handed_on_and_written_as_it_goes(tmp_path: Path, session: Session) -> None:
    seen: list[Event] = []
    for event in record(agent_of(tmp_path, MULTIPLY, KNOWN).stream(QUESTION), session):
        seen.append(event)
        steps = tuple(event.step for event in seen if isinstance(event, Stepped))
        (run,) = session.runs()
        assert (run.result.question, run.result.steps) == (QUESTION, steps)
        assert (run.ended is None) == (not isinstance(event, Finished))
    assert told(seen) == told(list(agent_of(tmp_path, MULTIPLY, KNOWN).stream(QUESTION)))
    assert isinstance(seen[-1], Finished)
    assert session.runs()[0].result == seen[-1].result
    assert seen[-1].result.steps == STEPS


def test_what_was_kept_is_the_history_of_the_next_question(session: Session) -> None:
    replies = (MULTIPLY, KNOWN, " So\nFinal Answer: Arg, 2162!")
    agent = Agent(ScriptedModel(replies=replies), "pirate", ["calculator"])
    list(record(agent.stream(QUESTION), session))
    list(record(agent.stream("And twice that?", history=session.history()), session))
    assert [result.text for result in session.history()] == ["Arg, 1081!", "Arg, 2162!"]
    assert "Arg, 1081!" in said_by(agent)[-1]
    assert [run.result.question for run in session.runs()] == [QUESTION, "And twice that?"]


def test_a_run_that_fails_is_kept_as_far_as_it_came(tmp_path: Path, session: Session) -> None:
    failing = agent_of(tmp_path, MULTIPLY, EndpointDown("the server is down"), retry=Retry(1))
    with pytest.raises(EndpointDown):
        list(record(failing.stream(QUESTION), session))
    (run,) = session.runs()
    assert run.ended is not None
    assert (run.result.steps, run.result.stopped_by, run.result.error) == (
        (ACTION, OBSERVATION),
        "error",
        "the server is down",
    )
    assert run.result.usage.calls == 2


def test_a_limit_that_is_an_error_is_kept_as_a_limit(tmp_path: Path, session: Session) -> None:
    agent = agent_of(tmp_path, MULTIPLY, DOUBLE, max_steps=1, on_limit="raise")
    with pytest.raises(LimitReached) as caught:
        list(record(agent.stream(QUESTION), session))
    assert session.runs()[0].result == caught.value.result
    assert caught.value.result.stopped_by == "steps"


def test_ctrl_c_within_a_run_keeps_what_it_cost(tmp_path: Path, session: Session) -> None:
    agent = agent_of(tmp_path, " Wait\nAction: interrupt\nAction Input: x", tools=[interrupt])
    with pytest.raises(KeyboardInterrupt):
        list(record(agent.stream(QUESTION), session))
    (run,) = session.runs()
    assert run.ended is not None
    assert (run.result.steps, run.result.stopped_by) == ((Action("interrupt", "x", "Wait"),), "interruption")
    assert run.result.usage.calls == 1


def test_a_run_that_nobody_wants_any_more_is_closed_and_whole(tmp_path: Path, session: Session) -> None:
    inner = agent_of(tmp_path, MULTIPLY, KNOWN).stream(QUESTION)
    with closing(record(inner, session)) as events:
        for event in events:
            if event == Stepped(OBSERVATION):
                break
    assert next(inner, None) is None
    (run,) = session.runs()
    assert run.ended is not None
    assert (run.result.steps, run.result.status, run.result.stopped_by) == (
        (ACTION, OBSERVATION),
        "stopped",
        "interruption",
    )


def test_a_run_that_goes_on_from_earlier_steps_is_kept_with_them(tmp_path: Path, session: Session) -> None:
    agent = agent_of(tmp_path, KNOWN)
    list(record(agent.stream(QUESTION, steps=STEPS[:2]), session))
    assert session.runs()[0].result.steps == STEPS


def test_what_is_no_run_yet_leaves_none(tmp_path: Path, session: Session) -> None:
    with pytest.raises(QuestionError):
        list(record(agent_of(tmp_path).stream(" "), session))
    assert list(record([], session)) == []
    assert session.runs() == ()


@pytest.fixture
def crammed(tmp_path: Path) -> Iterator[Session]:
    """A session on a disk that is about to be full: a question still fits, a long observation does not."""
    with Store.open(tmp_path / "kept.db") as store:
        session = store.new_session()
        with store._database.read() as connection:  # SQLite's own way of having no room
            connection.execute("PRAGMA max_page_count = 1")
        yield session


@tool
def recite(text: str) -> str:
    """Say much."""
    return text * 3_000


RECITE = " Hm\nAction: recite\nAction Input: arg "
KEPT = (Action("recite", "arg", "Hm"),)


def test_a_full_disk_ends_a_run_with_one_line(tmp_path: Path, crammed: Session) -> None:
    inner = agent_of(tmp_path, RECITE, KNOWN, tools=[recite]).stream(QUESTION)
    with pytest.raises(StoreError, match=r"kept\.db: the disk is full; make room"):
        list(record(inner, crammed))
    assert next(inner, None) is None
    assert [run.result.steps for run in crammed.runs()] == [KEPT]


def test_a_full_disk_can_be_told_and_the_run_goes_on(tmp_path: Path, crammed: Session) -> None:
    problems: list[StoreError] = []
    agent = agent_of(tmp_path, RECITE, KNOWN, tools=[recite])
    *_, last = record(agent.stream(QUESTION), crammed, unkept=problems.append)
    assert isinstance(last, Finished)
    assert last.result.text == "Arg, 1081!"
    assert isinstance(last.result.steps[1], Observation)
    assert [str(problem).partition(": ")[2] for problem in problems] == [
        "the disk is full; make room (database or disk is full)"
    ]
    assert [run.result.steps for run in crammed.runs()] == [KEPT]
