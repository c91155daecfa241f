"""Objects to a calculation whose numbers nobody gave, or gave otherwise: a small model makes them up.

Asked how much older one thing is than another, it writes down two years that it dimly remembers, or does not,
and subtracts them: exact, and wrong. Whether a number was given can be seen without a model. It stands in the
question, in what was said before, or in what a tool has found. So can what became of a percentage: of "7.5
percent of 640" it makes 7.5 * 640.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from itertools import combinations

from agent_app.loop import OBJECTED
from agent_app.prompt import Draft, Prompt
from agent_app.steps import Action, Observation, Step

_NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
_GIVEN = re.compile(r"(?<![\d.])\d[\d,]*(?:\.\d+)?|(?<!\d)\.\d+")
"""A number as it was given, with no space to the word beside it either: ``EUR250``, ``23x47``, ``.35``."""
_IN_WORDS = re.compile(
    r"\b(?:thir|four|fif|six|seven|eigh|nine)teen|\b(?:twen|thir|for|fif|six|seven|eigh|nine)ty"
    r"|\b(?:hundred|thousand|million|billion|dozen|score)",
    re.IGNORECASE,
)
_WORDS = tuple(
    re.compile(rf"\b(?:{word})\b", re.IGNORECASE)
    for word in (
        "zero|no", "an?|one|once|single|first", "two|twice|both|couple|pair|double|second|half",
        "three|third|triple", "four|fourth|quarters?", "five|fifth", "six|sixth", "seven|seventh|week",
        "eight|eighth", "nine|ninth", "ten|tenth|decade", "eleven|eleventh", "twelve|twelfth|dozen",
    )
)  # fmt: skip
"""Words by which a small number is given; its place is the number."""
_SCALED = re.compile(r"(?<![\d.,])(\d[\d,]*(?:\.\d+)?) ?(k|mn?|bn?)\b", re.IGNORECASE)
_SCALES = {"k": 1e3, "m": 1e6, "b": 1e9}
_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:[ .\u00a0\u202f]\d{3})+(?![\d.,])")
_COMMA = re.compile(r"(?<![\d.,])(\d+),(\d+)(?![\d.,])")
"""Numbers as others write them: ``1.5M``, ``2 500 000``, ``12,5``."""
_SUM = re.compile(r"[\d)] ?[a-z]{0,12} ?[-+] ?[(\d]")
_SMALL = 12
_PERCENT = 100
_FACTORS = frozenset({
    0.264, 0.3048, 0.3937, 0.4536, 0.568, 0.621, 0.914, 1.094, 1.609, 1.8, 2.205, 2.54, 3.1416, 3.281, 3.6,
    3.785, 4.546, 25.4, 28.35, 30.48,
})  # fmt: skip
"""How large one measure is in another one, and the circle's."""
_ROUNDED = 0.01
"""By which part of it a factor may differ, as people round it or do not."""
_TENS = frozenset(10**n for n in range(1, 10))
_WELL_KNOWN = _TENS | {24, 32, 52, 60, 180, 273, 273.15, 360, 365, 366, 1024}
"""Hours, weeks, degrees: these are added and taken away as well."""
_OF_UNITS = frozenset({16, 20, 28, 29, 30, 31, 36, 64, 90, 144, 1440, 1760, 3600, 5280, 86400})
"""How many of one unit another one has; nobody adds them."""
_SIGNS = {"+", "-"}
_SHARE = re.compile(r"(?<![\w.])(\d[\d,]*(?:\.\d+)?) ?(?:%|per ?cent\b)", re.IGNORECASE)
_TIMES = ("*", "×", "x", "times", "multiplied by")
_ENCLOSED = re.compile(r"(?<!\w)\( ?(\d[\d,]*(?:\.\d+)?) ?\)")
"""A number alone in parentheses, which are none of a function."""
_HUNDREDTHS = re.compile(r"%|\bper ?cent|(?<!\d)100(?!\d)", re.IGNORECASE)
_SHARE_IN_WORDS = re.compile(
    r"\b(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve) ?(?:%|per ?cent\b)", re.IGNORECASE
)
_PARTS = {
    "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10,
}  # fmt: skip
_ELSEWHERE, _AS_GIVEN = OBJECTED
_FEW = 6
_NAMED = 4
"""How many of the numbers are named; one is enough."""


def objection(prompt: Prompt, draft: Draft, action: Action, steps: Sequence[Step]) -> Observation | None:
    """Return what is said instead of running a tool; None: there is nothing to object to.

    Only tools are looked at that the prompt calls grounded, and whoever insists has his way.

    Args:
        prompt: the run's prompt.
        draft: what it says in this run.
        action: the call.
        steps: the steps so far.
    """
    if not prompt.grounds(action.tool):
        return None
    seen = [step for step in steps if isinstance(step, Observation)]
    if seen and seen[-1].text.endswith(OBJECTED):
        return None
    found = [observation.text for observation in seen if not observation.error]
    text = str(action.input)
    given = [draft.question, *draft.turns, *draft.values, *found]
    if numbers := made_up(text, given):
        stand, them = ("stand", "them") if len(numbers) > 1 else ("stands", "it")
        which = " and ".join(numbers[:_NAMED])
        told = f"{which} {stand} neither in the question nor in an observation. Find {them} out {_ELSEWHERE}"
    elif share := bare_percentage(text, given):
        told = f"Write {share}% instead of {share}, {_AS_GIVEN}"
    else:
        return None
    return Observation(told, error=True)


