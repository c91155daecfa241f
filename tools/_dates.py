"""Dates in a text: ``2024-02-29``, ``3 March``, ``Christmas``, ``next Friday``, ``the first of May``."""

from __future__ import annotations

import contextlib
import re
from datetime import date, timedelta

from langchain_core.tools import ToolException

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    "|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_FEASTS = {
    "christmas eve": (12, 24), "christmas day": (12, 25), "christmas": (12, 25), "xmas": (12, 25),
    "boxing day": (12, 26), "new year's eve": (12, 31), "new years eve": (12, 31),
    "the end of the year": (12, 31), "end of the year": (12, 31), "new year's day": (1, 1),
    "new years day": (1, 1), "new year's": (1, 1), "new year": (1, 1), "valentine's day": (2, 14),
    "valentines day": (2, 14), "halloween": (10, 31),
}  # fmt: skip
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14,
    "fifteenth": 15, "sixteenth": 16, "seventeenth": 17, "eighteenth": 18, "nineteenth": 19,
    "twentieth": 20, "twenty-first": 21, "twenty-second": 22, "twenty-third": 23, "twenty-fourth": 24,
    "twenty-fifth": 25, "twenty-sixth": 26, "twenty-seventh": 27, "twenty-eighth": 28,
    "twenty-ninth": 29, "thirtieth": 30, "thirty-first": 31,
}  # fmt: skip
_ORDINAL = re.compile(
    rf"\b(?P<before>{MONTH} (?:the )?)?(?P<day>{'|'.join(sorted(_ORDINALS, reverse=True))})"
    rf"(?P<after> (?:of )?{MONTH})?\b"
)
NAMED_DAYS = "|".join(day.lower() for day in WEEKDAYS)
_NTH = "(?:st|nd|rd|th)?"
_DATE = re.compile(
    rf"""\b (?P<year>[0-9]{{4}}) (?P<mark>[-/.]) (?P<month>[0-9]{{1,2}}) (?P=mark) (?P<day>[0-9]{{1,2}}) \b
       | \b (?P<one>[0-9]{{1,2}}) (?P<mark_2>[/.]) (?P<other>[0-9]{{1,2}}) (?P=mark_2)    # 25.12.2024
         (?P<year_2>[0-9]{{4}}) \b
       | \b (?P<day_3>[0-9]{{1,2}}) {_NTH} [ ] (?:of[ ])? (?P<month_3>{MONTH}) \b
         [.,]? (?: [ ] (?P<year_3>[0-9]{{4}}) \b )?                                     # 3 March 2024
       | \b (?P<month_4>{MONTH}) [.]? [ ] (?:the[ ])? (?P<day_4>[0-9]{{1,2}}) {_NTH} \b
         ,? (?: [ ] (?P<year_4>[0-9]{{4}}) \b )?                                        # March 3, 2024
       | \b (?P<feast> {"|".join(name.replace(" ", "[ ]") for name in _FEASTS)} ) \b
         (?: [ ] (?P<year_5>[0-9]{{4}}) \b )?
       | \b (?P<which> next|last|coming|until|till|since ) [ ] (?P<weekday> {NAMED_DAYS} ) \b
       | \b (?: the[ ] )? (?P<near> day[ ]after[ ]tomorrow | day[ ]before[ ]yesterday
            | today | tomorrow | yesterday ) \b (?!'s|[ ]in\b)""",
    re.VERBOSE,
)
_YEARS = ("year", "year_2", "year_3", "year_4", "year_5")
_PAST, _FUTURE = "since|ago|passed", "until|till|to|left|away|now and|^days before|many days before"
_AGED = "born|old|age"
"""Who was born in a year is some age this year, and not on the next such day after birth."""
_RAREST = 8
"""Years from one 29 February to the next, at most."""
_NEAR = {"day before yesterday": -2, "yesterday": -1, "today": 0, "tomorrow": 1, "day after tomorrow": 2}


