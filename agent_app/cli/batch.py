"""`agent-app batch`: a file of questions becomes a file of answers."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent_app.batch.answers.rejudging import judge_again
from agent_app.batch.journal.journal import SUFFIX
from agent_app.batch.journal.standing import standing
from agent_app.batch.judging.judges import Judge, judge_for
from agent_app.batch.on_ray.files import answers_at, is_ours, is_same, is_there, local_name, rows_at
from agent_app.batch.output import schema
from agent_app.batch.repeating import always_says_the_same, set_temperature
from agent_app.batch.rows import Reading, Rows, rows_of_file, rows_of_stream
from agent_app.cli import batch_ray, options
from agent_app.cli.batch_showing import last_words, showing, standing_lines
from agent_app.cli.fetching import make_sure
from agent_app.cli.showing import print_json_line
from agent_app.cli.waiting import waiting
from agent_app.errors import BatchError
from agent_app.prompt import Prompt, library_folders, load_prompt
from agent_app.prompt.inputs import Value
from agent_app.settings import Settings
from agent_app.terminal import stderr, stdout

if TYPE_CHECKING:
    from agent_app.agent import Agent
    from agent_app.batch.engine import Batch
    from agent_app.batch.running import How
    from agent_app.budget import Budget

_ABOVE_ZERO = click.FloatRange(min=0, min_open=True)
_EXIT_CODES = {"budget": 3, "time": 3, "interrupted": 130}
_STDIO = "-"
_JUDGES = "What says which answers are right: exact, contains, number, number:1%, regex or file.py:function."
_EMBEDDED_AUTO, _EMBEDDED_MOST = 4, 8
"""How many rows the embedded model answers at once; each one needs memory for a context of its own."""


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


class _Concurrency(click.ParamType[int | str]):
    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        if value == "auto":
            return "auto"
        number: int = click.IntRange(min=1).convert(value, param, ctx)
        return number


class _Errors(click.ParamType[float]):
    name = "number or share"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        text = str(value)
        try:
            number = float(text.removesuffix("%")) / 100 if text.endswith("%") else float(int(text))
        except ValueError:
            number = 0
        if not number > 0 or (text.endswith("%") and number >= 1):
            self.fail(f"{value!r} is neither a number of rows above 0 nor a share such as 5%", param, ctx)
        return number


@dataclass(frozen=True, slots=True)
class _Call:
    """What the command was called with."""

    questions: str
    output: str
    journal: Path | None
    kind: Any
    field: str
    id_field: str
    skip_bad: bool
    as_completed: bool
    judge: str
    repeat: int
    vote: bool
    temperature: float | None
    fresh: bool
    accept_change: bool
    retry_errors: bool
    max_errors: float | None
    concurrency: int | str
    rpm: float | None
    tpm: float | None
    max_cost: float | None
    max_tokens: int | None
    max_seconds: float | None
    model: str | None
    prompt: str | None
    tools_dir: Path | None
    prompts_dir: Path | None
    params: tuple[str, ...]
    persona: str | None
    tools: tuple[str, ...]
    no_tools: bool
    max_steps: int | None
    attempts: int | None
    quiet: bool
    yes: bool
    engine: str
    address: str | None
    actors: int | None
    cpus_per_actor: int | None
    worker_env: tuple[str, ...]

    @property
    def on_ray(self) -> bool:
        """Whether the rows are asked on a Ray cluster."""
        return self.engine == "ray"

    @property
    def path(self) -> Path | None:
        """The file of answers; None: they go to stdout."""
        return None if self.output == _STDIO else local_name(self.output)

    @property
    def journal_path(self) -> Path | None:
        """The journal's file: beside the answers, or beside the questions where those go to stdout."""
        beside = self.path or (None if self.questions == _STDIO else local_name(self.questions))
        return self.journal or (None if beside is None else beside.with_name(beside.name + SUFFIX))

    @property
    def how(self) -> How:
        """How the batch is to be run."""
        given = {
            "concurrency": self.concurrency,
            "calls_per_minute": self.rpm,
            "tokens_per_minute": self.tpm,
            "retry_errors": self.retry_errors,
            "max_errors": self.max_errors,
            "max_seconds": self.max_seconds,
            "fresh": self.fresh,
            "accept_change": self.accept_change,
            "repeat": self.repeat,
            "vote": self.vote,
        }
        how: Any = {name: value for name, value in given.items() if value is not None}
        asked: How = how
        return asked


