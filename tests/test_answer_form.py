"""A final answer becomes data of the form that was asked for, or a sentence that says what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest
from langchain.agents.structured_output import ToolStrategy
from pydantic import BaseModel, Field
from typing_extensions import TypedDict  # Pydantic wants this one before Python 3.12

from agent_app.answer_form import AnswerForm, Misfit
from agent_app.errors import SettingError

SCHEMA = {"type": "object", "properties": {"masts": {"type": "integer"}}, "required": ["masts"]}


class Ship(BaseModel):
    name: str
    masts: int = Field(ge=1)
    kind: Literal["sloop", "brig"] = "sloop"


@dataclass
class Port:
    depth: float


class Crew(TypedDict):
    names: list[str]


SHIP = Ship(name="Ann", masts=2)


@pytest.mark.parametrize(
    ("wanted", "text", "data"),
    [
        (Ship, '{"name": "Ann", "masts": 2}', SHIP),
        (Ship, 'Arr! Here she be: {"name": "Ann", "masts": 2} matey!', SHIP),
        (Ship, '```json\n{"name": "Ann", "masts": 2}\n```', SHIP),
        (Ship, "{'name': 'Ann', 'masts': 2,}", SHIP),
        (Port, '{"depth": 3}', Port(3.0)),
        (Port, "3", Port(3.0)),
        (Crew, '{"names": ["Jim"]}', {"names": ["Jim"]}),
        (list[int], "The numbers: [1, 2]", [1, 2]),
        (int, "42", 42),
        (int, "42.", 42),
        (str, '"arr"', "arr"),
        (bool, "true", True),
        (SCHEMA, '{"masts": 3}', {"masts": 3}),
    ],
)
def test_an_answer_becomes_data(wanted: Any, text: str, data: Any) -> None:
    assert AnswerForm(wanted).read(text) == data


@pytest.mark.parametrize(
    ("wanted", "text", "says"),
    [
        (Ship, "Two masts, matey", "The Final Answer is no JSON: "),
        (Ship, "", "The Final Answer is no JSON: "),
        (Ship, '{"name": "Ann"}', "The Final Answer does not fit: masts: Field required. "),
        (
            Ship,
            '{"name": "Ann", "masts": 0, "kind": "raft"}',
            "The Final Answer does not fit: masts: Input should be greater than or equal to 1; kind: Input ",
        ),
        (SCHEMA, '{"masts": "x"}', "The Final Answer does not fit: masts: 'x' is not of type 'integer'. "),
        (int, "1,081,000", "The Final Answer is no JSON: other text after the value at character 2. "),
        (int, "2024-01-01", "The Final Answer is no JSON: other text after the value at character 5. "),
        (float, "3/4", "The Final Answer is no JSON: other text after the value at character 2. "),
        (bool, "true or false", "The Final Answer is no JSON: other text after the value at character 5. "),
        (SCHEMA, "[]", "The Final Answer does not fit: [] is not of type 'object'. "),
        (float, '"Infinity"', "The Final Answer does not fit: a number has no end, which JSON cannot hold. "),
        (list[float], '["nan"]', "The Final Answer does not fit: a number has no end, "),
    ],
)
def test_the_model_is_told_what_is_wrong_and_what_is_wanted(wanted: Any, text: str, says: str) -> None:
    form = AnswerForm(wanted)
    with pytest.raises(Misfit) as caught:
        form.read(text)
    assert str(caught.value).startswith(says)
    assert str(caught.value).endswith(form.instruction)


def test_the_instruction_shows_the_schema() -> None:
    assert AnswerForm(SCHEMA).instruction == (
        "Write the Final Answer as JSON that fits this JSON schema, and nothing else: "
        '{"type": "object", "properties": {"masts": {"type": "integer"}}, "required": ["masts"]}'
    )


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"type": "ship"}, "response_format is not a JSON schema: type: 'ship' is not valid under"),
        ({"$ref": "#/$defs/x"}, "response_format refers to what is not in it: /$defs/x"),
        ({"$ref": "http://ships.invalid/x"}, "response_format refers to what is not in it: http://ships."),
        ({"$ref": "#"}, "response_format refers to itself without an end"),
        (open, "response_format takes a Pydantic model, a type or a JSON schema, not <built-in function"),
        (3, "response_format takes a Pydantic model, a type or a JSON schema, not 3"),
        ("int", "response_format takes a Pydantic model, a type or a JSON schema, not the text 'int'"),
        (
            ToolStrategy(Ship),
            "response_format takes a Pydantic model, a type or a JSON schema, not ToolStrategy(schema=",
        ),
    ],
)
def test_what_is_no_form_is_refused(wanted: Any, says: str) -> None:
    with pytest.raises(SettingError) as caught:
        AnswerForm(wanted)
    assert str(caught.value).startswith(says)
