"""What the terminal is, and what it can show."""

from __future__ import annotations

import codecs
import shutil
import sys
from dataclasses import dataclass
from typing import TextIO

from agent_app.doctor.finding import Finding
from agent_app.settings import terminal_has_colours

_NARROW = 40


@dataclass(frozen=True, slots=True)
class Terminal:
    """What a program can know of where its text comes from and goes to."""

    stdin: bool
    """Whether it is a terminal, as for the next two."""
    stdout: bool
    stderr: bool
    colours: bool
    """Whether colours are wanted: neither NO_COLOR nor TERM=dumb."""
    encoding: str
    columns: int


def this_terminal() -> Terminal:
    """Look at the streams of this process."""
    return Terminal(
        stdin=_is_terminal(sys.stdin),
        stdout=_is_terminal(sys.stdout),
        stderr=_is_terminal(sys.stderr),
        colours=terminal_has_colours(),
        encoding=sys.stdout.encoding or "ascii",
        columns=shutil.get_terminal_size().columns,
    )


def check_terminal(terminal: Terminal) -> Finding:
    """Say what a terminal can show."""
    streams = {"stdin": terminal.stdin, "stdout": terminal.stdout, "stderr": terminal.stderr}
    no_terminals = [name for name, is_one in streams.items() if not is_one]
    kind = "no terminal on " + ", ".join(no_terminals) if no_terminals else "a terminal"
    colours = "colours" if terminal.colours else "no colours, as NO_COLOR or TERM=dumb says"
    says = f"{kind}, {terminal.columns} columns, {terminal.encoding}, {colours}"
    if terminal.columns < _NARROW:
        return Finding("terminal", "warn", says, f"make it at least {_NARROW} columns wide")
    if codecs.lookup(terminal.encoding).name != "utf-8":
        told = f"{says}: some letters are shown as `?`"
        return Finding("terminal", "warn", told, "set PYTHONUTF8=1, or a UTF-8 locale")
    return Finding("terminal", "ok", says)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()