@batch.command("run", short_help="Answer a file of questions.")
@click.argument("questions", metavar="QUESTIONS")
@click.option(
    "-o", "--output", default=_STDIO, metavar="FILE", help="The answers, as JSONL or CSV; - is stdout."
)
@click.option(
    "--journal",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="What a broken run goes on from; by default beside the answers.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["txt", "jsonl", "csv"]),
    help="Of the questions; else their suffix.",
)
@click.option(
    "--field", default="question", show_default=True, metavar="NAME", help="What holds the question."
)
@click.option(
    "--id-field", default="id", show_default=True, metavar="NAME", help="What holds a row's own id."
)
@click.option("--skip-bad", is_flag=True, help="Leave out bad rows instead of refusing the file.")
@click.option("--as-completed", is_flag=True, help="Write each answer when it is there, not in order.")
@click.option(
    "--judge",
    default="auto",
    show_default=True,
    metavar="NAME",
    help=_JUDGES,
)
@click.option(
    "--repeat", type=click.IntRange(min=1), default=1, metavar="N", help="Ask each question so many times."
)
@click.option("--vote", is_flag=True, help="Keep the answer that most repeats agree on.")
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    metavar="T",
    help="How freely the model chooses its words, such as 0.7 [default: the model's own].",
)
@click.option("--fresh", is_flag=True, help="Begin anew; earlier answers are thrown away.")
@click.option("--accept-change", is_flag=True, help="Go on although prompt, model or tools have changed.")
@click.option("--retry-errors", is_flag=True, help="Ask again what failed in an earlier run.")
@click.option("--max-errors", type=_Errors(), metavar="N|N%", help="Stop when so many rows have failed.")
@click.option(
    "--concurrency",
    type=_Concurrency(),
    default="auto",
    show_default=True,
    metavar="N|auto",
    help="Rows at the same time.",
)
@click.option("--rpm", type=_ABOVE_ZERO, metavar="N", help="Calls of the model a minute, at most.")
@click.option("--tpm", type=_ABOVE_ZERO, metavar="N", help="Tokens a minute, at most.")
@click.option("--max-cost", type=_ABOVE_ZERO, metavar="USD", help="What the whole run may cost.")
@click.option("--max-tokens", type=click.IntRange(min=1), metavar="N", help="Tokens the whole run may take.")
@click.option("--max-seconds", type=_ABOVE_ZERO, metavar="S", help="After that, no further row begins.")
@options.together(options.model, options.prompt, options.tools_dir, options.prompts_dir, options.params)
@click.option("--persona", metavar="NAME", help="Another voice for the prompt, such as butler or noir.")
@click.option(
    "-t", "--tool", "tools", multiple=True, metavar="NAME", help="Offer only this tool (repeatable)."
)
@click.option("--no-tools", is_flag=True, help="Offer no tool.")
@click.option("--max-steps", type=click.IntRange(min=1), metavar="N", help="Tool calls a question may take.")
@click.option(
    "--attempts", type=click.IntRange(min=1), metavar="N", help="Attempts a row has when its server fails."
)
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@click.option("-y", "--yes", is_flag=True, help="Fetch the model without asking when it is not here yet.")
@batch_ray.ray_options
def run(**given: Any) -> None:
    """Answer the QUESTIONS of a file (.txt, .jsonl or .csv), or of stdin when that is "-".

    \b
    Examples:
      agent-app batch run questions.jsonl -o answers.jsonl
      agent-app batch questions.csv --field text -o answers.csv -m openai:gpt-4o-mini --max-cost 5
      agent-app batch status answers.jsonl
      agent-app batch schema

    Every answer is in a journal, on the disk, before it counts. However a run ends, the same command goes
    on where it was; what is answered is never asked again. Ctrl-C finishes what is on its way, a second
    one stops at once. The word `run` may be left out.

    Exit codes: 0 all rows are answered; 1 some are not; 2 the call or a setting is wrong; 3 a limit of the
    run ended it early; 130 interrupted.
    """
    call = _Call(**given)
    with batch_ray.connection(call.address) if call.on_ray else contextlib.nullcontext():
        code = _run(call)
    sys.exit(code)


