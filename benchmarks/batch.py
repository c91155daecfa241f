"""Measures what batches cost: rows a second, memory, and the time to go on with a large file.

    python benchmarks/batch.py throughput
    python benchmarks/batch.py memory
    python benchmarks/batch.py resume
    python benchmarks/batch.py embedded

`throughput`: a scripted server on loopback, in a process of its own, takes 200 ms for every answer. The share
of the ideal XX has the same model client; ours also writes its journal to the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.loopback import more_files, served

LATENCY = 0.2
ANSWER = " I now know the final answer\nFinal Answer: Arr, it be done."
System: TypeAlias = Callable[[list[str], int], Awaitable[int]]
"""Answers questions, so many at a time, and returns how many it has answered."""


async def _in_flight(call: Callable[[str], Awaitable[object]], questions: list[str], at_once: int) -> int:
    """Make a call for each question, so many at a time."""
    left, done = iter(questions), 0

    async def work() -> None:
        nonlocal done
        for question in left:
            await call(question)
            done += 1

    await asyncio.gather(*(work() for _ in range(at_once)))
    return done


def raw_http() -> System:
    """Return no more than the HTTP: an aiohttp session that posts what our agent posts."""
    import aiohttp

    from agent_app import Agent, load_model
    from agent_app.testing import FaultyServer

    url = os.environ["OPENAI_BASE_URL"]
    with FaultyServer(ANSWER) as server:
        os.environ["OPENAI_BASE_URL"] = server.url
        Agent(load_model("openai:parrot"), tools=["calculator"]).invoke("What is QUESTION?")
        body = json.dumps(server.requests[0].body)
    os.environ["OPENAI_BASE_URL"] = url

    async def answer(questions: list[str], at_once: int) -> int:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

            async def call(question: str) -> object:
                data = body.replace("What is QUESTION?", question).encode()
                async with session.post(f"{url}/chat/completions", data=data) as reply:
                    return json.loads(await reply.read())["choices"][0]["message"]["content"]

            return await _in_flight(call, questions, at_once)

    return answer


def chat_openai() -> System:
    """Return LangChain's `abatch` over its own model, with aiohttp below it: no agent at all."""
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    from agent_app.models.async_client import AnyLoopClient

    model = ChatOpenAI(
        model="parrot",
        base_url=os.environ["OPENAI_BASE_URL"],
        api_key=SecretStr("none"),
        http_async_client=AnyLoopClient(),
    )

    async def answer(questions: list[str], at_once: int) -> int:
        return len(await model.abatch(questions, {"max_concurrency": at_once}))  # type: ignore[arg-type]

    return answer


def ours() -> System:
    """Return our batch, with a journal on the disk."""
    from agent_app import Agent, arun_batch, load_model

    agent = Agent(load_model("openai:parrot"), tools=["calculator"]).open()

    async def answer(questions: list[str], at_once: int) -> int:
        with tempfile.TemporaryDirectory() as folder:
            rows = arun_batch(agent, questions, journal=Path(folder) / "a.journal", concurrency=at_once)
            done = 0
            async for row in rows:  # each is looked at and let go, as where they are written to a file
                done += row.status == "answered"
            return done

    return answer


def bare_agent() -> System:
    """Return LangChain's own `abatch` over our agent: no journal, no pace, nothing kept."""
    from agent_app import Agent, load_model

    agent = Agent(load_model("openai:parrot"), tools=["calculator"]).open()

    async def answer(questions: list[str], at_once: int) -> int:
        return len(await agent.abatch(questions, {"max_concurrency": at_once}))  # type: ignore[arg-type]

    return answer


def bare_model() -> System:
    """Return LangChain's `abatch` over our model alone: no agent at all."""
    from agent_app import load_model

    model = load_model("openai:parrot")

    async def answer(questions: list[str], at_once: int) -> int:
        return len(await model.abatch(questions, {"max_concurrency": at_once}))  # type: ignore[arg-type]

    return answer


def _tools() -> Any:
    from agent_app import load_tools
    from agent_app.settings import Settings
    from agent_app.toolbox import tool_folders

    return load_tools(["calculator"], tool_folders(Settings()))


def classic() -> System:
    """Return LangChain's `abatch` over the classic executor."""
    from langchain_classic.agents import AgentExecutor, create_react_agent
    from langchain_core.prompts import PromptTemplate

    from agent_app import load_model
    from benchmarks.evaluation.systems.peers import words

    tools = _tools()
    agent = create_react_agent(
        load_model("openai:parrot"), tools, PromptTemplate.from_template(words("classic.txt"))
    )
    executor = AgentExecutor(agent=agent, tools=tools)

    async def answer(questions: list[str], at_once: int) -> int:
        inputs = [{"input": question} for question in questions]
        return len(await executor.abatch(inputs, {"max_concurrency": at_once}))  # type: ignore[arg-type]

    return answer


