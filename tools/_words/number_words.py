"""Numbers in words: ``two hundred and five``, ``2.5 million``, ``half a dozen``, ``three and a half``."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

from .errors import NotUnderstood
from .vocabulary import COUNTS, ONES, SCALES, TENS


def is_number(token: str) -> bool:
    """Say whether a token is a number in digits."""
    return token[:1] in set("0123456789.") and token != "."  # noqa: S105 - a token of a text


def token_at(tokens: list[str], at: int) -> str:
    """Return the token at a place; empty where there is none."""
    return tokens[at] if at < len(tokens) else ""


def with_digits(tokens: list[str]) -> list[str]:
    """Write the numbers among words as digits; those in digits already stay as they are.

    Raises:
        NotUnderstood: one could be meant in two ways, as in a million and a half.
    """
    found, at = list[str](), 0
    while at < len(tokens):
        value, after = _number(tokens, at)
        if after > at + 1 and _ends_share(tokens, at):  # 1/2 million: half of one, or one of two?
            raise NotUnderstood
        if after > at + is_number(tokens[at]):
            found.append(_decimal(value))
            at = after
        else:
            found.append(tokens[at])
            at += 1
    return found


def _ends_share(tokens: list[str], at: int) -> bool:
    """Say whether a fraction below 1 in digits, such as 3/4, ends with a token."""
    if at < 2 or tokens[at - 1] != "/" or not (tokens[at - 2].isdigit() and tokens[at].isdigit()):
        return False
    return int(tokens[at - 2]) < int(tokens[at])


def _decimal(value: Fraction) -> str:
    """Write a number with all of its digits; of its denominators 2 and 5 are the only factors."""
    with localcontext(prec=value.numerator.bit_length() + value.denominator.bit_length()):
        return f"{Decimal(value.numerator) / Decimal(value.denominator):f}"


def _number(tokens: list[str], at: int) -> tuple[Fraction, int]:
    """Return the number that begins at a token, and where it ends; where it began if there is none."""
    if tokens[at : at + 2] == ["half", "a"] and token_at(tokens, at + 2) in COUNTS:
        return Fraction(COUNTS[tokens[at + 2]], 2), at + 3
    if is_number(tokens[at]) and not (tokens[at].isdigit() and token_at(tokens, at + 1) in COUNTS):
        value, after = Fraction(tokens[at]), at + 1
    else:
        value, after = _whole(tokens, at)
    if after > at and tokens[after : after + 3] == ["and", "a", "half"]:
        if tokens[after - 1] in COUNTS:  # half a million, or a half?
            raise NotUnderstood
        value, after = value + Fraction(1, 2), after + 3
    while after > at and (count := COUNTS.get(token_at(tokens, after))) is not None:
        value, after = value * count, after + 1
    return value, after


def _whole(tokens: list[str], at: int) -> tuple[Fraction, int]:
    """Return the whole number that begins at a token, such as ``two hundred and five`` or ``2 hundred``."""
    total = group = 0
    after = at
    if tokens[at].isdigit():
        group, after = int(tokens[at]), at + 1
    elif tokens[at] in ("a", "an") and token_at(tokens, at + 1) in COUNTS:
        group, after = 1, at + 1
    while after < len(tokens):
        word = tokens[after]
        if (more := _grown(group, word, begun=after > at)) is not None:
            group = more
        elif word == "dozen" and group and not total:
            return Fraction(12 * group), after + 1
        elif word in SCALES and group and (not total or SCALES[word] < _smallest_scale(total)):
            total, group = total + group * SCALES[word], 0
        elif not (word == "and" and after > at and _goes_on(tokens, after)):
            break
        after += 1
    return Fraction(total + group), after


def _goes_on(tokens: list[str], at: int) -> bool:
    """Say whether an ``and`` is that of two hundred and five, and no new number begins after it."""
    before, small, following = tokens[at - 1], token_at(tokens, at + 1), token_at(tokens, at + 2)
    if before not in ("hundred", *SCALES) or not (small in TENS or ONES.get(small)):
        return False
    return following != "hundred" and (before == "hundred" or following not in SCALES)


def _grown(group: int, word: str, *, begun: bool) -> int | None:
    """Return a number below 1000 with one more word of it read; None if the word does not go on with it."""
    if word in TENS and group % 100 == 0:
        return group + TENS[word]
    if word in ONES and not (begun and ONES[word] == 0):
        teens_fit = group % 100 == 0
        ones_fit = group % 10 == 0 and group % 100 >= 20 and ONES[word] < 10
        return group + ONES[word] if teens_fit or ones_fit else None
    return 100 * group if word == "hundred" and 0 < group < 100 else None


def _smallest_scale(total: int) -> int:
    """Return the scale of the last words of a number."""
    return next(scale for scale in sorted(SCALES.values(), reverse=True) if total % scale == 0)
