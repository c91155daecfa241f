"""A tuning at the terminal: a bar while it runs, or a line now and then, and Ctrl-C between two steps."""

from __future__ import annotations

import contextlib
import datetime
import signal
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from agent_app.terminal import colours, stderr

if TYPE_CHECKING:
    from agent_app.tuning.trainer import Progress


@contextlib.contextmanager
def showing() -> Iterator[Callable[[Progress], None]]:
    """Give what shows on stderr how a tuning goes on: a bar on a terminal, a line for each look elsewhere."""
    if not colours(sys.stderr):
        yield _line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("the first step", total=None)

        def show(progress: Progress) -> None:
            bar.update(task, completed=progress.step, total=progress.steps, description=_facts(progress))
            if progress.looked:
                bar.console.print(_in_a_line(progress), markup=False, highlight=False)

        yield show


def _line(progress: Progress) -> None:
    if progress.looked or progress.step == 1:
        stderr().line(_in_a_line(progress))


def _in_a_line(progress: Progress) -> str:
    return f"step {progress.step} of {progress.steps}: {_facts(progress)}"


def _facts(progress: Progress) -> str:
    parts = [f"loss {progress.loss:.3f}"]
    if progress.dev is not None:
        parts.append(f"dev {progress.dev.loss:.3f} ({progress.dev.tokens_right:.1%} of tokens right)")
    parts.append(f"{datetime.timedelta(seconds=round(progress.seconds_left))} left")
    return ", ".join(parts)


@contextlib.contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C end a tuning after the step under way; a second one ends it at once. SIGTERM does the same.

    Yields:
        What says whether it has been asked for.
    """
    asked = False

    def handle(*_: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        stderr().line("\nstopping after this step; Ctrl-C again stops at once, without a checkpoint")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
