"""Operands and what stands between them: ``half of 90 plus the square root of 16``."""

from __future__ import annotations

from collections.abc import Set

from .cursor import Cursor
from .number_words import is_number
from .tokens import NotUnderstood
from .vocabulary import (
    AFTER_OPERAND,
    AFTER_TERM,
    CHARGED,
    CHARGES,
    INFIX,
    MULTIPLES,
    OF_LIST,
    ORDINALS,
    POSTFIX,
    ROOTS,
    SHARES,
)

MAX_DEPTH = 64
"""Operands inside one another."""


class Sums:
    """Reads sums and their operands; what is read is given back in signs.

    Every method raises `NotUnderstood` where what it reads is not next.

    Args:
        cursor: where they are read.
        functions: names of functions, which may stand before parentheses.
    """

    def __init__(self, cursor: Cursor, functions: Set[str]) -> None:
        self._cursor, self._functions, self._depth = cursor, functions, 0

    def sum(self) -> str:
        """Read operands with signs between them, in words or not."""
        parts = [self.item()]
        while (sign := self.infix()) is not None:
            self._cursor.take("a", "an")  # plus a 10% tip
            following = self.item()
            charged = self._cursor.take(*CHARGES)
            if sign == "with" and charged:  # 80 with a 10% tip
                sign = "+"
            elif sign == "with":  # 80 with 15% off
                self._cursor.need("off", "discount")
                sign = "-"
            elif sign == "-":
                self._cursor.take("off")
            parts += [sign, following]
        return parts[0] if len(parts) == 1 else f"({' '.join(parts)})"

    def infix(self) -> str | None:
        """Read a sign between operands, in words or not; None, with nothing read, if there is none."""
        return next((sign for phrase, sign in INFIX.items() if self._cursor.take(phrase)), None)

    def items(self, *between: str) -> list[str]:
        """Read one operand or more, with one of some phrases between."""
        return self._cursor.listed(self.item, *between)

    def item(self) -> str:
        """Read one operand with all that belongs to it."""
        if self._depth == MAX_DEPTH:
            raise NotUnderstood
        self._depth += 1
        try:
            return self._postfixed(self._operand())
        finally:
            self._depth -= 1

    # --- operands ---

    def _operand(self) -> str:
        self._cursor.take("the")
        for read in (
            self._power,
            self._share,
            self._root,
            self._of_list,
            self._remainder,
            self._multiple,
            self._negative,
            self._called,
            self._in_parentheses,
        ):
            if (found := self._cursor.tried(read)) is not None:
                return found
        return self._cursor.number()

    def _share(self) -> str:
        """Read ``half of 90``, ``a third of 90``, ``two thirds of 90`` or ``3/4 of 90``."""
        cursor, top = self._cursor, "1"
        if not cursor.take("a", "an") and is_number(cursor.next()):
            top = cursor.read()
            if cursor.take("/"):
                bottom = cursor.number()
                cursor.need("of")
                return f"({self.item()} * {top} / {bottom})"
        word = cursor.read()
        share = SHARES.get(word) or SHARES.get(word.removesuffix("s"))
        if share is None:
            raise NotUnderstood
        half_its_operand = share == 2 and (is_number(cursor.next()) or cursor.next() == "the")
        if cursor.take("of") or half_its_operand:
            return f"({self.item()} * {top} / {share})"
        return f"({top} / {share})"

    def _power(self) -> str:
        """Read ``10th power of 2``."""
        exponent = self._ordinal()
        self._cursor.need("power of")
        return f"({self.item()} ^ {exponent})"

    def _ordinal(self) -> str:
        """Read ``10th`` or ``tenth``, as a number in digits."""
        cursor = self._cursor
        if is_number(cursor.next()) and cursor.next(1) in ("st", "nd", "rd", "th"):
            number = cursor.read()
            cursor.read()
            return number
        number = str(ORDINALS.get(cursor.read(), ""))
        if not number:
            raise NotUnderstood
        return number

    def _root(self) -> str:
        """Read ``square root of 16``, ``sqrt 16``, ``factorial of 5``, and ``square of 4``."""
        word = self._cursor.read()
        if word not in ROOTS:
            raise NotUnderstood
        if word in ("square", "cube") and not self._cursor.take("root"):
            self._cursor.need("of")
            return f"({self.item()} ^ {2 if word == 'square' else 3})"
        self._cursor.take("of")
        return f"{ROOTS[word]}({self.item()})"

    def _of_list(self) -> str:
        """Read ``sum of 3, 4 and 5``, ``difference between 9 and 4`` or ``largest of 3 and 9``."""
        made = OF_LIST.get(self._cursor.read())
        if made is None:
            raise NotUnderstood
        self._cursor.take("number", "value", "price", "score")
        self._cursor.need("of", "between", "from", "is")
        # The sum of 1 to 100 is another thing than 1 + 100.
        items = self.items("and", ",", *(("to",) if made in "-/" else ()))
        two = 2
        if len(items) < two or (made in "-/" and len(items) > two):
            raise NotUnderstood
        if made == "-":
            return f"abs({items[0]} - {items[1]})"
        if len(made) > 1:
            return f"{made}({', '.join(items)})"
        return f"({f' {made} '.join(items)})"

    def _remainder(self) -> str:
        """Read ``remainder when 17 is divided by 5``."""
        self._cursor.need("remainder", "rest")
        self._cursor.take("of", "when", "if", "from", "after", "in", ":")
        self._cursor.take("you divide", "i divide", "we divide", "dividing", "the division of")
        first = self.item()
        self._cursor.take("is")
        self._cursor.need("divided by", "/", "by", "over")
        return f"({first} mod {self.item()})"

    def _multiple(self) -> str:
        """Read ``twice 45``, ``double 45`` or ``3 times as many as 45``."""
        word = self._cursor.read()
        if word in MULTIPLES:
            self._cursor.take("as much as", "as many as", "of")
            return f"({MULTIPLES[word]} * {self.item()})"
        if not is_number(word):
            raise NotUnderstood
        self._cursor.need("times as much as", "times as many as", "times as large as", "times as big as")
        return f"({word} * {self.item()})"

    def _negative(self) -> str:
        self._cursor.need("-", "negative", "minus")
        return f"(-{self.item()})"

    def _called(self) -> str:
        """Read a function of sums: ``sqrt(16 plus 9)`` or ``√16``."""
        if self._cursor.take("√"):
            return f"sqrt({self.item()})"
        name = self._cursor.read()
        if name not in self._functions:
            raise NotUnderstood
        self._cursor.need("(")
        items = self._cursor.listed(self.sum, ",")
        self._cursor.need(")")
        return f"{name}({', '.join(items)})"

    def _in_parentheses(self) -> str:
        self._cursor.need("(")
        found = self.sum()
        self._cursor.need(")")
        return f"({found})"

    # --- what may follow an operand ---

    def _postfixed(self, operand: str) -> str:
        """Read all that belongs to an operand; of a percentage also what it is one of."""
        while True:
            if self._cursor.next() == "%" and not self._is_operand(1):
                self._cursor.read()
                return self._percentage(operand)
            more = self._grown(operand)
            if more is None:
                return operand
            operand = more

    def _is_operand(self, ahead: int) -> bool:
        """Say whether an operand in signs begins at a token, so that a % before it is a remainder's."""
        return is_number(self._cursor.next(ahead)) or self._cursor.next(ahead) == "("

    def _grown(self, operand: str) -> str | None:
        """Return an operand with one thing more that follows it; None, with nothing read, if none does."""
        if self._cursor.next() in POSTFIX:
            return f"({operand} {POSTFIX[self._cursor.read()]})"
        if self._cursor.take("!", "factorial"):
            return f"factorial({operand})"
        if self._cursor.take("%"):
            return f"({operand} mod {self.item()})"
        if (exponent := self._cursor.tried(self._exponent)) is not None:
            return f"({operand} ^ {exponent})"
        for following, read in ((AFTER_OPERAND, self.item), (AFTER_TERM, self._product)):
            for phrases, form in following:
                if self._cursor.take(*phrases):
                    return form.format(operand, read())
        return None

    def _product(self) -> str:
        """Read operands with the signs of products between them."""
        parts = [self.item()]
        while (sign := self._cursor.tried(self._times)) is not None:
            parts += [sign, self.item()]
        return " ".join(parts)

    def _times(self) -> str:
        sign = self.infix()
        if sign not in ("*", "/"):
            raise NotUnderstood
        return sign

    def _exponent(self) -> str:
        """Read ``to the 10th power``, or without the last word."""
        self._cursor.need("to the", "raised to the")
        exponent = self._ordinal()
        self._cursor.take("power")
        return exponent

    def _percentage(self, number: str) -> str:
        """Read what a percentage is of; by itself it stays one."""
        if self._cursor.take("of"):
            return self._postfixed(f"({number}% * {self.item()})")
        if self._cursor.take(*CHARGED):
            return f"({number}% * {self.item()})"
        if self._cursor.take("more than", "above", "on top of", "added to", "greater than", "higher than"):
            return f"({self.item()} + {number}%)"
        if (less := self._cursor.tried(self._reduced)) is not None:
            return f"({less} - {number}%)"
        return f"{number}%"

    def _reduced(self) -> str:
        """Read what a percentage is taken off."""
        self._cursor.need("less than", "below", "off", "lower than")
        return self.item()
