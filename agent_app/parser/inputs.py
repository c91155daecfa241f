"""What a model wrote as a tool's input becomes what the tool is called with."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from agent_app import jsonish, labels
from agent_app.parser.names import fold
from agent_app.steps import Arguments

# A fence may name a language: up to the end of its line, or right before JSON.
_FENCE = re.compile(r"\s*`{3,}(?:[\w.+#$-]{0,40}[ \t]*(?=\n|$)|json[5c]?[ \t]*(?=[{\[]))?", re.IGNORECASE)
_LANGUAGE = re.compile(r"json[5c]?\s{1,8}(?=\{)", re.IGNORECASE)
_CALL = re.compile(
    r"(?P<name>[\w.-]{1,64})(?:\s{1,4}(?=\([{\"']))?(?P<open>[(\[])(?P<inner>.*)[)\]]\.?$", re.DOTALL
)
_CALL_WITHOUT_LABEL = re.compile(
    r"(?P<name>[^\n{(\[]{1,64}?)[\s:]{0,8}(?P<input>\{.*|```.*```.*)$", re.DOTALL
)
_CLOSED_FENCE = re.compile(r"\n[ \t]{0,8}```[ \t.]{0,8}(?=\n|$)")
_QUOTES = {'"': '"', "'": "'", "“": "”", "`": "`"}
_KEYWORD = re.compile(r"\s{0,8}([^\W\d]\w{0,63})\s{0,8}=")
_LONGEST_CALL = 10_000
_SHORTEST_CUT = len("Obs")
_CALL_WRAPPERS = ("action", "function", "toolcall", "toolcalls")
_CALL_TOOL = ("action", "tool", "toolname", "name", "function")
_CALL_INPUT = ("actioninput", "toolinput", "input", "arguments", "parameters", "args")
_WHOLE_CALL = frozenset(("thought", "action", "actioninput", "tool", "toolinput"))
_ANSWER = "finalanswer"
_NO_TOOL = ("", "none", "null", "na", _ANSWER, "finish")
"""What stands for a tool's name beside a final answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool's name and its arguments that were written as one: ``tool("x")`` or a JSON object."""

    name: str
    given: Arguments
    repairs: tuple[str, ...] = ()
    thought: str = ""


def read_input(text: str, *, is_object: bool = False) -> tuple[Arguments, list[str]]:
    """Return what the text of an Action Input stands for, and what was forgiven in it.

    A JSON object becomes a dict, what follows it is dropped; one code fence or one pair of quotes
    around a whole input is taken off. All else stays text, unless the tool wants an object
    (`is_object`): then ``a=1, b="x"`` is one too.
    """
    text, cut = _without_cut_label(text)
    text, unfenced = _unfenced(text)
    repairs = [*cut, *unfenced]
    unquoted = _unquoted(text)
    if unquoted != text:
        repairs.append("quotes around the input")
    if unquoted.startswith(("{", "[")):
        return _read_json(unquoted, repairs)
    named = _keywords(unquoted) if is_object else None
    if named:
        return named, [*repairs, "keyword arguments"]
    return unquoted, repairs


def _read_json(text: str, repairs: list[str]) -> tuple[Arguments, list[str]]:
    try:
        value, end, forgiven = jsonish.read(text)
    except jsonish.NotJson:
        return text, repairs
    if not isinstance(value, dict):
        return text, repairs
    if text[end:].strip():
        forgiven = (*forgiven, "text after the arguments dropped")
    return value, [*repairs, *forgiven]


def read_call(text: str) -> Call | None:
    """Read an Action like ``tool("input")``, ``tool[input]`` or ``tool {"a": 1}``; else None.

    Such an Action needs no Action Input. Its input may also be a code fence after the tool's name.
    """
    match = _CALL.match(text.strip(" \n*`"))
    if match is None:
        return _call_without_label(text.strip())
    inner = match["inner"].strip()
    if match["open"] == "[":
        return Call(match["name"], _unquoted(inner))
    given, repairs = _call_arguments(inner)
    return Call(match["name"], given, repairs)


def _call_without_label(text: str) -> Call | None:
    match = _CALL_WITHOUT_LABEL.match(text)
    if match is None:
        return None
    given, repairs = read_input(match["input"])
    if isinstance(given, str) and given.startswith(("{", "```")):
        return None
    call = _call_in(given, tuple(repairs))  # such an object may name the tool once more
    if call is not None and fold(call.name) == fold(match["name"]):
        return call
    return Call(match["name"], given, tuple(repairs))


def read_blob(text: str) -> Call | None:
    """Read ``{"action": ..., "action_input": ...}`` or ``{"final_answer": ...}`` and their kin.

    None when the JSON says no such thing.
    """
    try:
        value, end, repairs = jsonish.read(text)
    except jsonish.NotJson:
        return None
    if text[end:].strip():
        repairs = (*repairs, "text after the arguments dropped")
    return _call_in(value, repairs)


def call_in(given: Arguments) -> Call | None:
    """Return the call that an action's input names once more: ``{"action": ..., "action_input": ...}``."""
    if not isinstance(given, dict) or not _WHOLE_CALL.issuperset(map(fold, given)):
        return None
    return _call_in(given, ())


