"""What a run tells while it goes on, in the order in which it happens.

`Started` comes first and `Finished` last, or `Failed` where an error ends the run. In between, each step
is told by a `Stepped` as soon as it is known, after the parts of it that the model wrote (`Said`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias, get_args

from agent_app.steps import Action, PromptRef, Result, Step, StoppedBy, step_from_dict, step_to_dict

VERSION = 1
"""Of the events' form as data; it grows when a reader of the old form would misread the new one."""


class _Chunk:
    """What LangChain adds up when it needs all that a runnable streams as one value: the run's result."""

    __slots__ = ()

    def __add__(self, later: Event) -> Event | Result:
        return later.result if isinstance(later, Finished) else later


@dataclass(frozen=True, slots=True)
class Started(_Chunk):
    """A run has begun."""

    event: ClassVar[str] = "run_started"
    question: str
    prompt: PromptRef
    model: str


@dataclass(frozen=True, slots=True)
class Said(_Chunk):
    """The model has written a part of a step.

    All parts of one kind that come before a `Stepped`, joined, are that part of its step; unless a
    `Retrying`, `Switched` or `LimitMet` comes between, which withdraws what was said of the step so far.
    """

    event: ClassVar[str] = "said"
    kind: Literal["thought", "tool", "input", "answer"]
    text: str


@dataclass(frozen=True, slots=True)
class Repaired(_Chunk):
    """The parser forgave something in the reply; the step that it became comes next."""

    event: ClassVar[str] = "repair"
    repairs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stepped(_Chunk):
    """A step is complete and now a part of the run."""

    event: ClassVar[str] = "step"
    step: Step


@dataclass(frozen=True, slots=True)
class Decided(_Chunk):
    """Somebody, or a rule, has decided about an action: it is refused, or another one is to be run."""

    event: ClassVar[str] = "decision"
    action: Action
    decision: Literal["refused", "edited"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Retrying(_Chunk):
    """A call of the model went wrong and is made again, after a wait."""

    event: ClassVar[str] = "retry"
    error: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Switched(_Chunk):
    """A model could not answer; the next one in the chain takes over for the rest of the run."""

    event: ClassVar[str] = "switch"
    error: str
    model: str


@dataclass(frozen=True, slots=True)
class LimitMet(_Chunk):
    """A limit ends the run; the model may be asked once more, for its best answer."""

    event: ClassVar[str] = "limit"
    limit: StoppedBy


@dataclass(frozen=True, slots=True)
class Failed(_Chunk):
    """An error ends the run; it is raised right after this. `run` is what there was until then."""

    event: ClassVar[str] = "error"
    error: str
    kind: str
    """The name of the error's class."""
    run: Result


@dataclass(frozen=True, slots=True)
class Finished(_Chunk):
    """The run is over."""

    event: ClassVar[str] = "run_finished"
    result: Result


Event: TypeAlias = (
    Started | Said | Repaired | Stepped | Decided | Retrying | Switched | LimitMet | Failed | Finished
)

_CLASSES: tuple[type[Event], ...] = (
    Started, Said, Repaired, Stepped, Decided, Retrying, Switched, LimitMet, Failed, Finished
)  # fmt: skip
_BY_NAME = {kind.event: kind for kind in _CLASSES}


def event_to_dict(event: Event) -> dict[str, Any]:
    """Return an event as plain data: its ``version``, its name under ``event``, and its fields."""
    data: dict[str, Any] = {"version": VERSION, "event": event.event}
    for field in dataclasses.fields(event):
        data[field.name] = _to_data(getattr(event, field.name))
    return data


def event_from_dict(data: Mapping[str, Any]) -> Event:
    """Take back what `event_to_dict` gave.

    Raises:
        ValueError: it is of another version or an unknown kind, or a field is missing or unknown.
    """
    fields = dict(data)
    version, name = fields.pop("version", None), fields.pop("event", None)
    if version != VERSION:
        raise ValueError(f"an event of version {version!r}; this program reads version {VERSION}")
    kind = _BY_NAME.get(str(name))
    if kind is None:
        raise ValueError(f"unknown event {name!r}; known: {', '.join(_BY_NAME)}")
    try:
        return kind(**{key: _from_data(key, value) for key, value in fields.items()})
    except (TypeError, AttributeError) as error:
        raise ValueError(f"not a stored event {name!r}: {error}") from error


def _to_data(value: Any) -> Any:
    if isinstance(value, Result):
        return value.to_dict()
    if isinstance(value, PromptRef):
        return dataclasses.asdict(value)
    if isinstance(value, tuple):
        return list(value)
    return step_to_dict(value) if isinstance(value, get_args(Step)) else value


def _from_data(field: str, value: Any) -> Any:
    if field in ("run", "result"):
        return Result.from_dict(value)
    if field in ("step", "action"):
        return step_from_dict(value)
    if field == "prompt":
        return PromptRef(**value)
    return tuple(value) if field == "repairs" else value
