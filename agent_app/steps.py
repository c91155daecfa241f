"""The values a run is made of: a run *is* the list of its steps.

Everything here is plain frozen data without behaviour, so that a run can be printed, stored,
resumed, replayed and tested. The text a model sees is rendered from it each time anew.
"""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Arguments: TypeAlias = str | dict[str, Any]
"""What a tool is called with: plain text, or a JSON object."""

LONGEST_QUESTION = 50_000
"""In characters; far more than any question, and less than what would only waste a model's time."""

StoppedBy = Literal["steps", "seconds", "tokens", "cost", "format errors", "repeats", "interruption", "error"]
"""What ended a run before the model came to an answer of its own: a limit, the caller, or an error."""

_SORTED = json.JSONEncoder(sort_keys=True)


@dataclass(frozen=True, slots=True)
class Action:
    """The model wants a tool to be run."""

    tool: str
    input: Arguments
    thought: str = ""
    repairs: tuple[str, ...] = ()
    """What the parser forgave in the reply, in words (``"decorated label"``)."""

    @property
    def call(self) -> str:
        """The tool and its input as one text: the same for two actions that do the same."""
        return _SORTED.encode([self.tool, self.input])


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A reply that is neither an action nor an answer; the observation after it says why."""

    text: str


@dataclass(frozen=True, slots=True)
class Observation:
    """What came back: a tool's result, or the sentence that says what went wrong."""

    text: str
    error: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The model's final answer; always the last step of a run that has one."""

    text: str
    thought: str = ""
    repairs: tuple[str, ...] = ()


Step: TypeAlias = Action | Unreadable | Observation | Answer


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run cost. Tokens as the model's server counts them; 0 where it does not say."""

    calls: int = 0
    """How often the model was called."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    """How many of the prompt tokens the server did not have to read again."""
    seconds: float = 0.0
    """Wall-clock time of the whole run, tools included."""
    cost: float | None = 0.0
    """US dollars; None where a price is not known."""

    def __add__(self, other: Usage) -> Usage:
        """Add field by field; what is not known stays so."""
        cost = None if self.cost is None or other.cost is None else self.cost + other.cost
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
            self.seconds + other.seconds,
            cost,
        )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a model was not shown, because its context window could not hold it."""

    observations: int = 0
    """How many observations, or actions with long inputs, were shown with a part cut out of their middle,
    beyond the usual length."""
    turns: int = 0
    """How many of the oldest earlier turns of the conversation were left out."""
    examples: int = 0
    """How many of the prompt's examples were left out."""
    steps: int = 0
    """How many of the run's oldest steps were left out."""

    def __or__(self, other: LeftOut) -> LeftOut:
        """Return the greater of each count, as in a run what was left out once matters."""
        return LeftOut(
            max(self.observations, other.observations),
            max(self.turns, other.turns),
            max(self.examples, other.examples),
            max(self.steps, other.steps),
        )


@dataclass(frozen=True, slots=True)
class PromptRef:
    """Which prompt was used: its name, its version, and a hash of all that it renders from."""

    name: str
    version: str
    hash: str


@dataclass(frozen=True, slots=True)
class Result:
    """A finished run. Turns into JSON and back without loss."""

    question: str
    text: str
    """The final answer; empty when a run stopped without one."""
    steps: tuple[Step, ...]
    status: Literal["answered", "stopped"]
    stopped_by: StoppedBy | None
    """The limit that ended the run, or None when the model answered on its own.

    A run that hit a limit and then gave its best answer is ``"answered"`` with this set.
    """
    usage: Usage
    prompt: PromptRef
    model: str
    """The model that gave the last reply; another one than was asked for where that one failed."""
    data: Any = None
    """The answer as the form that was asked for: an instance of a Pydantic model, or plain JSON data."""
    left_out: LeftOut = LeftOut()
    error: str | None = None
    """What broke the run off, in one line, where that was an error."""
    repairs: int = field(init=False)
    """How many deviations the parser forgave in the whole run."""

    def __post_init__(self) -> None:
        forgiven = sum(len(s.repairs) for s in self.steps if isinstance(s, Action | Answer))
        object.__setattr__(self, "repairs", forgiven)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that `from_dict` takes back; each step names its ``kind``.

        What in `data` is no plain data, such as a Pydantic model or a date, becomes such for good.
        """
        data = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        data["steps"] = [step_to_dict(s) for s in self.steps]
        for name in ("usage", "prompt", "left_out"):
            data[name] = flat_dict(data[name])
        if self.data is not None:
            from pydantic_core import to_jsonable_python

            data["data"] = to_jsonable_python(self.data, bytes_mode="base64")
        return data

    def to_json(self, *, indent: int | None = None) -> str:
        """Return the run as one JSON object."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=indent)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Result:
        """Take back what `to_dict` gave.

        Raises:
            ValueError: a step is of an unknown kind, or a field is missing or unknown.
        """
        try:
            fields = {k: v for k, v in data.items() if k != "repairs"}
            fields["steps"] = tuple(step_from_dict(s) for s in fields["steps"])
            fields["usage"] = Usage(**fields["usage"])
            fields["prompt"] = PromptRef(**fields["prompt"])
            fields["left_out"] = LeftOut(**fields.get("left_out", {}))
            return cls(**fields)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a stored result: {error}") from error

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Take back what `to_json` gave.

        Raises:
            ValueError: it is not JSON, or not a result.
        """
        data = json.loads(text)
        if not isinstance(data, dict):
            raise ValueError("not a stored result: expected a JSON object")  # noqa: TRY004 - it is the text's fault
        return cls.from_dict(data)


_KINDS: dict[str, type[Step]] = {
    "action": Action,
    "unreadable": Unreadable,
    "observation": Observation,
    "answer": Answer,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


def flat_dict(value: Step | Usage | PromptRef | LeftOut) -> dict[str, Any]:
    """Do what `dataclasses.asdict` does, in a tenth of the time; what the fields hold is not copied."""
    return {name: getattr(value, name) for name in value.__slots__}


def step_to_dict(step: Step) -> dict[str, Any]:
    """Return a step as plain data, its type under ``"kind"``."""
    data = {"kind": _NAMES[type(step)], **flat_dict(step)}
    if "repairs" in data:
        data["repairs"] = list(data["repairs"])
    if isinstance(data.get("input"), dict):
        data["input"] = copy.deepcopy(data["input"])
    return data


def step_from_dict(data: Mapping[str, Any]) -> Step:
    """Take back what `step_to_dict` gave.

    Raises:
        ValueError: the kind is unknown, or a field is missing or unknown.
    """
    fields = dict(data)
    kind = _KINDS.get(str(fields.pop("kind", "")))
    if kind is None:
        raise ValueError(f"unknown kind of step {data.get('kind')!r}; known: {', '.join(_KINDS)}")
    try:
        if "repairs" in fields:
            fields["repairs"] = tuple(fields["repairs"])
        return kind(**fields)
    except TypeError as error:
        raise ValueError(f"not a stored {data['kind']}: {error}") from error
