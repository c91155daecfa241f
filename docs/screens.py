"""Draws the pictures of the chat that the README shows, as SVG by rich.

    python docs/screens.py

What is drawn is the chat itself, with a model whose replies are written down below.
"""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from pathlib import Path

from rich.terminal_theme import MONOKAI
from rich.text import Text

from agent_app.chat import Conversation, Loader, Permissions, Setup
from agent_app.cli.chat.screen import THEME, Screen
from agent_app.cli.chat.talking import Talk
from agent_app.cli.console import SafeConsole
from agent_app.sessions import Store
from agent_app.settings import Settings

FOLDER = Path(__file__).resolve().parent / "screens"
COLUMNS = 80
REPLIES = """\
I need to multiply 12 by 1.8288, the metres in a fathom
Action: calculator
Action Input: 12 * 1.8288
---
The question is "How many metres are 12 fathoms". Does the observation answer it? Yes, it is 21.9456
Final Answer: Arg! 12 fathoms be **21.9456 metres**, matey:

- a fathom be six feet, arg
- and a foot be 0.3048 metres
---
I need to add 5 % to 21.9456
**Action:** calculator
Action Input: 21.9456 * 1.05
---
The question is "And with 5 % more rope". Does the observation answer it? Yes, it is 23.04288
Final Answer: Arr, that be **23.04288 metres** of rope, me hearty!
"""
LINES = {
    "chat": ["How many metres are 12 fathoms?", "And with 5 % more rope?"],
    "why": ["/why"],
}


class Typed:
    """Gives lines, and draws them as if they had been typed."""

    keeps_going = True

    def __init__(self, console: SafeConsole, lines: list[str]) -> None:
        self._console, self._lines = console, [*lines]

    def read(self) -> str | None:
        """Return the next line."""
        if not self._lines:
            return None
        line = self._lines.pop(0)
        self._console.print(Text.assemble("\n", ("> ", "bold cyan"), line))
        return line

    def rewrite(self, question: str) -> str | None:
        """Leave a question as it is."""
        return question


def main() -> None:
    """Draw every picture."""
    console = SafeConsole(
        io.StringIO(), theme=THEME, width=COLUMNS, record=True, force_terminal=True, force_interactive=False
    )
    with Store.in_memory() as store, tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("replies.txt").write_text(REPLIES, encoding="utf-8")
        permissions = Permissions()
        loader = Loader(Settings(), permissions.approvals)
        setup = Setup("scripted:replies.txt", "pirate")
        chat = Conversation(setup, loader, permissions, store, store.new_session())
        for name, lines in LINES.items():
            Talk(chat, Typed(console, lines), lambda: Screen(chat, console)).go_on()
            (FOLDER / f"{name}.svg").write_text(_picture(console, name), encoding="utf-8")


def _picture(console: SafeConsole, name: str) -> str:
    title = "agent-app chat" if name == "chat" else f"/{name}"
    svg = console.export_svg(title=title, theme=MONOKAI, unique_id=name)
    # Without the fonts that rich would have the reader's browser fetch from somewhere.
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code", "ui-monospace")


if __name__ == "__main__":
    main()