def _call_in(value: Any, repairs: tuple[str, ...], thought: Any = None) -> Call | None:
    """Find the call that a JSON value stands for, bare or within the wrappers of OpenAI's protocol."""
    if isinstance(value, list) and value:
        if len(value) > 1:
            repairs = (*repairs, "further calls dropped")
        value = value[0]
    if not isinstance(value, dict):
        return None
    value = {fold(key): given for key, given in value.items()}  # as "Action Input" and "actionInput" are one
    thought = value.get("thought", thought)
    wrapped = next((value[k] for k in _CALL_WRAPPERS if isinstance(value.get(k), dict | list)), None)
    if wrapped is not None:
        return _call_in(wrapped, repairs, thought)
    name = next((value[k] for k in _CALL_TOOL if isinstance(value.get(k), str)), None)
    key = next((k for k in _CALL_INPUT if k in value), None)
    if value.get(_ANSWER) and fold(name or "") in _NO_TOOL:
        name, key = _ANSWER, _ANSWER
    if name is None or (key is None and "action" not in value):
        return None
    given = "" if key is None else value[key]
    if isinstance(given, int | float) and isinstance(value.get("name"), str):
        return None  # facts about somebody, as no tool's input is a bare number
    if isinstance(given, str) and key in ("arguments", "parameters"):
        given, forgiven = read_input(given)  # OpenAI's protocol has the arguments as JSON within a string
        repairs = (*repairs, *forgiven)
    return Call(
        name,
        given if isinstance(given, dict) else as_text(given),
        repairs,
        thought.strip() if isinstance(thought, str) else "",
    )


def as_text(given: Any) -> str:
    """Return arguments as the text that stands for them; nothing is an empty text."""
    if given is None:
        return ""
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)


class Blob:
    """Lines that may be a JSON object, until its brackets are balanced."""

    _TOKEN = re.compile(r'[\\"{}\[\]]|[^\\"{}\[\]]+')
    _DEEPEST = 64

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0
        self.in_string = False
        """Whether the lines so far end within a string."""

    @property
    def text(self) -> str:
        """The lines so far."""
        return "\n".join(self._lines)

    @property
    def complete(self) -> bool:
        """Whether its brackets are balanced, or nested more deeply than any action."""
        return (self._depth <= 0 and not self.in_string) or self._depth > self._DEEPEST

    def add(self, line: str) -> None:
        """Take one more line, and count its brackets outside strings."""
        self._lines.append(line)
        escaped = False
        for token in self._TOKEN.finditer(line):
            char = token[0]
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = self.in_string
            elif char == '"':
                self.in_string = not self.in_string
            elif not self.in_string and char in "{[":
                self._depth += 1
            elif not self.in_string and char in "}]":
                self._depth -= 1


def fence_end(text: str) -> int:
    """Return where the text begins that follows a code fence and the name of its language."""
    match = _FENCE.match(text)
    return 0 if match is None else match.end()


def _without_cut_label(text: str) -> tuple[str, list[str]]:
    """Drop the next label from a text's end, of which a stop word may have left the first letters."""
    rest, _, last = text.rpartition("\n")
    last = last.strip()
    if text.endswith(" Observation:"):
        rest = text.removesuffix("Observation:")
    elif not rest or len(last) < _SHORTEST_CUT or not labels.OBSERVATION.startswith(last):
        return text, []
    return rest.rstrip(), ["label at the input's end dropped"]


def _unfenced(text: str) -> tuple[str, list[str]]:
    """Take one code fence off that holds a whole text, or one of which a part is missing."""
    fences = text.count("```")
    begins, ends = text.startswith("```"), text.endswith("```")
    if fences == 1 and (begins or ends):
        return (text[fence_end(text) :] if begins else text[:-3]).strip("`").strip(), ["stray code fence"]
    if fences == 2 and begins and ends:
        return text[fence_end(text) : -3].strip("`").strip(), ["code fence around the input"]
    closed = _CLOSED_FENCE.search(text) if fences == 2 and begins else None
    if closed is not None:
        inner = text[fence_end(text) : closed.start()].strip()
        return inner, ["code fence around the input", "text after the code fence dropped"]
    language = _LANGUAGE.match(text)
    return (text[language.end() :], ["stray code fence"]) if language else (text, [])


def _unquoted(text: str) -> str:
    """Take one matched pair of quotes off a whole text; quotes that only stand at both ends stay."""
    if len(text) < 2 or _QUOTES.get(text[0]) != text[-1]:
        return text
    inner = text[1:-1]
    if text[0] == '"' and "\\" in inner:
        try:
            value = json.loads(text)
        except ValueError:
            return text
        return jsonish.encodable(value) if isinstance(value, str) else text
    return text if text[0] in inner or text[-1] in inner else inner.strip()


def _call_arguments(inner: str) -> tuple[Arguments, tuple[str, ...]]:
    """Read what stands between the brackets of ``tool(...)``: keywords, one value, or plain text."""
    if len(inner) > _LONGEST_CALL:
        return inner, ()
    if inner.startswith(('"', "'", "{")):
        try:
            value, end, repairs = jsonish.read(inner)
        except jsonish.NotJson:
            return inner, ()
        if isinstance(value, str | dict):
            if end == len(inner):
                return value, repairs
            if inner[end:].lstrip().startswith(")"):
                return value, (*repairs, "text after the call dropped")
        return inner, ()
    named = _keywords(inner)
    return (inner, ()) if named is None else (named, ())


def _keywords(text: str) -> dict[str, Any] | None:
    """Read ``a=1, b="x"``; None when the text is not wholly of that form."""
    named: dict[str, Any] = {}
    rest = text if len(text) <= _LONGEST_CALL else "-"
    while key := _KEYWORD.match(rest):
        try:
            named[key[1]], end, _ = jsonish.read(rest[key.end() :])
        except jsonish.NotJson:
            return None
        rest = rest[key.end() + end :].lstrip()
        if not rest.startswith(","):
            break
        rest = rest[1:]
    return None if rest else named
