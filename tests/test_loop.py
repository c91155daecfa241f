"""The executor loop, with plain values: no model, no tool, no clock but a list of times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from agent_app.loop import CallModel, Direct, Limits, Move, Outcome, Request, RunTool, Unread, react_loop
from agent_app.steps import Action, Answer, Observation, Step, StoppedBy, Unreadable

ADD = Action("calculator", "2 + 2", "add")
TIME = Action("clock", "now")
FOUR, NOON = Observation("4"), Observation("noon")
ANSWER = Answer("Arg, 4")
ASK = CallModel()
LAST = CallModel("error")
"""Stands for a call that knows of the limit which ends the run."""
UNREAD = Unread("hm", "Write 'Action:'.")
REMINDER = Observation(
    "You have used calculator with this same input already. It gave: 4 "
    "Do something else, or give the Final Answer.",
    error=True,
)
NO_HELP = Observation(
    "You have used clock with this same input already. It did not help. "
    "Do something else, or give the Final Answer.",
    error=True,
)


@dataclass
class Run:
    """What a loop asked for, the steps it made, and the limit that ended it."""

    asked: list[Request] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    stopped_by: StoppedBy | None = None


def play(
    replies: Iterable[Move | Outcome], limits: Limits | None = None, times: Iterator[float] | None = None
) -> Run:
    """Send a loop these replies one by one; all of them have to be asked for, and no more."""
    run = Run()
    loop = react_loop(run.steps, limits or Limits(), lambda: next(times) if times else 0.0)
    run.asked.append(next(loop))
    replies = list(replies)
    for number, reply in enumerate(replies, 1):
        try:
            run.asked.append(loop.send(reply))
        except StopIteration as end:
            assert number == len(replies), f"over after {number} of {len(replies)} replies"
            run.stopped_by = end.value
            last = CallModel(run.stopped_by)
            run.asked = [LAST if request == last != ASK else request for request in run.asked]
            return run
    raise AssertionError(f"not over: it asks for {run.asked[-1]}")


def test_an_answer_ends_a_run_at_once() -> None:
    assert play([ANSWER]) == Run([ASK], [ANSWER], None)


def test_a_tool_is_run_and_then_the_model_is_asked_again() -> None:
    run = play([ADD, FOUR, ANSWER])
    assert run == Run([ASK, RunTool(ADD), ASK], [ADD, FOUR, ANSWER], None)


def test_what_a_tool_gives_can_be_the_answer() -> None:
    assert play([ADD, Direct(FOUR)]) == Run([ASK, RunTool(ADD)], [ADD, FOUR, Answer("4")], None)


def test_an_unreadable_reply_is_kept_and_the_model_is_told_why() -> None:
    told: list[Step] = [Unreadable("hm"), Observation("Write 'Action:'.", error=True)]
    assert play([UNREAD, ADD, FOUR, ANSWER]) == Run(
        [ASK, ASK, RunTool(ADD), ASK], [*told, ADD, FOUR, ANSWER], None
    )


def test_an_action_is_not_run_twice_but_its_result_is_told_again() -> None:
    run = play([ADD, FOUR, ADD, ANSWER], Limits(repeats=2))
    assert run == Run([ASK, RunTool(ADD), ASK, ASK], [ADD, FOUR, ADD, REMINDER, ANSWER], None)


def test_the_first_reminder_leads_to_the_last_call() -> None:
    run = play([ADD, FOUR, ADD, ANSWER])
    assert run == Run([ASK, RunTool(ADD), ASK, LAST], [ADD, FOUR, ADD, REMINDER, ANSWER], "repeats")


def test_an_action_is_remembered_whatever_was_done_since() -> None:
    other = Action("calculator", "2 + 3", "add")
    run = play([ADD, FOUR, other, Observation("5"), TIME, NOON, ADD, ANSWER])
    assert run == Run(
        [ASK, RunTool(ADD), ASK, RunTool(other), ASK, RunTool(TIME), ASK, LAST],
        [ADD, FOUR, other, Observation("5"), TIME, NOON, ADD, REMINDER, ANSWER],
        "repeats",
    )


def test_an_unreadable_reply_makes_no_action_forgotten() -> None:
    told: list[Step] = [Unreadable("hm"), Observation("Write 'Action:'.", error=True)]
    assert play([ADD, FOUR, UNREAD, ADD, ANSWER]) == Run(
        [ASK, RunTool(ADD), ASK, ASK, LAST], [ADD, FOUR, *told, ADD, REMINDER, ANSWER], "repeats"
    )


def test_the_reminder_tells_the_result_of_this_action_and_of_no_other() -> None:
    failed = Observation("there is no such place", error=True)
    run = play([ADD, FOUR, TIME, failed, ADD, TIME, ANSWER], Limits(repeats=2))
    assert run == Run(
        [ASK, RunTool(ADD), ASK, RunTool(TIME), ASK, ASK, LAST],
        [ADD, FOUR, TIME, failed, ADD, REMINDER, TIME, NO_HELP, ANSWER],
        "repeats",
    )


def test_a_result_without_words_is_not_told_again() -> None:
    nothing = Observation("")
    run = play([TIME, nothing, TIME, ANSWER])
    assert run == Run([ASK, RunTool(TIME), ASK, LAST], [TIME, nothing, TIME, NO_HELP, ANSWER], "repeats")


def test_a_reminder_is_never_what_a_later_reminder_tells() -> None:
    run = play([ADD, FOUR, ADD, ADD, ANSWER], Limits(repeats=2))
    assert run == Run(
        [ASK, RunTool(ADD), ASK, ASK, LAST], [ADD, FOUR, ADD, REMINDER, ADD, REMINDER, ANSWER], "repeats"
    )


def test_the_same_action_with_another_thought_is_a_repetition() -> None:
    again = Action("calculator", "2 + 2", "let me make sure")
    run = play([ADD, FOUR, again, ANSWER])
    assert run == Run([ASK, RunTool(ADD), ASK, LAST], [ADD, FOUR, again, REMINDER, ANSWER], "repeats")


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (Action("calculator", "2 + 2"), Action("clock", "2 + 2"), False),
        (Action("calculator", "2 + 2"), Action("calculator", "2 + 3"), False),
        (Action("greet", {"name": "Ann", "n": 1}), Action("greet", {"n": 1, "name": "Ann"}), True),
        (Action("greet", {"name": "Ann", "n": 1}), Action("greet", {"name": "Ann", "n": "1"}), False),
        (Action("greet", {"n": 1}), Action("greet", {"n": True}), False),
        (Action("greet", {"n": 1}), Action("greet", '{"n": 1}'), False),
    ],
)
def test_an_action_is_the_same_when_tool_and_input_are(first: Action, second: Action, same: bool) -> None:
    moves: list[Action | Observation | Answer] = [first, FOUR, second, *([] if same else [NOON]), ANSWER]
    run = play(moves)
    after = [LAST] if same else [RunTool(second), ASK]
    assert (run.asked, run.stopped_by) == (
        [ASK, RunTool(first), ASK, *after],
        "repeats" if same else None,
    )


def test_the_limit_of_repetitions_counts_the_whole_run() -> None:
    run = play([ADD, FOUR, ADD, TIME, NOON, TIME, ANSWER], Limits(repeats=2))
    told = Observation(
        "You have used clock with this same input already. It gave: noon "
        "Do something else, or give the Final Answer.",
        error=True,
    )
    assert run == Run(
        [ASK, RunTool(ADD), ASK, ASK, RunTool(TIME), ASK, LAST],
        [ADD, FOUR, ADD, REMINDER, TIME, NOON, TIME, told, ANSWER],
        "repeats",
    )


def test_the_limit_of_steps_leads_to_the_last_call() -> None:
    run = play([ADD, FOUR, TIME, NOON, ANSWER], Limits(steps=2))
    assert run == Run([ASK, RunTool(ADD), ASK, RunTool(TIME), LAST], [ADD, FOUR, TIME, NOON, ANSWER], "steps")


def test_repetitions_count_as_steps() -> None:
    run = play([ADD, FOUR, ADD, ANSWER], Limits(steps=2, repeats=2))
    assert run == Run([ASK, RunTool(ADD), ASK, LAST], [ADD, FOUR, ADD, REMINDER, ANSWER], "steps")


def test_the_limit_of_format_errors_counts_the_whole_run() -> None:
    run = play([UNREAD, ADD, FOUR, UNREAD, ANSWER], Limits(format_errors=2))
    told: list[Step] = [Unreadable("hm"), Observation("Write 'Action:'.", error=True)]
    assert run == Run([ASK, ASK, RunTool(ADD), ASK, LAST], [*told, ADD, FOUR, *told, ANSWER], "format errors")


def test_the_limit_of_seconds_is_looked_at_before_each_call() -> None:
    # Asked before the first call, and before the second.
    run = play([ADD, FOUR, ANSWER], Limits(seconds=10), iter([1.0, 10.0]))
    assert run == Run([ASK, RunTool(ADD), LAST], [ADD, FOUR, ANSWER], "seconds")


def test_an_answer_just_in_time_is_the_models_own() -> None:
    run = play([ADD, FOUR, ANSWER], Limits(seconds=10), iter([1.0, 9.9]))
    assert run.stopped_by is None


def test_without_a_limit_of_seconds_nobody_looks_at_the_clock() -> None:
    assert play([ADD, FOUR, ANSWER], Limits(), iter(())).steps == [ADD, FOUR, ANSWER]


def test_an_action_in_the_last_call_is_not_run() -> None:
    run = play([ADD, FOUR, TIME], Limits(steps=1))
    assert run == Run([ASK, RunTool(ADD), LAST], [ADD, FOUR], "steps")


def test_an_unreadable_last_reply_is_kept() -> None:
    run = play([ADD, FOUR, UNREAD], Limits(steps=1))
    told: list[Step] = [Unreadable("hm"), Observation("Write 'Action:'.", error=True)]
    assert run == Run([ASK, RunTool(ADD), LAST], [ADD, FOUR, *told], "steps")
