"""Draws what fills the slots of questions: numbers of many sizes and forms, dates, words for numbers."""

from __future__ import annotations

import re
from datetime import date, timedelta
from random import Random

FIRST_DAY, LAST_DAY = date(2024, 1, 1), date(2031, 12, 31)
"""Between these days the recorded questions are asked; `date` lies before them, `later` after them."""

_PERCENTAGES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 18, 19, 20, 25, 30, 35, 40, 45, 50, 60, 65, 75, 80, 90)
_CENTS = ("", "", ".50", ".99", ".25", ".95", ".20", ".75", ".40")
ONES = (
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {
    **dict(enumerate(ONES, 1)),
    **{10 * number: ten for number, ten in enumerate(TENS, 2)},
    **{
        10 * number + digit: f"{ten}-{one}"
        for number, ten in enumerate(TENS, 2)
        for digit, one in enumerate(ONES[:9], 1)
    },
    100: "a hundred",
    200: "two hundred",
    500: "five hundred",
}
_WHOLE = 0.7
"""The share of roots that come out whole."""
_SMALL = 0.5
"""The share of numbers in words that are no greater than twenty."""
_SIZES = ((2, 20), (10, 99), (100, 999), (100, 999), (1_000, 99_999), (100_000, 999_999_999))


def numbers(random: Random, inputs: str) -> dict[str, str]:
    """Draw a value for each slot that is a number or a date.

    Of two numbers the earlier letter is the greater one (a and b, i and j, n and k), as differences want it.

    Args:
        random: where the luck comes from.
        inputs: the inputs of the question; where whole things are dealt out, the division leaves no rest.
    """
    n, k = sorted(random.sample(range(2, 41), 2), reverse=True)
    high = random.choice((60, 300, 999, 5_000))
    i, j = sorted(random.sample(range(5, high), 2), reverse=True)
    if "{i} / {n}" in inputs:
        i = n * random.randint(2, 80)
    if "sqrt({i})" in inputs and random.random() < _WHOLE:
        i = random.randint(2, 40) ** 2
    # In the parentheses of a function a comma would separate arguments.
    commas = "sqrt" not in inputs and random.random() < 0.4
    said = range(2, 21) if random.random() < _SMALL else sorted(_WORDS)[1:]
    one, other = sorted(random.sample(said, 2), reverse=True)
    values = {"n": n, "k": k, "s": random.randint(2, 99), "e": random.randint(2, 5)}
    return {
        **_operands(random),
        **{slot: str(value) for slot, value in values.items()},
        "i": f"{i:,}" if commas else str(i),
        "j": f"{j:,}" if commas else str(j),
        "p": random.choice(("7.5", "12.5", "2.5"))
        if random.random() < 0.1
        else str(random.choice(_PERCENTAGES)),
        "m": f"{random.randint(2, 250)}{random.choice(_CENTS)}",
        "A": _WORDS[one],
        "B": _WORDS[other],
        "days": str(random.randint(2, 400)),
        "weeks": str(random.randint(2, 60)),
        "months": str(random.randint(2, 24)),
        "yr": str(random.randint(1990, 2040)),
        "day": _without_year(
            random, _day(random, date(2023, 1, 1), date(2024, 1, 1))
        ),  # 29 February is no day of most years
        "date": _written(random, _day(random, date(1900, 1, 1), FIRST_DAY)),
        "later": _written(random, _day(random, LAST_DAY, date(2060, 1, 1))),
    }


def asides(random: Random) -> dict[str, str]:
    """Draw the numbers and dates that stand beside a fact on a page and are not asked for."""
    day = _day(random, date(2019, 1, 1), LAST_DAY)
    return {
        "num": str(random.randint(2, 999)),
        "small": str(random.randint(2, 12)),
        "big": f"{random.randint(1_000, 4_000_000):,}",
        "pct": str(random.randint(1, 60)),
        "age": str(random.randint(30, 80)),
        "star": f"{random.randint(3, 4)}.{random.randint(0, 9)}",
        "yr": str(random.randint(1950, 2025)),
        "day": f"{day.day} {day:%B}",
        "date": f"{day.day} {day:%B %Y}",
    }


def with_other_digits(text: str, random: Random) -> str:
    """Return a text with other digits; a number that begins with 0 still does, and no other one does."""

    def other(found: re.Match[str]) -> str:
        first, rest = found[0][0], found[0][1:]
        return (first if first == "0" else str(random.randint(1, 9))) + "".join(
            str(random.randint(0, 9)) for _ in rest
        )

    return re.sub(r"\d+", other, text)


def _operands(random: Random) -> dict[str, str]:
    """Draw a, b and c of one size: whole numbers, some with commas between thousands, or decimals."""
    least, most = random.choice(_SIZES)
    drawn = sorted((random.randint(least, most) for _ in "abc"), reverse=True)
    if random.random() < 0.15:
        places = random.choice((1, 2))
        texts = [f"{number}.{random.randint(1, 10**places - 1):0{places}}" for number in drawn]
        texts.sort(key=float, reverse=True)
    elif random.random() < 0.35:
        texts = [f"{number:,}" for number in drawn]
    else:
        texts = [str(number) for number in drawn]
    return dict(zip("abc", texts, strict=True))


def _day(random: Random, first: date, last: date) -> date:
    return first + timedelta(days=random.randint(1, (last - first).days - 1))


def _written(random: Random, day: date) -> str:
    forms = (
        f"{day}",
        f"{day}",
        f"{day.day} {day:%B %Y}",
        f"{day:%B} {day.day}, {day.year}",
        f"{day:%B} {_ordinal(day.day)}, {day.year}",
        f"{_ordinal(day.day)} of {day:%B %Y}",
        f"{day.day} {day:%b %Y}",
        f"{day:%d.%m.%Y}",
    )
    return random.choice(forms)


def _without_year(random: Random, day: date) -> str:
    forms = (f"{day.day} {day:%B}", f"{day:%B} {day.day}", f"{day:%B} {_ordinal(day.day)}")
    return random.choice((*forms, f"the {_ordinal(day.day)} of {day:%B}"))


def _ordinal(number: int) -> str:
    ending = "th" if number in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
