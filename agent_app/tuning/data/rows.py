"""The rows that a soft prompt is tuned and measured on: questions with their runs, as JSON lines."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from agent_app.errors import DataError, suggest
from agent_app.history import Turn
from agent_app.steps import Action, Answer, Observation, Step, step_from_dict, step_to_dict

Part = Literal["train", "dev", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
_MAY_LACK = frozenset(("values", "accepts", "turns"))


@dataclass(frozen=True, slots=True)
class Row:
    """A question, and a run that answers it as a model should."""

    id: str
    kind: str
    """What is asked, such as ``calculator/percent``; before the slash stands the first tool, or ``none``."""
    template: str
    """What the question was made from; no template is in two parts."""
    split: Part
    question: str
    steps: tuple[Step, ...]
    """Actions, each with its observation, and an answer."""
    values: tuple[str, ...] = ()
    """What the answer must hold of the observations."""
    accepts: tuple[str, ...] = ()
    """Other inputs of the first tool that are right."""
    turns: tuple[Turn, ...] = ()
    """What was asked and answered before, in the same conversation."""

    @property
    def actions(self) -> tuple[Action, ...]:
        """The tool calls, in their order."""
        return tuple(step for step in self.steps if isinstance(step, Action))

    @property
    def answer(self) -> Answer:
        """The final answer."""
        last = self.steps[-1]
        assert isinstance(last, Answer)
        return last

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that `from_dict` takes back; what is empty is left out."""
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        data["steps"] = [step_to_dict(step) for step in self.steps]
        for name in ("values", "accepts"):
            data[name] = list(data[name])
        data["turns"] = [[turn.question, turn.answer] for turn in self.turns]
        return {name: value for name, value in data.items() if value or name not in _MAY_LACK}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Row:
        """Take back what `to_dict` gave.

        Raises:
            ValueError: a field is missing, unknown, of a wrong type or no Unicode text, or the steps are no
                finished run.
        """
        known = [f.name for f in dataclasses.fields(cls)]
        for name in data:
            if name not in known:
                raise ValueError(f"the field {name!r} is unknown; {suggest(name, known)}")
        for name in ("id", "kind", "template", "split", "question"):
            if not isinstance(data.get(name), str) or not data[name].strip():
                raise ValueError(f"the field {name!r} is missing, empty or no text")
        if data["split"] not in PARTS:
            raise ValueError(f"the field 'split' is {data['split']!r}; it takes {', '.join(PARTS)}")
        lists = {name: _texts(data.get(name, []), name) for name in ("values", "accepts")}
        steps, turns = _run(data.get("steps")), _turns(data.get("turns", []))
        for name, value in data.items():
            _check_unicode(value, name)
        return cls(**{**data, "steps": steps, "turns": turns, **lists})


def read_rows(path: Path, *, tools: Iterable[str] | None = None) -> list[Row]:
    """Return the rows of a file.

    Args:
        path: a file of JSON lines.
        tools: the tools that there are; None: any.

    Raises:
        DataError: the file cannot be read, or a line is no row; says which line and which field.
    """
    known = None if tools is None else sorted(tools)
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for number, line in numbered_lines(path):
        try:
            row = _row(line, known)
        except ValueError as error:
            raise DataError(f"{path}:{number}: {error}") from None
        if row.id in seen:
            raise DataError(f"{path}:{number}: the field 'id' is {row.id!r}, as on line {seen[row.id]}")
        seen[row.id] = number
        rows.append(row)
    return rows


def spread(rows: Sequence[Row], most: int | None) -> Sequence[Row]:
    """Return no more rows than this, evenly spread over all of them; None: all."""
    if most is None or most >= len(rows):
        return rows
    return [rows[number * len(rows) // most] for number in range(most)]


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a file that are not empty, with their numbers.

    Raises:
        DataError: it cannot be read, or there is no line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: it is not UTF-8 text, at byte {error.start + 1}") from None
    # Not `splitlines`: JSON may hold characters that it takes for the end of a line.
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise DataError(f"{path}: there is no row in it")
    return lines


def lines_of(rows: Iterable[Row]) -> str:
    """Return rows as JSON lines."""
    return "".join(json.dumps(row.to_dict(), ensure_ascii=False) + "\n" for row in rows)


def _row(line: str, tools: list[str] | None) -> Row:
    try:
        data = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error.msg}, at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(data, dict):
        raise ValueError(f"it is no JSON object but {line[:40]}")  # noqa: TRY004 - the line's fault
    row = Row.from_dict(data)
    for action in row.actions:
        if tools is not None and action.tool not in tools:
            raise ValueError(
                f"the field 'steps' uses the tool {action.tool!r}; {suggest(action.tool, tools)}"
            )
    return row


def _run(given: Any) -> tuple[Step, ...]:
    """Return the steps of a run: any number of actions with their observations, and an answer."""
    if not isinstance(given, list) or not given:
        raise ValueError("the field 'steps' is missing, empty or no list")
    steps: list[Step] = []
    for number, one in enumerate(given, 1):
        if not isinstance(one, dict):
            raise ValueError(f"the field 'steps' has no JSON object as step {number}")  # noqa: TRY004
        try:
            steps.append(step_from_dict(one))
        except ValueError as error:
            raise ValueError(f"the field 'steps', step {number}: {error}") from None
    wanted = [Action, Observation] * (len(steps) // 2) + [Answer]
    if [type(step) for step in steps] != wanted:
        raise ValueError("the field 'steps' is not a run of actions, each with an observation, and an answer")
    return tuple(steps)


def _turns(given: Any) -> tuple[Turn, ...]:
    """Return earlier turns, each a pair of a question and its answer."""
    if not isinstance(given, list):
        raise ValueError("the field 'turns' is no list")  # noqa: TRY004 - the line's fault
    for pair in given:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(t, str) and t for t in pair)):
            raise ValueError("the field 'turns' is no list of pairs of a question and its answer")
    return tuple(Turn(question, answer) for question, answer in given)


def _check_unicode(given: Any, name: str) -> None:
    """Refuse what no UTF-8 holds, and so no tokenizer takes; JSON can say it with an escape."""
    try:
        json.dumps(given, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError(f"the field {name!r} is not Unicode text: it has half of a surrogate pair") from None
    except RecursionError:
        raise ValueError(f"the field {name!r} is nested too deeply") from None


def _texts(given: Any, name: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(text, str) and text for text in given):
        raise ValueError(f"the field {name!r} is no list of texts")
    return tuple(given)
