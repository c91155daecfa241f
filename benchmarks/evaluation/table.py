"""Turns the rows of an evaluation into the table that is printed at the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from agent_app.statistics import wilson

Row: TypeAlias = dict[str, Any]

KINDS = ("calc", "word", "lookup", "two-hop", "date", "no-tool", "forged", "unanswerable")
COUNTS = ("model_calls", "tool_calls", "prompt_tokens", "cached_tokens", "completion_tokens", "seconds")


def table(rows: Sequence[Row]) -> str:
    """Return one column per system, one line per measure, and our share of each peer's model calls."""
    systems = list(dict.fromkeys(row["system"] for row in rows))
    columns = {s: [row for row in rows if row["system"] == s] for s in systems}
    lines = [("", *systems), ("questions", *(str(len(c)) for c in columns.values()))]

    def add(name: str, cell: Callable[[list[Row]], str]) -> None:
        lines.append((name, *(cell(c) for c in columns.values())))

    add("right", lambda c: _share(row["right"] for row in c))
    for kind in KINDS:
        if any(row["kind"] == kind for row in rows):
            add(f"  {kind}", lambda c, k=kind: _part([row["right"] for row in c if row["kind"] == k]))  # type: ignore[misc]
    add("pirate voice", lambda c: _share(row["voice"] for row in c))
    add("stopped or failed", lambda c: str(sum(row["status"] != "answered" for row in c)))
    for count in COUNTS:
        add(f"{count.replace('_', ' ')} per question", lambda c, k=count: f"{_total(c, k) / len(c):.1f}")  # type: ignore[misc]
    add("model calls in all", lambda c: f"{_total(c, 'model_calls'):.0f}")
    widths = [max(len(line[i]) for line in lines) for i in range(len(systems) + 1)]
    text = ["  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join(text + _ratios(columns))


def _ratios(columns: dict[str, list[Row]]) -> list[str]:
    """Compare model calls over the questions that both systems of a pair were asked."""
    ours = {row["id"]: row["model_calls"] for row in columns.get("ours", [])}
    lines = []
    for system, rows in columns.items():
        theirs = {row["id"]: row["model_calls"] for row in rows if row["id"] in ours}
        if system == "ours" or not sum(theirs.values()):
            continue
        calls, other = sum(ours[i] for i in theirs), sum(theirs.values())
        lines.append(f"model calls, ours / {system}: {calls} / {other} = {calls / other:.2f}")
    return lines


def _share(hits: Iterable[bool]) -> str:
    found = list(hits)
    low, high = wilson(sum(found), len(found))
    return f"{100 * sum(found) / len(found):.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def _part(hits: list[bool]) -> str:
    return f"{sum(hits)}/{len(hits)}"


def _total(rows: list[Row], key: str) -> float:
    return math.fsum(row[key] for row in rows)
