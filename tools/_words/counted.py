"""A number of things with so many each: ``12 boxes of 6 eggs``, ``12 shelves carry 6 lamps each``."""

from __future__ import annotations

from .number_words import is_number
from .units import UNITS
from .vocabulary import RECKONED, vocabulary

_HAVING = vocabulary(
    "of with at have has hold holds carry carries contain contains get gets need needs cost costs bring "
    "brings eat eats weigh weighs pay pays seat seats take takes"
)


def so_many_each(tokens: list[str]) -> str | None:
    """Return the product in signs; None if the words are none of these."""
    words = [word for word in tokens if word not in ("?", ".", ",")]
    if len(words) < 4 or not (is_number(words[0]) and words[1].isalpha() and is_number(words[3])):
        return None
    counted, having, rest = words[1], words[2], words[4:]
    if counted in RECKONED or counted in UNITS or having not in _HAVING:
        return None
    each = rest[-1:] in (["each"], ["apiece"])
    things = rest[:-1] if each else rest
    if len(things) > 1 or not (each or (having == "of" and things)) or RECKONED.intersection(things):
        return None
    return f"{words[0]} * {words[3]}"
