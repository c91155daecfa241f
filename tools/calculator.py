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

Words are read as well, such as ``half of 5,400``, ``15% off 80``, ``the sum of 3, 4 and 5``, ``3 dozen`` or
``how many minutes are 3 hours``. They are translated into signs first; `_words` says how.
"""

from __future__ import annotations

import ast
import math
import re
from decimal import Decimal, Inexact, localcontext
from fractions import Fraction

from langchain_core.tools import ToolException, tool

from ._dates import MONTH
from ._functions import CONSTANTS, FUNCTIONS, MAX_DIGITS, OPERATORS, Number, bounded, too_large
from ._words import in_signs, money_in

MAX_LENGTH = 1000
"""Characters in an expression."""
MAX_DEPTH = 64
"""Parentheses, signs and powers inside one another."""
SHOWN_DIGITS = 1000
"""Digits of an integer that is printed whole; a longer one is rounded."""


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
        raise too_large() from error


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
    rf"\b[12][0-9]{{3}}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])\b|\b[0-9]{{1,2}} {MONTH}\b",
    re.IGNORECASE,
)
_BASED = re.compile(r"(?<![0-9A-Za-z_.])0(?:x[0-9a-f]+|o[0-7]+|b[01]+)(?![0-9A-Za-z_.])", re.IGNORECASE)
_UNKNOWN = re.compile(r"(?:[0-9)]\s*x\s*\+|[0-9)]x\s*-|[0-9)]\s*x\s*-\s)", re.IGNORECASE)
"""An x that would multiply by a signed number as it stands, but is meant as an unknown: 3x + 2."""
_GROUPS_AND_CALLS = re.compile(
    r"""  (?P<opening> (?P<called> [a-z_0-9]* ) \s* \( | \[ )
        | (?P<closing> [)\]] )
        | (?P<group>   (?<![0-9.]) [0-9]{1,3} (?:,[0-9]{3})+ (?![0-9]) )
        | (?P<apart>   ,\s )""",
    re.VERBOSE | re.IGNORECASE,
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
    if len(kinds := money_in(text)) > 1:
        raise ToolException(f"{' and '.join(kinds)} are different money; write all of it in one, as 1 - 0.25")
    raised = _SUPERSCRIPT.sub(lambda found: f"^({found[0].translate(_SUPERSCRIPTS)})", text)
    plain = raised.translate(_CHARACTERS).strip().lstrip("=").rstrip("=?. \n")
    if not plain:
        raise ToolException("the expression is empty; write one, for example (17 + 3) * 2")
    if date := _DATE.search(plain):
        raise ToolException(f"{date[0]!r} is a date, which the calculator does not count with")
    plain = _BASED.sub(lambda found: str(int(found[0], base=0)), plain)
    if unknown := _UNKNOWN.search(plain):
        raise ToolException(
            f"cannot solve for x in {unknown[0]!r}; between two numbers, as in 3 x 2, it is times"
        )
    if group := _unclear_group(plain):
        raise ToolException(
            f"in a function {group!r} could be one number or several; write thousands without a comma there"
        )
    plain = in_signs(plain, FUNCTIONS.keys(), CONSTANTS.keys(), money=bool(kinds))
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


def _unclear_group(text: str) -> str | None:
    """Return what could be thousands, or arguments, in a function: ``1,500`` in ``max(1,500, 900)``.

    Where all commas of a function are written alike, they all separate arguments.
    """
    opened: list[tuple[bool, str, bool]] = [(False, "", False)]
    for found in _GROUPS_AND_CALLS.finditer(text):
        if found["opening"]:
            opened.append((found[0] == "[" or found["called"].lower() in FUNCTIONS, "", False))
            continue
        if found["closing"]:
            opened = opened[:-1] or [(False, "", False)]
            continue
        separating, group, apart = opened[-1]
        opened[-1] = separating, found["group"] or group, apart or bool(found["apart"])
        if all(opened[-1]):
            return opened[-1][1]
    return None


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

    @property
    def _divides(self) -> bool:
        """Whether the operand that was just read stands after a /."""
        return self.operand is not None and self.out[self.operand - 1 : self.operand] == ["/"]

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
            if self._divides:
                raise ToolException(
                    "a percentage of something cannot follow '/'; write (1/2)% of 200 or 1 / (2% of 200)"
                )
            self._add_operator("*")
        elif name == "mod" and self.operand is not None:
            self._add_operator("%")
        elif self.operand is not None and (name == "percent" or (name == "factorial" and not self._divides)):
            self._add_postfix(name, name)
        elif name in CONSTANTS:
            self._add_operand(name)
        elif name in FUNCTIONS:
            self._expect_operand(name)
            self.out.append(name)
        else:
            known = ", ".join(sorted([*CONSTANTS, *FUNCTIONS]))
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
        is_call = bool(self.out) and self.out[-1] in FUNCTIONS
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


# --- from the expression to its value ---


def _value(node: ast.expr, source: str, depth: int) -> Number:
    """Work out a node of the parsed `source`; `depth` counts what it is nested in."""
    if depth > MAX_DEPTH:
        raise _too_deep()
    match node:
        case ast.Constant():
            return _literal(source[node.col_offset : node.end_col_offset])
        case ast.Name(id=name) if name in CONSTANTS:
            return CONSTANTS[name]
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
        total = bounded(OPERATORS[type(link.op)](total, right))
    return total


def _is_percentage(node: ast.expr) -> bool:
    """Say whether it is a percentage, or a sum of some, of which 200 + (10% - 5%) is 5% more."""
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        if not _is_percentage(node.right):
            return False
        node = node.left
    if isinstance(node, ast.UnaryOp):
        return _is_percentage(node.operand)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "percent"


def _literal(text: str) -> Fraction:
    _, _, exponent = text.lower().partition("e")
    if exponent and abs(int(exponent)) > MAX_DIGITS:
        raise too_large()
    return Fraction(text)


def _call(name: str, values: list[Number]) -> Number:
    """Apply a function of the table to its arguments."""
    function = FUNCTIONS[name]
    most = math.inf if function.most is None else function.most
    if not function.least <= len(values) <= most:
        many = str(function.least)
        if function.most != function.least:
            many += " or more" if function.most is None else f" to {function.most}"
        hint = "; write thousands without a comma there" if len(values) > most else ""
        raise ToolException(f"{name} takes {many} argument(s), got {len(values)}{hint}")
    try:
        return bounded(function.apply(*values))
    except ValueError as error:
        shown = ", ".join(map(_show, values))
        raise ToolException(f"{name}({shown}) has no real result; {name} takes {function.takes}") from error


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


def _too_deep() -> ToolException:
    return ToolException(f"the expression is nested too deeply; at most {MAX_DEPTH} levels can be read")
