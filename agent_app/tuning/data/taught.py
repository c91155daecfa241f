"""Takes the successful runs of a batch as rows, so that a large model teaches a small one."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent_app.errors import DataError
from agent_app.steps import Action, Answer, Observation, Step, Unreadable, step_from_dict
from agent_app.tuning.data.making import FEWEST
from agent_app.tuning.data.material import thoughts
from agent_app.tuning.data.rows import PARTS, Part, Row, numbered_lines
from agent_app.tuning.data.thinking import thought_before
from agent_app.tuning.same import holds

_HARMLESS = frozenset(
    (
        "code fence around the reply",
        "decorated label",
        "end-of-turn token",
        "fullwidth colon",
        "label in other letters",
        "label without a colon",
        "numbered label",
        "quotes around the input",
        "reasoning tags",
        "short label",
        "template token",
        "tool's name cleaned",
    )
)
"""What a parser may have forgiven in a run to learn from; with anything else it had to guess."""

_WANTED = "this takes what `agent-app batch` writes"
_NUMBER = re.compile(r"\d[\d,.:-]*\d|\d")
_OF_A_HUNDRED: Mapping[Part, int] = {"train": 80, "dev": 8, "test": 12}


@dataclass(frozen=True, slots=True)
class Taught:
    """The rows that a batch gave, and why others were left out."""

    rows: tuple[Row, ...]
    left_out: Mapping[str, int]
    """How many, by the reason."""

    @property
    def summary(self) -> str:
        """What was left out and why, in one line."""
        total = len(self.rows) + sum(self.left_out.values())
        why = ", ".join(f"{number:,} {reason}" for reason, number in self.left_out.items())
        return f"{sum(self.left_out.values()):,} of {total:,} answers were left out" + (
            f": {why}" if why else ""
        )


def rows_of_answers(path: Path, *, tools: Iterable[str] | None = None, right_only: bool = False) -> Taught:
    """Return the successful runs in a file of answers as rows.

    A question's hash says which part it goes to, so that one question is never in two parts. Thoughts
    become short ones: a small model learns those at once, and has the rest left to learn.

    Args:
        path: what `agent-app batch -o` has written, as JSON lines.
        tools: only runs with no other tools than these; None: with any.
        right_only: only rows with something expected that is in the answer.

    Raises:
        DataError: the file cannot be read, a line is no answer, or too few runs are left to tune on.
    """
    offered = None if tools is None else frozenset(tools)
    rows: dict[str, Row] = {}
    left_out: Counter[str] = Counter()
    for number, line in numbered_lines(path):
        try:
            answer = _Answered.from_line(line)
        except ValueError as error:
            raise DataError(f"{path}:{number}: {error}") from None
        reason = answer.unfit(offered, right_only=right_only)
        row = answer.row()
        if reason is None and row.id in rows:
            reason = "the same question again"
        if reason is None:
            rows[row.id] = row
        else:
            left_out[reason] += 1
    taught = Taught(tuple(rows.values()), dict(left_out.most_common()))
    learnt = sum(row.split == "train" for row in taught.rows)
    if learnt < FEWEST:
        raise DataError(
            f"{path}: only {learnt} rows are left to tune on, at least {FEWEST} are needed; {taught.summary}"
        )
    return taught


@dataclass(frozen=True, slots=True)
class _Answered:
    """A line of a file of answers, as far as it matters here."""

    question: str
    status: str
    steps: tuple[Step, ...]
    stopped_by: str | None
    expected: Any

    @classmethod
    def from_line(cls, line: str) -> _Answered:
        """Read a line.

        Raises:
            ValueError: it is no answer; says which field is wrong.
        """
        try:
            data = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"it is not JSON: {error.msg}, at character {error.pos + 1}") from None
        if not isinstance(data, dict):
            raise ValueError("it is no JSON object")  # noqa: TRY004 - the line's fault
        for name, kind in (("question", str), ("status", str), ("steps", list)):
            if not isinstance(data.get(name), kind):
                raise ValueError(f"the field {name!r} is missing or wrong; {_WANTED}")  # noqa: TRY004
        try:
            steps = tuple(step_from_dict(step) for step in data["steps"])
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"the field 'steps': {error}") from None
        return cls(data["question"], data["status"], steps, data.get("stopped_by"), data.get("expected"))

    def unfit(self, tools: frozenset[str] | None, *, right_only: bool) -> str | None:
        """Say why nothing should be learnt from it; None if something should."""
        end = self.steps[-1] if self.steps else None
        if self.status != "answered" or not isinstance(end, Answer) or not end.text:
            return "without an answer"
        if self.stopped_by is not None:
            return "stopped by a limit"
        if any(isinstance(step, Unreadable) for step in self.steps):
            return "with an unreadable reply"
        made = [step for step in self.steps if isinstance(step, Action | Answer)]
        if any(not _harmless(repair) for step in made for repair in step.repairs):
            return "with a reply that was guessed at"
        if tools is not None and any(isinstance(step, Action) and step.tool not in tools for step in made):
            return "with other tools"
        if not right_only:
            return None
        if not isinstance(self.expected, str | int | float):
            return "with nothing expected"
        return None if holds(end.text, str(self.expected)) else "that are not as expected"

    def row(self) -> Row:
        """Return it as a row."""
        digest = hashlib.sha256(self.question.encode("utf-8", "surrogatepass")).hexdigest()
        actions = [step for step in self.steps if isinstance(step, Action)]
        return Row(
            id=digest[:16],
            kind=f"{actions[0].tool if actions else 'none'}/batch",
            template=f"batch/{digest[:16]}",
            split=_part(int(digest, 16) % 100),
            question=self.question,
            steps=tuple(_plain(step, self.question, alone=not actions) for step in self.steps),
            values=self._values(),
        )

    def _values(self) -> tuple[str, ...]:
        """Return what the answer has of what was observed: what was expected, or else the numbers."""
        end = self.steps[-1] if self.steps else None
        observed = " ".join(step.text for step in self.steps if isinstance(step, Observation))
        if not isinstance(end, Answer) or not observed:
            return ()
        expected = str(self.expected) if isinstance(self.expected, str | int | float) else ""
        if expected and holds(end.text, expected) and holds(observed, expected):
            return (expected,)
        return tuple(dict.fromkeys(n for n in _NUMBER.findall(end.text) if holds(observed, n)))


def _part(hundredth: int) -> Part:
    for part in PARTS:
        hundredth -= _OF_A_HUNDRED[part]
        if hundredth < 0:
            break
    return part


def _harmless(repair: str) -> bool:
    # What came after a whole move was never looked at.
    return repair in _HARMLESS or repair.endswith(
        (" after the action dropped", " after the final answer dropped")
    )


def _plain(step: Step, question: str, *, alone: bool) -> Step:
    """Return a step as it should have been written: with a short thought, and nothing to forgive."""
    if isinstance(step, Action):
        return replace(step, thought=thought_before(step.tool, step.input, question), repairs=())
    if isinstance(step, Answer):
        return replace(step, thought=thoughts()["talk" if alone else "answer"], repairs=())
    return step
