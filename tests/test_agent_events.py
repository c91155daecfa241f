"""What a run tells, as whole transcripts: each event, in its order, sync and async, and as JSON."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from agents import ACTION, ANSWER, KNOWN, MULTIPLY, OBSERVATION, QUESTION, STEPS, agent_of, mate
from langchain_core.tools import tool

from agent_app import (
    Action,
    Agent,
    AgentAppError,
    Answer,
    EndpointDown,
    LimitReached,
    Observation,
    Retry,
    ToolCrash,
    Unreadable,
    partial_result,
)
from agent_app.approvals import Approvals, Edit, Refuse, Reply, Request
from agent_app.events import (
    Decided,
    Event,
    Failed,
    Finished,
    LimitMet,
    Repaired,
    Retrying,
    Said,
    Started,
    Stepped,
    Switched,
    event_from_dict,
    event_to_dict,
)
from agent_app.loop import EDITED
from agent_app.models.scripted import ScriptedModel
from agent_app.steps import Result
from agent_app.testing import BreakOff, FaultyServer, Status

NOW = Retry(first=0.0)
"""Tries again at once."""
Made = Callable[[], Agent]
Told = tuple[list[Event], BaseException | None]


async def heard(agent: Agent, way: str) -> Told:
    """Return the events of a run and the error after them; what was said piece by piece in one piece."""
    events: list[Event] = []
    try:
        async for event in agent.astream(QUESTION) if way == "astream" else _async(agent.stream(QUESTION)):
            assert event_from_dict(json.loads(json.dumps(event_to_dict(event)))) == event
            match event, events:
                case Said(kind, text), [*_, Said(last, before)] if last == kind:
                    events[-1] = Said(kind, before + text)
                case _:
                    events.append(event)
    except AgentAppError as error:
        return events, error
    return events, None


async def _async(items: Iterator[Event]) -> AsyncIterator[Event]:
    for item in items:
        yield item


async def invoked(agent: Agent, way: str) -> Result:
    """Return what the run gives to one who does not want to hear of it meanwhile."""
    with contextlib.suppress(LimitReached):
        return await agent.ainvoke(QUESTION) if way == "astream" else agent.invoke(QUESTION)
    raise AssertionError("no result")


def timeless(result: Result) -> Result:
    return dataclasses.replace(result, usage=dataclasses.replace(result.usage, seconds=0.0))


def started(agent: Agent) -> Started:
    return Started(QUESTION, agent.prompt.ref, "scripted")


def act(thought: str, tool: str, given: str) -> list[Said]:
    return [Said("thought", thought), Said("tool", tool), Said("input", given)]


def end(thought: str, answer: str) -> list[Said]:
    return [Said("thought", thought), Said("answer", answer)]


ACTED: list[Event] = [*act("I need to multiply", "calculator", "23 * 47"), Stepped(ACTION)]
SEEN: list[Event] = [*ACTED, Stepped(OBSERVATION)]
ANSWERED: list[Event] = [*end("I now know the final answer", "Arg, 1081!"), Stepped(ANSWER)]

pytestmark = pytest.mark.parametrize("way", ["stream", "astream"])


async def is_told(way: str, made: Made, *between: Event) -> Result:
    """Make sure that exactly this is told between the beginning and the end, and return the result."""
    agent = made()
    events, error = await heard(agent, way)
    assert error is None
    last = events[-1]
    assert isinstance(last, Finished)
    assert events[:-1] == [started(agent), *between]
    assert last.result.steps == tuple(event.step for event in events if isinstance(event, Stepped))
    # Whoever does not listen gets the same.
    assert timeless(await invoked(made(), way)) == timeless(last.result)
    return last.result


async def test_a_plain_run(way: str, tmp_path: Path) -> None:
    result = await is_told(way, lambda: agent_of(tmp_path, MULTIPLY, KNOWN), *SEEN, *ANSWERED)
    assert (result.steps, result.text, result.stopped_by) == (STEPS, "Arg, 1081!", None)


async def test_an_unreadable_reply_and_a_repaired_one(way: str, tmp_path: Path) -> None:
    lost = " Hm\nAction: calculater\nAction Input: 1"
    bold = " I need to multiply\n**Action**: calculator\nAction Input: 23 * 47"
    why = Observation(
        "There is no tool 'calculater'; did you mean 'calculator'? To use a tool, write a line 'Action:' "
        "with one of [calculator] and then a line 'Action Input:'. "
        "If you know the answer, write 'Final Answer:' and the answer.",
        error=True,
    )
    repaired = dataclasses.replace(ACTION, repairs=("decorated label",))
    result = await is_told(
        way,
        lambda: agent_of(tmp_path, lost, bold, KNOWN),
        Said("thought", "Hm"),
        Stepped(Unreadable(lost)),
        Stepped(why),
        *act("I need to multiply", "calculator", "23 * 47"),
        Repaired(("decorated label",)),
        Stepped(repaired),
        Stepped(OBSERVATION),
        *ANSWERED,
    )
    assert result.repairs == 1


async def test_a_limit_and_the_best_answer(way: str, tmp_path: Path) -> None:
    result = await is_told(
        way,
        lambda: agent_of(tmp_path, MULTIPLY, " Arg, 1081 or so", max_steps=1),
        *SEEN,
        LimitMet("steps"),
        Said("answer", "Arg, 1081 or so"),
        Stepped(Answer("Arg, 1081 or so")),
    )
    assert (result.status, result.stopped_by) == ("answered", "steps")


async def test_a_limit_and_the_end(way: str, tmp_path: Path) -> None:
    result = await is_told(
        way,
        lambda: agent_of(tmp_path, MULTIPLY, max_steps=1, on_limit="stop"),
        *SEEN,
        LimitMet("steps"),
    )
    assert (result.status, result.stopped_by, result.text) == ("stopped", "steps", "")


async def test_a_limit_that_is_an_error(way: str, tmp_path: Path) -> None:
    agent = agent_of(tmp_path, MULTIPLY, max_steps=1, on_limit="raise")
    events, error = await heard(agent, way)
    assert isinstance(error, LimitReached)
    assert events == [
        started(agent),
        *SEEN,
        LimitMet("steps"),
        Failed("stopped by the limit of steps, after 1 calls", "LimitReached", error.result),
    ]


async def test_an_error(way: str, tmp_path: Path) -> None:
    @tool
    def explode(text: str) -> str:
        """Have a bug."""
        raise ZeroDivisionError(text)

    boom = " Boom\nAction: explode\nAction Input: x"
    agent = agent_of(tmp_path, MULTIPLY, boom, tools=["calculator", explode])
    events, error = await heard(agent, way)
    assert isinstance(error, ToolCrash)
    run = partial_result(error)
    assert run is not None
    assert events == [
        started(agent),
        *SEEN,
        *act("Boom", "explode", "x"),
        Stepped(Action("explode", "x", "Boom")),
        Failed("the tool 'explode' crashed: ZeroDivisionError: x", "ToolCrash", run),
    ]
    assert run.steps == tuple(event.step for event in events if isinstance(event, Stepped))


@tool
def remove(path: str) -> str:
    """Remove a file."""
    return f"{path} is gone"


remove.metadata = {"risk": ["files"]}
REMOVE = " Away\nAction: remove\nAction Input: log.txt"
DONE = " Well\nFinal Answer: so be it"
ASKED = Action("remove", "log.txt", "Away")


async def test_a_refusal(way: str, tmp_path: Path) -> None:
    approvals = Approvals(ask=lambda request: Refuse("it is the only copy"))
    why = (
        "The user does not allow this call of remove: it is the only copy. "
        "Do something else, or give the Final Answer."
    )
    await is_told(
        way,
        lambda: agent_of(tmp_path, REMOVE, DONE, tools=[remove], approvals=approvals),
        *act("Away", "remove", "log.txt"),
        Stepped(ASKED),
        Decided(ASKED, "refused", why),
        Stepped(Observation(why, error=True)),
        *end("Well", "so be it"),
        Stepped(Answer("so be it", "Well")),
    )


async def test_an_edited_call(way: str, tmp_path: Path) -> None:
    def ask(request: Request) -> Reply:
        return request.action.input == {"path": "copy.txt"} or Edit({"path": "copy.txt"})

    instead = Action("remove", {"path": "copy.txt"}, "Away")
    await is_told(
        way,
        lambda: agent_of(
            tmp_path, REMOVE, DONE, tools=[remove], approvals=Approvals(["ask:remove"], ask=ask)
        ),
        *act("Away", "remove", "log.txt"),
        Stepped(ASKED),
        Decided(instead, "edited"),
        Stepped(Observation(EDITED)),
        Stepped(instead),
        Stepped(Observation("copy.txt is gone")),
        *end("Well", "so be it"),
        Stepped(Answer("so be it", "Well")),
    )


# --- a server that fails ---------------------------------------------------------------------------


@pytest.fixture
def parrot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Agent]:
    """Makes an agent whose model is at a server."""

    def made(server: FaultyServer, **more: Any) -> Agent:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        return Agent("openai:parrot", mate(tmp_path), ["calculator"], retry=NOW, **more)

    return made


async def test_a_stream_that_breaks_off_is_withdrawn_and_told_again(
    way: str, parrot: Callable[..., Agent]
) -> None:
    with FaultyServer(MULTIPLY, BreakOff(" I now\nFinal Answer: Arg, 23 it"), KNOWN) as server:
        agent = parrot(server)
        url, (events, error) = server.url, await heard(agent, way)
    assert error is None
    assert events[:-1] == [
        Started(QUESTION, agent.prompt.ref, "openai:parrot"),
        *SEEN,
        *end("I now", "Arg, 23"),
        Retrying(f"{url} broke off its answer", 0.0),
        *ANSWERED,
    ]
    assert isinstance(events[-1], Finished)
    assert (events[-1].result.steps, events[-1].result.usage.calls) == (STEPS, 3)


async def test_a_server_that_fails_for_good(way: str, parrot: Callable[..., Agent]) -> None:
    with FaultyServer(MULTIPLY, Status(503), Status(503), Status(503)) as server:
        agent = parrot(server)
        url, (events, error) = server.url, await heard(agent, way)
    failed = f"{url} failed (HTTP 503): Service Unavailable"
    assert isinstance(error, EndpointDown)
    run = partial_result(error)
    assert run is not None
    assert events == [
        Started(QUESTION, agent.prompt.ref, "openai:parrot"),
        *SEEN,
        Retrying(failed, 0.0),
        Retrying(failed, 0.0),
        Failed(failed, "EndpointDown", run),
    ]
    assert (run.steps, run.usage.calls) == (STEPS[:2], 4)


async def test_another_model_takes_over_for_the_rest_of_the_run(
    way: str, parrot: Callable[..., Agent]
) -> None:
    rest = ScriptedModel(replies=[KNOWN], label="the spare one")
    with FaultyServer(MULTIPLY, BreakOff(" I think"), Status(400)) as server:
        agent = parrot(server, fallbacks=[rest])
        url, (events, error) = server.url, await heard(agent, way)
    assert error is None
    assert events[:-1] == [
        Started(QUESTION, agent.prompt.ref, "openai:parrot"),
        *SEEN,
        Said("thought", "I"),
        Retrying(f"{url} broke off its answer", 0.0),
        Switched(f"{url} refuses the call (HTTP 400): Bad Request", "the spare one"),
        *ANSWERED,
    ]
    assert isinstance(events[-1], Finished)
    assert (events[-1].result.steps, events[-1].result.model) == (STEPS, "the spare one")
