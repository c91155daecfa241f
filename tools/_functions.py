"""What the calculator makes of numbers: powers, roots, logarithms, and its functions by name.

Of fractions the results are fractions as long as they are rational and not too long, else floats.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple, TypeAlias

from langchain_core.tools import ToolException

Number: TypeAlias = Fraction | float

MAX_DIGITS = 4000
"""Digits of a number on the way; above it a calculation is refused before it is begun."""

_MAX_BITS = int(MAX_DIGITS * math.log2(10))
_BELOW_ONE, _ABOVE_ONE = Fraction(7, 8), Fraction(9, 8)
"""Nearer to 1 than these, the difference of two logarithms would lose digits."""


def bounded(value: Number | int) -> Number:
    """Return a value as it is kept; refuse one that has outgrown the limit."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise too_large()
        return value
    if isinstance(value, int):
        value = Fraction(value)
    if _bits(value) > _MAX_BITS:
        raise too_large()
    return value


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _is_small(base: Fraction, exponent: int) -> bool:
    """Say whether a power is small enough to be worked out exactly, without working it out."""
    return abs(exponent) * (_bits(base) - 1) <= _MAX_BITS


def _power(base: Number, exponent: Number) -> Number:
    """Raise to a power: exactly where that is possible and small enough, else in floats."""
    if isinstance(base, Fraction) and isinstance(exponent, Fraction) and _is_small(base, exponent.numerator):
        return _root(Fraction(base**exponent.numerator), exponent.denominator)
    if isinstance(base, Fraction) and _BELOW_ONE < base < _ABOVE_ONE:
        # As a float it would be rounded to what is next to 1, or to 1 itself.
        power: float | complex = math.exp(float(exponent) * _natural_log(base))
    else:
        power = float(base) ** float(exponent)
    if isinstance(power, complex):
        raise ToolException("a negative number to a fractional power has no real result")
    if power == 0 and base != 0:
        raise ToolException("the result is too small, nearer to 0 than can be worked with")
    return power


def _root(value: Number, degree: int) -> Number:
    """Take the real root: exactly where it is rational, else as a float."""
    if value < 0 and degree % 2 == 0:
        raise ToolException("an even root of a negative number has no real result")
    if isinstance(value, Fraction):
        numerator, denominator = abs(value.numerator), value.denominator
        top, bottom = _whole_root(numerator, degree), _whole_root(denominator, degree)
        if top**degree == numerator and bottom**degree == denominator:
            return Fraction(top, bottom) if value >= 0 else -Fraction(top, bottom)
    size = abs(float(value))
    root = math.sqrt(size) if degree == 2 else math.cbrt(size) if degree == 3 else size ** (1 / degree)
    return math.copysign(root, value)


def _whole_root(value: int, degree: int) -> int:
    """Return the root of a whole number, rounded down, by Newton's method."""
    if degree == 1 or value < 2:
        return value
    if degree >= value.bit_length():
        return 1
    guess = 1 << -(-value.bit_length() // degree)
    while True:
        better = ((degree - 1) * guess + value // guess ** (degree - 1)) // degree
        if better >= guess:
            return guess
        guess = better


def _log(value: Number, base: Number = math.e) -> Number:
    """Take a logarithm; a whole one of exact numbers is exact."""
    if base <= 0 or base == 1:
        raise ValueError("no such base")
    result = _natural_log(value) / _natural_log(base)
    whole = round(result)
    if isinstance(value, Fraction) and isinstance(base, Fraction) and _is_small(base, whole):
        return Fraction(whole) if base**whole == value else result
    return result


def _natural_log(value: Number) -> float:
    if _BELOW_ONE < value < _ABOVE_ONE:
        return math.log1p(float(value - 1))
    # Of a fraction in two halves, as either may be far beyond a float.
    return (
        math.log(value.numerator) - math.log(value.denominator)
        if isinstance(value, Fraction)
        else math.log(value)
    )


def _factorial(value: Number) -> int:
    whole = _whole(value)
    if whole > 1 and math.lgamma(whole + 1) > _MAX_BITS * math.log(2):
        raise too_large()
    return math.factorial(whole)


def _round(value: Number, places: Number = Fraction(0)) -> Fraction:
    digits = _whole(places)
    if abs(digits) > MAX_DIGITS:
        raise too_large()
    scale = Fraction(10) ** digits
    # A float counts as its shortest decimal, not as the binary fraction that is next to it.
    exact = Fraction(repr(value)) if isinstance(value, float) else value
    size = Fraction(math.floor(abs(exact) * scale + Fraction(1, 2))) / scale
    return size if value >= 0 else -size


def _whole(value: Number) -> int:
    if value != int(value):
        raise ValueError("not a whole number")
    return int(value)


def _multiple(*values: Number) -> Number:
    total: Number = Fraction(1)
    for value in values:
        total = bounded(math.lcm(_whole(total), _whole(value)))
    return total


def _wave(function: Callable[[float], float]) -> Callable[[Number], float]:
    # Rounded, so that sin(pi) is 0 and not the error that pi itself has as a float.
    return lambda angle: round(function(float(angle)), 15)


class _Function(NamedTuple):
    """A function by name: how it is worked out, how many arguments it has, and what they may be."""

    apply: Callable[..., Number | int]
    least: int = 1
    most: int | None = 1
    takes: str = "numbers"


CONSTANTS: dict[str, Number] = {"pi": math.pi, "e": math.e}
_AVERAGE = _Function(lambda *values: sum(values) / Fraction(len(values)), 1, None)
FUNCTIONS = {
    "abs": _Function(abs),
    "acos": _Function(math.acos, takes="a number from -1 to 1"),
    "asin": _Function(math.asin, takes="a number from -1 to 1"),
    "atan": _Function(math.atan),
    "average": _AVERAGE,
    "avg": _AVERAGE,
    "cbrt": _Function(lambda value: _root(value, 3)),
    "ceil": _Function(math.ceil),
    "cos": _Function(_wave(math.cos)),
    "degrees": _Function(math.degrees),
    "exp": _Function(lambda value: _power(math.e, value)),
    "factorial": _Function(_factorial, takes="a whole number from 0 up"),
    "floor": _Function(math.floor),
    "gcd": _Function(lambda *values: math.gcd(*map(_whole, values)), 1, None, "whole numbers"),
    "lcm": _Function(_multiple, 1, None, "whole numbers"),
    "ln": _Function(_log, takes="a number above 0"),
    "log": _Function(_log, 1, 2, "a number above 0, and a base above 0 other than 1"),
    "log10": _Function(lambda value: _log(value, Fraction(10)), takes="a number above 0"),
    "log2": _Function(lambda value: _log(value, Fraction(2)), takes="a number above 0"),
    "max": _Function(lambda *values: max(values), 1, None),
    "mean": _AVERAGE,
    "min": _Function(lambda *values: min(values), 1, None),
    "mod": _Function(operator.mod, 2, 2),
    "percent": _Function(lambda value: value / Fraction(100)),
    "pow": _Function(_power, 2, 2),
    "radians": _Function(math.radians),
    "round": _Function(_round, 1, 2, "a number, and a whole number of decimal places"),
    "sin": _Function(_wave(math.sin)),
    "sqrt": _Function(lambda value: _root(value, 2)),
    "sum": _Function(lambda *values: sum(values), 1, None),
    "tan": _Function(_wave(math.tan)),
}
OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Number | int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}


def too_large() -> ToolException:
    return ToolException(
        f"the numbers grow too large; {MAX_DIGITS} digits are the most, 308 for irrational ones"
    )