def _run(call: _Call) -> int:
    """Do what the command does, and return its exit code."""
    _check_files(call)
    settings = options.settings(
        model=call.model,
        prompt=call.prompt,
        tools_dir=call.tools_dir,
        prompts_dir=call.prompts_dir,
        max_steps=call.max_steps,
    )
    prompt = load_prompt(settings.prompt, folders=library_folders(settings.prompts_dir), persona=call.persona)
    values = options.values(call.params, prompt)
    judge = judge_for(call.judge)
    rows = _rows(call, prompt, values, judge)
    make_sure(settings, yes=call.yes, prompt=prompt)
    with _opened(call, settings, prompt, rows, {"values": values, "judge": judge}) as (opened, budget):
        asyncio.run(_answered(opened, call, rows, budget))
        ending, tally = opened.progress.ending, opened.tally()
        last_words(opened.progress, tally, rows.census.bad, call.path, stderr(), opened.marking.scores)
        if opened.failure is not None:
            raise opened.failure
    whole = tally["answered"] == tally.total()
    return _EXIT_CODES.get(ending or "", 0 if whole else 1)


@contextlib.contextmanager
def _opened(
    call: _Call, settings: Settings, prompt: Prompt, rows: Rows, given: How
) -> Iterator[tuple[Batch, Budget | None]]:
    """Make the batch ready to run, here or on Ray, and the budget that limits it, if one does."""
    with waiting("loading"):
        from agent_app.batch.engine import PATIENT
        from agent_app.batch.running import open_batch
        from agent_app.budget import Budget

    retry = dataclasses.replace(PATIENT, attempts=call.attempts or max(PATIENT.attempts, settings.attempts))
    how: How = {**call.how, **given, "retry": retry}
    limited = call.max_tokens is not None or call.max_cost is not None
    budget = Budget(call.max_tokens, call.max_cost) if limited else None
    most = call.concurrency if isinstance(call.concurrency, int) else _EMBEDDED_AUTO
    parallel = min(most, _EMBEDDED_MOST)
    if call.on_ray:
        opening = batch_ray.opened(call, settings, prompt, rows, call.journal_path, budget, parallel, how)
        with opening as on_ray:
            yield on_ray, budget
        return
    with waiting("loading"):
        agent = _agent(call, settings, prompt, budget, parallel)
    with open_batch(agent, rows, call.journal_path, **how) as opened:
        yield opened, budget


@batch.command()
@click.argument("file", type=click.Path(path_type=Path))
def status(file: Path) -> None:
    """Say how the batch stands that writes FILE; nothing is changed, and it may go on meanwhile.

    \b
    Examples:
      agent-app batch status answers.jsonl

    Exit codes: 0 all is answered; 1 something is not; 2 there is no such batch.
    """
    journal = file if file.name.endswith(SUFFIX) else file.with_name(file.name + SUFFIX)
    now = standing(journal)
    for line in standing_lines(now):
        stdout().line(line)
    sys.exit(0 if now.answered >= now.questions else 1)


@batch.command("judge")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--judge", default="auto", show_default=True, metavar="NAME", help=_JUDGES)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Where to write [default: FILE]."
)
def judge_file(file: Path, judge: str, output: Path | None) -> None:
    """Judge the answers in FILE again, as JSONL; no model is asked.

    \b
    Examples:
      agent-app batch judge answers.jsonl --judge number:1%
      agent-app batch judge answers.jsonl --judge voice.py:is_pirate -o voice.jsonl

    A Python function is given a row of answers and returns whether it is right, or a score from 0 to 1.
    Where FILE is replaced and its batch is run again, give that the same --judge.

    Exit codes: 0 done; 2 there is no such judge, or FILE is no file of answers.
    """
    scores = judge_again(file, judge_for(judge), output or file)
    for line in scores.lines():
        stderr().line(line)
    if not scores.judged and not scores.errors:
        stderr().line("no row was judged: none has a field `expected` that this judge can use")


@batch.command("schema")
def print_schema() -> None:
    """Print the JSON schema of a row of answers.

    \b
    Examples:
      agent-app batch schema > row.schema.json

    Exit codes: 0 done.
    """
    stdout().write(schema())