def take_dates(text: str, today: date) -> tuple[list[date], str]:
    """Return the dates in a text, in order, and the text without them.

    Args:
        text: in small letters.
        today: what dates without a year are taken by.
    """
    text = _ORDINAL.sub(_in_digits, text)
    past, future, aged = (bool(re.search(rf"\b(?:{words})\b", text)) for words in (_PAST, _FUTURE, _AGED))
    found = list(_DATE.finditer(text))
    if len(found) == 2 and not aged:
        dates = _stretch(found[0], found[1], today, toward_other=past or future)
    else:
        toward = -1 if past else int(future)
        dates = [_date(one, today, today, toward or int(bool(one["feast"]))) for one in found]
    return dates, _DATE.sub(_left, text)


def _left(found: re.Match[str]) -> str:
    """Return what is still wanted of a date: a word such as ``until``, which says more than which day."""
    return f" {found['which']} " if found["which"] in ("until", "till", "since") else " "


def _lacks_year(found: re.Match[str]) -> bool:
    return not (found["near"] or found["weekday"] or any(found[name] for name in _YEARS))


def _has_year(found: re.Match[str]) -> bool:
    return any(found[name] for name in _YEARS)


def _stretch(one: re.Match[str], other: re.Match[str], today: date, *, toward_other: bool) -> list[date]:
    """Return where a stretch of time begins and ends; a date without a year is the nearest to the other.

    Args:
        one: where it begins, in a text.
        other: where it ends.
        today: what both are taken by where neither has a year.
        toward_other: whether words say that it ends today, or on whichever day the other date is.
    """
    if _lacks_year(one) and not _lacks_year(other) and (toward_other or _has_year(other)):
        last = _date(other, today, today, 0)
        return [_date(one, today, last, -1), last]
    first = _date(one, today, today, 0)
    return [first, _date(other, today, first, 1)]


def _date(found: re.Match[str], today: date, near: date, toward: int) -> date:
    """Return a date as it is written.

    Args:
        found: it, in a text.
        today: what tomorrow and next Friday are taken by.
        near: what a date without a year is taken by.
        toward: then it is the next one from there on (1), the last one up to there (-1), or of the same
            year (0).
    """
    if found["near"]:
        return today + timedelta(days=_NEAR[found["near"]])
    if found["weekday"]:
        ahead = (NAMED_DAYS.split("|").index(found["weekday"]) - today.weekday()) % 7
        behind = found["which"] in ("last", "since")
        return today + timedelta(days=(ahead or 7) - (7 if behind and ahead else 14 if behind else 0))
    year = next((found[name] for name in _YEARS if found[name]), None)
    if found["feast"]:
        month, day = _FEASTS[found["feast"]]
    elif found["month"]:
        month, day = int(found["month"]), int(found["day"])
    elif found["one"]:
        month, day = _either_way(found)
    else:
        month = MONTHS.index((found["month_3"] or found["month_4"])[:3]) + 1
        day = int(found["day_3"] or found["day_4"])
    try:
        if year is not None:
            return date(int(year), month, day)
        return _nearest(month, day, near, toward) if toward else date(near.year, month, day)
    except ValueError as error:
        raise ToolException(
            f"{found[0]!r} is not in the calendar; a date is written like 2024-02-29"
        ) from error


def _nearest(month: int, day: int, near: date, toward: int) -> date:
    """Return the next such day from a date on, or the last one up to it.

    Raises:
        ValueError: there is none.
    """
    for years in range(_RAREST + 1):
        with contextlib.suppress(ValueError):  # 29 February
            then = date(near.year + toward * years, month, day)
            if then == near or (then > near) == (toward > 0):
                return then
    raise ValueError


def _either_way(found: re.Match[str]) -> tuple[int, int]:
    """Return month and day of 25.12.2024 or 12/25/2024; with slashes only where no other reading is left."""
    one, other = int(found["one"]), int(found["other"])
    if found["mark_2"] == "." or one == other or one > 12:
        return other, one
    if other > 12:
        return one, other
    raise ToolException(f"{found[0]!r} can be read in two ways; a date is written like 2024-02-29")


def _in_digits(found: re.Match[str]) -> str:
    """Write the first of May as 1 of May; a first by itself is no day."""
    if not (found["before"] or found["after"]):
        return found[0]
    return f"{found['before'] or ''}{_ORDINALS[found['day']]}{found['after'] or ''}"
