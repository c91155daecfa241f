"""`agent-app soft score`: how well a prompt on a model makes the moves of an agent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from agent_app.cli import options
from agent_app.cli.columns import columns
from agent_app.cli.fetching import make_sure
from agent_app.cli.showing import print_json_line
from agent_app.cli.soft.counting import counting
from agent_app.cli.waiting import waiting
from agent_app.prompt import Prompt, library_folders, load_prompt
from agent_app.steps import Action, step_to_dict
from agent_app.terminal import clean_line, stdout

if TYPE_CHECKING:
    from agent_app.settings import Settings
    from agent_app.steps import Step
    from agent_app.tuning.data import Row
    from agent_app.tuning.metrics import Scores
    from agent_app.tuning.runs import Runs


@click.command(short_help="Measure a prompt on rows of data.")
@click.argument("file", type=click.Path(path_type=Path))
@options.together(options.model, options.prompt, options.prompts_dir)
@click.option(
    "--part",
    type=click.Choice(["train", "dev", "test", "all"]),
    default="test",
    show_default=True,
    help="Of the rows.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="No more rows than this, evenly spread."
)
@click.option("--whole", is_flag=True, help="Ask each question from beginning to end as well.")
@click.option("--mistakes", is_flag=True, help="Show each wrong move beside the recorded one.")
@click.option("--no-grammar", is_flag=True, help="Let the model write what it likes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@options.yes
def score(file: Path, part: str, limit: int | None, **given: Any) -> None:
    """Measure how well a prompt on a model makes the moves of the rows in FILE.

    Each move is asked for after the recorded steps before it: does the reply parse, is it the right tool with
    the right input, does the final answer hold what was observed, and does a pirate give it? Shares stand
    with their 95 % intervals. No tool is run and no network is used.

    \b
    Examples:
      agent-app soft score data.jsonl -m embedded:smollm2-135m -p pirate --limit 60
      agent-app soft score data.jsonl -m embedded:smollm2-135m -p pirate-soft --mistakes
      agent-app soft score data.jsonl -m embedded:smollm2-135m -p pirate-soft --whole --json

    Exit codes: 0 done; 2 the call or the data is wrong; 130 interrupted.

    Environment: AGENT_APP_MODEL, AGENT_APP_PROMPT and the other settings.

    See also: agent-app soft data.
    """
    from agent_app.tuning.data import TOOLS, DataError, read_rows, spread

    rows = [row for row in read_rows(file, tools=TOOLS) if part in ("all", row.split)]
    if not rows:
        raise DataError(f"{file}: it has no row of the part {part!r}; --part takes another one")
    asked = options.settings(model=given["model"], prompt=given["prompt"], prompts_dir=given["prompts_dir"])
    prompt = load_prompt(asked.prompt, folders=library_folders(asked.prompts_dir))
    make_sure(asked, yes=given["yes"], prompt=prompt)
    scores, runs = _measured(
        asked, prompt, spread(rows, limit), whole=given["whole"], grammar=not given["no_grammar"]
    )
    if given["as_json"]:
        whole = {} if runs is None else {"whole": runs.to_dict()}
        wrong = {"mistakes": _mistakes_as_data(scores)} if given["mistakes"] else {}
        print_json_line({"model": asked.model, "prompt": asked.prompt, **scores.to_dict(), **whole, **wrong})
        return
    wrong_lines = _mistake_lines(scores) if given["mistakes"] else ()
    for line in (*wrong_lines, *_lines(scores), *(_whole_lines(runs) if runs else ())):
        stdout().line(line)


def _measured(
    settings: Settings, prompt: Prompt, rows: Sequence[Row], *, whole: bool, grammar: bool
) -> tuple[Scores, Runs | None]:
    from agent_app.agent import Agent
    from agent_app.models import load_model
    from agent_app.tuning import metrics, runs

    tools = runs.RecordedTools()
    with waiting("loading"):
        model = load_model(settings.model, settings=settings, soft=prompt.soft_prompts)
        if not grammar:
            model = metrics.without_grammar(model)
        agent = Agent(model, prompt, tools.tools, settings=settings).open()
    with counting(len(rows), "rows", "moves") as advance:
        scores = metrics.score(rows, metrics.moves_of(agent), advance)
    if not whole:
        return scores, None
    with counting(len(rows), "rows", "runs") as advance:
        return scores, runs.ask(rows, agent, tools, advance)


def _lines(scores: Scores) -> list[str]:
    from agent_app.tuning.metrics import MEASURES, Measure

    names: tuple[Measure, ...] = get_args(Measure)
    rows = [("", "all", *scores.kinds)]
    for name in names:
        of_kinds = [scores.share(name, kind) for kind in scores.kinds]
        parts = [f"{share.hits}/{share.of}" if share.of else "-" for share in of_kinds]
        rows.append((MEASURES[name], str(scores.share(name)), *parts))
    return [*columns(rows), f"{scores.seconds_per_move:.2f} s for a move (median)"]


def _whole_lines(runs: Runs) -> list[str]:
    one = runs.seconds_of_one_call
    return [
        f"whole runs: right {runs.right}; pirate voice {runs.voice}",
        f"{runs.seconds:.2f} s for a question (median)"
        + (f", {one:.2f} s with one call of a tool" if one else ""),
    ]


def _mistakes_as_data(scores: Scores) -> list[dict[str, Any]]:
    return [
        {
            "id": row.id,
            "question": row.question,
            "missed": mistake.missed,
            "wanted": step_to_dict(mistake.wanted),
            "made": step_to_dict(mistake.made),
        }
        for row, mistake in scores.mistakes
    ]


def _mistake_lines(scores: Scores) -> Iterator[str]:
    from agent_app.tuning.metrics import MEASURES

    for row, mistake in scores.mistakes:
        yield clean_line(f"{row.id}: {row.question}")
        yield from columns(
            [
                ("  missed", ", ".join(MEASURES[measure] for measure in mistake.missed)),
                ("  wanted", _in_words(mistake.wanted)),
                ("  made", _in_words(mistake.made)),
            ]
        )
        yield ""


def _in_words(step: Step) -> str:
    from agent_app.tuning.same import input_text

    return f"{step.tool}: {input_text(step.input)}" if isinstance(step, Action) else step.text
