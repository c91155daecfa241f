"""`agent-app soft data`: makes the rows that a soft prompt is tuned and measured on."""

from __future__ import annotations

from pathlib import Path

import click

from agent_app.errors import UserError
from agent_app.terminal import clean_line, stderr

_ROWS = 2500


@click.command(short_help="Make rows to tune a soft prompt on.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where the rows go, as JSON lines.",
)
@click.option(
    "--rows", type=click.IntRange(min=1), default=_ROWS, show_default=True, help="How many rows to tune on."
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Of the luck; the same seed makes the same rows."
)
@click.option(
    "-t",
    "--tool",
    "tools",
    multiple=True,
    metavar="NAME",
    help="Only questions for this tool, and for none; may be repeated.",
)
def data(output: Path, rows: int, seed: int, tools: tuple[str, ...]) -> None:
    """Make questions with the runs that answer them, from templates, and really run the tools."""
    from agent_app.prompt.saving import replace_file
    from agent_app.tuning.data import TOOLS, lines_of, make_rows

    made = make_rows(rows, seed=seed, tools=tools or TOOLS)
    try:
        replace_file(output, lines_of(made))
    except OSError as error:
        raise UserError(f"{output}: cannot write the file: {error.strerror}") from error
    stderr().line(clean_line(f"{output}: {len(made):,} rows"))
