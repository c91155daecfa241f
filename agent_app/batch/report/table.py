"""The rows of the page's table, as JSON that stands in the page and is no HTML whatever a model wrote."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from agent_app.batch.report import scales
from agent_app.batch.report.reading import Answered, Step
from agent_app.batch.report.totals import Totals, calls, outcome, troubles

CHUNK = 100
"""How many rows a block has; the steps of a block are read when one of its rows is opened."""
_LONGEST_TEXT = 20_000
# So that no text can end the block that it stands in, or begin a comment.
_NO_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def blocks(rows: Iterable[tuple[int, Answered]]) -> Iterator[str]:
    """Yield blocks of data: of every so many rows what the table shows, then what an open row shows.

    Args:
        rows: the rows, each with its number, counted from 1.
    """
    for some in _batched(rows, CHUNK):
        yield _block("rows", [_row(number, row) for number, row in some])
        yield _block("details", [_details(row) for _, row in some])


def chosen(rows: Iterable[Answered], totals: Totals, most: int) -> Iterator[tuple[int, Answered]]:
    """Yield the rows that the table has room for, each with its number; those that went wrong come in first.

    Args:
        rows: all rows.
        totals: what they come to.
        most: how many the table has room for.
    """
    wrong = totals.outcomes["failed"] + totals.outcomes["wrong"]
    room = {True: min(wrong, most), False: max(0, most - wrong)}
    for number, row in zip(range(1, totals.rows + 1), rows, strict=False):
        is_wrong = outcome(row) in ("failed", "wrong")
        if room[is_wrong]:
            room[is_wrong] -= 1
            yield number, row


def _row(number: int, row: Answered) -> dict[str, Any]:
    return {
        "n": number,
        "id": row.id,
        "question": _bounded(row.question),
        "status": row.status,
        "outcome": outcome(row),
        "answer": row.answer and _bounded(row.answer),
        "error": row.error and _bounded(row.error),
        "expected": row.expected and _bounded(row.expected),
        "right": row.right,
        "troubles": [f"{kind}: {name}" for kind, name in troubles(row)],
        "tools": list(dict.fromkeys(step.tool for step in row.steps if step.kind == "action")),
        "steps": calls(row),
        "tokens": row.usage.prompt_tokens + row.usage.completion_tokens,
        "seconds": row.seconds,
    }


def _details(row: Answered) -> dict[str, Any]:
    return {"steps": [_step(step, row) for step in row.steps], "facts": list(_facts(row))}


def _step(step: Step, row: Answered) -> dict[str, Any]:
    """Return what a step has; the answer's text is not repeated, as the row has it."""
    shown = step.model_dump(exclude_defaults=True)
    if step.kind == "answer" and step.text == row.answer:
        shown.pop("text", None)
    return {name: _bounded(value) if isinstance(value, str) else value for name, value in shown.items()}


def _facts(row: Answered) -> Iterator[tuple[str, str]]:
    """Yield what else is known of a row, each fact with its name."""
    yield "id", row.id
    if row.status != "missing":
        yield from _taken(row)
    left_out = ", ".join(f"{count:,} {name}" for name, count in row.left_out.items() if count)
    named = {
        "repeat": f"{row.repeat}" if row.repeat > 1 else None,
        "data": row.data,
        "stopped by": row.stopped_by,
        "not shown to the model": left_out or None,
        "judged": None if row.right is None else "right" if row.right else "wrong",
        "judge": row.judge,
        "score": None if row.score is None else scales.number(row.score),
        "judge failed": row.judge_error,
        "vote": row.vote,
        "model": row.model,
        "prompt": f"{row.prompt.name} {row.prompt.version}" if row.prompt else None,
        **row.fields,
    }
    for name, value in named.items():
        if value is not None:
            yield name, _bounded(value)


def _taken(row: Answered) -> Iterator[tuple[str, str]]:
    """Yield what a row took."""
    usage = row.usage
    yield "time", f"{scales.time(row.seconds)} ({scales.time(usage.seconds)} of it model and tools)"
    yield "attempts", f"{row.attempts:,}"
    yield "model calls", f"{usage.calls:,}"
    cached = f" ({usage.cached_tokens:,} from the cache)" if usage.cached_tokens else ""
    yield "tokens", f"{usage.prompt_tokens:,} read{cached}, {usage.completion_tokens:,} written"
    if usage.cost != 0:
        yield "cost", "unknown" if usage.cost is None else scales.money(usage.cost)


def _bounded(text: str) -> str:
    if len(text) <= _LONGEST_TEXT:
        return text
    left = len(text) - _LONGEST_TEXT
    return f"{text[:_LONGEST_TEXT]}\n… {left:,} more characters are in the file of answers"


def _block(name: str, values: list[dict[str, Any]]) -> str:
    data = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character, escape in _NO_HTML.items():
        data = data.replace(character, escape)
    return f'<script type="application/json" class="{name}">{data}</script>\n'


def _batched(rows: Iterable[tuple[int, Answered]], size: int) -> Iterator[tuple[tuple[int, Answered], ...]]:
    rest = iter(rows)
    while some := tuple(islice(rest, size)):
        yield some
