"""The chat without colours: answers on stdout, everything else on stderr, nothing that moves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from agent_app.chat.effects import Section
from agent_app.cli.columns import columns
from agent_app.cli.showing import Screen
from agent_app.events import Event
from agent_app.steps import Result
from agent_app.terminal import clean_line, stderr, stdout


class Plain:
    """Shows everything as plain text; a `View`."""

    def run(self, events: Iterator[Event]) -> Result:
        """Show a run while it goes on, and return its result."""
        return Screen(steps=True, answer=True).show(events)

    def tell(self, text: str) -> None:
        """Say something of the program's own."""
        stderr().line(text)

    def table(self, rows: Sequence[tuple[str, ...]]) -> None:
        """Show rows, their columns aligned."""
        for line in columns(rows):
            stderr().line(line)

    def explain(self, sections: Sequence[Section]) -> None:
        """Show an explanation, part after part."""
        err = stderr()
        for section in sections:
            err.line(clean_line(section.title))
            for line in section.text.splitlines():
                err.line(f"  | {line}")

    def turns(self, results: Sequence[Result]) -> None:
        """Show what was asked and answered."""
        for result in results:
            stderr().line(f"> {result.question}")
            stderr().line(result.text or "(no answer)")

    def write(self, text: str) -> None:
        """Write a document to where answers go."""
        stdout().write(text)

    def clear(self) -> None:
        """Leave everything as it is."""

    def complain(self, problem: str) -> None:
        """Say in a line what went wrong."""
        stderr().line(f"agent-app: {problem}")

    def waiting(self) -> contextlib.AbstractContextManager[object]:
        """Show nothing."""
        return contextlib.nullcontext()
