"""Whole statements: ``what is`` a sum, ``subtract 5 from 20``, and what is done with the result then."""

from __future__ import annotations

from collections.abc import Callable, Set
from functools import partial
from typing import ClassVar, NamedTuple

from .cursor import Cursor
from .errors import NotUnderstood
from .sums import Sums, beside
from .vocabulary import AFTER, BEFORE, CHARGES, LESS, MORE, vocabulary

_COMMANDED = {"halve": "/ 2", "square": "^ 2", "cube": "^ 3"}
_DONE_WITH_IT = {**_COMMANDED, "double": "* 2", "triple": "* 3"}
_IT = vocabulary(
    "it that this the result total sum rest difference answer outcome product what is left all remains "
    "remainder"
)
_THEN = vocabulary(", ; . and then now after")
_NEAREST = {"10": "10", "ten": "10", "hundred": "100", "100": "100", "thousand": "1000", "1000": "1000"}
_SUBTRACT = ("subtract", "deduct", "take away", "take off", "take")
_DIVISORS = ("by", "among", "between")
_SHARING = vocabulary("people persons friends kids children adults guests players")
_PARTS = ("equal parts", "parts", "equal groups", "groups", "equal shares", "shares", "pieces")


class _Step(NamedTuple):
    """Something to be done with a result and a number."""

    begins: tuple[str, ...]
    sign: str
    between: tuple[str, ...]
    """What may stand between the number and the result."""


_NUMBER_FIRST = (
    _Step(("add", "plus"), "+", ("to",)),
    _Step((*_SUBTRACT, "minus"), "-", ("from", "off")),
)
_RESULT_FIRST = (
    _Step(("multiply", "multiplied", "times"), "*", ("by", "with")),
    _Step(("divide", "divided", "over"), "/", _DIVISORS),
    _Step(("split",), "/", (*_DIVISORS, "into")),
)


