"""The calculator: exact arithmetic on what people and models write.

An expression is translated token by token into a Python expression, parsed by `ast`, and worked out
by the evaluator below; nothing is ever executed. Numbers are fractions as long as they can be, so
0.1 + 0.2 is 0.3, and become floats only where a result is irrational.

Where habits differ, this is what it does:

- ``%`` before an operand is the remainder (``10 % 3``, ``10 % (-3)``), elsewhere, so also before a
  sign, a percentage (``15% of 240``, ``50% - 1``).
- ``200 + 10%`` is 220, as on a pocket calculator; ``10% + 5%`` is 0.15.
- ``-2^2`` is -4, ``2^3^2`` is 2^9; ``(-8)^(1/3)`` is the real root, -2.
- ``log`` is the natural logarithm, as in programming languages; ``log(8, 2)`` has base 2.
- ``round`` rounds halves away from zero: ``round(2.5)`` is 3.
- ``//`` rounds down, and a remainder has the sign of the divisor.
- Inside the parentheses of a function a comma separates arguments; elsewhere it groups thousands.

Words are read as well: ``half of 5,400``, ``15% off 80``, ``the sum of 3, 4 and 5``, ``3 dozen``,
``how many minutes are 3 hours``. They are translated into signs first, and all of them have to be
understood: a single word too many, and the whole is refused. What could be read in two ways:

- ``12 plus 7 times 3`` is 12 + 7 * 3; after a comma, ``12 plus 7, times 3`` takes all before it.
- ``the sum of 3 and 5 times 2`` is (3 + 5) * 2; ``half of 90 plus 3`` is 90 / 2 + 3.
- ``the difference between 4 and 9`` is 5, as people mean it, whichever comes first.
- ``12 boxes of 6 eggs`` and ``12 shelves carry 6 lamps each`` are products.
- The names of money are passed over, as long as it is one kind of money.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from decimal import Decimal, Inexact, localcontext
from fractions import Fraction
from typing import Any, ClassVar, NamedTuple, TypeAlias

from langchain_core.tools import ToolException, tool

Number: TypeAlias = Fraction | float

MAX_LENGTH = 1000
"""Characters in an expression."""
MAX_DEPTH = 64
"""Parentheses, signs and powers inside one another."""
MAX_DIGITS = 4000
"""Digits of a number on the way; above it a calculation is refused before it is begun."""
SHOWN_DIGITS = 1000
"""Digits of an integer that is printed whole; a longer one is rounded."""

_MAX_BITS = int(MAX_DIGITS * math.log2(10))


@tool
def calculator(expression: str) -> str:
    """Work out arithmetic exactly.

    Input: one expression, in signs or words, for example (17 + 3) * 2^5 or 15% of 240 or half of 90.
    """
    source = _translate(expression)
    try:
        tree = ast.parse(source, mode="eval")
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise _unreadable(expression) from error
    try:
        return _show(_value(tree.body, source, 0))
    except ZeroDivisionError as error:
        raise ToolException("division by zero has no result") from error
    except OverflowError as error:
        raise _too_large() from error


# --- from what was written to a Python expression ---

_CHARACTERS: dict[int, str] = str.maketrans(
    {
        **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},  # fullwidth forms
        **dict.fromkeys("×·⋅∙∗", "*"),
        **dict.fromkeys("÷∕⁄", "/"),
        **dict.fromkeys("−–—", "-"),
        **dict.fromkeys("$€£¥\u00a0\u202f\u2009", " "),
        "π": " pi ",
    }
)
_DATE = re.compile(
    r"\b[12][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])\b"
    r"|\b[0-9]{1,2} (?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b",
    re.IGNORECASE,
)
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_SUPERSCRIPT = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_TOKEN = re.compile(
    r"""  (?P<grouped> [0-9]{1,3} (?:,[0-9]{3})+ (?![0-9]) (?:\.[0-9]+)? )
        | (?P<number>  (?:[0-9](?:_?[0-9])*\.?[0-9]* | \.[0-9]+) (?:[eE][+-]?[0-9]+)? )
        | (?P<times>   [xX] (?![A-Za-z_]) )
        | (?P<name>    (?:math\.)? [A-Za-z_][A-Za-z_0-9]* )
        | (?P<sign>    \*\* | // | [-+*/%^(),!\[\]√] )""",
    re.VERBOSE,
)
# What may come after the % of a remainder; after that of a percentage comes an operator or nothing.
_OPERAND_NEXT = re.compile(r"\s*(?!(?:of|mod|x)(?![a-z_]))[0-9.(√a-z]", re.IGNORECASE)


def _translate(text: str) -> str:
    """Return a Python expression in ASCII that means what `text` means."""
    if len(text) > MAX_LENGTH:
        raise ToolException(f"the expression has {len(text)} characters; at most {MAX_LENGTH} can be read")
    raised = _SUPERSCRIPT.sub(lambda found: f"^({found[0].translate(_SUPERSCRIPTS)})", text)
    plain = raised.translate(_CHARACTERS).strip().lstrip("=").rstrip("=?. \n")
    if not plain:
        raise ToolException("the expression is empty; write one, for example (17 + 3) * 2")
    if date := _DATE.search(plain):
        raise ToolException(f"{date[0]!r} is a date, which the calculator does not count with")
    plain = _in_signs(plain)
    translation, position = _Translation(), 0
    while position < len(plain):
        if plain[position].isspace():
            position += 1
            continue
        token = _TOKEN.match(plain, position)
        if token is None:
            raise ToolException(
                f"cannot read {plain[position]!r}; write numbers, operators and functions only, "
                "for example 2 * (3 + 4)"
            )
        position += translation.take(token)
    return translation.finish()