def _check_files(call: _Call) -> None:
    """Make sure that no file is overwritten that somebody may want to keep."""
    path, journal = call.path, call.journal_path
    for name in (call.questions, call.output):
        if not call.on_ray and is_ours(name):
            raise BatchError(f"{name}: Parquet, and files that lie elsewhere, take --engine ray")
    if path is not None and is_there(call.output):
        if call.questions != _STDIO and is_same(call.questions, call.output):
            raise BatchError(f"{path} has the questions; the answers need another file")
        if journal is not None and not journal.exists() and not call.fresh:
            raise BatchError(f"{path} is there, but not its journal {journal}; --fresh replaces it")
    if journal is None and not call.quiet:
        stderr().line(
            "nothing is kept to go on from, as this goes from stdin to stdout; --journal FILE keeps it"
        )


def _rows(call: _Call, prompt: Prompt, values: dict[str, Value], judge: Judge) -> Rows:
    inputs = {name: spec for name, spec in prompt.inputs.items() if name not in values}
    reading = Reading(call.field, call.id_field, inputs, judge.check)
    if call.questions == _STDIO:
        return rows_of_stream(sys.stdin.buffer, reading, kind=call.kind, skip_bad=call.skip_bad)
    if call.on_ray and is_ours(call.questions):
        return rows_at(call.questions, reading, kind=call.kind, skip_bad=call.skip_bad)
    return rows_of_file(Path(call.questions), reading, kind=call.kind, skip_bad=call.skip_bad)


def _agent(call: _Call, settings: Settings, prompt: Prompt, budget: Budget | None, parallel: int) -> Agent:
    from agent_app.agent import Agent
    from agent_app.models import load_model
    from agent_app.retrying import Retry

    model = load_model(settings.model, settings=settings, parallel=parallel, soft=prompt.soft_prompts)
    set_temperature(model, call.temperature)
    agent = Agent.from_settings(
        settings,
        model=model,
        prompt=prompt,
        tools=[] if call.no_tools else call.tools or None,
        retry=Retry(attempts=1),  # the engine does that, and goes on where the row was
        budget=budget,
    )
    if call.repeat > 1 and always_says_the_same(model):
        stderr().line(
            f"each question is asked {call.repeat} times, but at temperature 0 a model says hardly "
            "anything else each time; --temperature 0.7 lets it vary"
        )
    return agent.open()


async def _answered(batch: Batch, call: _Call, rows: Rows, budget: Budget | None) -> None:
    """Run the batch and write the answers."""
    gone: BrokenPipeError | None = None
    with _interruptible(batch), _writer(call, rows) as write:
        async with (
            showing(batch.progress, budget, quiet=call.quiet, beside_answers=call.path is None),
            contextlib.aclosing(batch.answers(as_completed=call.as_completed)) as answers,
        ):
            async for answer in answers:
                try:
                    if gone is None:
                        write(answer.to_dict())
                except BrokenPipeError as error:  # what is on its way is paid for, and goes to the journal
                    gone = error
                    batch.stop("failed")
    if gone is not None:
        raise gone


@contextlib.contextmanager
def _writer(call: _Call, rows: Rows) -> Iterator[Callable[[dict[str, Any]], None]]:
    if call.path is None:
        # Ray's own words go where `sys.stdout` points to, which is not to stdout then.
        yield functools.partial(print_json_line, stream=sys.__stdout__ if call.on_ray else None)
        return
    with answers_at(call.output, rows.census.names, whole=not call.as_completed) as file:
        yield file.add


@contextlib.contextmanager
def _interruptible(batch: Batch) -> Iterator[None]:
    """Let Ctrl-C finish what is on its way, and a second one give that up; SIGTERM is like the first."""
    loop, seen = asyncio.get_running_loop(), 0

    def stop() -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            _aborting.append(loop.create_task(batch.abort()))
            return
        batch.stop()
        in_flight = batch.progress.in_flight
        stderr().line(f"finishing what is on its way: {in_flight} rows; Ctrl-C again stops at once")

    def handle(*_: object) -> None:
        loop.call_soon_threadsafe(stop)

    _aborting: list[asyncio.Task[None]] = []
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
