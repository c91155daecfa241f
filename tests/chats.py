"""What the tests of the chat have in common: a folder with a prompt and tools, and a terminal to talk at."""

from __future__ import annotations

import os
import re
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import agents

PROMPT = agents.PROMPT.replace("Question:", "{history}Question:")
SHELL = """\
from langchain_core.tools import tool

@tool
def shell(command: str) -> str:
    "Run a command."
    return f"ran {command}"

shell.metadata = {"risk": ["files"]}
"""
MULTIPLY, KNOWN = agents.MULTIPLY.lstrip(), agents.KNOWN.lstrip()
STEPS = f"Thought: {MULTIPLY}\nObservation: 1081\nThought: I now know the final answer\n"
HALF = "Half of it\nAction: calculator\nAction Input: 1081 / 2"
HALVED = "That is it\nFinal Answer: Arg, 540.5!"
FILES = {"mate.md": PROMPT, "mine/shell.py": SHELL}


def environment(**more: str) -> dict[str, str]:
    """The environment of a process that runs this copy of the program."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONUTF8": "1", **more}


def write(folder: Path, files: dict[str, str]) -> None:
    """Write some files, and their folders."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def script(*replies: str) -> str:
    """The text of a file of replies."""
    return "\n---\n".join(replies) + "\n"


# Makes the pseudo-terminal the one that the process belongs to, so that Ctrl-C and /dev/tty work.
_PROGRAM = """
import fcntl, sys, termios
fcntl.ioctl(2, termios.TIOCSCTTY, 0)
sys.argv[0] = "agent-app"
from agent_app.__main__ import main
main()
"""
_PATIENCE = 30


class Terminal:
    """A pseudo-terminal with the program at it."""

    def __init__(self, process: subprocess.Popen[bytes], ours: int) -> None:
        self.process, self._ours = process, ours
        self.raw = ""
        """All that came to the screen."""
        self._seen = 0

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self._ours, text.encode())

    def expect(self, *texts: str) -> str:
        """Wait until some texts have come, one after the other; return all from the last wait until then."""
        begin = self._seen
        for text in texts:
            end = time.monotonic() + _PATIENCE
            while (at := self.raw.find(text, self._seen)) < 0:
                if not self._read(end - time.monotonic()):
                    raise AssertionError(f"no {text!r} in {self.raw[begin:]!r}")
            self._seen = at + len(text)
        return self.raw[begin : self._seen]

    def end(self) -> int:
        """Wait for the program's end, and return its exit code."""
        while self._read(_PATIENCE):
            pass
        return self.process.wait(timeout=_PATIENCE)

    def kill(self) -> None:
        """End the program as no program can help."""
        self.process.kill()
        self.end()

    def _read(self, seconds: float) -> bool:
        try:
            if not select.select([self._ours], [], [], max(0, seconds))[0]:
                return False
            piece = os.read(self._ours, 65536)
        except OSError:  # Linux says so when the last one at the other end has gone
            return False
        self.raw += piece.decode("utf-8", "replace")
        return bool(piece)


@contextmanager
def terminal(folder: Path, *arguments: str, columns: int = 80, **more: str) -> Iterator[Terminal]:
    """Run ``agent-app chat`` at a pseudo-terminal, in a folder."""
    import fcntl  # none of these three are there on Windows
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, "chat", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        cwd=folder,
        env=environment(**{"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm-256color", **more}),
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


_DRAWING = re.compile(
    r"\x1b\[[0-9;]*m"  # colours
    r"|\x1b\[[0-9]*[ABCDGJK]"  # the cursor, and erasing
    r"|\x1b\[\?(?:1|7|12|25|2004)[hl]"  # the cursor's look, wrapping, pasting
    r"|\r"
)


def drawn(raw: str) -> str:
    """What came to the screen without what we draw with."""
    return _DRAWING.sub("", raw)
