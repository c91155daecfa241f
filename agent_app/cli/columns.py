"""Rows of a list as lines, their cells one below the other."""

from __future__ import annotations

from collections.abc import Sequence

from agent_app.terminal import clean_line, width


def columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Write rows as lines, the cells of each column but the last made equally wide."""
    cleaned = [[clean_line(cell) for cell in row] for row in rows]
    widths = [max(map(width, column)) for column in zip(*cleaned, strict=True)]
    return [
        "  ".join([*(c + " " * (w - width(c)) for c, w in zip(row[:-1], widths, strict=False)), row[-1]])
        for row in cleaned
    ]
