"""What another program pipes into ours; a stdin that nobody writes to holds nothing up."""

from __future__ import annotations

import os
import stat
import sys

from agent_app.errors import QuestionError
from agent_app.patience import OutOfTime, within
from agent_app.steps import LONGEST_QUESTION
from agent_app.terminal import stderr

PATIENCE = 5.0
"""Seconds in which the first piece of a pipe must come. Cron, CI and ssh leave pipes open for ever."""

_INTRODUCED = "This text came with the question:"
_PIECE = 1 << 16
_MOST = 4 * LONGEST_QUESTION
"""Bytes; no character of UTF-8 has more than four."""


def with_piped(question: str, text: str) -> str:
    """Put what was piped in below a question; without a question it is the question itself."""
    if not question.strip() or not text.strip():
        return question if question.strip() else text
    return f"{question}\n\n{_INTRODUCED}\n\n{text}"


def piped_text(*, seconds: float = PATIENCE) -> str:
    """Return what comes in on stdin, or an empty text where nothing is piped in.

    A terminal is not read. Once a pipe has begun to speak it is heard to its end.

    Args:
        seconds: how long a pipe may take to begin; after that it is left alone, and stderr says so.

    Raises:
        QuestionError: it has more than `LONGEST_QUESTION` characters, or is not UTF-8 text.
    """
    stdin = sys.stdin
    if stdin is None or stdin.closed or stdin.isatty():
        return ""
    try:
        number = stdin.fileno()
    except OSError:  # made by a program, not by the system: it is there as a whole
        return _decoded(stdin.buffer.read(_MOST + 1))
    try:
        first = within(seconds if _may_wait(number) else None, os.read, number, _PIECE)
    except OutOfTime:
        stderr().line(f"agent-app: nothing came in on stdin for {seconds:g} s, so it is not read")
        return ""
    except OSError:  # closed, or a folder
        return ""
    return _decoded(_rest(number, first))


def whole_stdin() -> str:
    """Return all that comes in on stdin, however long it takes.

    Raises:
        QuestionError: it is not UTF-8 text, or there is no stdin.
    """
    if sys.stdin is None:
        raise QuestionError("there is no stdin to read the question from")
    return _text(sys.stdin.buffer.read())


def _may_wait(number: int) -> bool:
    """Say whether reading may have to wait for another program: of a file or a device it does not."""
    mode = os.fstat(number).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _rest(number: int, first: bytes) -> bytes:
    pieces, length = [first], len(first)
    while pieces[-1] and length <= _MOST:
        pieces.append(os.read(number, _PIECE))
        length += len(pieces[-1])
    return b"".join(pieces)


def _decoded(data: bytes) -> str:
    if len(data) > _MOST:  # it goes on, maybe for ever
        raise QuestionError(
            f"more than {LONGEST_QUESTION:,} characters came in on stdin; give a part of them"
        )
    return _text(data)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise QuestionError(f"what came in on stdin is not UTF-8 text: {error}") from error
