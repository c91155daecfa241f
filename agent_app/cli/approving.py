"""Asks at the terminal whether a tool may be called, and shows exactly what would run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from agent_app.approvals import Allow, Do, Edit, Refuse, Reply, Request, suspicions
from agent_app.approvals.rules import texts_in
from agent_app.steps import Action, Arguments
from agent_app.terminal import Writer, clean, clean_json, clean_line

_MOST_DOUBTS = 8


def terminal_approver(keep: Callable[[Request], None] | None = None) -> TerminalApprover | None:
    """Return an approver that asks at the terminal; None where no person sees stderr and can answer.

    Where stdin is a pipe the answers come from the terminal all the same, never from the pipe.

    Args:
        keep: as for `TerminalApprover`.
    """
    if not sys.stderr.isatty():
        return None
    source = sys.stdin if sys.stdin is not None and sys.stdin.isatty() else _keyboard()
    return None if source is None else TerminalApprover(source, sys.stderr, keep)


def _keyboard() -> TextIO | None:
    """Open the terminal that this process was started from, if there is one."""
    try:
        return Path("CONIN$" if sys.platform == "win32" else "/dev/tty").open(
            encoding="utf-8", errors="replace"
        )
    except OSError:
        return None


class TerminalApprover:
    """Asks the person at a terminal; an approver for `Approvals`.

    Args:
        source: where the answers are read: a terminal.
        screen: where the questions are written: a terminal too.
        keep: is told of a yes that is to hold longer than this program runs; None: there is no such answer.
    """

    def __init__(self, source: TextIO, screen: TextIO, keep: Callable[[Request], None] | None = None) -> None:
        self._source = source
        self._writer = Writer(screen)
        self._keep = keep

    def __call__(self, request: Request) -> Reply:
        """Show a call and ask until there is an answer; the end of the input (Ctrl-D) is a no.

        Raises:
            KeyboardInterrupt: Ctrl-C, which ends the whole run.
        """
        choices = _choices(request, keeps=self._keep is not None)
        self._show(request, choices)
        _forget_typed(self._source)
        while True:
            answer = self._answer(f"Run it ({', '.join(choices)})? ")
            match answer and answer.lower():
                case "y":
                    return Allow()
                case "s" if "s" in choices:
                    return Allow("session")
                case "a" if self._keep is not None:
                    self._keep(request)
                    return Allow("session")
                case "n":
                    return Refuse(self._answer("Why not (Enter for no reason)? ") or "")
                case None:
                    return Refuse()
                case "e":
                    edited = self._edited(request.action.input)
                    if edited is not None:
                        return Edit(edited)

    def _show(self, request: Request, choices: dict[str, str]) -> None:
        action, writer = request.action, self._writer
        writer.line(f"May {clean_line(action.tool)} be called with this? ({clean_line(request.because)})")
        for line in _shown(action.input):
            writer.line(f"  {line}")
        doubts = _doubts(action)
        for doubt in doubts[:_MOST_DOUBTS]:
            writer.line(f"  ! {clean_line(doubt)}")
        if len(doubts) > _MOST_DOUBTS:
            writer.line(f"  ! and {len(doubts) - _MOST_DOUBTS} more like these")
        for key, meaning in choices.items():
            writer.line(f"{key} {meaning}")

    def _answer(self, question: str) -> str | None:
        """Ask for one line; None when the input has ended."""
        self._writer.write(question)
        line = self._source.readline()
        if not line:
            self._writer.line()
            return None
        return line.strip()

    def _edited(self, given: Arguments) -> Arguments | None:
        """Ask for another input: a JSON object, or else plain text; None when there is none after all."""
        self._writer.line(f"Now: {clean_line(given) if isinstance(given, str) else _json(given)}")
        line = self._answer("Instead (a JSON object or text, Enter to leave it): ")
        if not line:
            return None
        if not line.startswith("{"):
            return line
        try:
            changed: dict[str, Any] = json.loads(line)
        except ValueError as error:
            self._writer.line(f"That is not JSON: {error}")
            return None
        return changed


def _choices(request: Request, *, keeps: bool) -> dict[str, str]:
    """Return the answers that there are, with what each holds for."""
    session = f"yes, for {clean_line(request.session)} in this session"
    yes_and_no: dict[Do, dict[str, str]] = {
        "ask": {"y": "yes, this once", "s": session, "n": "no"},
        "ask once": {"y": "yes, and always for this same call", "s": session, "n": "no, likewise"},
        "ask once per session": {"y": session, "n": "no"},
    }
    yes = yes_and_no[request.do]
    no = yes.pop("n")
    always = {"a": f"yes, always for {clean_line(request.session)}, kept with this session"} if keeps else {}
    return {**yes, **always, "n": no, "e": "edit it first"}


def _shown(given: Arguments) -> Iterator[str]:
    """Write a call's arguments in clean lines, whole: a text of several lines as such, else as JSON."""
    if isinstance(given, str):
        yield from _lines(given)
        return
    for name, value in given.items():
        if isinstance(value, str) and "\n" in value:
            yield f"{clean_line(name)}:"
            yield from (f"  {line}" for line in _lines(value))
        else:
            yield f"{clean_line(name)}: {_json(value)}"
    if not given:
        yield "(no arguments)"


def _lines(text: str) -> Iterator[str]:
    # The mark before each line keeps the text from posing as what we write ourselves.
    return (f"| {clean(line)}" for line in text.split("\n"))


def _json(value: Any) -> str:
    return clean_json(json.dumps(value, ensure_ascii=False))


def _doubts(action: Action) -> list[str]:
    """Say what in a call may not be what it looks like."""
    names = [] if isinstance(action.input, str) else action.input
    found = (doubt for text in (action.tool, *names, *texts_in(action.input)) for doubt in suspicions(text))
    return list(dict.fromkeys(found))


def _forget_typed(source: TextIO) -> None:
    """Drop what was typed before the question could be read: it is no answer to it."""
    if sys.platform == "win32":
        import msvcrt

        while msvcrt.kbhit():
            msvcrt.getwch()
    else:
        import termios

        termios.tcflush(source, termios.TCIFLUSH)
