"""The executor loop, with plain values: no model, no tool, no clock but a list of times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from agent_app.loop import CallModel, Limits, Move, Request, RunTool, Unread, react_loop
from agent_app.steps import Action, Answer, Observation, Step, StoppedBy, Unreadable

ADD = Action("calculator", "2 + 2", "add")
TIME = Action("clock", "now")
FOUR, NOON = Observation("4"), Observation("noon")
ANSWER = Answer("Arg, 4")
ASK, LAST = CallModel(), CallModel(last=True)
UNREAD = Unread("hm", "Write 'Action:'.")
REMINDER = (
    "You have just used calculator with this same input. It gave: 4 "
    "Do something else, or give the Final Answer."
)


@dataclass
class Run:
    """What a loop asked for, the steps it made, and the limit that ended it."""

    asked: list[Request] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    stopped_by: StoppedBy | None = None


def play(
    replies: Iterable[Move | Observation], limits: Limits | None = None, times: Iterator[float] | None = None
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
            return run
    raise AssertionError(f"not over: it asks for {run.asked[-1]}")


def test_an_answer_ends_a_run_at_once() -> None:
    assert play([ANSWER]) == Run([ASK], [ANSWER], None)


def test_a_tool_is_run_and_then_the_model_is_asked_again() -> None:
    run = play([ADD, FOUR, ANSWER])
    assert run == Run([ASK, RunTool(ADD), ASK], [ADD, FOUR, ANSWER], None)


def test_an_unreadable_reply_is_kept_and_the_model_is_told_why() -> None:
    told: list[Step] = [Unreadable("hm"), Observation("Write 'Action:'.", error=True)]
    assert play([UNREAD, ADD, FOUR, ANSWER]) == Run(
        [ASK, ASK, RunTool(ADD), ASK], [*told, ADD, FOUR, ANSWER], None
    )


def test_an_action_is_not_run_twice_in_a_row_but_its_result_is_told_again() -> None:
    run = play([ADD, FOUR, ADD, ANSWER])
    reminder = Observation(REMINDER, error=True)
    assert run == Run([ASK, RunTool(ADD), ASK, ASK], [ADD, FOUR, ADD, reminder, ANSWER], None)


def test_the_reminder_tells_the_result_of_this_action_and_of_no_other() -> None:
    failed = Observation("there is no such place", error=True)
    run = play([ADD, FOUR, TIME, failed, TIME, ANSWER])
    assert run.steps[5] == Observation(
        "You have just used clock with this same input. It did not help. "
        "Do something else, or give the Final Answer.",
        error=True,
    )


def test_a_result_without_words_is_not_told_again() -> None:
    run = play([TIME, Observation(""), TIME, ANSWER])
    assert run.steps[3] == Observation(
        "You have just used clock with this same input. It did not help. "
        "Do something else, or give the Final Answer.",
        error=True,
    )


def test_an_action_may_be_done_again_later_or_with_another_input() -> None:
    other = Action("calculator", "2 + 3", "add")
    moves: list[Action | Observation | Answer] = [ADD, FOUR, other, FOUR, TIME, NOON, ADD, FOUR, ANSWER]
    run = play(moves)
    assert run == Run(
        [ASK, RunTool(ADD), ASK, RunTool(other), ASK, RunTool(TIME), ASK, RunTool(ADD), ASK], [*moves], None
    )


def test_the_same_action_with_another_thought_is_a_repetition() -> None:
    again = Action("calculator", "2 + 2", "let me make sure")
    assert play([ADD, FOUR, again, ANSWER]).asked == [ASK, RunTool(ADD), ASK, ASK]


def test_an_action_is_run_again_when_the_reply_in_between_was_unreadable() -> None:
    assert play([ADD, FOUR, UNREAD, ADD, FOUR, ANSWER]).asked == [
        *[ASK, RunTool(ADD), ASK],
        *[ASK, RunTool(ADD), ASK],
    ]


def test_too_many_repetitions_lead_to_the_last_call() -> None:
    run = play([ADD, FOUR, ADD, ADD, ANSWER])
    reminder = Observation(REMINDER, error=True)
    assert run == Run(
        [ASK, RunTool(ADD), ASK, ASK, LAST], [ADD, FOUR, ADD, reminder, ADD, reminder, ANSWER], "repeats"
    )


def test_another_action_starts_the_count_of_repetitions_anew() -> None:
    run = play([ADD, FOUR, ADD, TIME, NOON, TIME, ADD, FOUR, ADD, ANSWER])
    assert run.stopped_by is None
    assert LAST not in run.asked


def test_the_limit_of_steps_leads_to_the_last_call() -> None:
    run = play([ADD, FOUR, TIME, NOON, ANSWER], Limits(steps=2))
    assert run == Run([ASK, RunTool(ADD), ASK, RunTool(TIME), LAST], [ADD, FOUR, TIME, NOON, ANSWER], "steps")


def test_repetitions_count_as_steps() -> None:
    run = play([ADD, FOUR, ADD, ANSWER], Limits(steps=2))
    assert run.asked == [ASK, RunTool(ADD), ASK, LAST]
    assert run.stopped_by == "steps"


def test_the_limit_of_format_errors_counts_the_whole_run() -> None:
    run = play([UNREAD, ADD, FOUR, UNREAD, ANSWER], Limits(format_errors=2))
    told: list[Step] = [Unreadable("hm"), Observation("Write 'Action:'.", error=True)]
    assert run == Run([ASK, ASK, RunTool(ADD), ASK, LAST], [*told, ADD, FOUR, *told, ANSWER], "format errors")


def test_the_limit_of_seconds_is_looked_at_before_each_call() -> None:
    # Asked at the start, before the first call, and before the second.
    run = play([ADD, FOUR, ANSWER], Limits(seconds=10), iter([100.0, 101.0, 110.0]))
    assert run == Run([ASK, RunTool(ADD), LAST], [ADD, FOUR, ANSWER], "seconds")


def test_an_answer_just_in_time_is_the_models_own() -> None:
    run = play([ADD, FOUR, ANSWER], Limits(seconds=10), iter([100.0, 101.0, 109.9]))
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
