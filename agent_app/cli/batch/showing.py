"""A batch at the terminal: a bar while it runs, or a line a minute, and what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, TextIO

from agent_app.batch.journal.standing import Standing
from agent_app.batch.judging.scores import Scores
from agent_app.batch.progress import Progress
from agent_app.budget import Budget
from agent_app.cli.showing import print_json_line
from agent_app.errors import DiskFull
from agent_app.terminal import Writer, colours, stderr

_A_MINUTE = 60.0
_OFTEN = 0.25
_WHY = {
    "budget": "the budget does not allow another call",
    "time": "the run's time is over",
    "errors": "too many rows have failed",
    "interrupted": "interrupted",
    "failed": "the run could not go on",
}


@contextlib.asynccontextmanager
async def showing(
    progress: Progress, budget: Budget | None, *, quiet: bool, beside_answers: bool
) -> AsyncIterator[None]:
    """Show on stderr how a batch goes on.

    Args:
        progress: what is shown.
        budget: what limits it, if anything does.
        quiet: show nothing.
        beside_answers: the answers go to stdout; on one terminal a bar would be in their way.
    """
    has_bar = colours(sys.stderr) and not (beside_answers and sys.stdout.isatty())
    show = _bar if has_bar else _lines
    task = None if quiet else asyncio.create_task(show(progress, budget))
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.wait([task])


async def _lines(progress: Progress, budget: Budget | None) -> None:
    while True:
        await asyncio.sleep(_A_MINUTE)
        stderr().line(in_a_line(progress, budget))


async def _bar(progress: Progress, budget: Budget | None) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=progress.total)
        while True:
            description = ", ".join(_facts(progress, budget))
            bar.update(task, completed=progress.before + progress.done, description=description)
            await asyncio.sleep(_OFTEN)


def in_a_line(progress: Progress, budget: Budget | None) -> str:
    """Say how far a batch has come."""
    done = f"{progress.before + progress.done:,} of {progress.total:,} done"
    return ", ".join([done, *_facts(progress, budget)])


def _facts(progress: Progress, budget: Budget | None) -> Iterator[str]:
    if progress.failed:
        yield f"{progress.failed:,} failed"
    yield f"{progress.rate() * 60:,.0f} a minute"
    left = progress.seconds_left()
    if left is not None:
        yield f"{datetime.timedelta(seconds=round(left))} left"
    yield f"{progress.in_flight} on their way (up to {progress.limit})"
    yield from _spent(progress, budget)


def _spent(progress: Progress, budget: Budget | None) -> Iterator[str]:
    usage = progress.usage
    tokens = f"{usage.prompt_tokens + usage.completion_tokens:,}"
    yield f"{tokens} of {budget.tokens:,} tokens" if budget and budget.tokens else f"{tokens} tokens"
    if budget and budget.cost:
        yield f"${usage.cost or 0:.4f} of ${budget.cost:.4f}"
    elif usage.cost:
        yield f"${usage.cost:.4f}"


def last_words(
    progress: Progress, tally: Counter[str], bad: int, path: Path | None, err: Writer, scores: Scores
) -> None:
    """Say what came of a run, and what is to be done about it.

    Args:
        progress: of the run.
        tally: all rows, by what has come of them.
        bad: how many rows were left out.
        path: where the answers are; None: they went to stdout.
        err: where to say it.
        scores: of the rows that were judged.
    """
    if progress.ending in _WHY:
        err.line(f"agent-app: {_WHY[progress.ending]}")
    parts = [f"{tally['answered']:,} answered"]
    if tally["failed"]:
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in progress.errors.most_common())
        parts.append(f"{tally['failed']:,} failed" + (f" ({kinds})" if kinds else ""))
    if tally["missing"]:
        parts.append(f"{tally['missing']:,} left, which the same command goes on with")
    if bad:
        parts.append(f"{bad:,} bad rows left out")
    seconds = f"{progress.usage.seconds:.0f} s" if progress.done else ""
    spent = ", ".join(filter(None, [*_spent(progress, None), seconds and f"{seconds} of model and tools"]))
    where = "stdout" if path is None else str(path)
    err.line(f"{where}{' (partial)' if tally['missing'] else ''}: {', '.join(parts)}; this run took {spent}")
    if progress.damaged:
        err.line(f"damaged records in the journal, which counted as not there: {progress.damaged:,}")
    for line in scores.lines():
        err.line(line)
    if tally["failed"]:
        err.line("--retry-errors asks again what failed")


def print_row(row: dict[str, Any], *, kept: str, stream: TextIO | None = None) -> None:
    """Write a row of answers to stdout, or another stream.

    Raises:
        DiskFull: there is no room for it; says what is kept.
    """
    try:
        print_json_line(row, stream)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise DiskFull(f"cannot write to stdout: {error.strerror}; {kept}") from error


def standing_lines(now: Standing) -> Iterator[str]:
    """Say how a batch stands, line by line."""
    repeat = now.began.get("repeat", 1)
    each = f", each asked {repeat} times" if repeat > 1 else ""
    yield f"{now.answered:,} of {now.questions:,} questions answered{each}"
    if now.failed:
        kinds = ", ".join(f"{number:,} {kind}" for kind, number in now.errors.items())
        yield f"{now.failed:,} failed: {kinds}"
    if now.missing:
        begun = f", {now.begun:,} of them begun" if now.begun else ""
        yield f"{now.missing:,} left{begun}"
    if now.scores is not None:
        yield from now.scores.lines()
    prompt, model = (now.fingerprint.get(name, "unknown") for name in ("prompt", "model"))
    yield f"prompt {prompt}, model {model}"
    yield f"{now.began.get('input', 'nothing')} begun {now.began.get('began', 'never')}; {_how_it_ended(now)}"


def _how_it_ended(now: Standing) -> str:
    if now.is_running:
        return "it is running"
    if not now.ended:
        return "it was killed; the same command goes on"
    why: Any = now.ended.get("why")
    return f"ended {now.ended.get('ended')}: {_WHY.get(why, 'it came to its end')}"
