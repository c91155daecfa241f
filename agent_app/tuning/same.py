"""Whether two inputs of a tool mean the same, and whether an answer holds a value."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from agent_app.steps import Action, Arguments
from agent_app.tuning.data.recording import Recorder
from agent_app.tuning.voice import tidy

_BARE = re.compile(r"[-+$€£ ]*\d+(?:\.\d+)?[ .=]*")
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[a-z]+|\S")
_WORD = re.compile(r"[^\W_]+(?:[.,][^\W_]+)*")
_NOON = datetime(2026, 2, 3, 12, 34, 56, tzinfo=UTC)

# What a search for the same thing may have more or less.
_EMPTY_WORDS = frozenset(
    "a an the of in on at for to by from about is are was were be been do does did has have had it its there"  # noqa: SIM905
    " now what whats who whom whose which when where why how many much tell me find out look up please name s"
    "".split()
)


def same_input(tool: str, given: Arguments, wanted: Arguments) -> bool:
    """Return whether two inputs of a tool mean the same.

    Calculations are the same if the calculator has one result for both, and what was given is no bare
    number: then nothing would have been left to reckon. Searches are, if all words with a meaning in the
    wanted one are in the given one; questions to the clock, if it replies the same. Other tools' inputs must
    be equal but for case and white space.
    """
    return _SAME.get(tool, _same_text)(input_text(given), input_text(wanted))


def holds(answer: str, value: str) -> bool:
    """Return whether an answer holds a value; whatever the case and the commas between thousands."""
    wanted = re.escape(tidy(value).strip().casefold())
    return re.search(rf"(?<![\w.:-]){wanted}(?!\w|\.\d)", tidy(answer).casefold()) is not None


def input_text(given: Arguments) -> str:
    """Return an input as text: that of its only argument, or all of them as JSON."""
    if isinstance(given, dict) and len(given) == 1:
        given = next(iter(given.values()))
    return given if isinstance(given, str) else json.dumps(given, sort_keys=True)


def _same_calculation(given: str, wanted: str) -> bool:
    one, other = tidy(given).casefold(), tidy(wanted).casefold()
    if _TOKEN.findall(one) == _TOKEN.findall(other):
        return True
    if _BARE.fullmatch(one):
        return False
    result = _run("calculator", given)
    return result is not None and result == _run("calculator", wanted)


def _same_search(given: str, wanted: str) -> bool:
    return _meaning(wanted) <= _meaning(given)


def _same_time(given: str, wanted: str) -> bool:
    result = _run("clock", given)
    return _same_text(given, wanted) or (result is not None and result == _run("clock", wanted))


def _same_text(given: str, wanted: str) -> bool:
    return given.casefold().split() == wanted.casefold().split()


_SAME: Mapping[str, Callable[[str, str], bool]] = {
    "calculator": _same_calculation,
    "web_search": _same_search,
    "clock": _same_time,
}


def _meaning(query: str) -> frozenset[str]:
    words = frozenset(_WORD.findall(tidy(query).casefold()))
    return words - _EMPTY_WORDS or words


def _run(tool: str, given: str) -> str | None:
    """Return what a tool gives, always at the same moment; None if it complains."""
    observation = _recorder().run(Action(tool, given))
    return None if observation.error else observation.text


@functools.cache
def _recorder() -> Recorder:
    recorder = Recorder(("calculator", "clock"))
    recorder.begin(_NOON)
    return recorder
