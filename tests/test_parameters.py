"""What a model reads of a tool's parameters: enough to fill them in at the first attempt."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import pytest
from langchain_core.tools import BaseTool, tool
from pydantic import BaseModel, Field

from agent_app.steps import Action, Observation
from agent_app.toolbox import Toolbox, parameters


class Flag(Enum):
    BLACK = "black"
    RED = "red"


class Port(BaseModel):
    name: str = Field(description="as on\nthe chart")
    depth: float | None = None


class Leg(BaseModel):
    start: Port
    stops: list[Port] = Field(default_factory=list)


@tool
def read_log(day: Annotated[str, "a date"]) -> str:
    """Read the log."""
    return day


@tool
def hoist(flag: Flag) -> str:
    """Hoist a flag."""
    return flag.name


@tool
def moor(port: Annotated[Port, "where"]) -> str:
    """Moor."""
    return repr(port)


@tool
def sail(leg: Leg, knots: Annotated[int, "how fast"] = 5) -> str:
    """Sail."""
    return f"{leg} {knots}"


@tool
def count(things: list[str]) -> str:
    """Count. Input: a list of things."""
    return str(len(things))


@tool
def keep(thing: Any) -> str:
    """Keep it."""
    return repr(thing)


PORT = '{"name": string (as on the chart), "depth": number (optional)}'
NESTED = f'{{"start": {PORT}, "stops": array of {PORT} (optional)}}'


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (read_log, "read_log: Read the log. Input: a date"),
        (hoist, 'hoist: Hoist a flag. Input: "black" or "red"'),
        (moor, f'moor: Moor. Input: JSON object {{"port": {PORT} (where)}}'),
        (sail, f'sail: Sail. Input: JSON object {{"leg": {NESTED}, "knots": integer (optional; how fast)}}'),
        (count, "count: Count. Input: a list of things."),
        (keep, 'keep: Keep it. Input: JSON object {"thing": any value}'),
    ],
)
def test_a_line_says_what_each_parameter_takes_and_is_for(given: BaseTool, line: str) -> None:
    assert Toolbox([given]).describe() == line


def test_a_complaint_has_an_example_that_fits() -> None:
    box = Toolbox([sail])
    complaint = box.run(Action("sail", {"leg": {}})).text
    assert complaint.endswith(', for example {"leg": {"start": {"name": "text"}}}')
    assert not box.run(Action("sail", {"leg": {"start": {"name": "text"}}})).error


def test_where_anything_will_do_an_object_is_a_value_too() -> None:
    assert Toolbox([keep]).run(Action("keep", {"gold": 3})) == Observation("{'gold': 3}")


def test_no_schema_is_too_deep_or_too_odd_to_be_named() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(50):
        deep = {"type": "object", "properties": {"x": deep}}
    assert (
        parameters.kind(deep)
        == '{"x": {"x": {"x": {"x": object (optional)} (optional)} (optional)} (optional)}'
    )
    odd: dict[str, Any] = {
        "a": True,
        "b": {"type": "array", "items": True},
        "c": {"type": ["null", "string"]},
    }
    assert parameters.signature({"properties": odd, "required": list(odd)}) == (
        '{"a": any value, "b": array of any value, "c": string}'
    )
    assert parameters.example({"properties": odd}) == {"a": "text", "b": [], "c": "text"}
