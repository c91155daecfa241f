"""Python's garbage collector looks less often while batches run, and is left as it was."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from agents import mate

from agent_app import Agent, arun_batch
from agent_app.batch.collecting import seldom_collected
from agent_app.testing import ScriptedModel


@pytest.fixture
def usual_threshold() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("usual_threshold")
def test_the_collector_looks_less_often_until_the_last_batch_ends() -> None:
    one, other = seldom_collected(), seldom_collected()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert gc.get_threshold() == (20_000, 10, 10)
    other.__exit__(None, None, None)
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("own", [0, 50_000])
@pytest.mark.usefixtures("usual_threshold")
def test_a_collector_that_looks_even_less_often_is_left_alone(own: int) -> None:
    gc.set_threshold(own, 10, 10)
    with seldom_collected():
        assert gc.get_threshold()[0] == own


@pytest.mark.usefixtures("usual_threshold")
async def test_it_is_so_for_a_batch_and_no_longer(tmp_path: Path) -> None:
    seen: list[int] = []

    def say(_: object) -> str:
        seen.append(gc.get_threshold()[0])
        return " So\nFinal Answer: Aye"

    agent = Agent(ScriptedModel(repeat=say), mate(tmp_path), [])
    assert [row.answer async for row in arun_batch(agent, ["Well?"])] == ["Aye"]
    assert seen == [20_000]
    assert gc.get_threshold()[0] == 700
