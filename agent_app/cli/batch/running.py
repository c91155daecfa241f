"""`agent-app batch run`: asks what has no answer yet, and writes the answers."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import itertools
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent_app.batch.judging.judges import Judge, judge_for
from agent_app.batch.judging.marking import Marking
from agent_app.batch.on_ray.files import answers_at, is_ours, is_remote, is_same, is_there, rows_at
from agent_app.batch.output import KEPT, file_at
from agent_app.batch.repeating import set_temperature
from agent_app.batch.rows import Reading, Rows, check_values, rows_of_file, rows_of_stream
from agent_app.cli import options
from agent_app.cli.agents import basic_options, fallbacks, max_steps
from agent_app.cli.batch import on_ray
from agent_app.cli.batch.call import STDIO, Call, effort_options, file_options, run_options
from agent_app.cli.batch.judging import judging_options, warn_of_repeats
from agent_app.cli.batch.showing import last_words, print_row, showing
from agent_app.cli.fetching import make_sure
from agent_app.cli.waiting import waiting
from agent_app.errors import BatchError, DiskFull
from agent_app.paths import place_of
from agent_app.prompt import Prompt
from agent_app.prompt.inputs import Value
from agent_app.settings import Settings
from agent_app.terminal import stderr

if TYPE_CHECKING:
    from agent_app.agent import Agent
    from agent_app.batch.engine import Batch
    from agent_app.batch.running import How
    from agent_app.budget import Budget
    from agent_app.retrying import Retry

_EXIT_CODES = {"budget": 3, "time": 3, "interrupted": 130}
_EMBEDDED_AUTO, _EMBEDDED_MOST = 4, 8
"""How many rows the embedded model answers at once; each one needs memory for a context of its own."""


@click.command("run", short_help="Answer a file of questions.")
@file_options
@judging_options
@run_options
@basic_options
@fallbacks
@max_steps
@effort_options
@options.yes
@on_ray.ray_options
def run(**given: Any) -> None:
    """Answer the QUESTIONS of a file (.txt, .jsonl, .csv or .tsv), or of stdin when that is "-".

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
    sys.exit(_run(Call(**given)))


def _run(call: Call) -> int:
    """Do what the command does, and return its exit code."""
    on_ray.check_options(call)
    _check_files(call)
    judge = judge_for(call.judge)
    Marking(judge, call.repeat, vote=call.vote)  # complains of a vote of one
    settings = call.settings()
    prompt, values = call.loaded_prompt(settings)
    rows = _rows(call, prompt, values, judge)
    check_values(prompt, values, rows)
    make_sure(settings, yes=call.yes, prompt=prompt)
    with _opened(call, settings, prompt, rows, {"values": values, "judge": judge}) as (opened, budget):
        asyncio.run(_answered(opened, call, budget))
        ending, tally = opened.progress.ending, opened.tally()
        last_words(opened.progress, tally, rows.census.bad, call.path, stderr(), opened.marking.scores)
        if opened.failure is not None:
            raise opened.failure
    whole = tally["answered"] == tally.total()
    return _EXIT_CODES.get(ending or "", 0 if whole else 1)


@contextlib.contextmanager
def _opened(
    call: Call, settings: Settings, prompt: Prompt, rows: Rows, given: How
) -> Iterator[tuple[Batch, Budget | None]]:
    """Make the batch ready to run, here or on Ray, and the budget that limits it, if one does."""
    with waiting("loading"):
        from agent_app.batch.engine import PATIENT
        from agent_app.batch.running import open_batch
        from agent_app.batch.taking_over import who_tries
        from agent_app.budget import Budget

    retry = dataclasses.replace(PATIENT, attempts=call.attempts or max(PATIENT.attempts, settings.attempts))
    tries = who_tries(retry, call.fallbacks)
    how: How = {**call.how, **given, "retry": tries.row}
    limited = call.max_tokens is not None or call.max_cost is not None
    budget = Budget(call.max_tokens, call.max_cost) if limited else None
    most = call.concurrency if isinstance(call.concurrency, int) else _EMBEDDED_AUTO
    parallel = min(most, _EMBEDDED_MOST)
    if call.on_ray:
        opening = on_ray.opened(call, settings, prompt, rows, call.journal_path, budget, parallel, tries, how)
        with opening as opened_there:
            yield opened_there, budget
        return
    with waiting("loading"):
        agent = _agent(call, settings, prompt, budget, parallel, tries.model)
    with open_batch(agent, rows, call.journal_path, **how) as opened:
        yield opened, budget