class _Translation:
    """A Python expression as it grows, token by token."""

    def __init__(self) -> None:
        self.out: list[str] = []
        # Open brackets: which one, where its operand begins in `out`, whether commas separate in it.
        self.opened: list[tuple[str, int, bool]] = []
        # Where the operand that was just read begins in `out`; None while one is due.
        self.operand: int | None = None

    def take(self, token: re.Match[str]) -> int:
        """Add a token; return how many characters of it were used."""
        kind, text = token.lastgroup, token[0]
        if kind == "grouped" and self.separating:
            text = text.partition(",")[0]
        if kind in ("grouped", "number"):
            self._add_operand(re.sub("^0+(?=[0-9])", "", re.sub("[,_]", "", text)))
        elif kind == "times":
            self._add_operator("*")
        elif kind == "name":
            self._add_name(text.lower().removeprefix("math."))
        elif text == "%" and not _OPERAND_NEXT.match(token.string, token.end()):
            self._add_postfix("percent", text)
        else:
            self._add_sign(text)
        return len(text)

    def finish(self) -> str:
        """Return the whole expression."""
        if self.opened:
            raise ToolException(f"a {_CLOSING[self.opened[-1][0]]!r} is missing")
        return " ".join(self.out)

    @property
    def separating(self) -> bool:
        """Whether a comma here separates arguments."""
        return bool(self.opened) and self.opened[-1][2]

    def _add_sign(self, sign: str) -> None:
        if sign in _CLOSING:
            self._open(sign)
        elif sign in _CLOSING.values():
            self._close(sign)
        elif sign == "!":
            self._add_postfix("factorial", sign)
        elif sign == "√":
            self._expect_operand(sign)
            self.out.append(sign)
        elif sign == "," and not self.separating:
            raise ToolException(
                "a comma may only separate arguments or thousands, as in max(1, 2) or 1,234; "
                "decimals take a point"
            )
        else:
            self._add_operator("**" if sign == "^" else sign)

    def _add_name(self, name: str) -> None:
        if name == "of":
            if self.operand is None or self.out[self.operand] != "percent":
                raise ToolException("'of' can only follow a percentage, as in 15% of 240")
            self._add_operator("*")
        elif name == "mod" and self.operand is not None:
            self._add_operator("%")
        elif name == "percent" and self.operand is not None:
            self._add_postfix(name, name)
        elif name in _CONSTANTS:
            self._add_operand(name)
        elif name in _FUNCTIONS:
            self._expect_operand(name)
            self.out.append(name)
        else:
            known = ", ".join(sorted([*_CONSTANTS, *_FUNCTIONS]))
            raise ToolException(f"unknown name {name[:40]!r}; write numbers, or one of: {known}")

    def _add_operator(self, text: str) -> None:
        self.out.append(text)
        self.operand = None

    def _add_operand(self, text: str) -> None:
        self._expect_operand(text)
        self.operand = len(self.out)
        self.out.append(text)
        if self.operand and self.out[self.operand - 1] == "√":
            self.operand -= 1
            self.out[self.operand :] = ["sqrt", "(", text, ")"]

    def _add_postfix(self, function: str, sign: str) -> None:
        if self.operand is None:
            raise ToolException(f"{sign!r} has no number before it")
        self.out[self.operand : self.operand] = [function, "("]
        self.out.append(")")

    def _open(self, bracket: str) -> None:
        self._expect_operand(bracket)
        if len(self.opened) == MAX_DEPTH:
            raise _too_deep()
        if self.out and self.out[-1] == "√":
            self.out[-1] = "sqrt"
        is_call = bool(self.out) and self.out[-1] in _FUNCTIONS
        self.opened.append((bracket, len(self.out) - is_call, is_call or bracket == "["))
        self.out.append(bracket)

    def _close(self, bracket: str) -> None:
        if not self.opened or _CLOSING[self.opened[-1][0]] != bracket:
            raise ToolException(f"a {bracket!r} closes nothing")
        _, self.operand, _ = self.opened.pop()
        self.out.append(bracket)

    def _expect_operand(self, text: str) -> None:
        if self.operand is not None:
            raise ToolException(f"an operator is missing before {text!r}; a product is written with *")


_CLOSING = {"(": ")", "[": "]"}


# --- from words to signs ---

_WORD_TOKEN = re.compile(
    r"""  (?P<number> [0-9]{1,3} (?:,[0-9]{3})+ (?![0-9]) (?:\.[0-9]+)? | [0-9]+ (?:\.[0-9]+)? | \.[0-9]+ )
        | (?P<word> [a-z]+ (?:'[a-z]+)? )
        | (?P<sign> \*\* | // | [-+*/^%(),;:.&=?!√] )""",
    re.VERBOSE,
)


