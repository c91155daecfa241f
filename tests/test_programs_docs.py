"""The page for programmers is true: its programs run, and its tables hold all that there is, and no more."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import get_args

import pytest
from documents import ROOT, blocks_of, run_blocks
from langchain_core.messages import BaseMessage

from agent_app import Agent, errors, events
from agent_app.agent import Given
from agent_app.testing import ScriptedModel

PAGE = ROOT / "docs" / "programs.md"
TEXT = PAGE.read_text(encoding="utf-8")
PRINTED = [
    "Arg, 1081!",
    "answered None 2 0.0",
    "[Action] 1",
    "[Observation] 1",
    "Arg, 1081![Answer] 1",
    "None",  # the task was cancelled before its run began
    "True 1.5",
    "value=1081",
    "('navigator',)",
    "Arg, 1081!",
    "Arg, 1081!",
]


def play(messages: list[BaseMessage]) -> str:
    """Play the model: multiply with the calculator, and answer with what comes back."""
    question, _, steps = messages[-1].text.rpartition("Question: ")[2].partition("\n")
    if "Observation: " not in steps and "twice" not in question:
        given = "{'expression': '23 * 47'}" if len(messages) > 1 else "23 * 47"
        return f" Multiply\nAction: calculator\nAction Input: {given}"
    answer = '{"value": 1081}' if "as data" in question else "Arg, 1081!"
    return f" I know\nFinal Answer: {answer}"


def test_its_programs_run_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    model = ScriptedModel(repeat=play)
    monkeypatch.setattr("agent_app.agent.load_model", lambda *_, **__: model)
    monkeypatch.setattr("agent_app.models.load_model", lambda *_, **__: model)
    made = run_blocks(block for block in blocks_of(PAGE) if block.language == "python")
    assert capsys.readouterr().out.splitlines() == PRINTED
    assert (made["later"].text, made["again"].steps, made["resumed"].steps) == (
        "Arg, 1081!",
        made["result"].steps,
        made["result"].steps,
    )


def table(heading: str) -> str:
    """Return what stands under a heading."""
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_every_argument_of_an_agent_is_in_the_table_and_no_other() -> None:
    named = [name for row in re.findall(r"^\|[^|]*\|([^|]*)\|", table("What an agent takes"), re.MULTILINE)
             for name in re.findall(r"`(\w+)`", row.partition(":")[0])]  # fmt: skip
    assert sorted(named) == sorted(inspect.signature(Agent).parameters)


def test_every_thing_that_a_question_may_follow_on_is_in_the_table_and_no_other() -> None:
    named = re.findall(r"^\| `(\w+)` \|", table("What a question follows on"), re.MULTILINE)
    assert named == list(Given.__annotations__)


def test_every_event_is_in_the_table_with_its_name_and_its_fields() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (.*?) \|", table("Events"), re.MULTILINE)
    told = [(cls, name, re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", fields))) for cls, name, fields in rows]
    kinds = get_args(events.Event)
    assert told == [(kind.__name__, kind.event, [f.name for f in dataclasses.fields(kind)]) for kind in kinds]


def test_every_error_is_in_the_table() -> None:
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, Exception)]
    assert [kind.__name__ for kind in kinds if f"`{kind.__name__}`" not in table("Errors")] == []
