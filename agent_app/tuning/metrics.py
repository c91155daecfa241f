"""How well an agent makes its moves, or whatever else makes them.

A row's moves are asked for one by one, each after the recorded steps before it, so that a wrong first move
does not spoil the judgement of the last one. Whole runs, with their time, are measured in `runs`.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from agent_app.events import Stepped
from agent_app.history import Turn
from agent_app.steps import Action, Answer, Step, Unreadable
from agent_app.tuning.data.rows import Row
from agent_app.tuning.same import holds, same_input
from agent_app.tuning.shares import Share
from agent_app.tuning.voice import pirate

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agent_app.agent import Agent

Measure = Literal["parses", "tool", "input", "later", "value", "voice"]
MEASURES: Mapping[Measure, str] = {
    "parses": "every reply parses",
    "tool": "right first tool",
    "input": "right first input",
    "later": "right later calls",
    "value": "answer holds the value",
    "voice": "pirate voice",
}


class Move(Protocol):
    """Says what to do next."""

    def __call__(self, question: str, steps: Sequence[Step], turns: Sequence[Turn] = ()) -> Step:
        """Return an action or an answer, or what was written instead of one.

        Args:
            question: what is asked.
            steps: the run so far.
            turns: what was asked and answered before.
        """


@dataclass(frozen=True, slots=True)
class Mistake:
    """A move that was not what it should have been."""

    missed: tuple[Measure, ...]
    wanted: Step
    """What was recorded at this point."""
    made: Step


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one row's moves were made."""

    row: Row
    moves: tuple[Step, ...]
    """What was done at each point of the row, the last time where it has its answer."""
    marks: Mapping[Measure, bool]
    """What was right; what cannot be said of the row is not in it."""
    seconds: float
    """How long all moves took together."""

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """The moves that spoilt a mark, in their order."""
        told = [
            Mistake(tuple(m for m in get_args(Measure) if self._spoilt(m, number)), wanted, made)
            for number, (wanted, made) in enumerate(zip(self.row.steps[::2], self.moves, strict=True))
        ]
        return tuple(mistake for mistake in told if mistake.missed)

    def _spoilt(self, measure: Measure, number: int) -> bool:
        """Say whether it was this move that cost the row a mark."""
        if self.marks.get(measure, True):
            return False
        made, last = self.moves[number], len(self.moves) - 1
        match measure:
            case "parses":
                return isinstance(made, Unreadable)
            case "tool" | "input":
                return number == 0
            case "later":
                return 0 < number < last and not _does(made, self.row.actions[number])
            case "value" | "voice":
                return number == last


@dataclass(frozen=True, slots=True)
class Scores:
    """How well all rows went."""

    verdicts: tuple[Verdict, ...]

    def share(self, measure: Measure, kind: str | None = None) -> Share:
        """Return how often a measure was met, of all rows or of those for one of `kinds`."""
        verdicts = [v for v in self.verdicts if kind is None or _is_for(v.row) == kind]
        marks = [v.marks[measure] for v in verdicts if measure in v.marks]
        return Share(sum(marks), len(marks))

    @property
    def seconds_per_move(self) -> float:
        """The median time of a reply."""
        return statistics.median(v.seconds / len(v.moves) for v in self.verdicts)

    @property
    def mistakes(self) -> list[tuple[Row, Mistake]]:
        """All moves that were wrong, each with its row."""
        return [(verdict.row, mistake) for verdict in self.verdicts for mistake in verdict.mistakes]

    @property
    def kinds(self) -> tuple[str, ...]:
        """What the rows are for: the first tool of each, or ``none``."""
        return tuple(dict.fromkeys(_is_for(v.row) for v in self.verdicts))

    def to_dict(self) -> dict[str, Any]:
        """Return all shares as plain data, those of each kind of row too."""

        def shares(kind: str | None = None) -> dict[str, Any]:
            return {name: self.share(name, kind).to_dict() for name in get_args(Measure)}

        return {
            "rows": len(self.verdicts),
            "seconds_per_move": round(self.seconds_per_move, 4),
            "all": shares(),
            "kinds": {kind: shares(kind) for kind in self.kinds},
        }


def _is_for(row: Row) -> str:
    return row.kind.partition("/")[0]


def score(rows: Iterable[Row], move: Move, tell: Callable[[Verdict], None] = lambda _: None) -> Scores:
    """Have every move of some rows made and judge them.

    Args:
        rows: the rows.
        move: makes the moves.
        tell: is told each verdict as soon as it is there.

    Raises:
        ValueError: there are no rows.
    """
    verdicts = []
    for row in rows:
        verdicts.append(judged(row, move))
        tell(verdicts[-1])
    if not verdicts:
        raise ValueError("there are no rows to score")
    return Scores(tuple(verdicts))


def judged(row: Row, move: Move) -> Verdict:
    """Have the moves of a row made, and judge them."""
    began = time.perf_counter()
    moves = tuple(move(row.question, row.steps[:point], row.turns) for point in range(0, len(row.steps), 2))
    seconds = time.perf_counter() - began
    marks: dict[Measure, bool] = {"parses": not any(isinstance(made, Unreadable) for made in moves)}
    first, last = moves[0], moves[-1]
    text = last.text if isinstance(last, Answer) else ""
    marks["voice"] = pirate(text)
    if not row.actions:
        marks["tool"] = isinstance(first, Answer)
        return Verdict(row, moves, marks, seconds)
    marks["tool"] = isinstance(first, Action) and first.tool == row.actions[0].tool
    marks["input"] = _does(first, row.actions[0], row.accepts)
    if len(row.actions) > 1:
        later = zip(moves[1:-1], row.actions[1:], strict=True)
        marks["later"] = all(_does(made, wanted) for made, wanted in later)
    if row.values:
        marks["value"] = all(holds(text, value) for value in row.values)
    return Verdict(row, moves, marks, seconds)


def _does(made: Step, wanted: Action, accepts: Sequence[str] = ()) -> bool:
    if not isinstance(made, Action) or made.tool != wanted.tool:
        return False
    return any(same_input(wanted.tool, made.input, right) for right in (wanted.input, *accepts))


# --- who makes the moves ---


def moves_of(agent: Agent) -> Move:
    """Return what an agent does next, with its own prompt, grammar and parser; its tools are not run."""

    def move(question: str, steps: Sequence[Step], turns: Sequence[Turn] = ()) -> Step:
        with contextlib.closing(agent.stream(question, steps=steps, history=turns)) as events:
            return next(event.step for event in events if isinstance(event, Stepped))

    return move


def without_grammar(model: BaseChatModel) -> BaseChatModel:
    """Return a copy of a model that is never given a grammar, and so writes what it likes."""
    import dataclasses

    from agent_app.models import traits_of

    free = model.model_copy()
    free.__dict__["traits"] = dataclasses.replace(traits_of(model), grammar=False)
    return free
