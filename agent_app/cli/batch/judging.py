"""How answers are judged: the options of that, and `agent-app batch judge`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent_app.batch.answers.rejudging import judge_again
from agent_app.batch.judging.judges import judge_for
from agent_app.batch.repeating import always_says_the_same
from agent_app.cli import options
from agent_app.cli.agents import ABOVE_NONE
from agent_app.cli.batch.call import STDIO
from agent_app.cli.batch.showing import print_row
from agent_app.terminal import stderr

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

_judge = click.option(
    "--judge",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="What says which answers are right: exact, contains, number, number:1%, regex or file.py:function.",
)

judging_options = options.together(
    _judge,
    click.option(
        "--repeat",
        type=ABOVE_NONE,
        default=1,
        metavar="N",
        help="Ask each question so many times.",
    ),
    click.option("--vote", is_flag=True, help="Keep the answer that most repeats agree on."),
    click.option(
        "--temperature",
        type=click.FloatRange(min=0),
        metavar="T",
        help="How freely the model chooses its words, such as 0.7 [default: the model's own].",
    ),
)


def warn_of_repeats(repeat: int, model: BaseChatModel) -> None:
    """Say so where asking the same several times is of little use."""
    if repeat > 1 and always_says_the_same(model):
        stderr().line(
            f"each question is asked {repeat} times, but at temperature 0 a model says hardly "
            "anything else each time; --temperature 0.7 lets it vary"
        )


@click.command("judge")
@click.argument("file", type=click.Path(path_type=Path))
@_judge
@click.option(
    "-o", "--output", metavar="FILE", help="Where to write [default: FILE, which is replaced]; - is stdout."
)
def judge_file(file: Path, judge: str, output: str | None) -> None:
    """Judge the answers in FILE again, as JSONL; no model is asked.

    \b
    Examples:
      agent-app batch judge answers.jsonl --judge number:1%
      agent-app batch judge answers.jsonl --judge voice.py:is_pirate -o voice.jsonl

    A Python function is given a row of answers and returns whether it is right, or a score from 0 to 1.
    Where FILE is replaced and its batch is run again, give that the same --judge.

    Exit codes: 0 done; 2 there is no such judge, or FILE is no file of answers.
    """
    to_stdout = functools.partial(print_row, kept=f"{file} is as it was")
    scores = judge_again(file, judge_for(judge), to_stdout if output == STDIO else Path(output or file))
    for line in scores.lines():
        stderr().line(line)
    if not scores.judged and not scores.errors:
        stderr().line("no row was judged: none has a field `expected` that this judge can use")
