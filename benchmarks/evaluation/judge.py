"""Says of an answer whether it is right, by patterns alone.

A pattern is a regular expression, searched in the tidied answer without regard to case. Beside the
usual syntax it may hold these placeholders:

    {=1350}            this number standing alone; 1,350 and 1350.0 count too, up to ten also the word
    {date 2025-06-18}  this date: ISO, or day and month in words in either order
    {date today}       the day the answer was given; likewise {weekday} and {year}
    {unknown}          an admission that it is not known or was not found
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from agent_app.tuning.voice import tidy

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

UNKNOWN = (
    r"(?:\b(?:no|not|none|nothing|nary|nowhere|cannot|unknown|unclear|unable|unanswered|lacks?|missing|mystery"
    r"|fails? to|silent on)\b|n't\b)"
)

_PLACEHOLDER = re.compile(
    r"\{(?:=(?P<number>[\d.]+)|date (?P<date>[\d-]+|today)|(?P<word>weekday|year|unknown))\}"
)


@dataclass(frozen=True, slots=True)
class Question:
    """One question of the set, with the patterns that a right answer matches or must not match."""

    id: str
    split: str
    kind: str
    question: str
    right: Sequence[str]
    wrong: Sequence[str] = ()
    note: str = ""


def right(question: Question, answer: str, today: date | None = None) -> bool:
    """Return whether all patterns of `right` are found in an answer and none of `wrong`.

    Args:
        question: what was asked, with its patterns.
        answer: the final answer alone, not the steps before it.
        today: the day it was given; None for the current one.

    Raises:
        re.error: a pattern is not a regular expression.
    """
    text, day = tidy(answer), today or date.today()
    found = [re.search(_expand(p, day), text, re.IGNORECASE) for p in question.right]
    return all(found) and not any(re.search(_expand(p, day), text, re.IGNORECASE) for p in question.wrong)


def _expand(pattern: str, today: date) -> str:
    """Turn a pattern's placeholders into plain regular expressions."""

    def fill(match: re.Match[str]) -> str:
        number, day = match["number"], match["date"]
        if number:
            return _number(number)
        if day:
            return _date(today if day == "today" else date.fromisoformat(day))
        return {"weekday": f"{today:%A}", "year": _number(str(today.year)), "unknown": UNKNOWN}[match["word"]]

    return _PLACEHOLDER.sub(fill, pattern)


def _number(text: str) -> str:
    whole, _, fraction = text.partition(".")
    zeros = rf"\.{fraction}0*" if fraction else r"(?:\.0+)?"
    digits = rf"(?<![\d.])0*{whole}{zeros}(?!\d|\.\d)"
    if fraction or int(whole) >= len(WORDS):
        return digits
    return rf"(?:{digits}|\b{WORDS[int(whole)]}\b)"


def _date(day: date) -> str:
    number = rf"0?{day.day}(?:st|nd|rd|th)?"
    month = rf"(?:{day:%B}|{day:%b}\.?)"
    return rf"(?:{day.isoformat()}|\b{month} (?:the )?{number}\b|\b{number} (?:day )?(?:of |o' )?{month})"
