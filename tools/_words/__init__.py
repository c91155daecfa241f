"""Arithmetic in words: ``half of 5,400`` becomes ``(5400 * 1 / 2)``, which the calculator works out.

All of the words have to be understood: a single word too many, and the whole is left as it stands. What could
be read in two ways:

- ``12 plus 7 times 3`` is 12 + 7 * 3; after a comma, ``12 plus 7, times 3`` takes all before it.
- ``the sum of 3 and 5 times 2`` is (3 + 5) * 2; ``half of 90 plus 3`` is 90 / 2 + 3.
- ``4 times 5 less than 100`` is 80: what comes before ``less than`` is taken whole; a sum is refused there.
- ``a third off 90`` is 60, and ``3 plus a third`` is 3.33; ``90 less a third`` is refused.
- ``50 divided by 1/2`` is 100: beside words a fraction below 1 is one number.
- ``45 with a 20% tip split 3 ways`` is 18: a tip, and what is split, is of all before it.
- ``the difference between 4 and 9`` is 5, as people mean it, whichever comes first.
- ``12 boxes of 6 eggs`` and ``12 shelves carry 6 lamps each`` are products.
- The names of money are passed over, as long as it is one kind of money.

A text is taken apart by `tokens`, which writes its numbers as digits (`number_words`). It is then a
conversion (`units`), a number of things with so many each (`counted`), signs with the names of things beside
the numbers (`things`), or a statement (`statements`) made of sums (`sums`); the last two read on with a
`cursor`. The words that have a meaning stand in `vocabulary`.
"""

from __future__ import annotations

import re
from collections.abc import Set

from .counted import so_many_each
from .errors import NotUnderstood
from .statements import Statement
from .things import without_things
from .tokens import tokens_of
from .units import converted
from .vocabulary import MONEY, MONEY_SIGNS

_AMONG_SIGNS = frozenset(("of", "mod", "percent", "math", "x"))
"""Words that stand in expressions in signs too."""
_CAPITAL = re.compile("(?<=[0-9])[MB](?![A-Za-z])")
_PENCE = re.compile("(?<=[0-9])p(?![A-Za-z])")
_CAPITALS = {"M": " million", "B": " billion"}
"""Of money; a small m is a metre."""


def money_in(text: str) -> list[str]:
    """Return the kinds of money that a text names by words or signs, in the order of the alphabet."""
    words = re.findall(r"[a-z]+", text.lower())
    kinds = {MONEY[word] for word in words if word in MONEY} | {
        MONEY_SIGNS[c] for c in text if c in MONEY_SIGNS
    }
    if "pound" in kinds and _PENCE.search(text):
        kinds.add("penny")
    return sorted(kinds)


def in_signs(text: str, functions: Set[str], constants: Set[str], *, money: bool = False) -> str:
    """Return an expression in signs for one in words; the text itself where the words are not understood.

    Args:
        text: what was written, in words or signs.
        functions: the names of functions, which keep their meaning: ``sqrt`` in ``sqrt(16)``.
        constants: the names of numbers, such as ``pi``.
        money: whether there were signs of money, or its names.
    """
    words = set(re.findall("[a-z]+", text.lower()))
    share_of = "of" in words and "%" not in text and "percent" not in words
    if not words - functions - constants - _AMONG_SIGNS and not share_of:
        return text
    try:
        spelt = _CAPITAL.sub(lambda found: _CAPITALS[found[0]], text)
        tokens = tokens_of(spelt.lower(), functions)
        found = converted(tokens) or so_many_each(tokens)
        found = found or without_things(tokens, functions | constants, money=money)
        return found or Statement(tokens, functions, constants).whole()
    except NotUnderstood:
        return text
