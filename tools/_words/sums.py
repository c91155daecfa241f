"""Operands and what stands between them: ``half of 90 plus the square root of 16``."""

from __future__ import annotations

from collections.abc import Set

from .cursor import Cursor
from .errors import NotUnderstood
from .number_words import is_number
from .vocabulary import (
    AFTER_TERM,
    CHARGED,
    CHARGES,
    GOES_INTO,
    INFIX,
    MULTIPLES,
    OF_LIST,
    OF_THE_OTHER,
    ORDINALS,
    PLAINLY,
    POSTFIX,
    ROOTS,
    SHARES,
    TO_THE_POWER,
)

MAX_DEPTH = 64
"""Operands inside one another."""
MAX_READ = 4000
"""Operands that are begun: of readings that fail, each could try those inside it anew."""
_ADDING = frozenset("+-")
_SPLITTING = ("split", "shared")
"""What phrases begin with that divide all that stands before."""
_TIMES = [phrase for phrase, sign in INFIX.items() if sign in "*/" and not phrase.startswith(_SPLITTING)]


class Share(str):
    """A share by itself, in signs: ``a third`` or ``1/3``, where nothing says what it is one of.

    Args:
        signs: it, in signs.
        in_digits: whether it was written so, and is as good as any number.
    """

    __slots__ = ("in_digits",)

    in_digits: bool

    def __new__(cls, signs: str, *, in_digits: bool) -> Share:
        share = super().__new__(cls, signs)
        share.in_digits = in_digits
        return share


def beside(operand: str, phrase: str) -> str:
    """Return an operand that a phrase adds to another one, or takes away from it.

    A share is one of the other operand there, as a percentage is, or it is a number.

    Raises:
        NotUnderstood: it could be either, as in 1/2 more than 3, or a third added to 90.
    """
    if not isinstance(operand, Share) or phrase in PLAINLY:
        return operand
    if phrase == "off" or (phrase in OF_THE_OTHER and not operand.in_digits):
        return f"(100 * {operand})%"
    if phrase in OF_THE_OTHER or not operand.in_digits:
        raise NotUnderstood
    return operand


