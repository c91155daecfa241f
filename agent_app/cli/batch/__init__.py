"""`agent-app batch`: a file of questions becomes a file of answers."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agent_app.batch.journal.index import is_journal
from agent_app.batch.journal.journal import SUFFIX
from agent_app.batch.journal.standing import standing
from agent_app.batch.output import file_at, schema
from agent_app.cli.batch.judging import judge_file
from agent_app.cli.batch.running import run
from agent_app.cli.batch.showing import standing_lines
from agent_app.terminal import stdout


class _Default(click.Group):
    """A group whose first argument is a file, unless it is the name of a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, "-h", "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Default)
def batch() -> None:
    """Answer a file of questions, however often the run is broken off.

    \b
    Examples:
      agent-app batch questions.jsonl -o answers.jsonl
      agent-app batch status answers.jsonl

    Exit codes: 0 all rows are answered; 1 some are not; 2 the call or a setting is wrong; 3 a limit of the
    run ended it early; 130 interrupted.

    See also: agent-app help batch run, which has the options.
    """


@batch.command()
@click.argument("file", type=click.Path(path_type=Path))
def status(file: Path) -> None:
    """Say how the batch stands that writes FILE; nothing is changed, and it may go on meanwhile.

    FILE is the file of answers, also while it is not there yet, or the batch's journal.

    \b
    Examples:
      agent-app batch status answers.jsonl

    Exit codes: 0 all is answered; 1 something is not; 2 there is no such batch.
    """
    is_itself = file.name.endswith(SUFFIX) or is_journal(file_at(file))
    now = standing(file if is_itself else file.with_name(file.name + SUFFIX))
    for line in standing_lines(now):
        stdout().line(line)
    sys.exit(0 if now.answered >= now.questions else 1)


@batch.command("schema")
def print_schema() -> None:
    """Print the JSON schema of a row of answers.

    \b
    Examples:
      agent-app batch schema > row.schema.json

    Exit codes: 0 done.
    """
    stdout().write(schema())


batch.add_command(run)
batch.add_command(judge_file)
