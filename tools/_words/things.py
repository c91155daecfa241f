"""What is counted, beside the numbers of a calculation in signs: ``35 loaves/hour * 6 hours``."""

from __future__ import annotations

from collections.abc import Iterator, Set

from .number_words import is_number, token_at
from .tokens import NotUnderstood
from .units import UNITS, without_ends
from .vocabulary import AFTER, BEFORE, RECKONED

_SIGNS = {**{sign: sign for sign in "+-*/^()"}, "x": "*"}
_OF_ONE_UNIT = frozenset("+-/")
"""The signs that no two units of one kind can stand at."""
_RATES = ("/", "per")
_NO_NAMES = RECKONED | {*_RATES, *_SIGNS, "of"}


def without_things(tokens: list[str], meant: Set[str]) -> str | None:
    """Return a calculation in signs without the names of what is counted; None if it is none in signs.

    What is counted in other units of the same kind is no sum: of 3 hours + 20 minutes 23 is neither. Nor is
    10 kg / 250 g a twenty-fifth.

    Args:
        tokens: the words, numbers and signs.
        meant: names that mean something themselves, such as ``pi``.
    """
    try:
        found = list(_with_things(without_ends(tokens, BEFORE, AFTER), meant))
    except NotUnderstood:
        return None
    signs = [sign for sign, _ in found]
    units = {UNITS[thing] for _, thing in found if thing in UNITS}
    mixed = len(units) > len({unit.kind for unit in units})
    if _SIGNS.keys().isdisjoint(tokens) or (mixed and not _OF_ONE_UNIT.isdisjoint(signs)):
        return None
    return " ".join(signs)


def _with_things(tokens: list[str], meant: Set[str]) -> Iterator[tuple[str, str]]:
    """Yield each number and sign, with the last word of what it counts."""
    at, before = 0, ""

    def is_name(ahead: int) -> bool:
        word = token_at(tokens, at + ahead)
        return word.isalpha() and word not in _NO_NAMES and word not in meant

    while at < len(tokens):
        word, thing = tokens[at], ""
        at += 1
        if word in _SIGNS:
            yield _SIGNS[word], ""
            before = word
            continue
        if not is_number(word) or is_number(before):
            raise NotUnderstood
        while is_name(0):
            thing, at = tokens[at], at + 1
        if thing and token_at(tokens, at) in _RATES and is_name(1):
            thing, at = "", at + 2
        yield word, thing
        before = word
