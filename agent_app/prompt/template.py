"""Slots: a text is cut once into words and slots, and filled by joining.

A slot is `{name}` and nothing more; `{{` and `}}` stand for braces. There is no attribute, index,
conversion or format spec, and a value is never looked at again, so a value can hold braces.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from agent_app.prompt.problems import Problem

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a template that a value goes to."""

    name: str
    tail: str = ""
    """The line end and blank line after a slot with a line of its own; goes when the slot is empty."""
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)


Segment: TypeAlias = str | Slot


def parse(
    text: str, file: Path, first_line: int, problems: list[Problem], indent: int = 0
) -> tuple[Segment, ...]:
    """Cut a text into words and slots.

    Args:
        text: the text, slots and doubled braces and all.
        file: where it comes from, for the problems.
        first_line: the line of the file that the text begins on.
        problems: every brace that is neither a slot nor doubled is added here.
        indent: how many characters stand before each line of the text in the file.
    """
    segments: list[Segment] = []
    words, at = "", 0
    for match in _BRACES.finditer(text):
        words += text[at : match.start()]
        at = match.end()
        token, name = match.group(), match.group(1)
        if token in ("{{", "}}"):
            words += token[0]
            continue
        line = first_line + text.count("\n", 0, match.start())
        column = indent + match.start() - text.rfind("\n", 0, match.start())
        if name is None or not NAME.fullmatch(name):
            problems.append(Problem("P006", file, line, column, *_explain(token, name)))
            continue
        alone = match.start() == 0 or text[match.start() - 1] == "\n"
        tail = "\n\n" if alone and text.startswith("\n\n", at) else ""
        at += len(tail)
        segments += [words, Slot(name, tail, line, column)]
        words = ""
    return joined([*segments, words + text[at:]])


def joined(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Join neighbouring words into one segment and drop empty ones."""
    whole: list[Segment] = []
    for segment in segments:
        if isinstance(segment, str) and whole and isinstance(whole[-1], str):
            whole[-1] += segment
        elif segment:
            whole.append(segment)
    return tuple(whole)


def fill(segments: Iterable[Segment], values: Mapping[str, str]) -> str:
    """Join words and values. Every slot must have a value.

    Raises:
        KeyError: a slot has none.
    """
    return "".join(s if isinstance(s, str) else _placed(values[s.name], s.tail) for s in segments)


def put(segments: Iterable[Segment], values: Mapping[str, str]) -> tuple[Segment, ...]:
    """Put values into the slots that have one, and leave the others for later."""
    return joined(
        s if isinstance(s, str) or s.name not in values else _placed(values[s.name], s.tail) for s in segments
    )


def slot_names(segments: Iterable[Segment]) -> tuple[str, ...]:
    """Return the names of the slots, each once, in the order of their first place."""
    return tuple(dict.fromkeys(s.name for s in segments if isinstance(s, Slot)))


def as_source(segments: Iterable[Segment]) -> str:
    """Write segments as the text that `parse` reads them from."""
    return "".join(escaped(s) if isinstance(s, str) else f"{{{s.name}}}{s.tail}" for s in segments)


def settled(segments: Iterable[Segment], name: str) -> tuple[Segment, ...]:
    """Return segments as they are read from one text, where only slots of one name keep their tails.

    In the place of a part's slot, a slot of the part's may have a line of its own, or have it no more.
    """
    out: list[Segment] = []
    for segment in parse(as_source(segments), Path(), 1, []):
        if isinstance(segment, str) or segment.name == name:
            out.append(segment)
        else:
            out += [replace(segment, tail=""), segment.tail]
    return joined(out)


def escaped(text: str) -> str:
    """Double the braces of a text that holds no slots."""
    return text.replace("{", "{{").replace("}", "}}")


def _placed(value: str, tail: str) -> str:
    return value + tail if value else ""


def _explain(token: str, name: str | None) -> tuple[str, str]:
    if name is None:
        return f"a lone {token!r}", f"write {token * 2!r} for a brace, or {{name}} for a slot"
    shown = token if len(token) <= 40 else token[:37] + "..."
    leading = NAME.match(name)
    if leading is None:
        return f"{shown} is not a slot", "a slot is {name}; write {{ and }} for braces"
    return f"{shown} is more than a name", f"write {{{leading.group()}}}; a slot takes nothing else"
