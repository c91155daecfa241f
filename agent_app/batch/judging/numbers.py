"""Numbers in what a model writes: ``1,081``, ``1.081e3``, ``-$5.50``, ``15 %``, ``2 million``, ``four``.

A comma groups thousands and a point begins decimals, as English has it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import MAX_PREC, Context, Decimal
from typing import Any

_NUMBER = re.compile(
    r"""
    (?<![^\W_]) (?<![0-9]\.)            # not within a word, nor a version such as 3.11.2
    (?P<sign>[-−]?) [$€£¥]?
    (?P<digits>
        (?: [0-9]{1,3} (?: [,'’\u00a0\u2009\u202f] [0-9]{3} )+ (?![0-9]) | [0-9]+ ) (?: \.[0-9]+ )?
        | \.[0-9]+
    )
    (?:
        e (?P<exponent> [-−+]?[0-9]{1,3} ) (?![0-9])
        | \s? [×*x] \s? 10 (?: \^\{? | (?=[⁻⁰¹²³⁴-⁹]) ) (?P<power> [-−⁻]?[0-9⁰¹²³⁴-⁹]{1,3} ) \}?
    )?
    (?: \s? (?P<scale> thousand | million | billion | trillion ) \b )?
    (?: \s? (?P<percent> % | per\ ?cent \b ) )?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_SCALES = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_PLAIN = str.maketrans("−⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "--0123456789", ",'’\u00a0\u2009\u202f")
_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_READABLE = 20
"""With more digits than these a number is shown with an exponent."""
_EXACT = Context(prec=MAX_PREC)
"""By itself `Decimal.normalize` rounds to 28 digits."""
_WORD = re.compile(rf"\b(?P<minus>minus )?(?P<word>{'|'.join(_WORDS)})\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written."""

    value: Decimal
    """Of ``15 %`` it is 15."""
    percent: bool = False

    def __str__(self) -> str:
        plain = self.value.normalize(_EXACT)
        digits = f"{plain:f}" if -_READABLE < plain.adjusted() < _READABLE else str(plain)
        return digits + "%" * self.percent

    def is_near(self, other: Number, tolerance: Tolerance) -> bool:
        """Say whether it is another one; ``15 %`` is 15 and 0.15 where the other one is no percentage."""
        values = [self.value]
        if self.percent and not other.percent:
            values.append(self.value.scaleb(-2))
        elif other.percent and not self.percent:
            values.append(self.value.scaleb(2))
        return any(abs(value - other.value) <= tolerance.around(other.value) for value in values)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far from each other two numbers may be that count as the same."""

    absolute: Decimal = Decimal(0)
    relative: Decimal = Decimal("1e-6")
    """As a share of the number that is expected; by default as much as rounding takes."""

    @classmethod
    def read(cls, text: str) -> Tolerance:
        """Read ``0.01``, or ``1%`` of what is expected.

        Raises:
            ValueError: it is neither.
        """
        found = _NUMBER.fullmatch(text)
        number = _number(found) if found else None
        if number is None or number.value < 0:
            raise ValueError(f"{text!r} is neither a number such as 0.01 nor a share such as 1%")
        return cls(relative=number.value.scaleb(-2)) if number.percent else cls(absolute=number.value)

    def around(self, expected: Decimal) -> Decimal:
        """Return how far from this number another one may be."""
        return max(self.absolute, self.relative * abs(expected))


def numbers_in(text: str) -> list[Number]:
    """Return a text's numbers in their order: those in digits, or else those in words to twenty."""
    found = [_number(match) for match in _NUMBER.finditer(text)]
    return found or [
        Number(Decimal(_WORDS.index(match["word"].lower())) * (-1 if match["minus"] else 1))
        for match in _WORD.finditer(text)
    ]


def number_of(answer: str, question: str = "") -> Number | None:
    """Return the one number that an answer gives, or None if there is no number in it.

    It is the last one that the question does not state already, as in "1,081 be 23 times 47"; if the
    question states them all, it is the last.
    """
    found = numbers_in(answer)
    stated = {number.value for number in numbers_in(question)} if found else set()
    new = [number for number in found if number.value not in stated]
    usable = new or found
    return usable[-1] if usable else None


def as_number(value: Any) -> Number | None:
    """Return the number that a value of a row is; None if it is none, or text with anything else in it."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = Decimal(str(value))
        return Number(number) if number.is_finite() else None
    match = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    return _number(match) if match else None


def _number(match: re.Match[str]) -> Number:
    exponent = (match["exponent"] or match["power"] or "0").translate(_PLAIN)
    shift = int(exponent) + _SCALES.get((match["scale"] or "").lower(), 0)
    sign = "-" if match["sign"] else ""
    return Number(Decimal(f"{sign}{match['digits'].translate(_PLAIN)}e{shift}"), bool(match["percent"]))
