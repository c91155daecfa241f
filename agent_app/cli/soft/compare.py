"""`agent-app soft compare`: hard prompts, soft prompts and LoRA on the same data, with a report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent_app.cli import completing, options
from agent_app.cli.waiting import waiting
from agent_app.errors import TuningError
from agent_app.terminal import clean_line, stderr, stdout
from agent_app.tuning.comparing.systems import SIZES, SYSTEMS, USUAL, Task, tasks
from agent_app.tuning.extra import need_extra

if TYPE_CHECKING:
    from agent_app.tuning.comparing.measuring import Setup

_FILE = click.Path(dir_okay=False, path_type=Path)
_COUNT = click.IntRange(min=1)


def _sizes(_: object, __: object, given: str) -> tuple[int, ...]:
    if given == "none":
        return ()
    try:
        return tuple(int(size) for size in given.split(",") if size.strip())
    except ValueError:
        raise click.BadParameter(f"{given!r} is no list of numbers such as 10,30,100") from None


_effort = options.together(
    click.option("--steps", type=_COUNT, default=80, help="Of each tuning, at most [default: 80]."),
    click.option("--batch", type=_COUNT, default=4, help="Rows in a step [default: 4]."),
    click.option("--passes", type=_COUNT, default=10, help="How often a row is read at most [default: 10]."),
    click.option(
        "--minutes-each",
        type=click.FloatRange(min=0, min_open=True),
        metavar="M",
        help="Of each tuning, at most [default: as long as the steps take].",
    ),
    click.option("--bfloat16", is_flag=True, help="Tune with fewer bits, faster where the processor can."),
)


@click.command(short_help="Compare hard prompts, soft prompts and LoRA.")
@click.argument("file", type=_FILE)
@click.option("-o", "--output", type=_FILE, metavar="FILE", default="hard-vs-soft.md", help="The report.")
@click.option(
    "--work",
    type=click.Path(file_okay=False, path_type=Path),
    default="comparison",
    metavar="FOLDER",
    help="Where measured cells are kept [default: comparison].",
)
@click.option(
    "-m",
    "--model",
    metavar="NAME",
    default="smollm2-135m",
    shell_complete=completing.pinned,
    help="The frozen model [default: smollm2-135m].",
)
@click.option(
    "--systems",
    default=",".join(USUAL),
    metavar="LIST",
    help=f"Some of {','.join(SYSTEMS)} [default: all but shipped, which is tuned for one model].",
)
@click.option("--seeds", type=_COUNT, default=3, help="Of each system that learns [default: 3].")
@click.option(
    "--curve",
    default=",".join(map(str, SIZES)),
    callback=_sizes,
    metavar="LIST",
    help=f"Examples that LoRA learns from, with and without the hard prompt; or none "
    f"[default: {','.join(map(str, SIZES))}].",
)
@click.option("--curve-seeds", type=_COUNT, default=1, help="Of each point of the curves [default: 1].")
@click.option("--rows", type=_COUNT, default=60, help="Of the test part that are scored [default: 60].")
@click.option("--timed", type=_COUNT, default=12, help="Of these, those that are timed [default: 12].")
@_effort
@click.option("--parallel", type=click.IntRange(1, 16), default=4, help="Rows scored at once [default: 4].")
@click.option(
    "--threads", type=options.THREADS, help="Threads to use [default: as torch and llama.cpp have it]."
)
@click.option("--report-only", is_flag=True, help="Make the report of what has been measured, and no more.")
def compare(file: Path, output: Path, work: Path, curve: tuple[int, ...], **given: Any) -> None:
    """Compare ways to have a small model make an agent's moves, on the rows in FILE, and write a report.

    Hard prompts, hard prompts with examples, soft prompts of several sizes and both methods, both together,
    and LoRA: each is tuned on the train part if it learns, served by llama.cpp with the grammar, and scored
    on the same rows of the test part. What has been measured is kept in the folder --work: the same command
    goes on where it was stopped, and --report-only makes the report anew. It needs the extra `soft`.

    \b
    Examples:
      agent-app soft compare rows.jsonl -o docs/hard-vs-soft.md
      agent-app soft compare rows.jsonl --steps 1000 --seeds 5
      agent-app soft compare rows.jsonl --systems hard,soft-50 --curve none --rows 20 --seeds 1

    Exit codes: 0 done; 2 the call, the data or the model is wrong; 130 interrupted, which loses one cell.

    Environment: AGENT_APP_MODEL_DIR.

    See also: agent-app soft data, agent-app soft train, agent-app soft score.
    """
    need_extra()
    from agent_app.tuning.comparing.cells import Cells
    from agent_app.tuning.comparing.report import write_report

    names = [name.strip() for name in given["systems"].split(",") if name.strip()]
    wanted = tasks(names, given["seeds"], curve, given["curve_seeds"])
    if not given["report_only"]:
        _measure(file, work, wanted, given)
    write_report(output, Cells(work).all(), command=_command(file, output, work, curve, given))
    stdout().line(clean_line(str(output)))


def _measure(file: Path, work: Path, wanted: tuple[Task, ...], given: dict[str, Any]) -> None:
    from agent_app.tuning.comparing.measuring import measure

    if given["threads"] is not None:
        import torch

        torch.set_num_threads(given["threads"])
    with waiting("loading"):
        setup = _setup(file, wanted, given)
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TuningError(f"{work}: the folder cannot be made: {error.strerror}") from error
    began = time.monotonic()
    for cell in measure(wanted, setup, work, lambda line: stderr().line(clean_line(line))):
        tool, right = (cell.share(name) or 0.0 for name in ("tool", "input"))
        minutes = (time.monotonic() - began) / 60
        stderr().line(f"{cell.task.key}: right tool {tool:.0%}, right input {right:.0%} ({minutes:.0f} min)")


def _setup(file: Path, wanted: tuple[Task, ...], given: dict[str, Any]) -> Setup:
    from agent_app.prompt import load_prompt
    from agent_app.soft_prompt.derived import check_base
    from agent_app.tuning.comparing.learning import Effort, chosen
    from agent_app.tuning.comparing.measuring import Setup
    from agent_app.tuning.data import TOOLS, DataError, read_rows
    from agent_app.tuning.frozen import load_frozen
    from agent_app.tuning.traces import LEAST_TRAIN

    rows = read_rows(file, tools=TOOLS)
    train, test = ([row for row in rows if row.split == part] for part in ("train", "test"))
    if len(train) < LEAST_TRAIN or not test:
        raise DataError(
            f"{file}: it has {len(train)} rows of the part 'train' and {len(test)} of 'test'; a comparison "
            f"takes {LEAST_TRAIN} or more, and 1 or more"
        )
    for task in wanted:
        chosen(train, task.examples, task.seed)
    scored = test if given["rows"] >= len(test) else _spread(test, given["rows"])
    effort = Effort(given["steps"], given["batch"], given["passes"], given["minutes_each"], given["bfloat16"])
    settings = options.settings(threads=given["threads"])
    frozen = load_frozen(given["model"], settings)
    for task in wanted:
        if task.system.method is None and (soft := load_prompt(task.system.file).soft):
            check_base(soft, frozen.sha256, frozen.name)
    return Setup(
        frozen=frozen,
        train=train,
        test=scored,
        data=file,
        effort=effort,
        timed=min(given["timed"], len(scored)),
        parallel=given["parallel"],
        settings=settings,
    )


def _spread(rows: list[Any], count: int) -> list[Any]:
    return [rows[number * len(rows) // count] for number in range(count)]


def _command(file: Path, output: Path, work: Path, curve: tuple[int, ...], given: dict[str, Any]) -> str:
    """Return the call that measures what the report tells, with all that was not left at its default."""
    parts = ["agent-app soft compare", str(file), "-o", str(output), "--work", str(work)]
    told = {**given, "curve": ",".join(map(str, curve)) or "none"}
    for option in compare.params:
        name = option.name or ""
        if name in told and name != "report_only" and told[name] not in (None, option.default):
            parts += [option.opts[-1], *([] if told[name] is True else [str(told[name])])]
    return " ".join(parts)
