"""A run stops at its limits, in the way that was asked for, and never spends more than it may."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from agents import (
    ACTION,
    ANSWER,
    DOUBLE,
    KNOWN,
    MULTIPLY,
    OBSERVATION,
    QUESTION,
    STEPS,
    agent_of,
    said_by,
    told,
)
from langchain_core.tools import tool

from agent_app import Answer, LimitReached, Observation, SettingError, partial_result
from agent_app.budget import Budget
from agent_app.events import LimitMet
from agent_app.prices import Price

BEST = " Arg, at least 1081"
RATHER = "a number above 0"


def test_at_a_limit_the_model_is_asked_for_its_best_answer(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, MULTIPLY, BEST, max_steps=1)
    events = list(agent.stream(QUESTION))
    result = agent_of(tmp_path, MULTIPLY, BEST, max_steps=1).invoke(QUESTION)
    names = told(events)
    assert names[names.index("limit") - 1] == "step"
    assert names[-2:] == ["step", "run_finished"]
    assert names.count("limit") == 1
    assert LimitMet("steps") in events
    assert (result.text, result.status, result.stopped_by) == ("Arg, at least 1081", "answered", "steps")


def test_at_a_limit_a_run_can_simply_stop(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, MULTIPLY, max_steps=1, on_limit="stop")
    events = list(agent.stream(QUESTION))
    assert told(events)[-3:] == ["step", "limit", "run_finished"]
    result = agent_of(tmp_path, MULTIPLY, max_steps=1, on_limit="stop").invoke(QUESTION)
    assert (result.text, result.status, result.stopped_by) == ("", "stopped", "steps")
    assert result.steps == (ACTION, OBSERVATION)


def test_a_limit_can_be_an_error(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, MULTIPLY, max_steps=1, on_limit="raise")
    with pytest.raises(LimitReached) as caught:
        agent.invoke(QUESTION)
    assert str(caught.value) == "stopped by the limit of steps, after 1 calls"
    assert caught.value.result.steps == (ACTION, OBSERVATION)
    assert caught.value.result.stopped_by == "steps"
    assert partial_result(caught.value) is caught.value.result


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"max_steps": 0}, f"max_steps is 0; it takes {RATHER}"),
        ({"max_seconds": -1}, f"max_seconds is -1; it takes {RATHER}"),
        ({"max_tokens": 0}, f"max_tokens is 0; it takes {RATHER}"),
        ({"max_cost": float("nan")}, f"max_cost is nan; it takes {RATHER}"),
        ({"tool_seconds": 0}, f"tool_seconds is 0; it takes {RATHER}"),
        ({"on_limit": "cry"}, "on_limit is 'cry'; it takes 'answer' or 'stop' or 'raise'"),
    ],
)
def test_a_wrong_limit_is_refused_at_once(tmp_path: Path, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingError) as caught:
        agent_of(tmp_path, **wrong)
    assert str(caught.value) == says


# --- tokens and money ------------------------------------------------------------------------------


def test_what_a_call_cost_is_told(tmp_path: Path) -> None:
    price = Price(input=1_000_000, output=2_000_000)
    result = agent_of(tmp_path, MULTIPLY, KNOWN, prices=price).invoke(QUESTION)
    usage = result.usage
    assert usage.cost == usage.prompt_tokens + 2 * usage.completion_tokens > 0


def test_a_model_in_the_process_costs_nothing(tmp_path: Path) -> None:
    assert agent_of(tmp_path, MULTIPLY, KNOWN).invoke(QUESTION).usage.cost == 0


def test_before_the_tokens_run_out_the_best_answer_is_asked_for(tmp_path: Path) -> None:
    # Two calls are reckoned to take some 5,000 tokens; the first takes more than its share.
    rambling = "word " * 2000 + MULTIPLY
    result = agent_of(tmp_path, rambling, BEST, max_tokens=6_000).invoke(QUESTION)
    assert (result.stopped_by, result.status, result.text) == ("tokens", "answered", "Arg, at least 1081")


def test_where_not_even_a_last_answer_can_be_paid_nothing_is_called(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, max_tokens=100)
    result = agent.invoke(QUESTION)
    assert (result.stopped_by, result.status, result.steps, said_by(agent)) == ("tokens", "stopped", (), [])


def test_money_runs_out_as_tokens_do(tmp_path: Path) -> None:
    price = Price(input=1, output=1)
    result = agent_of(tmp_path, max_cost=0.0001, prices=price).invoke(QUESTION)
    assert (result.stopped_by, result.usage.calls) == ("cost", 0)
    paid = agent_of(tmp_path, MULTIPLY, KNOWN, max_cost=0.1, prices=price).invoke(QUESTION)
    assert (paid.stopped_by, paid.steps) == (None, STEPS)
    assert paid.usage.cost is not None
    assert 0 < paid.usage.cost < 0.001


def test_runs_together_stay_within_a_shared_budget(tmp_path: Path) -> None:
    budget = Budget(tokens=20_000)
    agents = [agent_of(tmp_path, MULTIPLY, DOUBLE, KNOWN, budget=budget) for _ in range(40)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda agent: agent.invoke(QUESTION), agents))
    used = sum(r.usage.prompt_tokens + r.usage.completion_tokens for r in results)
    assert used == budget.spent.tokens <= 20_000
    assert budget.reserved.tokens == 0
    assert {r.stopped_by for r in results} <= {None, "tokens"}
    assert any(r.stopped_by is None for r in results)


async def test_tasks_together_stay_within_a_shared_budget(tmp_path: Path) -> None:
    budget = Budget(tokens=20_000)
    agents = [agent_of(tmp_path, MULTIPLY, DOUBLE, KNOWN, budget=budget) for _ in range(40)]
    results = await asyncio.gather(*(agent.ainvoke(QUESTION) for agent in agents))
    used = sum(r.usage.prompt_tokens + r.usage.completion_tokens for r in results)
    assert used == budget.spent.tokens <= 20_000
    assert budget.reserved.tokens == 0


def test_what_was_set_aside_comes_back_when_a_run_breaks_off(tmp_path: Path) -> None:
    budget = Budget(tokens=20_000)
    agent = agent_of(tmp_path, MULTIPLY, KNOWN, budget=budget)
    stream = agent.stream(QUESTION)
    next(stream)
    next(stream)
    assert budget.reserved.tokens > 0
    stream.close()
    assert budget.reserved.tokens == 0
    with pytest.raises(ValueError, match="a bug"):
        agent_of(tmp_path, ValueError("a bug"), budget=budget).invoke(QUESTION)
    assert budget.reserved.tokens == 0


def test_an_unknown_price_under_a_limit_of_cost_is_an_error(tmp_path: Path) -> None:
    from langchain_core.language_models import FakeListChatModel

    from agent_app import Agent

    prompt = agent_of(tmp_path).prompt
    agent = Agent(FakeListChatModel(responses=[KNOWN]), prompt, ["calculator"], max_cost=1.0)
    with pytest.raises(SettingError, match=r"price is not known; give it .* prices=Price"):
        agent.invoke(QUESTION)


# --- time ------------------------------------------------------------------------------------------


@tool
def hang(text: str) -> str:
    """Take for ever."""
    time.sleep(30)
    return text


@tool
async def idle(text: str) -> str:
    """Take for ever, awaited."""
    await asyncio.sleep(30)
    return text


@pytest.mark.parametrize("slow", [hang, idle])
async def test_a_tool_that_hangs_is_abandoned_and_the_model_goes_on(tmp_path: Path, slow: Any) -> None:
    replies = (f"Try\nAction: {slow.name}\nAction Input: x", "Well\nFinal Answer: it hangs")
    says = Observation(f"{slow.name} gave no answer within 0.1 s, and was abandoned", error=True)
    began = time.monotonic()
    for result in (
        agent_of(tmp_path, *replies, tools=[slow], tool_seconds=0.1).invoke("q"),
        await agent_of(tmp_path, *replies, tools=[slow], tool_seconds=0.1).ainvoke("q"),
    ):
        assert result.steps[1:] == (says, Answer("it hangs", "Well"))
    assert time.monotonic() - began < 15


def test_at_the_end_of_its_time_a_run_cuts_off_what_is_under_way(tmp_path: Path) -> None:
    began = time.monotonic()
    agent = agent_of(tmp_path, "Try\nAction: hang\nAction Input: x", BEST, tools=[hang], max_seconds=2)
    result = agent.invoke("q")
    assert (result.stopped_by, result.text) == ("seconds", "Arg, at least 1081")
    assert time.monotonic() - began < 15


def test_an_answer_in_time_is_the_models_own(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, MULTIPLY, KNOWN, max_seconds=60, call_seconds=30, tool_seconds=30)
    result = agent.invoke(QUESTION)
    assert (result.stopped_by, result.steps, result.text) == (None, STEPS, ANSWER.text)