def _vocabulary(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ONES = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15,
    "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90,
}  # fmt: skip
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_MULTIPLES = {"twice": 2, "double": 2, "thrice": 3, "triple": 3, "treble": 3, "quadruple": 4}
_SHARES = {
    "half": 2, "halves": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9, "tenth": 10, "twelfth": 12, "twentieth": 20, "hundredth": 100,
    "thousandth": 1000,
}  # fmt: skip
_INFIX = {
    ("plus",): "+", ("added", "to"): "+", ("increased", "by"): "+", ("raised", "by"): "+", ("up",): "+",
    ("minus",): "-", ("less",): "-", ("take", "away"): "-", ("without",): "-", ("decreased", "by"): "-",
    ("reduced", "by"): "-", ("lowered", "by"): "-", ("down",): "-", ("with",): "with", ("at",): "with",
    ("times",): "*", ("multiplied", "by"): "*", ("multiplied", "with"): "*", ("by",): "*", ("x",): "*",
    ("divided", "by"): "/", ("over",): "/", ("split", "by"): "/", ("split", "among"): "/",
    ("split", "between"): "/", ("split", "into"): "/", ("shared", "by"): "/", ("shared", "among"): "/",
    ("shared", "between"): "/", ("split",): "/", ("mod",): "mod", ("modulo",): "mod",
    ("+",): "+", ("-",): "-", ("*",): "*", ("/",): "/", ("//",): "//",
}  # fmt: skip
_DONE = {"doubled": "* 2", "tripled": "* 3", "halved": "/ 2", "squared": "^ 2", "cubed": "^ 3"}
_OF_LIST = {
    "sum": "+", "total": "+", "product": "*", "average": "average", "mean": "average",
    "largest": "max", "biggest": "max", "greatest": "max", "highest": "max", "maximum": "max",
    "smallest": "min", "lowest": "min", "least": "min", "minimum": "min",
    "difference": "-", "gap": "-", "distance": "-", "quotient": "/", "ratio": "/",
}  # fmt: skip
_ROOTS = {"square": "sqrt", "cube": "cbrt", "root": "sqrt", "sqrt": "sqrt", "factorial": "factorial"}
_CHARGES = _vocabulary("tip tax vat interest commission gratuity")
_MONEY = {
    "dollar": "dollar", "dollars": "dollar", "bucks": "dollar", "euro": "euro", "euros": "euro",
    "pounds": "pound", "quid": "pound", "yen": "yen", "cents": "cent", "doubloons": "doubloon",
}  # fmt: skip
_BEFORE = _vocabulary(
    "what what's whats is are how much many does do would calculate compute evaluate work figure out find "
    "solve tell me give gimme i need want to know please can could you the result of value so now hey ok "
    "reckon be get if take come comes will only just start begin with : ,"
)
_AFTER = _vocabulary(
    "please is are what how much many equals equal makes make come comes to be in total all altogether "
    "together then for me thanks ways left remains gives do we get , = ? . ! : ;"
)
_RECKONED = frozenset(
    [*_ONES, *_TENS, *_SCALES, *_MULTIPLES, *_SHARES, *_DONE, *_OF_LIST, *_ROOTS, "thirds", "quarters",
     "fourths", "fifths", "sixths", "sevenths", "eighths", "ninths", "tenths", "dozen", "hundred", "more",
     "less", "off", "percent", *(word for words in _INFIX for word in words)]
)  # fmt: skip
"""Words that are no names of things."""
_COMMANDED = {"halve": "/ 2", "square": "^ 2", "cube": "^ 3"}
_AFTER_OPERAND = (
    (("^", "**", "to the power of", "raised to the power of", "raised to", "to the power"), "({0} ^ {1})"),
    (("go into", "goes into", "fit into", "fits into", "go in", "fit in"), "({1} / {0})"),
    (("more than", "greater than", "added to"), "({1} + {0})"),
    (("less than", "fewer than", "smaller than", "subtracted from", "taken from", "off"), "({1} - {0})"),
)
"""Words between an operand, {0}, and another one, {1}, that belong more closely to them than signs do."""
_MORE = _vocabulary("more greater larger bigger higher older")
_LESS = _vocabulary("less smaller lower fewer")
_IT = _vocabulary("it that this the result total sum rest difference answer outcome product what is left all")
_THEN = _vocabulary(", ; . and then now after")


def _in_signs(text: str) -> str:
    """Return an expression in signs for one in words; the text itself where the words are not understood.

    Nothing is guessed at: a single word too many, and it is left to be complained of as it stands.
    """
    words = set(re.findall("[a-z]{2,}", text.lower()))
    if not words - _CONSTANTS.keys() - _FUNCTIONS.keys() - {"of", "mod", "percent", "math"} and not (
        "of" in words and "%" not in text and "percent" not in words
    ):
        return text
    try:
        tokens = _tokens(text.lower())
        return _converted(tokens) or _so_many_each(tokens) or _Spoken(tokens).whole()
    except _NotUnderstood:
        return text


class _NotUnderstood(Exception):  # noqa: N818 - never seen outside
    """The words are none that can be reckoned with."""


def _tokens(text: str) -> list[str]:
    """Take a text apart; numbers in words become digits, and the names of one currency are dropped."""
    found, position = list[str](), 0
    money: set[str] = set()
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        token = _WORD_TOKEN.match(text, position)
        if token is None:
            raise _NotUnderstood
        position = token.end()
        if token[0] in _MONEY:
            money.add(_MONEY[token[0]])
        elif token[0] == "-" and _joins(found, text, position):
            continue
        else:
            found.append(token[0].replace(",", "") if token["number"] else token[0])
    if len(money) > 1:
        raise _NotUnderstood
    return _with_digits(_without_spelling(found))


