"""How help is laid out: as wide as the terminal, however narrow, with examples that can be copied."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator

import click

_WIDEST = 100
_NARROWEST = 20
_VERBATIM = "\b"
_TERMS, _NARROW_TERMS = 30, 6
"""Columns of the terms in a list of options or commands."""


def lay_out(command: click.Command) -> click.Command:
    """Have a command, and those below it, write their help in our layout; returns the command itself."""
    command.context_class = _Context
    if isinstance(command, click.Group):
        for below in command.commands.values():
            lay_out(below)
    return command


class _Formatter(click.HelpFormatter):
    """Click's own takes 50 columns at least, and breaks no line of what is to stay as it is written."""

    def __init__(self) -> None:
        columns = min(shutil.get_terminal_size().columns, _WIDEST)
        super().__init__(width=max(columns - 1, _NARROWEST))

    def write_text(self, text: str) -> None:
        """Write paragraphs; a long line of one that begins with ``\\b`` goes on after a backslash."""
        room = self.width - self.current_indent
        super().write_text("\n\n".join(_folded(part, room) for part in text.split("\n\n")))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = _TERMS, col_spacing: int = 2) -> None:
        """Write terms and what they mean; in a narrow terminal the meaning stands below its term."""
        super().write_dl(rows, col_max if self.width >= 2 * _TERMS else _NARROW_TERMS, col_spacing)


def _folded(paragraph: str, room: int) -> str:
    first, *lines = paragraph.split("\n")
    if first.strip() != _VERBATIM:
        return paragraph
    return "\n".join([first, *(part for line in lines for part in _parts(line, room))])


def _parts(line: str, room: int) -> Iterator[str]:
    """Break a command where the shell lets it go on: at a blank, after a backslash."""
    text = line.lstrip()
    margin = " " * (len(line) - len(text))
    deeper = f"{margin}  "
    while len(margin) + len(text) > room and (cut := _last_blank(text, room - len(margin) - 2)):
        yield f"{margin}{text[:cut]} \\"
        text, margin = text[cut + 1 :], deeper
    yield margin + text


def _last_blank(text: str, room: int) -> int:
    """Return where the last blank outside quotes stands before the room ends; 0 if there is none."""
    quote, found = "", 0
    for at, letter in enumerate(text[: room + 1]):
        if letter in "'\"" and quote in ("", letter):
            quote = "" if quote else letter
        elif letter == " " and not quote:
            found = at
    return found


class _Context(click.Context):
    def make_formatter(self) -> click.HelpFormatter:
        return _Formatter()
