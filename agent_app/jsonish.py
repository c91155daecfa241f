"""Reads the JSON that models write: JSON itself, and what is almost JSON and can mean only one thing."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_STRICT = json.JSONDecoder(strict=False)  # strict=False: a raw line end inside a string is taken as it is
_DEPTH = 64
_BLANK = re.compile(r"(?:\s|/\*(?:[^*]|\*(?!/))*\*/|(?://|#)[^\n]*)*")
_QUOTES = {'"': '"', "'": "'", "“": "”"}
_STRING = {q: re.compile(rf"{q}((?:[^{end}\\]|\\.)*){end}", re.DOTALL) for q, end in _QUOTES.items()}
_FORGIVEN_QUOTES = {"'": "single quotes in JSON", "“": "typographic quotes in JSON"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORD = re.compile(r"[^\W\d]\w*")
_WORDS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_MEANT = re.compile(r"[^\W_]|[.()\[\]{}+*?^|-]")
"""What a backslash that JSON does not know is meant before: a regular expression's, or a path's."""


class NotJson(ValueError):  # noqa: N818 - reads as the statement that it is
    """The text is no JSON value, not even nearly.

    Args:
        problem: what was found or missing.
        position: where in the text, counted in characters from 0.
    """

    def __init__(self, problem: str, position: int) -> None:
        self.problem, self.position = problem, position
        super().__init__(f"{problem} at character {position + 1}")


def read(text: str) -> tuple[Any, int, tuple[str, ...]]:
    """Read the JSON value that a text begins with, in time linear in its length.

    Forgiven: Python's quotes and words, comments, commas too many, keys without quotes, closing
    brackets missing at the very end, typographic quotes, and backslashes that JSON does not know (``\\d``).
    A string must be closed; nothing else is guessed. What comes out can always be written as JSON again: no
    endless number, no half of a surrogate pair.

    Returns:
        The value, where the text after it begins, and what was forgiven, in words.

    Raises:
        NotJson: says what is wrong and where.
    """
    start = len(text) - len(text.lstrip())
    try:
        value, end = _STRICT.raw_decode(text, start)
        repairs: list[str] = []
    except RecursionError:
        raise NotJson("brackets nested too deeply", start) from None
    except ValueError:
        reader = _Reader(text)
        value, end, repairs = reader.value(start, 0), reader.position, reader.repairs
    return _storable(value, start, 0), end, tuple(dict.fromkeys(repairs))


def encodable(text: str) -> str:
    """Join the halves of surrogate pairs and put U+FFFD for a half without the other.

    Such halves come from escapes like ``\\ud83d`` and from file names, and no UTF-8 can hold them.
    """
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _storable(value: Any, start: int, depth: int) -> Any:
    if depth > _DEPTH:
        raise NotJson("brackets nested too deeply", start)
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, dict):
        return {encodable(k): _storable(v, start, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_storable(v, start, depth + 1) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise NotJson("a number without end", start)
    return value


class _Reader:
    """Recursive descent with a bounded depth; each character is looked at once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.repairs: list[str] = []

    def value(self, start: int, depth: int) -> Any:
        if depth > _DEPTH:
            raise NotJson("brackets nested too deeply", start)
        self.position = start
        char = self._next()
        if char == "{":
            return self._object(depth)
        if char == "[":
            return self._array(depth)
        if char in _QUOTES:
            return self._string(char)
        if number := _NUMBER.match(self.text, self.position):
            self.position = number.end()
            return self._number(number[0])
        word = _WORD.match(self.text, self.position)
        if word and word[0] in _WORDS:
            self.position = word.end()
            if word[0][0].isupper():
                self.repairs.append("Python's words in JSON")
            return _WORDS[word[0]]
        raise NotJson("expected a value", self.position)

    def _object(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self.position += 1
        while not self._closed("}", first=not found):
            char = self._next()
            if char in _QUOTES:
                key = self._string(char)
            elif word := _WORD.match(self.text, self.position):
                key, self.position = word[0], word.end()
                self.repairs.append("key without quotes")
            else:
                raise NotJson("expected a key in quotes", self.position)
            if self._next() != ":":
                raise NotJson("expected ':' after a key", self.position)
            found[key] = self.value(self.position + 1, depth + 1)
        return found

    def _array(self, depth: int) -> list[Any]:
        found: list[Any] = []
        self.position += 1
        while not self._closed("]", first=not found):
            found.append(self.value(self.position, depth + 1))
        return found

    def _closed(self, bracket: str, *, first: bool) -> bool:
        """Step over what stands between two members; True at the closing bracket or the text's end."""
        char = self._next()
        if not first and char == ",":
            self.position += 1
            char = self._next()
            if char in (bracket, ""):
                self.repairs.append("comma too many")
        elif not first and char not in (bracket, ""):
            raise NotJson(f"expected ',' or '{bracket}'", self.position)
        if char == "":
            self.repairs.append("closing bracket added")
        elif char == bracket:
            self.position += 1
        else:
            return False
        return True

    def _string(self, quote: str) -> str:
        match = _STRING[quote].match(self.text, self.position)
        if match is None:
            raise NotJson("a string without its closing quote", self.position)
        self.position = match.end()
        if quote in _FORGIVEN_QUOTES:
            self.repairs.append(_FORGIVEN_QUOTES[quote])
        return _ESCAPE.sub(self._unescaped, match[1]) if "\\" in match[1] else match[1]

    def _unescaped(self, match: re.Match[str]) -> str:
        escaped = match[1]
        if len(escaped) == 5:
            return chr(int(escaped[1:], 16))
        if escaped not in _ESCAPES and _MEANT.match(escaped):
            self.repairs.append("single backslash in JSON")
            return match[0]
        return _ESCAPES.get(escaped, escaped)

    def _number(self, written: str) -> int | float:
        try:
            number: int | float = json.loads(written)
        except ValueError:  # leading zeros, or more digits than Python reads
            raise NotJson("not a number of JSON", self.position - len(written)) from None
        return number

    def _next(self) -> str:
        blank = _BLANK.match(self.text, self.position)
        if blank is not None and blank.end() > self.position:
            if blank[0].strip():
                self.repairs.append("comment in JSON")
            self.position = blank.end()
        return self.text[self.position : self.position + 1]
