"""An agent can answer with data of a given form instead of words."""

from __future__ import annotations

import asyncio
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from agents import ACTION, MULTIPLY, OBSERVATION, QUESTION, agent_of, mate, said_by
from pydantic import BaseModel, Field

from agent_app import Agent, Answer, Observation, Result, Unreadable, load_model
from agent_app.events import Said
from agent_app.models.embedded import EmbeddedModel, open_embedded
from agent_app.testing import FaultyServer


class Product(BaseModel):
    """What two numbers make."""

    first: int
    second: int
    product: int = Field(ge=0)


JSON = '{"first": 23, "second": 47, "product": 1081}'
PRODUCT = Product(first=23, second=47, product=1081)
KNOWN = f" So it is\nFinal Answer: {JSON}"
SCHEMA = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}


def test_an_answer_is_an_instance_of_the_model(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, MULTIPLY, KNOWN, response_format=Product)
    result = agent.invoke(QUESTION)
    assert (result.data, result.text) == (PRODUCT, JSON)
    assert Result.from_json(result.to_json()).data == PRODUCT.model_dump()
    assert said_by(agent)[0].count("Write the Final Answer as JSON that fits this JSON schema") == 1
    assert result.question == QUESTION


class Sum(BaseModel):
    """What two numbers come to."""

    value: int


@pytest.mark.parametrize(
    ("wanted", "said", "data", "plain"),
    [
        (
            Sum,
            '{"action": "Final Answer", "action_input": {"value": 1081}}',
            Sum(value=1081),
            {"value": 1081},
        ),
        (
            Sum,
            '{"action": "Final Answer", "action_input": {"answer": 1081}}',
            Sum(value=1081),
            {"value": 1081},
        ),
        (list[Sum], 'Final Answer: [{"value": 3}]', [Sum(value=3)], [{"value": 3}]),
        (date, 'Final Answer: "2024-02-29"', date(2024, 2, 29), "2024-02-29"),
        (bytes, 'Final Answer: "arr"', b"arr", "YXJy"),
    ],
)
def test_data_of_any_type_can_be_kept(wanted: Any, said: str, data: Any, plain: Any, tmp_path: Path) -> None:
    result = agent_of(tmp_path, said, response_format=wanted).invoke(QUESTION)
    assert result.data == data
    assert Result.from_json(result.to_json()).data == plain


def test_an_answer_that_does_not_fit_is_told_and_asked_for_again(tmp_path: Path) -> None:
    wrong = ' So\nFinal Answer: {"first": 23, "second": 47, "product": -1}'
    agent = agent_of(tmp_path, MULTIPLY, wrong, KNOWN, response_format=Product)
    result = agent.invoke(QUESTION)
    assert result.data == PRODUCT
    assert result.steps[:2] == (ACTION, OBSERVATION)
    unreadable, told, _ = result.steps[2:]
    assert unreadable == Unreadable(wrong)
    assert isinstance(told, Observation)
    assert told.error
    assert told.text.startswith(
        "The Final Answer does not fit: product: Input should be greater than or equal to 0. "
        "Write the Final Answer as JSON that fits this JSON schema, and nothing else: "
    )


def test_the_repair_is_bounded_and_an_answer_of_another_form_is_none(tmp_path: Path) -> None:
    words = " So\nFinal Answer: it is 1081"
    agent = agent_of(tmp_path, words, words, words, " it is 1081", response_format=Product)
    result = agent.invoke(QUESTION)
    assert (result.status, result.stopped_by) == ("stopped", "format errors")
    assert (result.text, result.data, result.usage.calls) == ("", None, 4)


def test_a_last_answer_has_the_form_too(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, MULTIPLY, f" {JSON}", response_format=Product, max_steps=1)
    result = agent.invoke(QUESTION)
    assert (result.data, result.stopped_by) == (PRODUCT, "steps")


def test_a_json_schema_gives_plain_data(tmp_path: Path) -> None:
    agent = agent_of(tmp_path, ' So\nFinal Answer: ```json\n{"sum": 3}\n```', response_format=SCHEMA)
    assert agent.invoke("1 + 2").data == {"sum": 3}


def test_without_a_form_there_is_no_data(tmp_path: Path) -> None:
    assert agent_of(tmp_path, " So\nFinal Answer: 3").invoke("1 + 2").data is None


async def test_a_remote_model_is_repaired_likewise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultyServer(" So\nFinal Answer: many", KNOWN) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        agent = Agent(load_model("openai:parrot"), mate(tmp_path), [], response_format=Product)
        assert (await agent.ainvoke(QUESTION)).data == PRODUCT
        assert "The Final Answer is no JSON" in server.requests[1].texts[0]


# --- the embedded model ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small(smollm2: Path) -> Any:
    model = open_embedded(smollm2, context=2048)
    yield model
    model.close()


def test_the_embedded_model_cannot_but_answer_in_the_form(small: EmbeddedModel, tmp_path: Path) -> None:
    agent = Agent(small, mate(tmp_path), ["calculator"], response_format=Product, max_steps=2)
    result = agent.invoke(QUESTION)
    assert isinstance(result.data, Product)
    assert not any(isinstance(step, Unreadable) for step in result.steps)
    assert isinstance(result.steps[-1], Answer)


def _is_idle(model: EmbeddedModel) -> float:
    """How many seconds a tiny call takes: long if another one is still going on."""
    began = time.monotonic()
    model.invoke("Hi", max_tokens=1)
    return time.monotonic() - began


LONG = "Write a very long story about a ship, with many chapters."


def test_closing_a_stream_stops_the_embedded_model(small: EmbeddedModel, tmp_path: Path) -> None:
    usual = _is_idle(small)
    agent = Agent(small, mate(tmp_path), [])
    stream: Any = agent.stream(LONG)
    for event in stream:
        if isinstance(event, Said):
            break
    stream.close()
    assert _is_idle(small) < usual + 8


async def test_cancelling_a_task_stops_the_embedded_model(small: EmbeddedModel, tmp_path: Path) -> None:
    usual = _is_idle(small)
    agent = Agent(small, mate(tmp_path), [])
    begun = asyncio.Event()

    async def ask() -> None:
        async for event in agent.astream(LONG):
            if isinstance(event, Said):
                begun.set()

    task = asyncio.create_task(ask())
    await asyncio.wait_for(begun.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(_is_idle, small) < usual + 8


def test_one_embedded_model_serves_threads_in_turn(small: EmbeddedModel, tmp_path: Path) -> None:
    agent = Agent(small, mate(tmp_path), [], response_format=SCHEMA)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(agent.invoke("1 + 2").data)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert [set(data) for data in found] == [{"sum"}] * 3