def _joins(before: list[str], text: str, after: int) -> bool:
    """Say whether a hyphen is that of twenty-five, two-thirds or take-away."""
    following = re.compile("[a-z]+").match(text, after)
    if not before or following is None:
        return False
    last, word = before[-1], following[0].removesuffix("s")
    return (last in _TENS and word in _ONES) or (last in _ONES and word in _SHARES) or word == "away"


def _without_spelling(tokens: list[str]) -> list[str]:
    """Write ``per cent`` as ``percent``, and that as its sign."""
    text = f" {' '.join(tokens)} ".replace(" per cent ", " % ").replace(" percent ", " % ")
    text = text.replace(" takeaway ", " take away ").replace(" off of ", " off ").replace(" & ", " and ")
    return text.split()


def _with_digits(tokens: list[str]) -> list[str]:
    """Write the numbers among words as digits."""
    found, at = [], 0
    while at < len(tokens):
        value, after = _number_in_words(tokens, at)
        if after == at:
            found.append(tokens[at])
            at += 1
        else:
            found.append(_decimal(value))
            at = after
    return found


def _decimal(value: Fraction) -> str:
    return f"{Decimal(value.numerator) / Decimal(value.denominator):f}"


def _number_in_words(tokens: list[str], at: int) -> tuple[Fraction, int]:
    """Return the number that begins at a token, and where it ends; where it began if it is none."""
    counts = {**_SCALES, "hundred": 100, "dozen": 12}
    total, after = _whole_in_words(tokens, at)
    if tokens[at : at + 2] == ["half", "a"] and "".join(tokens[at + 2 : at + 3]) in counts:
        return Fraction(counts[tokens[at + 2]], 2), at + 3
    if _is_number(tokens[at]):
        total, end = Fraction(tokens[at]), at + 1
        while "".join(tokens[end : end + 1]) in counts:
            total *= counts[tokens[end]]
            end += 1
        after = end if end > at + 1 else after
    end = max(after, at + 1)
    if (after > at or _is_number(tokens[at])) and tokens[end : end + 3] == ["and", "a", "half"]:
        return total + Fraction(1, 2), end + 3
    return total, after


def _whole_in_words(tokens: list[str], at: int) -> tuple[Fraction, int]:
    """Return the whole number in words that begins at a token, such as ``two hundred and five``."""
    total = group = 0
    after = at
    if tokens[at] in ("a", "an") and "".join(tokens[at + 1 : at + 2]) in ("hundred", "dozen", *_SCALES):
        group, after = 1, at + 1
    while after < len(tokens):
        word = tokens[after]
        if (more := _grown(group, word, begun=after > at)) is not None:
            group = more
        elif word == "dozen" and group and not total:
            return Fraction(12 * group), after + 1
        elif word in _SCALES and group and (not total or _SCALES[word] < _smallest(total)):
            total, group = total + group * _SCALES[word], 0
        elif not (word == "and" and after > at and _goes_on(tokens, after)):
            break
        after += 1
    return Fraction(total + group), after


def _goes_on(tokens: list[str], at: int) -> bool:
    """Say whether an ``and`` is that of two hundred and five, and no new number begins after it."""
    before, small, following = tokens[at - 1], *[*tokens[at + 1 : at + 3], "", ""][:2]
    if before not in ("hundred", *_SCALES) or not (small in _TENS or _ONES.get(small)):
        return False
    return following != "hundred" and (before == "hundred" or following not in _SCALES)


def _grown(group: int, word: str, *, begun: bool) -> int | None:
    """Return a number below 1000 with one more word of it read; None if the word does not go on with it."""
    if word in _TENS and group % 100 == 0:
        return group + _TENS[word]
    if word in _ONES and not (begun and _ONES[word] == 0):
        teens_fit = group % 100 == 0
        ones_fit = group % 10 == 0 and group % 100 >= 20 and _ONES[word] < 10
        return group + _ONES[word] if teens_fit or ones_fit else None
    return 100 * group if word == "hundred" and 0 < group < 100 else None


def _smallest(total: int) -> int:
    """Return the scale of the last words of a number."""
    return next(scale for scale in sorted(_SCALES.values(), reverse=True) if total % scale == 0)


def _is_number(token: str) -> bool:
    return token[:1] in set("0123456789.") and token != "."  # noqa: S105 - a token of a text


