"""Every error the program raises on purpose, grouped by who can act on it.

AgentAppError
├── UserError                   the person at the keyboard: one line, exit code 2
│   ├── SettingError            a setting or an argument is wrong
│   ├── QuestionError           the question is empty or far too long
│   ├── UnknownName             no prompt, tool or model has that name; says the nearest
│   ├── PromptError             a prompt file is wrong: file, line, and what would be right
│   ├── ToolFileError           a tool file cannot be used, or two tools have one name
│   ├── ModelError              a model cannot be had: missing file, corrupt file, missing key
│   ├── FetchError              a pinned model could not be fetched from any of its sources
│   ├── TuningError             a soft prompt cannot be tuned: data, settings, base model or disk; says which
│   ├── StoreError              the file that sessions are kept in cannot be used
│   ├── BatchError              a file of questions or of answers cannot be used; says which and why
│   └── DataError               rows to tune a soft prompt on cannot be made or used; says which and why
├── EndpointError               the model's server answers nonsense, or refuses the prompt
│   ├── EndpointBusy            whoever pays for it: it is asked too often
│   ├── EndpointDown            whoever runs it: dead, failing, too slow, or broken off
│   └── EndpointRefused         it refuses the key or the name, or the quota is used up: a UserError as well
├── LimitReached                whoever set the limit, and wants it to be an error
├── ToolCrash                   the author of a tool: it raised something that it never announced
├── DiskFull                    whoever runs the machine: an answer could not be written
├── ReplayDiverged              the author of a prompt: a replayed run took another way
└── ScriptError                 the author of a test: a scripted model was asked too much or too little

What the *model* can mend (an unreadable reply, wrong arguments, a tool's own complaint) is never
raised to the caller: it becomes an `Observation` that the model reads next.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent_app.steps import Result


class AgentAppError(Exception):
    """Anything that went wrong inside this program and that it can explain in one line."""

    def __reduce__(self) -> tuple[Any, ...]:
        # An error may come from another process. Its class would be asked with the finished line alone.
        return _restored, (type(self), self.args), vars(self)


def _restored(kind: type[AgentAppError], args: tuple[Any, ...]) -> AgentAppError:
    return kind.__new__(kind, *args)


class UserError(AgentAppError):
    """Something that the person at the keyboard can put right."""


class SettingError(UserError):
    """A setting or an argument is wrong."""


class QuestionError(UserError):
    """The question is empty or far too long."""


class UnknownName(UserError):  # noqa: N818 - it reads as what it is: "unknown tool 'x'"
    """A name that stands for nothing; the nearest known names are in the message.

    Args:
        kind: what was looked for, as a reader would say it: ``"tool"``, ``"prompt"``, ``"model"``.
        name: the name that was given.
        known: every name that would have been right.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        super().__init__(f"unknown {kind} {name!r}; {suggest(name, self.known)}")


class PromptError(UserError):
    """A prompt file is wrong; says where and what would be right.

    Args:
        problem: what is wrong and what would be right, in one sentence without a full stop.
        file: the file, if the prompt came from one.
        line: the line in it, counted from 1.
    """

    def __init__(self, problem: str, *, file: Path | None = None, line: int | None = None) -> None:
        self.problem, self.file, self.line = problem, file, line
        where = "" if file is None else f"{file}:{line}: " if line else f"{file}: "
        super().__init__(where + problem)


class ToolFileError(UserError):
    """A tool file cannot be used, or two tools have one name."""


class ModelError(UserError):
    """A model cannot be had: its file is missing or corrupt, its package or key is not there."""


class FetchError(UserError):
    """A pinned model could not be fetched from any of its sources."""


class TuningError(UserError):
    """A soft prompt cannot be tuned: its data, its settings, the model or the disk; says which and why."""


class StoreError(UserError):
    """The file that sessions are kept in cannot be used: damaged, read-only, the disk full, or too new.

    Args:
        problem: what is wrong and what to do, in one line.
        path: the file; None: they are kept in memory.
    """

    def __init__(self, problem: str, path: Path | None) -> None:
        self.problem, self.path = problem, path
        super().__init__(problem if path is None else f"{path}: {problem}")


class BatchError(UserError):
    """A file of questions or answers cannot be used: bad rows, another agent's answers, another writer."""


class DataError(UserError):
    """Rows to tune a soft prompt on cannot be made or used; says the file, the line and the field."""


class EndpointError(AgentAppError):
    """The model's server answered nonsense, or cannot take what it was sent."""


class EndpointBusy(EndpointError):  # noqa: N818 - as for the others below: it says what the server is
    """The model's server is asked too often.

    Args:
        message: what happened, in one line.
        retry_after: how many seconds the server wants to be left alone, if it says so.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class EndpointDown(EndpointError):  # noqa: N818
    """The model's server is dead, failing, too slow, or broke off its answer.

    Args:
        message: what happened, in one line.
        retry_after: how many seconds the server wants to be left alone, if it says so.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class EndpointRefused(EndpointError, UserError):  # noqa: N818 - the server did what it says
    """The model's server refuses the key, knows no model of that name, or the account's quota is used up."""


class ToolCrash(AgentAppError):  # noqa: N818 - a crash is what it is
    """A tool raised an exception that it never announced: a bug in the tool, not in the question.

    Args:
        tool: the tool's name.
        cause: the exception it raised.
    """

    def __init__(self, tool: str, cause: BaseException) -> None:
        self.tool, self.cause = tool, cause
        super().__init__(f"the tool {tool!r} crashed: {type(cause).__name__}: {cause}")


class LimitReached(AgentAppError):  # noqa: N818 - it is no fault
    """A run met a limit, and was told to raise at one.

    Args:
        result: the run as far as it came.
    """

    def __init__(self, result: Result) -> None:
        self.result = result
        super().__init__(f"stopped by the limit of {result.stopped_by}, after {result.usage.calls} calls")


class DiskFull(AgentAppError):  # noqa: N818 - it is what the disk is
    """An answer could not be written; what was paid for is kept if there is any way to."""


class ReplayDiverged(AgentAppError):  # noqa: N818 - that is what it did
    """A run that was replayed did something for which no observation was recorded."""


class ScriptError(AgentAppError):
    """A scripted model was called more often than it has replies, or replies were left over."""


def partial_result(error: BaseException) -> Result | None:
    """Return how far a run had come when an error, Ctrl-C or a cancellation broke it off, if one did.

    Its steps can be gone on from: ``agent.invoke(question, steps=partial_result(error).steps)``.
    """
    run: Result | None = getattr(error, _PARTIAL, None)
    # The `TimeoutError` of `asyncio.timeout` and `asyncio.wait_for` has the cancellation for its cause.
    return partial_result(error.__cause__) if run is None and error.__cause__ is not None else run


def keep_partial(error: BaseException, run: Result) -> Result:
    """Attach to an error how far the run had come that it broke off, and return that."""
    with contextlib.suppress(Exception):  # some exceptions are frozen, and say more than this does
        setattr(error, _PARTIAL, run)
    return run


_PARTIAL = "agent_app_partial_result"


def kind_of(value: object) -> str:
    """Say what a value is, for a sentence that says what it should have been."""
    return f"class {value.__name__}" if isinstance(value, type) else type(value).__name__


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which known names are nearest to a wrong one, or list them all when none is near."""
    import difflib

    known = list(known)
    by_folded = {k.casefold(): k for k in known}
    near = difflib.get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(repr(by_folded[n]) for n in near) + "?"
    return ("known: " + ", ".join(known)) if known else "there is none"
