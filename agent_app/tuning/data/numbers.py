"""Draws what fills the slots of questions: numbers of many sizes and forms, dates, and small words for numbers."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

FIRST_DAY, LAST_DAY = date(2024, 1, 1), date(2031, 12, 31)
"""Between these days the recorded questions are asked; `date` lies before them, `later` after them."""

_PERCENTAGES = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 18, 19, 20, 25, 30, 35, 40, 45, 50, 60, 65, 75, 80, 90)
_CENTS = ("", "", ".50", ".99", ".25", ".95", ".20", ".75", ".40")
_WORDS = {
    **dict(enumerate("two three four five six seven eight nine ten eleven twelve".split(), 2)),
    **dict(
        zip((15, 20, 30, 40, 50, 100), "fifteen twenty thirty forty fifty a_hundred".split(), strict=True)
    ),
}
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
    one, other = sorted(random.sample(sorted(_WORDS), 2), reverse=True)
    values = {"n": n, "k": k, "i": i, "j": j, "s": random.randint(2, 99), "e": random.randint(2, 5)}
    return {
        **_operands(random),
        **{slot: str(value) for slot, value in values.items()},
        "p": random.choice(("7.5", "12.5", "2.5"))
        if random.random() < 0.1
        else str(random.choice(_PERCENTAGES)),
        "m": f"{random.randint(2, 250)}{random.choice(_CENTS)}",
        "A": _WORDS[one].replace("_", " "),
        "B": _WORDS[other].replace("_", " "),
        "wa": str(one),
        "wb": str(other),
        "days": str(random.randint(2, 400)),
        "weeks": str(random.randint(2, 60)),
        "date": _written(random, _day(random, date(1900, 1, 1), FIRST_DAY)),
        "later": _written(random, _day(random, LAST_DAY, date(2060, 1, 1))),
    }


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
    return random.choice((f"{day}", f"{day}", f"{day.day} {day:%B %Y}", f"{day:%B} {day.day}, {day.year}"))
