"""Draws amounts of named things as bars below each other, each with its name above it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent_app.batch.report import svg

_MOST = 8
_LETTERS = 54
"""How many letters there is room for in a line."""
_ROW, _TOP, _TEXT, _BAR, _THICK, _ROUND = 34, 4, 13, 19, 8, 2


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar."""

    label: str
    """What it stands for, whoever named it."""
    value: float
    words: str
    """The value in words."""
    kind: str
    """The class that gives it its colour."""
    failed: float = 0
    """How much of it, at its end, is drawn as failed."""
    link: str | None = None
    """The filter that shows its rows."""


def bars(entries: Sequence[Bar], otherwise: str) -> str:
    """Draw bars; what is beyond the first eight is only counted.

    Args:
        entries: the bars, the longest first.
        otherwise: what to say if there is none.
    """
    if not entries:
        return svg.nothing(otherwise)
    longest = max(entry.value for entry in entries)
    shown = entries[:_MOST]
    parts = [
        svg.group(f"{entry.label}: {entry.words}", _bar(entry, _TOP + n * _ROW, longest), entry.link)
        for n, entry in enumerate(shown)
    ]
    height = _TOP + _ROW * len(shown)
    if len(entries) > len(shown):
        parts.append(svg.text("axis", 0, height + _TEXT, f"and {len(entries) - len(shown):,} more kinds"))
        height += 20
    return svg.drawing(parts, height)


def _bar(entry: Bar, top: float, longest: float) -> Iterator[str]:
    long = max(2.0, entry.value / longest * svg.WIDTH)
    room = _LETTERS - len(entry.words)
    label = entry.label if len(entry.label) <= room else entry.label[: room - 1] + "…"
    yield svg.rect("hit", 0, top, svg.WIDTH, _ROW - 2)
    yield svg.text("label", 0, top + _TEXT, label)
    yield svg.text("axis", svg.WIDTH, top + _TEXT, entry.words, "end")
    yield svg.rect("track", 0, top + _BAR, svg.WIDTH, _THICK, _ROUND)
    yield svg.rect(entry.kind, 0, top + _BAR, long, _THICK, _ROUND)
    if entry.failed:
        bad = entry.failed / entry.value * long
        yield svg.rect("failed", long - bad, top + _BAR, bad, _THICK, _ROUND)