class _Spoken:
    """An expression in words, read from left to right; what is read is given back in signs."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens, self._at, self._depth = tokens, 0, 0

    def whole(self) -> str:
        """Return all of it in signs.

        Raises:
            _NotUnderstood: something is left over.
        """
        while self._at < len(self._tokens) and self._next() in _BEFORE and not self._begins():
            self._at += 1
        self._take_any("times does", "times do", "often does", "often do")
        found = self._statement()
        while (more := self._further(found)) is not None:
            found = more
        if not _AFTER.issuperset(self._tokens[self._at :]):
            raise _NotUnderstood
        return found

    # --- reading on ---

    def _next(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else ""

    def _take(self, *words: str) -> bool:
        """Read on over some words, if they are next."""
        if tuple(self._tokens[self._at : self._at + len(words)]) != words:
            return False
        self._at += len(words)
        return True

    def _take_any(self, *words: str) -> bool:
        return any(self._take(*word.split()) for word in words)

    def _need(self, *words: str) -> None:
        if not self._take_any(*words):
            raise _NotUnderstood

    def _tried(self, read: Callable[[], str]) -> str | None:
        """Return what is read, or None, with nothing read, where it is not understood."""
        before = self._at
        try:
            return read()
        except _NotUnderstood:
            self._at = before
            return None

    def _begins(self) -> bool:
        """Say whether a command begins with the words that could also be mere courtesy."""
        if self._next() == "take":
            return self._take_away_ahead()
        return self._next() == "how" and self._next(2) in _MORE | _LESS

    def _take_away_ahead(self) -> bool:
        return bool({"from", "off"}.intersection(self._tokens[self._at + 1 :]))

    # --- whole statements ---

    def _statement(self) -> str:
        """Read a command, or a sum."""
        reader = self._COMMANDS.get(self._next())
        if reader is not None:
            found = self._tried(lambda: reader(self))
            if found is not None:
                return found
        return self._sum()

    def _add(self) -> str:
        self._need("add", "sum up", "add up")
        self._take("up")
        items = self._list("and", "to", ",", "with")
        if len(items) < 2:
            raise _NotUnderstood
        # Of what is added to something a percentage is one of that.
        return f"({' + '.join(reversed(items))})" if len(items) == 2 else f"({' + '.join(items)})"

    def _subtract(self) -> str:
        self._need("subtract", "deduct", "take away", "take off", "take", "knock", "remove")
        began = self._at
        less = self._sum()
        self._take("away")
        if not self._take_any("from", "off"):
            if not {"off", "from"}.intersection(self._tokens[began : self._at]):
                raise _NotUnderstood
            return less  # 15% off 80 has been read as a whole
        return f"({self._sum()} - {less})"

    def _multiply(self) -> str:
        self._need("multiply")
        first = self._list("and") if self._next() != "the" else [self._item()]
        if len(first) > 1:
            return f"({' * '.join(first)})"
        self._need("by", "with", "times", "and")
        return f"({first[0]} * {self._item()})"

    def _divide(self) -> str:
        self._need("divide", "split", "share")
        first = self._item()
        self._need("by", "among", "between", "into")
        return f"({first} / {self._item()})"

    def _change(self) -> str:
        up = self._take_any("increase", "raise")
        if not up:
            self._need("decrease", "reduce", "lower", "cut")
        first = self._item()
        if not up and self._take("in", "half"):
            return f"({first} / 2)"
        self._need("by")
        return f"({first} {'+' if up else '-'} {self._item()})"

    def _one(self) -> str:
        word = self._next()
        self._at += 1
        if word in ("square", "cube") and self._next() == "root":
            raise _NotUnderstood
        return f"({self._item()} {_COMMANDED[word]})"

    def _how_much_more(self) -> str:
        self._need("how much", "how many", "by how much")
        if self._take("is"):
            return self._compared(self._item())
        return self._compared(None)

    def _compared(self, first: str | None) -> str:
        word = self._next()
        if word not in _MORE | _LESS:
            raise _NotUnderstood
        self._at += 1
        if first is None:
            self._need("is")
            first = self._item()
        self._need("than")
        second = self._item()
        return f"({second} - {first})" if word in _LESS else f"({first} - {second})"

    _COMMANDS: ClassVar[dict[str, Callable[[_Spoken], str]]] = {
        "add": _add, "sum": _add, "subtract": _subtract, "deduct": _subtract, "take": _subtract,
        "knock": _subtract, "remove": _subtract, "multiply": _multiply, "divide": _divide, "split": _divide,
        "share": _divide, "increase": _change, "raise": _change, "decrease": _change, "reduce": _change,
        "lower": _change, "cut": _change, "halve": _one, "square": _one, "cube": _one, "how": _how_much_more,
        "by": _how_much_more,
    }  # fmt: skip

    def _further(self, before: str) -> str | None:
        """Read what is to be done with a result then; None if there is no more."""
        at = self._at
        while self._next() in _THEN and self._next():
            self._at += 1
        if (found := self._tried(lambda: self._step(before))) is not None:
            return found
        self._at = at
        return None

    def _step(self, before: str) -> str:
        if self._next() in _COMMANDED or self._next() == "double" or self._next() == "triple":
            word = self._next()
            self._at += 1
            self._need_it()
            return f"({before} {_COMMANDED.get(word) or ('* 2' if word == 'double' else '* 3')})"
        if self._take_any("add", "plus"):
            more = self._item()
            if self._take("to"):
                self._need_it()
            return f"({before} + {more})"
        if self._take_any("subtract", "minus", "take away", "take off", "take", "deduct"):
            less = self._item()
            if self._take_any("from", "off"):
                self._need_it()
            return f"({before} - {less})"
        if self._take_any("multiply", "multiplied", "times"):
            self._skip_it()
            self._take_any("by", "with")
            return f"({before} * {self._item()})"
        if self._take_any("divide", "divided", "split", "over"):
            self._skip_it()
            self._take_any("by", "among", "between", "into")
            return f"({before} / {self._item()})"
        if self._take_any("all", "the whole", "everything"):
            sign = self._infix()
            return f"({before} {sign} {self._item()})"
        raise _NotUnderstood

    def _need_it(self) -> None:
        before = self._at
        self._skip_it()
        if self._at == before:
            raise _NotUnderstood

    def _skip_it(self) -> None:
        while self._next() in _IT and self._next():
            self._at += 1

    # --- sums, products, numbers ---

    def _sum(self) -> str:
        """Read terms with signs between them, in words or not."""
        parts = [self._item()]
        while (sign := self._tried(self._infix)) is not None:
            following = self._tried(self._item)
            if following is None:
                raise _NotUnderstood
            if sign == "with":  # 80 with 15% off
                self._need("off", "discount")
                sign = "-"
            elif self._next() == "off" and sign == "-":
                self._at += 1
            parts += [sign, following]
        return " ".join(parts) if len(parts) == 1 else f"({' '.join(parts)})"

    def _infix(self) -> str:
        for words, sign in _INFIX.items():
            if self._take(*words):
                return sign
        raise _NotUnderstood

    def _item(self) -> str:
        """Read one operand with all that belongs to it."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _NotUnderstood
        try:
            return self._postfixed(self._operand())
        finally:
            self._depth -= 1

    def _operand(self) -> str:
        self._take("the")
        word = self._next()
        for read in (
            self._share,
            self._root,
            self._listed,
            self._remainder,
            self._times_over,
            self._compound,
        ):
            if (found := self._tried(read)) is not None:
                return found
        if not word or not _is_number(word):
            raise _NotUnderstood
        self._at += 1
        return word

    def _share(self) -> str:
        """Read ``half of 90``, ``a third of 90``, ``two thirds of 90`` or ``3/4 of 90``."""
        top = "1"
        if not self._take_any("a", "an") and _is_number(self._next()):
            top = self._next()
            self._at += 1
            if self._take("/"):
                bottom = self._next()
                if not _is_number(bottom):
                    raise _NotUnderstood
                self._at += 1
                self._need("of")
                return f"({self._item()} * {top} / {bottom})"
        bottom_of = _SHARES.get(self._next(), 0) or _SHARES.get(self._next().removesuffix("s"), 0)
        if not bottom_of:
            raise _NotUnderstood
        self._at += 1
        if not self._take("of") and (
            bottom_of != 2 or not (_is_number(self._next()) or self._next() == "the")
        ):
            return f"({top} / {bottom_of})"
        return f"({self._item()} * {top} / {bottom_of})"

    def _root(self) -> str:
        word = self._next()
        if word not in _ROOTS:
            raise _NotUnderstood
        self._at += 1
        if word in ("square", "cube") and not self._take("root"):
            self._need("of")
            return f"({self._item()} ^ {2 if word == 'square' else 3})"
        self._take("of")
        return f"{_ROOTS[word]}({self._item()})"

    def _listed(self) -> str:
        word = self._next()
        sign = _OF_LIST.get(word)
        if sign is None:
            raise _NotUnderstood
        self._at += 1
        self._take_any("number", "value", "price", "score")
        self._need("of", "between", "from", "is")
        items = self._list("and", ",", "to")
        two = 2
        if len(items) < two or (sign in "-/" and len(items) > two):
            raise _NotUnderstood
        if sign == "-":
            return f"abs({items[0]} - {items[1]})"
        if len(sign) > 1:
            return f"{sign}({', '.join(items)})"
        return f"({f' {sign} '.join(items)})"

    def _remainder(self) -> str:
        self._need("remainder of", "remainder when", "remainder if", "rest of", "remainder from", "remainder")
        first = self._item()
        self._take("is")
        self._need("divided by", "/", "by", "over")
        return f"({first} mod {self._item()})"

    def _times_over(self) -> str:
        """Read ``twice 45``, ``double 45`` or ``3 times as many as 45``."""
        word = self._next()
        if word in _MULTIPLES:
            self._at += 1
            times = str(_MULTIPLES[word])
            self._take_any("as much as", "as many as", "of")
        elif _is_number(word) and self._next(1) == "times" and self._next(2) == "as":
            self._at += 2
            times = word
            self._need("as much as", "as many as", "as large as", "as big as")
        else:
            raise _NotUnderstood
        return f"({times} * {self._item()})"

    def _compound(self) -> str:
        """Read something in parentheses, something with a sign, or a function of numbers."""
        if self._next() in ("-", "negative", "minus"):
            self._at += 1
            return f"(-{self._item()})"
        if self._take("√"):
            return f"sqrt({self._item()})"
        if self._next() in _FUNCTIONS and self._next(1) == "(":
            name = self._next()
            self._at += 2
            items = self._list(",", and_sums=True)
            self._need(")")
            return f"{name}({', '.join(items)})"
        self._need("(")
        found = self._sum()
        self._need(")")
        return f"({found})"

    def _list(self, *between: str, and_sums: bool = False) -> list[str]:
        """Read several items; ``and`` may stand after a comma."""
        read = self._sum if and_sums else self._item
        items = [read()]
        while True:
            before = self._at
            if not self._take_any(*between):
                break
            self._take("and")
            following = self._tried(read)
            if following is None:
                self._at = before
                break
            items.append(following)
        return items

    def _postfixed(self, operand: str) -> str:
        """Read what may follow an operand: a power, a percentage, what it is a percentage of."""
        while True:
            word = self._next()
            is_modulo = word == "%" and (_is_number(self._next(1)) or self._next(1) == "(")
            if word == "%" and not is_modulo:
                self._at += 1
                return self._percentage(operand)
            if (more := self._with_another(operand)) is not None:
                operand = more
                continue
            if word not in _DONE and word not in ("dozen", "!", "factorial") and not is_modulo:
                return operand
            self._at += 1
            if is_modulo:
                operand = f"({operand} mod {self._item()})"
            elif word in _DONE or word == "dozen":
                operand = f"({operand} {_DONE.get(word, '* 12')})"
            else:
                operand = f"factorial({operand})"

    def _with_another(self, operand: str) -> str | None:
        for words, form in _AFTER_OPERAND:
            if self._take_any(*words):
                return form.format(operand, self._item())
        return None

    def _percentage(self, number: str) -> str:
        """Read what a percentage is of; by itself it stays one."""
        if self._take("of"):
            return self._postfixed(f"({number}% * {self._item()})")
        if self._next() in _CHARGES and self._next(1) in ("on", "of"):
            self._at += 2
            return f"({number}% * {self._item()})"
        if self._take_any("more than", "above", "on top of", "greater than", "higher than"):
            return f"({self._item()} + {number}%)"
        if (less := self._tried(self._less)) is not None:
            return f"({less} - {number}%)"
        return f"{number}%"

    def _less(self) -> str:
        self._need("less than", "below", "off", "lower than")
        return self._item()


