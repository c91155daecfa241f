"""`agent-app compare`: what two files of answers have to do with each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from agent_app.batch.answers.asked import Side
from agent_app.batch.answers.comparing import Change, Comparison, Difference
from agent_app.batch.answers.comparing import compare as compared
from agent_app.cli.columns import columns
from agent_app.cli.showing import print_json_line
from agent_app.terminal import clean_line, stdout

_FILE = click.Path(path_type=Path)
_LONGEST = 200
"""How many characters of an answer are shown."""
_ENOUGH = 0.05
_FORMS = {"right": "{:.1%}", "tokens": "{:,.0f}", "seconds": "{:,.2f}", "cost": "${:,.6f}"}
_POINTS = "{:.1f}"
"""Shares differ by points, each of them 1 % of all."""


@click.command(short_help="Compare two files of answers, such as those of two prompts.")
@click.argument("a", type=_FILE)
@click.argument("b", type=_FILE)
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    metavar="N",
    help="How many changed rows are shown; those that became wrong come first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def compare(a: Path, b: Path, rows: int, as_json: bool) -> None:
    """Compare the answers A with the answers B to the same questions, question by question.

    \b
    Examples:
      agent-app compare pirate.jsonl butler.jsonl
      agent-app compare --rows 100 before.jsonl after.jsonl
      agent-app compare --json before.jsonl after.jsonl

    Both files are JSONL as `agent-app batch` writes it; questions belong together by their ids. Whether B
    is right more often than A is tested exactly (McNemar); intervals are 95 % ones of the difference
    between two answers to the same question.

    Exit codes: 0 done; 2 a file is none of answers, or they have no question in common.
    """
    found = compared(a, b, most=rows)
    if as_json:
        print_json_line(found.to_dict())
        return
    for line in _lines(found):
        stdout().line(line)


def _lines(found: Comparison) -> Iterator[str]:
    yield f"A {_described(found.a)}"
    yield f"B {_described(found.b)}"
    yield f"{found.both:,} questions are in both{_not_in_both(found)}"
    yield ""
    yield from columns(list(_table(found)))
    yield ""
    if found.right is not None:
        yield _judgement(found, found.right)
    yield _counted(found)
    for change in found.changes:
        yield ""
        yield from _shown(change)


def _described(side: Side) -> str:
    parts = [clean_line(side.name), f"{side.questions:,} questions"]
    parts += [f"{side.statuses[name]:,} {name}" for name in ("failed", "missing") if name in side.statuses]
    parts += [f"prompt {_names(side.prompts)}", f"model {_names(side.models)}"]
    return ", ".join(parts)


def _names(counted: Mapping[str, int]) -> str:
    return " and ".join(map(clean_line, sorted(counted))) or "unknown"


def _not_in_both(found: Comparison) -> str:
    alone = [(side.questions - found.both, name) for side, name in ((found.a, "A"), (found.b, "B"))]
    said = ", ".join(f"{number:,} only in {name}" for number, name in alone if number)
    return f"; {said}" if said else ""


def _table(found: Comparison) -> Iterator[tuple[str, ...]]:
    yield "a question", "A", "B", "B - A", "95 % interval", "questions"
    differences = {"right": found.right, **found.measures}
    for name, one in differences.items():
        if one is None or (name == "cost" and not one.a and not one.b):
            continue
        form = _FORMS[name]
        step, unit, size = (_POINTS, " points", 100) if name == "right" else (form, "", 1)
        ends = [_signed(step, size * end) for end in one.interval or ()]
        interval = " to ".join(ends) + unit if ends else "-"
        difference = _signed(step, size * (one.b - one.a)) + unit
        yield name, form.format(one.a), form.format(one.b), difference, interval, f"{one.questions:,}"


def _signed(form: str, value: float) -> str:
    told = form.format(abs(value))
    return ("-" if value < 0 and any(digit in told for digit in "123456789") else "+") + told


def _judgement(found: Comparison, right: Difference) -> str:
    if right.p is None:
        return "One question says nothing about which is right more often."
    if right.p >= _ENOUGH:
        verdict = "Which is right more often cannot be told from these"
    else:
        verdict = f"{'B' if right.b > right.a else 'A'} is right more often"
    beside = ""
    if found.pairs is not None:
        beside = f", {found.pairs.only_first:,} right only in A, {found.pairs.only_second:,} only in B"
    return f"{verdict}: p = {right.p:.2g} ({right.test} test{beside})."


def _counted(found: Comparison) -> str:
    counts = found.counts
    said = ", ".join(f"{number:,} {kind}" for kind, number in counts.items() if number)
    if not said:
        return "No row has changed."
    shown = len(found.changes)
    some = f"; the first {shown:,} of them" if 0 < shown < sum(counts.values()) else ""
    return f"Changed: {said}{some}"


def _shown(change: Change) -> Iterator[str]:
    yield f"{clean_line(change.id)}: {change.kind}: {_short(change.question)}"
    yield f"  A: {_said(change.a)}"
    yield f"  B: {_said(change.b)}"


def _said(row: dict[str, Any]) -> str:
    return _short(row["answer"] if row["status"] == "answered" else f"({row['status']}: {row['error']})")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return clean_line(line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…")