def native() -> System:
    """Return LangChain's `abatch` over `create_agent`."""
    from langchain.agents import create_agent
    from langchain_core.messages import HumanMessage

    from agent_app import load_model
    from benchmarks.evaluation.systems.peers import words

    agent = create_agent(load_model("openai:parrot"), _tools(), system_prompt=words("native.txt"))

    async def answer(questions: list[str], at_once: int) -> int:
        inputs: Any = [{"messages": [HumanMessage(question)]} for question in questions]
        return len(await agent.abatch(inputs, {"max_concurrency": at_once}))

    return answer


SYSTEMS: dict[str, Callable[[], System]] = {
    "raw HTTP": raw_http,
    "ChatOpenAI": chat_openai,
    "our model": bare_model,
    "our agent, .abatch": bare_agent,
    "our batch": ours,
    "classic, .abatch": classic,
    "create_agent, .abatch": native,
}


async def _throughput(names: Sequence[str], at_once: Sequence[int], rows_each: int, rounds: int) -> None:
    systems = {name: SYSTEMS[name]() for name in names}
    print(f"{'':22}{'in flight':>10}{'rows/s':>8}{'of ideal':>9}{'CPU ms/row':>11}")
    for number in at_once:
        questions = [f"What is {n} + {n}?" for n in range(number * rows_each)]
        rates: dict[str, float] = dict.fromkeys(systems, 0.0)
        costs: dict[str, float] = dict.fromkeys(systems, math.inf)
        for _ in range(rounds):
            for name, answer in systems.items():
                await answer(questions[:number], number)  # connections and caches
                gc.collect()  # each pays for its own garbage only
                begun, cpu = time.perf_counter(), time.process_time()
                done = await answer(questions, number)
                taken, cpu = time.perf_counter() - begun, time.process_time() - cpu
                assert done == len(questions)
                rates[name] = max(rates[name], done / taken)
                costs[name] = min(costs[name], 1000 * cpu / done)
        for name, rate in rates.items():
            share = rate * LATENCY / number
            print(f"{name:22}{number:10}{rate:8.0f}{share:9.0%}{costs[name]:11.2f}", flush=True)


def throughput(options: argparse.Namespace) -> None:
    """Print rows a second, for each system."""
    more_files()
    with served(ANSWER, LATENCY) as url:
        os.environ["OPENAI_BASE_URL"] = url
        asyncio.run(_throughput(options.systems, options.in_flight, options.rows_each, options.rounds))


# --- memory, and going on ---


