"""A sign on stderr that something is under way, while nothing else is written there."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from agent_app.terminal import clean_line, colours


class waiting:  # noqa: N801 - used as `with waiting("loading"):`
    """Shows a spinner with a word, on a terminal that can; elsewhere nothing."""

    def __init__(self, word: str) -> None:
        self._word = word
        self._status: Any = None

    def begin(self) -> None:
        """Show it."""
        if self._status is None and colours(sys.stderr):
            from rich.console import Console
            from rich.status import Status
            from rich.text import Text

            # As a `Text`, since a word of somebody else's may look like markup.
            word = Text(clean_line(self._word), style="dim")
            self._status = Status(word, console=Console(stderr=True))
            self._status.start()

    def end(self) -> None:
        """Take it away again."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __enter__(self) -> waiting:
        self.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
