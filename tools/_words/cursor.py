"""Reading on in a list of tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set

from .errors import NotUnderstood
from .number_words import is_number, token_at


class Cursor:
    """A place in a list of tokens; what has been read lies behind it."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens, self._at = tokens, 0

    def next(self, ahead: int = 0) -> str:
        """Return the next token, or one further on; empty where there is none."""
        return token_at(self._tokens, self._at + ahead)

    def rest(self) -> list[str]:
        """Return all tokens that have not been read."""
        return self._tokens[self._at :]

    def read(self) -> str:
        """Read the next token; empty where there is none."""
        token = self.next()
        self._at += 1
        return token

    def take(self, *phrases: str) -> bool:
        """Read on over the first of some phrases that is next; say whether one was."""
        for phrase in phrases:
            words = phrase.split()
            if self._tokens[self._at : self._at + len(words)] == words:
                self._at += len(words)
                return True
        return False

    def one_of(self, phrases: Iterable[str]) -> str | None:
        """Read on over the first of some phrases that is next, and return it; None if there is none."""
        return next((phrase for phrase in phrases if self.take(phrase)), None)

    def need(self, *phrases: str) -> None:
        """Read on over one of some phrases.

        Raises:
            NotUnderstood: none of them is next.
        """
        if not self.take(*phrases):
            raise NotUnderstood

    def number(self) -> str:
        """Read a number in digits.

        Raises:
            NotUnderstood: none is next.
        """
        if not is_number(self.next()):
            raise NotUnderstood
        return self.read()

    def skip(self, words: Set[str]) -> bool:
        """Read on over all words of a set; say whether there was one."""
        began = self._at
        while self.next() in words:
            self._at += 1
        return self._at > began

    def tried(self, read: Callable[[], str]) -> str | None:
        """Return what is read, or None, with nothing read, where it is not understood."""
        began = self._at
        try:
            return read()
        except NotUnderstood:
            self._at = began
            return None

    def listed(self, read: Callable[[], str], *between: str) -> list[str]:
        """Read something once or more, with one of some phrases between; ``and`` may stand after that."""
        items = [read()]

        def further() -> str:
            self.need(*between)
            self.take("and")
            return read()

        while (item := self.tried(further)) is not None:
            items.append(item)
        return items