_HAVING = _vocabulary(
    "of with at have has hold holds carry carries contain contains get gets need needs cost costs bring "
    "brings eat eats weigh weighs pay pays seat seats take takes"
)


def _so_many_each(tokens: list[str]) -> str | None:
    """Return the product that ``12 boxes of 6 eggs`` is, or ``12 shelves carry 6 lamps each``; None else."""
    words = [word for word in tokens if word not in ("?", ".", ",")]
    if len(words) < 4 or not (_is_number(words[0]) and words[1].isalpha() and _is_number(words[3])):
        return None
    counted, having, rest = words[1], words[2], words[4:]
    each = rest[-1:] in (["each"], ["apiece"])
    if counted in _RECKONED or counted in _UNITS or having not in _HAVING:
        return None
    things = rest[:-1] if each else rest
    if len(things) > 1 or not (each or (having == "of" and things)) or _RECKONED.intersection(things):
        return None
    return f"{words[0]} * {words[3]}"


# --- units ---

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
        "foot feet ft": "0.3048", "yard yards": "0.9144", "mile miles": "1609.344",
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
        "gigabyte gigabytes gb": "1000000000",
    },
}  # fmt: skip
"""Units of each kind, by all their names, and how many of the kind's own unit each is."""
_UNITS = {
    name: (kind, Fraction(size))
    for kind, sizes in _SIZES.items()
    for names, size in sizes.items()
    for name in names.split()
}
_ASKING = _BEFORE | {"convert", "turn", "change", "express"}
_ARE = _vocabulary("are is there in make makes do does has have equal contain be ?")
_INTO = (
    (".", "how", "many"), (",", "how", "many"), ("are", "how", "many"), ("is", "how", "many"),
    ("make", "how", "many"), ("in",), ("to",), ("into",), ("as",),
)  # fmt: skip
"""What may stand between a measure and the unit that it is wanted in."""


