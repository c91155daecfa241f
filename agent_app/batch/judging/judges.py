"""Judges: each says of an answer whether it is what the row expects.

exact             the same words; case, spaces and marks around them do not matter
contains          the words stand in the answer, or the number among its numbers
number            the number that the answer gives; number:0.5 and number:1% may be so far from it
regex             a regular expression that is found in the answer
auto              number where one is expected, else contains
module:function, file.py:function    a Python function, which is given the row
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

from agent_app.batch.judging.functions import load_function
from agent_app.batch.judging.numbers import Tolerance
from agent_app.batch.judging.rules import AUTO, RULES, RuleJudge
from agent_app.errors import SettingError, suggest
from agent_app.redaction import Redactor

Function: TypeAlias = Callable[[dict[str, Any]], Any]
"""Is given a row of answers; returns whether it is right, or a score from 0 to 1."""

_ENOUGH = 0.5
"""From which score on an answer counts as right."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge says of a row."""

    judge: str | None = None
    """Which one; None if the row was not judged, as it expects nothing or was not asked yet."""
    score: float | None = None
    """From 0 to 1; None if there is none."""
    error: str | None = None
    """Why there is none, if the judge failed."""

    @property
    def fields(self) -> dict[str, Any]:
        """The verdict as the fields of a row of answers."""
        right = None if self.score is None else self.score >= _ENOUGH
        return {"right": right, "score": self.score, "judge": self.judge, "judge_error": self.error}


@runtime_checkable
class Judge(Protocol):
    """Says of an answer whether it is right."""

    @property
    def is_slow(self) -> bool:
        """Whether others should not wait for it."""

    def check(self, expected: Any) -> None:
        """Make sure that a row can expect this.

        Raises:
            ValueError: it cannot; says why.
        """

    def name_for(self, expected: Any) -> str | None:
        """Return the name of what judges a row that expects this; None if nothing does."""

    def score(self, row: Mapping[str, Any]) -> float:
        """Return the score of an answered row, from 0 to 1."""


def verdict(judge: Judge, row: Mapping[str, Any]) -> Verdict:
    """Return what a judge says of a row of answers; one that failed has no right answer.

    What an error of the judge tells is kept and shown, without the secrets of the environment.

    Args:
        judge: the judge.
        row: as in a file of answers.
    """
    name = judge.name_for(row["expected"])
    if name is None or row["status"] == "missing":
        return Verdict()
    if row["status"] == "failed":
        return Verdict(name, 0.0)
    try:
        return Verdict(name, judge.score(row))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it may be right on other rows
        told = " ".join(f"{type(error).__name__}: {error}".split())
        return Verdict(name, error=Redactor.from_environment().text(told))


def judge_for(wanted: str | Function | Judge | None) -> Judge:
    """Return the judge of a name.

    Args:
        wanted: a name, as in the table above; or a function, or a judge; None: ``"auto"``.

    Raises:
        SettingError: there is no such judge, or its function cannot be had.
    """
    if wanted is None:
        wanted = AUTO
    if isinstance(wanted, Judge):
        return wanted
    if callable(wanted):
        return FunctionJudge(getattr(wanted, "__name__", type(wanted).__name__), wanted)
    name, colon, rest = wanted.partition(":")
    if wanted == AUTO or wanted in RULES:
        return RuleJudge(wanted)
    if name == "number":
        try:
            return RuleJudge(name, Tolerance.read(rest))
        except ValueError as error:
            raise SettingError(f"judge {wanted!r}: {error}") from None
    if not colon:
        hint = suggest(wanted, (AUTO, *RULES))
        raise SettingError(f"unknown judge {wanted!r}; {hint} or give file.py:function")
    return FunctionJudge(wanted, load_function(wanted))


@dataclass(frozen=True, slots=True)
class FunctionJudge:
    """Asks a Python function; rows that expect nothing are judged as well."""

    name: str
    function: Function
    is_slow: bool = True

    def check(self, expected: Any) -> None:
        """Take whatever is expected: only the function knows."""

    def name_for(self, expected: Any) -> str | None:  # noqa: ARG002
        """Return the function's name."""
        return self.name

    def score(self, row: Mapping[str, Any]) -> float:
        """Return what the function says.

        Raises:
            ValueError: that is neither a truth value nor a number from 0 to 1.
            Exception: whatever the function raises.
        """
        said = self.function(dict(row))
        if not isinstance(said, int | float) or not 0 <= said <= 1:
            raise ValueError(f"{self.name} returned {said!r:.40}; a judge returns True, False or 0 to 1")
        return float(said)
