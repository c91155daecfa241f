"""Measures in other units: ``3 hours in minutes``, ``how many eggs are 3 dozen``."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from .number_words import is_number, token_at
from .vocabulary import AFTER, BEFORE, vocabulary

_SIZES = {
    "time": {
        "second seconds sec secs s": "1", "minute minutes min mins": "60", "hour hours hr hrs h": "3600",
        "day days": "86400", "week weeks": "604800", "fortnight fortnights": "1209600",
    },
    "months": {
        "month months": "1", "quarter quarters": "3", "year years yr yrs": "12", "decade decades": "120",
        "century centuries": "1200",
    },
    "length": {
        "millimetre millimetres millimeter millimeters mm": "0.001",
        "centimetre centimetres centimeter centimeters cm": "0.01",
        "metre metres meter meters m": "1",
        "kilometre kilometres kilometer kilometers km kms": "1000", "inch inches": "0.0254",
        "foot feet ft": "0.3048", "yard yards yd yds": "0.9144", "mile miles": "1609.344",
    },
    "weight": {
        "milligram milligrams mg": "0.001", "gram grams gramme grammes g": "1",
        "kilo kilos kilogram kilograms kg kgs": "1000", "ton tons tonne tonnes": "1000000",
        "ounce ounces oz": "28.349523125", "lb lbs": "453.59237",
    },
    "volume": {
        "millilitre millilitres milliliter milliliters ml": "0.001",
        "centilitre centilitres cl": "0.01", "litre litres liter liters l": "1",
    },
    "pieces": {"piece pieces egg eggs": "1", "dozen dozens": "12"},
    "data": {
        "byte bytes": "1", "kilobyte kilobytes kb": "1000", "megabyte megabytes mb": "1000000",
        "gigabyte gigabytes gb": "1000000000", "terabyte terabytes tb": "1000000000000",
    },
}  # fmt: skip
"""Units of each kind, by all their names, and how many of the kind's own unit each is."""


class Unit(NamedTuple):
    """What a unit measures, and how many of the kind's own unit it is."""

    kind: str
    size: Fraction


UNITS = {
    name: unit
    for kind, sizes in _SIZES.items()
    for names, size in sizes.items()
    for unit in [Unit(kind, Fraction(size))]
    for name in names.split()
}
_ASKING = BEFORE | {"convert", "turn", "change", "express"}
_ARE = vocabulary("are is there in make makes do does has have equal contain be ?")
_INTO = (
    [".", "how", "many"], [",", "how", "many"], ["are", "how", "many"], ["is", "how", "many"],
    ["make", "how", "many"], ["in"], ["to"], ["into"], ["as"],
)  # fmt: skip
"""What may stand between a measure and the unit that it is wanted in."""


def converted(tokens: list[str]) -> str | None:
    """Return a conversion in signs, such as ``3 hours in minutes``; None if it is none."""
    words = _without_courtesy(tokens)
    asked = words[:2] == ["how", "many"]
    if asked:
        words = words[2:]
    if len(words) > 2 and words[0] in UNITS and words[1] in (_ARE if asked else ("in", "are", "is")):
        return _measured(without_ends(words[1:], _ARE, _ARE), words[0])
    for between in _INTO:
        if len(words) > len(between) and words[-1 - len(between) : -1] == between:
            return _measured(words[: -1 - len(between)], words[-1])
    return None


def _without_courtesy(tokens: list[str]) -> list[str]:
    """Leave out what stands around a question, but not its ``how many minutes``."""
    for at, token in enumerate(tokens):
        if token not in _ASKING or (token == "how" and token_at(tokens, at + 2) in UNITS):  # noqa: S105
            return without_ends(tokens[at:], frozenset(), AFTER)
    return []


def without_ends(words: list[str], before: frozenset[str], after: frozenset[str]) -> list[str]:
    """Leave out some words at the beginning, and some at the end."""
    first, last = 0, len(words)
    while first < last and words[first] in before:
        first += 1
    while first < last and words[last - 1] in after:
        last -= 1
    return words[first:last]


def _measured(given: list[str], target: str) -> str | None:
    """Return the sum of some measures in another unit; None unless all of them are of its kind."""
    wanted = UNITS.get(target)
    if wanted is None:
        return None
    terms, rest = list[str](), [word for word in given if word not in ("and", ",")]
    while len(rest) > 1:
        number, unit, rest = "1" if rest[0] in ("a", "an") else rest[0], UNITS.get(rest[1]), rest[2:]
        if not is_number(number) or unit is None or unit.kind != wanted.kind:
            return None
        factor = unit.size / wanted.size
        terms.append(f"{number} * {factor.numerator} / {factor.denominator}")
    if rest and wanted.kind == "pieces" and is_number(rest[0]):
        terms.append(f"{rest.pop()} / {wanted.size.numerator}")
    return None if rest or not terms else " + ".join(terms)
