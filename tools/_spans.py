"""Stretches of time in a text, with their signs: ``+ 45 days``, ``3 weeks before``, ``half an hour ago``."""

from __future__ import annotations

import re
from typing import NamedTuple

from ._words.vocabulary import ONES, TENS

_UP_TO_NINE = {word: number for word, number in ONES.items() if 0 < number < 10}
_COUNTS = {
    "a": 1, "an": 1, "a hundred": 100,
    **{word: number for word, number in ONES.items() if number}, **TENS,
    **{f"{tens} {ones}": ten + one for tens, ten in TENS.items() for ones, one in _UP_TO_NINE.items()},
    **{f"{word} hundred": 100 * number for word, number in _UP_TO_NINE.items()},
}  # fmt: skip
_IN_WORDS = "|".join(sorted(_COUNTS, key=len, reverse=True)).replace(" ", "[- ]")
_SPAN = re.compile(
    rf"""(?: (?P<sign> [-+] | \b(?:plus|minus|in|add|subtract|take[ ]away|take|back)\b ) [ ]? )?
        (?: \b (?P<many> [0-9]{{1,3}} (?: ,[0-9]{{3}} ){{1,2}} | [0-9]{{1,9}} | half[ ]an (?= [ ]hour )
              | {_IN_WORDS} ) [ ]?
            (?P<unit> minute|min|hour|hr|h|day|week|fortnight|month|year) (?:'s|s')? s? \b (?: [ ] time \b )?
            (?! [ ](?:clock|format)\b )
            (?: [ ] (?P<way> after|from|before|ago|later|earlier|hence|back|to) \b )?
          | \b the[ ]day[ ] (?P<next> after|before ) \b )""",
    re.VERBOSE,
)
_BACK = frozenset(("-", "minus", "subtract", "take", "take away", "back", "before", "ago", "earlier"))
_UNITS = {"minute": (1, "minutes"), "hour": (60, "minutes"), "day": (1, "days"), "week": (7, "days"),
          "fortnight": (14, "days"), "month": (1, "months"), "year": (12, "months")}  # fmt: skip
_SHORT = {"min": "minute", "hr": "hour", "h": "hour"}
"""Units that are spans only with a word or sign that says which way: 17 h could be a time of day."""


class Span(NamedTuple):
    """A stretch of time, with its sign."""

    minutes: int = 0
    days: int = 0
    months: int = 0


def take_spans(text: str) -> tuple[list[Span], str]:
    """Return the spans in a text, with their signs, and the text without them.

    Spans of which only one has a sign go the same way: 2 weeks and 3 days before.

    Args:
        text: in small letters.
    """
    text = " ".join(text.split())
    found = list(_SPAN.finditer(text))
    ways = [_way(each) for each in found]
    unsaid = bool(found) and ways[0] is None and (not any(ways) or any(each["sign"] for each in found))
    if unsaid and any(each["unit"] in _SHORT for each in found):
        return [], text
    for at, way in enumerate(ways):
        if way is None:
            ways[at] = ways[at - 1] if at else next((later for later in ways if later is not None), 1)
    return [_span(each, way or 1) for each, way in zip(found, ways, strict=True)], _SPAN.sub(" ", text)


def _way(found: re.Match[str]) -> int | None:
    """Return whether a span goes forward (1) or back (-1); None if it does not say."""
    sign, way = found["sign"], found["way"] or found["next"]
    if sign in _BACK or way in _BACK or (way == "to" and not sign):
        return -1
    return 1 if sign or way else None


def _span(found: re.Match[str], way: int) -> Span:
    if found["next"]:
        return Span(days=way)
    size, part = _UNITS[_SHORT.get(found["unit"], found["unit"])]
    many = found["many"].replace(",", "").replace("-", " ")
    if many == "half an":
        return Span(minutes=way * size // 2)
    return Span(**{part: way * size * (int(many) if many.isdigit() else _COUNTS[many])})
