"""Measures many runs at the same time, with a model that takes 100 ms for each call.

    python benchmarks/throughput.py --runs 1000

A run has two model calls and a call of a tool between them. All runs begin at once, shared by as many
processes as there are cores, each with one event loop; the systems take turns. Each is held against ideals:

- *waiting*: two calls of the model, and no work at all;
- *bare*: the same, and the processor's time of the bare model and tool calls, spread over the cores;
- *alone*: the same with the processor's time that a run of this very system takes when it is alone. What is
  missing there is what it costs to have a thousand at once.

*Reckoned* is the share of the bare ideal that the processor's time allows, had no other program run: waiting
and the time of all runs together, spread over the cores, stand for the clock.

Memory is what a run holds while it is under way: the peak of what Python allocates, divided by the runs,
taken in a process of its own. Other programs disturb the times, so the best round counts. The last line is
for plain calls: `batch` with a thread for each run.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import os
import statistics
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool

from agent_app import Agent

QUESTION = "What does the echo say?"
CALLS = 2
"""Model calls in a run."""

_all_ready: Any = None

Ask: TypeAlias = Callable[[], Awaitable[Any]]


class SlowModel(BaseChatModel):
    """Asks for the echo, and answers once it has heard it; waits before each reply."""

    model: str = "slow"
    seconds: float
    native: bool = False

    @property
    def _llm_type(self) -> str:
        return "slow"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Return itself: it knows its tool."""
        return self

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        time.sleep(self.seconds)
        return self._reply(messages)

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        await asyncio.sleep(self.seconds)
        return self._reply(messages)

    def _reply(self, messages: list[BaseMessage]) -> ChatResult:
        if "You said" in messages[-1].text:
            message = AIMessage("Arr!" if self.native else " Well\nFinal Answer: Arr!")
        elif self.native:
            message = AIMessage("Well", tool_calls=[{"name": "echo", "args": {"text": "0"}, "id": "0"}])
        else:
            message = AIMessage(" Well\nAction: echo\nAction Input: 0")
        return ChatResult(generations=[ChatGeneration(message=message)])


@tool
async def echo(text: str) -> str:
    """Say a text again."""
    return f"You said {text}."


def bare(seconds: float) -> Ask:
    """Return the model calls and the tool call of a run, with nothing between."""
    model = SlowModel(seconds=seconds)

    async def ask() -> None:
        await model.ainvoke(QUESTION)
        heard = await echo.ainvoke({"text": "0"})
        await model.ainvoke(heard)

    return ask


def ours(seconds: float) -> Ask:
    """Return our agent."""
    agent = Agent(SlowModel(seconds=seconds), tools=[echo]).open()
    return lambda: agent.ainvoke(QUESTION)


def native(seconds: float) -> Ask:
    """Return `create_agent` of LangChain with native tool calls."""
    from langchain.agents import create_agent

    agent: Any = create_agent(SlowModel(seconds=seconds, native=True), [echo])
    return lambda: agent.ainvoke({"messages": [("user", QUESTION)]})


SYSTEMS: dict[str, Callable[[float], Ask]] = {"bare": bare, "ours": ours, "create_agent": native}


class Share(NamedTuple):
    """What a process took for its share of the runs, in seconds; the first two on the system's clock."""

    began: float
    ended: float
    processor: float


def together(system: str, seconds: float, runs: int) -> Share:
    """Have so many runs at once, in all processes at the same time."""
    ask = _warm(system, seconds)

    async def all_runs() -> None:
        await asyncio.gather(*(ask() for _ in range(runs)))

    _all_ready.wait()
    began, processor = time.time(), time.process_time()
    asyncio.run(all_runs())
    return Share(began, time.time(), time.process_time() - processor)


def alone(system: str, runs: int) -> float:
    """Return the processor's time of a run when there is one at a time and the model does not wait."""
    ask = _warm(system, 0)

    async def each_run() -> None:
        for _ in range(runs):
            await ask()

    processor = time.process_time()
    asyncio.run(each_run())
    return (time.process_time() - processor) / runs


def memory(system: str, seconds: float, runs: int) -> float:
    """Return how many KB a run holds while it is under way."""
    ask = _warm(system, seconds)

    async def all_runs() -> None:
        await asyncio.gather(*(ask() for _ in range(runs)))

    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    asyncio.run(all_runs())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (peak - before) / runs / 1024


