"""`agent-app report`: a file of answers becomes a page to look at."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agent_app.batch.output import file_at
from agent_app.batch.report import Answers, write_report
from agent_app.batch.report.page import ROWS
from agent_app.errors import BatchError
from agent_app.terminal import stderr

_STDOUT = "-"
_SUFFIXES = (".html", ".htm")


@click.command()
@click.argument("answers", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", metavar="FILE", help="The page [default: the answers' name, with .html]; - is stdout."
)
@click.option("--title", metavar="TEXT", help="The page's title.")
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=ROWS,
    show_default=True,
    metavar="N",
    help="How many rows the table has at most; the totals and the plots are of all.",
)
@click.option("--open", "opened", is_flag=True, help="Show the page in the browser.")
def report(answers: Path, output: str | None, title: str | None, rows: int, opened: bool) -> None:
    """Make a page of HTML of a batch's ANSWERS: totals, plots, and every row with its steps.

    \b
    Examples:
      agent-app report answers.jsonl
      agent-app report answers.jsonl -o report.html --title "Prompt 7, all questions" --open
      agent-app report answers.jsonl.journal -o so-far.html

    The page is one file that fetches nothing and can be sent to somebody. ANSWERS is the JSONL file that a
    batch wrote, or the batch's journal, also while it goes on.

    Exit codes: 0 done; 2 ANSWERS cannot be read, or the page cannot be written.

    See also: agent-app batch.
    """
    if output == _STDOUT:
        if opened:
            raise click.UsageError("--open needs a file; leave out -o -")
        write_report(Answers(answers), sys.stdout.buffer, title=title, rows=rows)
        return
    page = Path(output) if output else file_at(answers).with_suffix(_SUFFIXES[0])
    if page.suffix.lower() not in _SUFFIXES:
        raise BatchError(f"{page}: a page needs a name that ends in {' or '.join(_SUFFIXES)}")
    totals = write_report(Answers(answers), page, title=title, rows=rows)
    stderr().line(f"{page}: {totals.rows:,} rows, {page.stat().st_size / 1e6:,.1f} MB")
    if opened:
        click.launch(page.resolve().as_uri())
