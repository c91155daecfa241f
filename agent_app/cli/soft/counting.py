"""How far something slow has come, on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from agent_app.terminal import colours, stderr


@contextlib.contextmanager
def counting(total: int, things: str, word: str) -> Iterator[Callable[[object], None]]:
    """Show a bar on a terminal; elsewhere a line for each tenth.

    Args:
        total: how many there will be.
        things: what is counted, as in ``"rows"``.
        word: what is done with them.

    Yields:
        What is called after each of them, with anything.
    """
    if not colours(sys.stderr):
        done = 0

        def count(_: object) -> None:
            nonlocal done
            done += 1
            if 10 * done // total > 10 * (done - 1) // total:
                stderr().line(f"{word}: {done} of {total} {things}")

        yield count
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*parts, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(word, total=total)
        yield lambda _: bar.advance(task)