def _check_files(call: Call) -> None:
    """Make sure that no file is overwritten that somebody may want to keep."""
    path, journal = call.path, call.journal_path
    _check_places(call)
    for name in (call.questions, call.output):
        if not call.on_ray and is_ours(name):
            raise BatchError(f"{name}: folders, Parquet, and files that lie elsewhere, take --engine ray")
    for (one, name), (other, same) in itertools.combinations(call.files.items(), 2):
        if is_same(name, same):
            raise BatchError(f"{same} cannot hold both {one} and {other}; name another file for one of them")
    is_new = journal is not None and not journal.exists()
    if path is not None and is_there(call.output) and is_new and not call.fresh:
        raise BatchError(f"{path} is there, but not its journal {journal}; --fresh replaces it")
    if journal is None and not call.quiet:
        source = "stdin" if call.questions == STDIO else call.questions
        stderr().line(
            f"nothing is kept to go on from, as this goes from {source} to stdout; --journal FILE keeps it"
        )


def _check_places(call: Call) -> None:
    """Make sure that answers and journal can lie where they are to."""
    path = None if is_remote(call.output) else call.path
    if path is not None:
        file_at(path)
        if not call.as_completed:
            place_of(path)
    for file in (path, call.journal_path):
        if file is not None and not file.parent.is_dir():
            raise BatchError(f"cannot write {file}: there is no folder {file.parent}; make it")


def _rows(call: Call, prompt: Prompt, values: dict[str, Value], judge: Judge) -> Rows:
    inputs = {name: spec for name, spec in prompt.inputs.items() if name not in values}
    reading = Reading(call.field, call.id_field, inputs, judge.check)
    if call.questions == STDIO:
        return rows_of_stream(sys.stdin.buffer, reading, kind=call.kind, skip_bad=call.skip_bad)
    if call.on_ray and is_ours(call.questions):
        return rows_at(call.questions, reading, kind=call.kind, skip_bad=call.skip_bad)
    return rows_of_file(Path(call.questions), reading, kind=call.kind, skip_bad=call.skip_bad)


def _agent(
    call: Call, settings: Settings, prompt: Prompt, budget: Budget | None, parallel: int, retry: Retry
) -> Agent:
    from agent_app.agent import Agent
    from agent_app.batch.taking_over import those_that_take_over
    from agent_app.models import load_model

    model = load_model(settings.model, settings=settings, parallel=parallel, soft=prompt.soft_prompts)
    set_temperature(model, call.temperature)
    agent = Agent.from_settings(
        settings,
        model=model,
        prompt=prompt,
        tools=[] if call.no_tools else call.tools or None,
        fallbacks=those_that_take_over(call.fallbacks, settings, prompt, call.temperature),
        retry=retry,
        budget=budget,
    )
    warn_of_repeats(call.repeat, model)
    return agent.open()


async def _answered(batch: Batch, call: Call, budget: Budget | None) -> None:
    """Run the batch and write the answers."""
    gone: BrokenPipeError | DiskFull | None = None
    with _interruptible(batch), _writer(call, batch.names) as write:
        async with (
            showing(batch.progress, budget, quiet=call.quiet, beside_answers=call.path is None),
            contextlib.aclosing(batch.answers(as_completed=call.as_completed)) as answers,
        ):
            async for answer in answers:
                try:
                    if gone is None:
                        write(answer.to_dict())
                except (BrokenPipeError, DiskFull) as error:
                    gone = error  # what is on its way is paid for, and goes to the journal
                    batch.stop("failed")
    if gone is not None:
        raise gone


@contextlib.contextmanager
def _writer(call: Call, names: Iterable[str]) -> Iterator[Callable[[dict[str, Any]], None]]:
    if call.path is None:
        kept = KEPT if call.journal_path else "nothing is kept of the answers"
        # Ray's own words go where `sys.stdout` points to, which is not to stdout then.
        yield functools.partial(print_row, kept=kept, stream=sys.__stdout__ if call.on_ray else None)
        return
    with answers_at(call.output, names, whole=not call.as_completed) as file:
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
