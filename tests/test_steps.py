"""A run is plain data: it becomes JSON and comes back as it was."""

from __future__ import annotations

import dataclasses
import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from agent_app.steps import (
    Action,
    Answer,
    LeftOut,
    Observation,
    PromptRef,
    Result,
    StoppedBy,
    Unreadable,
    Usage,
    step_from_dict,
    step_to_dict,
)

RESULT = Result(
    question="What is 2 + 2?",
    text="Arg, 4",
    steps=(
        Unreadable("hm"),
        Observation("Write 'Action:'.", error=True),
        Action("calculator", {"expression": "2 + 2"}, "add", ("bold label", "fenced input")),
        Observation("4"),
        Answer("Arg, 4", "I know", ("bold label",)),
    ),
    status="answered",
    stopped_by="steps",
    usage=Usage(calls=3, prompt_tokens=20, completion_tokens=8, cached_tokens=10, seconds=0.5),
    prompt=PromptRef("pirate", "1.0", "abc"),
    model="scripted:x",
)
AS_DATA = {
    "question": "What is 2 + 2?",
    "text": "Arg, 4",
    "steps": [
        {"kind": "unreadable", "text": "hm"},
        {"kind": "observation", "text": "Write 'Action:'.", "error": True},
        {
            "kind": "action",
            "tool": "calculator",
            "input": {"expression": "2 + 2"},
            "thought": "add",
            "repairs": ["bold label", "fenced input"],
        },
        {"kind": "observation", "text": "4", "error": False},
        {"kind": "answer", "text": "Arg, 4", "thought": "I know", "repairs": ["bold label"]},
    ],
    "status": "answered",
    "stopped_by": "steps",
    "usage": {
        "calls": 3,
        "prompt_tokens": 20,
        "completion_tokens": 8,
        "cached_tokens": 10,
        "seconds": 0.5,
        "cost": 0.0,
    },
    "prompt": {"name": "pirate", "version": "1.0", "hash": "abc"},
    "model": "scripted:x",
    "data": None,
    "left_out": {"observations": 0, "turns": 0, "examples": 0, "steps": 0},
    "error": None,
    "repairs": 3,
}

texts = st.text()
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
repairs = st.lists(texts, max_size=2).map(tuple)
steps = st.one_of(
    st.builds(Action, texts, texts | st.dictionaries(texts, json_values, max_size=3), texts, repairs),
    st.builds(Unreadable, texts),
    st.builds(Observation, texts, st.booleans()),
    st.builds(Answer, texts, texts, repairs),
)
counts = st.integers(min_value=0)
costs = st.none() | st.floats(min_value=0, allow_infinity=False)
results = st.builds(
    Result,
    question=texts,
    text=texts,
    steps=st.lists(steps, max_size=4).map(tuple),
    status=st.sampled_from(["answered", "stopped"]),
    stopped_by=st.sampled_from([None, *get_args(StoppedBy)]),
    usage=st.builds(
        Usage, counts, counts, counts, counts, st.floats(min_value=0, allow_infinity=False), costs
    ),
    prompt=st.builds(PromptRef, texts, texts, texts),
    model=texts,
    data=st.none() | st.dictionaries(texts, st.integers() | texts, max_size=3),
    left_out=st.builds(LeftOut, counts, counts, counts, counts),
    error=st.none() | texts,
)


def test_a_result_is_plain_data() -> None:
    assert RESULT.to_dict() == AS_DATA
    assert json.loads(RESULT.to_json()) == AS_DATA
    assert RESULT.to_json(indent=1) == json.dumps(AS_DATA, indent=1)


@given(results)
def test_every_result_comes_back_from_json(result: Result) -> None:
    assert Result.from_json(result.to_json()) == result


@given(steps)
def test_every_step_comes_back_from_its_data(step: Action | Unreadable | Observation | Answer) -> None:
    assert step_from_dict(json.loads(json.dumps(step_to_dict(step)))) == step


def test_the_number_of_repairs_is_counted_never_believed() -> None:
    assert Result.from_dict({**AS_DATA, "repairs": 99}).repairs == 3


def test_json_keeps_letters_as_they_are() -> None:
    arr = dataclasses.replace(RESULT, text="Arrr, Käpt'n ☠")
    assert '"text": "Arrr, Käpt\'n ☠"' in arr.to_json()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"kind": "dream"}, "unknown kind of step 'dream'; known: action, unreadable, observation, answer"),
        ({"text": "x"}, "unknown kind of step None; known: action, unreadable, observation, answer"),
        ({"kind": []}, "unknown kind of step []; known: action, unreadable, observation, answer"),
        ({"kind": "unreadable"}, "not a stored unreadable: "),
        ({"kind": "answer", "text": "x", "thought": "", "repairs": 3}, "not a stored answer: "),
        ({"kind": "answer", "text": "x", "mood": "y"}, "not a stored answer: "),
    ],
)
def test_a_wrong_step_is_refused(data: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its text is compared below
        step_from_dict(data)
    assert str(caught.value).startswith(says)


@pytest.mark.parametrize("text", ["[]", "1", "{}", '{"steps": 1}', json.dumps({**AS_DATA, "x": 1})])
def test_what_is_no_result_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a stored result: "):
        Result.from_json(text)


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Expecting value"):
        Result.from_json("ahoy")


def test_usage_adds_up_field_by_field() -> None:
    one, other = Usage(1, 2, 3, 4, 0.5, 0.001), Usage(10, 20, 30, 40, 0.25, 0.5)
    assert one + other == Usage(11, 22, 33, 44, 0.75, 0.501)


def test_a_cost_that_is_not_known_stays_so() -> None:
    assert (Usage(cost=1.0) + Usage(cost=None)).cost is None
    assert (Usage(cost=None) + Usage()).cost is None


def test_of_what_was_left_out_the_most_is_kept() -> None:
    assert LeftOut(3, 0, 1, 0) | LeftOut(2, 4, 0, 0) == LeftOut(3, 4, 1, 0)


def test_a_pydantic_answer_becomes_plain_data() -> None:
    class Sum(BaseModel):
        value: int

    stored = dataclasses.replace(RESULT, data=Sum(value=3)).to_json()
    assert Result.from_json(stored).data == {"value": 3}


def test_steps_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RESULT.steps[0].text = "other"  # type: ignore[union-attr, misc]