class Statement:
    """A statement in words, read from left to right; what is read is given back in signs.

    Args:
        tokens: all of it.
        functions: names of functions, which may stand before parentheses.
        constants: names of numbers.
    """

    def __init__(self, tokens: list[str], functions: Set[str], constants: Set[str]) -> None:
        self._cursor = Cursor(tokens)
        self._sums = Sums(self._cursor, functions, constants)

    def whole(self) -> str:
        """Return all of it in signs.

        Raises:
            NotUnderstood: something is left over.
        """
        while self._cursor.next() in BEFORE and not self._begins():
            self._cursor.read()
        self._cursor.take("times does", "times do", "often does", "often do")
        found = self._cursor.tried(self._percentage) or self._statement()
        while (more := self._cursor.tried(partial(self._step, found))) is not None:
            found = more
        if not AFTER.issuperset(self._cursor.rest()):
            raise NotUnderstood
        return found

    def _begins(self) -> bool:
        """Say whether a command begins with the words that could also be mere courtesy."""
        if self._cursor.next() == "take":
            return not {"from", "off"}.isdisjoint(self._cursor.rest())
        return self._cursor.next() == "how" and self._cursor.next(2) in MORE | LESS

    def _statement(self) -> str:
        """Read a command, or a sum."""
        command = self._COMMANDS.get(self._cursor.next())
        found = None if command is None else self._cursor.tried(partial(command, self))
        return self._sums.sum() if found is None else found

    def _percentage(self) -> str:
        """Read ``20 is what % of 80``, ``what % of 80 is 20`` or ``% increase from 50 to 75``."""
        cursor, read = self._cursor, self._sums.sum
        if (phrase := cursor.one_of(("% increase from", "% change from", "% decrease from"))) is not None:
            first = read()
            cursor.need("to")
            second = read()
            more = f"{first} - {second}" if "decrease" in phrase else f"{second} - {first}"
            return f"(({more}) / {first} * 100)"
        if cursor.take("% of"):
            whole = read()
            cursor.need("is")
            part = read()
        else:
            asked = cursor.take("% is", "%")
            part = read()
            cursor.need(*(("of", "is of") if asked else ("is what % of", "as a % of", "as % of")))
            whole = read()
        return f"({part} / {whole} * 100)"

    # --- commands ---

    def _add(self) -> str:
        self._cursor.need("add", "sum up")
        self._cursor.take("up")
        items = self._sums.items("and", ",", "with")
        several = len(items) > 1
        # Of what is added to something a percentage is one of that; among others it could be one of anything.
        if several and any(item.endswith("%") for item in items):
            raise NotUnderstood
        self._cursor.take(*CHARGES)  # add a 10% tip to 80
        if self._cursor.take("to"):
            added = " + ".join(beside(item, "to") for item in items)
            return f"({self._sums.item()} + {added})"
        if not several:
            raise NotUnderstood
        return f"({' + '.join(items)})"

    def _subtract(self) -> str:
        self._cursor.need(*_SUBTRACT, "knock", "remove")
        command = self._cursor.rest()
        less = self._sums.sum()
        self._cursor.take("away")
        if (phrase := self._cursor.one_of(("from", "off"))) is not None:
            return f"({self._sums.sum()} - {beside(less, phrase)})"
        if {"from", "off"}.isdisjoint(command[: len(command) - len(self._cursor.rest())]):
            raise NotUnderstood
        return less  # 15% off 80 has been read as a whole

    def _multiply(self) -> str:
        self._cursor.need("multiply")
        items = [self._sums.item()] if self._cursor.next() == "the" else self._sums.items("and")
        if len(items) == 1:
            self._cursor.need("by", "with", "times", "and")
            items.append(self._sums.item())
        return f"({' * '.join(items)})"

    def _divide(self) -> str:
        command = self._cursor.one_of(("divide", "split", "share"))
        first = self._sums.item()
        parted = self._cursor.take("into")
        if not parted:
            self._cursor.need(*_DIVISORS)
        divided = f"({first} / {self._sums.item()})"
        self._cursor.skip(_SHARING)
        # 45 divided into 3 parts are 15 each, and so are 3 divided into 45.
        if parted and not self._cursor.take(*_PARTS) and command == "divide":
            raise NotUnderstood
        return divided

    def _raise(self) -> str:
        self._cursor.need("increase", "raise")
        first = self._sums.item()
        self._cursor.need("by")
        return f"({first} + {beside(self._sums.item(), 'by')})"

    def _lower(self) -> str:
        self._cursor.need("decrease", "reduce", "lower", "cut")
        first = self._sums.item()
        if self._cursor.take("in half"):
            return f"({first} / 2)"
        self._cursor.need("by")
        return f"({first} - {beside(self._sums.item(), 'by')})"

    def _alone(self) -> str:
        """Read ``halve 90`` or ``square 9``."""
        word = self._cursor.read()
        if word != "halve" and self._cursor.next() == "root":
            raise NotUnderstood
        return f"({self._sums.item()} {_COMMANDED[word]})"

    def _compare(self) -> str:
        """Read ``how much more is 90 than 50`` or ``by how much is 90 more than 50``."""
        self._cursor.need("how much", "how many", "by how much")
        first = self._sums.item() if self._cursor.take("is") else None
        word = self._cursor.read()
        if word not in MORE | LESS:
            raise NotUnderstood
        if first is None:
            self._cursor.need("is")
            first = self._sums.item()
        self._cursor.need("than")
        second = self._sums.item()
        return f"({second} - {first})" if word in LESS else f"({first} - {second})"

    def _round(self) -> str:
        self._cursor.need("round")
        return self._rounded(self._sums.sum())

    _COMMANDS: ClassVar[dict[str, Callable[[Statement], str]]] = {
        "add": _add, "sum": _add, "subtract": _subtract, "deduct": _subtract, "take": _subtract,
        "knock": _subtract, "remove": _subtract, "multiply": _multiply, "divide": _divide, "split": _divide,
        "share": _divide, "increase": _raise, "raise": _raise, "decrease": _lower, "reduce": _lower,
        "lower": _lower, "cut": _lower, "halve": _alone, "square": _alone, "cube": _alone, "how": _compare,
        "by": _compare, "round": _round,
    }  # fmt: skip
    """Commands by the words that they begin with."""

    # --- what is to be done with a result then ---

    def _rounded(self, before: str) -> str:
        """Read ``to 2 decimal places`` or ``to the nearest ten``."""
        self._cursor.skip(_IT)
        self._cursor.take("off")
        self._cursor.need("to")
        if self._cursor.take("the nearest", "nearest"):
            if self._cursor.take("whole number", "integer", "unit", "whole"):
                return f"round({before})"
            size = _NEAREST.get(self._cursor.read(), "")
            if not size:
                raise NotUnderstood
            return f"(round({before} / {size}) * {size})"
        self._cursor.take("the")
        digits = self._cursor.number()
        self._cursor.need("decimal places", "decimal place", "decimals", "places", "digits", "decimal")
        return f"round({before}, {digits})"

    def _step(self, before: str) -> str:
        """Read a further step; `before` is what the statement says so far, in signs."""
        self._cursor.skip(_THEN)
        if self._cursor.take("rounded", "round"):
            return self._rounded(before)
        if self._cursor.next() in _DONE_WITH_IT:
            word = self._cursor.read()
            self._need_it()
            return f"({before} {_DONE_WITH_IT[word]})"
        for step in _NUMBER_FIRST:
            if self._cursor.take(*step.begins):
                number = beside(self._sums.item(), self._cursor.next())
                if self._cursor.take(*step.between):
                    self._need_it()
                return f"({before} {step.sign} {number})"
        for step in _RESULT_FIRST:
            if self._cursor.take(*step.begins):
                self._cursor.skip(_IT)
                self._cursor.take(*step.between)
                return f"({before} {step.sign} {self._sums.item()})"
        self._cursor.need("all", "the whole", "everything")
        if (more := self._sums.further(before)) is None:
            raise NotUnderstood
        return more

    def _need_it(self) -> None:
        if not self._cursor.skip(_IT):
            raise NotUnderstood
