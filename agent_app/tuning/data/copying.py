"""Finds the input of a tool among the question's own words: a small model copies well and rewrites badly."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent_app.steps import Action
from agent_app.tuning.data.numbers import ONES, TENS
from agent_app.tuning.data.recording import Recorder

_MANY = f"(?:{'|'.join(('an?', *ONES, *TENS, 'hundred'))})"
_AROUND = r"(?:what|how|much|is|are|costs?|for|me|in|all|total|dollars|euros|bucks|pounds|cents|and|please)"
_MERE = {
    "calculator": re.compile(
        rf"(?:{_AROUND} )*(?:[^a-z ]?[0-9.,]+|{_MANY}(?:[ -](?:and )?{_MANY})*)"
        rf"(?:[?.,:;]* {_AROUND})*[?.,:;]*",
        re.IGNORECASE,
    ),
    "clock": re.compile(
        rf"(?:[-+] ?|plus |minus )?(?:[0-9]+|{_MANY}) "
        r"(?:minute|hour|day|week|fortnight|month|year)s?(?: from)?",
        re.IGNORECASE,
    ),
}
"""What does not say what is to be done, for each tool that reads words: a number, a stretch of time.

A number that comes out by chance is often the result as well: of "six left of twelve", "six" is no input.
"""
_ALWAYS = "now"
"""An input of one word that is easier to learn than to find."""
_WORD = re.compile(r"\S+")
_NUMBER = re.compile(r"[0-9][0-9.,]*")
_TWO = re.compile(
    r"(?P<one>[0-9][0-9.,]*) (?P<sign>[-+*/]) (?P<other>[0-9][0-9.,]*)(?P<more>(?: [-+] [0-9][0-9.,]*)?)"
)
"""Two numbers, and a third one at most."""
_ENDS = "?,;:.\"'"


def in_its_words(question: str, tool: str, given: str, recorder: Recorder) -> str:
    """Return the shortest run of a question's words that a tool answers as it does an input.

    Args:
        question: whose words they are.
        tool: what is called.
        given: a right input.
        recorder: runs the tool.

    Returns:
        The input itself where there is no such run, or the tool reads no words.
    """
    if tool not in _MERE or given == _ALWAYS:
        return given
    wanted = recorder.run(Action(tool, given))
    if wanted.error:
        return given
    for words in _runs(question, given):
        if not _MERE[tool].fullmatch(words):
            found = recorder.run(Action(tool, words))
            if not found.error and found.text == wanted.text:
                return words
    return given


def in_its_order(question: str, calculation: str) -> str:
    """Return a calculation with its first two numbers in the order in which a question has them.

    Numbers are copied in the order in which they are read. So of two numbers only what is done with them
    has to be found out, and not as well which of them is the greater one.

    Args:
        question: what was asked.
        calculation: what is calculated, in signs.

    Returns:
        The calculation itself where it has another form, or a number that the question has not or has twice.
    """
    found = _TWO.fullmatch(calculation)
    if found is None:
        return calculation
    one, sign, other, more = found.group("one", "sign", "other", "more")
    places = [[place.start() for place in re.finditer(_alone(number), question)] for number in (one, other)]
    if [len(each) for each in places] != [1, 1]:
        return calculation
    turned = places[0] > places[1]
    first, second = (other, one) if turned else (one, other)
    match sign:
        case "-" if not more:
            return f"difference between {first} and {second}"
        case "/" if turned and not more:
            return f"{first} goes into {second}"
        case "*" | "+" if sign == "*" or not more:
            return f"{first} {sign} {second}{more}"
        case _:
            return calculation


def _alone(number: str) -> str:
    return rf"(?<![\d.,]){re.escape(number)}(?![\d]|[.,]\d)"


def _runs(question: str, given: str) -> Iterator[str]:
    """Yield runs of a question's words that hold all numbers of an input, the shortest first."""
    spans = [word.span() for word in _WORD.finditer(question)]
    numbers = [number.strip(".,") for number in _NUMBER.findall(given)]
    held = [n for n, (start, end) in enumerate(spans) if any(m in question[start:end] for m in numbers)]
    first, last = (held[0], held[-1]) if held else (len(spans), 0)
    runs = [
        question[start:end].strip(_ENDS)
        for number, (start, _) in enumerate(spans)
        for other, (_, end) in enumerate(spans[number:], number)
        if number <= first and other >= last
    ]
    yield from sorted(filter(None, runs), key=len)
