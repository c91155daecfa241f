"""Puts the page together: one file, in which only what this program wrote can run, and nothing is fetched."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import IO

from agent_app.batch.output import part_of
from agent_app.batch.report.reading import Answers
from agent_app.batch.report.summary import facts, outcomes, plots, tiles, warnings
from agent_app.batch.report.table import CHUNK, blocks, chosen
from agent_app.batch.report.totals import Totals
from agent_app.errors import BatchError
from agent_app.paths import place_of
from agent_app.terminal import clean_line

ROWS = 20_000
"""How many rows the table has, if nobody says otherwise; a browser shows them at once, and searches them."""
_HERE = "<!-- rows -->"


def write_report(
    answers: Answers, out: Path | IO[bytes], *, title: str | None = None, rows: int = ROWS
) -> Totals:
    """Write the page.

    The totals and the plots are of all rows. The table has so many of them, those that went wrong before all
    others. Neither is held in memory: the answers are read twice.

    Args:
        answers: what it is made of.
        out: a file, which takes its name only when the page is whole; or a stream.
        title: its title; None: the name of the file of answers.
        rows: how many rows the table may have.

    Returns:
        What the rows come to.

    Raises:
        BatchError: a row is none, there is none at all, or the page cannot be written.
    """
    totals = Totals()
    for row in answers:
        totals.add(row)
    if not totals.rows:
        raise BatchError(f"{answers.path}: there is no row in it")
    page = _page(answers, totals, title or f"Answers in {answers.path.name}", rows)
    if not isinstance(out, Path):
        out.writelines(page)
        return totals
    out = place_of(out)
    part = part_of(out)
    try:
        with part.open("wb") as file:
            file.writelines(page)
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise BatchError(f"cannot write {out}: {error.strerror}") from error
    return totals


def _page(answers: Answers, totals: Totals, title: str, most: int) -> Iterator[bytes]:
    style, script = _asset("report.css"), _asset("report.js")
    changed = datetime.fromtimestamp(answers.path.stat().st_mtime).astimezone()
    about = [*facts(answers, totals), f"{changed:%Y-%m-%d %H:%M}"]
    page = Template(_asset("report.html")).substitute(
        policy=_policy(style, script),
        style=style,
        script=script,
        chunk=CHUNK,
        title=escape(clean_line(title)),
        about="".join(f"<li>{escape(clean_line(fact))}</li>" for fact in about),
        partial=_partial(list(warnings(answers, totals, answers.not_reached()))),
        tiles=tiles(totals),
        outcomes=outcomes(totals),
        plots=plots(totals),
        limited=_limited(totals.rows, most),
    )
    before, after = page.split(_HERE)
    yield before.encode()
    for block in blocks(chosen(answers, totals, most)):
        yield block.encode()
    yield after.encode()


def _asset(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return a policy by which a browser takes this style and this script, and fetches nothing."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _partial(sentences: list[str]) -> str:
    if not sentences:
        return ""
    return f'<p class="partial"><strong>Partial.</strong> {escape(" ".join(sentences))}</p>'


def _limited(rows: int, most: int) -> str:
    if rows <= most:
        return ""
    return (
        f'<p class="limited">The totals and the plots are of all {rows:,} rows. The table has {most:,} of '
        "them: those that failed or were judged wrong, and beside them the first ones.</p>"
    )