def made_up(text: str, given: Sequence[str]) -> tuple[str, ...]:
    """Return the numbers of a calculation that stand nowhere, in their order and as they are written.

    Whole numbers up to twelve, halves and quarters, and well-known numbers may come from anywhere, and so
    may those by which units are converted, unless they are added or taken away. What a given percentage
    makes of one is given as well: of 20 are 0.2, 0.8 and 1.2, and of a third 0.333, 0.67 and 1.33. Nor is a
    number made up that two numbers of the question come to: the 72 eggs in 12 boxes of 6. But a sum
    of small and round numbers of which none was given is made up as a whole. Where larger numbers are given
    in words, nothing counts as made up.

    Args:
        text: what is to be calculated.
        given: the question, what was said before, and what was found.
    """
    if any(_IN_WORDS.search(told) for told in given):
        return ()
    known = {number for told in given for number in _numbers_in(told)}
    percentages = {n for n in known if n <= _PERCENT} | {n for told in given for n in _percentages_in(told)}
    known |= {round(share, 6) for n in percentages for share in (n / 100, 1 - n / 100, 1 + n / 100)}
    known |= set(_products_in(given[0])) if given else set()
    known |= {number for number, word in enumerate(_WORDS) if any(word.search(told) for told in given)}
    parts = {part for told in given for part in _parts_in(told)}
    numbers = list(_NUMBER.finditer(text))
    unknown = [found for found in numbers if not (_value(found[0]) in known or _is_part(found[0], parts))]
    from_nowhere = len(unknown) == len(numbers) and all(map(_is_handy, numbers))
    if not (from_nowhere and _SUM.search(text)):
        unknown = [found for found in unknown if not _is_usual(found)]
    return tuple(dict.fromkeys(found[0] for found in unknown))


def bare_percentage(text: str, given: Sequence[str]) -> str | None:
    """Return the first percentage that a calculation multiplies by as by a plain number.

    Args:
        text: what is to be calculated; where it names percent or a hundred nothing is wrong with it.
        given: the question, what was said before, and what was found.
    """
    if _HUNDREDTHS.search(text):
        return None
    bare = _ENCLOSED.sub(r" \1 ", text)
    factors = {_value(found[0]) for found in _NUMBER.finditer(bare) if _is_factor(found)}
    shares = [share for told in given for share in _SHARE.findall(told)]
    plain = Counter(_value(number) for told in given for number in _GIVEN.findall(told))
    plain.subtract(map(_value, shares))  # what is left is given as a plain number too
    return next((share for share in shares if _value(share) in factors and plain[_value(share)] <= 0), None)


def _numbers_in(text: str) -> Iterator[float]:
    """Yield every number that a text may give, however it is written."""
    yield from map(_value, _GIVEN.findall(text))
    for number, scale in _SCALED.findall(text):
        yield round(_value(number) * _SCALES[scale[0].lower()], 6)
    for number in _GROUPED.findall(text):
        yield float(re.sub(r"\D", "", number))
    for whole, decimals in _COMMA.findall(text):
        yield float(f"{whole}.{decimals}")


def _products_in(text: str) -> Iterator[float]:
    """Yield what each two of a few numbers come to, multiplied: models do that in their heads."""
    numbers = [number for number in _numbers_in(text) if number > 1]
    if len(numbers) <= _FEW:
        yield from (round(one * other, 6) for one, other in combinations(numbers, 2))


def _percentages_in(text: str) -> Iterator[float]:
    """Yield every number that a text gives as a percentage, also in words."""
    yield from map(_value, _SHARE.findall(text))
    for word in _SHARE_IN_WORDS.findall(text):
        yield next(float(number) for number, words in enumerate(_WORDS) if words.fullmatch(word))


def _parts_in(text: str) -> Iterator[float]:
    """Yield what parts that a text names in words come to, several of them, and one with one on top."""
    for name, number in _PARTS.items():
        if re.search(rf"\b{name}s?\b", text, re.IGNORECASE):
            yield from (part / number for part in range(1, number))
            yield 1 + 1 / number


def _is_part(number: str, parts: Set[float]) -> bool:
    """Say whether a number is one of some parts, rounded to two decimals or more, or cut off after them."""
    decimals = len(number.partition(".")[2])
    if decimals < 2:
        return False
    scale = 10 ** min(decimals, 15)
    wanted = {near(part * scale) for part in parts for near in (round, math.floor)}
    return round(_value(number) * scale) in wanted


def _value(number: str) -> float:
    return float(number.replace(",", ""))


def _is_handy(found: re.Match[str]) -> bool:
    """Say whether a number is small or a power of ten: what comes to mind first."""
    value = _value(found[0])
    return (value <= _SMALL and value.is_integer()) or value in _TENS


def _is_usual(found: re.Match[str]) -> bool:
    value = _value(found[0])
    if (value <= _SMALL and (4 * value).is_integer()) or value in _WELL_KNOWN:
        return True
    if any(abs(value - factor) <= _ROUNDED * factor for factor in _FACTORS):
        return True
    return value in _OF_UNITS and not _beside(found) & _SIGNS


def _is_factor(found: re.Match[str]) -> bool:
    """Say whether a number is multiplied, in signs or words."""
    text = found.string
    before, after = text[: found.start()].rstrip().lower(), text[found.end() :].lstrip().lower()
    return before.endswith(_TIMES) or after.startswith(_TIMES)


def _beside(found: re.Match[str]) -> set[str]:
    """Return the characters that stand on either side of a number, blanks left out."""
    text = found.string
    return {text[: found.start()].rstrip()[-1:], text[found.end() :].lstrip()[:1]}
