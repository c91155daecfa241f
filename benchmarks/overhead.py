"""Measures what an agent loop costs a step when its model and its tool cost next to nothing.

    python benchmarks/overhead.py --steps 8 --runs 40

Every system has the same conversation: a call of one tool in each step, then an answer. They take turns,
conversation by conversation, so that a busy machine disturbs all of them alike. Printed are medians in
milliseconds per step: the time on the clock with the middle half of what was measured, and the processor's
time for all threads, which other programs disturb less. Systems that are not installed are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.overhead_peers.conversation import ANSWER

SYSTEMS = {
    "bare": "langchain-core",
    "ours": "agent-app",
    "smolagents": "smolagents",
    "openai_agents": "openai-agents",
    "create_agent": "langchain",
    "pydantic_ai": "pydantic-ai-slim",
    "llama_index": "llama-index-core",
    "classic": "langchain-classic",
}
"""The file of each system in `overhead_peers`, and what has to be installed for it."""

WARM_UP = 3
"""How many conversations are not counted, as they fill caches."""


class Taken(NamedTuple):
    """What one conversation took, in seconds."""

    clock: float
    processor: float


class Watch:
    """Takes the time from when it is made."""

    def __init__(self) -> None:
        gc.collect()
        self._clock, self._processor = time.perf_counter(), time.process_time()

    def taken(self, answer: str) -> Taken:
        """Return the time so far.

        Raises:
            RuntimeError: this is not the script's answer.
        """
        taken = Taken(time.perf_counter() - self._clock, time.process_time() - self._processor)
        if not answer.endswith(ANSWER):
            raise RuntimeError(f"the answer was {answer!r}")
        return taken


def blocking(systems: dict[str, Any], steps: int) -> dict[str, Callable[[], Taken]]:
    """Return what has a conversation by plain calls, for each system that can."""

    def timed(run: Callable[[], str]) -> Callable[[], Taken]:
        return lambda: Watch().taken(run())

    return {n: timed(s.blocking(steps)) for n, s in systems.items() if hasattr(s, "blocking")}


def awaited(systems: dict[str, Any], steps: int) -> dict[str, Callable[[], Taken]]:
    """Return what has a conversation in an event loop that is running already, for each system that can."""

    def timed(run: Callable[[], Awaitable[str]]) -> Callable[[], Taken]:
        async def converse() -> Taken:
            return Watch().taken(await run())

        return lambda: asyncio.run(converse())

    return {n: timed(s.awaited(steps)) for n, s in systems.items() if hasattr(s, "awaited")}


def take_turns(runs: dict[str, Callable[[], Taken]], rounds: int) -> dict[str, list[Taken]]:
    """Return what each conversation took, by system."""
    for _ in range(WARM_UP):
        for run in runs.values():
            run()
    gc.collect()
    gc.freeze()  # so that collecting garbage need not look through all that was imported
    takes: dict[str, list[Taken]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            takes[name].append(run())
    gc.unfreeze()
    return takes


def table(title: str, takes: dict[str, list[Taken]], steps: int) -> str:
    """Write the medians per step, and what they are in multiples of the bare calls and of ours."""
    processor = {
        name: statistics.median(one.processor for one in all_) * 1000 / steps for name, all_ in takes.items()
    }
    lines = [f"{title:16}{'processor':>10}{'x bare':>8}{'x ours':>8}{'clock':>9}{'middle half':>16}"]
    for name, cost in processor.items():
        clocks = [one.clock * 1000 / steps for one in takes[name]]
        low, middle, high = statistics.quantiles(clocks, n=4)
        ratios = f"{cost / processor['bare']:8.2f}{cost / processor['ours']:8.2f}"
        lines.append(f"{name:16}{cost:10.2f}{ratios}{middle:9.2f}{f'{low:.2f} to {high:.2f}':>16}")
    return "\n".join(lines)


def load() -> tuple[dict[str, Any], list[str]]:
    """Import the systems; return them, and what is not installed."""
    systems: dict[str, Any] = {}
    missing = []
    for name, distribution in SYSTEMS.items():
        try:
            systems[name] = importlib.import_module(f"benchmarks.overhead_peers.{name}")
        except ModuleNotFoundError:
            missing.append(distribution)
    return systems, missing


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for plain calls and one for an event loop."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=8, help="tool calls in a conversation")
    parser.add_argument("--runs", type=int, default=40, help="conversations per system")
    options = parser.parse_args(arguments)
    systems, missing = load()
    print("Milliseconds per step; the ratios are of the processor's time.\n")
    for title, prepare in (("plain calls", blocking), ("event loop", awaited)):
        takes = take_turns(prepare(systems, options.steps), options.runs)
        print(table(title, takes, options.steps), end="\n\n")
    if missing:
        print(f"Left out, as not installed: {', '.join(missing)}")


if __name__ == "__main__":
    main()
