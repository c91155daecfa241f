"""The program called within this process, as the console script does, and all that it said."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from agent_app.__main__ import main


class Said(NamedTuple):
    """How a call ended, and what it printed."""

    code: int
    out: str
    err: str


class Caller:
    """Calls `agent-app`; some words may be the same in every call."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *first: str
    ) -> None:
        self._monkeypatch, self._capsys, self._first = monkeypatch, capsys, first

    def __call__(self, *words: str | Path, stdin: str | bytes = "") -> Said:
        piped = stdin.encode() if isinstance(stdin, str) else stdin
        arguments = ["agent-app", *self._first, *map(str, words)]
        self._monkeypatch.setattr(sys, "argv", arguments)
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(piped), encoding="utf-8"))
        code = leave()
        return Said(code, *self._capsys.readouterr())


def leave() -> int:
    """Run the program with the arguments and streams that are set, and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code
