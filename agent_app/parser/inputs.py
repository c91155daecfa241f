"""What a model wrote as a tool's input becomes what the tool is called with."""

from __future__ import annotations

import json
import re
from typing import Any

from agent_app import jsonish
from agent_app.steps import Arguments

FENCE = re.compile(r"`{3,}[\w.+-]{0,40}")
_CALL = re.compile(r"(?P<name>[\w.-]{1,64})(?P<open>[(\[])(?P<inner>.*)[)\]]\.?$", re.DOTALL)
_QUOTES = {'"': '"', "'": "'", "“": "”", "`": "`"}
_KEYWORD = re.compile(r"\s{0,8}([^\W\d]\w{0,63})\s{0,8}=")
_LONGEST_CALL = 10_000
_BLOB_TOOL = ("action", "tool", "tool_name", "name", "function")
_BLOB_INPUT = ("action_input", "tool_input", "input", "arguments", "parameters", "args")


def read_input(text: str) -> tuple[Arguments, list[str]]:
    """Return what the text of an Action Input stands for, and what was forgiven in it.

    A JSON object becomes a dict, what follows it is dropped; one code fence or one pair of quotes
    around a whole input is taken off. All else stays text.
    """
    repairs = []
    inner = _unfenced(text)
    if inner is not None:
        repairs.append("code fence around the input")
        text = inner
    if text.startswith(("{", "[")):
        return _read_json(text, repairs)
    unquoted = _unquoted(text)
    if unquoted != text:
        repairs.append("quotes around the input")
    if unquoted.endswith(" Observation:"):
        repairs.append("label at the input's end dropped")
        unquoted = unquoted.removesuffix("Observation:").rstrip()
    return unquoted, repairs


def _read_json(text: str, repairs: list[str]) -> tuple[Arguments, list[str]]:
    try:
        value, end, forgiven = jsonish.read(text)
    except jsonish.NotJson:
        return text, repairs
    if text[end:].strip():
        forgiven = (*forgiven, "text after the arguments dropped")
    return (value if isinstance(value, dict) else text[:end]), [*repairs, *forgiven]


def read_call(text: str) -> tuple[str, Arguments] | None:
    """Read an Action like ``tool("input")`` or ``tool[input]``, which needs no Action Input; else None."""
    match = _CALL.match(text.strip(" *`"))
    if match is None:
        return None
    inner = match["inner"].strip()
    return match["name"], _unquoted(inner) if match["open"] == "[" else _call_arguments(inner)


def read_blob(text: str) -> tuple[str, Arguments] | None:
    """Read ``{"action": ..., "action_input": ...}`` and its kin; None when the object says no such thing."""
    try:
        value, _, _ = jsonish.read(text)
    except jsonish.NotJson:
        return None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    name = next((value[k] for k in _BLOB_TOOL if isinstance(value.get(k), str)), None)
    key = next((k for k in _BLOB_INPUT if k in value), None)
    if name is None or (key is None and "action" not in value):
        return None
    given = "" if key is None else value[key]
    if isinstance(given, str) and key in ("arguments", "parameters"):
        given, _ = read_input(given)  # OpenAI's protocol has the arguments as JSON within a string
    return name, as_text(given) if not isinstance(given, dict) else given


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
        self._in_string = False

    @property
    def text(self) -> str:
        return "\n".join(self._lines)

    @property
    def complete(self) -> bool:
        """Whether its brackets are balanced, or nested more deeply than any action."""
        return (self._depth <= 0 and not self._in_string) or self._depth > self._DEEPEST

    def add(self, line: str) -> None:
        self._lines.append(line)
        escaped = False
        for token in self._TOKEN.finditer(line):
            char = token[0]
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = self._in_string
            elif char == '"':
                self._in_string = not self._in_string
            elif not self._in_string and char in "{[":
                self._depth += 1
            elif not self._in_string and char in "}]":
                self._depth -= 1


def _unfenced(text: str) -> str | None:
    """Return what one code fence around a whole text holds, or None when there is no such fence."""
    match = FENCE.match(text)
    if match is None or not text.endswith("```") or len(text) < match.end() + 3:
        return None
    inner = text[match.end() : -3]
    return None if "```" in inner else inner.strip()


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
        return value if isinstance(value, str) else text
    return text if text[0] in inner or text[-1] in inner else inner.strip()


def _call_arguments(inner: str) -> Arguments:
    """Read what stands between the brackets of ``tool(...)``: keywords, one value, or plain text."""
    if len(inner) > _LONGEST_CALL:
        return inner
    try:
        if inner.startswith(('"', "'", "{")):
            value, end, _ = jsonish.read(inner)
            return value if end == len(inner) and isinstance(value, str | dict) else inner
        named = {}
        rest = inner
        while key := _KEYWORD.match(rest):
            named[key[1]], end, _ = jsonish.read(rest[key.end() :])
            rest = rest[key.end() + end :].lstrip()
            if not rest.startswith(","):
                break
            rest = rest[1:]
    except jsonish.NotJson:
        return inner
    return inner if rest else named