def _converted(tokens: list[str]) -> str | None:
    """Return a conversion in signs, such as ``3 hours in minutes``; None if it is none."""
    words = _without_courtesy(tokens)
    follows = frozenset(("in", "are", "is"))
    if words[:2] == ["how", "many"]:
        words, follows = words[2:], _ARE
    if len(words) > 2 and words[0] in _UNITS and words[1] in follows:
        target, given = words[0], words[1:]
        while given and given[0] in _ARE:
            given = given[1:]
        while given and given[-1] in _ARE:
            given = given[:-1]
        return _measured(given, target)
    for between in _INTO:
        if len(words) > len(between) and tuple(words[-1 - len(between) : -1]) == between:
            return _measured(words[: -1 - len(between)], words[-1])
    return None


def _without_courtesy(tokens: list[str]) -> list[str]:
    first, last = 0, len(tokens)
    while first < last and tokens[first] in _ASKING:
        if tokens[first] == "how" and "".join(tokens[first + 2 : first + 3]) in _UNITS:
            break
        first += 1
    while first < last and tokens[last - 1] in _AFTER - _UNITS.keys():
        last -= 1
    return tokens[first:last]


def _measured(given: list[str], target: str) -> str | None:
    """Return the sum of some measures in another unit; None unless all of them are of its kind."""
    if target not in _UNITS:
        return None
    kind, size = _UNITS[target]
    terms, rest = [], [word for word in given if word not in ("and", ",")]
    while len(rest) > 1:
        number, unit, rest = rest[0], rest[1], rest[2:]
        number = "1" if number in ("a", "an") else number
        if not _is_number(number) or _UNITS.get(unit, ("",))[0] != kind:
            return None
        factor = _UNITS[unit][1] / size
        terms.append(f"{number} * {factor.numerator} / {factor.denominator}")
    if len(rest) == 1 and kind == "pieces" and _is_number(rest[0]):
        terms.append(f"{rest[0]} / {size.numerator}")
        rest = []
    return None if rest or not terms else " + ".join(terms)


# --- from the expression to its value ---


def _value(node: ast.expr, source: str, depth: int) -> Number:
    """Work out a node of the parsed `source`; `depth` counts what it is nested in."""
    if depth > MAX_DEPTH:
        raise _too_deep()
    match node:
        case ast.Constant():
            return _literal(source[node.col_offset : node.end_col_offset])
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.Name(id=name):
            raise ToolException(f"{name} needs its arguments in parentheses, as in {name}(2)")
        case ast.UnaryOp(op=ast.USub()):
            return -_value(node.operand, source, depth + 1)
        case ast.UnaryOp(op=ast.UAdd()):
            return _value(node.operand, source, depth + 1)
        case ast.BinOp():
            return _chain(node, source, depth)
        case ast.Call(func=ast.Name(id=name)):
            # sum([1, 2]) and sum(1, 2) are the same.
            nodes = [n for arg in node.args for n in (arg.elts if isinstance(arg, ast.List) else [arg])]
            return _call(name, [_value(n, source, depth + 1) for n in nodes])
    raise _unreadable(source)


