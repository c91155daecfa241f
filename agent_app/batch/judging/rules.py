"""Rules that say whether an answer is what its row expects."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agent_app.batch.judging.numbers import Number, Tolerance, as_number, number_of, numbers_in

AUTO = "auto"
_WITHIN = "within"
_REGEX_SECONDS = 1.0


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
    """Judges by one of the rules that `judges` lists; a row can name one itself: ``{"regex": "^Aye"}``.

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
                RULES[wanted.rule].check(value)

    def name_for(self, expected: Any) -> str | None:
        """Return the rule that a row is judged by."""
        wanted = None if expected is None else self._wanted(expected)
        return wanted and wanted.rule

    def score(self, row: Mapping[str, Any]) -> float:
        """Return 1 if any of the values that the row expects is what it says, else 0."""
        wanted = self._wanted(row["expected"])
        assert wanted is not None
        asked = _Asked(row["answer"], row["question"], wanted.tolerance)
        return float(any(RULES[wanted.rule].holds(asked, value) for value in wanted.values))

    def _wanted(self, expected: Any) -> _Wanted | None:
        rule, tolerance = self.name, self.tolerance
        own = [name for name in expected if name != _WITHIN] if isinstance(expected, dict) else []
        if len(own) == 1 and own[0] in RULES:
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


RULES: dict[str, _Rule] = {
    "exact": _Rule(_text, _exact),
    "contains": _Rule(_text, _contains),
    "number": _Rule(_number, _gives_number),
    "regex": _Rule(_pattern, _matches),
}
