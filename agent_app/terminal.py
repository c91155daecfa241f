"""The one place where text goes to a terminal or a pipe, and the one sanitiser that it passes.

Models, tools, prompts and file names are not trusted: an escape sequence in their text could repaint
the screen or write the clipboard. Characters that a terminal would obey are shown instead. Each is
replaced on its own, so a sequence that arrives in two pieces is as harmless as one that arrives whole.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import sys
import unicodedata
from typing import TextIO

from agent_app.settings import terminal_has_colours

_KEPT = "\n\t"
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# Beside the control characters (Cc): those that turn the writing direction or cannot be seen at all.
# The joiners U+200C and U+200D stay: scripts and emoji are made with them.
_HIDDEN = [
    0x00AD,
    0x061C,
    0x180E,
    0x200B,
    *range(0x200E, 0x2010),
    *range(0x2028, 0x202F),
    *range(0x2060, 0x2070),
    0xFEFF,
    *range(0xFFF9, 0xFFFC),
    *range(0xE0000, 0xE0080),
]
_SHOWN = {
    **{c: chr(0x2400 + c) for c in range(0x20) if chr(c) not in _KEPT},
    0x7F: "\u2421",
    **{c: f"<U+{c:04X}>" for c in (*range(0x80, 0xA0), *_HIDDEN)},
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),
}


def clean(text: str) -> str:
    """Return a text in which every character that a terminal would obey is shown instead.

    ``\\x1b`` becomes ``␛``, a bidirectional override ``<U+202E>``, a lone carriage return ``␍``;
    line ends (``\\r\\n`` as well) and tabs stay as they are.
    """
    if text.isascii() and text.isprintable():
        return text
    return text.replace("\r\n", "\n").translate(_SHOWN)


def clean_line(text: str) -> str:
    """Return a text as one clean line: line ends and tabs are shown too."""
    return clean(text).replace("\n", "␊").replace("\t", "␉")


def clean_json(text: str) -> str:
    """Return JSON text in which those characters are JSON's own escapes, so that nothing of it is lost."""
    return text.translate({code: json.dumps(chr(code))[1:-1] for code in _SHOWN})


def write_json(stream: TextIO, text: str) -> None:
    """Write JSON text as a line that can be seen at once; nothing of it is lost in any encoding."""
    shown = clean_json(text)
    if codecs.lookup(stream.encoding or "utf-8").name != "utf-8":
        shown = _NOT_ASCII.sub(lambda letter: json.dumps(letter[0])[1:-1], shown)
    stream.write(shown + "\n")
    stream.flush()


def width(text: str) -> int:
    """Return how many columns a clean line takes; wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def colours(stream: TextIO) -> bool:
    """Say whether a stream may be given colours: a terminal, and neither NO_COLOR nor TERM=dumb."""
    return stream.isatty() and terminal_has_colours()


class Writer:
    """Writes clean text to a stream, dimmed when asked and when the stream can show it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._colours = colours(stream)
        self._at_line_start = True

    @property
    def is_terminal(self) -> bool:
        """Whether somebody sees each character as it is written."""
        return self._stream.isatty()

    def write(self, text: str, *, dim: bool = False) -> None:
        """Write text as it is, cleaned, and let it be seen at once."""
        if not text:
            return
        shown = clean(text)
        self._at_line_start = shown.endswith("\n")
        try:
            self._stream.write(f"\x1b[2m{shown}\x1b[22m" if dim and self._colours else shown)
            self._stream.flush()
        except OSError:
            if self._stream is not sys.stderr:
                raise
            give_up(self._stream)  # a full disk below a log must not cost an answer

    def line(self, text: str = "", *, dim: bool = False) -> None:
        """Write text and end the line."""
        self.write(text, dim=dim)
        self.write("\n")

    def end_line(self) -> None:
        """End the line if one has been begun."""
        if not self._at_line_start:
            self.write("\n")


def give_up(stream: TextIO) -> None:
    """Let what is written to a stream go nowhere, also what it still holds, at which Python would fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def to_clipboard(stream: TextIO, text: str) -> None:
    """Ask a terminal to put a text on the clipboard, with OSC 52; it does not tell whether it has.

    Only ever done because the person at it asks for it. What is copied is what was shown: clean text.
    """
    import base64

    data = base64.b64encode(clean(text).encode()).decode()
    stream.write(f"\x1b]52;c;{data}\x07")
    stream.flush()


def stdout() -> Writer:
    """Return a writer for answers."""
    return Writer(sys.stdout)


def stderr() -> Writer:
    """Return a writer for everything else."""
    return Writer(sys.stderr)
