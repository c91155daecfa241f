"""A rich console that writes no text but what has passed the sanitiser.

What rich makes of a clean text need not be clean any more: Markdown turns ``&#x202e;`` and ``%1b`` in a
link into the characters themselves. So every piece is cleaned once more where it leaves rich.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from agent_app.terminal import clean


class SafeConsole(Console):
    """Writes clean text, in styles but without links, whatever it is given to render.

    Args:
        stream: where it goes.
        more: what else rich's console takes.
    """

    def __init__(self, stream: TextIO | None = None, **more: Any) -> None:
        super().__init__(file=stream, markup=False, emoji=False, highlight=False, **more)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, each piece of text cleaned and without a link (OSC 8)."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            if control:
                yield segment
            else:
                yield Segment(clean(text), style.update_link(None) if style and style.link else style)
