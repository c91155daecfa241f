"""The chat at a terminal that can show colours: calm, and nothing on it that could harm it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from rich.padding import Padding
from rich.status import Status
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from agent_app.approvals import Approver, Request
from agent_app.chat.conversation import Conversation
from agent_app.chat.effects import Section
from agent_app.cli.chat.markdown import Answer
from agent_app.cli.chat.quiet import quiet_keys
from agent_app.cli.chat.running import RunView
from agent_app.cli.console import SafeConsole
from agent_app.events import Event, Finished
from agent_app.steps import Result
from agent_app.terminal import clean, clean_line

THEME = Theme(
    {
        "markdown.h1": "bold",
        "markdown.h2": "bold",
        "markdown.h3": "bold",
        "markdown.code": "cyan",
        "markdown.link": "none",
        "markdown.link_url": "underline",
        "markdown.block_quote": "italic",
        "markdown.item.bullet": "cyan",
        "markdown.hr": "dim",
        "markdown.table.border": "dim",
        "markdown.table.header": "bold",
    }
)


class Screen:
    """Shows the chat with rich; a `View`.

    Args:
        chat: what is going on.
        console: where it is shown; None: stdout.
    """

    def __init__(self, chat: Conversation, console: SafeConsole | None = None) -> None:
        self._chat = chat
        self.console = console or SafeConsole(sys.stdout, theme=THEME)
        self._view: RunView | None = None

    def run(self, events: Iterator[Event]) -> Result:
        """Show a run while it goes on, and return its result."""
        with RunView(self.console, self._chat.tool_seconds, self._doing) as self._view:
            for event in events:
                self._view.take(event)
                if isinstance(event, Finished):
                    result = event.result
        return result

    def asking(self, approver: Approver | None) -> Approver | None:
        """Let an approver have the terminal while it asks."""
        if approver is None:
            return None

        def ask(request: Request) -> Any:
            with self._view.paused() if self._view else contextlib.nullcontext():
                return approver(request)

        return ask

    def tell(self, text: str) -> None:
        """Say something of the program's own."""
        self.console.print(Text(clean(text), style="dim"))

    def table(self, rows: Sequence[tuple[str, ...]]) -> None:
        """Show rows, their columns aligned."""
        columns = max(map(len, rows), default=0)
        table = Table.grid(padding=(0, 2, 0, 0))
        for row in rows:
            cells = [Text(clean_line(cell), style="dim" if n else "") for n, cell in enumerate(row)]
            table.add_row(*cells, *[Text()] * (columns - len(cells)))
        self.console.print(table)

    def explain(self, sections: Sequence[Section]) -> None:
        """Show an explanation, part after part."""
        for section in sections:
            what, comma, more = clean_line(section.title).partition(",")
            self.console.print(Text.assemble((what, "bold"), (comma + more, "dim")))
            if section.text:
                self.console.print(
                    Padding(Text(clean(section.text), style="dim"), (0, 0, 0, 2), expand=False)
                )

    def turns(self, results: Sequence[Result]) -> None:
        """Show what was asked and answered."""
        for result in results:
            self.console.print(
                Text(), Text.assemble(("> ", "bold cyan"), clean(result.question)), Text(), sep="\n"
            )
            answer = Answer(clean(result.text)) if result.text else Text("(no answer)", style="dim")
            self.console.print(answer)

    def write(self, text: str) -> None:
        """Write a document to where answers go."""
        self.console.print(Text(clean(text)), end="")

    def clear(self) -> None:
        """Begin with an empty screen."""
        self.console.clear()

    def complain(self, problem: str) -> None:
        """Say in a line what went wrong."""
        self.console.print(Text(clean(problem), style="yellow"))

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Show that something takes its time."""
        with quiet_keys(), Status(Text("loading", style="dim"), console=self.console, spinner_style="dim"):
            yield

    def _doing(self) -> str:
        return "loading the model" if self._chat.state == "loading" else "thinking"
