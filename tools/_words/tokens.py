"""A text taken apart into numbers in digits, words and signs."""

from __future__ import annotations

import re
from collections.abc import Set

from .errors import NotUnderstood
from .number_words import with_digits
from .units import UNITS
from .vocabulary import COUNTS, MONEY, ONES, SHARES, TENS

_TOKEN = re.compile(
    r"""  (?P<number> [0-9]{1,3} (?:,[0-9]{3})+ (?![0-9]) (?:\.[0-9]+)?
                    | (?: [0-9]+ (?:\.[0-9]+)? | \.[0-9]+ ) (?: e[+-]?[0-9]{1,3} (?![0-9a-z.]) )? )
        | (?P<word> [a-z]+ (?:'[a-z]+)? )
        | (?P<sign> \*\* | // | [-+*/^%(),;:.&=?!√] )""",
    re.VERBOSE,
)
_WORD = re.compile("[a-z]+")
_SPELLINGS = (
    ("per cent", "%"), ("percent", "%"), ("percentage", "%"), ("pct", "%"), ("takeaway", "take away"),
    ("off of", "off"), ("&", "and"), ("k", "thousand"), ("mn", "million"), ("mil", "million"),
    ("bn", "billion"), ("tn", "trillion"), *((f"{count}s", count) for count in COUNTS),
)  # fmt: skip


def tokens_of(text: str, functions: Set[str] = frozenset()) -> list[str]:
    """Take a text in small letters apart.

    Numbers in words become digits, percent a sign, and the names of money are dropped. Pounds are money
    unless another weight is named.

    Args:
        text: the text.
        functions: the names of functions, between whose parentheses a comma separates arguments.

    Raises:
        NotUnderstood: there is a character that has no meaning, a number that could be two, or more than one
            kind of money.
    """
    text = _with_pounds_weighed(text)
    found, position = list[str](), 0
    opened = list[bool]()
    """Of each parenthesis that is open, whether it is a function's."""
    money: set[str] = set()
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        token = _TOKEN.match(text, position)
        if token is None:
            raise NotUnderstood
        position = token.end()
        if token[0] in MONEY:
            money.add(MONEY[token[0]])
        elif token["number"] and "," in token[0] and opened and opened[-1]:
            found.append(token[0].partition(",")[0])
            position = token.start() + len(found[-1])
        elif token[0] != "-" or not _joins(found, text, position):
            if token[0] == "(":
                opened.append(bool(found) and found[-1] in functions)
            elif token[0] == ")" and opened:
                opened.pop()
            found.append(token[0].replace(",", "") if token["number"] else token[0])
    if len(money) > 1:
        raise NotUnderstood
    return with_digits(_spelt_alike(found))


def _with_pounds_weighed(text: str) -> str:
    """Write pounds as a weight where another weight is named; elsewhere they are money."""
    weighed = any(word in UNITS and UNITS[word].kind == "weight" for word in _WORD.findall(text))
    return re.sub(r"\bpounds\b", "lb", text) if weighed else text


def _joins(before: list[str], text: str, after: int) -> bool:
    """Say whether a hyphen is that of twenty-five, two-thirds or take-away."""
    following = _WORD.match(text, after)
    if not before or following is None:
        return False
    last, word = before[-1], following[0].removesuffix("s")
    return (last in TENS and word in ONES) or (last in ONES and word in SHARES) or word == "away"


def _spelt_alike(tokens: list[str]) -> list[str]:
    """Write what is spelt in several ways in one."""
    text = f" {' '.join(tokens)} "
    for spelling, usual in _SPELLINGS:
        text = text.replace(f" {spelling} ", f" {usual} ")
    return text.split()
