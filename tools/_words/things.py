"""What is counted, beside the numbers of a calculation in signs: ``35 loaves/hour * 6 hours``."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import NamedTuple

from .errors import NotUnderstood
from .number_words import is_number, token_at
from .units import UNITS, Unit, without_ends
from .vocabulary import AFTER, BEFORE, RECKONED, vocabulary

_SIGNS = {**{sign: sign for sign in "+-*/^()"}, "x": "*"}
_OF_ONE_UNIT = frozenset("+-/")
"""The signs that no two units of one kind can stand at."""
_RATES = ("/", "per")
_NO_NAMES = RECKONED | {*_RATES, *_SIGNS} | vocabulary("of in to into as am pm")
_SPOKEN_RATES = {
    "mph": ("miles", "hour"), "kph": ("km", "hour"), "kmh": ("km", "hour"), "rpm": ("turns", "minute"),
    "bpm": ("beats", "minute"), "wpm": ("words", "minute"), "fps": ("frames", "second"),
}  # fmt: skip
"""Rates that are one word: what there are so many of, and what they are of each of."""
_MEASURES = vocabulary(
    "cup cups pint pints quart quarts gallon gallons gal tablespoon tablespoons tbsp teaspoon teaspoons tsp "
    "acre acres hectare hectares knot knots degree degrees celsius fahrenheit c f"
)
"""Names of units whose size is not known here."""


def without_things(tokens: list[str], meant: Set[str], *, money: bool = False) -> str | None:
    """Return a calculation in signs without the names of what is counted; None if it is none in signs.

    What is counted in other units is no sum: of 3 hours + 20 minutes 23 is neither, nor of 2 years + 10 days
    12. Nor is 10 kg / 250 g a twenty-fifth, and 60 km/h * 30 minutes are not 1800 km.

    Args:
        tokens: the words, numbers and signs.
        meant: names that mean something themselves, such as ``pi``.
        money: whether numbers that count nothing are money, whose names and signs are dropped already.
    """
    try:
        found = list(_with_things(without_ends(tokens, BEFORE, AFTER), meant))
    except NotUnderstood:
        return None
    if _SIGNS.keys().isdisjoint(tokens) or _is_mixed(found, money=money):
        return None
    return " ".join(counted.text for counted in found)


class _Counted(NamedTuple):
    """A sign, or a number with what it counts."""

    text: str
    thing: str = ""
    """The last word of what is counted; none of money."""
    rate: str = ""
    """What there are so many of each: ``hour`` in ``35 loaves/hour``."""

    @property
    def of_its_kind(self) -> bool:
        """Whether so many of a unit are of each of another one: 8 hours per day."""
        thing, rate = UNITS.get(self.thing), UNITS.get(self.rate)
        return thing is not None and rate is not None and thing.kind == rate.kind

    @property
    def measured(self) -> tuple[Unit | str, Unit | str]:
        """What it counts, and of each of what, by whatever names."""
        return _unit(self.thing), _unit(self.rate)


_END = _Counted("")
_ADDING = frozenset(["", "+", "-", "(", ")"])
"""What stands beside a number that is added, or taken away."""


def _is_mixed(found: list[_Counted], *, money: bool) -> bool:
    """Say whether units meet that only a conversion could bring together."""
    signs = {counted.text for counted in found}
    units = {UNITS[c.thing] for c in found if c.thing in UNITS and not c.of_its_kind}
    if not _OF_ONE_UNIT.isdisjoint(signs) and _differ(units):
        return True
    if any(_differ({UNITS[c.rate], *units}) for c in found if c.rate in UNITS):
        return True
    alone = [
        counted
        for before, counted, after in zip([_END, *found], found, [*found[1:], _END], strict=False)
        if before.text in _ADDING and after.text in _ADDING and counted.text not in _ADDING
    ]
    measured = any(counted.thing in UNITS or counted.thing in _MEASURES for counted in alone)
    kinds = {counted.measured for counted in alone if counted.thing or counted.rate or money}
    return (measured or any(counted.rate for counted in alone)) and len(kinds) > 1


def _unit(name: str) -> Unit | str:
    """Return the unit of a name; of things that are none the name in the singular."""
    return UNITS.get(name) or name.removesuffix("s")


def _differ(units: Set[Unit]) -> bool:
    """Say whether there are two units of one kind."""
    return len(units) > len({unit.kind for unit in units})


def _with_things(tokens: list[str], meant: Set[str]) -> Iterator[_Counted]:
    """Yield each sign, and each number with what it counts."""
    at, before = 0, ""

    def is_name(ahead: int) -> bool:
        word = token_at(tokens, at + ahead)
        return word.isalpha() and word not in _NO_NAMES and word not in meant

    while at < len(tokens):
        word, thing, rate = tokens[at], "", ""
        at += 1
        if word in _SIGNS:
            yield _Counted(_SIGNS[word])
            before = word
            continue
        if not is_number(word) or is_number(before):
            raise NotUnderstood
        while is_name(0):
            thing, at = tokens[at], at + 1
        if thing in _SPOKEN_RATES:
            thing, rate = _SPOKEN_RATES[thing]
        if token_at(tokens, at) in _RATES and is_name(1):
            rate, at = tokens[at + 1], at + 2
        yield _Counted(word, thing, rate)
        before = word