def _chain(node: ast.BinOp, source: str, depth: int) -> Number:
    """Work out ``a + b - c ...`` from the left, in a loop: a long sum is not a deep one."""
    links: list[ast.BinOp] = []
    first: ast.expr = node
    while isinstance(first, ast.BinOp):
        links.append(first)
        first = first.left
    total = _value(first, source, depth + 1)
    for link in reversed(links):
        right = _value(link.right, source, depth + 1)
        additive = isinstance(link.op, ast.Add | ast.Sub)
        if additive and _is_percentage(link.right) and not _is_percentage(link.left):
            right *= total
        total = _bounded(_OPERATORS[type(link.op)](total, right))
    return total


def _is_percentage(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "percent"


def _literal(text: str) -> Fraction:
    _, _, exponent = text.lower().partition("e")
    if exponent and abs(int(exponent)) > MAX_DIGITS:
        raise _too_large()
    return Fraction(text)


def _call(name: str, values: list[Number]) -> Number:
    """Apply a function of the table to its arguments."""
    function = _FUNCTIONS[name]
    most = math.inf if function.most is None else function.most
    if not function.least <= len(values) <= most:
        many = str(function.least)
        if function.most != function.least:
            many += " or more" if function.most is None else f" to {function.most}"
        hint = "; write thousands without a comma there" if len(values) > most else ""
        raise ToolException(f"{name} takes {many} argument(s), got {len(values)}{hint}")
    try:
        return _bounded(function.apply(*values))
    except ValueError as error:
        shown = ", ".join(map(_show, values))
        raise ToolException(f"{name}({shown}) has no real result; {name} takes {function.takes}") from error


def _bounded(value: Number | int) -> Number:
    """Return a value as it is kept; refuse one that has outgrown the limit."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise _too_large()
        return value
    if isinstance(value, int):
        value = Fraction(value)
    if _bits(value) > _MAX_BITS:
        raise _too_large()
    return value


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _power(base: Number, exponent: Number) -> Number:
    """Raise to a power: exactly where that is possible and small enough, else in floats."""
    if (
        isinstance(base, Fraction)
        and isinstance(exponent, Fraction)
        and abs(exponent.numerator) * (_bits(base) - 1) <= _MAX_BITS
    ):
        return _root(Fraction(base**exponent.numerator), exponent.denominator)
    power: float | complex = float(base) ** float(exponent)
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
    if isinstance(value, Fraction) and isinstance(base, Fraction) and base ** round(result) == value:
        return Fraction(round(result))
    return result


def _natural_log(value: Number) -> float:
    # Of a fraction in two halves, as either may be far beyond a float.
    return (
        math.log(value.numerator) - math.log(value.denominator)
        if isinstance(value, Fraction)
        else math.log(value)
    )


def _factorial(value: Number) -> int:
    whole = _whole(value)
    if whole > 1 and math.lgamma(whole + 1) > _MAX_BITS * math.log(2):
        raise _too_large()
    return math.factorial(whole)


def _round(value: Number, places: Number = Fraction(0)) -> Fraction:
    digits = _whole(places)
    if abs(digits) > MAX_DIGITS:
        raise _too_large()
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
        total = _bounded(math.lcm(_whole(total), _whole(value)))
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


_CONSTANTS: dict[str, Number] = {"pi": math.pi, "e": math.e}
_AVERAGE = _Function(lambda *values: sum(values) / Fraction(len(values)), 1, None)
_FUNCTIONS = {
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
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Number | int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: _power,
}


# --- from the value to text ---


def _show(value: Number) -> str:
    """Write a number: whole or exactly where it is short, else to 12 significant digits."""
    if isinstance(value, float):
        return _decimal_text(Decimal(f"{value:.12g}"))
    if value.denominator == 1:
        whole = Decimal(value.numerator)
        if whole.adjusted() < SHOWN_DIGITS:
            return f"{whole:f}"
    with localcontext(prec=30) as context:
        context.clear_flags()
        quotient = Decimal(value.numerator) / Decimal(value.denominator)
        if context.flags[Inexact]:
            context.prec = 12
            quotient = Decimal(value.numerator) / Decimal(value.denominator)
    return _decimal_text(quotient)


def _decimal_text(value: Decimal) -> str:
    if value == 0:
        return "0"
    value = value.normalize()
    # Far out, zeros would only stand for digits that were rounded away, so a power of ten does instead.
    plain = -7 <= value.adjusted() < max(12, len(value.as_tuple().digits))
    return f"{value:f}" if plain else f"{value:e}"


# --- what can be wrong with an expression as a whole ---


def _unreadable(text: str) -> ToolException:
    return ToolException(f"cannot read {text.strip()[:80]!r}; write it like 2 * (3 + 4)")


def _too_large() -> ToolException:
    return ToolException(
        f"the numbers grow too large; {MAX_DIGITS} digits are the most, 308 for irrational ones"
    )


def _too_deep() -> ToolException:
    return ToolException(f"the expression is nested too deeply; at most {MAX_DEPTH} levels can be read")