class Sums:
    """Reads sums and their operands; what is read is given back in signs.

    Every method raises `NotUnderstood` where what it reads is not next.

    Args:
        cursor: where they are read.
        functions: names of functions, which may stand before parentheses.
        constants: names of numbers.
    """

    def __init__(self, cursor: Cursor, functions: Set[str], constants: Set[str]) -> None:
        self._cursor, self._functions, self._constants = cursor, functions, constants
        self._depth = self._read = 0

    def sum(self) -> str:
        """Read operands with signs between them, in words or not."""
        parts = [self.item()]
        while (more := self._further(parts)) is not None:
            parts = more
        return _closed(parts)

    def further(self, before: str) -> str | None:
        """Return what is in signs already with one operand more; None, with nothing read, if none follows."""
        parts = self._further([before])
        return None if parts is None else _closed(parts)

    def items(self, *between: str) -> list[str]:
        """Read one operand or more, with one of some phrases between."""
        return self._cursor.listed(self.item, *between)

    def item(self) -> str:
        """Read one operand with all that belongs to it."""
        if self._depth == MAX_DEPTH or self._read == MAX_READ:
            raise NotUnderstood
        self._depth += 1
        self._read += 1
        try:
            return self._postfixed(self._operand())
        finally:
            self._depth -= 1

    # --- what stands between operands ---

    def _further(self, parts: list[str]) -> list[str] | None:
        """Return operands and signs with one more of each; None, with nothing read, if none is next."""
        if (phrase := self._cursor.one_of(AFTER_TERM)) is not None:
            return [self._after_term(parts, phrase)]
        if (phrase := self._cursor.one_of(INFIX)) is None:
            return None
        sign, percent = INFIX[phrase], parts[-1].endswith("%")
        changed = percent and not _ADDING.isdisjoint(parts[-2:-1])
        if phrase.startswith(_SPLITTING):
            if not changed and not _ADDING.isdisjoint(parts):  # 60 plus 30 split 3 ways: of 30, or of all?
                raise NotUnderstood
            parts = [_closed(parts)]
        elif sign not in (*_ADDING, "with") and (changed or (percent and phrase == "over")):
            raise NotUnderstood  # 100 plus 20% times 3: of the 20%, or of all?
        if sign == "with":
            return [self._with(_closed(parts))]
        self._cursor.take("a", "an")  # plus a 10% tip
        following = self._following(parts[-1], phrase)
        if sign not in _ADDING:
            return [*parts, sign, following]
        charged = self._cursor.take(*CHARGES) or (sign == "-" and self._cursor.take("off"))
        more = [*parts, sign, beside(following, phrase)]
        return [_closed(more)] if charged else more

    def _after_term(self, parts: list[str], phrase: str) -> str:
        """Read what follows ``less than`` and its like, which take all that stands before them."""
        if not _ADDING.isdisjoint(parts):  # 12 plus 4 less than 20: of 4, or of 16?
            raise NotUnderstood
        first, second = beside(_closed(parts), phrase), self._product()
        if phrase == "off" and len(second) > 1:  # 10 off 20 times 3: once, or of each?
            raise NotUnderstood
        return AFTER_TERM[phrase].format(first, " ".join(second))

    def _with(self, before: str) -> str:
        """Read what is paid on top, or taken off: ``80 with a 10% tip`` or ``80 with 15% off``."""
        self._cursor.take("a", "an")
        following = self.item()
        if self._cursor.take(*CHARGES):
            return f"({before} + {beside(following, 'with')})"
        self._cursor.need("off", "discount")
        return f"({before} - {beside(following, 'off')})"

    def _following(self, before: str, phrase: str) -> str:
        """Read the operand after a sign.

        Raises:
            NotUnderstood: it could be read in two ways, as in 50 / 1/2 or 7/2 squared.
        """
        cursor, begun = self._cursor, is_number(before)
        if begun and phrase == "/" and (cursor.next(1) in POSTFIX or cursor.next(1) == "factorial"):
            raise NotUnderstood
        following = self.item()
        if INFIX[phrase] not in ("/", "//", "mod"):
            return following
        in_digits = isinstance(following, Share) and following.in_digits
        if in_digits if phrase in ("/", "//") else cursor.next() == "/":
            raise NotUnderstood
        return following

    def _product(self) -> list[str]:
        """Read operands with the signs of products between them."""
        parts = [self.item()]
        while (phrase := self._cursor.one_of(_TIMES)) is not None:
            parts += [INFIX[phrase], self._following(parts[-1], phrase)]
        return parts

    # --- operands ---

    def _operand(self) -> str:
        self._cursor.take("the")
        if is_number(self._cursor.next(1)) and self._cursor.next(2) == "%":  # a 10% tip
            self._cursor.take("a", "an")
        if self._cursor.next() in self._constants:
            return self._cursor.read()
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
        """Read ``half of 90``, ``a third of 90``, ``two thirds of 90`` or ``3/4 of 90``, or a share alone."""
        cursor, top = self._cursor, "1"
        if not cursor.take("a", "an") and is_number(cursor.next()):
            top = cursor.read()
            if cursor.take("/"):
                bottom = cursor.number()
                if cursor.take("of"):
                    return f"({self.item()} * {top} / {bottom})"
                # 9 / 3 is a division, as good as any; 1/2 is one number, of which there may be a root.
                if not (top.isdigit() and bottom.isdigit() and int(top) < int(bottom)):
                    raise NotUnderstood
                return Share(f"({top} / {bottom})", in_digits=True)
        word = cursor.read()
        share = SHARES.get(word) or SHARES.get(word.removesuffix("s"))
        if share is None:
            raise NotUnderstood
        half_its_operand = share == 2 and (is_number(cursor.next()) or cursor.next() == "the")
        if cursor.take("of") or half_its_operand:
            return f"({self.item()} * {top} / {share})"
        return Share(f"({top} / {share})", in_digits=False)

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
            return f"({self._undivided()} ^ {2 if word == 'square' else 3})"
        self._cursor.take("of")
        return f"{ROOTS[word]}({self.item() if word == 'factorial' else self._undivided()})"

    def _undivided(self) -> str:
        """Read an operand that must not be divided: is a square root of 25/9 that of 25 or of all?"""
        operand = self.item()
        if self._cursor.next() == "/":
            raise NotUnderstood
        return operand

    def _of_list(self) -> str:
        """Read ``sum of 3, 4 and 5``, ``difference between 9 and 4`` or ``largest of 3 and 9``."""
        word = self._cursor.read()
        made = word if word in ("max", "min") else OF_LIST.get(word)
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
        if self._cursor.take("^", "**"):
            power = self.item()
            if isinstance(power, Share) and power.in_digits:  # of 2^1/2 signs alone make 2^1 / 2
                raise NotUnderstood
            return f"({operand} ^ {power})"
        if self._cursor.take(*TO_THE_POWER):
            return f"({operand} ^ {self._undivided()})"
        if self._cursor.take(*GOES_INTO):
            return f"({self.item()} / {operand})"
        return None

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
            self._cursor.take("a", "an")
            paid = f"({number}% * {self.item()})"
            self._cursor.take("bill", "meal")
            return paid
        if self._cursor.take("more than", "above", "on top of", "added to", "greater than", "higher than"):
            return f"({self.item()} + {number}%)"
        if (less := self._cursor.tried(self._reduced)) is not None:
            return f"({less} - {number}%)"
        return f"{number}%"

    def _reduced(self) -> str:
        """Read what a percentage is taken off."""
        self._cursor.need("less than", "below", "off", "lower than")
        return self.item()


def _closed(parts: list[str]) -> str:
    """Return operands and the signs between them as one operand."""
    return parts[0] if len(parts) == 1 else f"({' '.join(parts)})"
