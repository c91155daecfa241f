"""The pieces that plots are drawn from; their colours come from classes of the page's style."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

WIDTH = 400
"""Of every plot, in units of which a letter is about 11 high."""


def drawing(parts: Iterable[str], height: float) -> str:
    """Return a whole drawing."""
    return f'<svg viewBox="0 0 {WIDTH} {height:g}" role="group">{"".join(parts)}</svg>'


def rect(kind: str, x: float, y: float, width: float, height: float, rx: float = 0) -> str:
    """Draw a rectangle."""
    corners = f' rx="{rx:g}"' if rx else ""
    size = f'x="{x:.4g}" y="{y:.4g}" width="{width:.4g}" height="{height:.4g}"'
    return f'<rect class="{kind}" {size}{corners}/>'


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """Draw a line."""
    return f'<line class="{kind}" x1="{x1:.4g}" y1="{y1:.4g}" x2="{x2:.4g}" y2="{y2:.4g}"/>'


def text(kind: str, x: float, y: float, words: str, anchor: str = "start") -> str:
    """Write words, whoever wrote them."""
    at = f'x="{x:.4g}" y="{y:.4g}"'
    return f'<text class="{kind}" {at} text-anchor="{anchor}">{escape(words)}</text>'


def group(title: str, parts: Iterable[str], link: str | None = None) -> str:
    """Put parts together that have a title in common, which is shown when they are pointed at.

    Args:
        title: the title, whoever wrote it.
        parts: the parts.
        link: where on the page a click leads to, without the ``#``; None: it is no link.
    """
    inside = f"<title>{escape(title)}</title>{''.join(parts)}"
    return f"<g>{inside}</g>" if link is None else f'<a href="#{escape(link)}">{inside}</a>'


def nothing(words: str) -> str:
    """Say in the place of a plot that there is nothing to draw."""
    return f'<p class="nothing">{escape(words)}</p>'
