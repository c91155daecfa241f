"""Events become plain data and come back; their names are part of the program's face."""

from __future__ import annotations

import json

import pytest

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
from agent_app.steps import Action, Answer, Observation, PromptRef, Result, Unreadable, Usage

PROMPT = PromptRef("pirate", "1.0", "abc")
ACTION = Action("calculator", {"a": [1]}, "add", ("bold label",))
STEPS = (ACTION, Observation("2"), Answer("Arg"))
RESULT = Result("Why?", "Arg", STEPS, "answered", None, Usage(2), PROMPT, "m")
EVENTS: list[tuple[str, Event]] = [
    ("run_started", Started("Why?", PROMPT, "embedded")),
    ("said", Said("thought", "hm")),
    ("repair", Repaired(("bold label",))),
    ("step", Stepped(ACTION)),
    ("step", Stepped(Observation("2", error=True))),
    ("step", Stepped(Unreadable("hm"))),
    ("step", Stepped(Answer("Arg"))),
    ("decision", Decided(ACTION, "refused", "not today")),
    ("retry", Retrying("busy", 1.5)),
    ("switch", Switched("dead", "scripted:x")),
    ("limit", LimitMet("steps")),
    ("error", Failed("dead", "EndpointDown", RESULT)),
    ("run_finished", Finished(RESULT)),
]


@pytest.mark.parametrize(("name", "event"), EVENTS)
def test_an_event_comes_back_from_json(name: str, event: Event) -> None:
    data = json.loads(json.dumps(event_to_dict(event)))
    assert list(data)[:2] == ["version", "event"]
    assert (data["version"], data["event"]) == (1, name)
    assert event_from_dict(data) == event


def test_an_events_data_can_be_read_by_a_stranger() -> None:
    assert event_to_dict(Stepped(ACTION)) == {
        "version": 1,
        "event": "step",
        "step": {
            "kind": "action",
            "tool": "calculator",
            "input": {"a": [1]},
            "thought": "add",
            "repairs": ["bold label"],
        },
    }


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"version": 2, "event": "said"}, "an event of version 2; this program reads version 1"),
        ({"event": "said"}, "an event of version None; this program reads version 1"),
        ({"version": 1, "event": "sung"}, "unknown event 'sung'; known: run_started, said, "),
        ({"version": 1, "event": "said", "kind": "thought"}, "not a stored event 'said': "),
        ({"version": 1, "event": "limit", "limit": "steps", "x": 1}, "not a stored event 'limit': "),
    ],
)
def test_what_is_no_event_is_refused(data: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its text is compared below
        event_from_dict(data)
    assert str(caught.value).startswith(says)
