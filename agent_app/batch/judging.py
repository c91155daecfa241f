"""Judges: each says of an answer whether it is what the row expects.

exact             the same words; case, spaces and marks around them do not matter
contains          the words stand in the answer, or the number among its numbers
number            the number that the answer gives; number:0.5 and number:1% may be so far from it
regex             a regular expression that is found in the answer
auto              number where one is expected, else contains
module:function, file.py:function    a Python function, which is given the row
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from agent_app.batch.functions import load_function
from agent_app.batch.numbers import Number, Tolerance, as_number, number_of, numbers_in
from agent_app.errors import SettingError, suggest

Function: TypeAlias = Callable[[dict[str, Any]], Any]
"""Is given a row of answers; returns whether it is right, or a score from 0 to 1."""

AUTO = "auto"
_WITHIN = "within"
_ENOUGH = 0.5
"""From which score on an answer counts as right."""
_REGEX_SECONDS = 1.0


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
    except Exception as error:  # noqa: BLE001 - a judge that fails on one row may be right on others
        return Verdict(name, error=" ".join(f"{type(error).__name__}: {error}".split()))


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
    if wanted == AUTO or wanted in _RULES:
        return RuleJudge(wanted)
    if name == "number":
        try:
            return RuleJudge(name, Tolerance.read(rest))
        except ValueError as error:
            raise SettingError(f"judge {wanted!r}: {error}") from None
    if not colon:
        hint = suggest(wanted, (AUTO, *_RULES))
        raise SettingError(f"unknown judge {wanted!r}; {hint} or give file.py:function")
    return FunctionJudge(wanted, load_function(wanted))


# --- by a Python function ---


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


# --- by a rule ---


class _Asked(NamedTuple):
    """What a rule is given."""

    answer: str
    question: str
    tolerance: Tolerance


class _Wanted(NamedTuple):
    """What a row expects, and how."""

    rule: str
    values: Sequence[Any]
    """Any one of them is right."""
    tolerance: Tolerance


@dataclass(frozen=True, slots=True)
class RuleJudge:
    """Judges by one of the rules above; a row can name one itself: ``{"regex": "^Aye"}``.

    Args:
        name: the rule, or ``"auto"``.
        tolerance: how far from what is expected a number may be.
    """

    name: str
    tolerance: Tolerance = field(default_factory=Tolerance)
    is_slow: bool = False

    def check(self, expected: Any) -> None:
        """Make sure that a row can expect this; with ``"auto"`` what nothing can judge is let through.

        Raises:
            ValueError: it cannot; says why.
        """
        wanted = None if expected is None else self._wanted(expected)
        if wanted is not None:
            for value in wanted.values:
                _RULES[wanted.rule].check(value)

    def name_for(self, expected: Any) -> str | None:
        """Return the rule that a row is judged by."""
        wanted = None if expected is None else self._wanted(expected)
        return wanted and wanted.rule

    def score(self, row: Mapping[str, Any]) -> float:
        """Return 1 if any of the values that the row expects is what it says, else 0."""
        wanted = self._wanted(row["expected"])
        assert wanted is not None
        asked = _Asked(row["answer"], row["question"], wanted.tolerance)
        return float(any(_RULES[wanted.rule].holds(asked, value) for value in wanted.values))

    def _wanted(self, expected: Any) -> _Wanted | None:
        rule, tolerance = self.name, self.tolerance
        own = [name for name in expected if name != _WITHIN] if isinstance(expected, dict) else []
        if len(own) == 1 and own[0] in _RULES:
            rule = own[0]
            if _WITHIN in expected:
                tolerance = Tolerance.read(str(expected[_WITHIN]))
            expected = expected[rule]
        values = expected if isinstance(expected, list) else [expected]
        if not values:
            raise ValueError("'expected' is an empty list")
        if rule == AUTO:
            if all(as_number(value) is not None for value in values):
                rule = "number"
            elif all(_is_word(value) for value in values):
                rule = "contains"
            else:
                return None
        return _Wanted(rule, values, tolerance)


class _Rule(NamedTuple):
    check: Callable[[Any], object]
    """Raises `ValueError` if a value cannot be expected."""
    holds: Callable[[_Asked, Any], bool]


def plain(text: str) -> str:
    """Return a text's words alone: in small letters, one space between them, no marks around them."""
    words = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return words.strip(_MARKS) or words


_MARKS = " .,;:!?\"'`*_“”‘’«»…()[]"


def _is_word(value: Any) -> bool:
    return isinstance(value, str) or as_number(value) is not None


def _text(value: Any) -> str:
    if not _is_word(value):
        raise ValueError(f"'expected' is {value!r:.40}; this judge takes a text or a number, or a list")
    if not str(value).strip():
        raise ValueError("'expected' is an empty text")
    return str(value)


def _number(value: Any) -> Number:
    number = as_number(value)
    found = numbers_in(value) if isinstance(value, str) else []
    if number is None and len(found) == 1:  # as in "1081 doubloons"
        return found[0]
    if number is None:
        raise ValueError(f"'expected' is {value!r:.40}; the judge 'number' takes a number, or a list of them")
    return number


def _pattern(value: Any) -> Any:
    import regex

    try:
        return regex.compile(_text(value))
    except regex.error as error:
        raise ValueError(f"'expected' is no regular expression: {error}: {value!r:.40}") from None


def _exact(asked: _Asked, value: Any) -> bool:
    return plain(asked.answer) == plain(_text(value))


def _contains(asked: _Asked, value: Any) -> bool:
    number = as_number(value)
    if number is not None:
        return any(found.is_near(number, asked.tolerance) for found in numbers_in(asked.answer))
    words = plain(_text(value))
    before, after = (r"(?<!\w)" if words[0].isalnum() else ""), (r"(?!\w)" if words[-1].isalnum() else "")
    return re.search(before + re.escape(words) + after, plain(asked.answer)) is not None


def _gives_number(asked: _Asked, value: Any) -> bool:
    found = number_of(asked.answer, asked.question)
    return found is not None and found.is_near(_number(value), asked.tolerance)


def _matches(asked: _Asked, value: Any) -> bool:
    found = _pattern(value).search(asked.answer, timeout=_REGEX_SECONDS)
    return found is not None


_RULES: dict[str, _Rule] = {
    "exact": _Rule(_text, _exact),
    "contains": _Rule(_text, _contains),
    "number": _Rule(_number, _gives_number),
    "regex": _Rule(_pattern, _matches),
}