def write_questions(path: Path, count: int) -> None:
    """Write so many questions, each with a field of its own."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            file.write(json.dumps({"question": f"What is {number} + {number}?", "number": number}) + "\n")


def _forgetful_model() -> Any:
    """Return a scripted model that does not keep what it was asked, as that would be most of the memory."""
    from agent_app.models.scripted import ScriptedModel

    def say(_: object) -> str:
        model.prompts.clear()
        return ANSWER

    model = ScriptedModel(repeat=say)
    return model


def _measured(path: str, journal: str, only_first: str) -> None:
    """Run a batch in this process and print its peak of memory and the time to its first new answer."""
    begun = time.perf_counter()
    from agent_app import Agent
    from agent_app.batch.rows import Reading, rows_of_file
    from agent_app.batch.running import open_batch

    agent = Agent(_forgetful_model(), tools=["calculator"]).open()
    with open_batch(agent, rows_of_file(Path(path), Reading()), Path(journal), concurrency=64) as batch:
        first = asyncio.run(_drain(batch, begun, stop=only_first == "yes"))
        tally = batch.tally()
    print(
        json.dumps({"first": first, "tally": tally, "peak": _peak_mb(), "all": time.perf_counter() - begun})
    )


async def _drain(batch: Any, begun: float, *, stop: bool) -> float | None:
    first = None
    async with contextlib.aclosing(batch.answers(as_completed=False)) as answers:
        async for _ in _watched(answers, batch):
            if first is None and batch.progress.done:
                first = time.perf_counter() - begun
                if stop:
                    break
    return first


async def _watched(answers: Any, batch: Any) -> Any:
    async for answer in answers:
        yield answer
        if not batch.progress.done:
            await asyncio.sleep(0)


def _peak_mb() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _in_a_process(*arguments: str) -> dict[str, Any]:
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parents[1])!r})\n"
    code += f"from benchmarks.batch import _measured; _measured(*{arguments!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def memory(options: argparse.Namespace) -> None:
    """Print the peak of memory for each number of rows."""
    print(f"{'rows':>8}{'peak MB':>9}{'rows/s':>8}")
    for count in options.rows:
        with tempfile.TemporaryDirectory() as folder:
            questions = Path(folder) / "q.jsonl"
            write_questions(questions, count)
            facts = _in_a_process(str(questions), f"{folder}/a.journal", "no")
            assert facts["tally"] == {"answered": count}
            print(f"{count:8,}{facts['peak']:9.0f}{count / facts['all']:8.0f}", flush=True)


async def _answer_all_but(count: int, questions: Path, journal: Path) -> None:
    """Fill a journal with answers as they are, for all questions but the last so many."""
    from agent_app import Agent
    from agent_app.batch.identity import fingerprint
    from agent_app.batch.journal.journal import open_journal
    from agent_app.batch.journal.record import Record
    from agent_app.batch.rows import Reading, rows_of_file

    agent = Agent(_forgetful_model(), tools=["calculator"]).open()
    run = await agent.ainvoke("What is 2 + 2?")
    keys = [key for key in rows_of_file(questions, Reading()).census.keys if key is not None]
    with open_journal(journal, fingerprint(agent, {})) as kept:
        for start in range(0, len(keys) - count, 1000):
            some = keys[start : min(start + 1000, len(keys) - count)]
            await asyncio.gather(*(kept.add(Record(key, "answered", run, 1, 0.2)) for key in some))


def resume(options: argparse.Namespace) -> None:
    """Print how long a process takes to its first new answer when all but the last 100 are there."""
    with tempfile.TemporaryDirectory() as folder:
        questions, journal = Path(folder) / "q.jsonl", Path(folder) / "a.journal"
        write_questions(questions, options.rows[-1])
        asyncio.run(_answer_all_but(100, questions, journal))
        facts = _in_a_process(str(questions), str(journal), "yes")
        print(f"{options.rows[-1]:,} rows, journal of {journal.stat().st_size / 1e6:.0f} MB: ", end="")
        print(f"first new answer after {facts['first']:.2f} s, peak {facts['peak']:.0f} MB")


# --- several rows at once on the embedded model ---


def embedded(options: argparse.Namespace) -> None:
    """Print the rows a minute of the embedded model, for one and for several rows at once."""
    from agent_app import Agent, load_model, run_batch

    agents = {
        at_once: Agent(load_model(options.model, parallel=at_once), tools=["calculator"], max_steps=3).open()
        for at_once in options.at_once
    }
    rates: dict[int, float] = dict.fromkeys(agents, 0.0)
    usages: dict[int, list[dict[str, Any]]] = {}
    for number in range(options.rounds + 1):
        questions = [f"What is {number + 2} * {n + 11}?" for n in range(options.questions)]
        for at_once, agent in agents.items():
            begun = time.perf_counter()
            usages[at_once] = [row.usage for row in run_batch(agent, questions, concurrency=at_once)]
            taken = time.perf_counter() - begun
            if number:  # the first round reads what all prompts begin with
                rates[at_once] = max(rates[at_once], 60 * len(questions) / taken)
    print(f"{'at once':>8}{'rows/min':>9}{'x first':>8}   tokens a row: read, of them cached, written")
    for at_once, rate in rates.items():
        tokens = (
            sum(usage[name] for usage in usages[at_once]) / options.questions
            for name in ("prompt_tokens", "cached_tokens", "completion_tokens")
        )
        times = rate / next(iter(rates.values()))
        print(f"{at_once:8}{rate:9.1f}{times:8.2f}   {', '.join(f'{n:.0f}' for n in tokens)}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["throughput", "memory", "resume", "embedded"])
    parser.add_argument("--in-flight", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--rows-each", type=int, default=20, help="rows per row in flight")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured; the best is shown")
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 10_000, 200_000])
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 4], help="rows on the embedded model")
    parser.add_argument("--questions", type=int, default=24, help="for the embedded model, in each round")
    parser.add_argument("--model", default="embedded:smollm2-135m")
    options = parser.parse_args(arguments)
    kinds = {"throughput": throughput, "memory": memory, "resume": resume, "embedded": embedded}
    kinds[options.what](options)


if __name__ == "__main__":
    main()