def threads(seconds: float, runs: int) -> float:
    """Return how long so many of our runs take by `batch`, each in a thread."""
    agent = Agent(SlowModel(seconds=seconds), tools=[echo]).open()
    agent.batch([QUESTION] * 10)
    began = time.perf_counter()
    agent.batch([QUESTION] * runs, {"max_concurrency": runs})
    return time.perf_counter() - began


@functools.cache
def _warm(system: str, seconds: float) -> Ask:
    """Return what has a run, after it has had some."""
    ask = SYSTEMS[system](seconds)

    async def some() -> None:
        for _ in range(3):
            await ask()

    asyncio.run(some())
    gc.collect()
    gc.freeze()  # so that collecting garbage need not look through all that was imported
    return ask


class Taken(NamedTuple):
    """What all runs of a system took: the seconds, and the processor's seconds for a run."""

    clock: float
    together: float
    alone: float


def take_turn(pool: ProcessPoolExecutor, system: str, options: argparse.Namespace) -> Taken:
    """Share the runs among the processes; the time goes from the first's beginning to the last's end."""
    runs, cores = options.runs // options.cores, options.cores
    parts = [pool.submit(together, system, options.seconds, runs) for _ in range(cores)]
    shares = [part.result() for part in parts]
    clock = max(share.ended for share in shares) - min(share.began for share in shares)
    processor = sum(share.processor for share in shares) / (runs * cores)
    return Taken(clock, processor, pool.submit(alone, system, 200).result())


def main(arguments: Sequence[str] | None = None) -> None:
    """Print throughput, shares of the ideals and memory."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000, help="runs at the same time")
    parser.add_argument("--seconds", type=float, default=0.1, help="what a model call takes")
    parser.add_argument("--rounds", type=int, default=10, help="how often each system takes its turn")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1, help="processes")
    options = parser.parse_args(arguments)
    takes: dict[str, list[Taken]] = {name: [] for name in SYSTEMS}
    with _pool(options.cores) as pool:
        for _ in range(options.rounds):
            for name, taken in takes.items():
                taken.append(take_turn(pool, name, options))
    print(
        f"{options.runs:,} runs of {CALLS} calls of {options.seconds * 1000:g} ms on {options.cores} cores\n"
    )
    print(f"{'':14}{'seconds':^15}{'':10}{'processor, ms a run':^22}{'share of the ideal':^35}{'KB':>7}")
    print(f"{'':14}{'best':>7}{'median':>8}{'runs/s':>10}{'together':>12}{'alone':>10}", end="")
    print(f"{'waiting':>10}{'bare':>7}{'alone':>8}{'reckoned':>10}{'a run':>7}")
    for name, taken in takes.items():
        with _pool(1) as pool:
            held = pool.submit(memory, name, options.seconds, options.runs).result()
        print(_line(name, taken, takes["bare"], options) + f"{held:7.0f}")
    with _pool(1) as pool:
        seconds = pool.submit(threads, options.seconds, options.runs).result()
    print(f"\nours by `batch`, a thread for each run, one process: {options.runs / seconds:.0f} runs/s")


def _line(name: str, taken: list[Taken], bare: list[Taken], options: argparse.Namespace) -> str:
    """Write what a system took; its best round counts, which other programs have disturbed least."""
    clock, together, alone = map(min, zip(*taken, strict=True))
    waiting = CALLS * options.seconds
    costs = (0.0, min(one.alone for one in bare), alone)
    ideals = [waiting + cost * options.runs / options.cores for cost in costs]
    reckoned = ideals[1] / (waiting + together * options.runs / options.cores)
    shares = "".join(f"{ideal / clock:>{w}.0%}" for ideal, w in zip(ideals, (10, 7, 8), strict=True))
    times = f"{clock:7.2f}{statistics.median(one.clock for one in taken):8.2f}{options.runs / clock:10.0f}"
    return f"{name:14}{times}{together * 1000:12.2f}{alone * 1000:10.2f}{shares}{reckoned:10.0%}"


def _pool(processes: int) -> ProcessPoolExecutor:
    context = get_context("spawn")
    return ProcessPoolExecutor(processes, context, _join, (context.Barrier(processes),))


def _join(barrier: Any) -> None:
    """Keep what the processes wait at until all of them are ready."""
    global _all_ready
    _all_ready = barrier


if __name__ == "__main__":
    main()
