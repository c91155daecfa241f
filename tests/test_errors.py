"""Errors as values: what they say and hold stays with them on their way through processes and time-outs."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path

import pytest
from agents import ACTION, KNOWN, MULTIPLY, OBSERVATION, QUESTION, agent_of
from langchain_core.tools import tool

from agent_app import (
    Action,
    AgentAppError,
    EndpointBusy,
    LimitReached,
    PromptError,
    StoreError,
    ToolCrash,
    UnknownName,
    partial_result,
)
from agent_app.errors import keep_partial


def test_an_error_comes_whole_from_another_process(tmp_path: Path) -> None:
    run = agent_of(tmp_path, KNOWN).invoke(QUESTION)
    errors: list[AgentAppError] = [
        UnknownName("tool", "clok", ["clock"]),
        PromptError("no slot {input}", file=tmp_path / "mate.md", line=3),
        StoreError("damaged", tmp_path),
        EndpointBusy("busy", 3),
        ToolCrash("masts", KeyError("sloop")),
        LimitReached(run),
    ]
    for error in errors:
        keep_partial(error, run)
        came = pickle.loads(pickle.dumps(error))
        assert (type(came), str(came), partial_result(came)) == (type(error), str(error), run)
        assert vars(came).keys() == vars(error).keys()
    crash, limit = pickle.loads(pickle.dumps(errors[-2:]))
    assert (crash.tool, repr(crash.cause), limit.result) == ("masts", "KeyError('sloop')", run)


async def test_what_ran_out_of_asyncios_time_can_go_on(tmp_path: Path) -> None:
    @tool
    async def hang(text: str) -> str:
        """Wait for ever, and let the caller's time run out."""
        limit.reschedule(0)
        await asyncio.Event().wait()
        return text

    wait = "Wait\nAction: hang\nAction Input: x"
    agent = agent_of(tmp_path, MULTIPLY, wait, tools=["calculator", hang])
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(None) as limit:
            await agent.ainvoke(QUESTION)
    run = partial_result(caught.value)
    assert run is not None
    assert run.steps == (ACTION, OBSERVATION, Action("hang", "x", "Wait"))
