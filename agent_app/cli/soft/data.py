"""`agent-app soft data`: makes the rows that a soft prompt is tuned and measured on."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent_app.errors import UserError
from agent_app.terminal import clean_line, stderr

if TYPE_CHECKING:
    from agent_app.tuning.data import Row

_FILE = click.Path(dir_okay=False, path_type=Path)
_STDOUT = Path("-")


@click.command(short_help="Make rows to tune a soft prompt on.")
@click.option(
    "-o", "--output", required=True, type=_FILE, metavar="FILE", help="The rows, as JSON lines; - is stdout."
)
@click.option("--rows", type=int, metavar="N", help="How many rows to tune on [default: 2500].")
@click.option("--seed", type=int, metavar="N", help="The same seed makes the same rows [default: 0].")
@click.option(
    "-t", "--tool", "tools", multiple=True, metavar="NAME", help="Only this tool, or none; may be repeated."
)
@click.option(
    "--from", "answers", type=_FILE, metavar="ANSWERS", help="Take the runs of a batch instead of templates."
)
@click.option("--right-only", is_flag=True, help="With --from: only answers that hold what was expected.")
def data(
    output: Path,
    rows: int | None,
    seed: int | None,
    tools: tuple[str, ...],
    answers: Path | None,
    right_only: bool,
) -> None:
    """Make questions with runs that answer them: to tune on, to stop the tuning by, and to measure on.

    The questions come from templates, of which no two parts share one. The tools are really run, offline: the
    clock at moments of all kinds, the web search with recorded results. With --from they are the successful
    runs in a file of answers, so that a large model teaches a small one.

    \b
    Examples:
      agent-app soft data -o data.jsonl
      agent-app soft data -o small.jsonl --rows 200 --seed 7 -t calculator
      agent-app soft data -o taught.jsonl --from answers.jsonl --right-only

    Exit codes: 0 done; 2 the call or the file of answers is wrong, or there are too few rows.

    See also: agent-app soft score, agent-app batch.
    """
    from agent_app.tuning.data import TOOLS, make_rows
    from agent_app.tuning.data.taught import rows_of_answers

    if answers is None:
        if right_only:
            raise click.UsageError("--right-only goes with --from")
        made: Sequence[Row] = make_rows(2500 if rows is None else rows, seed=seed or 0, tools=tools or TOOLS)
    else:
        if rows is not None or seed is not None:
            raise click.UsageError("--rows and --seed do not go with --from")
        if output.exists() and answers.exists() and output.samefile(answers):
            raise UserError(
                f"{output} cannot hold both the answers and the rows; name another file for one of them"
            )
        taught = rows_of_answers(answers, tools=tools or None, right_only=right_only)
        stderr().line(taught.summary)
        made = taught.rows
    _write(output, made)


def _write(output: Path, rows: Sequence[Row]) -> None:
    from agent_app.prompt.saving import replace_file
    from agent_app.tuning.data import PARTS, lines_of

    try:
        if output == _STDOUT:
            sys.stdout.write(lines_of(rows))
        else:
            replace_file(output, lines_of(rows))
    except OSError as error:
        raise UserError(f"{output}: cannot write the file: {error.strerror}") from error
    parts = Counter(row.split for row in rows)
    counts = ", ".join(f"{parts[part]:,} {part}" for part in PARTS)
    stderr().line(clean_line(f"{output}: {len(rows):,} rows ({counts})"))
